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
expect_exit 0 "commands alone" scripts/figures --list
expect_match "a command" "$stdout" 'swage quantize examples/tiny-tales -o .*\.swg --bits 8'
sed -i '/figures: tiny/d' "$scratch/document.md"
expect_exit 1 "no such table" scripts/figures --table tiny
expect_match "names the line" "$stderr" 'has no line <!-- figures: tiny -->'
sed -i '1s/.*/nonsense x/' "$scratch/figures.conf"
expect_exit 2 "an unknown word" scripts/figures --list
expect_exit 2 "an unknown option" scripts/figures --nonsense
finish
