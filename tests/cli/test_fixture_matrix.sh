#!/usr/bin/env bash
# Every reference fixture through every format that can carry it, and through every pair of formats:
# logits within 2e-4 of the reference, and weights of equal bytes at the end of each way.
. tests/cli/lib.sh
shared=${SWAGE_SHARED:-../shared}

# Largest difference of two files of float32 is at most 2e-4 (and they are equally long).
agree() { # FILE REFERENCE
  [ "$(stat -c %s "$1")" = "$(stat -c %s "$2")" ] &&
    paste <(od -An -v -w4 -tf4 "$1") <(od -An -v -w4 -tf4 "$2") |
    awk '{d = $1 - $2; if (d < 0) d = -d; if (!(d <= worst)) worst = d} END {exit !(worst <= 2e-4)}'
}
list() { tr -d ' \n' <"$1" | grep -oE "\"$2\":\[[0-9,]*\]" | sed -E 's/.*\[([0-9,]*)\]/\1/'; }
convert() { "$SWAGE" convert "$@" --quiet >/dev/null; }
path_of() { # FORMAT NAME: what to call a checkpoint of that format
  case $1 in folder) echo "$scratch/$2" ;; *) echo "$scratch/$2.$1" ;; esac
}

logits_agree() { # NAME MODEL FIXTURE
  local types=()
  local type_ids
  type_ids=$(list "$3/reference.json" token_type_ids)
  [ -z "$type_ids" ] || types=(--token-type-ids "$type_ids")
  "$SWAGE" logits "$2" --ids "$(list "$3/reference.json" input_ids)" "${types[@]}" \
    -o "$scratch/logits" --force --quiet
  check "$1: logits" agree "$scratch/logits" "$3/reference_logits.f32"
}

through_formats() { # FIXTURE MODEL FORMAT...
  local fixture=$1 model=$2 name first second from to ways=()
  shift 2
  name=$(basename "$fixture")
  logits_agree "$name" "$model" "$fixture"
  check "$name to one file of tensors" convert "$model" -o "$scratch/$name.safetensors"
  for first in "$@"; do
    from=$(path_of "$first" from)
    rm -rf "$from"
    check "$name to $first" convert "$model" -o "$from"
    logits_agree "$name from $first" "$from" "$fixture"
    for second in "$@"; do
      [ "$first" != "$second" ] || continue
      to=$(path_of "$second" "$first-to")
      check "$name from $first to $second" convert "$from" -o "$to"
      ways+=("$to")
    done
  done
  check "$name: equal weights on all ${#ways[@]} ways" \
    "$CHECKPOINT_TOOL" same "$model" "${ways[@]}"
  rm -rf "${ways[@]}"
}

for name in llama-tiny llama-tiny-bf16-sharded qwen2-tiny gpt2-tiny bert-tiny; do
  fixture=$shared/fixtures/$name
  if [ -d "$fixture" ]; then
    through_formats "$fixture" "$fixture" swg folder gguf h5
  else
    skip "fixtures/$name is absent"
  fi
done
for name in keras-lstm-tiny keras-gru-tiny; do
  fixture=$shared/fixtures/$name
  if [ -d "$fixture" ]; then
    through_formats "$fixture" "$fixture/model.h5" swg folder h5
  else
    skip "fixtures/$name is absent"
  fi
done
finish
