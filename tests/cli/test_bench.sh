#!/usr/bin/env bash
# swage bench: JSON keys, null for values that were not measured, refusals.
. tests/cli/lib.sh
fixtures=tests/runtime/fixtures
is() { check "$1: $2 is $(value "$2"), not $3" test "$(value "$2")" = "$3"; }

bench_keys="prefill_tokens_per_s decode_tokens_per_s load_s weight_bytes_per_token \
dram_read_bytes_per_s int8_ops_per_s peak_rss_bytes"
# Two threads: the buffers of more would count towards the peak. Measuring the machine's limits takes
# seconds and gigabytes, so this is the one test that does.
expect_exit 0 "bench" "$SWAGE" bench examples/tiny-tales --prompt 16 --generate 8 --repeats 1 \
  --threads 2 --json
# shellcheck disable=SC2086
expect_keys "bench" $bench_keys
expect_keys "the machine" cpu isa cpu_governor huge_pages cpus machine_memory_bytes
for key in $bench_keys; do
  check "$key was measured" awk -v x="$(value $key)" 'BEGIN {exit !(x > 0)}'
done
check "peak memory is the model's, not that of the machine's limits" \
  [ "$(value peak_rss_bytes)" -lt 200000000 ]
expect_exit 0 "bench an encoder" "$SWAGE" bench "$fixtures/bert-masked" --repeats 1 --no-limits --json
# shellcheck disable=SC2086
expect_keys "bench an encoder" $bench_keys
is "bench an encoder" prompt 24
is "bench an encoder" decode_tokens_per_s null
is "bench an encoder" dram_read_bytes_per_s null
expect_match "says that nothing is decoded" "$stderr" 'decoding is not measured'
expect_match "says how long the text is" "$stderr" 'supports 24 positions: prompt shortened from 512 to 24 tokens'
expect_exit 0 "bench without prefill" "$SWAGE" bench "$fixtures/rnn-lstm" --prompt 0 --generate 3 \
  --repeats 1 --no-limits --json
is "bench without prefill" prefill_tokens_per_s null
# Float products: the library that computes them is named, and its absence is reported.
f32() { SWAGE_BLAS=$1 expect_exit 0 "bench with SWAGE_BLAS=$1" "$SWAGE" bench "$fixtures/rnn-lstm" \
  --prompt 8 --generate 2 --repeats 1 --no-limits --activations f32 --json; }
f32 plain
is "plain C when asked for" linalg "plain C"
check "without a note" [ -z "$stderr" ]
f32 libabsent-blas.so.0
expect_match "plain C when OpenBLAS is absent" "$(value linalg)" '^plain C(, AMX BF16)?$'
expect_match "says so" "$stderr" 'note: .*libabsent-blas.so.0.*plain C'
check "once" [ "$(grep -c note: <<<"$stderr")" -eq 1 ]
check "a recurrent model decodes" awk -v x="$(value decode_tokens_per_s)" 'BEGIN {exit !(x > 0)}'
# The memory of keys and values.
for type in f32 f16 int8; do
  expect_exit 0 "bench with a cache of $type" "$SWAGE" bench examples/tiny-tales --prompt 8 --generate 4 \
    --repeats 1 --no-limits --threads 1 --kv-cache $type --json
  is "bench" kv_cache $type
  eval "bytes_$type=$(value kv_cache_bytes)"
done
check "halves take half the memory" [ "$bytes_f32" = $((2 * bytes_f16)) ]
check "8 bits take about a quarter" [ $((3 * bytes_int8)) -lt "$bytes_f32" ]
requests() {
  "$SWAGE" bench examples/tiny-tales --prompt 4 --generate 3 --repeats 1 --no-limits "$@"
}
expect_exit 0 "requests" requests --requests 10 --json
expect_keys "requests" scenario requests ttft_ms_p50 ttft_ms_p50_low ttft_ms_p50_high ttft_ms_p90 \
  tpot_ms_p50 gap_ms_p50 e2e_ms_p50 ttft_ms_max tpot_ms_max gap_ms_max e2e_ms_max
