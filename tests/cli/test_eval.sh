#!/usr/bin/env bash
# swage eval: JSON keys, figures that must be about the model, every task and protocol, refusals.
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

is() { check "$1: $2 is $(value "$2"), not $3" test "$(value "$2")" = "$3"; }
evaluate() { "$SWAGE" eval "$1" --tokenizer "$tokenizer" "${@:2}"; }

# Perplexity.
evaluate_gpt2() { evaluate "$fixtures/gpt2-bare" --text "$scratch/text.txt" --context 8 "$@"; }
expect_exit 0 "perplexity" evaluate_gpt2 --json
expect_keys "eval" perplexity mean_nll mean_nll_standard_error tokens_scored tokens_total windows \
  protocol context bos_rule activations kv_cache text text_sha256 elapsed_s
is "perplexity" task perplexity
is "perplexity" protocol gptq
is "perplexity" context 8
is "perplexity" text_sha256 "$(sha256sum "$scratch/text.txt" | cut -d' ' -f1)"
is "perplexity" activations f32
is "perplexity" kv_cache f32
check "no pseudo-perplexity of a causal model" test -z "$(value pseudo_perplexity)"
check "perplexity is exp(mean NLL)" awk -v p="$(value perplexity)" -v n="$(value mean_nll)" \
  'BEGIN {d = p - exp(n); exit !(d * d < 1e-12 * p * p)}'
perplexity=$(value perplexity)
for threads in 1 2 5; do
  evaluate_gpt2 --json --threads $threads >"$scratch/stdout"
  is "with $threads threads" perplexity "$perplexity"
done
for type in f16 int8; do
  expect_exit 0 "a cache of $type" evaluate_gpt2 --ref "$fixtures/gpt2-bare" --kv-cache $type --json
  is "a cache of $type" kv_cache $type
  check "a cache of $type costs something, not much: $(value kld_mean)" \
    awk -v x="$(value kld_mean)" 'BEGIN {exit !(x > 0 && x < 0.01)}'
done
expect_exit 2 "a cache of an unknown type" evaluate_gpt2 --kv-cache int4
expect_match "a cache of an unknown type" "$stderr" 'f32|f16|int8'
expect_exit 0 "as text" evaluate_gpt2 --protocol llama.cpp
expect_match "says the protocol" "$stdout" 'protocol      llama.cpp, context 8:'
expect_match "says the type of the cache" "$stdout" 'KV cache      f32'
expect_exit 5 "a document longer than the context" evaluate_gpt2 --protocol per-doc

# Figures per word and byte, preparations, intervals.
expect_exit 0 "protocol lm-eval" evaluate_gpt2 --protocol lm-eval --json
expect_keys "lm-eval" word_perplexity byte_perplexity bits_per_byte perplexity_low perplexity_high
is "lm-eval" text_prep lm-eval
is "lm-eval" text_bytes "$(wc -c <"$scratch/text.txt" | tr -d ' ')"
is "every token of lm-eval is scored" tokens_scored "$(value tokens_total)"
check "bits per byte are those of all tokens" awk -v b="$(value bits_per_byte)" \
  -v n="$(value mean_nll)" -v t="$(value tokens_total)" -v bytes="$(value text_bytes)" \
  'BEGIN {d = b - n * t / bytes / log(2); exit !(d * d < 1e-20)}'
check "the interval holds the perplexity" awk -v p="$(value perplexity)" -v l="$(value perplexity_low)" \
  -v h="$(value perplexity_high)" 'BEGIN {exit !(l < p && p < h)}'
expect_exit 0 "joined rows" evaluate_gpt2 --prep hf-join --json
is "joined rows" text_prep hf-join
expect_exit 2 "an unknown preparation" evaluate_gpt2 --prep none

# Comparison and gates: 7 exactly when crossed.
compared() { evaluate_gpt2 --ref "$fixtures/gpt2-bare" --kv-cache int8 --json "$@"; }
expect_exit 0 "compared" compared
expect_keys "compared" top5_agreement hits_gained hits_lost mcnemar_p verdict kld_mean_low \
  kld_mean_high smallest_detectable_log_ratio
