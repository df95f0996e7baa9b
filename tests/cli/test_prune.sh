#!/usr/bin/env bash
# swage prune on the example model: exact zeros in every output, which survive quantization; methods
# in their order; the same file for any number of threads and from its recipe; refusals.
. tests/cli/lib.sh

model=examples/tiny-tales text=examples/tiny-tales/eval.txt
calibration=(--calibration "$text" --calibration-tokens 2048 --calibration-window 128)
rounds=()
better() { check "$@"; }
# Under sanitizers: less text and fewer rounds, which say nothing of quality.
if grep -q '^SWAGE_SANITIZE:STRING=.' "$(dirname "$SWAGE")/CMakeCache.txt" 2>/dev/null; then
  calibration=(--calibration "$text" --calibration-tokens 512 --calibration-window 128)
  rounds=(--parameter rounds=1 --parameter steps=1)
  better() { :; }
  skip "quality is not judged under sanitizers"
fi
less() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'; }

pruned() { # NAME OPTIONS...
  local name=$1
  shift
  expect_exit 0 "prune $name" "$SWAGE" prune "$model" -o "$scratch/$name.swg" --json -q "$@"
}
diverges() { # NAME: its mean divergence
  expect_exit 0 "divergence of $1" "$SWAGE" eval "$scratch/$1.swg" --ref "$model" --text "$text" \
    --protocol gptq --context 128 --max-tokens 2048 --activations f32 --json -q
  value kld_mean
}
zeros() { "$CHECKPOINT_TOOL" zeros "$1" "${2:-_proj}"; } # FILE [PART OF NAMES]: zeros and elements

pruned magnitude --sparsity 0.5
expect_keys "report" tensors_pruned pruned_weights pruned_zeros pruned_raw_bytes pruned_stored_bytes file_bytes
counted="$(value pruned_zeros) $(value pruned_weights)"
check "the file has the zeros that were reported: $counted" [ "$(zeros "$scratch/magnitude.swg")" = "$counted" ]
pruned wanda --sparsity 0.5 --method wanda "${calibration[@]}"
pruned gradual --sparsity 0.5 "${rounds[@]}" "${calibration[@]}"
magnitude=$(diverges magnitude) wanda=$(diverges wanda) gradual=$(diverges gradual)
better "wanda beats magnitude: $wanda, $magnitude" less "$wanda" "$magnitude"
better "gradual beats wanda: $gradual, $wanda" less "$gradual" "$wanda"

# With the unchanged model beside each matrix makes up for the errors before it, which is the default.
pruned paired --sparsity 0.5 --statistics paired "${rounds[@]}" "${calibration[@]}"
check "paired is the default" cmp -s "$scratch/gradual.swg" "$scratch/paired.swg"
pruned sequential --sparsity 0.5 --statistics sequential "${rounds[@]}" "${calibration[@]}"
sequential=$(diverges sequential)
better "paired statistics lose less: $gradual, $sequential" less "$gradual" "$sequential"
# Magnitude looks at no text unless it is asked to.
pruned untouched --sparsity 0.5 --method magnitude "${calibration[@]}"
check "the same zeros with a text" [ "$(diverges untouched)" = "$magnitude" ]
pruned target --sparsity 0.5 --method magnitude --statistics paired "${calibration[@]}"
target=$(diverges target)
better "magnitude gains by paired statistics: $target, $magnitude" less "$target" "$magnitude"

# The same numbers in an ordinary checkpoint, with zeros.
expect_exit 0 "prune to a folder" "$SWAGE" prune "$model" -o "$scratch/folder" -q --sparsity 0.5
check "a folder has the same zeros" [ "$(zeros "$scratch/folder")" = "$counted" ]

# Zeros survive later passes.
for how in "full --method rtn" "full --method gptq" "paired --method rtn" "paired"; do
  # shellcheck disable=SC2086 # words
  expect_exit 0 "quantize on $how" "$SWAGE" quantize "$scratch/magnitude.swg" -q -f \
    -o "$scratch/later.swg" --statistics $how "${calibration[@]}"
  read -r found all <<<"$(zeros "$scratch/later.swg")"
  check "$how keeps zeros: $found of $all" [ "$found" -ge "${counted% *}" ]
