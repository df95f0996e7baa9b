#!/usr/bin/env bash
# swage quantize: plans, refusals, reports, and that the same input and recipe give the same bytes.
. tests/cli/lib.sh

# A small checkpoint: an embedding, two matrices, a vector; every float finite, in this order.
model=$scratch/model.safetensors
"$CHECKPOINT_TOOL" make "$model" model.embed_tokens.weight=32x64 model.layers.0.q_proj.weight=16x64 \
  model.layers.1.q_proj.weight=16x64 model.norm.weight=64x0
header=$(od -An -tu8 -N8 "$model")
out=$scratch/out.swg

schemes() { sed -nE 's/^ *"scheme": "(.*)",?$/\1/p' "$scratch/stdout" | tr '\n' ' '; }

# There is no configuration, so nothing here can run the results.
quantize() { "$SWAGE" quantize "$@" --allow-unrunnable; }
expect_exit 4 "a model without a configuration" "$SWAGE" quantize "$model" -o "$out"
expect_match "a model without a configuration" "$stderr" 'no configuration.*--allow-unrunnable'

# The plan.
expect_exit 0 "dry run" quantize "$model" -o "$out" --dry-run --json
check "a dry run writes nothing" [ ! -e "$out" ]
check "default schemes" [ "$(schemes)" = "int8-g128-sym-f16 int4-g64-sym-f16 int4-g64-sym-f16 f32 " ]
# 32 x (64 + 2) + 2 x 16 x (32 + 2) + 64 x 4
check "exact raw bytes" [ "$(value output_tensor_bytes)" = 3456 ]
check "memory is reported" [ "$(value peak_memory_bytes)" -gt 0 ]
expect_exit 0 "dry run as a table" quantize "$model" -o "$out" -n
expect_match "an upper bound is called one" "$stdout" 'at most [0-9]+ bytes.*is an upper bound'
expect_match "the table shows the schemes" "$stdout" 'layers\.0\.q_proj\.weight +linear +int4-g64-sym-f16'

plan() { # NAME SCHEMES OPTIONS...
  local name=$1 wanted=$2
  shift 2
  expect_exit 0 "$name" quantize "$model" -o "$out" --dry-run --json "$@"
  check "$name: $(schemes)" [ "$(schemes)" = "$wanted " ]
}
plan "8 bits, whole rows" "int8-row-sym-bf16 int8-row-sym-bf16 int8-row-sym-bf16 f32" \
  --bits 8 --group-size row
plan "asymmetric, f32 scales" "int8-g128-asym-f32 int4-g32-asym-f32 int4-g32-asym-f32 f32" \
  --group-size 32 --asymmetric --scale-type f32
plan "kept by part" "int8-g128-sym-f16 f32 f32 f32" --keep q_proj
plan "kept by pattern" "int8-g128-sym-f16 f32 int4-g64-sym-f16 f32" --keep 'model.layers.0.*'
plan "bits for a pattern; later ones win" "int8-g128-sym-f16 int4-g64-sym-f16 int8-g64-sym-f16 f32" \
  --bits-for '*q_proj*=8' --bits-for '*.0.q_proj*=4'
plan "more than bits for a pattern" "int8-g128-sym-f16 int8-row-asym-f32 int4-g64-sym-f16 f32" \
  --bits-for '*.0.q_proj*=8,group:row,zero_points:true,scale_type:f32,method:rtn'
plan "bits for a pattern, 16 keeps" "int8-g128-sym-f16 f32 int4-g32-sym-f16 f32" \
  --bits-for 'q_proj=group:32' --bits-for '*.0.q_proj*=16'
plan "embeddings kept" "f32 int4-g64-sym-f16 int4-g64-sym-f16 f32" --embedding-bits 16
plan "embeddings like the rest" "int4-g64-sym-f16 int4-g64-sym-f16 int4-g64-sym-f16 f32" \
  --embedding-bits 4
plan "group of embeddings" "int8-g32-sym-f16 int4-g64-sym-f16 int4-g64-sym-f16 f32" \
  --embedding-group-size 32

# Refusals.
refuse() { # CODE NAME PATTERN OPTIONS...
  local code=$1 name=$2 pattern=$3
  shift 3
  expect_exit "$code" "$name" quantize "$@"
  expect_match "$name" "$stderr" "$pattern"
  check "$name writes nothing" [ ! -e "$out" ]
}
refuse 2 "unmatched keep" 'nearest is q_proj' "$model" -o "$out" --keep q_prj
refuse 2 "unmatched keep, whole name" 'nearest is model\.norm\.weight' "$model" -o "$out" \
  --keep model.nrm.weight
refuse 2 "unmatched bits-for" 'matches none of the 4 tensors' "$model" -o "$out" --bits-for 'zzz*=8'
refuse 2 "bits-for without bits" 'PATTERN=N' "$model" -o "$out" --bits-for q_proj
refuse 2 "bits-for with wrong bits" '--bits-for q_proj=7: the bits of a code are [0-9, ]+, not 7' "$model" -o "$out" --bits-for q_proj=7
refuse 2 "bits-for with an unknown key" 'unknown key "gruop"; the nearest is group' "$model" \
  -o "$out" --bits-for q_proj=4,gruop:32
