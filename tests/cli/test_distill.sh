#!/usr/bin/env bash
# swage distill on the example model: what pruning and coarse codes lost comes back in part, zeros and
# codes stay what they were, the same file for any number of threads, refusals.
. tests/cli/lib.sh

model=examples/tiny-tales text=examples/tiny-tales/eval.txt
train=(--teacher "$model" --text "$text" --window 64 --held-out 4 --judge-every 5 --batch 2 --rate 0.001)
less() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'; }
zeros() { "$CHECKPOINT_TOOL" zeros "$1" _proj; }

expect_exit 0 "prune" "$SWAGE" prune "$model" -o "$scratch/pruned" -q --sparsity 0.5
before=$(zeros "$scratch/pruned")
expect_exit 0 "recover" "$SWAGE" distill "$scratch/pruned" -o "$scratch/recovered" "${train[@]}" \
  --keep-mask --steps 15 --json -q --log "$scratch/log.jsonl"
expect_keys "report" steps tokens weights zeros_kept kld_before kld perplexity_before perplexity \
  perplexity_teacher best_step planned_memory_bytes peak_memory_bytes
lost=$(value kld_before) left=$(value kld)
check "divergence falls: $lost to $left" less "$left" "$lost"
check "zeros stay: $before" [ "$(zeros "$scratch/recovered")" = "$before" ]
check "a line per step, and one before" [ "$(wc -l <"$scratch/log.jsonl")" = 16 ]
expect_exit 0 "the result evaluates" "$SWAGE" eval "$scratch/recovered" --text "$text" --max-tokens 512 -q

# Codes: what is written is what was judged, and the same for any number of threads.
codes=(--bits 2 --group-size 64 --embedding-bits 8 --steps 10)
expect_exit 0 "train codes" "$SWAGE" distill "$model" -o "$scratch/codes.swg" "${train[@]}" "${codes[@]}" -q \
  --json --threads 1
check "codes improve: $(value kld_before) to $(value kld)" less "$(value kld)" "$(value kld_before)"
trained=$(value kld)
expect_exit 0 "train codes on two threads" "$SWAGE" distill "$model" -o "$scratch/again.swg" \
  "${train[@]}" "${codes[@]}" -q --threads 2
check "threads do not matter" cmp "$scratch/codes.swg" "$scratch/again.swg"
expect_exit 0 "train the codes further" "$SWAGE" distill "$scratch/codes.swg" -o "$scratch/further.swg" \
  "${train[@]}" "${codes[@]}" -q --json --scale-rate 2 --checkpoint-activations
check "it begins with the codes that were written" [ "$(value kld_before)" = "$trained" ]
check "and improves them: $trained to $(value kld)" less "$(value kld)" "$trained"
expect_exit 0 "inspect" "$SWAGE" inspect "$scratch/codes.swg"
check "the scheme" grep -q int2-g64 "$scratch/stdout"

# Adapters: only they are trained, zeros and codes stay what they are, the same for any number of threads.
expect_exit 0 "adapters" "$SWAGE" distill "$scratch/pruned" -o "$scratch/adapted" "${train[@]}" --keep-mask \
  --lora-rank 4 --steps 15 --json -q --threads 1
check "divergence falls: $(value kld_before) to $(value kld)" less "$(value kld)" "$(value kld_before)"
check "few weights are trained: $(value weights)" less "$(value weights)" 100000
check "zeros stay: $before" [ "$(zeros "$scratch/adapted")" = "$before" ]
expect_exit 0 "on two threads" "$SWAGE" distill "$scratch/pruned" -o "$scratch/adapted2" "${train[@]}" --keep-mask \
  --lora-rank 4 --steps 15 -q --threads 2
check "threads do not matter" cmp "$scratch/adapted/model.safetensors" "$scratch/adapted2/model.safetensors"
expect_exit 0 "adapters through codes" "$SWAGE" distill "$scratch/codes.swg" -o "$scratch/adapted.swg" "${train[@]}" \
  "${codes[@]}" --lora-rank 4 --json -q
check "it begins with the codes that were written" [ "$(value kld_before)" = "$trained" ]
check "and improves them: $trained to $(value kld)" less "$(value kld)" "$trained"
left=$(value kld)
expect_exit 0 "what is written" "$SWAGE" distill "$scratch/adapted.swg" -o "$scratch/adapted-again.swg" "${train[@]}" \
  "${codes[@]}" --json -q
