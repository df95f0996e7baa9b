#!/usr/bin/env bash
# swage embed: vectors against the rows that swage logits gives, what sentence-transformers' files say,
# cut texts, formats, and refusals.
. tests/cli/lib.sh
. tests/cli/bert_tokenizer.sh
fixtures=tests/runtime/fixtures
model=$scratch/model

cp -r $fixtures/bert-model "$model"
write_bert_tokenizer "$model/tokenizer.json"
printf 'Ann came\n\nthe dogs ran, bob stayed.\nann' >"$scratch/texts"
embed() { "$SWAGE" embed "$model" --text "$scratch/texts" --activations f32 "$@"; }
# WRITE modules, pooling and further settings of sentence-transformers' folders.
modules() { # TYPE...
  local i=0 path
  {
    printf '['
    for type; do
      path=${i}_$type
      [ "$type" = Transformer ] && path=
      printf '%s{"idx": %d, "name": "%d", "path": "%s", "type": "sentence_transformers.models.%s"}' \
        "$([ $i -gt 0 ] && echo ', ')" $i $i "$path" "$type"
      i=$((i + 1))
    done
    printf ']\n'
  } >"$model/modules.json"
}
pooling() { # KEY...: those that are true
  mkdir -p "$model/1_Pooling"
  {
    printf '{"word_embedding_dimension": 12, "pooling_mode_mean_other": false'
    printf ', "pooling_mode_%s": true' "$@"
    printf '}\n'
  } >"$model/1_Pooling/config.json"
}
# near NAME WANTED LINE: the numbers of that line of stdout are those wanted, to 2e-6
near() {
  check "$1" awk -v wanted="$2" -v line="$3" 'NR == line {gsub(/[][]/, ""); n = split($0, got, ",")
    m = split(wanted, want, " "); if (n != m) exit 1
    for (i = 1; i <= n; i++) {d = got[i] - want[i]; if (d > 2e-6 || d < -2e-6) bad = 1}
    seen = 1} END {exit bad || !seen}' "$scratch/stdout"
}
# pooled EXPRESSION: of the rows of [CLS] ann came [SEP]: column by column, x[1] to x[4]
"$SWAGE" logits "$model" --ids 2,5,7,3 --activations f32 -o "$scratch/rows" --quiet
pooled() {
  od -An -v -w48 -tf4 "$scratch/rows" | awk '{for (j = 1; j <= 12; j++) r[NR, j] = $j}
    END {for (j = 1; j <= 12; j++) {for (i = 1; i <= 4; i++) x[i] = r[i, j]; '"$1"'
      printf "%s%.9g", (j > 1 ? " " : ""), y}}'
}
mean=$(pooled 'y = (x[1] + x[2] + x[3] + x[4]) / 4')
first=$(pooled 'y = x[1]')
largest=$(pooled 'y = x[1]; for (i = 2; i <= 4; i++) if (x[i] > y) y = x[i]')

expect_exit 0 "without files of sentence-transformers" embed
check "a vector for every line, empty ones too" test "$(wc -l <"$scratch/stdout")" -eq 4
near "the mean" "$mean" 1
last=$(pooled 'y = x[4]')
for kind in "cls:$first" "max:$largest" "lasttoken:$last" \
  "mean_sqrt_len:$(pooled 'y = (x[1] + x[2] + x[3] + x[4]) / 2')" \
  "weightedmean:$(pooled 'y = (x[1] + 2 * x[2] + 3 * x[3] + 4 * x[4]) / 10')"; do
  expect_exit 0 "pooling ${kind%%:*}" embed --pooling "${kind%%:*}"
  near "pooling ${kind%%:*}" "${kind#*:}" 1
done
length=$(echo "$mean" | awk '{for (i = 1; i <= NF; i++) s += $i * $i; print sqrt(s)}')
unit=$(echo "$mean" | awk -v l="$length" '{for (i = 1; i <= NF; i++) printf "%s%.9g", (i > 1 ? " " : ""), $i / l}')
expect_exit 0 "normalized" embed --normalize
near "normalized" "$unit" 1
expect_exit 2 "both ways" embed --normalize --no-normalize

# What the files say, in every format that carries them.
modules Transformer Pooling Normalize
pooling mean_tokens
printf '{"max_seq_length": 6, "do_lower_case": true}' >"$model/sentence_bert_config.json"
printf '{"prompts": {"query": "who ", "plain": ""}, "default_prompt_name": null}' \
  >"$model/config_sentence_transformers.json"
