#!/usr/bin/env bash
# Every pattern with every method: the zeros of each group, counted in the written file, are exactly
# those asked for; codes keep them.
. tests/cli/lib.sh

model=examples/tiny-tales
calibration=(--calibration examples/tiny-tales/eval.txt --calibration-tokens 256 --calibration-window 64)
zeros() { "$CHECKPOINT_TOOL" zeros "$1" _proj; }
groups() { "$CHECKPOINT_TOOL" groups "$1" _proj "$2" "$3"; } # FILE ROWS COLUMNS: count, least, most, mixed

for method in magnitude wanda wanda_threshold sparsegpt gradual; do
  options=(--method "$method")
  [ "$method" != magnitude ] && options+=("${calibration[@]}")
  case $method in sparsegpt | gradual) options+=(--parameter rounds=2 --parameter steps=1) ;; esac
  for pattern in 2:4 4:8 1:4; do
    n=${pattern%:*} m=${pattern#*:} file=$scratch/$method-$n-$m.swg
    expect_exit 0 "$method $pattern" "$SWAGE" prune "$model" -o "$file" -q --pattern "$pattern" "${options[@]}"
    read -r count least most _ <<<"$(groups "$file" 1 "$m")"
    check "$method leaves $n of each $m neighbours: $least to $most zeros in $count groups" \
      [ "$count $least $most" = "$((786432 / m)) $((m - n)) $((m - n))" ]
  done
  for rows in 16 32; do
    file=$scratch/$method-$rows.swg
    expect_exit 0 "$method ${rows}x1" "$SWAGE" prune "$model" -o "$file" -q --json --sparsity 0.5 \
      --block "${rows}x1" "${options[@]}"
    read -r count _ _ mixed <<<"$(groups "$file" "$rows" 1)"
    check "$method removes whole blocks of $rows rows: $mixed of $count are not" \
      [ "$count $mixed" = "$((786432 / rows)) 0" ]
    check "$method removes half of them" [ "$(zeros "$file")" = "393216 786432" ]
    check "$method reports them" [ "$(value pruned_zeros)" = 393216 ]
  done
done

# With codes a weight that stays may round to 0, none that went comes back.
for pattern in 2:4 4:8 1:4; do
  n=${pattern%:*} m=${pattern#*:} file=$scratch/codes-$n-$m.swg
  expect_exit 0 "codes $pattern" "$SWAGE" prune "$model" -o "$file" -q --pattern "$pattern" --bits 4 \
    --method wanda "${calibration[@]}"
  read -r count least _ <<<"$(groups "$file" 1 "$m")"
  check "codes leave at most $n of each $m neighbours: $least zeros at least" [ "$least" -ge $((m - n)) ]
done
finish
