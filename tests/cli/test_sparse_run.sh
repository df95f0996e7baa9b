#!/usr/bin/env bash
# A model stored sparse computes the same bytes as the same model stored dense.
. tests/cli/lib.sh
model=examples/tiny-tales
ids=1,5,9,20,7,33,100,44,3,3,17,200,91

while read -r name options; do
  for how in "" --dense; do
    # shellcheck disable=SC2086
    expect_exit 0 "prune $options $how" "$SWAGE" prune "$model" -q -f -o "$scratch/model$how.swg" \
      $options $how
    for activations in int8 f32; do
      expect_exit 0 "logits" "$SWAGE" logits "$scratch/model$how.swg" --ids "$ids" -q -f \
        --activations "$activations" -o "$scratch/$activations$how.f32"
    done
  done
  expect_exit 0 "inspect" "$SWAGE" inspect "$scratch/model.swg" --json
  check "$options is stored as $name" grep -q "\"$name-int" "$scratch/stdout"
  for activations in int8 f32; do
    check "$options, $activations" cmp -s "$scratch/$activations.f32" "$scratch/$activations--dense.f32"
  done
done <<'CASES'
sparse --sparsity 0.5 --bits 4
sparse --sparsity 0.7 --bits 8 --asymmetric
2of4 --pattern 2:4 --bits 4 --asymmetric
sparse --pattern 1:4 --bits 3
block16x1 --sparsity 0.6 --block 16x1 --bits 4
block32x1 --sparsity 0.4 --block 32x1 --bits 5 --asymmetric
CASES
finish