expect_exit 0 "as the folder says" embed
near "mean, normalized" "$unit" 1
expect_match "cut texts are counted" "$stderr" '1 of 4 texts have more than 6 tokens and were cut, the first in line 3'
cp "$scratch/stdout" "$scratch/wanted"
for to in model.swg again model.h5 model.gguf; do
  expect_exit 0 "to $to" "$SWAGE" convert "$model" -o "$scratch/$to"
  expect_exit 0 "from $to" "$SWAGE" embed "$scratch/$to" --text "$scratch/texts" --activations f32
  check "$to: the same vectors" cmp -s "$scratch/stdout" "$scratch/wanted"
done
expect_exit 0 "back to a folder" "$SWAGE" convert "$scratch/model.swg" -o "$scratch/back"
for file in modules.json 1_Pooling/config.json sentence_bert_config.json \
  config_sentence_transformers.json; do
  check "$file survives a .swg" cmp -s "$model/$file" "$scratch/back/$file"
done
expect_exit 0 "over an old folder" "$SWAGE" convert $fixtures/bert-token -o "$scratch/back" --force
check "the old model's pooling is gone" test ! -e "$scratch/back/1_Pooling/config.json"
expect_exit 0 "quantized" "$SWAGE" quantize "$model" -o "$scratch/q.swg" --group-size 32 --quiet
expect_exit 0 "vectors of a quantized model" "$SWAGE" embed "$scratch/q.swg" --text "$scratch/texts" --json
expect_keys "embed --json" texts columns tokens texts_cut pooling normalized vectors
cp "$scratch/stdout" "$scratch/wanted"
for how in "--threads 1" "--threads 3" "--batch 1" "--batch 3"; do
  # shellcheck disable=SC2086
  "$SWAGE" embed "$scratch/q.swg" --text "$scratch/texts" --json $how >"$scratch/stdout"
  check "int8: the same bytes with $how" cmp -s "$scratch/stdout" "$scratch/wanted"
done
expect_exit 0 "in f32 whatever the context" embed --context 24
check "nothing was cut" test -z "$stderr"
printf 'Ann came\n' | "$SWAGE" embed "$model" --activations f32 >"$scratch/stdout"
near "standard input" "$unit" 1

# Prompts.
printf 'who Ann came\n' >"$scratch/asked"
"$SWAGE" embed "$model" --text "$scratch/asked" --activations f32 >"$scratch/wanted"
expect_exit 0 "a prompt" embed --prompt-name query
near "the prompt goes before the text" "$(tr -d '[]' <"$scratch/wanted" | tr , ' ')" 1
expect_exit 2 "no such prompt" embed --prompt-name passage
expect_match "says which there are" "$stderr" '"passage"; it has query, plain'

# Several poolings: concatenated, cls first.
pooling mean_tokens cls_token
expect_exit 0 "two poolings" embed --no-normalize
near "cls, then mean" "$first $mean" 1
expect_exit 4 "a GGUF of two poolings" "$SWAGE" convert "$model" -o "$scratch/two.gguf"
expect_match "a GGUF of two poolings" "$stderr" '1_Pooling/config.json asks for'

# Settings as newer folders have them: kinds by name, the longest text with the tokenizer.
printf '{"pooling_mode": ["cls", "mean"], "include_prompt": true}' >"$model/1_Pooling/config.json"
expect_exit 0 "a list of poolings" embed --no-normalize
near "a list of poolings" "$first $mean" 1
printf '{"pooling_mode": "mean_sqrt_len_tokens"}' >"$model/1_Pooling/config.json"
expect_exit 0 "a pooling by name" embed --no-normalize
near "a pooling by name" "$(pooled 'y = (x[1] + x[2] + x[3] + x[4]) / 2')" 1
for case in '4 "worst"' '3 []' '3 7' '4 ["mean", "cls"]' '4 ["cls", "cls"]'; do
  printf '{"pooling_mode": %s}' "${case#* }" >"$model/1_Pooling/config.json"
  expect_exit "${case%% *}" "pooling_mode ${case#* }" embed
done
pooling mean_tokens
mv "$model/sentence_bert_config.json" "$scratch"
printf '{"model_max_length": 5}' >"$model/tokenizer_config.json"
expect_exit 0 "the tokenizer's longest text" embed
expect_match "the tokenizer's longest text" "$stderr" '1 of 4 texts have more than 5 tokens'
printf '{"model_max_length": 1000000000000000019884624838656}' >"$model/tokenizer_config.json"
expect_exit 0 "no longest text" embed
check "no longest text" test -z "$stderr"
rm "$model/tokenizer_config.json"
mv "$scratch/sentence_bert_config.json" "$model"