kld=$(value kld_mean)
increase=$(awk -v p="$(value log_perplexity_ratio)" 'BEGIN {printf "%.17g", exp(p) - 1}')
expect_exit 0 "a gate that is just met" compared --max-kld "$kld"
expect_exit 7 "a gate that is crossed" compared --max-kld "$(awk -v k="$kld" 'BEGIN {print k * 0.999}')"
expect_match "says by how much" "$stderr" 'the mean divergence is .*, above the limit of'
check "the figures are printed all the same" test "$(value kld_mean)" = "$kld"
above=$(awk -v i="$increase" 'BEGIN {printf "%.9f", i + 1e-6}')
below=$(awk -v i="$increase" 'BEGIN {printf "%.9f", i - 1e-6}')
expect_exit 0 "an increase that is allowed" compared --max-perplexity-increase "$above"
expect_exit 7 "an increase that is not" compared --max-perplexity-increase "$below"
expect_exit 2 "a gate without a reference" evaluate_gpt2 --max-kld 1

# Records, and going on with them: half a file gives the identical result.
same_result() { diff <(grep -v elapsed_s "$1") <(grep -v elapsed_s "$scratch/stdout") >/dev/null; }
recorded() { # NAME COMMAND...: writes $scratch/NAME.jsonl
  local name=$1 file=$scratch/$1.jsonl lines
  shift
  expect_exit 0 "$name with records" "$@" --records "$file" --json
  cp "$scratch/stdout" "$scratch/whole.json"
  cp "$file" "$scratch/whole.jsonl"
  "$@" --json >"$scratch/stdout"
  check "$name: records change nothing" same_result "$scratch/whole.json"
  lines=$(wc -l <"$file")
  check "$name: a record of each, after the head" test "$lines" -gt 2
  expect_exit 2 "$name: a file that is there" "$@" --records "$file" --json
  expect_match "$name says how to go on" "$stderr" 'exists: --resume continues it'
  # Killed after the head, after some records, in the middle of a line, and after the last.
  for cut in 1 2 $((lines / 2)) "$lines"; do
    head -n "$cut" "$scratch/whole.jsonl" >"$file"
    [ "$cut" = "$lines" ] || printf '{"index":7,"tok' >>"$file"
    expect_exit 0 "$name goes on after line $cut" "$@" --records "$file" --resume --json
    check "$name: the identical result after line $cut" same_result "$scratch/whole.json"
    check "$name: the identical records after line $cut" cmp -s "$file" "$scratch/whole.jsonl"
    [ "$cut" = "$lines" ] ||
      expect_match "$name says that a line was cut" "$stderr" 'the last line was not finished'
  done
  head -c 30 "$scratch/whole.jsonl" >"$file"
  expect_exit 0 "$name: a head that was cut" "$@" --records "$file" --resume --json
  check "$name: all anew" cmp -s "$file" "$scratch/whole.jsonl"
}
refused() { # CODE NAME PATTERN COMMAND...
  expect_exit "$1" "$2" "${@:4}" --records "$scratch/refused.jsonl" --resume
  expect_match "$2" "$stderr" "$3"
}
recorded windows evaluate_gpt2
cp "$scratch/whole.jsonl" "$scratch/refused.jsonl"
expect_match "a record" "$(sed -n 2p "$scratch/whole.jsonl")" \
  '^\{"index":0,"tokens":7,"ids_hash":"[0-9a-f]{16}","nll_sum":[0-9.]+\}$'
refused 2 "records of another model" 'their "model_hash" is' evaluate "$fixtures/gpt2-untied" \
  --text "$scratch/text.txt" --context 8
refused 2 "records of another protocol" 'their "protocol" is "gptq", but this one'"'"'s is "llama.cpp"' \
  evaluate_gpt2 --protocol llama.cpp
refused 2 "records of another cache" 'their "kv_cache" is "f32"' evaluate_gpt2 --kv-cache int8
refused 2 "records of another task" 'their "task" is "perplexity"' evaluate_gpt2 --ref "$fixtures/gpt2-bare"
cp "$scratch/text.txt" "$scratch/other.txt"
printf 'bob\n' >>"$scratch/other.txt"
refused 2 "records of another text" 'their "text_sha256" is' evaluate "$fixtures/gpt2-bare" \
  --text "$scratch/other.txt" --context 8
