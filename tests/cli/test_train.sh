#!/usr/bin/env bash
# swage train: a model and its tokenizer from nothing but a text, in a folder that the other commands
# read; the same file for any number of threads; refusals.
. tests/cli/lib.sh

config=$scratch/config.json text=examples/tiny-tales/eval.txt
cat >"$config" <<'JSON'
{"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
 "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 99, "tie_word_embeddings": true,
 "max_position_embeddings": 128, "rms_norm_eps": 1e-05, "eos_token_id": 7}
JSON
train=(--config "$config" --text "$text" --documents --window 64 --held-out 8 --judge-every 10 --rate 0.003)
less() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'; }

expect_exit 0 "train" "$SWAGE" train "${train[@]}" --train-tokenizer 512 -o "$scratch/model" --steps 60 --batch 8 \
  --json -q --log "$scratch/log.jsonl" --threads 1
expect_keys "report" output steps tokens weights text_tokens perplexity_before perplexity best_step
check "perplexity falls: $(value perplexity_before) to $(value perplexity)" less "$(value perplexity)" 220
check "a new model knows nothing" less 400 "$(value perplexity_before)"
best=$(value perplexity)
check "a line per step, and one before" [ "$(wc -l <"$scratch/log.jsonl")" = 61 ]
check "a folder" [ -f "$scratch/model/model.safetensors" -a -f "$scratch/model/tokenizer_config.json" ]
check "the tokenizer's size and ids are the configuration's" grep -q '"vocab_size": 512' "$scratch/model/config.json"
check "and its beginning of text" grep -q '"eos_token_id": 0' "$scratch/model/config.json"
expect_exit 0 "it evaluates" "$SWAGE" eval "$scratch/model" --text "$text" --max-tokens 1024 --context 64 --json -q
check "eval agrees: $(value perplexity) near $best" less "$(value perplexity)" 220
expect_exit 0 "it runs" "$SWAGE" run "$scratch/model" --prompt "One morning" --max-tokens 8 -q

if python3 -c 'import tokenizers' 2>/dev/null; then
  check "the tokenizer is the one of Hugging Face's trainer" python3 - "$text" "$scratch/model/tokenizer.json" <<'PY'
import json, sys
from tokenizers import Tokenizer, models, trainers, pre_tokenizers
text = open(sys.argv[1], newline="").read()
other = Tokenizer(models.BPE())
other.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
trainer = trainers.BpeTrainer(vocab_size=512, special_tokens=["<|endoftext|>"], show_progress=False,
                              initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
other.train_from_iterator([text], trainer)
a, b = json.loads(other.to_str())["model"], json.load(open(sys.argv[2]))["model"]
merges = [m if isinstance(m, str) else " ".join(m) for m in a["merges"]]
same = merges == b["merges"] and a["vocab"] == b["vocab"]
sys.exit(not (same and Tokenizer.from_file(sys.argv[2]).encode(text).ids == other.encode(text).ids))
PY
else
  skip "the package tokenizers is not installed"
fi

# The same for any number of threads; accumulated gradients are those of a larger batch.
expect_exit 0 "two threads" "$SWAGE" train "${train[@]}" --train-tokenizer 512 -o "$scratch/again" --steps 60 --batch 8 -q \
  --threads 2
check "threads do not matter" cmp "$scratch/model/model.safetensors" "$scratch/again/model.safetensors"
expect_exit 0 "two batches a step" "$SWAGE" train "${train[@]}" --train-tokenizer 512 -o "$scratch/halves" --steps 20 \
  --batch 4 --accumulate 2 --json -q
halves=$(value perplexity)
expect_exit 0 "one batch a step" "$SWAGE" train "${train[@]}" --train-tokenizer 512 -o "$scratch/whole" --steps 20 --batch 8 \
  --json -q
check "accumulation: $halves and $(value perplexity)" awk -v a="$halves" -v b="$(value perplexity)" \
  'BEGIN { d = a / b - 1; exit !(d < 1e-3 && d > -1e-3) }'

# A tokenizer that is there, and other architectures.
cp tests/runtime/fixtures/gpt2-untied/config.json "$scratch/gpt2.json"
sed -i 's/"vocab_size": [0-9]*/"vocab_size": 1024/; s/"n_positions": [0-9]*/"n_positions": 64/' "$scratch/gpt2.json"
echo '{"model_type": "rnn", "cell": "lstm", "vocab_size": 1024, "embedding_size": 32, "hidden_size": 48,
  "num_hidden_layers": 2}' >"$scratch/lstm.json"
for name in gpt2 lstm; do
  expect_exit 0 "$name" "$SWAGE" train --config "$scratch/$name.json" --tokenizer examples/tiny-tales/tokenizer.json \
    --text "$text" --text README.md -o "$scratch/$name" --steps 30 --window 32 --batch 4 --rate 0.005 --json -q
  check "$name learns: $(value perplexity_before) to $(value perplexity)" \
    awk -v a="$(value perplexity_before)" -v b="$(value perplexity)" 'BEGIN { exit !(b < 0.85 * a) }'
  expect_exit 0 "$name inspects" "$SWAGE" inspect "$scratch/$name"
done

# Refusals.
expect_exit 2 "no tokenizer" "$SWAGE" train "${train[@]}" -o "$scratch/x" --steps 1
check "it says what to give" grep -q -e "--tokenizer or --train-tokenizer" "$scratch/stderr"
expect_exit 2 "two tokenizers" "$SWAGE" train "${train[@]}" -o "$scratch/x" --steps 1 --train-tokenizer 512 \
  --tokenizer examples/tiny-tales/tokenizer.json
expect_exit 2 "no length" "$SWAGE" train "${train[@]}" -o "$scratch/x" --train-tokenizer 512
expect_exit 2 "existing output" "$SWAGE" train "${train[@]}" -o "$scratch/model" --steps 1 --train-tokenizer 512
expect_exit 2 "small vocabulary" "$SWAGE" train "${train[@]}" -o "$scratch/x" --steps 1 --train-tokenizer 100
expect_exit 3 "tokens beyond the model's" "$SWAGE" train "${train[@]}" -o "$scratch/x" --steps 1 \
  --tokenizer examples/tiny-tales/tokenizer.json
expect_exit 2 "long window" "$SWAGE" train "${train[@]}" -o "$scratch/x" --steps 1 --train-tokenizer 512 --window 200
expect_exit 4 "a classifier" "$SWAGE" train --config tests/runtime/fixtures/bert-sequence/config.json --text "$text" \
  --train-tokenizer 512 -o "$scratch/x" --steps 1
printf 'Too short.' >"$scratch/short.txt"
expect_exit 1 "short text" "$SWAGE" train --config "$config" --text "$scratch/short.txt" --train-tokenizer 512 -o "$scratch/x" --steps 1
check "it says how short" grep -q "less than one window of 128" "$scratch/stderr"
check "nothing was written" [ ! -e "$scratch/x" ]

finish
