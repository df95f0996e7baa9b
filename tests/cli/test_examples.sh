#!/usr/bin/env bash
# Every example that --help shows, and the README's commands, run as they are on the example
# model. Only the benchmark's billion-parameter shape is made small, and the machine's limits, which
# take seconds and gigabytes, are not measured (test_bench.sh does that).
. tests/cli/lib.sh
. tests/cli/bert_tokenizer.sh
root=$PWD
model=$root/examples/tiny-tales

# A fresh folder with every input that examples name.
"$SWAGE" convert "$model" -o "$scratch/model.swg" --quiet >/dev/null || fail "convert"
"$SWAGE" quantize "$model" -o "$scratch/quantized.swg" --quiet >/dev/null || fail "quantize"
awk 'BEGIN {RS = ""} NR <= 12 {print substr($0, 1, 300) "\n"}' "$model/eval.txt" \
  >"$scratch/stories.txt"
prepare() { # [NAME THAT MUST NOT EXIST]
  rm -rf "$scratch/work" && mkdir -p "$scratch/work/examples" && cd "$scratch/work" || exit 1
  ln -s "$model" examples/tiny-tales
  ln -s "$model" model
  ln -s "$model" model-folder
  cp -r "$root/tests/runtime/fixtures/bert-sequence" bert
  cp -r "$root/tests/runtime/fixtures/bert-span" bert-answers
  cp -r "$model" chat-model
  echo '{% for m in messages %}{{ m.role }}: {{ m.content }}
{% endfor %}' >chat-model/chat_template.jinja
  write_bert_tokenizer bert-answers/tokenizer.json
  write_bert_tokenizer bert/tokenizer.json
  printf '{"text": "%s", "label": "%s"}\n' 'Ann came, Bob stayed.' calm 'The dog ran.' wild >labelled.jsonl
  cp -r "$root/tests/runtime/fixtures/bert-model" all-MiniLM-L6-v2
  write_bert_tokenizer all-MiniLM-L6-v2/tokenizer.json
  cp -r all-MiniLM-L6-v2 e5-base
  echo '{"prompts": {"query": "who "}}' >e5-base/config_sentence_transformers.json
  swage quantize all-MiniLM-L6-v2 -o minilm-int8.swg --group-size 32 --quiet >/dev/null
  printf 'Ann came\nthe old dog ran\n' | tee sentences.txt >queries.txt
  printf 'Ann came\tBob came\t4.5\nthe dog\tAnn ran\t1\nwho came\tAnn\t2\n' >sts-test.tsv
  cp "$scratch/quantized.swg" "$scratch/model.swg" .
  cp "$scratch/stories.txt" .
  sed -n '/^```json/,/^```/p' "$root/docs/recipes.md" | grep -v '^```' >recipe.json
  sed -n '/^```json/,/^```/p' "$root/docs/sweep.md" | grep -v '^```' >sweep.json
  cp "$model/config.json" .
  mkdir out
  echo '{"results_version": 1, "id": "int4", "status": "ok", "file_bytes": 1000000, "kld_mean": 0.01,
    "perplexity": 1.7, "decode_tokens_per_s": 200}' | tr -d '\n' >out/results.jsonl
  echo >>out/results.jsonl
  echo '{"activity_label": "Dog", "ctx_a": "One day", "ctx_b": "the dog", "endings": ["ran.", "sat."],
    "label": 0}' | tr -d '\n' >hellaswag_val.jsonl
  head -c 12000 "$model/eval.txt" | tee book.txt >wiki.test.raw
  rm -f "${1:-none}"
}
export PATH="$scratch/bin:$PATH"
mkdir -p "$scratch/bin" && ln -s "$(realpath "$SWAGE")" "$scratch/bin/swage"

run_line() { # NAME LINE
  local line=${2/d_model=2048,n_layers=22,d_ff=5632/d_model=256,n_layers=2,d_ff=512} output
  line=${line/swage bench /swage bench --no-limits }
  line=${line/swage sweep /swage sweep --no-speed }
  line=${line/101,7,102,9,102/2,7,3,9,3} # the fixture's vocabulary is smaller
  case $line in
    *stories.bin* | *model.gguf* | *.h5* | *tokenizer.model*)
      skip "$1: $line needs an input that the example model has not"
      return
      ;;
  esac
  output=$(sed -nE 's/.* -o ([^ ]+).*/\1/p' <<<"$line")
  prepare "$output"
  if bash -c "$line" >"$scratch/stdout" 2>"$scratch/stderr"; then
    pass
  else
    fail "$1: $line: $(tail -n 1 "$scratch/stderr")"
  fi
  if [[ $line == *--json* ]] && command -v python3 >/dev/null; then
    check "$1: $line prints JSON" python3 -m json.tool "$scratch/stdout" /dev/null
  fi
  cd "$root" || exit 1
}

for name in $("$SWAGE" --help | sed -nE 's/^  ([a-z]+)  +.*/\1/p' | grep -vx help | sort -u); do
  "$SWAGE" "$name" --help >"$scratch/help" 2>/dev/null || continue
  found=0
  while IFS= read -r line; do
    found=$((found + 1))
    run_line "$name" "${line#"${line%%[! ]*}"}"
  done < <(sed -n '/^Examples:/,$p' "$scratch/help" | grep -E '^ +swage ')
  check "$name --help has examples" [ "$found" -gt 0 ]
done

# The README's commands for "your own checkpoint", with the example model in its place.
prepare
cp -r "$model" my-model
cp "$model/eval.txt" test.txt
lines=0
while IFS= read -r line; do
  line=${line%%#*}
  line=${line/--context 2048/--context 256}
  line=${line/swage bench /swage bench --no-limits }
  line=${line/swage sweep /swage sweep --no-speed }
  if bash -c "$line" >/dev/null 2>"$scratch/stderr"; then
    pass
  else
    fail "README: $line: $(tail -n 1 "$scratch/stderr")"
  fi
  lines=$((lines + 1))
done < <(sed -n '/^```sh/,/^```/p' "$root/README.md" | grep -E '^swage ')
cd "$root" || exit 1
check "the README has commands" [ "$lines" -ge 6 ]
finish
