#!/usr/bin/env bash
# swage eval and bench: the keys that programs read, and figures that must be about the model.
. tests/cli/lib.sh
model=examples/tiny-tales

value() { sed -nE "s/^ *\"$2\": \"?([^\",]*)\"?,?\$/\1/p" <<<"$1" | head -n 1; }
has_keys() {
  local what=$1 json=$2 key
  shift 2
  for key in "$@"; do expect_match "$what has $key" "$json" "\"$key\": "; done
}

for protocol in gptq llama.cpp per-doc; do
  expect_exit 0 "eval $protocol" "$SWAGE" eval $model --text $model/eval.txt --protocol $protocol \
    --context 512 --max-tokens 1600 --json
  has_keys "eval --protocol $protocol" "$stdout" perplexity mean_nll tokens_scored tokens_total \
    protocol context activations text_sha256
  check "$protocol: perplexity is exp(mean_nll)" awk -v p="$(value "$stdout" perplexity)" \
    -v n="$(value "$stdout" mean_nll)" 'BEGIN {d = p / exp(n) - 1; exit !(p > 1 && d * d < 1e-12)}'
  check "$protocol: the hash is the text's" \
    [ "$(value "$stdout" text_sha256)" = "$(sha256sum <$model/eval.txt | cut -d' ' -f1)" ]
done
# Memory follows the longest document, not the context that was allowed for.
expect_exit 0 "eval with room to spare" "$SWAGE" eval $model --text $model/eval.txt \
  --protocol per-doc --context 16777216 --max-tokens 600
expect_exit 2 "eval with nothing to score" "$SWAGE" eval $model --text $model/eval.txt \
  --protocol llama.cpp --context 2

expect_exit 0 "bench" "$SWAGE" bench $model --prompt 16 --generate 8 --repeats 1 --json
has_keys bench "$stdout" prefill_tokens_per_s decode_tokens_per_s load_s weight_bytes_per_token \
  dram_read_bytes_per_s int8_ops_per_s peak_rss_bytes
check "bench: peak memory is the model's, not that of the machine's limits" \
  [ "$(value "$stdout" peak_rss_bytes)" -lt 200000000 ]
expect_exit 5 "bench of a shape beyond the machine" "$SWAGE" bench \
  --shape d_model=1048576,n_layers=4096,d_ff=4194304,n_heads=64,vocab=16777216

expect_exit 2 "a negative token id" "$SWAGE" logits $model --ids=-1 -o "$scratch/logits"
expect_match "a negative token id" "$stderr" "-1"
expect_exit 6 "output in a missing folder" "$SWAGE" logits $model --ids 1 -o "$scratch/no/logits"
expect_match "output in a missing folder" "$stderr" "no/logits: No such file"
expect_exit 3 "no tokenizer at all" "$SWAGE" run $model --tokenizer $model/config.json
expect_match "no tokenizer at all" "$stderr" "--tokenizer $model/config.json"
finish
