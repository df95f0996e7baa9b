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
finish
