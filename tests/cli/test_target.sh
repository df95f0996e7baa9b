#!/usr/bin/env bash
# A target instead of a recipe: the file is within it and uses it, its predictions diverge less than
# those of a uniform recipe of the same bytes, and what cannot be reached is refused by both numbers.
. tests/cli/lib.sh

export XDG_CACHE_HOME=$scratch/cache
model=examples/tiny-tales text=examples/tiny-tales/eval.txt
calibration=(--calibration "$text" --calibration-tokens 4096 --calibration-window 128)
less() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'; }
bytes_of() { stat -c %s "$scratch/$1.swg"; }

quantized() { # NAME OPTIONS...
  local name=$1
  shift
  expect_exit 0 "quantize $name" "$SWAGE" quantize "$model" -o "$scratch/$name.swg" --json \
    "${calibration[@]}" "$@"
}
diverges() { # NAME: its mean divergence, on text of which the calibration saw a part
  expect_exit 0 "divergence of $1" "$SWAGE" eval "$scratch/$1.swg" --ref "$model" --text "$text" \
    --protocol gptq --context 128 --json -q --activations f32
  value kld_mean
}

quantized uniform --bits 4 --method gptq
budget=$(bytes_of uniform)
quantized target --target-bytes "$budget"
expect_keys "the search is reported" decisions estimated_kld measured_per_estimate predicted_kld \
  held_out_kld held_out_tokens_scored search_s quantize_s search_share tries target_bytes verified
expect_match "tries are told" "$stderr" 'try 1: [0-9]+ bytes'
expect_match "the first search measures sensitivities" "$stderr" 'sensitivities measured in'
check "the first measurement calibrates the estimate: $(value estimated_kld) * \
$(value measured_per_estimate) is $(value predicted_kld)" awk -v e="$(value estimated_kld)" \
  -v c="$(value measured_per_estimate)" -v p="$(value predicted_kld)" \
  'BEGIN { exit !(p > 0 && e * c / p > 0.999 && e * c / p < 1.001) }'
size=$(bytes_of target)
check "within the budget: $size of $budget" [ "$size" -le "$budget" ]
check "all but 1 % of it is used: $size of $budget" [ $((size * 100)) -ge $((budget * 99)) ]
uniform=$(diverges uniform) target=$(diverges target)
check "closer than the uniform recipe: $target, $uniform" less "$target" "$uniform"

quantized again --target-bytes "$budget" --threads 1
expect_match "the second search takes the sensitivities that the first measured" "$stderr" \
  'sensitivities taken from .*/cache/swage'
check "the same file on one thread" cmp -s "$scratch/target.swg" "$scratch/again.swg"
expect_exit 0 "inspect" "$SWAGE" inspect "$scratch/target.swg" --json
check "the history holds the decisions" grep -q '"decisions"' "$scratch/stdout"
expect_exit 0 "its recipe" "$SWAGE" inspect "$scratch/target.swg" --recipe
printf '%s\n' "$stdout" >"$scratch/recipe.json"
quantized by-recipe --recipe "$scratch/recipe.json"
expect_exit 0 "the recipe gives the same weights" "$SWAGE" eval "$scratch/by-recipe.swg" \
  --ref "$scratch/target.swg" --text "$text" --max-tokens 1024 --json -q
check "no divergence between the two" [ "$(value kld_max)" = 0 ]

quantized full --target-bytes "$budget" --statistics full
check "a neighbour is verified, too" [ "$(grep -c '"what"' "$scratch/stdout")" -ge 2 ]
check "within the budget: $(bytes_of full) of $budget" [ "$(bytes_of full)" -le "$budget" ]

quantized bits --target-bits 4.5 --method gptq
check "at most 4.5 bits per parameter" less "$(value file_bits_per_parameter)" 4.5001
check "gptq alone" sh -c "! grep -q entropy '$scratch/stdout'"
quantized kld --max-kld 0.02
check "the divergence on held out text is within the limit" less "$(value held_out_kld)" 0.02
quantized kept --target-bytes "$((budget * 2))" --keep o_proj
check "what is kept is not searched" sh -c "! grep -q '\"tensor\": *\"[^\"]*o_proj' '$scratch/stdout'"

expect_exit 0 "dry run" "$SWAGE" quantize "$model" -o "$scratch/dry.swg" -n --target-bytes "$budget" \
  "${calibration[@]}"
