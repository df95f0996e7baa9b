#!/usr/bin/env bash
# Small inputs that ask for enormous work or memory: each ends with one sentence and the exit code of
# the contract, within an allowance of memory. Nothing is written, nothing is executed. (A hang is
# the only thing that a clock ends here.)
. tests/cli/lib.sh
model=examples/tiny-tales
attack() { # CODE NAME PATTERN COMMAND...
  local code=$1 name=$2 pattern=$3
  shift 3
  expect_exit "$code" "$name" timeout 60 "$SWAGE" "$@" --max-memory 256M
  expect_match "$name" "$stderr" "$pattern"
  check "$name: one sentence" [ "$(wc -l <"$scratch/stderr")" -le 2 ]
}
fresh() {
  rm -rf "$scratch/m"
  mkdir "$scratch/m"
  cp "$model"/{config,tokenizer,tokenizer_config}.json "$model/model.safetensors" "$scratch/m"
}
repeat() { yes "$1" | head -n "$2" | tr -d '\n'; } # TEXT COUNT
tokenizer() { # KEY VALUE: in place of what tokenizer.json, an entry of which begins a line, has there
  fresh
  printf '%s' "$2" >"$scratch/value"
  awk -v key=" \"$1\": " -v value="$scratch/value" '
    skipping { skipping = $0 !~ /^ [}]/; next }
    index($0, key) == 1 { getline text <value; print key text ","; skipping = /[{]$/; next }
    { print }' "$model/tokenizer.json" >"$scratch/m/tokenizer.json"
}
template() {
  fresh
  printf '{"chat_template": "%s"}' "$1" >"$scratch/m/tokenizer_config.json"
}
repeat a 100000 >"$scratch/a.txt"
list() { local steps; steps=$(repeat "$2," "$3") && printf '{"type":"Sequence","%s":[%s]}' "$1" "${steps%,}"; }

# Tokenizers.
grow='{"type":"Replace","pattern":{"String":"a"},"content":"'$(repeat a 20)'"}'
for command in "run $scratch/m -n 3 -p a" "tokenize $scratch/m --text $scratch/a.txt" \
  "eval $scratch/m --text $scratch/a.txt"; do
  read -ra words <<<"$command"
  tokenizer normalizer "$(list normalizers "$grow" 30)"
  attack 5 "normalizers that multiply: ${words[0]}" 'makes a text longer than' "${words[@]}"
  tokenizer normalizer '{"type":"Replace","pattern":{"String":""},"content":"'"$(repeat a 100000)"'"}'
  attack 5 "an empty pattern: ${words[0]}" 'makes a text longer than|more work|the prompt has 200001 tokens' "${words[@]}"
done
tokenizer normalizer "$(list normalizers '{"type":"Prepend","prepend":"'"$(repeat x 9)"'"}' 3000)"
attack 4 "many steps" 'm: tokenizer.json: more than 32 steps' tokenize "$scratch/m" --text "$scratch/a.txt"
tokenizer normalizer '{"type":"Prepend","prepend":"'"$(repeat x 3000000)"'"}'
attack 5 "a long beginning" 'makes a text longer than' run "$scratch/m" -n 1 -p a
tokenizer normalizer "$(repeat '{"type":"Sequence","normalizers":[' 50000)"
attack 3 "steps inside steps" 'm: tokenizer.json: bad JSON' run "$scratch/m" -n 1 -p a
grow='{"type":"Replace","pattern":{"String":"a"},"content":"'$(repeat a 1000)'"}'
tokenizer decoder "$(list decoders "$grow" 10)"
echo 64 >"$scratch/ids"
attack 5 "decoders that multiply" 'makes a text longer than' tokenize "$scratch/m" --decode --text "$scratch/ids"
for pattern in '[^9]{0,60000}[89]' '\\p{L}{0,65535}\\p{N}' '(?=(.*)*x)a'; do
  tokenizer pre_tokenizer '{"type":"Split","pattern":{"Regex":"'"$pattern"'"},"behavior":"Isolated","invert":false}'
  attack 5 "the pattern $pattern" 'more work|explodes' tokenize "$scratch/m" --text "$scratch/a.txt"
done
tokenizer pre_tokenizer '{"type":"Split","pattern":{"Regex":"'"$(repeat '(' 50000)$(repeat ')' 50000)"'"},"behavior":"Isolated","invert":false}'
attack 5 "a pattern of brackets" 'm: .*pattern' tokenize "$scratch/m" --text "$scratch/a.txt"

