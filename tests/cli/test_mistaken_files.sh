#!/usr/bin/env bash
# Files that are not what their names say, names of models elsewhere, texts that are not plain texts,
# and words of other programs: each is recognised, and the sentence names the file and the way out.
. tests/cli/lib.sh
model=examples/tiny-tales
refused() { # CODE NAME PATTERN COMMAND...
  local code=$1 name=$2 pattern=$3
  shift 3
  expect_exit "$code" "$name" "$SWAGE" "$@"
  expect_match "$name" "$stderr" "$pattern"
  check "$name: nothing on standard output" [ -z "$stdout" ]
}

# Models.
pointer='version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n'
for name in m.gguf m.safetensors m.swg m.bin m; do
  printf '%b' "$pointer" >"$scratch/$name"
  refused 4 "a pointer called $name" "$scratch/$name is a Git LFS pointer.*git lfs pull" inspect "$scratch/$name"
done
mkdir "$scratch/folder"
cp "$model/config.json" "$scratch/folder"
cp "$scratch/m" "$scratch/folder/model.safetensors"
refused 4 "a pointer in a folder" 'folder/model.safetensors is a Git LFS pointer' quantize "$scratch/folder" -o "$scratch/q.swg"
for name in tokenizer.json config.json; do
  rm -rf "$scratch/folder"
  cp -r "$model" "$scratch/folder"
  cp "$scratch/m" "$scratch/folder/$name"
  refused 3 "a pointer as $name" 'folder: .* is a Git LFS pointer' run "$scratch/folder" -p x
done
echo '<!doctype html><html>' >"$scratch/page.safetensors"
refused 4 "a page" 'page.safetensors is an HTML page' inspect "$scratch/page.safetensors"
head -c 600 "$model/model.safetensors" | gzip >"$scratch/m.gguf.gz"
refused 4 "a compressed file" 'gzip -d' inspect "$scratch/m.gguf.gz"
tar -cf "$scratch/m.tar" -C "$model" config.json
refused 4 "an archive" 'tar -xf' inspect "$scratch/m.tar"
printf '\xff\xff\xff\xff\xff\xff\xff\x7f{"a":1}' >"$scratch/lies.safetensors"
refused 3 "a length that lies" 'lies.safetensors: a header of 9223372036854775807 bytes' inspect "$scratch/lies.safetensors"
refused 4 "a text" 'config.json is a text.*give the folder' inspect "$model/config.json"
{ printf '\xef\xbb\xbf' && cat "$model/config.json"; } >"$scratch/folder/config.json"
refused 3 "a configuration with a byte-order mark" 'byte-order mark' inspect "$scratch/folder"
refused 6 "a name on a hub" 'hf download Owner/Some-Model --local-dir Some-Model' run Owner/Some-Model -p x
refused 6 "an address" 'downloads nothing' inspect https://example.org/model.gguf
refused 6 "a name of ollama" 'ollama show --modelfile llama3:8b' run llama3:8b -p x
mkdir -p "$scratch/renamed" "$scratch/adapter" "$scratch/models--a--b/snapshots" "$scratch/nothing"
cp "$model/model.safetensors" "$scratch/renamed/b.safetensors"
cp "$model/model.safetensors" "$scratch/renamed/a.safetensors"
cp "$model/model.safetensors" "$scratch/adapter/adapter_model.safetensors"
echo '{}' >"$scratch/adapter/adapter_config.json"
refused 4 "another name" 'if a.safetensors is the model, give .*renamed/a.safetensors' inspect "$scratch/renamed"
refused 4 "an adapter" 'adapter holds an adapter \(PEFT\).*merge_and_unload' quantize "$scratch/adapter" -o "$scratch/q.swg"
refused 4 "a cache's folder" 'give the folder below its snapshots/' run "$scratch/models--a--b" -p x
refused 4 "an empty folder" 'nothing holds no checkpoint of a known format' inspect "$scratch/nothing"
refused 3 "weights alone" 'there is no config.json' run "$scratch/renamed/a.safetensors" -p x
rm -rf "$scratch/folder"
cp -r "$model" "$scratch/folder"
rm "$scratch/folder/tokenizer.json"
refused 4 "no tokenizer" 'folder: there is no tokenizer' run "$scratch/folder" -p x