done
for how in sequential paired; do
  expect_exit 0 "prune again" "$SWAGE" prune "$scratch/magnitude.swg" -q -f -o "$scratch/later.swg" \
    --sparsity 0.2 --statistics "$how" "${rounds[@]}" "${calibration[@]}"
  read -r found all <<<"$(zeros "$scratch/later.swg")"
  check "pruning less on $how statistics keeps zeros" [ "$found" -ge "${counted% *}" ]
done

# Together with quantization: small, and better than one after the other.
joint=(--sparsity 0.5 --bits 4 --group-size 128 "${rounds[@]}" "${calibration[@]}")
pruned joint "${joint[@]}"
check "at most 3.9 bits per weight before compression" less "$(value pruned_raw_bytes)" \
  "$(awk -v n="$(value pruned_weights)" 'BEGIN { print n * 3.9 / 8 }')"
check "at most 3.2 bits per weight in the file" less "$(value pruned_stored_bytes)" \
  "$(awk -v n="$(value pruned_weights)" 'BEGIN { print n * 3.2 / 8 }')"
expect_exit 0 "one after the other" "$SWAGE" quantize "$scratch/gradual.swg" -q -o "$scratch/after.swg" \
  --method gptq --bits 4 --group-size 128 "${calibration[@]}"
joint_kl=$(diverges joint) after_kl=$(diverges after)
better "joint beats one after the other: $joint_kl, $after_kl" less "$joint_kl" "$after_kl"

# The same bytes for any number of threads, and again from the recipe in the output.
for threads in 1 3; do
  expect_exit 0 "joint on $threads threads" "$SWAGE" prune "$model" -o "$scratch/t$threads.swg" -q \
    --threads "$threads" "${joint[@]}"
  check "the same file on $threads threads" cmp -s "$scratch/joint.swg" "$scratch/t$threads.swg"
done
expect_exit 0 "inspect" "$SWAGE" inspect "$scratch/joint.swg" --json
cp "$scratch/stdout" "$scratch/recipe.json"
expect_exit 0 "again by recipe" "$SWAGE" prune "$model" -o "$scratch/again.swg" -q \
  --recipe "$scratch/recipe.json" "${calibration[@]}"
check "the recipe gives the same file" cmp -s "$scratch/joint.swg" "$scratch/again.swg"
expect_exit 0 "verify" "$SWAGE" verify "$scratch/joint.swg"

# Patterns have their own storage; ratios of their own are rules of the recipe.
pruned pairs --pattern 2:4 --bits 4
check "2:4 is stored as pairs" grep -q '"scheme": "2of4-int4-g64-sym-f16"' "$scratch/stdout"
pruned blocks --sparsity 0.5 --block 16x1 --bits 4
check "blocks are stored as blocks" grep -q '"scheme": "block16x1-int4-g64-sym-f16"' "$scratch/stdout"
# Sparse panels give the logits that dense ones give, for any number of tokens at once: without vector sets
# sparse matrices are dense in memory.
pruned masks --sparsity 0.5 --bits 4
for file in masks pairs blocks; do
  for n in 1 7 8 9 16 17; do
    ids=$(seq -s, 3 $((n + 2)))
    expect_exit 0 "logits of $file, $n" "$SWAGE" logits "$scratch/$file.swg" --ids "$ids" -o "$scratch/logits" --force
    SWAGE_ISA=scalar expect_exit 0 "dense logits of $file, $n" "$SWAGE" logits "$scratch/$file.swg" --ids "$ids" \
      -o "$scratch/dense" --force
    check "$n tokens times $file, as dense" cmp -s "$scratch/logits" "$scratch/dense"
  done
done
# Codes of a codebook have no sparse format: they stay dense, with as many zeros.
echo '{"recipe": 1, "rules": [{"classes": "linear", "format": "codebook", "sparsity": 0.5}]}' \
  >"$scratch/codebook.json"
