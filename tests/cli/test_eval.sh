#!/usr/bin/env bash
# eval and bench on the command line: JSON keys, refusals, and every family of small models
# quantized to 8 and 4 bits, packed, evaluated and benchmarked.
. tests/cli/lib.sh
. tests/cli/bert_tokenizer.sh
fixtures=tests/runtime/fixtures
tokenizer=$scratch/tokenizer.json
write_bert_tokenizer "$tokenizer"
printf '%s\n' 'Ann came, bob stayed.' 'The dogs ran' '' 'who came? the old cat' '' \
  'then he saw a dog in the house, and she saw a cat in the old house, and the dogs stayed.' \
  >"$scratch/text.txt"
printf '%s\n' '{"text": "Ann came", "label": "calm"}' '{"text": "the dog", "label": 3}' \
  '{"text": "who?", "text_pair": "bob", "label": "none", "id": 7}' >"$scratch/items.jsonl"

has_keys() { # NAME KEYS...: all of them in the JSON of the last command
  local name=$1 key
  shift
  for key; do expect_match "$name has $key" "$stdout" "\"$key\": "; done
}
value() { sed -nE "s/^ *\"$1\": \"?([^\",]*)\"?,?\$/\1/p" "$scratch/stdout" | head -n 1; }
is() { check "$1: $2 is $(value "$2"), not $3" test "$(value "$2")" = "$3"; }
evaluate() { "$SWAGE" eval "$1" --tokenizer "$tokenizer" "${@:2}"; }

# Perplexity.
evaluate_gpt2() { evaluate "$fixtures/gpt2-bare" --text "$scratch/text.txt" --context 8 "$@"; }
expect_exit 0 "perplexity" evaluate_gpt2 --json
has_keys "eval" perplexity mean_nll mean_nll_standard_error tokens_scored tokens_total windows \
  protocol context bos_rule activations text text_sha256 elapsed_s
is "perplexity" task perplexity
is "perplexity" protocol gptq
is "perplexity" context 8
is "perplexity" text_sha256 "$(sha256sum "$scratch/text.txt" | cut -d' ' -f1)"
is "perplexity" activations f32
check "no pseudo-perplexity of a causal model" test -z "$(value pseudo_perplexity)"
check "perplexity is exp(mean NLL)" awk -v p="$(value perplexity)" -v n="$(value mean_nll)" \
  'BEGIN {d = p - exp(n); exit !(d * d < 1e-12 * p * p)}'
perplexity=$(value perplexity)
for threads in 1 2 5; do
  evaluate_gpt2 --json --threads $threads >"$scratch/stdout"
  is "with $threads threads" perplexity "$perplexity"
done
expect_exit 0 "as text" evaluate_gpt2 --protocol llama.cpp
expect_match "says the protocol" "$stdout" 'protocol      llama.cpp, context 8:'
expect_exit 5 "a document longer than the context" evaluate_gpt2 --protocol per-doc

# Pseudo-log-likelihood.
evaluate_bert() { evaluate "$fixtures/bert-masked" --text "$scratch/text.txt" "$@"; }
expect_exit 0 "pll" evaluate_bert --json
has_keys "pll" pseudo_perplexity mean_pll mean_pll_standard_error tokens_scored tokens_total \
  windows protocol context activations text_sha256
is "pll" task pll
is "pll" protocol pll
is "pll" context 24
is "pll" windows 4
is "pll" tokens_scored 41
check "no perplexity of an encoder" test -z "$(value perplexity)"
check "mean PLL is negative" awk -v p="$(value mean_pll)" 'BEGIN {exit !(p < 0)}'
check "pseudo-perplexity is exp(-mean PLL)" awk -v p="$(value pseudo_perplexity)" \
  -v n="$(value mean_pll)" 'BEGIN {d = p - exp(-n); exit !(d * d < 1e-12 * p * p)}'
pll=$(value mean_pll)
for threads in 1 5; do
  evaluate_bert --json --threads $threads >"$scratch/stdout"
  is "with $threads threads" mean_pll "$pll"
done
expect_exit 0 "shorter windows" evaluate_bert --context 12 --protocol pll --task pll --json
is "shorter windows" windows 5
is "shorter windows" tokens_scored 41
expect_exit 0 "pll as text" evaluate_bert
expect_match "pll says its own name" "$stdout" '^pseudo-perpl\. '

# Accuracy.
classify() { evaluate "$fixtures/bert-sequence" --data "$scratch/items.jsonl" "$@"; }
expect_exit 0 "accuracy" classify --task classify --json
has_keys "accuracy" accuracy accuracy_standard_error mean_log_loss items correct labels activations \
  data data_sha256
is "accuracy" items 3
check "as many labels as the model has" test "$(grep -c '"label"' "$scratch/stdout")" -eq 5
expect_exit 0 "accuracy without --task" classify
expect_match "accuracy as text" "$stdout" '^accuracy      [01]\.[0-9]{4} \+- '
echo '{"text": "x", "label": "happy"}' >>"$scratch/items.jsonl"
expect_exit 3 "an unknown label" classify
expect_match "names line and label" "$stderr" 'line 4: the model has no label "happy"'
check "prints nothing" test -z "$stdout"

# Refusals name what to use instead.
for protocol in gptq llama.cpp per-doc; do
  expect_exit 4 "$protocol of an encoder" evaluate_bert --protocol $protocol --json
  expect_match "$protocol of an encoder" "$stderr" 'use protocol pll$'
  check "$protocol of an encoder prints nothing" test -z "$stdout"
