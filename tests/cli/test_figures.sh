#!/usr/bin/env bash
# scripts/figures: what drifted is told and mended, the rest of a document stays, rates wait for
# --speed.
. tests/cli/lib.sh
export SWAGE SWAGE_FIGURES_CONF=$scratch/figures.conf SWAGE_FIGURES_WORK=$scratch/work
cat >"$scratch/figures.conf" <<END
# A comment.
table tiny $scratch/document.md
  size quick
  model examples/tiny-tales
  make swage quantize \$model -o \$out
  measure eval swage eval \$out --text examples/tiny-tales/eval.txt --max-tokens 512
  measure bench swage bench \$out --prompt 8 --generate 4 --repeats 1 --no-limits
  column - label options
  column commas file file bytes
  column %.4f eval.perplexity perplexity
  rate %.0f bench.decode_tokens_per_s decode
  row checkpoint :: -
  row \`--bits 8\` :: --bits 8
table large $scratch/document.md
  model $scratch/absent
  column - label options
  row checkpoint :: -
END
document() { # BYTES
  printf '%s\n' before '<!-- figures: tiny -->' '| options | file bytes | perplexity |' '|---|---|---|' \
    "| checkpoint | $1 | 1.0000 |" '<!-- end -->' after
}
document 1,000 >"$scratch/document.md"
cp "$scratch/document.md" "$scratch/before.md"

expect_exit 1 "drift" scripts/figures --resume
expect_match "by how much" "$stdout" 'drifted: tiny, checkpoint, file bytes: 1,000 -> 3,6[0-9]{2},[0-9]{3} \(\+3\.6'
expect_match "a new row" "$stdout" 'drifted: tiny, `--bits 8`, perplexity: - -> 1\.[0-9]{4} \(new\)'
expect_match "the absent model" "$stdout" 'skipped: large: .*/absent is absent'
check "nothing is written" cmp -s "$scratch/document.md" "$scratch/before.md"
expect_exit 0 "write" scripts/figures --quick --write --resume
check "the text around stays" test "$(sed -n '1p;$p' "$scratch/document.md" | tr '\n' ' ')" = "before after "
check "rows in order" grep -qE '^\| checkpoint \| 3,6[0-9]{2},[0-9]{3} \| 1\.[0-9]{4} \|$' "$scratch/document.md"
check "no rates" test "$(grep -c decode "$scratch/document.md")" -eq 0
expect_exit 0 "no drift any more" scripts/figures --table tiny --resume
expect_match "counts" "$stdout" '4 figures as they were, 0 drifted, 0 tables skipped'
expect_exit 1 "rates with --speed" scripts/figures --table tiny --resume --speed
expect_match "a rate" "$stdout" 'checkpoint, decode: - -> [0-9]+ '

# Rows that are quoted, options of measurements, files for commands, and rates without the rest.
rm -rf "$scratch/work"
cat >"$scratch/figures.conf" <<END
table notes $scratch/document.md
  model examples/tiny-tales
  file recipe.json {"recipe": 1, "rules": [{"classes": "linear", "bits": 4}]}
  make swage quantize \$model -o \$out
  measure eval swage eval \$out --text examples/tiny-tales/eval.txt --max-tokens 512
  measure bench swage bench \$out --prompt 8 --generate 4 --repeats 1 --no-limits
  column - label options
  column %.4f eval.perplexity perplexity
  rate %.0f bench.decode_tokens_per_s decode
  rate %.0f bench.energy_j energy
  row by recipe :: --recipe \$work/recipe.json
  quote another program :: other --option
table contexts $scratch/document.md
  model examples/tiny-tales
  measure eval swage eval \$model --text examples/tiny-tales/eval.txt --max-tokens 512 \$options
  column - label options
  column %.0f eval.context context
  row short :: --context 32
  row long :: --context 128
END
printf '%s\n' '<!-- figures: notes -->' '| options | perplexity | decode |' '|---|---|---|' \
  '| another program | 1.2345 | 7 |' '<!-- end -->' '<!-- figures: contexts -->' '<!-- end -->' \
  >"$scratch/document.md"
expect_exit 0 "write" scripts/figures --write --resume
expect_match "what is quoted stays" "$(cat "$scratch/document.md")" '\| another program \| 1\.2345 \| 7 \|'
expect_match "options of measurements" "$(cat "$scratch/document.md")" '\| short \| 32 \|'
expect_match "of each row" "$(cat "$scratch/document.md")" '\| long \| 128 \|'
sed -i 's/^| by recipe | [^|]* |/| by recipe | 9.9999 |/' "$scratch/document.md"
models=$(ls "$scratch/work"/*.made-by)
: >"$models" # as by another program
touch -d '2001-01-01' "${models%.made-by}"
expect_exit 0 "rates alone" scripts/figures --write --speed-only
expect_match "the rest stays" "$(cat "$scratch/document.md")" '\| by recipe \| 9\.9999 \| [0-9]+ \| - \|'
check "the model is not made again" test "$(stat -c %Y "${models%.made-by}")" -lt 1000000000
check "tables without rates are left out" test "$(grep -c contexts: <<<"$stdout")" -eq 0
expect_exit 0 "the figures again" scripts/figures --write --resume
check "the model is made again" test "$(stat -c %Y "${models%.made-by}")" -gt 1000000000
expect_match "and what it measures" "$(cat "$scratch/document.md")" '\| by recipe \| 1\.[0-9]{4} \|'
expect_exit 0 "commands alone" scripts/figures --list
expect_match "a command" "$stdout" 'swage quantize examples/tiny-tales -o .*\.swg --recipe'
expect_match "that of another program" "$stdout" 'another program: other --option'
sed -i '/figures: contexts/d' "$scratch/document.md"
expect_exit 1 "no such table" scripts/figures --table contexts
expect_match "names the line" "$stderr" 'has no line <!-- figures: contexts -->'
sed -i '1s/.*/nonsense x/' "$scratch/figures.conf"
expect_exit 2 "an unknown word" scripts/figures --list
expect_exit 2 "an unknown option" scripts/figures --nonsense
finish
