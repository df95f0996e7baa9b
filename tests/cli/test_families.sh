#!/usr/bin/env bash
# Every family of models: a small one quantized to 8 and 4 bits, packed, verified, evaluated and
# benchmarked.
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

evaluate() { "$SWAGE" eval "$1" --tokenizer "$tokenizer" "${@:2}"; }

figure() { # MODEL: the figure of its kind on the small text, or nothing if it has no task
  case $1 in
    *bert*-sequence*) evaluate "$1" --data "$scratch/items.jsonl" --json ;;
    *bert*-masked*) evaluate "$1" --text "$scratch/text.txt" --json ;;
    *) evaluate "$1" --text "$scratch/text.txt" --context 8 --json ;;
  esac
}
for folder in "$fixtures"/*/; do
  name=$(basename "$folder")
  expect_exit 0 "packing $name" "$SWAGE" convert "$folder" -o "$scratch/$name.swg" --quiet
  has_task=true
  case $name in *-span | *bert*-token | *bert-model) has_task=false ;; esac
  if $has_task; then
    expect_exit 0 "evaluate $name" figure "$scratch/$name.swg"
    exact=$(value mean_nll)$(value mean_pll)$(value mean_log_loss)
  fi
  for bits in 8 4; do
    packed=$scratch/$name-$bits.swg
    expect_exit 0 "$name to $bits bits" "$SWAGE" quantize "$folder" -o "$packed" --bits $bits \
      --group-size 32 --quiet
    expect_exit 0 "verify $name in $bits bits" "$SWAGE" verify "$packed"
    expect_exit 0 "bench $name in $bits bits" "$SWAGE" bench "$packed" --prompt 8 --generate 2 \
      --repeats 1 --no-limits --threads 2 --json
    check "$name in $bits bits reads a prompt" \
      awk -v x="$(value prefill_tokens_per_s)" 'BEGIN {exit !(x > 0)}'
    $has_task || continue
    expect_exit 0 "evaluate $name in $bits bits" figure "$packed"
    quantized=$(value mean_nll)$(value mean_pll)$(value mean_log_loss)
    echo "$name: $(value task) $exact, in $bits bits $quantized"
    check "$name in $bits bits is near, and not the same: $quantized, $exact" \
      awk -v a="$quantized" -v b="$exact" 'BEGIN {d = a - b; d = d < 0 ? -d : d
        b = b < 0 ? -b : b; exit !(d > 0 && d < '"$((bits == 8 ? 1 : 10))"' * 0.02 * b)}'
  done
done
finish
