#!/usr/bin/env bash
# Prune, k-means, entropy coding: files of a twelfth of float32, within 5 % of the entropy of their
# codes, which run; the same bytes always; what one scale for a matrix is refused with.
. tests/cli/lib.sh

model=examples/tiny-tales text=examples/tiny-tales/eval.txt recipes=examples/recipes
lstm=${SWAGE_SHARED:-../shared}/fixtures/keras-lstm-tiny
at_most() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 <= b + 0) }'; }
bytes_of() { stat -L -c %s "$1"; }
is_within_bound() { # NAME FILE.swg
  expect_exit 0 "$1: inspect" "$SWAGE" inspect "$2" --entropy --json
  local coded all
  coded=$(value entropy.stored_above) all=$(value entropy.file_above)
  check "$1: codes within 5 % of their entropy: $coded" at_most "$coded" 0.05
  check "$1: the file too: $all" at_most "$all" 0.05
  expect_exit 0 "$1: verify" "$SWAGE" verify "$2"
}

# The example model: pruned, then codes that make up for what was removed.
expect_exit 0 "prune" "$SWAGE" prune "$model" -o "$scratch/pruned" -q --sparsity 0.65
expect_exit 0 "share weights" "$SWAGE" quantize "$scratch/pruned" -o "$scratch/tales.swg" -q \
  --recipe "$recipes/shared-weights.json" --calibration "$text" --calibration-tokens 512 --calibration-window 128
check "tales: a twelfth" at_most "$((12 * $(bytes_of "$scratch/tales.swg")))" "$(bytes_of "$model/model.safetensors")"
is_within_bound tales "$scratch/tales.swg"
expect_exit 0 "tales: inspect" "$SWAGE" inspect "$scratch/tales.swg" --entropy
expect_match "tales: the bound is printed" "$stdout" \
  'entropy: codes and masks have [0-9]+ bytes of order 0, and are stored in [0-9]+ \([+-][0-9.]+ %\)'
expect_exit 0 "tales: eval" "$SWAGE" eval "$scratch/tales.swg" --ref "$model" --text "$text" --protocol gptq \
  --context 128 --max-tokens 1024 --json -q
check "tales: finite" at_most "$(value kld_mean)" 20

# One command, without a text; the same bytes for any number of threads and instruction set.
prune() { "$SWAGE" prune "$model" -f -q --recipe "$recipes/deep-compression.json" "$@"; }
expect_exit 0 "one command" prune -o "$scratch/one.swg" -t 1
expect_exit 0 "three threads" prune -o "$scratch/three.swg" -t 3
SWAGE_ISA=scalar expect_exit 0 "scalar" prune -o "$scratch/scalar.swg"
check "threads make no difference" cmp "$scratch/one.swg" "$scratch/three.swg"
check "instruction sets make no difference" cmp "$scratch/one.swg" "$scratch/scalar.swg"
is_within_bound "one command" "$scratch/one.swg"

# A recurrent model, which runs on token ids.
if [ -d "$lstm" ]; then
  expect_exit 0 "lstm" "$SWAGE" prune "$lstm/model.h5" -o "$scratch/lstm.swg" -q --recipe "$recipes/deep-compression.json"
  check "lstm: a twelfth" at_most "$((12 * $(bytes_of "$scratch/lstm.swg")))" $((31752 * 4))
  is_within_bound lstm "$scratch/lstm.swg"
  expect_exit 0 "lstm: logits" "$SWAGE" logits "$scratch/lstm.swg" --ids 87,78,167,51,44,127 -o "$scratch/logits" -q
  check "lstm: six rows" [ "$(bytes_of "$scratch/logits")" -eq $((6 * 200 * 4)) ]
else
  skip "no $lstm"
fi

# One scale for a matrix is found with its codebook, and only there.
refused() { # NAME SENTENCE RULE
  echo "{\"recipe\": 1, \"defaults\": {$3, \"search\": \"matrix\"}}" >"$scratch/bad.json"
  expect_exit 2 "$1" "$SWAGE" quantize "$model" -o "$scratch/bad.swg" --recipe "$scratch/bad.json"
  expect_match "$1" "$stderr" "$2"
}
needs='needs format codebook, group row and scales of type f16, bf16 or f32'
refused "integers" "$needs" '"format": "int", "group": "row"'
refused "fixed numbers" "$needs" '"format": "nf4", "group": "row"'
refused "groups" "$needs" '"format": "codebook", "group": 64'
refused "integer scales" "$needs" '"format": "codebook", "group": "row", "scale_type": "i8"'
refused "hqq" 'method hqq gives each row a scale; .* needs rtn or gptq' \
  '"format": "codebook", "group": "row", "method": "hqq"'
finish