# Texts.
sentence='Once upon a time there was a little girl who had a dog and a cat.'
echo "$sentence" | iconv -t UTF-16 >"$scratch/utf16"
echo "$sentence" | iconv -t UTF-32 >"$scratch/utf32"
echo "$sentence" >"$scratch/plain"
{ printf '\xef\xbb\xbf' && echo "$sentence"; } >"$scratch/marked"
for kind in utf16 utf32; do
  for how in "eval $model --text" "eval $model --data" "run $model --prompt-file" "tokenize $model --text" \
    "embed $model --text" "logits $model -o $scratch/l --ids" \
    "quantize $model -o $scratch/q.swg --method gptq --calibration" \
    "prune $model -o $scratch/p.swg --sparsity 0.5 --calibration" \
    "distill $model -o $scratch/d.swg --teacher $model --steps 1 --text"; do
    read -ra words <<<"$how"
    refused 4 "$how: $kind" "$scratch/$kind is not a plain text.*iconv" "${words[@]}" "$scratch/$kind"
  done
done
refused 4 "a model as text" 'is not a plain text: it is a safetensors checkpoint' eval "$model" --text "$model/model.safetensors"
head -c 100 /dev/zero >"$scratch/zeros"
refused 3 "binary as text" 'zeros is not a plain text: byte 0 is NUL' eval "$model" --text "$scratch/zeros"
expect_exit 0 "the plain text" "$SWAGE" eval "$model" --text "$scratch/plain" --context 8 --json
plain=$(value perplexity)
expect_exit 0 "a byte-order mark" "$SWAGE" eval "$model" --text "$scratch/marked" --context 8 --json
expect_match "it is said" "$stderr" "$scratch/marked begins with a byte-order mark, which is skipped"
check "it is skipped" [ "$(value perplexity)" = "$plain" ]
for i in 1 2 3 4; do echo '{"text": "Once upon a time", "label": '$i'}'; done >"$scratch/items.jsonl"
expect_exit 0 "JSON as text" "$SWAGE" eval "$model" --text "$scratch/items.jsonl" --context 8
expect_match "JSON as text is said" "$stderr" 'items.jsonl holds a JSON object per line.*--data'
expect_exit 0 "Latin-1" "$SWAGE" eval "$model" --text <(printf '%s caf\351\n' "$sentence") --context 8
expect_match "Latin-1 is said" "$stderr" 'is not UTF-8 at byte'
"$SWAGE" eval "$model" --text - --context 8 --json <"$scratch/plain" >"$scratch/stdout"
check "a text on standard input" [ "$(value perplexity)" = "$plain" ]

# A context beyond the model's positions.
expect_exit 0 "a long context" "$SWAGE" eval "$model" --text "$model/eval.txt" --context 512 --max-tokens 600 --json
expect_match "it is said" "$stderr" 'context of 512 tokens is longer than the 256 positions'
check "the limit is in the result" [ "$(value model_positions)" = 256 ]
expect_exit 0 "the usual context" "$SWAGE" eval "$model" --text "$model/eval.txt" --max-tokens 600
check "nothing to say" [ -z "$stderr" ]

# Words of other programs.
refused 2 "llama-cli" '"swage run MODEL --prompt TEXT"' llama-cli -m x
refused 2 "a type of llama.cpp" 'unexpected argument "out.gguf"; the output is given by --output' quantize x out.gguf Q4_K_M
refused 2 "the same alone" 'Q4_0 is --bits 4 --group-size 32' quantize "$model" -o "$scratch/q.gguf" Q4_0
refused 2 "a long option with one dash" 'unknown option -ngl' run "$model" -ngl 99
refused 2 "a level of zstd" 'unknown option -19; here it is --level' convert "$model" -o "$scratch/q.swg" -19
refused 2 "the opposite is not suggested" $'unknown option --no-tensors\nsee' inspect "$model" --no-tensors
refused 2 "options first" 'a command must come first' --threads 2 inspect "$model"
refused 2 "a late mistake refers to the help" 'see swage eval --help' eval "$model"
refused 2 "an unknown command of help" 'see swage --help' help nosuch
finish