done
expect_exit 4 "pll of a causal model" evaluate_gpt2 --protocol pll
expect_match "pll of a causal model" "$stderr" 'use protocol gptq or llama.cpp or per-doc$'
expect_exit 4 "perplexity of an encoder" evaluate_bert --task perplexity
expect_exit 4 "no task for answers" evaluate "$fixtures/bert-span" --text "$scratch/text.txt"
expect_exit 4 "a text for a classifier" evaluate "$fixtures/bert-sequence" --text "$scratch/text.txt"
expect_match "a text for a classifier" "$stderr" 'reads --data'
expect_exit 4 "data for a causal model" evaluate "$fixtures/gpt2-bare" --data "$scratch/items.jsonl"
expect_exit 2 "neither text nor data" evaluate "$fixtures/gpt2-bare"
expect_exit 2 "both" evaluate_bert --data "$scratch/items.jsonl"
expect_exit 2 "a protocol for data" classify --protocol gptq
expect_exit 2 "tokens of data" classify --max-tokens 5
expect_exit 2 "an unknown task" evaluate_bert --task guess
expect_exit 5 "no room between special tokens" evaluate_bert --context 2
expect_exit 4 "more than the learned positions" evaluate_bert --context 30
: >"$scratch/empty"
expect_exit 1 "an empty text" evaluate "$fixtures/bert-masked" --text "$scratch/empty"

# Benchmarks: what was not measured is null.
bench_keys="prefill_tokens_per_s decode_tokens_per_s load_s weight_bytes_per_token \
dram_read_bytes_per_s int8_ops_per_s peak_rss_bytes"
expect_exit 0 "bench" "$SWAGE" bench "$fixtures/llama-biases" --prompt 8 --generate 4 --repeats 1 --json
# shellcheck disable=SC2086
has_keys "bench" $bench_keys
for key in $bench_keys; do
  check "$key was measured" awk -v x="$(value $key)" 'BEGIN {exit !(x > 0)}'
done
expect_exit 0 "bench an encoder" "$SWAGE" bench "$fixtures/bert-masked" --repeats 1 --no-limits --json
# shellcheck disable=SC2086
has_keys "bench an encoder" $bench_keys
is "bench an encoder" prompt 24
is "bench an encoder" decode_tokens_per_s null
is "bench an encoder" dram_read_bytes_per_s null
expect_match "says that nothing is decoded" "$stderr" 'decoding is not measured'
expect_match "says how long the text is" "$stderr" 'learned 24 positions'
expect_exit 0 "bench without prefill" "$SWAGE" bench "$fixtures/rnn-lstm" --prompt 0 --generate 3 \
  --repeats 1 --no-limits --json
is "bench without prefill" prefill_tokens_per_s null
check "a recurrent model decodes" awk -v x="$(value decode_tokens_per_s)" 'BEGIN {exit !(x > 0)}'
expect_exit 2 "nothing to measure" "$SWAGE" bench "$fixtures/bert-masked" --prompt 0

# Every family: quantized to 8 and 4 bits, packed and verified, evaluated and benchmarked.
figure() { # MODEL: the figure of its kind on the small text, or nothing where there is no task
  case $1 in
    *bert-sequence*) evaluate "$1" --data "$scratch/good.jsonl" --json ;;
    *bert-masked*) evaluate "$1" --text "$scratch/text.txt" --json ;;
    *) evaluate "$1" --text "$scratch/text.txt" --context 8 --json ;;
  esac
}
head -n 3 "$scratch/items.jsonl" >"$scratch/good.jsonl"
for folder in "$fixtures"/*/; do
  name=$(basename "$folder")
  expect_exit 0 "packing $name" "$SWAGE" convert "$folder" -o "$scratch/$name.swg" --quiet
  for bits in 8 4; do
    packed=$scratch/$name-$bits.swg
    expect_exit 0 "$name to $bits bits" "$SWAGE" quantize "$folder" -o "$packed" --bits $bits \
      --group-size 32 --quiet
    expect_exit 0 "verify $name in $bits bits" "$SWAGE" verify "$packed"
    expect_exit 0 "bench $name in $bits bits" "$SWAGE" bench "$packed" --prompt 8 --generate 2 \
      --repeats 1 --no-limits --threads 2 --json
    check "$name in $bits bits reads a prompt" \
      awk -v x="$(value prefill_tokens_per_s)" 'BEGIN {exit !(x > 0)}'
    if [ "$name" = bert-span ] || [ "$name" = bert-token ]; then continue; fi
    expect_exit 0 "evaluate $name in $bits bits" figure "$packed"
    quantized=$(value mean_nll)$(value mean_pll)$(value mean_log_loss)
    expect_exit 0 "evaluate $name" figure "$scratch/$name.swg"
    exact=$(value mean_nll)$(value mean_pll)$(value mean_log_loss)
    echo "$name: $(value task) $exact, in $bits bits $quantized"
    check "$name in $bits bits is near, and not the same: $quantized, $exact" \
      awk -v a="$quantized" -v b="$exact" 'BEGIN {d = a - b; d = d < 0 ? -d : d
        b = b < 0 ? -b : b; exit !(d > 0 && d < '"$((bits == 8 ? 1 : 10))"' * 0.02 * b)}'
  done
done
finish
