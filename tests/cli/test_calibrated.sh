#!/usr/bin/env bash
# Calibrated quantization and divergence from the command line, on the example model: better than
# rounding to nearest at the same bytes, the same file for any number of threads, and refusals.
. tests/cli/lib.sh

model=examples/tiny-tales text=examples/tiny-tales/eval.txt
calibration=(--calibration "$text" --calibration-tokens 4096 --calibration-window 128)
less() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'; }

quantized() { # NAME OPTIONS...
  local name=$1
  shift
  expect_exit 0 "quantize $name" "$SWAGE" quantize "$model" -o "$scratch/$name.swg" --json -q "$@"
}
diverges() { # NAME: its mean divergence
  expect_exit 0 "divergence of $1" "$SWAGE" eval "$scratch/$1.swg" --ref "$model" --text "$text" \
    --protocol gptq --context 128 --max-tokens 4096 --json -q
  value kld_mean
}

quantized rtn --bits 4
quantized weighted --bits 4 --method rtn "${calibration[@]}"
quantized gptq --bits 4 --method gptq "${calibration[@]}"
cp "$scratch/stdout" "$scratch/gptq.json"
check "gptq loses less output than rounding to nearest" \
  less "$(value output_noise)" "$(value output_noise_rtn)"
expect_match "methods are reported" "$(cat "$scratch/stdout")" '"method": "gptq"'
rtn=$(diverges rtn) weighted=$(diverges weighted) gptq=$(diverges gptq)
check "weighted scales beat plain ones: $weighted, $rtn" less "$weighted" "$rtn"
check "gptq beats weighted scales: $gptq, $weighted" less "$gptq" "$weighted"
expect_keys "divergence" kld_median kld_p90 kld_p99 kld_max kld_min top1_agreement perplexity \
  perplexity_ref log_perplexity_ratio log_perplexity_ratio_standard_error protocol tokens_scored

noise=$(value output_noise "$scratch/gptq.json")
quantized rounding --bits 4 --method rounding "${calibration[@]}"
check "learned rounding loses less output than gptq" less "$(value output_noise)" "$noise"

# The same bytes for any number of threads, and again from the recipe that the output carries.
for threads in 1 3; do
  expect_exit 0 "gptq on $threads threads" "$SWAGE" quantize "$model" -o "$scratch/t$threads.swg" \
    -q --threads "$threads" --bits 4 --method gptq "${calibration[@]}"
  check "the same file on $threads threads" cmp -s "$scratch/gptq.swg" "$scratch/t$threads.swg"
