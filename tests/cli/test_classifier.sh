#!/usr/bin/env bash
# swage train and distill on labelled texts: a BERT and a recurrent classifier learn what decides the
# label, the same file for any number of threads and after a stop, a smaller student learns from its
# teacher, and lines that are no labelled texts are named by number.
. tests/cli/lib.sh
. tests/cli/bert_tokenizer.sh

bert=$scratch/bert data=$scratch/train.jsonl judged=$scratch/judged.jsonl
cp -r tests/runtime/fixtures/bert-model "$bert"
write_bert_tokenizer "$bert/tokenizer.json"
# A text is about who came or about what ran.
awk -v data="$data" -v judged="$judged" 'BEGIN {
  split("ann bob she he", who); split("dog cat house", what); split("old the a then", more)
  for (i = 0; i < 60; i++) {
    label = i % 3 ? "person" : "thing"
    noun = i % 3 ? who[i % 4 + 1] : what[i % 4 % 3 + 1]
    text = more[i % 7 % 4 + 1] " " noun (i % 5 < 2 ? " came" : " ran") " in" (i % 2 ? "." : " " more[i % 4 + 1])
    print "{\"text\": \"" text "\", \"label\": \"" label "\"}" > (i < 40 ? data : judged)
  }
}'
printf 'ann came\nthe dog ran\n' >"$scratch/texts"
accurate() { awk -v a="$(value accuracy)" 'BEGIN { exit !(a >= 0.9) }'; }
train=(--init "$bert" --data "$data" --eval-data "$judged" --epochs 12 --batch 4 --rate 0.01)

expect_exit 0 "train a BERT" "$SWAGE" train "${train[@]}" -o "$scratch/tuned" --json -q --threads 1 --log "$scratch/log.jsonl"
expect_keys "report" output steps texts weights is_head_new labels accuracy_before accuracy macro_f1 best_epoch
check "it learns: accuracy $(value accuracy)" accurate
check "a line per step, and one before" [ "$(wc -l <"$scratch/log.jsonl")" = 121 ]
check "a classifier" grep -q BertForSequenceClassification "$scratch/tuned/config.json"
check "labels have names" grep -q '"0": "person"' "$scratch/tuned/config.json"
before=$(value accuracy)
expect_exit 0 "it evaluates" "$SWAGE" eval "$scratch/tuned" --task classify --data "$judged" --json -q
check "eval agrees: $before and $(value accuracy)" [ "$(value accuracy)" = "$before" ]
expect_exit 0 "it runs" "$SWAGE" run "$scratch/tuned" --prompt "the dog ran" -q

# A model for vectors of texts becomes a classifier: what made its vectors is left behind.
cp -r "$bert" "$scratch/vectors"
mkdir "$scratch/vectors/1_Pooling"
printf '[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
 {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]' >"$scratch/vectors/modules.json"
printf '{"word_embedding_dimension": 12, "pooling_mode_mean_tokens": true}' >"$scratch/vectors/1_Pooling/config.json"
expect_exit 0 "it makes vectors" "$SWAGE" embed "$scratch/vectors" --text "$scratch/texts" -q
expect_exit 0 "train it" "$SWAGE" train --init "$scratch/vectors" --data "$data" --epochs 1 -o "$scratch/classes.swg" -q
expect_exit 0 "it classifies" "$SWAGE" run "$scratch/classes.swg" --prompt "the dog ran" -q
expect_match "by labels" "$stdout" 'person|thing'
expect_exit 0 "it is measured as a classifier" "$SWAGE" eval "$scratch/classes.swg" --data "$judged" --json -q
expect_keys "accuracy" accuracy

# Threads, and a stop in the middle.
expect_exit 0 "two threads" "$SWAGE" train "${train[@]}" -o "$scratch/again" -q --threads 2
check "threads do not matter" cmp "$scratch/tuned/model.safetensors" "$scratch/again/model.safetensors"
"$SWAGE" train "${train[@]}" -o "$scratch/stopped" -q --save-every 3 --log "$scratch/stopped.jsonl" 2>/dev/null &
pid=$!
while kill -0 $pid 2>/dev/null && [ "$(wc -l 2>/dev/null <"$scratch/stopped.jsonl" || echo 0)" -lt 15 ]; do sleep 0.01; done
kill -KILL $pid 2>/dev/null
wait $pid 2>/dev/null
if [ -e "$scratch/stopped" ]; then
  skip "the run had ended before it was stopped"
else
  expect_exit 2 "other settings" "$SWAGE" train "${train[@]}" -o "$scratch/stopped" -q --resume --seed 5
  expect_exit 0 "it goes on" "$SWAGE" train "${train[@]}" -o "$scratch/stopped" -q --resume
fi
check "the same bits" cmp "$scratch/tuned/model.safetensors" "$scratch/stopped/model.safetensors"