check "a request takes at least its first token" awk -v e="$(value e2e_ms_max)" -v t="$(value ttft_ms_max)" \
  'BEGIN {exit !(t > 0 && e >= t)}'
is "requests" requests 10
is "10 requests" ttft_ms_p99 null
expect_exit 0 "requests as text" requests --requests 2
expect_match "says what is missing" "$stdout" 'first token   .*too few'
expect_exit 0 "a late limit" requests --requests 2 --max-ttft-ms 1e8
expect_exit 7 "a limit of nothing" requests --requests 2 --max-ttft-ms 0
expect_match "says by how much" "$stderr" 'the first token is .* ms, above the limit of 0'
expect_exit 7 "a median of one" requests --requests 1 --max-ttft-ms 1e8
expect_match "says that it is none" "$stderr" 'too few requests \(1\) for a median'
expect_exit 2 "a limit without requests" requests --max-ttft-ms 5
expect_exit 2 "requests that read nothing" requests --requests 2 --prompt 0
expect_exit 2 "no requests" requests --requests 0
expect_exit 0 "batches" requests --scenario offline --requests 5 --batch 2 --load --json
expect_keys "batches" scenario requests batch requests_per_s requests_per_s_least output_tokens_per_s \
  total_tokens_per_s energy_j outliers load_cold_s load_warm_s peak_rss_bytes peak_pss_bytes \
  weights_memory_bytes kv_cache_bytes activations_memory_bytes
is "batches" scenario offline
is "batches" batch 2
cache=$(value kv_cache_bytes)
expect_exit 0 "one at a time" requests --scenario offline --requests 5 --batch 1 --json
check "two sequences have two caches" [ "$cache" = $((2 * $(value kv_cache_bytes))) ]
is "without --load" load_warm_s null
expect_exit 0 "batches as text" requests --scenario offline --requests 3 --load
expect_match "batches as text" "$stdout" 'offline +3 in batches of 3: .* requests/s'
expect_match "the warm load" "$stdout" 'load, warm +[0-9]'
expect_match "memory by what it is for" "$stdout" 'peak memory.*the model .*KV cache .*activations'
expect_exit 0 "texts of an encoder in batches" "$SWAGE" bench "$fixtures/bert-masked" --no-limits \
  --repeats 1 --scenario offline --json
is "an encoder generates nothing" output_tokens_per_s null
expect_exit 2 "a batch of single requests" requests --requests 2 --batch 2
expect_exit 2 "a limit for batches" requests --scenario offline --max-ttft-ms 5
expect_exit 2 "loading a shape" "$SWAGE" bench --load --no-limits \
  --shape d_model=64,n_layers=1,d_ff=64,n_heads=1,vocab=32
expect_exit 2 "cases of a scenario" requests --scenario offline --batches 1,2
expect_exit 4 "requests of an encoder" "$SWAGE" bench "$fixtures/bert-masked" --requests 2
expect_exit 2 "nothing to measure" "$SWAGE" bench "$fixtures/bert-masked" --prompt 0
expect_exit 2 "a prompt for kernels" "$SWAGE" bench --kernels --prompt 5
expect_match "a prompt for kernels" "$stderr" 'kernels and --prompt exclude each other'
expect_exit 5 "a shape beyond the machine" "$SWAGE" bench \
  --shape d_model=1048576,n_layers=4096,d_ff=4194304,n_heads=64,vocab=16777216

# Sparse shapes: each takes fewer bytes per token than the dense one, and impossible ones are refused.
sparse_bytes() { # OPTIONS...: bytes of weights per token
  expect_exit 0 "bench $*" "$SWAGE" bench --shape d_model=256,n_layers=2,d_ff=512,n_heads=4,vocab=512 \
    --no-limits --prompt 4 --generate 2 --repeats 1 --json -q "$@"
  value weight_bytes_per_token
}
dense=$(sparse_bytes)
for options in "--sparsity 0.5" "--pattern 2:4" "--sparsity 0.5 --block 16x1"; do
  # shellcheck disable=SC2086
  bytes=$(sparse_bytes $options)
  check "$options: $bytes of $dense bytes" [ "$bytes" -lt "$dense" ]
