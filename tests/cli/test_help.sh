#!/usr/bin/env bash
# The command's own pages and exit codes: --help, --version, man page, completions, bad usage.
. tests/cli/lib.sh

expect_exit 0 "swage --help" "$SWAGE" --help
expect_match "help shows the usage" "$stdout" '^Usage: swage COMMAND'
check "help says nothing on standard error" [ -z "$stderr" ]
long=$(awk 'length > 80' "$scratch/stdout")
check "help fits 80 columns: $long" [ -z "$long" ]
expect_exit 0 "swage -h" "$SWAGE" -h
expect_exit 0 "swage help" "$SWAGE" help
expect_match "help without a command is the program's" "$stdout" '^Usage: swage COMMAND'

expect_exit 0 "swage --version" "$SWAGE" --version
expect_match "version" "$stdout" '^swage [0-9]+\.[0-9]+\.[0-9]+'$'\nbuild +[A-Z]'
expect_match "version names kernels and BLAS" "$stdout" 'kernels +[a-z].*blas +[A-Za-z]'
expect_exit 0 "swage --version --json" "$SWAGE" --version --json
expect_match "version as JSON" "$stdout" '"version": "[0-9]+\.[0-9]+\.[0-9]+".*"type": ".*"kernels": "'
expect_exit 0 "swage --json --version" "$SWAGE" --json --version
expect_exit 0 "swage help --json" "$SWAGE" help --json
expect_match "help as JSON" "$stdout" '"command": "help".*"name": "quantize".*"name": "bits".*"common_options"'
expect_exit 0 "swage help run --json" "$SWAGE" help run --json
expect_match "help of a command as JSON" "$stdout" '"name": "run".*"name": "prompt".*"letter": "p"'
expect_exit 0 "swage run --help --json" "$SWAGE" run --help --json
expect_match "help of a command as JSON" "$stdout" '"command": "help".*"name": "run"'

# Wrong usage: exit 2, one sentence and a pointer to the help on standard error, nothing on stdout.
usage() { # NAME PATTERN ARGUMENTS...
  local name=$1 pattern=$2
  shift 2
  expect_exit 2 "$name" "$SWAGE" "$@"
  expect_match "$name" "$stderr" "$pattern"
  check "$name keeps standard output empty" [ -z "$stdout" ]
  check "$name takes one sentence and one pointer" [ "$(wc -l <"$scratch/stderr")" -eq 2 ]
}
usage "no arguments" 'no command is given.see swage --help$'
usage "unknown command" 'unknown command "hlep"; did you mean help\?' hlep
usage "unknown command, nothing near" 'unknown command "zzzzzzzz"' zzzzzzzz
usage "empty command" 'unknown command ""' ''
usage "unknown option" 'unknown option --versoin; did you mean --version\?' --versoin
usage "unknown letter" 'unknown option -Z' -Z
usage "bad choice" '"bahs" is not one of bash\|zsh\|fish; did you mean bash\?' --completion bahs
usage "option given twice" 'option --json is given twice' --json --json
usage "argument of --help" 'option --help takes no value' --help=1
expect_exit 2 "help of an unknown command" "$SWAGE" help nothing
expect_match "help of an unknown command" "$stderr" 'unknown command "nothing"'
expect_exit 2 "options alone" "$SWAGE" --quiet

# Output that cannot be written.
expect_exit 6 "full disk" bash -c "$SWAGE --help >/dev/full"
expect_match "full disk" "$stderr" 'cannot write to standard output: No space left'
expect_exit 6 "closed standard output" bash -c "$SWAGE --help >&-"
mkfifo "$scratch/pipe"
into_closed_pipe() { # COMMAND...: its standard output is a pipe whose reader has gone
  : <"$scratch/pipe" &
  local reader=$!
  exec 5>"$scratch/pipe" # waits for the reader
  wait "$reader"
  "$@" >&5
  local code=$?
  exec 5>&- # or the next reader would find a writer and be gone before it is waited for
  return $code
}
expect_exit 6 "reader gone, SIGPIPE ignored" into_closed_pipe \
  bash -c "trap '' PIPE; exec $SWAGE --man"
expect_match "reader gone, SIGPIPE ignored" "$stderr" 'cannot write to standard output: Broken pipe'
expect_exit 141 "reader gone" into_closed_pipe "$SWAGE" --man
check "dying of a broken pipe is silent" [ -z "$stderr" ]

# Every command: help by both ways is the same text, fits, and names the common options.
commands=$("$SWAGE" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p')
for command in $commands; do
  expect_exit 0 "swage $command --help" "$SWAGE" "$command" --help
  expect_match "help of $command" "$stdout" "^Usage: swage $command"
  expect_match "help of $command has the common options" "$stdout" '--no-progress'
  long=$(awk 'length > 80 && !/^  swage |^Usage: /' "$scratch/stdout")
  check "help of $command fits 80 columns: $long" [ -z "$long" ]
  [ "$command" = help ] && continue
  check "help $command = $command --help" [ "$("$SWAGE" help "$command")" = "$stdout" ]
  expect_exit 2 "$command with an unknown option" "$SWAGE" "$command" --no-such-option
  expect_match "$command names itself in an error" "$stderr" "^swage $command: unknown option"
done

# Generated pages.
"$SWAGE" --man >"$scratch/swage.1"
check "the man page begins with its title" grep -q '^\.TH SWAGE 1' "$scratch/swage.1"
for heading in NAME SYNOPSIS DESCRIPTION COMMANDS 'COMMON OPTIONS' 'EXIT STATUS' ENVIRONMENT EXAMPLES; do
  check "the man page has $heading" grep -qx ".SH $heading" "$scratch/swage.1"
done
if command -v groff >/dev/null; then
  warnings=$(groff -man -ww -z -Tutf8 "$scratch/swage.1" 2>&1)
  check "the man page is clean roff: $warnings" [ -z "$warnings" ]
else
  skip "groff is absent: the man page's roff is not checked"
fi
for shell in bash zsh fish; do
  expect_exit 0 "completion for $shell" "$SWAGE" --completion "$shell"
  if command -v "$shell" >/dev/null; then
    check "completion for $shell parses" "$shell" -n "$scratch/stdout"
  else
    skip "$shell is absent: its completion script is not parsed"
  fi
done

# What bash offers for a half-typed line.
complete_line() { # WORDS..., the last one half-typed
  bash -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _swage; echo "${COMPREPLY[*]}"' \
    "$scratch/completion.bash" "$@"
}
"$SWAGE" --completion bash >"$scratch/completion.bash"
check "bash completes commands" [ "$(complete_line swage hel)" = help ]
check "bash completes options" [ "$(complete_line swage --vers)" = --version ]
check "bash completes shells" [ "$(complete_line swage --completion z)" = zsh ]
check "bash completes choices" [ "$(complete_line swage any --color al)" = always ]
check "bash completes choices after =" [ "$(complete_line swage any --color = ne)" = never ]

# What makes a command line tool slow to start is the libraries that the loader maps before main:
# a shared libhdf5 would bring 30. scripts/bench measures the time itself.
libraries=$(ldd "$SWAGE" | grep -cvE 'lib(a|ub|t)san|linux-vdso')
echo "$libraries libraries at the start"
check "at most 10 libraries at the start, not $libraries" [ "$libraries" -le 10 ]
finish
