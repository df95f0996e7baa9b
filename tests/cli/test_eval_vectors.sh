#!/usr/bin/env bash
# swage eval of encoders that turn texts into vectors: cosine to a reference, correlation with scores,
# and hostile lines by their number.
. tests/cli/lib.sh
. tests/cli/bert_tokenizer.sh
model=$scratch/model
cp -r tests/runtime/fixtures/bert-model "$model"
write_bert_tokenizer "$model/tokenizer.json"
printf '%s\n' 'Ann came' 'the old dog ran' '' 'bob stayed in the house' >"$scratch/texts"

expect_exit 0 "to 8 bits" "$SWAGE" quantize "$model" -o "$scratch/8.swg" --bits 8 --group-size 32 --quiet
expect_exit 0 "to 4 bits" "$SWAGE" quantize "$model" -o "$scratch/4.swg" --bits 4 --group-size 32 --quiet
cosine() { "$SWAGE" eval "$1" --ref "$model" --text "$scratch/texts" --json; }
for name in model 8.swg 4.swg; do
  expect_exit 0 "cosine of $name" cosine "$scratch/$name"
  expect_keys "cosine" cosine_mean cosine_standard_error cosine_min cosine_min_line texts activations
  eval "mean_${name%%.*}=$(value cosine_mean) lowest_${name%%.*}=$(value cosine_min)"
done
# shellcheck disable=SC2154
check "itself, 8 bits, 4 bits: $mean_model $mean_8 $mean_4" awk -v a="$mean_model" -v b="$mean_8" \
  -v c="$mean_4" 'BEGIN {exit !(a > 1 - 1e-12 && b > 0.999 && b < a && c > 0.9 && c < b)}'
# The mean is that of the vectors that swage embed prints.
"$SWAGE" embed "$model" --text "$scratch/texts" --activations f32 >"$scratch/a"
"$SWAGE" embed "$scratch/8.swg" --text "$scratch/texts" --activations f32 >"$scratch/b"
check "the mean of embed's cosines" awk -v got="$mean_8" '{gsub(/[][]/, ""); k = split($0, x, ",")
  if (NR == FNR) {for (i = 1; i <= k; i++) a[FNR, i] = x[i]; next}
  ab = aa = bb = 0
  for (i = 1; i <= k; i++) {ab += a[FNR, i] * x[i]; aa += a[FNR, i] ^ 2; bb += x[i] ^ 2}
  sum += ab / sqrt(aa * bb); n++}
  END {d = sum / n - got; exit !(n == 4 && d < 1e-7 && d > -1e-7)}' "$scratch/a" "$scratch/b"
expect_exit 0 "as text" "$SWAGE" eval "$scratch/8.swg" --ref "$model" --text "$scratch/texts"
expect_match "says what it is" "$stdout" 'mean cosine .*texts .*of the same ids'
expect_exit 4 "no reference" "$SWAGE" eval "$model" --text "$scratch/texts"
expect_exit 2 "tokens of lines" "$SWAGE" eval "$model" --ref "$model" --text "$scratch/texts" --max-tokens 5
expect_exit 0 "lines as they are" "$SWAGE" eval "$model" --ref "$model" --text "$scratch/texts" --prep raw
for prep in hf-join lm-eval; do
  expect_exit 2 "lines prepared by $prep" "$SWAGE" eval "$model" --ref "$model" --text "$scratch/texts" --prep $prep
  expect_match "says why" "$stderr" "--prep $prep prepares running text.*--prep raw"
done
expect_exit 4 "a reference with a head" "$SWAGE" eval "$model" --ref tests/runtime/fixtures/bert-masked \
  --text "$scratch/texts"

# Scores that are the cosines themselves, or their order, correlate fully.
printf 'Ann came\nAnn came in\nthe dog\nbob ran\nwho\nthe old house\na cat\na cat ran\n' >"$scratch/sides"
"$SWAGE" embed "$model" --text "$scratch/sides" --activations f32 | awk '{gsub(/[][]/, "")
  k = split($0, x, ","); if (NR % 2) {for (i = 1; i <= k; i++) a[i] = x[i]; next}
  ab = aa = bb = 0; for (i = 1; i <= k; i++) {ab += a[i] * x[i]; aa += a[i] ^ 2; bb += x[i] ^ 2}
  printf "%.12f\n", ab / sqrt(aa * bb)}' >"$scratch/cosines"
paste - - <"$scratch/sides" | paste - "$scratch/cosines" >"$scratch/pairs.tsv"
similarity() { "$SWAGE" eval "$model" --data "$1" --json; }
expect_exit 0 "a table" similarity "$scratch/pairs.tsv"
check "four pairs" test "$(value pairs)" -eq 4
check "correlation 1: $(value spearman) $(value pearson)" awk -v s="$(value spearman)" \
  -v p="$(value pearson)" 'BEGIN {exit !(s > 1 - 1e-12 && p > 1 - 1e-9)}'
awk -F'\t' '{printf "{\"sentence1\": \"%s\", \"id\": 7, \"sentence2\": \"%s\", \"score\": %.12f}\n", $1, $2, -exp(9 * $3)}' \
  "$scratch/pairs.tsv" >"$scratch/pairs.jsonl"
expect_exit 0 "objects" similarity "$scratch/pairs.jsonl"
check "the other way round: $(value spearman) $(value pearson)" awk -v s="$(value spearman)" \
  -v p="$(value pearson)" 'BEGIN {exit !(s < -1 + 1e-12 && p < 0 && p > -1 + 1e-6)}'
{
  printf 'genre\tscore\tsentence1\tsentence2\r\n'
  awk -F'\t' '{printf "news\t%s\t%s\t%s\r\n", $3, $1, $2}' "$scratch/pairs.tsv"
} >"$scratch/named.tsv"
expect_exit 0 "named columns" similarity "$scratch/named.tsv"
check "columns by name" awk -v s="$(value spearman)" -v n="$(value pairs)" \
  'BEGIN {exit !(s > 1 - 1e-12 && n == 4)}'

wrong() { # NAME CODE SENTENCE LINE: what is said of a table with that second line
  { head -n 1 "$scratch/pairs.tsv"; printf "$4"; } >"$scratch/wrong"
  expect_exit "$2" "$1" "$SWAGE" eval "$model" --data "$scratch/wrong"
  expect_match "$1" "$stderr" "$3"
}
wrong "two cells" 3 'wrong: line 2 has 2 cells' 'a\t1\n'
wrong "four cells" 3 'line 2 has 4 cells' 'a\tb\tc\t1\n'
wrong "an empty line" 3 'line 2 has 1 cells' '\n'
wrong "no number" 3 'line 2: the score "high" is not a number' 'a\tb\thigh\n'
wrong "not finite" 3 'line 2: the score' 'a\tb\tnan\n'
wrong "equal scores" 1 'no correlation' "a\\tb\\t$(head -n 1 "$scratch/cosines")\\n"
printf '{"sentence1": "a", "sentence2": "b"}\n' >"$scratch/wrong"
expect_exit 3 "no score" similarity "$scratch/wrong"
expect_match "no score" "$stderr" 'line 1: "score" is missing'
printf '{"sentence1": "a", "sentence2": 1, "score": 1}\n' >"$scratch/wrong"
expect_exit 3 "a sentence that is a number" similarity "$scratch/wrong"
printf '{"sentence1": "a"\n' >"$scratch/wrong"
expect_exit 3 "bad JSON" similarity "$scratch/wrong"
head -n 1 "$scratch/pairs.tsv" >"$scratch/wrong"
expect_exit 1 "one pair" similarity "$scratch/wrong"
finish