check "is what was judged" [ "$(value kld_before)" = "$left" ]
expect_exit 2 "alpha without a rank" "$SWAGE" distill "$model" -o "$scratch/x" "${train[@]}" --steps 1 --lora-alpha 8
expect_exit 2 "a name that nothing has" "$SWAGE" distill "$model" -o "$scratch/x" "${train[@]}" --steps 1 \
  --lora-rank 4 --lora-target nothing_proj

# Tensors that stay as they are by their names.
expect_exit 0 "everything is trained" "$SWAGE" distill "$scratch/pruned" -o "$scratch/whole" "${train[@]}" --steps 1 \
  --keep-mask --json -q
whole=$(value weights)
expect_exit 0 "a frozen embedding" "$SWAGE" distill "$scratch/pruned" -o "$scratch/frozen" "${train[@]}" --steps 15 \
  --keep-mask --freeze 'model.embed_tokens.weight' --json -q
check "fewer weights: $(value weights) of $whole" less "$(value weights)" "$whole"
check "divergence falls: $(value kld_before) to $(value kld)" less "$(value kld)" "$(value kld_before)"
expect_exit 2 "a name that nothing has" "$SWAGE" distill "$model" -o "$scratch/x" "${train[@]}" --steps 1 \
  --freeze nothing_proj
expect_match "it says so" "$(cat "$scratch/stderr")" 'no tensor called "nothing_proj"'
expect_exit 2 "nothing is left" "$SWAGE" distill "$model" -o "$scratch/x" "${train[@]}" --steps 1 --freeze '*'

# One scale of a whole matrix has no gradient of its own.
echo '{"recipe": 1, "defaults": {"format": "codebook", "group": "row", "search": "matrix"}}' >"$scratch/matrix.json"
expect_exit 4 "one scale of a matrix" "$SWAGE" distill "$model" -o "$scratch/x.swg" "${train[@]}" --steps 1 -q \
  --recipe "$scratch/matrix.json"
expect_match "the way out" "$(cat "$scratch/stderr")" 'cannot be trained; --scale-rate 0 keeps it'
expect_exit 0 "kept" "$SWAGE" distill "$model" -o "$scratch/x.swg" "${train[@]}" --steps 1 -q \
  --recipe "$scratch/matrix.json" --scale-rate 0

# Students that are not there yet: some of the teacher's layers, and another shape.
expect_exit 0 "layers of the teacher" "$SWAGE" distill --student-layers 0,3 -o "$scratch/shorter" "${train[@]}" \
  --steps 15 --json -q
check "divergence falls: $(value kld_before) to $(value kld)" less "$(value kld)" "$(value kld_before)"
check "two layers" grep -q '"num_hidden_layers": 2' "$scratch/shorter/config.json"
check "a folder of its own" [ -f "$scratch/shorter/tokenizer.json" -a -f "$scratch/shorter/model.safetensors" ]
expect_exit 0 "it evaluates" "$SWAGE" eval "$scratch/shorter" --text "$text" --max-tokens 512 -q
shape=$scratch/shape.json
cat >"$shape" <<'JSON'
{"model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
 "num_attention_heads": 2, "vocab_size": 1024, "max_position_embeddings": 64, "rms_norm_eps": 1e-05}
JSON
expect_exit 0 "another shape" "$SWAGE" distill --student-config "$shape" -o "$scratch/small" "${train[@]}" \
  --steps 15 --json -q --threads 1
check "divergence falls: $(value kld_before) to $(value kld)" less "$(value kld)" "$(value kld_before)"
expect_exit 0 "on two threads" "$SWAGE" distill --student-config "$shape" -o "$scratch/small2" "${train[@]}" \
  --steps 15 -q --threads 2
check "threads do not matter" cmp "$scratch/small/model.safetensors" "$scratch/small2/model.safetensors"
for threads in 1 2; do
  expect_exit 0 "rows between layers, $threads threads" "$SWAGE" distill --student-config "$shape" "${train[@]}" --steps 5 \
    -o "$scratch/rows$threads" -q --kl-weight 0 --hidden-mse-weight 1 --hidden-cosine-weight 0.5 --threads $threads