done
expect_exit 2 "a pattern that does not divide" "$SWAGE" bench --pattern 2:4 --no-limits \
  --shape d_model=66,n_layers=1,d_ff=96,n_heads=1,vocab=32
expect_match "the columns are named" "$stderr" '66 columns'
expect_exit 2 "sparsity of a model" "$SWAGE" bench "$fixtures/qwen3" --sparsity 0.5
expect_exit 2 "both kinds of sparsity" "$SWAGE" bench --shape d_model=64,n_layers=1,d_ff=64,n_heads=1,vocab=32 \
  --pattern 2:4 --sparsity 0.5

# Where the time goes: decoding's products read every weight once per token.
profile() { "$SWAGE" bench "$1" --prompt 8 --generate 4 --repeats 1 --no-limits --profile "${@:2}"; }
expect_exit 0 "profile" profile examples/tiny-tales --json
read -r per_token decoded < <(awk -F': ' '{figure = $2 + 0}
  /"weight_bytes_per_token":/ {all = figure} /"decode":/ {inside = 1}
  /"operation":/ {is_product = $2 ~ /linear/} /"bytes":/ && inside && is_product {sum += figure}
  END {print all, sum / 4}' "$scratch/stdout")
check "products of a token read $decoded bytes, the model has $per_token" [ "$decoded" = "$per_token" ]
expect_exit 0 "profile as text" profile examples/tiny-tales
expect_match "decoding's attention" "$stdout" 'decode.*attention +[0-9.]+ +[0-9.]+%'
expect_match "joint products" "$stdout" 'linear QUERY \+ KEY \+ VALUE'
expect_match "the rest" "$stdout" 'between operations'
expect_exit 0 "profile of an encoder" profile "$fixtures/bert-masked"
expect_match "layer norms" "$stdout" 'layernorm'

# Several cases in turn.
cases() {
  "$SWAGE" bench examples/tiny-tales --no-limits --repeats 2 --threads 1 -q "$@"
}
expect_exit 0 "batches and depths" cases --prompt 4 --generate 3 --batches 1,2 --depths 0,5 --format csv
check "a row per case" [ "$(wc -l <<<"$stdout")" -eq 6 ]
expect_match "prefill" "$stdout" '"examples/tiny-tales",prefill,1,4,'
expect_match "the last case" "$stdout" '"examples/tiny-tales",decode,2,5,'
check "the first side is 1 times itself" \
  [ "$(tail -n +2 <<<"$stdout" | cut -d, -f8-10 | sort -u)" = 1.0000,1.0000,1.0000 ]
expect_exit 0 "two models" cases --prompt 0 --generate 3 --against examples/tiny-tales --json
check "a case per side" [ "$(grep -c '"phase": "decode"' <<<"$stdout")" -eq 2 ]
expect_exit 0 "two instruction sets" cases --prompt 0 --generate 3 --against-isa scalar --format markdown
expect_match "the capped side" "$stdout" '\| scalar \| decode, batch 1, depth 0 \|'
expect_exit 2 "words for numbers" cases --batches 1,x
expect_match "says what was expected" "$stderr" 'numbers from 1 to 1024'
expect_exit 2 "a batch of none" cases --batches 0
expect_exit 2 "two kinds of sides" cases --against examples/tiny-tales --against-isa scalar
expect_exit 2 "one case in a table's form" cases --format csv
expect_exit 2 "requests of several cases" cases --batches 1,2 --requests 3
expect_exit 4 "cases of an encoder" "$SWAGE" bench "$fixtures/bert-masked" --batches 1,2 --no-limits
finish