# Formats.
pooling mean_tokens
expect_exit 0 "numbers alone" embed --format f32 -o "$scratch/v.f32"
check "4 x 12 numbers" test "$(stat -c %s "$scratch/v.f32")" -eq 192
expect_exit 2 "an output that exists" embed --format f32 -o "$scratch/v.f32"
expect_exit 0 "NumPy" embed --format npy -o "$scratch/v.npy"
check "a header of 128 bytes" cmp -s <(tail -c +129 "$scratch/v.npy") "$scratch/v.f32"
check "its shape" grep -aq "'descr': '<f4', 'fortran_order': False, 'shape': (4, 12), }" "$scratch/v.npy"

# A GGUF of another program says no more than its kind of pooling.
rm "$model"/*.json "$model/1_Pooling/config.json"
cp $fixtures/bert-model/config.json "$model"
write_bert_tokenizer "$model/tokenizer.json"
modules Transformer Pooling
pooling lasttoken
expect_exit 0 "a GGUF" "$SWAGE" convert "$model" -o "$scratch/last.gguf"
# Keys of the same length that no reader knows in place of swage's own.
sed -i 's/swage\.file\./other.file./g' "$scratch/last.gguf"
expect_exit 0 "a GGUF by others" "$SWAGE" embed "$scratch/last.gguf" --text "$scratch/texts" --activations f32
near "the last token's row" "$last" 1

# Refusals, by the name of what is not supported.
modules Transformer Pooling Dense
expect_exit 4 "a Dense module" embed
expect_match "names the module" "$stderr" '"2_Dense" of type Dense'
expect_exit 0 "inspect says so" "$SWAGE" inspect "$model"
expect_match "inspect says so" "$stdout" 'runs here: no'
modules Transformer
expect_exit 4 "no pooling" embed
modules Pooling Transformer
expect_exit 4 "another order" embed
modules Transformer Pooling
sed -i 's/1_Pooling/1_Other/' "$model/modules.json"
expect_exit 4 "pooling elsewhere" embed
expect_match "pooling elsewhere" "$stderr" '"1_Other"'
modules Transformer Pooling
pooling mean_tokens worst_tokens
expect_exit 4 "an unknown pooling" embed
expect_match "an unknown pooling" "$stderr" 'pooling_mode_worst_tokens'
printf '{"pooling_mode_mean_tokens": false}' >"$model/1_Pooling/config.json"
expect_exit 3 "no kind of pooling" embed
printf '{"pooling_mode_mean_tokens": 1}' >"$model/1_Pooling/config.json"
expect_exit 3 "a pooling that is a number" embed
printf '[' >"$model/1_Pooling/config.json"
expect_exit 3 "bad JSON" embed
expect_match "names the file" "$stderr" '1_Pooling/config.json'
pooling mean_tokens
printf '{"max_seq_length": 0}' >"$model/sentence_bert_config.json"
expect_exit 3 "no tokens at all" embed
printf '{"prompts": {"a": 1}}' >"$model/config_sentence_transformers.json"
rm "$model/sentence_bert_config.json"
expect_exit 3 "a prompt that is a number" embed
printf '{"prompts": {"a": "b"}, "default_prompt_name": "c"}' >"$model/config_sentence_transformers.json"
expect_exit 3 "a default prompt that is not there" embed
rm "$model/config_sentence_transformers.json"
expect_exit 4 "beyond the positions" embed --context 25
expect_exit 2 "room for special tokens only" embed --context 1
: >"$scratch/none"
expect_exit 2 "no texts" "$SWAGE" embed "$model" --text "$scratch/none"
expect_exit 6 "no file" "$SWAGE" embed "$model" --text "$scratch/nosuch"
expect_exit 4 "not an encoder" "$SWAGE" embed $fixtures/gpt2-bare --tokenizer "$model/tokenizer.json" \
  --text "$scratch/texts"

# A head is left out, whether the checkpoint has it or only names it.
for name in bert-masked bert-sequence distilbert-model distilbert-sequence roberta-masked; do
  expect_exit 0 "vectors of $name" "$SWAGE" embed $fixtures/$name --tokenizer "$model/tokenizer.json" \
    --text "$scratch/texts"
done
sed -i 's/BertModel/BertForMaskedLM/' "$model/config.json"
expect_exit 0 "a head that is only named" embed
expect_exit 0 "such a model is quantized" "$SWAGE" quantize "$model" -o "$scratch/q.swg" --force --quiet
finish
