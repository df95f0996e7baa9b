#!/usr/bin/env bash
# --max-header and --max-memory: every format's header can be refused for its size, and a refused
# allocation ends a command with exit code 5 and nothing written.
. tests/cli/lib.sh
model=tests/runtime/fixtures/llama-linear
cp -r "$model" "$scratch/folder"
expect_exit 0 "a .swg" "$SWAGE" convert "$model" -o "$scratch/a.swg" -q
expect_exit 0 "a .gguf" "$SWAGE" convert "$model" -o "$scratch/a.gguf" -q
expect_exit 0 "shards" "$SWAGE" convert "$model" -o "$scratch/shards" --max-shard-bytes 2K -q
expect_exit 0 "an .h5" "$SWAGE" convert "$model" -o "$scratch/a.h5" -q
cp tests/formats/fixtures/state_dict.pt "$scratch/a.pt"
head -c 24 "$scratch/a.gguf" >"$scratch/cut.gguf"

for name in folder shards a.swg a.gguf a.h5 a.pt; do
  expect_exit 0 "$name within the limit" "$SWAGE" inspect "$scratch/$name" --max-header 1M
  expect_exit 5 "$name beyond the limit" "$SWAGE" inspect "$scratch/$name" --max-header 32
  expect_match "the limit for $name is named" "$stderr" '32'
  check "$name: no result" [ -z "$stdout" ]
done
expect_exit 3 "a truncated file is corrupt, not large" "$SWAGE" inspect "$scratch/cut.gguf" --max-header 1M
length=$(stat -c %s "$model/config.json")
header=$(od -An -tu8 -N8 "$model/model.safetensors" | tr -d ' ')
most=$((header > length ? header : length))
expect_exit 0 "exactly as long" "$SWAGE" inspect "$scratch/folder" --max-header $most
expect_exit 5 "one byte longer" "$SWAGE" inspect "$scratch/folder" --max-header $((most - 1))

for command in inspect verify logits; do
  [ "$command" = logits ] && set -- --ids 1,2 -o "$scratch/l" || set --
  expect_exit 5 "$command without memory" "$SWAGE" "$command" "$scratch/a.swg" "$@" --max-memory 1K
  expect_match "$command says what the limit was" "$stderr" 'limit of 1024'
done
expect_exit 5 "quantize without memory" "$SWAGE" quantize "$scratch/a.swg" -o "$scratch/q.swg" --max-memory 64K
check "nothing is written without memory" [ ! -e "$scratch/q.swg" ]
expect_exit 0 "quantize within its memory" "$SWAGE" quantize "$scratch/a.swg" -o "$scratch/q.swg" --max-memory 1G --threads 2
expect_exit 0 "verify within its memory" "$SWAGE" verify "$scratch/q.swg" --max-memory 256M --threads 2

for option in max-memory max-header; do
  for size in 0 -1 1.5G 1KB K 99999999999999999999; do
    expect_exit 2 "--$option $size" "$SWAGE" inspect "$scratch/a.swg" --$option=$size
  done
  expect_exit 0 "help has --$option" "$SWAGE" run --help
  expect_match "help has --$option" "$stdout" "--$option"
done
finish
