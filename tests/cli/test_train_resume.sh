#!/usr/bin/env bash
# Training that is killed and continued: weights are the same bits as of one that was not, for train and
# distill, on another number of threads; the log has every step once. Training that diverges leaves its
# best weights.
. tests/cli/lib.sh

model=examples/tiny-tales text=examples/tiny-tales/eval.txt
loop=(--text "$text" --window 32 --held-out 4 --judge-every 7 --batch 2 --steps 26 --rate 0.002 -q)
"$SWAGE" prune "$model" -o "$scratch/pruned" -q --sparsity 0.5 >/dev/null || fail "prune"

# Run the command on the output $scratch/$name, kill it after some of its steps, twice, and
# let it finish.
killed() { # NAME STATE COMMAND...
  local name=$1 state=$2 kills=0 tries=0 lines pid resume=()
  shift 2
  while [ $tries -lt 30 ] && [ $kills -lt 2 ]; do
    tries=$((tries + 1))
    "$@" "${resume[@]}" --threads $((tries % 2 + 1)) >/dev/null 2>"$scratch/log" &
    pid=$!
    lines=$((kills * 11 + 6))
    while kill -0 $pid 2>/dev/null && [ "$(wc -l 2>/dev/null <"$scratch/$name.jsonl" || echo 0)" -lt $lines ]; do
      sleep 0.01
    done
    kill -KILL $pid 2>/dev/null && kills=$((kills + 1))
    wait $pid 2>/dev/null
    if [ -e "$state" ]; then resume=(--resume); else rm -f "$scratch/$name.jsonl"; fi
  done
  check "$name was killed" [ $kills -gt 0 ]
  [ -e "$state" ] || return
  expect_exit 0 "$name goes on" "$@" --resume
}

for name in train distill adapters; do
  case $name in
    train) command=("$SWAGE" train --config $model/config.json --train-tokenizer 1024) ending='' ;;
    distill) command=("$SWAGE" distill $model --teacher $model --bits 3 --group-size 32) ending=.swg ;;
    adapters) command=("$SWAGE" distill "$scratch/pruned" --teacher $model --keep-mask --lora-rank 4) ending='' ;;
  esac
  command+=("${loop[@]}")
  expect_exit 0 "$name at once" "${command[@]}" -o "$scratch/whole-$name$ending" --log "$scratch/whole-$name.jsonl"
  killed $name "$scratch/$name$ending.swage-resume" "${command[@]}" -o "$scratch/$name$ending" --log "$scratch/$name.jsonl" --save-every 3
  file=''
  [ -d "$scratch/$name$ending" ] && file=/model.safetensors
  check "$name: the same bits" cmp "$scratch/whole-$name$ending$file" "$scratch/$name$ending$file"
  check "$name: the state is gone" [ ! -e "$scratch/$name$ending.swage-resume" ]
  steps() { grep -o '"step":[0-9]*' "$1" | cut -d: -f2; }
  check "$name: every step once" cmp <(steps "$scratch/whole-$name.jsonl") <(steps "$scratch/$name.jsonl")
done

# An interruption saves where it was; other settings are refused.
command=("$SWAGE" distill $model --teacher $model -o "$scratch/stopped" "${loop[@]}")
"${command[@]}" --log "$scratch/stopped.jsonl" >/dev/null 2>"$scratch/log" &
pid=$!
while kill -0 $pid 2>/dev/null && [ "$(wc -l 2>/dev/null <"$scratch/stopped.jsonl" || echo 0)" -lt 5 ]; do sleep 0.01; done
kill -TERM $pid
wait $pid
check "an interruption saves" [ -e "$scratch/stopped.swage-resume" ]
expect_exit 2 "other settings" "${command[@]}" --resume --accumulate 2
check "it says which" grep -q '"accumulate":2' "$scratch/stderr"
expect_exit 2 "another teacher" "$SWAGE" distill $model --teacher "$scratch/pruned" -o "$scratch/stopped" "${loop[@]}" --resume
printf x | dd of="$scratch/stopped.swage-resume" bs=1 seek=5000 conv=notrunc status=none
expect_exit 3 "a damaged state" "${command[@]}" --resume
expect_exit 6 "no state" "$SWAGE" distill $model --teacher $model -o "$scratch/none" "${loop[@]}" --resume

# A training that is limited by time alone goes on, too, for what is left of it.
command=("$SWAGE" distill $model --teacher $model -o "$scratch/timed" --text "$text" --window 32 --held-out 4 --batch 2
  --minutes 0.5 --save-every 1 -q)
"${command[@]}" >/dev/null 2>"$scratch/log" &
pid=$!
while kill -0 $pid 2>/dev/null && [ ! -e "$scratch/timed.swage-resume" ]; do sleep 0.01; done
kill -KILL $pid
wait $pid 2>/dev/null
"${command[@]}" --resume >/dev/null 2>"$scratch/stderr" &
pid=$!
for ((i = 0; i < 300; i++)); do kill -0 $pid 2>/dev/null && sleep 0.01; done
kill -TERM $pid 2>/dev/null
expect_exit 130 "by time alone: it went on until it was stopped" wait $pid

# Divergence, at a rate that rises until it is too high.
expect_exit 1 "divergence" "$SWAGE" train --config $model/config.json --train-tokenizer 512 -o "$scratch/diverged" \
  --text "$text" --window 16 --held-out 4 --judge-every 4 --batch 1 --steps 400 --rate 1 --warm-up 200 \
  --final-rate 1 --weight-decay 0 -q
check "it names step and rate" grep -qE 'step [0-9]+ .*at a rate of [0-9.]+' "$scratch/stderr"
check "the best weights are there" [ -e "$scratch/diverged/model.safetensors" ]
check "it says so" grep -q 'has the weights of step' "$scratch/stderr"

finish
