#!/usr/bin/env bash
# A calibrated quantization that is killed goes on where it was, and gives the same file.
. tests/cli/lib.sh

model=examples/tiny-tales text=examples/tiny-tales/eval.txt
out=$scratch/out.swg journal=$scratch/out.swg.swage-resume
quantize=("$SWAGE" quantize "$model" -o "$out" --method gptq --bits 3 --calibration "$text"
  --calibration-tokens 8192 --calibration-window 128 --threads 1)

# Kill it after a while, again and again, each time a little later, until a journal was left; then
# let it finish.
killed_and_finished() { # NAME OPTIONS...
  local name=$1 tries=0 resumed=0
  shift
  expect_exit 0 "$name at once" "${quantize[@]}" "$@"
  mv "$out" "$scratch/whole.swg"
  while [ $tries -lt 40 ] && [ $resumed -lt 3 ]; do
    tries=$((tries + 1))
    "${quantize[@]}" "$@" >"$scratch/log" 2>&1 &
    local run=$!
    sleep "0.$(printf %02d $((5 + tries * 7 % 90)))"
    kill -9 $run 2>/dev/null
    wait $run 2>/dev/null
    grep -q 'matrices are taken from' "$scratch/log" && resumed=$((resumed + 1))
    rm -f "$out" # it was faster
  done
  check "$name was continued at least once" [ $resumed -gt 0 ]
  expect_exit 0 "$name to the end" "${quantize[@]}" "$@"
  check "$name gives the same file" cmp -s "$scratch/whole.swg" "$out"
  check "$name leaves no journal" [ ! -e "$journal" ]
  rm "$out"
}
killed_and_finished full
killed_and_finished sequential --statistics sequential

# Interrupted by the user: what is kept is said. Another setting does not take it.
"${quantize[@]}" --no-cache >/dev/null 2>"$scratch/log" &
run=$!
for _ in $(seq 400); do [ -s "$journal" ] && [ "$(stat -c %s "$journal")" -gt 1000 ] && break; sleep 0.01; done
kill -INT $run
wait $run
if [ -e "$journal" ]; then
  expect_match "what is kept is told" "$(cat "$scratch/log")" 'matrices are kept in .*: the same command'
  printf 'x' | dd of="$journal" bs=1 seek=700 conv=notrunc status=none # a damaged record
  expect_exit 0 "after an interruption" "${quantize[@]}" --no-cache
  check "the same file after an interruption" cmp -s "$scratch/out.swg" "$out"
fi
finish
