#!/usr/bin/env bash
# One verdict about a checkpoint: what inspect prints, what quantize refuses and convert says, and
# that NaN is found. The model is the example of the repository, changed in one thing at a time.
. tests/cli/lib.sh

weights=examples/tiny-tales/model.safetensors
fresh() { # NAME: a copy of the model
  mkdir -p "$scratch/$1"
  cp examples/tiny-tales/{config.json,tokenizer.json,tokenizer_config.json} "$weights" "$scratch/$1"
  chmod -R u+w "$scratch/$1"
}
edit() { sed -i -E "$2" "$scratch/$1/config.json"; }

# NAME SUBJECT CODE PATTERN: the checkpoint of that name cannot run: every command says why.
expect_obstacle() {
  local name=$1 subject=$2 code=$3 pattern=$4
  expect_exit 0 "inspect $name" "$SWAGE" inspect "$scratch/$name"
  expect_match "inspect $name" "$stdout" "runs here: no.*$subject: .*$pattern"
  expect_exit 0 "inspect $name --json" "$SWAGE" inspect "$scratch/$name" --json
  expect_match "inspect $name --json" "$stdout" "\"runs\": false.*\"subject\": \"$subject\",.*\"prevents_running\": true.*$pattern"
  expect_exit "$code" "quantize $name" "$SWAGE" quantize "$scratch/$name" -o "$scratch/$name.swg"
  expect_match "quantize $name" "$stderr" "cannot run this model: .*$pattern"
  check "quantize $name writes nothing" [ ! -e "$scratch/$name.swg" ]
}
# The same, for what can be quantized nevertheless.
expect_allowed() {
  expect_obstacle "$@"
  expect_exit 0 "quantize $1, allowed" "$SWAGE" quantize "$scratch/$1" -o "$scratch/$1.swg" --allow-unrunnable
  expect_match "quantize $1, allowed" "$stderr" "note: swage cannot run this model: .*$4"
  expect_exit 0 "convert $1" "$SWAGE" convert "$scratch/$1" -o "$scratch/$1.folder"
  expect_match "convert $1 says it" "$stderr" "note: swage cannot run this model: .*$4"
}

fresh whole
expect_exit 0 "a model that runs" "$SWAGE" inspect "$scratch/whole"
expect_match "a model that runs" "$stdout" 'runs here: yes, as llama'
expect_exit 0 "a model that runs, as JSON" "$SWAGE" inspect "$scratch/whole" --json
expect_match "a model that runs, as JSON" "$stdout" '"verdict": \{.*"runs": true,.*"architecture": "llama",.*"findings": \[\]'
expect_exit 0 "quantize says nothing" "$SWAGE" quantize "$scratch/whole" -o "$scratch/q.swg"
check "quantize says nothing" [ -z "$stderr" ]

fresh mixtral && edit mixtral 's/"llama"/"mixtral"/'
expect_allowed mixtral architecture 4 'architecture .*mixtral.* is not supported'
fresh bare && rm "$scratch/bare/config.json"
expect_allowed bare configuration 4 'has no configuration'
fresh layers && edit layers 's/("num_hidden_layers": *)4/\13/'
expect_allowed layers tensors 4 'tensor model\.layers\.3\.[a-z_.]+ is not part of architecture llama with 3 layers'
fresh narrow && edit narrow 's/("intermediate_size": *)[0-9]+/\17/'
expect_allowed narrow tensors 3 'has shape .*config\.json implies'
fresh rope && edit rope 's/("rope_theta": *)[0-9.]+/\1-5/'
expect_allowed rope architecture 3 'rope_theta.* is -5'
fresh token && sed -i 's/"ByteLevel"/"OtherLevel"/' "$scratch/token/tokenizer.json"
expect_allowed token tokenizer 4 'OtherLevel'
fresh gptq && edit gptq '0,/\{/s//{"quantization_config": {"quant_method": "gptq"},/'
expect_obstacle gptq quantization 4 'quant_method gptq'
expect_exit 4 "foreign codes are never packed" "$SWAGE" quantize "$scratch/gptq" -o "$scratch/g.swg" --allow-unrunnable

# A configuration that contradicts itself is not passed on in another program's terms.
fresh deep && edit deep 's/("num_hidden_layers": *)4/\11000000000/'
expect_exit 3 "no GGUF with a thousand million layers" "$SWAGE" convert "$scratch/deep" -o "$scratch/deep.gguf"
expect_match "no GGUF with a thousand million layers" "$stderr" 'num_hidden_layers'
expect_exit 3 "no GGUF with a negative base" "$SWAGE" convert "$scratch/rope" -o "$scratch/rope.gguf"
check "nothing was written" [ ! -e "$scratch/deep.gguf" -a ! -e "$scratch/rope.gguf" ]

