# Sourced by script tests: write_bert_tokenizer FILE makes a tokenizer.json for the 29 ids of the
# BERT fixtures in tests/runtime/fixtures.
write_bert_tokenizer() {
  words='"[PAD]" "[UNK]" "[CLS]" "[SEP]" "[MASK]" "ann" "bob" "came" "stayed" "who" "and" "then" "he"
"she" "the" "dog" "cat" "ran" "saw" "a" "in" "house" "old" "##s" "##ed" "##ing" "." "?" ","'
  id=0 vocab=
  for word in $words; do
    vocab="$vocab${vocab:+, }$word: $id"
    id=$((id + 1))
  done
  special() { printf '{"id": %d, "content": "%s", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}' "$1" "$2"; }
  cat >"$1" <<EOF
{"version": "1.0", "truncation": null, "padding": null,
 "added_tokens": [$(special 0 '[PAD]'), $(special 1 '[UNK]'), $(special 2 '[CLS]'),
                  $(special 3 '[SEP]'), $(special 4 '[MASK]')],
 "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                "strip_accents": null, "lowercase": true},
 "pre_tokenizer": {"type": "BertPreTokenizer"},
 "post_processor": {"type": "TemplateProcessing",
   "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
              {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
   "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
   "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                      "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
 "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
 "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
           "max_input_chars_per_word": 100, "vocab": {$vocab}}}
EOF
}
