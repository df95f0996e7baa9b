#!/usr/bin/env bash
# What the script tests share; source it: . tests/cli/lib.sh
#   check NAME COMMAND...         passes when the command succeeds
#   expect_exit CODE NAME COMMAND...  runs it, its output in $stdout and $stderr, and compares the code
#   expect_match NAME TEXT PATTERN    passes when the text matches the extended regular expression
#   value KEY [FILE]              of the JSON in $scratch/stdout, or in FILE (scripts/json.sh)
#   expect_keys NAME KEY...       passes for every key that this JSON has
#   skip REASON                   counts a test that cannot run here
#   finish                        the RESULT line and the exit status; the script's last command
# $SWAGE is the program, $CHECKPOINT_TOOL the one built from checkpoint_tool.c beside it, $scratch a
# folder that is removed at the end.
set -u
. scripts/json.sh
: "${SWAGE:?names the swage program under test}"
: "${CHECKPOINT_TOOL:=$(dirname "$SWAGE")/tests/checkpoint_tool}"
passed=0 failed=0 skipped=0 stdout='' stderr=''
scratch=$(mktemp -d "${TMPDIR:-/tmp}/swage-test-XXXXXX")
export XDG_CACHE_HOME=$scratch/cache # where quantize keeps statistics
trap 'rm -rf "$scratch"' EXIT

pass() { passed=$((passed + 1)); }
fail() {
  failed=$((failed + 1))
  echo "FAIL: $*"
}
skip() {
  skipped=$((skipped + 1))
  echo "SKIP: $*"
}
check() {
  local name=$1
  shift
  if "$@"; then pass; else fail "$name"; fi
}
expect_exit() {
  local wanted=$1 name=$2 code
  shift 2
  "$@" >"$scratch/stdout" 2>"$scratch/stderr"
  code=$?
  # shellcheck disable=SC2034
  stdout=$(tr -d '\0' <"$scratch/stdout")
  stderr=$(tr -d '\0' <"$scratch/stderr")
  if [ "$code" -eq "$wanted" ]; then pass; else fail "$name: exit code $code, not $wanted: $stderr"; fi
}
expect_match() {
  if [[ $2 =~ $3 ]]; then pass; else fail "$1: \"$2\" does not match \"$3\""; fi
}
value() { json_value "$1" "${2:-$scratch/stdout}"; }
expect_keys() {
  local name=$1 key
  shift
  for key; do check "$name has $key" grep -q "\"$key\": " "$scratch/stdout"; done
}
finish() {
  echo "RESULT $passed $failed $skipped"
  [ "$failed" -eq 0 ] && [ $((passed + skipped)) -gt 0 ]
}
