#!/usr/bin/env bash
# inspect, convert and verify as a user meets them: outputs, refusals, exit codes. The model is made
# here: one llama2.c file, with arbitrary finite numbers.
. tests/cli/lib.sh

# dim 8, hidden 8, 1 layer, 2 heads, 1 kv head, vocabulary 16, context 4.
int32() { for value; do printf "\\x$(printf %02x "$value")\\0\\0\\0"; done; }
floats=$((16 * 8 + 8 + 64 + 32 + 32 + 64 + 8 + 3 * 64 + 8 + 2 * 4 * 2))
{
  int32 8 8 1 2 1 16 4
  for ((i = 0; i < floats; i++)); do printf "\\x$(printf %02x $((i % 251)))\\x10\\x20\\x3e"; done
} >"$scratch/model.bin"
printf 'a tokenizer' >"$scratch/tokenizer.bin"

expect_exit 0 "inspect llama2.c" "$SWAGE" inspect "$scratch/model.bin" --config --tensors "*"
expect_match "inspect names format and tensors" "$stdout" 'llama2c.*model_type +llama.*tokenizer\.bin.*self_attn\.q_proj'
expect_exit 0 "inspect, the summary" "$SWAGE" inspect "$scratch/model.bin"
check "the summary is short" [ "$(wc -l <"$scratch/stdout")" -le 8 ]
expect_match "the summary" "$stdout" 'runs here: .*schemes: [0-9]+ f32.*--tensors'
expect_exit 0 "inspect one tensor as JSON" "$SWAGE" inspect "$scratch/model.bin" --tensors 'model.norm*' --json
expect_match "inspect JSON" "$stdout" '"format": "llama2c".*"bits_per_weight": 32.*"name": "model.norm.weight"'
expect_exit 2 "inspect with a pattern that matches nothing" "$SWAGE" inspect "$scratch/model.bin" --tensors nothing
expect_exit 0 "inspect --kernels" "$SWAGE" inspect --kernels
expect_match "inspect --kernels" "$stdout" 'matmul_w4 .*f32 products +[OpP]'

expect_exit 0 "convert --dry-run" "$SWAGE" convert "$scratch/model.bin" -o "$scratch/a.swg" --dry-run
check "a dry run writes nothing" [ ! -e "$scratch/a.swg" ]
expect_exit 0 "convert to .swg" "$SWAGE" convert "$scratch/model.bin" -o "$scratch/a.swg"
expect_exit 2 "convert does not overwrite" "$SWAGE" convert "$scratch/model.bin" -o "$scratch/a.swg"
expect_match "convert names --force" "$stderr" '\-\-force'
expect_exit 2 "input is output" "$SWAGE" convert "$scratch/a.swg" -o "$scratch/a.swg" --force
expect_exit 0 "verify a whole file" "$SWAGE" verify "$scratch/a.swg"
for threads in 1 2 5; do
  expect_exit 0 "convert with $threads threads" "$SWAGE" convert "$scratch/model.bin" -o "$scratch/t.swg" --threads "$threads" --force
  check "same bytes with $threads threads" cmp -s "$scratch/a.swg" "$scratch/t.swg"
done

expect_exit 0 "convert to a folder" "$SWAGE" convert "$scratch/a.swg" -o "$scratch/folder" --json
expect_match "convert JSON" "$stdout" '"dry_run": false.*"stored_bytes"'
check "the folder has its three files" [ -e "$scratch/folder/config.json" -a -e "$scratch/folder/model.safetensors" ]
check "the tokenizer is carried" cmp -s "$scratch/tokenizer.bin" "$scratch/folder/tokenizer.bin"
expect_exit 2 "output folder is the input's" "$SWAGE" convert "$scratch/folder" -o "$scratch/folder" --force
expect_exit 2 "output file is the input's" "$SWAGE" convert "$scratch/folder" -o "$scratch/folder/model.safetensors" --force
expect_exit 0 "convert a folder to one file" "$SWAGE" convert "$scratch/folder" -o "$scratch/one.safetensors"
expect_match "what one file cannot hold is said" "$stderr" 'tensors and metadata only'
check "one file equals the folder's" cmp -s "$scratch/one.safetensors" "$scratch/folder/model.safetensors"

