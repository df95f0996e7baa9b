#!/usr/bin/env bash
# swage eval --sensitivity: a swap costs what the model with only that tensor compressed diverges by,
# restoring it gains the same; sums, records, the record for the report, and refusals.
. tests/cli/lib.sh
. tests/cli/bert_tokenizer.sh

model=examples/tiny-tales text=examples/tiny-tales/eval.txt
small=(--text "$text" --context 32 --max-tokens 96)
is() { check "$1: $2 is $(value "$2"), not $3" test "$(value "$2")" = "$3"; }
# NAME A B: equal to six digits, or to five where float products are computed in parts: there a tensor
# that is swapped in, which consists of floats, can differ in the last digit from the codes it comes from.
tolerance=1e-12
if "$SWAGE" inspect --kernels | grep 'AMX BF16' >/dev/null; then tolerance=1e-10; fi
near() {
  check "$1: $2 and $3" awk -v a="$2" -v b="$3" -v t="$tolerance" \
    'BEGIN {d = a - b; exit !(d * d <= t * a * a + 1e-18)}'
}
sensitivity() { "$SWAGE" eval "$scratch/$1.swg" --ref "$model" "${small[@]}" --sensitivity "${@:2}"; }
# The first value of KEY in the JSON's list of tensors.
first() { sed -n '/"tensors"/,$p' "$scratch/stdout" | sed -nE "s/^ *\"$1\": \"?([^\",]*)\"?,?$/\1/p" | head -n 1; }

# One compressed tensor, dense and sparse: the swap is the whole difference.
cat >"$scratch/one.json" <<'END'
{"recipe": 1, "rules": [{"tensors": "*", "format": "keep"},
 {"tensors": "model.layers.1.mlp.down_proj.weight", "bits": 2, "group": 32}]}
END
expect_exit 0 "one tensor" "$SWAGE" quantize $model -o "$scratch/one.swg" --recipe "$scratch/one.json" -q
expect_exit 0 "its divergence" "$SWAGE" eval "$scratch/one.swg" --ref $model "${small[@]}" --json
kld=$(value kld_mean)
check "it diverges" awk -v k="$kld" 'BEGIN {exit !(k > 1e-4)}'
expect_exit 0 "its swap" sensitivity one --json
is "its swap" task sensitivity
is "its swap" unit tensor
near "all together" "$kld" "$(value kld_mean)"
near "the only tensor" "$kld" "$(first sensitivity_kld)"
check "its name" test "$(first name)" = model.layers.1.mlp.down_proj.weight
check "its layer" test "$(first layer)" = 1
check "its kind" test "$(first kind)" = down_proj
check "no other one" test "$(grep -c '"name":' "$scratch/stdout")" = 1
check "nothing without swaps: $(value kld_without_swaps)" \
  awk -v k="$(value kld_without_swaps)" 'BEGIN {exit !(k < 1e-9 && k > -1e-9)}'
expect_exit 0 "restored" sensitivity one --swap into-model --json
near "restored" "$kld" "$(first sensitivity_kld)"
check "nothing is left: $(first kld)" awk -v k="$(first kld)" 'BEGIN {exit !(k < 1e-9 && k > -1e-9)}'
expect_exit 0 "pruned" "$SWAGE" prune $model -o "$scratch/sparse.swg" --sparsity 0.5 --bits 4 -q
expect_exit 0 "sparse formats" sensitivity sparse --json
check "each is less than all: $(first sensitivity_kld)" \
  awk -v s="$(first sensitivity_kld)" -v k="$(value kld_mean)" 'BEGIN {exit !(s > 0 && s < k)}'

# Sorted, summed; layers.
expect_exit 0 "all compressed" "$SWAGE" quantize $model -o "$scratch/all.swg" --bits 3 --group-size 32 -q
expect_exit 0 "all swaps" sensitivity all --json
cp "$scratch/stdout" "$scratch/all.out"
sed -n '/"tensors"/,/"layers"/p' "$scratch/stdout" | sed -nE 's/^ *"sensitivity_kld": ([^,]*),?$/\1/p' >"$scratch/costs"
check "29 swaps" test "$(wc -l <"$scratch/costs")" = 29
check "the largest first" cmp -s "$scratch/costs" <(LC_ALL=C sort -gr "$scratch/costs")
sum() { awk '{s += $1} END {printf "%.12g", s}'; }
near "sums by layer" "$(sum <"$scratch/costs")" \
  "$(sed -n '/"layers"/,/"kinds"/p' "$scratch/stdout" | sed -nE 's/^ *"sensitivity_kld": ([^,]*),?$/\1/p' | sum)"