pruned codebook --recipe "$scratch/codebook.json"
read -r found all <<<"$(zeros "$scratch/codebook.swg")"
check "a codebook keeps the zeros: $found of $all" [ "$found" -ge "$(value pruned_zeros)" ]
# Statistics and transforms of a recipe need a text, and are what is done.
for other in '"transforms": ["awq"]' '"statistics": "paired"'; do
  echo "{\"recipe\": 1, $other, \"rules\": [{\"classes\": \"linear\", \"bits\": 4, \"sparsity\": 0.5}]}" \
    >"$scratch/other.json"
  expect_exit 2 "$other without a text" "$SWAGE" prune "$model" -o "$scratch/none.swg" --recipe "$scratch/other.json"
  pruned other -f --recipe "$scratch/other.json" "${calibration[@]}"
  expect_exit 0 "inspect" "$SWAGE" inspect "$scratch/other.swg" --json
  check "the history has $other" grep -q "${other//[\[\]]/.}" <(tr -d '\n' <"$scratch/stdout" | sed 's/\[ */[/g; s/ *\]/]/g')
done
expect_exit 2 "statistics twice" "$SWAGE" prune "$model" -o "$scratch/none.swg" --recipe "$scratch/other.json" \
  --statistics full "${calibration[@]}"
expect_match "statistics twice" "$stderr" 'statistics is given by the recipe'
for how in global owl sensitivity; do
  pruned "$how" --sparsity 0.4 --method wanda_threshold --allocate "$how" "${calibration[@]}"
  check "$how prunes as much in total" less "$(awk -v a="$(value pruned_zeros)" -v n="$(value pruned_weights)" \
    'BEGIN { d = a / n - 0.4; print d < 0 ? -d : d }')" 0.001
  check "$how is in the recipe" grep -q '"tensors": ' "$scratch/stdout"
done
expect_exit 0 "few tokens" "$SWAGE" prune "$model" -o "$scratch/few.swg" --sparsity 0.5 --method sparsegpt \
  --parameter damping=0 --calibration "$text" --calibration-tokens 32 --calibration-window 32
expect_match "more damping than asked for is said" "$stderr" 'with a damping of .* instead of 0;'
expect_exit 0 "dry run" "$SWAGE" prune "$model" -o "$scratch/dry.swg" -n --sparsity 0.5 --json
expect_match "a dry run says how many" "$(value pruned_zeros) $(value pruned_weights)" "^$counted\$"
check "a dry run writes nothing" [ ! -e "$scratch/dry.swg" ]

# Statistics of the whole model, kept for the next recipe.
pruned full --sparsity 0.5 --method wanda --statistics full "${calibration[@]}"
expect_exit 0 "from the cache" "$SWAGE" prune "$model" -o "$scratch/cached.swg" --sparsity 0.5 --method wanda \
  --statistics full "${calibration[@]}"
expect_match "statistics are taken from the cache" "$stderr" "statistics taken from $scratch/cache"
check "the same file from the cache" cmp -s "$scratch/full.swg" "$scratch/cached.swg"

# Whole parts: a smaller ordinary model, whose refit recovers much of what was lost.
perplexity() { # MODEL
  expect_exit 0 "perplexity of $1" "$SWAGE" eval "$1" --text "$text" --max-tokens 4096 --json -q
  value perplexity
}
smaller() { # NAME OPTIONS...
  local name=$1
  shift
  expect_exit 0 "smaller $name" "$SWAGE" prune "$model" -o "$scratch/$name" --json -q "${calibration[@]}" "$@"
}
smaller refitted --structured ffn=0.25
expect_match "parameters" "$(value parameters_before) $(value parameters_after)" "^918656 771200\$"
check "the configuration says so" grep -q '"intermediate_size": *288' "$scratch/refitted/config.json"
smaller cut --structured ffn=0.25 --no-refit
original=$(perplexity "$model") refitted=$(perplexity "$scratch/refitted") cut=$(perplexity "$scratch/cut")
better "refit recovers 40 %: $original, $refitted without, $cut with" awk -v o="$original" -v r="$refitted" \
  -v c="$cut" 'BEGIN { exit !(c > o && r - o <= 0.6 * (c - o)) }'
smaller fewer --structured layers=0.25
smaller bare --structured layers=0.25 --no-refit
refitted=$(perplexity "$scratch/fewer") cut=$(perplexity "$scratch/bare")
better "the layers that stay make up for one: $original, $refitted, $cut without refit" awk -v o="$original" \
  -v r="$refitted" -v c="$cut" 'BEGIN { exit !(c > o && r - o <= 0.6 * (c - o)) }'
