#!/usr/bin/env bash
# Every width of weight_formats.def through every command: quantize, verify, convert, run, measure.
. tests/cli/lib.sh
model=tests/formats/fixtures/v1-int4-asym-g32.swg # of 4 bits: quantized once more
widths=$(sed -nE 's/^SWG_INTEGER_FORMAT\(int([0-9]+), .*/\1/p' runtime/base/weight_formats.def)
expect_match "there are widths" "$(echo $widths)" '4 .*8'

# One recipe through the commands: quantize, verify, inspect, dequantize, logits by both ways.
check_format() { # NAME SCHEME OPTION...
  local name=$1 scheme=$2
  shift 2
  expect_exit 0 "quantize $name" "$SWAGE" quantize "$model" -o "$scratch/q.swg" --requantize --force --quiet "$@"
  expect_exit 0 "verify $name" "$SWAGE" verify "$scratch/q.swg"
  expect_exit 0 "inspect $name" "$SWAGE" inspect "$scratch/q.swg"
  expect_match "scheme of $name" "$stdout" "$scheme"
  rm -rf "$scratch/floats"
  expect_exit 0 "dequantize $name" "$SWAGE" convert "$scratch/q.swg" -o "$scratch/floats" \
    --dequantize f32 --quiet
  # The runtime's kernels and the reader decode the planes alike.
  expect_exit 0 "logits of $name" "$SWAGE" logits "$scratch/q.swg" --ids 1,2,3,4,5 \
    --activations f32 --force --output "$scratch/a" --quiet
  expect_exit 0 "logits of floats of $name" "$SWAGE" logits "$scratch/floats" --ids 1,2,3,4,5 \
    --activations f32 --force --output "$scratch/b" --quiet
  check "$name: the same logits" cmp "$scratch/a" "$scratch/b"
  expect_exit 0 "int8 logits of $name" "$SWAGE" logits "$scratch/q.swg" --ids 1,2,3,4,5 \
    --force --output "$scratch/a" --quiet
}

for format in $(sed -nE 's/^SWG_CODEBOOK\(([a-z0-9_]+),.*/\1/p' quantize/codebooks.def); do
  check_format "$format" "codebook4-g32-f16" --format "$format" --group-size 32
  check_format "$format, one scale per row" "codebook4-row-f32" --format "$format" --group-size row --scale-type f32
done
check_format "a codebook with 8-bit scales" "codebook4-g32-i8" --format codebook --group-size 32 --scale-type i8
expect_exit 2 "a codebook with zero points" "$SWAGE" quantize "$model" -o "$scratch/no.swg" --requantize \
  --format codebook --asymmetric
expect_match "a codebook with zero points" "$stderr" 'codebook has no zero points'
expect_exit 4 "a codebook of 3 bits" "$SWAGE" quantize "$model" -o "$scratch/no.swg" --requantize \
  --format codebook --bits 3
expect_match "a codebook of 3 bits" "$stderr" 'codebook of 3-bit codes \(known: 4\)'
"$SWAGE" quantize "$model" -o "$scratch/q.swg" --requantize --force --quiet --format nf4 --embedding-bits 8 \
  --group-size 32 --scale-type f16 --embedding-group-size 32 >"$scratch/stdout"
expect_exit 4 "a codebook to a GGUF" "$SWAGE" convert "$scratch/q.swg" -o "$scratch/q.gguf"
expect_match "a codebook to a GGUF" "$stderr" 'codebook4-g32-f16'

last=0 # signal-to-noise ratio of the narrower width
for bits in $widths; do
  for options in "--group-size 32 --scale-type f16" "--group-size row --asymmetric" \
    "--group-size 128 --scale-type f32 --asymmetric" "--scale-type bf16 --scale-search absmax" \
    "--scale-type i8 --group-size 32"; do
    # shellcheck disable=SC2086
    check_format "$bits bits $options" "int$bits-" --bits "$bits" --embedding-bits "$bits" $options
  done
  "$SWAGE" quantize "$model" -o "$scratch/q.swg" --requantize --force --json --bits "$bits" --quiet \
    >"$scratch/stdout"
  snr=$(sed -nE "s/^  \"snr_db\": ([0-9.]+),/\1/p" "$scratch/stdout") # of all tensors
  check "$bits bits are nearer than fewer" awk "BEGIN { exit !($snr > $last) }"
  last=$snr
  expect_exit 0 "bench of $bits bits" "$SWAGE" bench --shape d_model=64,n_layers=1,d_ff=96,n_heads=4,vocab=50 \
    --bits "$bits" --prompt 8 --generate 4 --repeats 1 --no-limits
  # A GGUF holds every width in blocks of the same numbers.
  "$SWAGE" quantize "$model" -o "$scratch/q.swg" --requantize --force --quiet --bits "$bits" --group-size 32 \
    --scale-type f16 --embedding-bits "$bits" --embedding-group-size 32 >"$scratch/stdout"
  expect_exit 0 "$bits bits to a GGUF" "$SWAGE" convert "$scratch/q.swg" -o "$scratch/q.gguf" --force
  for file in q.swg q.gguf; do
    expect_exit 0 "logits of $file" "$SWAGE" logits "$scratch/$file" --ids 1,2,3,4,5 --activations f32 --force \
      --output "$scratch/$file.logits" --quiet
  done
  check "$bits bits in a GGUF: the same logits" cmp "$scratch/q.swg.logits" "$scratch/q.gguf.logits"
  [ "$bits" = 8 ] || {
    expect_exit 4 "$bits bits to llama2.c" "$SWAGE" convert "$scratch/q.swg" -o "$scratch/q.bin" --force
    expect_match "$bits bits to llama2.c" "$stderr" "int$bits-"
  }
done
expect_exit 2 "bits without a format" "$SWAGE" quantize "$model" -o "$scratch/q.swg" --bits 7
finish