done
expect_exit 0 "inspect" "$SWAGE" inspect "$scratch/gptq.swg" --json
cp "$scratch/stdout" "$scratch/recipe.json"
check "the history names the text" grep -q text_sha256 "$scratch/recipe.json"
check "the history tells of rows that were kept rounded, if there are any" \
  [ "$(grep -c '"rows_kept_rtn": [1-9]' "$scratch/gptq.json")" = \
  "$(tr -d '\n' <"$scratch/recipe.json" | grep -o '"rows_kept_rtn":{[^}]*}' | grep -o '":[0-9]' | wc -l)" ]
expect_exit 0 "again by recipe" "$SWAGE" quantize "$model" -o "$scratch/again.swg" -q \
  --recipe "$scratch/recipe.json" "${calibration[@]}"
check "the recipe gives the same file" cmp -s "$scratch/gptq.swg" "$scratch/again.swg"

# One pass over the text serves all recipes; without the cache, and in little memory, it is the same.
expect_exit 0 "another recipe" "$SWAGE" quantize "$model" -o "$scratch/b3.swg" --bits 3 \
  --method gptq "${calibration[@]}"
expect_match "the statistics are taken from the cache" "$stderr" 'statistics taken from .*/cache/swage/'
for how in --no-cache --max-memory=40M "--cache=$scratch/other/folder"; do
  expect_exit 0 "gptq with $how" "$SWAGE" quantize "$model" -o "$scratch/same.swg" -f "$how" --bits 4 \
    --method gptq "${calibration[@]}"
  check "the same file with $how" cmp -s "$scratch/gptq.swg" "$scratch/same.swg"
done
expect_match "the folder is made and named" "$stderr" 'collected in .* kept in .*/other/folder/'
for file in "$scratch"/other/folder/*; do printf '\x55' | dd of="$file" bs=1 seek=300 conv=notrunc status=none; done
expect_exit 0 "gptq with a damaged cache" "$SWAGE" quantize "$model" -o "$scratch/same.swg" -f \
  --cache "$scratch/other/folder" --bits 4 --method gptq "${calibration[@]}"
expect_match "damage is told" "$stderr" 'do not match their hash; the statistics were collected anew'
check "the same file after damage" cmp -s "$scratch/gptq.swg" "$scratch/same.swg"
quantized sequential --bits 4 --method gptq --statistics sequential "${calibration[@]}"
sequential=$(diverges sequential)
check "sequential statistics beat rounding too: $sequential, $rtn" less "$sequential" "$rtn"
quantized paired --bits 4 --method gptq --statistics paired "${calibration[@]}"
paired=$(diverges paired)
check "paired statistics beat full ones: $paired, $gptq" less "$paired" "$gptq"
expect_exit 0 "paired on 1 thread" "$SWAGE" quantize "$model" -o "$scratch/p1.swg" -q -t 1 --bits 4 \
  --method gptq --statistics paired "${calibration[@]}"
check "the same file on 1 thread" cmp -s "$scratch/paired.swg" "$scratch/p1.swg"
# Transforms: part of the recipe, with every way of choosing codes.
quantized awq --bits 4 --method rtn --transform awq "${calibration[@]}"
awq=$(diverges awq)
check "awq beats rounding: $awq, $rtn" less "$awq" "$rtn"
quantized both --bits 4 --method gptq --transform awq --transform value-rotation "${calibration[@]}"
cp "$scratch/stdout" "$scratch/both.json"
check "transforms are in the recipe" grep -q '"transforms": \["awq", "value-rotation"\]' \
  <(tr -d '\n' <"$scratch/both.json" | tr -s ' ' | sed 's/\[ /[/g; s/ \]/]/g')
expect_exit 0 "again by recipe" "$SWAGE" quantize "$model" -o "$scratch/both2.swg" -q \
  --recipe "$scratch/both.json" "${calibration[@]}"
check "the same file by recipe" cmp -s "$scratch/both.swg" "$scratch/both2.swg"
quantized paired-both --bits 4 --method gptq --statistics paired --transform awq \
  --transform value-rotation "${calibration[@]}"
both=$(diverges paired-both)
check "paired statistics go with transforms: $both, $gptq" less "$both" "$gptq"
# A text alone asks for the closest way at a fixed rate: closer than gptq and awq at the same bytes.
quantized usual --bits 4 "${calibration[@]}"
expect_match "a text alone asks for gptq" "$(cat "$scratch/stdout")" '"method": "gptq"'
usual=$(diverges usual)
check "the usual way beats gptq: $usual, $gptq" less "$usual" "$gptq"
check "the usual way beats awq: $usual, $awq" less "$usual" "$awq"
expect_exit 0 "the usual way on 1 thread" "$SWAGE" quantize "$model" -o "$scratch/u1.swg" -q -t 1 --bits 4 \
  "${calibration[@]}"
check "the same file on 1 thread" cmp -s "$scratch/usual.swg" "$scratch/u1.swg"
expect_exit 0 "inspect" "$SWAGE" inspect "$scratch/usual.swg" --json
cp "$scratch/stdout" "$scratch/usual.json"
expect_match "the history names statistics and transform" "$(tr -d ' \n' <"$scratch/usual.json")" \
  '"statistics":"paired".*"transforms":\["awq"\]'
expect_exit 0 "again by recipe" "$SWAGE" quantize "$model" -o "$scratch/u2.swg" -q \
  --recipe "$scratch/usual.json" "${calibration[@]}"
check "the recipe gives the same file" cmp -s "$scratch/usual.swg" "$scratch/u2.swg"
expect_exit 2 "a recipe's statistics, and others" "$SWAGE" quantize "$model" -o "$scratch/none.swg" \
  --recipe "$scratch/usual.json" --statistics full "${calibration[@]}"
expect_match "one of the two" "$stderr" '--statistics is given by the recipe'
expect_exit 2 "a recipe's statistics without a text" "$SWAGE" quantize "$model" \
  -o "$scratch/none.swg" --recipe "$scratch/usual.json"
expect_match "the text is asked for" "$stderr" 'paired statistics of a text; --calibration FILE'
# A rotation of the residual stream needs an output head of its own, and says what that costs.
expect_exit 0 "residual rotation" "$SWAGE" quantize "$model" -o "$scratch/rotated.swg" --bits 8 \
  --transform residual-rotation
expect_match "the head is untied" "$stderr" 'becomes a tensor of its own, .* more'
expect_exit 0 "inspect" "$SWAGE" inspect "$scratch/rotated.swg" --config
expect_match "the configuration says so" "$stdout" 'tie_word_embeddings +false'
check "the model is the same to rounding" less "$(diverges rotated)" 0.001
expect_exit 0 "inspect" "$SWAGE" inspect "$scratch/rotated.swg" --recipe
cp "$scratch/stdout" "$scratch/rotated.json"
expect_exit 0 "again by recipe" "$SWAGE" quantize "$model" -o "$scratch/rotated2.swg" -q \
  --recipe "$scratch/rotated.json"
check "the recipe rotates alike" cmp -s "$scratch/rotated.swg" "$scratch/rotated2.swg"
expect_exit 2 "awq without a text" "$SWAGE" quantize "$model" -o "$scratch/none.swg" --transform awq
expect_match "the text is asked for" "$stderr" '--calibration FILE'
expect_exit 2 "an unknown transform" "$SWAGE" quantize "$model" -o "$scratch/none.swg" --transform akq
expect_match "the nearest is named" "$stderr" 'the nearest is awq'
expect_exit 2 "two answers about the cache" "$SWAGE" quantize "$model" -o "$scratch/none.swg" \
  --cache "$scratch" --no-cache

expected=()
expect_exit 0 "dry run" "$SWAGE" quantize "$model" -o "$scratch/dry.swg" -n --method gptq \
  "${calibration[@]}"
expect_match "a dry run tells the memory" "$stdout" 'memory: about [0-9.]+ MiB at the peak'

# The expected peak grows with what is collected; scripts/memory-check compares it with the real one.
for how in full paired; do
  expect_exit 0 "expected memory, $how" "$SWAGE" quantize "$model" -o "$scratch/dry.swg" -n \
    --method gptq --statistics "$how" --no-cache --json "${calibration[@]}"
  expected[${#expected[@]}]=$(value peak_memory_bytes)
done
check "paired statistics take more: ${expected[*]}" [ "${expected[1]}" -gt "${expected[0]}" ]

# A model does not diverge from itself.
expect_exit 0 "self" "$SWAGE" eval "$model" --ref "$model" --text "$text" --max-tokens 2048 --json -q
check "self-divergence is 0" [ "$(value kld_max)" = 0 ]

# Refusals, before any work.
out=$scratch/none.swg
expect_exit 2 "no text" "$SWAGE" quantize "$model" -o "$out" --method gptq
expect_match "no text is named" "$stderr" '--calibration FILE'
printf 'Too short.\n' >"$scratch/short.txt"
expect_exit 1 "short text" "$SWAGE" quantize "$model" -o "$out" --method gptq \
  --calibration "$scratch/short.txt"
expect_match "both lengths are named" "$stderr" '[0-9]+ tokens, less than one window of [0-9]+'
expect_exit 2 "window beyond the model" "$SWAGE" quantize "$model" -o "$out" --method gptq \
  --calibration "$text" --calibration-window 100000
expect_exit 6 "text that is not there" "$SWAGE" quantize "$model" -o "$out" --method gptq \
  --calibration "$scratch/absent.txt"
expect_exit 2 "a parameter that gptq does not have" "$SWAGE" quantize "$model" -o "$out" \
  "${calibration[@]}" --bits-for 'q_proj=4,method:gptq,dampin:1'
check "nothing was written" [ ! -e "$out" ]
expect_exit 2 "divergence without a reference" "$SWAGE" eval "$model" --text "$text" --task divergence
expect_match "the reference is asked for" "$stderr" '--ref'
expect_exit 2 "a reference without a comparison" "$SWAGE" eval "$model" --ref "$model" --text "$text" \
  --task perplexity

# What rests on little, or went otherwise than asked for, is said and kept in the history.
damaged() { # FOLDER LAYER BYTES...: the model, its attention norm in that layer beginning with them
  local folder=$scratch/$1 name="model.layers.$2.input_layernorm.weight" at
  cp -r "$model" "$folder"
  local weights=$folder/model.safetensors
  local header
  header=$(od -An -tu8 -N8 "$weights" | tr -d ' ')
  at=$(head -c "$((header + 8))" "$weights" | grep -ao "\"$name\":{[^}]*}" | grep -o '\[[0-9]*,' |
    tail -n 1 | tr -d '[,')
  printf '%b' "$3" | dd of="$weights" bs=1 seek="$((8 + header + at))" conv=notrunc status=none
}
history() { "$SWAGE" inspect "$1" --json | tr -d ' \n' | grep -o '"provenance".*"recipe":{' | head -c 4000; }

expect_exit 0 "few tokens" "$SWAGE" quantize "$model" -o "$scratch/few.swg" --method gptq \
  --calibration "$text" --calibration-tokens 64 --calibration-window 32 --no-cache
expect_match "matrices that saw few tokens are told" "$stderr" \
  'quantized matrices have more inputs than there are calibration tokens .*: first model[a-z0-9_.]+, 64 tokens'
expect_match "and kept" "$(history "$scratch/few.swg")" \
  '"tokens_seen":\{[^}]*"model.layers.0.mlp.up_proj.weight":64'
check "enough tokens are not remarked" sh -c "! '$SWAGE' inspect '$scratch/gptq.swg' --json |
  grep -qE 'tokens_seen|dead_inputs|damping_raised'"

damaged dead 1 '\0\0\0\0\0\0\0\0'
for method in rtn gptq; do
  expect_exit 0 "dead inputs, $method" "$SWAGE" quantize "$scratch/dead" -o "$scratch/dead.swg" -f \
    --method "$method" "${calibration[@]}" --no-cache
  expect_match "$method tells of dead inputs" "$stderr" \
    '3 of [0-9]+ quantized matrices have inputs that are 0 .*layers.1.self_attn.[qkv]_proj.weight, 2 such inputs'
  expect_match "and keeps them" "$(history "$scratch/dead.swg")" \
    '"dead_inputs":\{[^}]*"model.layers.1.self_attn.q_proj.weight":2,'
done

printf '%s' '{"recipe":1,"rules":[{"classes":["linear"],"format":"int","method":"gptq",
  "parameters":{"damping":0}}]}' >"$scratch/undamped.json"
expect_exit 0 "damping that does not suffice" "$SWAGE" quantize "$model" -o "$scratch/raised.swg" \
  --calibration "$text" --calibration-tokens 64 --calibration-window 32 --no-cache \
  --recipe "$scratch/undamped.json"
expect_match "raised damping is told" "$stderr" \
  'not positive definite with the damping asked for: .*weight, [0-9.e-]+ of the mean diagonal was added'
expect_match "and kept" "$(history "$scratch/raised.swg")" \
  '"damping_raised":\{"model[a-z0-9_.]*":[0-9.e-]+'

damaged infinite 2 '\xff\xff\x7f\x7f'
for how in full paired; do
  expect_exit 1 "an infinite input, $how" "$SWAGE" quantize "$scratch/infinite" -o "$scratch/none.swg" \
    --method gptq --statistics "$how" "${calibration[@]}" --no-cache
  expect_match "it is named" "$stderr" \
    'column 0 of the input of model.layers.2.self_attn.q_proj.weight is not finite'
done
check "nothing was written for it" [ ! -e "$scratch/none.swg" ]
finish