done
check "threads do not matter" cmp "$scratch/rows1/model.safetensors" "$scratch/rows2/model.safetensors"
for threads in 1 2; do
  expect_exit 0 "attention scores, $threads threads" "$SWAGE" distill --student-layers 0,3 "${train[@]}" --steps 5 \
    -o "$scratch/scores$threads" -q --attention-mse-weight 1 --threads $threads
done
check "threads do not matter" cmp "$scratch/scores1/model.safetensors" "$scratch/scores2/model.safetensors"
expect_exit 2 "other numbers of heads" "$SWAGE" distill --student-config "$shape" "${train[@]}" --steps 5 -o "$scratch/x" -q \
  --attention-mse-weight 1
expect_match "it names both" "$(cat "$scratch/stderr")" 'student has 2 heads in a layer and the teacher [0-9]+'
expect_exit 0 "it runs" "$SWAGE" run "$scratch/small" --prompt "One morning" --max-tokens 4 -q
student() { expect_exit "$1" "$2" "$SWAGE" distill -o "$scratch/x" "${train[@]}" --steps 1 "${@:3}"; }
student 2 "a layer that is not there" --student-layers 0,4
check "it says how many there are" grep -q "layer 4 of .*, which has 4" "$scratch/stderr"
student 2 "no list" --student-layers 0-2
student 2 "two students" --student-layers 0 --student-config "$shape"
sed 's/1024/1000/' "$shape" >"$scratch/other.json"
student 2 "a vocabulary of another size" --student-config "$scratch/other.json"
check "it names both sizes" grep -q "1000 tokens and the teacher 1024" "$scratch/stderr"
sed 's/"num_attention_heads": 2/"num_attention_heads": 5/' "$shape" >"$scratch/other.json"
student 3 "heads that do not fit the width" --student-config "$scratch/other.json"
check "it names both" grep -q '32.*5\|5.*32' "$scratch/stderr"
student 2 "no student"

# What training takes is said before it begins, and more than there may be is refused then.
expect_exit 0 "the plan" "$SWAGE" distill "$scratch/pruned" -o "$scratch/planned" "${train[@]}" --steps 1 --json
expect_match "it is said" "$stderr" 'memory: [0-9.]+ .iB, of which [0-9.]+ .iB for the gradients of a batch'
planned=$(value planned_memory_bytes)
bounded() { expect_exit "$1" "$2" "$SWAGE" distill "$scratch/pruned" -o "$scratch/bounded" "${train[@]}" --steps 1 \
  --max-memory "$3"; }
bounded 5 "too little memory" $((planned - planned / 20))
expect_match "it says what is needed" "$stderr" 'training takes .* more while gradients .* --max-memory is'
bounded 0 "enough" $((planned + planned / 4))
expect_exit 0 "the teacher itself has nothing to learn" "$SWAGE" distill "$model" -o "$scratch/same" "${train[@]}" \
  --steps 3 -q

# What cannot be written is refused before any step.
touch "$scratch/there.swg" "$scratch/there.jsonl"
early() { # CODE NAME SENTENCE OPTIONS
  local code=$1 name=$2 sentence=$3
  shift 3
  expect_exit "$code" "$name" "$SWAGE" distill "$model" "${train[@]}" --steps 2 "$@"
  expect_match "$name: it says why" "$stderr" "$sentence"
  check "$name: before any step" test "${stderr#*step }" = "$stderr"
}
early 2 "an output that is there" 'there.swg exists; use --force' -o "$scratch/there.swg"
early 6 "no folder" 'none is not a folder' -o "$scratch/none/x.swg"
early 6 "no folder for a folder" 'none is not a folder' -o "$scratch/none/x/"
early 2 "a full folder" 'recovered is not empty' -o "$scratch/recovered"
early 4 "no format" 'no format is written under that name' -o "$scratch/x.onnx"
early 4 "codes for a folder" 'safetensors cannot hold tensor .*int8' -o "$scratch/x" --bits 3
early 2 "a log that is there" 'there.jsonl exists; use --force' -o "$scratch/fresh.swg" --log "$scratch/there.jsonl"
mkdir "$scratch/empty"
expect_exit 0 "an empty folder" "$SWAGE" distill "$model" "${train[@]}" --steps 1 -o "$scratch/empty/" -q
expect_exit 6 "a log on a full disk" "$SWAGE" distill "$model" "${train[@]}" --steps 1 -o "$scratch/logged" -q --log /dev/full --force
check "the model was written" [ -e "$scratch/logged/model.safetensors" ]

