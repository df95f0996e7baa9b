#!/usr/bin/env bash
# swage tokenize: ids and text from a small tokenizer made here, its refusals, and a round trip on a
# real vocabulary where there is one.
. tests/cli/lib.sh
shared=${SWAGE_SHARED:-../shared}

ids_are() { # NAME IDS
  if [ "$stdout" = "$2" ]; then pass; else fail "$1: \"$stdout\", not \"$2\""; fi
}

# Four letters, two merges, and tokens around a text.
file=$scratch/tokenizer.json
cat >"$file" <<'JSON'
{"added_tokens": [
   {"id": 0, "content": "<s>", "special": true}, {"id": 1, "content": "</s>", "special": true}],
 "decoder": {"type": "Fuse"},
 "post_processor": {"type": "TemplateProcessing",
   "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
              {"SpecialToken": {"id": "</s>", "type_id": 0}}],
   "special_tokens": {"<s>": {"ids": [0]}, "</s>": {"ids": [1]}}},
 "model": {"type": "BPE", "unk_token": "?", "merges": ["a b", "ab c"],
   "vocab": {"?": 2, "a": 3, "b": 4, "c": 5, "ab": 6, "abc": 7, "<": 8, "s": 9, ">": 10}}}
JSON

printf 'abcab<s>' >"$scratch/text"
expect_exit 0 "a file" "$SWAGE" tokenize "$file" --text "$scratch/text"
ids_are "ids of a file" "0 7 6 0 1"
expect_exit 0 "standard input" "$SWAGE" tokenize "$file" <"$scratch/text"
ids_are "ids of standard input" "0 7 6 0 1"
expect_exit 0 "a dash" "$SWAGE" tokenize "$file" --text - < <(cat "$scratch/text")
ids_are "ids of a pipe" "0 7 6 0 1"
expect_exit 0 "a folder" "$SWAGE" tokenize "$scratch" --text "$scratch/text"
ids_are "ids by a folder" "0 7 6 0 1"
cp "$file" "$scratch/renamed"
expect_exit 0 "another name" "$SWAGE" tokenize "$scratch/renamed" --text "$scratch/text"
ids_are "a tokenizer is known by its content" "0 7 6 0 1"
expect_exit 0 "no special tokens" "$SWAGE" tokenize "$file" --no-special --text "$scratch/text"
ids_are "special tokens are text" "7 6 8 9 10"
expect_exit 0 "nothing" "$SWAGE" tokenize "$file" --no-special --text /dev/null
ids_are "no ids" ""

expect_exit 0 "json" "$SWAGE" tokenize "$file" --json --text "$scratch/text"
check "ids in json" [ "$(value ids)" = "[0,7,6,0,1]" ]
check "counts in json" [ "$(value tokens) $(value text_bytes) $(value vocabulary)" = "5 8 11" ]

expect_exit 0 "decode" "$SWAGE" tokenize "$file" --decode <<<"0 7,6 1"
ids_are "text" "<s>abcab</s>"
expect_exit 0 "decode without special tokens" "$SWAGE" tokenize "$file" -d --no-special <<<"0 7 6 1"
ids_are "text without special tokens" "abcab"
expect_exit 0 "decode as json" "$SWAGE" tokenize "$file" -d --json <<<"7"
check "text in json" [ "$(value text)" = "abc" ]
expect_exit 0 "decode nothing" "$SWAGE" tokenize "$file" -d </dev/null
ids_are "no text" ""

# Refusals.
expect_exit 3 "text among the ids" "$SWAGE" tokenize "$file" --decode <<<"1 two 3"
expect_match "the text is quoted" "$stderr" 'standard input: "two.* is not a token id'
expect_exit 3 "an id beyond 32 bits" "$SWAGE" tokenize "$file" --decode <<<"99999999999999999999"
expect_exit 3 "an id that is not a token" "$SWAGE" tokenize "$file" --decode <<<"11"
expect_match "id and vocabulary are named" "$stderr" 'id 11 .* 11 ids'
expect_exit 6 "a missing text" "$SWAGE" tokenize "$file" --text "$scratch/none"
expect_match "the text is named" "$stderr" 'none'
expect_exit 4 "a folder as text" "$SWAGE" tokenize "$file" --text "$scratch"
expect_exit 6 "a missing source" "$SWAGE" tokenize "$scratch/none"
mkdir "$scratch/empty"
expect_exit 4 "a folder without tokenizer" "$SWAGE" tokenize "$scratch/empty" </dev/null
expect_exit 2 "no source" "$SWAGE" tokenize
sed 's/"BPE"/"Guess"/' "$file" >"$scratch/guess.json"
expect_exit 4 "an unknown model" "$SWAGE" tokenize "$scratch/guess.json" </dev/null
expect_match "the model is named" "$stderr" 'Guess'
sed 's/"ab c"/"ab d"/' "$file" >"$scratch/merge.json"
expect_exit 3 "an impossible merge" "$SWAGE" tokenize "$scratch/merge.json" </dev/null

# Other kinds of files.
model=tests/fuzz/corpus/tokenizer_model/bpe-bytes.model
printf 'the hat  中' >"$scratch/text"
expect_exit 0 "a SentencePiece model" "$SWAGE" tokenize "$model" --text "$scratch/text"
expect_match "it begins with BOS" "$stdout" '^1 [0-9]+'
expect_exit 0 "its text" "$SWAGE" tokenize "$model" -d --no-special <<<"$stdout"
ids_are "there and back" "the hat  中"
head -c 300 "$model" >"$scratch/cut.model"
expect_exit 3 "a truncated model" "$SWAGE" tokenize "$scratch/cut.model" </dev/null
expect_match "the place is named" "$stderr" 'tokenizer.model: .* at byte [0-9]+'
gguf=$shared/tokenizers/ggml-vocab-llama-spm.gguf
if [ -e "$gguf" ]; then
  printf 'Hello, y%sall!' "'" >"$scratch/text"
  expect_exit 0 "a GGUF vocabulary" "$SWAGE" tokenize "$gguf" --text "$scratch/text"
  ids_are "ids by a GGUF vocabulary" "1 15043 29892 343 29915 497 29991"
else
  skip "tokenizers/ggml-vocab-llama-spm.gguf is absent"
fi

gpt2=$shared/tokenizers/gpt2-hf text=$shared/text/wiki.test.raw
if [ -d "$gpt2" ] && [ -e "$text" ]; then
  for _ in 1 2 3 4 5 6 7 8; do cat "$text"; done >"$scratch/large"
  expect_exit 0 "ten megabytes" "$SWAGE" tokenize "$gpt2" --text "$scratch/large"
  cp "$scratch/stdout" "$scratch/ids"
  "$SWAGE" tokenize "$gpt2" --decode --text "$scratch/ids" >"$scratch/back"
  check "ten megabytes and back" cmp -s "$scratch/large" "$scratch/back"
else
  skip "tokenizers/gpt2-hf or text/wiki.test.raw is absent"
fi
finish