refuse 2 "bits-for with an unknown method" 'method "rtm"; the nearest is rtn' "$model" -o "$out" \
  --bits-for q_proj=4,method:rtm
refuse 4 "sparsity" 'q_proj.*sparsity.*dense' "$model" -o "$out" --bits-for q_proj=4,sparsity:0.5
refuse 2 "bits for a vector" 'model\.norm\.weight matches no matrix' "$model" -o "$out" \
  --bits-for 'model.norm.weight=8'
refuse 2 "wrong bits" '"7" is not one of' "$model" -o "$out" --bits 7
refuse 2 "wrong group" '"48" is not one of' "$model" -o "$out" --group-size 48
refuse 2 "no output" 'output' "$model"
refuse 4 "nothing to do" 'none of the 4 tensors' "$model" -o "$out" --keep 'model*'
expect_exit 2 "input = output" quantize "$model" -o "$model"
expect_match "input = output" "$stderr" 'both the input and the output'
refuse 6 "no input" 'missing' "$scratch/missing" -o "$out"

# The work.
expect_exit 0 "quantize" quantize "$model" -o "$out" --json --threads 1
check "the file's size is reported" [ "$(value file_bytes)" = "$(stat -c %s "$out")" ]
expect_match "errors are reported" "$stdout" '"relative_error": 0\.[0-9]+'
expect_match "stored bytes are reported" "$stdout" '"stored_bytes": [1-9]'
check "nothing but the result on standard output" [ "$(head -c 1 "$scratch/stdout")" = "{" ]
expect_exit 2 "an existing output is kept" quantize "$model" -o "$out"
for threads in 2 5; do
  expect_exit 0 "$threads threads" quantize "$model" -o "$scratch/$threads.swg" \
    --threads "$threads"
  check "the same bytes with $threads threads" cmp "$out" "$scratch/$threads.swg"
done
check "the summary is short" [ "$(wc -l <"$scratch/stdout")" -le 8 ]
expect_match "the summary" "$stdout" 'schemes: .*largest errors: model[^ ]+ [0-9.]+ dB.*--tensors'
expect_exit 0 "a table" quantize "$model" -o "$out" --force --tensors 'q_proj'
check "it has the tensors asked for" [ "$(grep -c '^model.layers' "$scratch/stdout")" -eq "$(grep -c 'q_proj' "$scratch/stdout")" ]
expect_match "it has them" "$stdout" 'tensor +role +scheme.*q_proj'
expect_match "the table has totals" "$stdout" 'file: [^ ]+, [0-9]+ bytes'
expect_exit 0 "force" quantize "$model" -o "$out" --force --bits 8
check "another recipe, other bytes" [ "$(cmp "$out" "$scratch/2.swg" 2>&1 | wc -l)" -eq 1 ]

# Recipes: the one that an output carries makes the same file again, in every form that is printed.
recipe=$scratch/recipe.json
for options in "" "--bits 8 --group-size row --asymmetric --keep model.layers.1.* --level 3" \
  "--bits-for q_proj=8,search:absmax --embedding-bits 16 --nonfinite warn --scale-type f32"; do
  # shellcheck disable=SC2086
  expect_exit 0 "with: $options" quantize "$model" -o "$out" --force $options --json
  cp "$scratch/stdout" "$scratch/quantize.json"
  "$SWAGE" inspect "$out" --json >"$scratch/inspect.json"
  "$SWAGE" inspect "$out" --config | sed -n 's/^recipe: //p' >"$scratch/line.json"
  expect_exit 0 "inspect --recipe" "$SWAGE" inspect "$out" --recipe
  cp "$scratch/stdout" "$recipe"
  for form in recipe inspect line quantize; do
    expect_exit 0 "a recipe from $form" quantize "$model" -o "$scratch/again.swg" --force \
      --recipe "$scratch/$form.json"
    check "the same bytes by the recipe from $form, with: $options" cmp "$out" "$scratch/again.swg"
  done
done
quantize "$model" -o "$out" --force --quiet >/dev/null
"$SWAGE" convert "$out" -o "$scratch/copy.swg" --quiet >/dev/null
expect_exit 0 "a copy still tells" "$SWAGE" inspect "$scratch/copy.swg"
expect_match "a copy still tells" "$stdout" 'quantize by swage.*convert by swage [0-9.]+, from swg'
expect_exit 0 "its recipe" "$SWAGE" inspect "$scratch/copy.swg" --config
expect_match "its recipe" "$stdout" '"classes":\["linear"\],"format":"int"'
expect_exit 1 "a model without a recipe" "$SWAGE" inspect "$model" --recipe
plan "options besides a recipe" "int8-g128-sym-f16 f32 int8-g64-sym-f16 f32" \
  --recipe "$recipe" --bits-for q_proj=8,group:64,scale_type:f16,search:mse --keep '*.0.q_proj*' \
  --bits-for embed_tokens=8,group:128,scale_type:f16