sed '3s/"nll_sum":/"sum":/' "$scratch/whole.jsonl" >"$scratch/refused.jsonl"
refused 3 "a record without its sum" 'refused.jsonl: line 3: "nll_sum" is missing' evaluate_gpt2
sed '3s/"ids_hash":"./"ids_hash":"x/' "$scratch/whole.jsonl" >"$scratch/refused.jsonl"
refused 3 "a record of other tokens" 'line 3: "ids_hash" is missing or not' evaluate_gpt2
sed 3d "$scratch/whole.jsonl" >"$scratch/refused.jsonl"
refused 3 "a record left out" 'line 3: "index" is missing or not 1' evaluate_gpt2
sed '3s/}//' "$scratch/whole.jsonl" >"$scratch/refused.jsonl"
refused 3 "a line that is not JSON" 'line 3' evaluate_gpt2
cat "$scratch/whole.jsonl" <(tail -n 1 "$scratch/whole.jsonl") >"$scratch/refused.jsonl"
refused 3 "more records than windows" 'beyond the [0-9]+ windows' evaluate_gpt2
printf '{"index":0}\n' >"$scratch/refused.jsonl"
refused 3 "another file" 'this is not a file of records' evaluate_gpt2
printf 'not to be lost' >"$scratch/refused.jsonl"
refused 3 "a file of one line without an end" 'is not a file of records' evaluate_gpt2
check "it is as it was" test "$(cat "$scratch/refused.jsonl")" = 'not to be lost'
expect_exit 2 "--resume alone" evaluate_gpt2 --resume
recorded divergence evaluate_gpt2 --ref "$fixtures/gpt2-bare" --kv-cache int8
cp "$scratch/whole.jsonl" "$scratch/refused.jsonl"
check "records have divergences" grep -q '"kld_mean":' "$scratch/refused.jsonl"
sed -i '2s/"klds":\[/"klds":[0,/' "$scratch/refused.jsonl"
refused 3 "a divergence too many" 'line 2: "klds" is not a list of the window' evaluate_gpt2 \
  --ref "$fixtures/gpt2-bare" --kv-cache int8
expect_exit 0 "a text of one window" evaluate_gpt2 --max-tokens 8 --json
is "one window has no standard error" mean_nll_standard_error null
expect_exit 0 "a comparison on one window" evaluate_gpt2 --max-tokens 8 --ref "$fixtures/gpt2-bare" --json
is "one window has no standard error" kld_mean_standard_error null
expect_exit 0 "a comparison on one window as text" evaluate_gpt2 --max-tokens 8 --ref "$fixtures/gpt2-bare"
check "no error is printed" test "${stdout/nan/}" = "$stdout"

# Pseudo-log-likelihood.
evaluate_bert() { evaluate "$fixtures/bert-masked" --text "$scratch/text.txt" "$@"; }
expect_exit 0 "pll" evaluate_bert --json
expect_keys "pll" pseudo_perplexity mean_pll mean_pll_standard_error tokens_scored tokens_total \
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
recorded pll evaluate_bert
expect_exit 0 "shorter windows" evaluate_bert --context 12 --protocol pll --task pll --json
is "shorter windows" windows 5
is "shorter windows" tokens_scored 41
expect_exit 0 "pll as text" evaluate_bert
expect_match "pll says its own name" "$stdout" '^pseudo-perpl\. '

# Multiple choice.
printf '%s\n' '{"context": "Ann came", "choices": ["and stayed", "out"], "gold": 0}' \
  '{"context": "the old", "choices": ["cat", "dog", "house"], "gold": 2}' \
  '{"context": "", "choices": ["who", "came"], "gold": 1}' >"$scratch/choices.jsonl"
printf 'bob\n' >"$scratch/shots.txt"
choose() { evaluate "$fixtures/gpt2-bare" --data "$scratch/choices.jsonl" "$@"; }
expect_exit 0 "choices" choose --json
expect_keys "choices" accuracy accuracy_norm accuracy_bytes accuracy_standard_error items data_sha256
is "choices" task choice
is "choices" items 3
accuracy=$(value accuracy)
expect_exit 0 "choices of two models" choose --ref "$fixtures/gpt2-bare" --json
expect_keys "choices of two models" items_gained items_lost mcnemar_p verdict accuracy_ref
is "a model against itself" accuracy "$accuracy"
is "a model against itself" items_lost 0
is "a model against itself" verdict indistinguishable
recorded choice-items choose --ref "$fixtures/gpt2-bare"
cp "$scratch/whole.jsonl" "$scratch/refused.jsonl"
refused 2 "records with another prefix" 'their "prefix_hash" is' choose --ref "$fixtures/gpt2-bare" \
  --few-shot "$scratch/shots.txt"