# Chat templates.
chat() { # CODE PATTERN TEMPLATE
  template "$3"
  attack "$1" "the template ${3:0:40}" "$2" run "$scratch/m" --chat -p hi -n 2
}
chat 5 "$scratch/m: chat template" '{% for i in range(90000) %}{% for j in range(90000) %}x{% endfor %}{% endfor %}'
chat 5 'range' '{{ range(10000000000)|list|length }}'
chat 5 'longer than' "{{ 'a' * 10000000000 }}"
chat 5 'MiB|too long' "{% set n = namespace(s='a') %}{% for i in range(100) %}{% set n.s = n.s ~ n.s %}{% endfor %}"
chat 5 'macros|more work|steps' '{% macro f(x) %}{{ f(x) ~ f(x) }}{% endmacro %}{{ f(1) }}'
chat 5 'nest' "{{ $(repeat '(' 5000)1$(repeat ')' 5000) }}"
chat 5 'nest' "$(repeat '{% if true %}' 5000)"
chat 5 'bytes; at most' "$(repeat x 600000)"
chat 5 'longer than|too long|MiB' "{{ ('a' * 9000).replace('a', 'b' * 9000) }}"
template '{{ messages[0].content }}'
attack 5 "a message of 100,000 letters" 'prompt has .* tokens; the context holds 256' run "$scratch/m" --chat --prompt-file "$scratch/a.txt"
repeat '[' 50000 >"$scratch/deep.json"
attack 3 "a conversation inside conversations" 'deep.json: bad JSON' tokenize "$scratch/m" --chat --text "$scratch/deep.json"

# Links, pipes, devices.
fresh
ln -s . "$scratch/m/loop"
attack 0 "a folder inside itself" 'not carried along' convert "$scratch/m" -o "$scratch/loop.swg" --force
for name in config.json tokenizer.json model.safetensors; do
  fresh
  rm "$scratch/m/$name"
  ln -s "$name" "$scratch/m/$name"
  attack 6 "$name links to itself" "$name is a link that leads back to itself" run "$scratch/m" -p x
  ln -sf ../gone "$scratch/m/$name"
  attack 6 "$name links to nothing" "$name is a link that leads to nothing" run "$scratch/m" -p x
  rm "$scratch/m/$name"
  mkfifo "$scratch/m/$name"
  attack 4 "$name is a pipe" "$name is not a regular file" run "$scratch/m" -p x
  ln -sf /dev/zero "$scratch/m/$name"
  attack 4 "$name is a device" "$name is not a regular file" run "$scratch/m" -p x
  ln -sf "$scratch" "$scratch/m/$name"
  attack 4 "$name is a folder" "$name is a folder" run "$scratch/m" -p x
done