smaller all.swg --structured layers=0.25 --structured hidden=0.1 --structured kv-groups=0.5 --structured ffn=0.1
check "layers" grep -q '"kept": false' "$scratch/stdout"
expect_exit 0 "inspect" "$SWAGE" inspect "$scratch/all.swg" --json
expect_match "it runs" "$(value verdict)$(grep -c '"name": "model.layers.3' "$scratch/stdout")" "0\$"
expect_exit 0 "it is quantized as any other" "$SWAGE" quantize "$scratch/all.swg" -o "$scratch/all4.swg" -q

# Refusals, before any work.
out=$scratch/none.swg
refused() { # PATTERN OPTIONS...
  local pattern=$1
  shift
  expect_exit 2 "$*" "$SWAGE" prune "$model" -o "$out" "$@"
  expect_match "$*" "$stderr" "$pattern"
}
refused 'nothing would be pruned'
refused '--sparsity: 1 is not between 0 and 0.9999' --sparsity 1
refused '--sparsity: -0.5 is not between 0 and 0.9999' --sparsity -0.5
refused '--sparsity: "nan" is not a number' --sparsity nan
refused '0:4 is not N:M with N from 1 to M - 1' --pattern 0:4
refused '5:4 is not N:M with N from 1 to M - 1' --pattern 5:4
refused 'would lose 0\.[0-9]+ of its weights to the global threshold, more than 0\.95' --sparsity 0.98 --allocate global
refused '4:4 is not N:M' --pattern 4:4
refused '2:7 does not divide its rows of [0-9]+ columns' --pattern 2:7
refused 'blocks of 48 rows do not divide its [0-9]+ rows' --sparsity 0.5 --block 48x1
refused '16x2 is not Rx1' --sparsity 0.5 --block 16x2
refused '--pattern 2:4 says the sparsity' --pattern 2:4 --sparsity 0.5
refused '--calibration FILE' --sparsity 0.5 --method wanda
refused '--calibration FILE' --sparsity 0.5 --allocate owl
refused 'leaves --allocate global no ratio' --pattern 2:4 --allocate global
refused 'no parameter "damp"' --sparsity 0.5 --parameter damp=1
refused '--statistics is of use only with --calibration' --sparsity 0.5 --statistics paired
for option in "--group-size 64" --asymmetric "--quant-method rtn" "--embedding-bits 8"; do
  # shellcheck disable=SC2086
  refused "${option% *} is of use only with --bits" --sparsity 0.5 $option
done
for option in "--cache $scratch/cache" --no-cache "--device cpu"; do
  # shellcheck disable=SC2086
  refused "${option% *} is of use only with --calibration" --sparsity 0.5 $option
done
refused '--cache and --no-cache exclude each other' --sparsity 0.5 --no-cache --cache "$scratch" "${calibration[@]}"
refused '--transform is of use only with --bits' --sparsity 0.5 --transform awq
refused '--calibration FILE gives a text' --sparsity 0.5 --bits 4 --transform awq
refused 'ratio is a number above 0 and below 1, not "1"' --structured ffn=1 "${calibration[@]}"
for value in 1 -1 1.5 '"4:4"' '"2:65"'; do
  echo "{\"recipe\": 1, \"rules\": [{\"classes\": \"linear\", \"sparsity\": $value}]}" >"$scratch/bad.json"
  refused "rule 1: \"sparsity\" is not valid: $value is not a fraction" --recipe "$scratch/bad.json"
