#!/usr/bin/env bash
# swage sweep on the example model: a grid, its records and table; going on after it was killed, with
# the same records; points that fail; refusals before any work.
. tests/cli/lib.sh

model=examples/tiny-tales text=$scratch/text.txt
head -c 12000 "$model/eval.txt" >"$text"
cat >"$scratch/grid.json" <<'JSON'
{"sweep": 1, "options": {"calibration-tokens": 512, "calibration-window": 128},
 "runs": [
  {"command": "quantize", "options": {"bits": [3, 4], "method": ["rtn", "gptq"], "keep": ["q_proj", "k_proj"]}},
  {"id": "half", "command": "prune", "options": {"sparsity": 0.5, "method": ["magnitude", "wanda"]}},
  {"id": "both", "command": "prune", "options": {"sparsity": 0.5, "bits": [null, 4], "method": "wanda",
                                               "statistics": ["full", "paired"]}},
  {"id": "pairs", "command": "prune", "options": {"pattern": "2:4", "bits": 4, "calibration": false}},
  {"id": "ruled", "command": "quantize",
   "recipe": {"recipe": 1, "rules": [{"classes": "linear", "bits": 4}, {"tensors": "down_proj", "bits": 8}]}}
]}
JSON
common=("$model" --calibration "$text" --recipe "$scratch/grid.json" --context 128 --max-tokens 1024 -q)
sweep() { # FOLDER OPTIONS...
  local folder=$1
  shift
  "$SWAGE" sweep "${common[@]}" --text "$text" -o "$folder" "$@"
}
# Records without what differs from run to run, in the order of their ids.
same_part() {
  sed -E 's/"(compress_s|eval_s|peak_rss_bytes|compress_peak_bytes)":[^,}]*,?//g; s/,\}/}/' "$1" | sort
}

expect_exit 0 "dry run" sweep "$scratch/dry" --dry-run --no-speed
expect_match "the points" "$stdout" \
  "original.quantize-bits=3-method=rtn-keep.*half-method=wanda.both.*pairs.ruled"
check "a dry run makes nothing" [ ! -e "$scratch/dry" ]

expect_exit 0 "sweep" sweep "$scratch/one" --no-speed
expect_match "the table" "$stdout" "13 points measured, 0 taken from an earlier run, 0 failed"
check "a record for each point" [ "$(wc -l <"$scratch/one/results.jsonl")" -eq 13 ]
check "tensors have their layers and kinds" grep -q '"layer":3,"kind":"q_proj"' "$scratch/one/results.jsonl"
check "a line of CSV for each" [ "$(wc -l <"$scratch/one/results.csv")" -eq 14 ]
for key in key model_hash file_bytes bits_per_weight perplexity kld_mean kld_p99 top1_agreement \
  compress_s compress_peak_bytes tensors recipe calibration_sha256 isa threads machine_memory_bytes; do
  check "the record has $key" grep -q "\"id\":\"half-method=wanda\".*\"$key\":" "$scratch/one/results.jsonl"
done
check "the processor is in all records, or in none" [ "$(grep -c '"cpu":' "$scratch/one/results.jsonl")" -eq \
  "$(grep -qE '^model name' /proc/cpuinfo && echo 13 || echo 0)" ]
check "models are not kept" [ ! -e "$scratch/one/points/pairs/model.swg" ]

# The figures are those of the commands themselves.
expect_exit 0 "prune" "$SWAGE" prune "$model" -o "$scratch/pairs.swg" -q --pattern 2:4 --bits 4
expect_exit 0 "eval" "$SWAGE" eval "$scratch/pairs.swg" --ref "$model" --text "$text" -q --json \
  --context 128 --max-tokens 1024
check "the divergence is that of eval" grep -q "\"id\":\"pairs\".*\"kld_mean\":$(value kld_mean)," \
  "$scratch/one/results.jsonl"
check "the bytes are those of prune" grep -q \
  "\"id\":\"pairs\".*\"file_bytes\":$(stat -c %s "$scratch/pairs.swg")," "$scratch/one/results.jsonl"

# Killed after two points: the rest is made, and all records are the same.
"$SWAGE" sweep "${common[@]}" --text "$text" -o "$scratch/two" --no-speed >/dev/null 2>&1 &
pid=$!
for _ in $(seq 600); do
  [ -e "$scratch/two/results.jsonl" ] && [ "$(wc -l <"$scratch/two/results.jsonl")" -ge 2 ] && break
  sleep 0.05
done
kill -KILL "$pid"
wait "$pid" 2>/dev/null
before=$(wc -l <"$scratch/two/results.jsonl")
check "it was killed on the way: $before of 13" [ "$before" -lt 13 ]
expect_exit 0 "going on" sweep "$scratch/two" --no-speed
expect_match "what was measured stays" "$stdout" "$((13 - before)) points measured, $before taken"
check "the same records" cmp -s <(same_part "$scratch/one/results.jsonl") <(same_part "$scratch/two/results.jsonl")
expect_exit 0 "nothing left" sweep "$scratch/two" --no-speed --json
check "all are kept" [ "$(value kept) $(value measured)" = "13 0" ]