expect_exit 0 "convert to shards" "$SWAGE" convert "$scratch/a.swg" -o "$scratch/shards" --max-shard-bytes 1K
check "shards have the usual names" [ -e "$scratch/shards/model-00001-of-00003.safetensors" -a -e "$scratch/shards/model.safetensors.index.json" ]
expect_exit 0 "shards to one file" "$SWAGE" convert "$scratch/shards" -o "$scratch/merged.safetensors"
check "shards hold what one file holds" cmp -s "$scratch/merged.safetensors" "$scratch/one.safetensors"
expect_exit 2 "shards beside the input's" "$SWAGE" convert "$scratch/folder/model.safetensors" -o "$scratch/folder" --max-shard-bytes 1K --force
expect_exit 2 "a single file in shards" "$SWAGE" convert "$scratch/a.swg" -o "$scratch/s.safetensors" --max-shard-bytes 1K
for size in 0 -1 1.5G 5T 1KB K 99999999999999999999; do
  expect_exit 2 "--max-shard-bytes $size" "$SWAGE" convert "$scratch/a.swg" -o "$scratch/s" --max-shard-bytes=$size
done
check "nothing was written for them" [ ! -e "$scratch/s" ]
expect_exit 0 "--max-shard-bytes in MiB" "$SWAGE" convert "$scratch/a.swg" -o "$scratch/s" --max-shard-bytes 1M
check "one shard is a plain file" cmp -s "$scratch/s/model.safetensors" "$scratch/one.safetensors"
expect_exit 4 "an extension without a writer" "$SWAGE" convert "$scratch/a.swg" -o "$scratch/x.onnx"

expect_exit 3 "a tokenizer that is damaged" "$SWAGE" quantize "$scratch/model.bin" -o "$scratch/q.swg"
expect_match "a tokenizer that is damaged" "$stderr" 'cannot run this model.*tokenizer\.bin.*--allow-unrunnable'
expect_exit 0 "quantize for the next steps" "$SWAGE" quantize "$scratch/model.bin" -o "$scratch/q.swg" --allow-unrunnable
expect_exit 4 "dequantizing is never silent" "$SWAGE" convert "$scratch/q.swg" -o "$scratch/q"
expect_match "how to allow it" "$stderr" '\-\-dequantize'
check "a refused folder is not made" [ ! -e "$scratch/q" ]
expect_exit 0 "dequantizing when asked" "$SWAGE" convert "$scratch/q.swg" -o "$scratch/q" --dequantize bf16
expect_exit 0 "nothing is left of blocks in a folder" "$SWAGE" convert "$scratch/q.swg" -o "$scratch/rest" --dequantize-rest f16
expect_exit 0 "floats of another type in a folder" "$SWAGE" convert "$scratch/folder" -o "$scratch/bf16" --element-type bf16
expect_exit 0 "inspect them" "$SWAGE" inspect "$scratch/bf16" --json
expect_match "floats of another type in a folder" "$stdout" '"bits_per_weight": 16'
expect_exit 0 "floats of another type in a .swg" "$SWAGE" convert "$scratch/folder" -o "$scratch/f16.swg" --element-type f16
expect_exit 2 "no blocks in a folder" "$SWAGE" convert "$scratch/folder" -o "$scratch/q8" --element-type q8_0
expect_match "no blocks in a folder" "$stderr" 'q8_0 is written as safetensors'
expect_exit 0 "its history is kept" "$SWAGE" inspect "$scratch/a.swg" --json
expect_match "its history is kept" "$stdout" '"command":"convert"'

