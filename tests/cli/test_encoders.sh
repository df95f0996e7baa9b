#!/usr/bin/env bash
# Encoders on the command line: labels, token labels, answers, masks and refusals.
# tests/runtime/fixtures/make.py made the models.
. tests/cli/lib.sh
fixtures=tests/runtime/fixtures

. tests/cli/bert_tokenizer.sh
write_bert_tokenizer "$scratch/tokenizer.json"
run() { "$SWAGE" run "$fixtures/$1" --tokenizer "$scratch/tokenizer.json" "${@:2}"; }

expect_exit 0 "labels" run bert-sequence --prompt "Ann came, Bob stayed."
expect_match "five labels, likeliest first" "$stdout" '^[a-z]+	0\.[0-9]{4}(
[a-z]+	0\.[0-9]{4}){4}$'
check "probabilities add up to 1" awk -F'\t' '{s += $2; if (NR > 1 && $2 > last) exit 1; last = $2}
  END {exit !(s > 0.999 && s < 1.001)}' "$scratch/stdout"
expect_exit 0 "labels of a pair" run bert-sequence --prompt "Ann came" --passage "Bob stayed" --json
expect_match "labels as JSON" "$stdout" '"labels": \[.*"label": "calm"'

# The command agrees with the logits of the same ids: [CLS] ann came [SEP] bob stayed [SEP].
"$SWAGE" logits "$fixtures/bert-sequence" --ids 2,5,7,3,6,8,3 --token-type-ids 0,0,0,0,1,1,1 \
  -o "$scratch/pair.f32" --force --quiet
best=$(od -An -v -w4 -tf4 "$scratch/pair.f32" | awk '$1 > max || NR == 1 {max = $1; best = NR}
  END {split("calm glad sad wild none", names, " "); print names[best]}')
run bert-sequence --prompt "Ann came" --passage "Bob stayed" >"$scratch/stdout"
expect_match "likeliest label of the pair" "$(head -n 1 "$scratch/stdout")" "^$best	"

expect_exit 0 "token labels" run bert-token --prompt "the dogs ran"
expect_match "one line per token" "$stdout" '^\[CLS\]	[a-z]+	[01]\.[0-9]+
the	.*
dog	.*
##s	.*
ran	.*
\[SEP\]	'
expect_exit 0 "answer" run bert-span --prompt "who came?" --passage "Ann came, then Bob came in."
expect_match "a span of the passage" "ann came, then bob came in." "$stdout"
check "an answer is not empty" test -n "$stdout"
expect_exit 2 "a question without a passage" run bert-span --prompt "who?"
expect_match "says what is missing" "$stderr" '--passage'
expect_exit 0 "masks" run bert-masked --prompt "the [MASK] ran"
check "five candidates for one mask" test "$(wc -l <"$scratch/stdout")" -eq 5
expect_exit 2 "no mask" run bert-masked --prompt "the dog ran"
expect_exit 2 "no text" run bert-sequence
expect_exit 4 "too long a text" run bert-sequence --prompt "$(printf 'ann %.0s' {1..30})"
expect_match "says how many positions" "$stderr" 'at most 24'
expect_exit 2 "a passage for a model that continues texts" \
  "$SWAGE" run "$fixtures/gpt2-bare" --tokenizer "$scratch/tokenizer.json" --passage x

# RoBERTa: two separators between the texts of a pair, and a mask of another name.
sed 's/\[MASK\]/<mask>/g' "$scratch/tokenizer.json" >"$scratch/roberta.json"
"$SWAGE" logits "$fixtures/roberta-sequence" --ids 2,5,7,3,3,6,8,3 -o "$scratch/pair.f32" --force --quiet
best=$(od -An -v -w4 -tf4 "$scratch/pair.f32" | awk '$1 > max || NR == 1 {max = $1; best = NR}
  END {split("calm glad sad wild none", names, " "); print names[best]}')
expect_exit 0 "labels of a pair for RoBERTa" "$SWAGE" run "$fixtures/roberta-sequence" --tokenizer \
  "$scratch/roberta.json" --prompt "Ann came" --passage "Bob stayed" --activations f32
expect_match "likeliest label of RoBERTa's pair" "$(head -n 1 "$scratch/stdout")" "^$best	"
expect_exit 0 "masks of RoBERTa" "$SWAGE" run "$fixtures/roberta-masked" --tokenizer \
  "$scratch/roberta.json" --prompt "the <mask> ran"
check "five candidates for RoBERTa's mask" test "$(wc -l <"$scratch/stdout")" -eq 5
expect_exit 0 "labels of DistilBERT" run distilbert-sequence --prompt "Ann came, Bob stayed."
expect_exit 4 "no head" run bert-model --prompt "Ann came"
expect_match "says what a model without a head is for" "$stderr" 'swage embed'

expect_exit 4 "no next token, no perplexity" "$SWAGE" eval "$fixtures/bert-masked" --text README.md \
  --protocol gptq --tokenizer "$scratch/tokenizer.json"
expect_exit 3 "no tokenizer at all" "$SWAGE" run examples/tiny-tales \
  --tokenizer examples/tiny-tales/config.json
expect_match "no tokenizer at all" "$stderr" "--tokenizer examples/tiny-tales/config.json"
finish