# Models that were not kept are made when they are asked for; nothing is measured again.
seconds() { grep -o '"eval_s":[0-9.e-]*' "$scratch/two/results.jsonl" | tail -13 | sort; }
measured=$(seconds)
expect_exit 0 "models after all" sweep "$scratch/two" --no-speed --keep-models
expect_match "they are made" "$stdout" "12 points measured, 1 taken"
check "the model is there" [ -e "$scratch/two/points/pairs/model.swg" ]
check "with the figures of before" [ "$(seconds | sort -u | comm -13 <(sort -u <<<"$measured") -)" = "" ]
expect_exit 0 "and stay" sweep "$scratch/two" --no-speed --keep-models --json
check "all are there" [ "$(value kept) $(value measured)" = "13 0" ]

# Another text, and speed: all points again. A step that fails costs its point.
mkdir -p "$scratch/three/points/pairs/model.swg"
head -c 9000 "$text" >"$scratch/shorter.txt"
text=$scratch/shorter.txt speed=(--prompt 16 --generate 2 --repeats 1 --keep-models)
expect_exit 1 "one point fails" sweep "$scratch/three" "${speed[@]}"
expect_match "it says how many" "$stderr" "1 of 13 points failed"
expect_match "the table says why" "$stdout" "pairs +failed: compress: .*model.swg"
rmdir "$scratch/three/points/pairs/model.swg"
expect_exit 0 "again" sweep "$scratch/three" "${speed[@]}"
expect_match "only what failed" "$stdout" "1 points measured, 12 taken"
check "models are kept" [ -e "$scratch/three/points/pairs/model.swg" ]
for key in prefill_tokens_per_s decode_tokens_per_s load_warm_s peak_rss_bytes; do
  check "the record has $key" grep -q "\"id\":\"ruled\".*\"$key\":" "$scratch/three/results.jsonl"
done

# Interrupted: it ends at once, with the usual code.
"$SWAGE" sweep "${common[@]}" --text "$text" -o "$scratch/four" --no-speed >/dev/null 2>&1 &
pid=$!
sleep 0.3
kill -TERM "$pid"
wait "$pid"
check "exit code 130" [ $? -eq 130 ]

# Refusals, before any work.
for option in --prompt --generate --repeats; do
  expect_exit 2 "$option without speed" sweep "$scratch/none" --no-speed "$option" 4
  expect_match "$option without speed" "$stderr" "--no-speed and $option exclude each other"
done
refused() { # PATTERN JSON
  echo "$2" >"$scratch/grid.json"
  expect_exit 2 "$2" sweep "$scratch/none" --no-speed
  expect_match "$2" "$stderr" "$1"
}
refused '"sweep" is the version' '{"runs": []}'
refused 'is the name of the model itself' \
  '{"sweep": 1, "runs": [{"id": "original", "command": "quantize", "options": {"bits": 4}}]}'
refused 'control character' \
  '{"sweep": 1, "runs": [{"id": "a\u001bb", "command": "quantize", "options": {"bits": 4}}]}'
refused 'has no option "grupp"' \
  '{"sweep": 1, "options": {"grupp": 64}, "runs": [{"command": "quantize", "options": {"bits": 4}}]}'
refused 'at least one run' '{"sweep": 1, "runs": []}'
refused 'no key "run"; did you mean runs' '{"sweep": 1, "run": []}'
refused 'run 1: "command" is quantize or prune' '{"sweep": 1, "runs": [{"command": "eval"}]}'
refused 'no option "bit"; did you mean bits' \
  '{"sweep": 1, "runs": [{"command": "quantize", "options": {"bit": 4}}]}'
refused 'run 1 .*"7" is not one of' '{"sweep": 1, "runs": [{"command": "quantize", "options": {"bits": 7}}]}'
refused '1.5 is not between 0 and' \
  '{"sweep": 1, "runs": [{"command": "prune", "options": {"sparsity": [0.5, 1.5]}}]}'
refused 'prune-pattern=4:4: .*4:4 is not N:M' \
  '{"sweep": 1, "runs": [{"command": "prune", "options": {"pattern": ["2:4", "4:4"]}}]}'
refused '2:7 does not divide its rows of' \
  '{"sweep": 1, "runs": [{"command": "prune", "options": {"pattern": "2:7"}}]}'
refused 'points 1 and 2 are both called x' \
  '{"sweep": 1, "runs": [{"id": "x", "command": "prune"}, {"id": "x", "command": "prune"}]}'
refused 'is given by the sweep itself' \
  '{"sweep": 1, "runs": [{"command": "prune", "options": {"output": "x"}}]}'
refused 'an empty list of values' '{"sweep": 1, "runs": [{"command": "prune", "options": {"bits": []}}]}'
check "nothing was made" [ ! -e "$scratch/none/results.jsonl" ]
finish