# Again with the same labels, the head stays; a student of one layer learns from the teacher.
expect_exit 0 "again" "$SWAGE" train --init "$scratch/tuned" --data "$data" --epochs 1 -o "$scratch/more" --json -q
check "the head stays" grep -q '"is_head_new": false' "$scratch/stdout"
expect_exit 0 "a student" "$SWAGE" distill -T "$scratch/tuned" --student-layers 1 --data "$data" --eval-data "$judged" \
  --epochs 12 --rate 0.01 -o "$scratch/student" --json -q
check "it learns: accuracy $(value accuracy)" accurate
check "one layer" grep -q '"num_hidden_layers": 1' "$scratch/student/config.json"

cp -r "$scratch/tuned" "$scratch/twice"
sed -i 's/"1": "thing"/"1": "person"/' "$scratch/twice/config.json"
expect_exit 4 "one name twice" "$SWAGE" distill -T "$scratch/twice" --student-layers 1 --data "$data" --epochs 1 \
  -o "$scratch/x"
check "it says which" grep -q 'labels 0 and 1 are both called "person"' "$scratch/stderr"

labelled() { expect_exit "$1" "$2" "$SWAGE" distill "$scratch/tuned" -T "$scratch/tuned" --data "$data" --epochs 1 "${@:3}"; }
labelled 2 "the student is the output" -o "$scratch/tuned" --force
check "it says so" grep -q 'both the input and the output' "$scratch/stderr"
for option in --documents "--bits 4" "--bits 4 --group-size 64" --keep-mask "--hidden-mse-weight 1"; do
  # shellcheck disable=SC2086
  labelled 4 "$option" -o "$scratch/x" $option
  check "$option: it says so" grep -q -e "${option%% *} is not for --data" "$scratch/stderr"
done

for option in "--tokens 100" "--scale-rate 2"; do
  # shellcheck disable=SC2086
  labelled 4 "$option" -o "$scratch/x" $option
done
for option in "--held-out 4" "--judge-every 5" --checkpoint-activations; do
  # shellcheck disable=SC2086
  labelled 2 "$option" -o "$scratch/x" $option
  check "$option: it says so" grep -q -e "${option%% *} is not for --data" "$scratch/stderr"
done

# Recurrent classifiers.
for cell in lstm gru; do
  echo '{"model_type": "rnn", "cell": "'$cell'", "vocab_size": 29, "embedding_size": 12, "hidden_size": 16,
    "num_hidden_layers": 1}' >"$scratch/$cell.json"
  expect_exit 0 "$cell" "$SWAGE" train --config "$scratch/$cell.json" --tokenizer "$bert/tokenizer.json" --data "$data" \
    --eval-data "$judged" --epochs 15 --rate 0.02 -o "$scratch/$cell" --json -q
  check "$cell learns: accuracy $(value accuracy)" accurate
  before=$(value accuracy)
  expect_exit 0 "$cell evaluates" "$SWAGE" eval "$scratch/$cell" --task classify --data "$judged" --json -q
  check "$cell: eval agrees" [ "$(value accuracy)" = "$before" ]
done

# Refusals.
refuse() { # STATUS NAME LINE WORDS
  { cat "$data" && echo "$3"; } >"$scratch/bad.jsonl"
  expect_exit "$1" "$2" "$SWAGE" train --init "$bert" --data "$scratch/bad.jsonl" --epochs 1 -o "$scratch/x"
  check "$2: it says so" grep -q "line 41.*$4" "$scratch/stderr"
}
refuse 3 "no JSON" '{"text": "ann came"' ''
refuse 3 "no object" '["ann"]' 'not a JSON object'
refuse 3 "no label" '{"text": "ann came"}' '"label" is missing'
refuse 3 "an empty label" '{"text": "ann came", "label": ""}' '"label" is empty'
refuse 3 "no text" '{"label": "thing"}' '"text" is missing'
refuse 3 "an empty text" '{"text": "", "label": "thing"}' '"text" is empty'
refuse 5 "a long text" "{\"text\": \"$(printf 'ann %.0s' {1..30})\", \"label\": \"thing\"}" '32 tokens.* 24'
echo '{"text": "ann", "label": "other"}' >"$scratch/other.jsonl"
expect_exit 3 "an unknown label" "$SWAGE" train --init "$bert" --data "$data" --eval-data "$scratch/other.jsonl" \
  --epochs 1 -o "$scratch/x"
check "it names it" grep -q 'line 1: the label "other" is not among the model.s 2' "$scratch/stderr"
expect_exit 1 "one label" "$SWAGE" train --init "$bert" --data "$scratch/other.jsonl" --epochs 1 -o "$scratch/x"
expect_exit 4 "a language model" "$SWAGE" train --init examples/tiny-tales --data "$data" --epochs 1 -o "$scratch/x"
expect_exit 2 "no epochs" "$SWAGE" train --init "$bert" --data "$data" -o "$scratch/x"
expect_exit 2 "steps" "$SWAGE" train --init "$bert" --data "$data" --epochs 1 --steps 1 -o "$scratch/x"
expect_exit 2 "no model" "$SWAGE" train --data "$data" --epochs 1 -o "$scratch/x"
check "nothing was written" [ ! -e "$scratch/x" ]

finish
