#!/usr/bin/env bash
# --device of run, logits, eval and bench: the CUDA kernels on this processor (SWAGE_CUDA=host) against
# the CPU, what is said, and refusals.
. tests/cli/lib.sh
model=tests/runtime/fixtures/qwen3 text=$scratch/text
is() { check "$1: $2 is $(value "$2"), not $3" test "$(value "$2")" = "$3"; }
logits() { "$SWAGE" logits "$model" --ids 1,5,3,2 --force -o "$scratch/rows" --json "$@"; }

# No GPU here, or it is hidden.
export CUDA_VISIBLE_DEVICES=
expect_exit 2 "an unknown device" logits --device tpu
expect_exit 4 "no GPU" logits --device cuda
check "no file is left" [ ! -e "$scratch/rows" ]
expect_match "why" "$stderr" '^swage logits: .*(built without CUDA|CUDA: )'
expect_exit 0 "auto" logits --device auto
is "auto" device cpu
expect_match "auto says why" "$stderr" 'note: .*: computing on the CPU'
expect_exit 2 "an unknown build" env SWAGE_CUDA=tpu "$SWAGE" logits "$model" --ids 1 -o "$scratch/x" --device cuda
expect_match "names those that there are" "$stderr" 'SWAGE_CUDA is "tpu"; it is gpu or host'

export SWAGE_CUDA=host
expect_exit 0 "the CPU, whatever SWAGE_CUDA says" logits
is "the default" device cpu
if ! logits --device cuda >"$scratch/stdout" 2>"$scratch/stderr"; then
  skip "$(cat "$scratch/stderr")"
  finish
  exit
fi
is "logits" device "cuda: this processor, executing CUDA kernels thread by thread"
is "logits" activations f16
expect_exit 0 "auto takes it" logits --device auto
is "auto" activations f16
expect_exit 0 "float products" logits --device cuda --activations f32
is "float products" activations f32
expect_exit 0 "a cache of integers" logits --device cuda --kv-cache int8
expect_exit 0 "8-bit activations" logits --device cuda --activations int8 --kv-cache f16
is "8-bit activations" activations int8
expect_match "what they do not reach is said" "$stderr" \
  'note: [0-9]+ of [0-9]+ matrices are multiplied with f16 activations'

tales=examples/tiny-tales
printf 'One morning the fox went down to the river.\n' >"$text"
evaluate() { "$SWAGE" eval $tales --text "$text" --context 8 --max-tokens 16 --json "$@"; }
expect_exit 0 "perplexity on the CPU" evaluate
wanted=$(value perplexity)
expect_exit 0 "perplexity on the device" evaluate --device cuda
check "perplexities $wanted and $(value perplexity) differ by at most a thousandth" \
  awk -v a="$wanted" -v b="$(value perplexity)" 'BEGIN {exit !(a > 0 && a - b <= a / 1000 && b - a <= a / 1000)}'
expect_match "it names the device" "$(value device)" '^cuda: '

greedy() { "$SWAGE" run $tales --prompt "One morning" -n 6 --temperature 0 "$@"; }
expect_exit 0 "a text by the CPU" greedy
wanted=$stdout
expect_exit 0 "a text by the device" greedy --device cuda
check "the same text" [ "$stdout" = "$wanted" ]
expect_match "said while it runs" "$stderr" 'computing on cuda: this processor'
expect_exit 0 "a text as JSON" greedy --device cuda --json
expect_match "it names the device" "$(value device)" '^cuda: '

expect_exit 0 "bench" "$SWAGE" bench "$model" --prompt 2 --generate 3 --repeats 1 --device cuda --json
is "the machine's limits say nothing about it" dram_read_bytes_per_s null
expect_match "it names the device" "$(value device)" '^cuda: '
expect_exit 0 "bench of a shape" "$SWAGE" bench --shape d_model=32,n_layers=1,d_ff=32,n_heads=2,vocab=32 \
  --prompt 2 --generate 2 --repeats 1 --device cuda
expect_match "it names the device" "$stdout" 'device +cuda: '

expect_exit 2 "a device for nothing" "$SWAGE" quantize $tales -o "$scratch/x.swg" --device cuda
expect_match "it is said" "$stderr" '--device is of use only with --calibration'
expect_exit 2 "a device for nothing" "$SWAGE" prune $tales -o "$scratch/x.swg" --sparsity 0.5 --device cuda
expect_match "it is said" "$stderr" '--device is of use only with --calibration'

# Statistics of a calibration text.
calibrated() { # COMMAND OPTION...
  local command=$1
  shift
  "$SWAGE" "$command" $tales -o "$scratch/$command.swg" --force -q --calibration $tales/eval.txt \
    --calibration-tokens 64 --calibration-window 32 --cache "$scratch/statistics" "$@"
}
expect_exit 0 "quantize" calibrated quantize --method gptq --device cuda
expect_exit 0 "its history" "$SWAGE" inspect "$scratch/quantize.swg" --json
expect_match "it names the device" "$(tr -d ' \n' <"$scratch/stdout")" '"device":"cuda:'
expect_exit 0 "on the CPU" calibrated quantize --method gptq
expect_exit 0 "its history" "$SWAGE" inspect "$scratch/quantize.swg" --json
check "it names none" [ -z "$(grep '"device"' "$scratch/stdout")" ]
check "statistics of either are kept" [ "$(find "$scratch/statistics" -name '*.statistics' | wc -l)" = 2 ]
expect_exit 0 "prune" calibrated prune --method wanda --sparsity 0.5 --statistics sequential --device cuda
expect_exit 0 "of two models" calibrated quantize --method gptq --statistics paired --device cuda
expect_exit 0 "auto" calibrated quantize --method gptq --device auto
export SWAGE_CUDA=gpu
if ! logits --device cuda >"$scratch/stdout" 2>"$scratch/stderr"; then
  expect_exit 4 "no device" calibrated quantize --method gptq --device cuda
  expect_match "it is said" "$stderr" 'CUDA'
fi
finish