# Counts that lie.
le() { local i n=$1 bytes=$2 out=''; for ((i = 0; i < bytes; i++)); do printf -v out '%s\\x%02x' "$out" $((n >> 8 * i & 255)); done; printf '%b' "$out"; }
text() { le ${#1} 8; printf %s "$1"; }
split() { # NUMBER COUNT TENSORS
  printf GGUF
  le 3 4; le 1 8; le 4 8
  text split.no; le 2 4; le "$1" 2
  text split.count; le 2 4; le "$2" 2
  text split.tensors.count; le 5 4; le "$3" 4
  text general.architecture; le 8 4; text llama
  text a; le 1 4; le 8 8; le 0 4; le 0 8
  repeat x 256
}
for place in "0 65535 3" "0 2 4294967295" "9 2 3" "65535 65535 3"; do
  read -r number count tensors <<<"$place"
  file=$scratch/s-00001-of-$(printf %05d "$count").gguf
  split "$number" "$count" "$tensors" >"$file"
  expect_exit 3 "a split GGUF of $place" timeout 60 "$SWAGE" inspect "$file" --max-memory 256M || true
  check "$place: one sentence that names the file" grep -q "s-0000[12]-of" "$scratch/stderr"
done
for json in '{"a":{"dtype":"F32","shape":[9223372036854775807],"data_offsets":[0,4]}}' \
  '{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}' \
  '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,9007199254740992]}}'; do
  { le ${#json} 8; printf '%s1234' "$json"; } >"$scratch/lies.safetensors"
  attack 3 "$json" 'lies.safetensors' inspect "$scratch/lies.safetensors"
done

# Recipes, and grids of them.
quantize=(quantize "$model" -o "$scratch/q.swg" --dry-run -q --recipe)
attack 3 "a recipe inside recipes" 'deep.json: bad JSON.*deeper' "${quantize[@]}" "$scratch/deep.json"
recipe() { # CODE PATTERN TEXT
  printf '%s' "$3" >"$scratch/r.json"
  attack "$1" "the recipe ${3:0:60}" "$2" "${quantize[@]}" "$scratch/r.json"
}
recipe 2 'r.json: the bits of a code are 2, 3' '{"recipe": 1, "defaults": {"bits": 9007199254740991}}'
recipe 3 "r.json: bad JSON: a number is beyond" '{"recipe": 1, "defaults": {"bits": 1e999}}'
recipe 2 'r.json: a group has' '{"recipe": 1, "defaults": {"group": -5}}'
recipe 2 'pattern [*]* matches none of the 38' '{"recipe": 1, "rules": [{"tensors": "'"$(repeat '*' 500000)"'x", "bits": 4}]}'
recipe 2 'matches none of the 38' '{"recipe": 1, "rules": [{"tensors": "'"$(repeat '*a' 100000)"'", "bits": 4}]}'
recipe 2 'rule 1: pattern a\*b\*c' '{"recipe": 1, "rules": ['"$(repeat '{"tensors": "a*b*c*d*e*f", "bits": 4},' 50000)"'{"bits": 4}]}'
sweep() { # CODE PATTERN TEXT
  printf '%s' "$3" >"$scratch/s.json"
  attack "$1" "the grid ${3:0:60}" "$2" sweep "$model" --text "$scratch/a.txt" -o "$scratch/sweep" --recipe "$scratch/s.json"
}
numbers=$(seq -s, 128 2128)
sweep 5 'a grid of 4004001 points is more than 4096' '{"sweep": 1, "runs": [{"command": "quantize", "options":
  {"calibration-tokens": ['"$numbers"'], "calibration-window": ['"$numbers"']}}]}'
sweep 2 '"command" is quantize or prune, not "rm"' '{"sweep": 1, "runs": [{"command": "rm", "options": {}}]}'
sweep 2 '"output" is given by the sweep itself' '{"sweep": 1, "runs": [{"command": "quantize", "options": {"output": "/tmp/x"}}]}'
sweep 2 'option --bits needs a value' '{"sweep": 1, "runs": [{"command": "quantize", "options": {"bits": "--force"}}]}'
sweep 3 'bad JSON.*deeper' "$(repeat '[' 5000)"
check "no sweep was begun" [ ! -e "$scratch/sweep" ]

# Scored pairs, items, results.
. tests/cli/bert_tokenizer.sh
cp -r tests/runtime/fixtures/bert-model "$scratch/encoder"
write_bert_tokenizer "$scratch/encoder/tokenizer.json"
lines() { # CODE PATTERN TEXT COMMAND...
  local code=$1 pattern=$2 text=$3
  shift 3
  printf '%s' "$text" >"$scratch/lines"
  attack "$code" "$1: the line ${text:0:60}" "$pattern" "$@"
}
pairs=(eval "$scratch/encoder" --data "$scratch/lines")
lines 3 'lines: line 1.*JSON|lines: line 1 has 1 cells' "$(repeat '[' 50000)" "${pairs[@]}"
lines 3 'lines: line 1: bad JSON.*deeper' '{"sentence1": '"$(repeat '[' 50000)" "${pairs[@]}"
lines 1 'lines: a correlation needs two pairs' '{"sentence1": "'"$(repeat 'ann ' 500000)"'", "sentence2": "b", "score": 1}' "${pairs[@]}"
lines 3 'lines: line 1: .*beyond a double' '{"sentence1": "a", "sentence2": "b", "score": 1e999}' "${pairs[@]}"
lines 3 'lines: line 1: the score "inf" is not a number' "$(printf 'a\tb\tinf')" "${pairs[@]}"
lines 3 'lines: line 1 has 1000001 cells' "$(repeat "$(printf 'b\t.')" 1000000 | tr -d .)" "${pairs[@]}"
items=(eval "$model" --data-format choices --data "$scratch/lines")
lines 3 'lines: line 1: bad JSON.*deeper' '{"context": '"$(repeat '[' 50000)" "${items[@]}"
lines 3 'more than 64 choices|64' '{"context": "a", "choices": ['"$(repeat '"b", ' 100000)"'"b"], "gold": 1}' "${items[@]}"
lines 5 'lines: line 1' '{"context": "'"$(repeat 'once ' 100000)"'", "choices": ["a", "b"], "gold": 1}' "${items[@]}"
for command in report "choose --max-bytes 5"; do
  read -ra words <<<"$command"
  results=("${words[0]}" "$scratch/lines" "${words[@]:1}")
  lines 3 'lines, line 1: ' '{"results_version": 1, "id": '"$(repeat '[' 50000)"$'\n' "${results[@]}"
  lines 3 'lines, line 1: ' '{"results_version": 1e999}'$'\n' "${results[@]}"
  lines 3 'lines, line 1: ' "$(repeat 'x' 3000000)"$'\n' "${results[@]}"
done

# What a killed run left, and caches of statistics: nothing of them is believed.
random_bytes() { # N SEED: the same ones every time
  printf '%b' "$(awk -v n="$1" -v seed="$2" 'BEGIN { srand(seed); for (i = 0; i < n; i++) printf "\\x%02x", 256 * rand() }')"
}
calibrated=(quantize "$model" -o "$scratch/c.swg" --method gptq --calibration "$scratch/prose"
  --calibration-tokens 256 --calibration-window 64 -q)
head -c 4000 examples/tiny-tales/eval.txt >"$scratch/prose"
"$SWAGE" "${calibrated[@]}" --no-cache >/dev/null
mv "$scratch/c.swg" "$scratch/wanted.swg"
for bytes in 0 10 64 5000; do
  random_bytes "$bytes" "$bytes" >"$scratch/c.swg.swage-resume"
  expect_exit 0 "a journal of $bytes random bytes" "$SWAGE" "${calibrated[@]}" --no-cache --force
  check "a journal of $bytes random bytes: the same file" cmp "$scratch/wanted.swg" "$scratch/c.swg"
done
{ printf swgjrnl1; le 65536 8; repeat x 5000; } >"$scratch/c.swg.swage-resume"
expect_exit 0 "a journal of another program" "$SWAGE" "${calibrated[@]}" --no-cache --force
echo kept >"$scratch/victim"
ln -s victim "$scratch/c.swg.swage-resume"
attack 6 "a link in the journal's place" 'cannot open .*c.swg.swage-resume' "${calibrated[@]}" --no-cache --force
check "what it leads to stays" grep -qx kept "$scratch/victim"
rm "$scratch/c.swg.swage-resume"
for kind in random empty half; do
  rm -rf "$scratch/cache" "$scratch/c.swg"
  "$SWAGE" "${calibrated[@]}" --cache "$scratch/cache" >/dev/null
  for file in "$scratch"/cache/*; do
    case $kind in
      random) random_bytes 5000 1 >"$file" ;;
      empty) : >"$file" ;;
      half) head -c 9000 "$file" >"$scratch/half" && mv "$scratch/half" "$file" ;;
    esac
  done
  expect_exit 0 "a cache that is $kind" "$SWAGE" "${calibrated[@]}" --cache "$scratch/cache" --force
  check "a cache that is $kind: the same file" cmp "$scratch/wanted.swg" "$scratch/c.swg"
done
train=(distill "$model" --teacher "$model" -o "$scratch/d.swg" --text "$scratch/prose" --window 32 --held-out 2
  --steps 1 --resume)
state() { # CODE NAME PATTERN: of what is in its place
  attack "$1" "a training state that is $2" "$3" "${train[@]}"
  rm -rf "$scratch/d.swg.swage-resume"
}
random_bytes 5000 2 >"$scratch/d.swg.swage-resume"
state 3 random 'd.swg.swage-resume is not the state of a training'
: >"$scratch/d.swg.swage-resume"
state 3 empty 'd.swg.swage-resume'
{ printf swgtrai2; repeat x 500; } >"$scratch/d.swg.swage-resume"
state 3 changed 'd.swg.swage-resume does not match its hash'
mkfifo "$scratch/d.swg.swage-resume"
state 4 "a pipe" 'd.swg.swage-resume is not a regular file'
ln -s d.swg.swage-resume "$scratch/d.swg.swage-resume"
state 6 "a loop" 'd.swg.swage-resume'
finish
