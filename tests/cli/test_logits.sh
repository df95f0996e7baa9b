#!/usr/bin/env bash
# swage logits: what it refuses, and what quantizing changes of its numbers.
. tests/cli/lib.sh
fixtures=tests/runtime/fixtures
model=examples/tiny-tales

expect_exit 2 "types for a model without" "$SWAGE" logits "$fixtures/gpt2-bare" --ids 1,2 \
  --token-type-ids 0,0 -o "$scratch/x.f32"
expect_exit 2 "too few types" "$SWAGE" logits "$fixtures/bert-token" --ids 1,2 \
  --token-type-ids 0 -o "$scratch/x.f32"
expect_exit 3 "an unknown type" "$SWAGE" logits "$fixtures/bert-token" --ids 1,2 \
  --token-type-ids 0,7 -o "$scratch/x.f32"
expect_exit 3 "an id outside the vocabulary" "$SWAGE" logits "$fixtures/rnn-gru" --ids 1,29 \
  -o "$scratch/x.f32"
expect_exit 4 "more than the learned positions" "$SWAGE" logits "$fixtures/gpt2-bare" \
  --ids 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1 -o "$scratch/x.f32"
expect_exit 2 "a negative token id" "$SWAGE" logits $model --ids=-1 -o "$scratch/x.f32"
expect_match "a negative token id" "$stderr" "-1"
check "refusals write nothing" test ! -e "$scratch/x.f32"
expect_exit 6 "output in a missing folder" "$SWAGE" logits $model --ids 1 -o "$scratch/no/logits"
expect_match "output in a missing folder" "$stderr" "no/logits: No such file"

# Every family quantizes, and computes nearly the same: a weight along the wrong axis would not.
ids=3,1,4,1,5,9,2,6,5,3
for name in llama-biases mistral-window qwen2-window qwen3 gpt2-untied bert-token rnn-lstm rnn-gru; do
  "$SWAGE" logits "$fixtures/$name" --ids $ids -o "$scratch/f.f32" --force --quiet
  expect_exit 0 "quantize $name" "$SWAGE" quantize "$fixtures/$name" -o "$scratch/q.swg" --bits 8 \
    --group-size 32 --force --quiet
  "$SWAGE" logits "$scratch/q.swg" --ids $ids -o "$scratch/q.f32" --force --quiet
  error=$(paste <(od -An -v -w4 -tf4 "$scratch/f.f32") <(od -An -v -w4 -tf4 "$scratch/q.f32") |
    awk '{d += ($1 - $2) ^ 2; s += $1 ^ 2} END {printf "%.4f", sqrt(d / s)}')
  echo "$name: relative error of 8-bit logits $error"
  check "$name in 8 bits: relative error $error" awk -v e="$error" 'BEGIN {exit !(e > 0 && e < 0.05)}'
done
finish
