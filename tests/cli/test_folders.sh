#!/usr/bin/env bash
# Folders: what is written into them, what goes, what is left behind and said, links that lead to
# nothing, and what killed runs left.
. tests/cli/lib.sh

cp -r examples/tiny-tales "$scratch/model"
chmod -R u+w "$scratch/model"
listing() { (cd "$1" && find . -mindepth 1 | sort | tr '\n' ' '); }
plain='./config.json ./model.safetensors ./tokenizer.json ./tokenizer_config.json '

# Into folders that are not empty.
expect_exit 0 "a new folder" "$SWAGE" convert "$scratch/model" -o "$scratch/out"
check "its files" [ "$(listing "$scratch/out")" = "$plain" ]
mkdir "$scratch/empty"
expect_exit 0 "an empty folder" "$SWAGE" convert "$scratch/model" -o "$scratch/empty" -q
check "nothing is said" [ -z "$stderr" ]
mkdir "$scratch/other" && echo '{"not": "mine"}' >"$scratch/other/tokenizer.json"
mkdir "$scratch/mute" && cp "$scratch/model/"{config.json,model.safetensors} "$scratch/mute"
expect_exit 2 "a folder with another tokenizer" "$SWAGE" convert "$scratch/mute" -o "$scratch/other"
expect_match "it is named" "$stderr" 'other is not empty \(it holds tokenizer\.json\).*--force'
check "nothing was written" [ "$(listing "$scratch/other")" = './tokenizer.json ' ]
touch "$scratch/other/notes.txt"
expect_exit 0 "forced" "$SWAGE" convert "$scratch/mute" -o "$scratch/other" --force
check "the old tokenizer is gone, foreign files stay" \
  [ "$(listing "$scratch/other")" = './config.json ./model.safetensors ./notes.txt ' ]
expect_exit 0 "shards" "$SWAGE" convert "$scratch/model" -o "$scratch/shards" --max-shard-bytes 1M
check "there are shards" [ -e "$scratch/shards/model-00004-of-00004.safetensors" ]
expect_exit 2 "shards are not replaced" "$SWAGE" convert "$scratch/model" -o "$scratch/shards"
expect_exit 0 "other shards, forced" "$SWAGE" convert "$scratch/model" -o "$scratch/shards" --max-shard-bytes 2M --force
check "no old shards" [ "$(listing "$scratch/shards")" = \
  './config.json ./model-00001-of-00002.safetensors ./model-00002-of-00002.safetensors ./model.safetensors.index.json ./tokenizer.json ./tokenizer_config.json ' ]
expect_exit 0 "one file, forced" "$SWAGE" convert "$scratch/model" -o "$scratch/shards" --force
check "no shards" [ "$(listing "$scratch/shards")" = "$plain" ]

# What a folder holds and is not carried is said, once.
mkdir -p "$scratch/said/1_Pooling"
cp "$scratch/model/"{config.json,model.safetensors,tokenizer.json,tokenizer_config.json} "$scratch/said"
touch "$scratch/said/"{notes.txt,modeling_own.py,.hidden}
for command in "convert -o $scratch/s1" "quantize -o $scratch/s2.swg"; do
  # shellcheck disable=SC2086
  expect_exit 0 "${command%% *} with other files" "$SWAGE" ${command%% *} "$scratch/said" ${command#* }
  expect_match "${command%% *} names them" "$stderr" 'note: not carried along.*: (1_Pooling/, )?modeling_own\.py and notes\.txt'
  check "once" [ "$(grep -c 'not carried' "$scratch/stderr")" = 1 ]
done
expect_exit 0 "with --quiet" "$SWAGE" convert "$scratch/said" -o "$scratch/s3" --quiet
check "with --quiet nothing is said" [ -z "$stderr" ]

# Links that lead to nothing, or to themselves, are not absent files.
for file in config.json tokenizer.json tokenizer_config.json model.safetensors; do
  for goal in ../blobs/gone "$file"; do
    rm -rf "$scratch/linked" && cp -r "$scratch/out" "$scratch/linked"
    rm "$scratch/linked/$file" && ln -s "$goal" "$scratch/linked/$file"
    for command in "inspect" "quantize -o $scratch/l.swg" "convert -o $scratch/l"; do
      # shellcheck disable=SC2086
      expect_exit 6 "${command%% *}: $file leads to $goal" "$SWAGE" ${command%% *} "$scratch/linked" ${command#"${command%% *}"}
      expect_match "${command%% *}: the link is named" "$stderr" "linked/$file is a link that leads (to nothing|back to itself)"
    done
  done
done
check "nothing was written for them" [ ! -e "$scratch/l" -a ! -e "$scratch/l.swg" ]

# A killed run's temporary file goes with the next run, one of a live process stays.
sleep 60 &
alive=$!
(exit 0) & # its id is free once it is waited for
dead=$!
wait "$dead"
for number in "$alive.0" "$dead.0" "$dead.1"; do echo x >"$scratch/k.swg.swage-tmp.$number"; done
echo x >"$scratch/k.swg.swage-tmp.notanumber" && echo x >"$scratch/k.swgg.swage-tmp.$dead.0"
expect_exit 0 "after a killed run" "$SWAGE" convert "$scratch/out" -o "$scratch/k.swg"
kill "$alive"
check "its files are gone" [ ! -e "$scratch/k.swg.swage-tmp.$dead.0" -a ! -e "$scratch/k.swg.swage-tmp.$dead.1" ]
check "those of a live process stay" [ -e "$scratch/k.swg.swage-tmp.$alive.0" ]
check "other names stay" [ -e "$scratch/k.swg.swage-tmp.notanumber" -a -e "$scratch/k.swgg.swage-tmp.$dead.0" ]
long=$(printf 'n%.0s' {1..251}).swg
expect_exit 0 "the longest name" "$SWAGE" convert "$scratch/out" -o "$scratch/$long"
check "it is there" [ -s "$scratch/$long" ]

# A context beyond the model's positions is said, and in the result.
expect_exit 0 "eval beyond the positions" "$SWAGE" eval "$scratch/model" --text "$scratch/model/eval.txt" --context 512 --max-tokens 1024
expect_match "it warns" "$stderr" 'note: the context of 512 tokens is longer than the 256 positions'
expect_match "it is in the result" "$stdout" 'context 512 \(the model was made for 256\)'
expect_exit 0 "eval beyond the positions, as JSON" "$SWAGE" eval "$scratch/model" --text "$scratch/model/eval.txt" --context 512 --max-tokens 1024 --json
check "the limit is in the JSON" [ "$(value model_positions)" = 256 ]
expect_exit 0 "eval within them" "$SWAGE" eval "$scratch/model" --text "$scratch/model/eval.txt" --context 256 --max-tokens 1024
check "no warning" [ -z "$stderr" ]
finish