# Damage inside the frames: found by verify, which names it.
cp "$scratch/a.swg" "$scratch/bad.swg"
printf '\xff\xff' | dd of="$scratch/bad.swg" bs=1 seek=300 conv=notrunc status=none
expect_exit 3 "verify finds damage" "$SWAGE" verify "$scratch/bad.swg"
expect_match "verify names it" "$stdout" 'damaged: [a-z_.0-9]+: '
expect_exit 3 "verify --json finds damage" "$SWAGE" verify "$scratch/bad.swg" --json
expect_match "verify --json names it" "$stdout" '"ok": false.*"damaged": \[\{"name"'
head -c 200 "$scratch/a.swg" >"$scratch/short.swg"
expect_exit 3 "inspect refuses a truncated file" "$SWAGE" inspect "$scratch/short.swg"
expect_exit 4 "inspect refuses what is not a checkpoint" "$SWAGE" inspect "$scratch/tokenizer.bin"
expect_exit 6 "inspect of nothing" "$SWAGE" inspect "$scratch/absent"
# Values that change type: too large for the new type, or NaN.
put() { # NAME BYTES: the model with its q_proj's element 3 replaced
  cp "$scratch/model.bin" "$scratch/$1.bin"
  # shellcheck disable=SC2059
  printf "$2" | dd of="$scratch/$1.bin" bs=1 conv=notrunc status=none seek=$((28 + 4 * (16 * 8 + 8 + 3)))
}
rm "$scratch/tokenizer.bin" # a GGUF would take it in
put large '\x00\x24\x74\x49' # 1e6
put nan '\x00\x00\xc0\x7f'
expect_exit 4 "beyond half precision" "$SWAGE" convert "$scratch/large.bin" -o "$scratch/nf.gguf" --element-type f16
expect_match "beyond half precision" "$stderr" 'q_proj.*1e\+06, beyond the range of F16.*--nonfinite keep'
expect_exit 3 "NaN to half precision" "$SWAGE" convert "$scratch/nan.bin" -o "$scratch/nf.gguf" --element-type f16
expect_match "NaN to half precision" "$stderr" 'element 3 of tensor model\.layers\.0\.self_attn\.q_proj\.weight is not finite'
check "none of them wrote anything" [ ! -e "$scratch/nf.gguf" ]
expect_exit 0 "within bfloat16" "$SWAGE" convert "$scratch/large.bin" -o "$scratch/nf.gguf" --element-type bf16
expect_exit 0 "warn" "$SWAGE" convert "$scratch/large.bin" -o "$scratch/nf.gguf" --element-type f16 --nonfinite warn --force
expect_match "warn" "$stderr" '1 numbers are not finite'
expect_exit 0 "keep" "$SWAGE" convert "$scratch/nan.bin" -o "$scratch/nf.gguf" --element-type f16 --nonfinite keep --force --json
check "keep is silent" [ -z "$stderr" ]
expect_match "keep is counted" "$stdout" '"nonfinite": 1'
expect_exit 0 "a half-precision NaN" "$SWAGE" convert "$scratch/nan.bin" -o "$scratch/nan16.gguf" --element-type bf16 --nonfinite keep
expect_exit 3 "NaN is not widened silently" "$SWAGE" convert "$scratch/nan16.gguf" -o "$scratch/nf.bin" --element-type f32
expect_match "NaN is not widened silently" "$stderr" 'q_proj\.weight is not finite'
check "nothing was widened" [ ! -e "$scratch/nf.bin" ]
expect_exit 0 "NaN is widened when kept" "$SWAGE" convert "$scratch/nan16.gguf" -o "$scratch/nf.bin" --element-type f32 --nonfinite keep
expect_exit 0 "bits are kept where no type changes" "$SWAGE" convert "$scratch/nan.bin" -o "$scratch/nan.swg"
expect_exit 0 "quantize with large scales" "$SWAGE" quantize "$scratch/large.bin" -o "$scratch/large.swg" --scale-type f32
expect_exit 4 "dequantized beyond half precision" "$SWAGE" convert "$scratch/large.swg" -o "$scratch/nf.safetensors" --dequantize f16
expect_match "dequantized beyond half precision" "$stderr" 'q_proj.*beyond the range of F16'
expect_exit 0 "dequantized to bfloat16" "$SWAGE" convert "$scratch/large.swg" -o "$scratch/nf.safetensors" --dequantize bf16
# --format decides what is kept, not the output's name: a .swg keeps its history.
expect_exit 0 "a .swg under another name" "$SWAGE" convert "$scratch/model.bin" -o "$scratch/unnamed" --format swg
expect_exit 0 "inspect" "$SWAGE" inspect "$scratch/unnamed"
expect_match "its history is there" "$stdout" 'convert by swage [0-9.]+, from llama2c'
finish