# A model without a tokenizer runs on ids.
fresh mute && rm "$scratch/mute/"tokenizer*
expect_exit 0 "no tokenizer" "$SWAGE" inspect "$scratch/mute"
expect_match "no tokenizer" "$stdout" 'runs here: yes.*tokenizer: none is carried'
expect_exit 0 "no tokenizer" "$SWAGE" quantize "$scratch/mute" -o "$scratch/mute.swg"

# The prefix of a wrapper is removed, and that is said. (The header keeps its length: a name gets
# shorter elsewhere.)
fresh wrapped
python_free_rename() { # every "model." at the start of a name becomes "module.model."; sizes differ
  LC_ALL=C sed -i -E '1s/"(model\.|lm_head)/"module.\1/g' "$1"
}
header=$(od -An -tu8 -N8 "$weights" | tr -d ' ')
head -c $((8 + header)) "$weights" | tail -c "$header" >"$scratch/header"
python_free_rename "$scratch/header"
size=$(stat -c %s "$scratch/header")
{
  for ((i = 0; i < 8; i++)); do printf "\\x$(printf %02x $((size >> (8 * i) & 255)))"; done
  cat "$scratch/header"
  tail -c +$((9 + header)) "$weights"
} >"$scratch/wrapped/model.safetensors"
for command in "convert -o $scratch/unwrapped" "quantize -o $scratch/unwrapped.swg"; do
  # shellcheck disable=SC2086
  expect_exit 0 "${command%% *} of a wrapped model" "$SWAGE" ${command%% *} "$scratch/wrapped" ${command#* }
  expect_match "${command%% *} names the prefix" "$stderr" 'note: .*"module\.", a wrapper'
done
check "the names are the model's" grep -q '"model.norm.weight"' "$scratch/unwrapped/model.safetensors"
expect_exit 0 "inspect of a wrapped model" "$SWAGE" inspect "$scratch/wrapped"
expect_match "inspect of a wrapped model" "$stdout" 'runs here: yes.*names: .*module'

# NaN: verify names tensor, row and column; nothing computes with it silently.
fresh nan
begin=$(grep -oaE '"model\.layers\.0\.mlp\.up_proj\.weight":\{[^}]*' "$weights" | sed -E 's/.*\[([0-9]+),.*/\1/')
columns=$(grep -oaE '"model\.layers\.0\.mlp\.up_proj\.weight":\{[^}]*' "$weights" | sed -E 's/.*"shape":\[[0-9]+,([0-9]+)\].*/\1/')
for ((i = 0; i < columns; i++)); do printf '\x00\x00\xc0\x7f'; done |
  dd of="$scratch/nan/model.safetensors" bs=1 conv=notrunc status=none seek=$((8 + header + begin + 4 * columns * 2))
expect_exit 3 "verify finds NaN" "$SWAGE" verify "$scratch/nan"
expect_match "verify names it" "$stdout" "not finite: model\.layers\.0\.mlp\.up_proj\.weight: $columns numbers .*row 2, column 0"
expect_match "verify counts tensors" "$stderr" '1 of [0-9]+ tensors hold numbers that are not finite'
expect_exit 3 "verify finds NaN, as JSON" "$SWAGE" verify "$scratch/nan" --json
expect_match "verify finds NaN, as JSON" "$stdout" '"ok": false.*"nonfinite": \[\{"name":"model\.layers\.0\.mlp\.up_proj\.weight","count":[0-9]+,"first_row":2,"first_column":0'
expect_exit 0 "a .swg keeps it" "$SWAGE" convert "$scratch/nan" -o "$scratch/nan.swg"
expect_exit 3 "and verify finds it there" "$SWAGE" verify "$scratch/nan.swg"
expect_exit 1 "logits" "$SWAGE" logits "$scratch/nan" --ids 1,2,3 -o "$scratch/nan.f32" --activations f32
expect_match "logits say how to find it" "$stderr" 'logits are not finite.*swage verify'
check "nothing was written" [ ! -e "$scratch/nan.f32" ]
expect_exit 1 "bench" "$SWAGE" bench "$scratch/nan" --prompt 2 --generate 2 --repeats 1 --no-limits --activations f32
expect_match "bench says how to find it" "$stderr" 'logits are not finite.*swage verify'
expect_exit 1 "run" "$SWAGE" run "$scratch/nan" --prompt One --activations f32
expect_match "run says how to find it" "$stderr" 'swage verify'
expect_exit 1 "eval" "$SWAGE" eval "$scratch/nan" --text examples/tiny-tales/eval.txt --max-tokens 300
expect_match "eval says how to find it" "$stderr" 'swage verify'
finish