expect_match "a dry run predicts" "$stdout" 'divergence: [0-9.]+ nats per token estimated'

check "a dry run writes nothing" [ ! -e "$scratch/dry.swg" ]

# Sensitivities that eval measured weigh the estimates: what costs more gets more bytes.
expect_exit 0 "sensitivities" "$SWAGE" eval "$scratch/uniform.swg" --ref "$model" --text "$text" --context 64 \
  --max-tokens 128 --sensitivity --results "$scratch/measured.jsonl" -q
tensor=model.layers.0.mlp.down_proj.weight
planned() { # FILE: bytes that the search gives to $tensor
  expect_exit 0 "a search by $1" "$SWAGE" quantize "$model" -o "$scratch/dry.swg" -n --json \
    --target-bytes "$budget" "${calibration[@]}" --sensitivity "$scratch/$1"
  tr -d ' \n' <"$scratch/stdout" | sed -nE "s/.*\"tensor\":\"$tensor\",\"chosen\":\[\"[^\"]*\",[^,]*,([0-9]+).*/\1/p"
}
measured_as() { # FILE KLD: $tensor cost that much
  sed -E "s/(\"name\":\"$tensor\"[^}]*\"sensitivity_kld\":)[^},]*/\1$2/" "$scratch/measured.jsonl" >"$scratch/$1"
}
measured_as more.jsonl 1
measured_as less.jsonl 1e-9
more=$(planned more.jsonl) less=$(planned less.jsonl) as_is=$(planned measured.jsonl)
check "bytes by sensitivity: $less, $as_is, $more" [ "$less" -lt "$as_is" -a "$as_is" -lt "$more" ]
expect_match "it is told" "$(cat "$scratch/stderr")" 'measured.jsonl: 29 of 29 matrices weighed by their measured sensitivities'
weighed() { "$SWAGE" quantize "$model" -o "$scratch/dry.swg" "${calibration[@]}" --sensitivity "$scratch/$1" "${@:2}"; }
sed 's/"base_hash":"./"base_hash":"x/' "$scratch/measured.jsonl" >"$scratch/other.jsonl"
expect_exit 2 "those of another model" weighed other.jsonl --target-bytes "$budget"
expect_match "both hashes" "$stderr" 'were measured in .*tiny-tales, whose hash is x[0-9a-f]+; that of .* is [0-9a-f]+'
sed "s/$tensor/layer 0/" "$scratch/measured.jsonl" >"$scratch/layers.jsonl"
expect_exit 2 "those of layers" weighed layers.jsonl --target-bytes "$budget"
expect_match "the name" "$stderr" 'tensor layer 0 was measured, but is not among the 29 matrices'
echo '{"results_version": 1, "id": "x", "status": "ok"}' >"$scratch/none.jsonl"
expect_exit 2 "results without any" weighed none.jsonl --target-bytes "$budget"
expect_match "says who writes them" "$stderr" 'none.jsonl: no record has the sensitivity of tensors: swage eval'
echo '{"results_version": 1}' >"$scratch/bad.jsonl"
expect_exit 3 "a bad record" weighed bad.jsonl --target-bytes "$budget"
expect_exit 2 "without a target" weighed measured.jsonl --bits 4

out=$scratch/dry.swg
expect_exit 1 "below the minimum" "$SWAGE" quantize "$model" -o "$out" --target-bytes 1000 \
  "${calibration[@]}"
expect_match "both numbers are named" "$stderr" 'at most 1000 bytes .* smallest .* about [0-9]+'
expect_exit 1 "a divergence that no candidate reaches" "$SWAGE" quantize "$model" -o "$out" \
  --max-kld 1e-9 "${calibration[@]}"
expect_match "the closest is named" "$stderr" 'closest try has'
expect_exit 2 "two targets" "$SWAGE" quantize "$model" -o "$out" --target-bytes 1M --max-kld 1 \
  "${calibration[@]}"
expect_exit 2 "bits and a target" "$SWAGE" quantize "$model" -o "$out" --target-bytes 1M --bits 4 \
  "${calibration[@]}"
expect_exit 2 "no text" "$SWAGE" quantize "$model" -o "$out" --target-bytes 1M
expect_match "the text is asked for" "$stderr" '--calibration FILE'
check "nothing is left" [ ! -e "$out" ]
check "no journal and no try is left" sh -c "! ls '$scratch'/*.swage-resume '$scratch'/*.try.swg 2>/dev/null"
finish