near "sums by kind" "$(sum <"$scratch/costs")" \
  "$(sed -n '/"kinds"/,$p' "$scratch/stdout" | sed -nE 's/^ *"sensitivity_kld": ([^,]*),?$/\1/p' | sum)"
expect_exit 0 "layers" sensitivity all --unit layer
expect_match "layers" "$stdout" '  layer 3'
expect_match "what is outside of layers alone" "$stdout" '  model.embed_tokens.weight'
expect_exit 0 "as text" sensitivity all
expect_match "sums by kind" "$stdout" 'sum +kind'

# Records: going on gives the identical figures; results are shown by the report.
expect_exit 0 "with records" sensitivity all --records "$scratch/swaps.jsonl" --json
cp "$scratch/swaps.jsonl" "$scratch/whole.jsonl"
head -n 9 "$scratch/whole.jsonl" >"$scratch/swaps.jsonl"
printf '{"name' >>"$scratch/swaps.jsonl"
expect_exit 0 "going on" sensitivity all --records "$scratch/swaps.jsonl" --resume --json \
  --results "$scratch/results.jsonl"
check "the identical result" cmp -s <(grep -v elapsed_s "$scratch/all.out") <(grep -v elapsed_s "$scratch/stdout")
check "the identical records" cmp -s "$scratch/swaps.jsonl" "$scratch/whole.jsonl"
expect_exit 2 "records of the other direction" sensitivity all --records "$scratch/swaps.jsonl" --resume \
  --swap into-model
expect_match "says which" "$stderr" 'their "swap" is "into-ref"'
expect_exit 0 "a stride" sensitivity all --unit layer --protocol hf-stride --stride 16 \
  --records "$scratch/strides.jsonl"
expect_exit 2 "records of another stride" sensitivity all --unit layer --protocol hf-stride --stride 32 \
  --records "$scratch/strides.jsonl" --resume
expect_match "says both" "$stderr" 'their "stride" is 16, but this one.s is 32'
sed -i '3s/"kld":/"x":/' "$scratch/swaps.jsonl"
expect_exit 3 "a record without its divergence" sensitivity all --records "$scratch/swaps.jsonl" --resume
expect_match "names the line" "$stderr" 'line 3: "kld" is missing'
expect_exit 0 "the report" "$SWAGE" report "$scratch/results.jsonl" -o "$scratch/report.html"
check "its map" grep -q 'KL divergence when only this tensor is compressed' "$scratch/report.html"
check "with the tensors" grep -q 'model.layers.3.mlp.down_proj.weight: 0' "$scratch/report.html"

# A gate, and refusals.
expect_exit 7 "a gate" sensitivity one --max-kld 1e-6
expect_exit 0 "a gate that is kept" sensitivity one --max-kld 10
expect_exit 2 "an increase of perplexity" sensitivity one --max-perplexity-increase 1
expect_exit 0 "a model against itself" "$SWAGE" eval $model --ref $model "${small[@]}" --sensitivity --json
check "has nothing to swap" test "$(grep -c '"name":' "$scratch/stdout")" = 0
is "a model against itself" kld_mean 0
write_bert_tokenizer "$scratch/tokenizer.json"
printf 'the old cat stayed and the dogs came\n' >"$scratch/text.txt"
expect_exit 4 "other tensors" "$SWAGE" eval tests/runtime/fixtures/gpt2-untied --tokenizer "$scratch/tokenizer.json" \
  --ref tests/runtime/fixtures/gpt2-bare --text "$scratch/text.txt" --context 4 --sensitivity
expect_match "names the tensor" "$stderr" 'has a tensor lm_head.weight, but'
expect_exit 2 "without a reference" "$SWAGE" eval "$scratch/one.swg" "${small[@]}" --sensitivity
expect_exit 2 "--swap alone" "$SWAGE" eval "$scratch/one.swg" --ref $model "${small[@]}" --swap into-ref
expect_match "says what it goes with" "$stderr" '\-\-swap goes with --sensitivity'
expect_exit 2 "two tasks" sensitivity one --task divergence
expect_exit 2 "integer activations" sensitivity one --activations int8
expect_exit 2 "a cache of integers" sensitivity one --kv-cache int8
finish