# The teacher's predictions in a file: made once, read by whatever trains on the same text, the same result.
cache=$scratch/teacher.cache
cached() { expect_exit "$1" "$2" "$SWAGE" distill "$scratch/pruned" "${train[@]}" --keep-mask --steps 15 --json -o "$scratch/$3" \
  --teacher-cache "$cache" "${@:4}"; }
cached 0 "cached predictions" cached1 --threads 1
check "divergence falls: $(value kld_before) to $(value kld)" less "$(value kld)" "$(value kld_before)"
check "it says where they are" grep -q "are kept in .*teacher.cache" "$scratch/stderr"
cp "$cache" "$scratch/first.cache"
cached 0 "again, from the file" cached2 --threads 2
check "the teacher did not run" [ "$(grep -c 'are kept in' "$scratch/stderr")" = 0 ]
check "the same weights" cmp "$scratch/cached1/model.safetensors" "$scratch/cached2/model.safetensors"
check "the same file" cmp "$cache" "$scratch/first.cache"
cached 2 "other tokens per position" x --teacher-top-k 8
expect_match "it shows both" "$(tr '\n' ' ' <"$scratch/stderr")" '"top_k":64.*"top_k":8'
cached 2 "another text" x --tokens 2000
cached 2 "another teacher" x --teacher "$scratch/pruned"
cached 2 "rows between layers" x --hidden-mse-weight 1
head -c 20000 "$scratch/first.cache" >"$cache"
cached 3 "half a cache" x
check "it names the file" grep -q "teacher.cache does not match its hash" "$scratch/stderr"
expect_exit 2 "tokens without a cache" "$SWAGE" distill "$model" -o "$scratch/x" "${train[@]}" --steps 1 --teacher-top-k 8

# A damaged student: no rate is the reason.
cp -r "$model" "$scratch/damaged"
printf '\377\377\377\177' | dd of="$scratch/damaged/model.safetensors" bs=1 seek=1800000 conv=notrunc status=none
expect_exit 1 "NaN in the student" "$SWAGE" distill "$scratch/damaged" "${train[@]}" --steps 1 -o "$scratch/fresh"
expect_match "it says so before any step" "$stderr" 'not finite before any step.*swage verify'

# Refusals.
expect_exit 2 "no length" "$SWAGE" distill "$model" -o "$scratch/x" "${train[@]}"
check "it says what to give" grep -q -e "--steps or --minutes" "$scratch/stderr"
expect_exit 2 "group without bits" "$SWAGE" distill "$model" -o "$scratch/x" "${train[@]}" --steps 1 --group-size 64
useless() { # SENTENCE OPTIONS: an option that does nothing without another one
  expect_exit 2 "$1" "$SWAGE" distill "$model" -o "$scratch/x" "${train[@]}" --steps 1 "${@:2}"
  expect_match "$1: it says so" "$stderr" "$1"
}
useless '--asymmetric is of use only with --bits' --asymmetric
useless '--embedding-bits is of use only with --bits' --embedding-bits 8
useless '--scale-rate is of use only with --bits or --recipe' --scale-rate 2
useless '--temperature is of use only with --kl-weight' --temperature 2 --kl-weight 0 --ce-weight 1
useless '--lora-target is of use only with --lora-rank' --lora-target q_proj
useless '--eval-data is of use only with --data' --eval-data "$text"
expect_exit 2 "no loss" "$SWAGE" distill "$model" -o "$scratch/x" "${train[@]}" --steps 1 --kl-weight 0
expect_exit 2 "another vocabulary" "$SWAGE" distill "$model" -o "$scratch/x" --teacher tests/runtime/fixtures/qwen3 \
  --text "$text" --window 64 --steps 1
check "it says why" grep -q "same vocabulary" "$scratch/stderr"
printf 'Too short.' >"$scratch/short.txt"
expect_exit 1 "short text" "$SWAGE" distill "$model" -o "$scratch/x" --teacher "$model" --text "$scratch/short.txt" --steps 1
check "nothing was written" [ ! -e "$scratch/x" ]

finish