done
refused 'removes none of 2' --structured kv-groups=0.4 "${calibration[@]}"
refused 'leaves 3 of 4 heads, which are not divisible by 2 kv groups' --structured heads=0.25 "${calibration[@]}"
refused 'did you mean layers' --structured layer=0.5 "${calibration[@]}"
refused 'is given twice' --structured ffn=0.5 --structured ffn=0.25 "${calibration[@]}"
refused '--calibration FILE' --structured ffn=0.5
refused '--sparsity is about single weights' --structured ffn=0.5 --sparsity 0.5
refused '--statistics is about single weights' --structured ffn=0.5 --statistics full "${calibration[@]}"
refused '--no-refit is of use only with --structured' --sparsity 0.5 --no-refit
refused '--tensors is about single weights' --structured ffn=0.5 --tensors '*' "${calibration[@]}"
refused '--cache is about full statistics' --structured ffn=0.5 --cache "$scratch" "${calibration[@]}"
check "nothing was written" [ ! -e "$out" ]
for option in --dense "--level 9"; do
  # shellcheck disable=SC2086
  expect_exit 2 "$option of a folder" "$SWAGE" prune "$model" -o "$scratch/none" --sparsity 0.5 $option
  expect_match "$option of a folder" "$stderr" "--.* is about a .swg, which .*/none is not"
done

# What changes nothing is said where it cannot be refused: the runs of a sweep share a text.
expect_exit 0 "a text for nothing" "$SWAGE" prune "$model" -o "$scratch/said.swg" -n --sparsity 0.5 \
  --method magnitude "${calibration[@]}"
expect_match "a text for nothing" "$stderr" "eval.txt changes nothing: no method here looks at inputs"
expect_exit 0 "a cache for nothing" "$SWAGE" prune "$model" -o "$scratch/said.swg" -n --sparsity 0.5 \
  --no-cache "${calibration[@]}"
expect_match "a cache for nothing" "$stderr" "--no-cache changes nothing: only full statistics are kept"

# Embeddings and output heads have the same default as in swage quantize.
embedding_scheme() { sed -n '/embed_tokens/,/"scheme":/p' "$scratch/stdout" | grep '"scheme":'; }
for bits in "" "--embedding-bits 8" "--embedding-bits 4" "--embedding-bits 16"; do
  # shellcheck disable=SC2086
  expect_exit 0 "quantize" "$SWAGE" quantize "$model" -o "$scratch/e.swg" -n --json --bits 4 $bits
  as_quantized=$(embedding_scheme)
  # shellcheck disable=SC2086
  pruned embedding -n --sparsity 0.5 --bits 4 $bits
  check "the embedding is as quantize makes it with \"$bits\": $as_quantized" \
    [ "$(embedding_scheme)" = "$as_quantized" ]
done

# OWL's range is that of the layers that are pruned: 0.16 of a layer's weights between the ends.
expect_exit 0 "OWL beside a layer that stays" "$SWAGE" prune "$model" -o "$scratch/owl" -q --sparsity 0.5 --method wanda \
  --allocate owl --keep model.layers.0 "${calibration[@]}"
for layer in 1 2 3; do zeros "$scratch/owl" "model.layers.$layer.mlp"; done >"$scratch/counts"
check "the range of OWL's ratios" awk '{ r = $1 / $2; if (NR == 1 || r < a) a = r; if (NR == 1 || r > b) b = r }
  END { exit !(b - a > 0.14 && b - a < 0.18) }' "$scratch/counts"

# A layer that gives NaN turns its rows by no angle: it is not the one that does least.
cp -r "$model" "$scratch/damaged"
printf '\377\377\377\177' | dd of="$scratch/damaged/model.safetensors" bs=1 seek=1800000 conv=notrunc status=none
expect_exit 1 "NaN in a layer" "$SWAGE" prune "$scratch/damaged" -o "$out" --structured layers=0.25 "${calibration[@]}"
expect_match "it names the layer" "$stderr" 'layer [0-9]+ .*not finite.*swage verify'

# What cannot be written is refused before any work.
touch "$scratch/there.swg"
for how in "--sparsity 0.5 --method wanda --allocate sensitivity" "--structured ffn=0.25"; do
  # shellcheck disable=SC2086
  expect_exit 2 "an output that is there: $how" "$SWAGE" prune "$model" -o "$scratch/there.swg" $how --calibration "$scratch/none.txt"
  expect_match "it says so" "$stderr" 'there.swg exists; use --force'
  # shellcheck disable=SC2086
  expect_exit 6 "no folder: $how" "$SWAGE" prune "$model" -o "$scratch/none/x.swg" $how --calibration "$scratch/none.txt"
  expect_match "it says so" "$stderr" 'none is not a folder'
done
finish