sed 's/"cat"/"dogg"/' "$tokenizer" >"$scratch/other-tokenizer.json"
refused 2 "records of another tokenizer" 'their "files_hash" is' "$SWAGE" eval "$fixtures/gpt2-bare" \
  --tokenizer "$scratch/other-tokenizer.json" --data "$scratch/choices.jsonl" --ref "$fixtures/gpt2-bare"
sed -i '2s/"scores":\[/"scores":[1,/' "$scratch/refused.jsonl"
refused 3 "another number of choices" 'line 2: "scores_ref" is not a list' choose --ref "$fixtures/gpt2-bare"
expect_exit 0 "choices as text" choose --few-shot "$scratch/shots.txt"
printf '%s\n' '{"context": "Ann", "choices": ["came", "ran"], "gold": 1}' \
  '{"context": "bob", "choices": ["out", "cat"], "gold": 0}' \
  '{"context": "who", "choices": ["dog", "old"], "gold": 0}' >"$scratch/pool.jsonl"
for seed in 1 2 3 4 5 6; do
  expect_exit 0 "two shots" choose --few-shot "$scratch/pool.jsonl" --shots 2 --shots-seed $seed \
    --records "$scratch/shots-$seed.jsonl" --json
  choose --few-shot "$scratch/pool.jsonl" --shots 2 --shots-seed $seed --json >"$scratch/again.json"
  check "seed $seed draws the same" cmp -s <(grep -v elapsed_s "$scratch/stdout") <(grep -v elapsed_s "$scratch/again.json")
  head -n 1 "$scratch/shots-$seed.jsonl" >>"$scratch/drawn"
done
check "seeds draw differently" test "$(sort -u "$scratch/drawn" | wc -l)" -gt 1
printf 'Ann ran\n\nbob out\n\nwho dog\n\n' >"$scratch/all-shots.txt"
expect_exit 0 "all shots" choose --few-shot "$scratch/pool.jsonl" --shots 3 --records "$scratch/shots-all.jsonl" --json
expect_exit 0 "the same as a text" choose --few-shot "$scratch/all-shots.txt" --json \
  --records "$scratch/shots-text.jsonl"
check "all shots are that text" cmp -s "$scratch/shots-all.jsonl" "$scratch/shots-text.jsonl"
for protocol in gptq llama.cpp; do
  expect_exit 2 "$protocol: a text shorter than its windows" "$SWAGE" eval examples/tiny-tales \
    --text examples/tiny-tales/eval.txt --protocol $protocol --context 128 --max-tokens 100
  expect_match "says what to do" "$stderr" 'give a longer text or a smaller --context'
done
expect_exit 1 "too few items" choose --few-shot "$scratch/pool.jsonl" --shots 4
expect_match "says how many" "$stderr" 'has 3 items, but 4 examples are asked for'
echo '{"context": "Ann"}' >>"$scratch/pool.jsonl"
expect_exit 3 "a pool with a bad line" choose --few-shot "$scratch/pool.jsonl" --shots 1
expect_match "names its line" "$stderr" 'pool.jsonl: line 4'
expect_exit 2 "--shots alone" choose --shots 1
expect_exit 0 "choices as text again" choose
expect_match "says the three rules" "$stdout" 'by character  '
printf '%s\n' '{"goal": "stay", "sol1": "out", "sol2": "came", "label": 1}' >"$scratch/piqa.jsonl"
expect_exit 0 "another form" evaluate "$fixtures/gpt2-bare" --data "$scratch/piqa.jsonl" \
  --data-format piqa --json
is "another form" items 1
printf '{"goal": "stay"}\n' >>"$scratch/piqa.jsonl"
expect_exit 3 "an item without choices" evaluate "$fixtures/gpt2-bare" --data "$scratch/piqa.jsonl" \
  --data-format piqa
expect_match "names its line" "$stderr" 'piqa.jsonl: line 2: "sol1" is missing'
expect_exit 2 "a preparation of items" choose --prep raw
expect_exit 2 "a cut of items" choose --max-tokens 3
expect_exit 2 "a form of a text" evaluate_gpt2 --data-format arc
# Two flips are too few for a verdict: McNemar's p is 0.5.
printf '%s\n' '{"context": "Ann came", "choices": ["and stayed", "out"], "gold": 0}' >"$scratch/one.jsonl"
expect_exit 0 "one item" evaluate "$fixtures/gpt2-bare" --data "$scratch/one.jsonl" \
  --ref "$fixtures/gpt2-bare" --json