rm -f "$out"
refuse 2 "a recipe and an option" '--bits is given by the recipe' "$model" -o "$out" --recipe "$recipe" --bits 8
refuse 6 "no recipe" 'nothing.json' "$model" -o "$out" --recipe "$scratch/nothing.json"
echo '{"recipe": 1, "rules": [{"tensors": "q_prj", "bits": 8}]}' >"$recipe"
refuse 2 "a pattern of a recipe" 'rule 1: pattern q_prj matches none of the 4 tensors; the nearest is q_proj' \
  "$model" -o "$out" --recipe "$recipe"

# The example of docs/recipes.md.
sed -n '/^```json/,/^```/p' docs/recipes.md | grep -v '^```' >"$recipe"
expect_exit 0 "the documented recipe" quantize examples/tiny-tales -o "$out" --recipe "$recipe" --json
scheme_of() { # TENSOR
  grep -A 12 "\"name\": \"$1\"" "$scratch/stdout" | sed -nE 's/^ *"scheme": "(.*)",?$/\1/p' | head -n 1
}
for pair in model.embed_tokens.weight=int8-g128-sym-f16 \
  model.layers.0.self_attn.q_proj.weight=int8-g64-sym-f16 \
  model.layers.0.mlp.down_proj.weight=int8-g32-asym-f16 \
  model.layers.1.mlp.down_proj.weight=int4-g32-asym-f16 \
  model.layers.1.self_attn.o_proj.weight=f32 model.layers.2.self_attn.o_proj.weight=int8-g64-sym-f16 \
  model.layers.2.self_attn.q_proj.weight=int4-g64-sym-f16 model.layers.0.input_layernorm.weight=f32; do
  check "the documented recipe: $pair, not $(scheme_of "${pair%=*}")" \
    [ "$(scheme_of "${pair%=*}")" = "${pair#*=}" ]
done
quantize "$model" -o "$out" --force --bits 8 --quiet >/dev/null

# Twice.
expect_exit 4 "quantized input" quantize "$out" -o "$scratch/twice.swg"
expect_match "quantized input" "$stderr" 'already quantized \(int8.*--requantize'
expect_exit 0 "quantized input, allowed" quantize "$out" -o "$scratch/twice.swg" --requantize

# A weight that is NaN is named.
cp "$model" "$scratch/nan.safetensors"
printf '\0\0\xc0\x7f' | dd of="$scratch/nan.safetensors" bs=1 conv=notrunc status=none \
  seek=$((8 + header + 8192 + 64 * 4 * 3 + 4 * 7))
expect_exit 3 "NaN" quantize "$scratch/nan.safetensors" -o "$scratch/nan.swg"
expect_match "NaN" "$stderr" 'layers\.0\.q_proj\.weight, row 3, columns 0 to 63: weight 7'
check "NaN writes nothing" [ ! -e "$scratch/nan.swg" ]
for policy in warn keep; do
  expect_exit 3 "NaN cannot be quantized with --nonfinite $policy" quantize \
    "$scratch/nan.safetensors" -o "$scratch/nan.swg" --nonfinite "$policy"
done

# One that is stored unchanged (the vector, and the matrix when it is kept) passes only on request.
cp "$model" "$scratch/norm.safetensors"
printf '\0\0\x80\xff' | dd of="$scratch/norm.safetensors" bs=1 conv=notrunc status=none \
  seek=$((8 + header + 16384 + 4 * 5))
expect_exit 3 "an infinity in a vector" quantize "$scratch/norm.safetensors" -o "$scratch/norm.swg"
expect_match "an infinity in a vector" "$stderr" '1 values of tensor model\.norm\.weight.*element 5'
check "an infinity writes nothing" [ ! -e "$scratch/norm.swg" ]
expect_exit 3 "NaN in a kept matrix" quantize "$scratch/nan.safetensors" -o "$scratch/n.swg" --keep q_proj
expect_match "NaN in a kept matrix" "$stderr" 'layers\.0\.q_proj\.weight.*element 199'
expect_exit 0 "keep" quantize "$scratch/norm.safetensors" -o "$scratch/norm.swg" --nonfinite keep --json
check "keep says nothing" [ "$(grep -vc 'cannot run this model' "$scratch/stderr")" = 0 ]
check "keep counts" [ "$(value nonfinite)" = keep -a "$(grep -c '"nonfinite": 1' "$scratch/stdout")" = 1 ]
expect_exit 0 "warn" quantize "$scratch/norm.safetensors" -o "$scratch/warn.swg" --nonfinite warn
expect_match "warn says it" "$stderr" 'model\.norm\.weight has 1 values that are not finite'
expect_exit 0 "what was kept is there" "$SWAGE" convert "$scratch/norm.swg" -o "$scratch/back.safetensors" --dequantize f32
check "bit for bit" [ "$(tail -c $((256 - 20)) "$scratch/back.safetensors" | head -c 4 | od -An -tx1)" = " 00 00 80 ff" ]
expect_exit 2 "an unknown policy" quantize "$model" -o "$scratch/x.swg" --nonfinite ignore
finish