is "one item" verdict indistinguishable
is "one item" smallest_detectable_accuracy_difference null
is "one item" accuracy_standard_error null
expect_exit 2 "records of a task without" evaluate "$fixtures/bert-sequence" --data "$scratch/items.jsonl" \
  --records "$scratch/none.jsonl"
expect_exit 2 "examples before a text" evaluate_gpt2 --few-shot "$scratch/choices.jsonl"

# Accuracy.
classify() { evaluate "$fixtures/bert-sequence" --data "$scratch/items.jsonl" "$@"; }
expect_exit 0 "accuracy" classify --task classify --json
expect_keys "accuracy" accuracy accuracy_standard_error f1_macro f1_weighted mean_log_loss items correct labels activations \
  data data_sha256
is "accuracy" items 3
check "as many labels as the model has" test "$(grep -c '"label"' "$scratch/stdout")" -eq 5
expect_exit 0 "accuracy without --task" classify
expect_match "accuracy as text" "$stdout" '^accuracy      [01]\.[0-9]{4} \(0\.[0-9]{4} to [01]\.[0-9]{4}: 95 %, Wilson\)'
echo '{"text": "x", "label": "happy"}' >>"$scratch/items.jsonl"
expect_exit 3 "an unknown label" classify
expect_match "names line and label" "$stderr" 'line 4: the model has no label "happy"'
check "prints nothing" test -z "$stdout"

# Refusals name what to use instead.
for protocol in gptq llama.cpp per-doc hf-stride; do
  expect_exit 4 "$protocol of an encoder" evaluate_bert --protocol $protocol --json
  expect_match "$protocol of an encoder" "$stderr" 'use protocol pll$'
  check "$protocol of an encoder prints nothing" test -z "$stdout"
done
expect_exit 4 "pll of a causal model" evaluate_gpt2 --protocol pll
expect_match "pll of a causal model" "$stderr" 'use protocol gptq or llama.cpp or per-doc or hf-stride or lm-eval$'
expect_exit 4 "perplexity of an encoder" evaluate_bert --task perplexity
expect_exit 4 "no task for answers" evaluate "$fixtures/bert-span" --text "$scratch/text.txt"
expect_exit 4 "a text for a classifier" evaluate "$fixtures/bert-sequence" --text "$scratch/text.txt"
expect_match "a text for a classifier" "$stderr" 'reads --data'
expect_exit 3 "data for a causal model" evaluate "$fixtures/gpt2-bare" --data "$scratch/items.jsonl"
expect_exit 2 "neither text nor data" evaluate "$fixtures/gpt2-bare"
expect_exit 2 "both" evaluate_bert --data "$scratch/items.jsonl"
expect_exit 2 "a protocol for data" classify --protocol gptq
expect_exit 2 "a stride of data" classify --stride 5
expect_exit 2 "a stride of disjoint windows" evaluate_gpt2 --protocol gptq --stride 5
expect_exit 2 "tokens of data" classify --max-tokens 5
expect_exit 2 "an unknown task" evaluate_bert --task guess
expect_exit 5 "no room between special tokens" evaluate_bert --context 2
expect_exit 4 "more than the learned positions" evaluate_bert --context 30
: >"$scratch/empty"
expect_exit 3 "an empty text" evaluate "$fixtures/bert-masked" --text "$scratch/empty"

# Every protocol on the example model.
model=examples/tiny-tales
for protocol in gptq llama.cpp per-doc hf-stride; do
  expect_exit 0 "eval $protocol" "$SWAGE" eval $model --text $model/eval.txt --protocol $protocol \
    --context 512 --max-tokens 1600 --json
  expect_keys "eval --protocol $protocol" perplexity mean_nll tokens_scored tokens_total \
    protocol context activations text_sha256
  check "$protocol: perplexity is exp(mean_nll)" awk -v p="$(value perplexity)" \
    -v n="$(value mean_nll)" 'BEGIN {d = p / exp(n) - 1; exit !(p > 1 && d * d < 1e-12)}'
  check "$protocol: the hash is the text's" \
    [ "$(value text_sha256)" = "$(sha256sum <$model/eval.txt | cut -d' ' -f1)" ]
done
# Memory follows the longest document, not the context that was allowed for.
expect_exit 0 "eval with room to spare" "$SWAGE" eval $model --text $model/eval.txt \
  --protocol per-doc --context 16777216 --max-tokens 600
expect_exit 2 "eval with nothing to score" "$SWAGE" eval $model --text $model/eval.txt \
  --protocol llama.cpp --context 2
finish
