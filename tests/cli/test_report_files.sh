#!/usr/bin/env bash
# swage report and choose: pages, tables and figures of a results.jsonl, the best model within
# limits, and what both refuse.
. tests/cli/lib.sh
mkdir "$scratch/out"
cat >"$scratch/out/results.jsonl" <<'END'
{"results_version": 1, "id": "base", "status": "ok", "base_model": "tiny", "file_bytes": 1000, "perplexity": 2.5, "kld_mean": 0}
{"results_version": 1, "id": "int8", "status": "ok", "base_model": "tiny", "file_bytes": 300, "perplexity": 2.51, "kld_mean": 0.001, "recipe": {"recipe": 1}}
{"results_version": 1, "id": "worse <b>", "status": "ok", "base_model": "tiny", "file_bytes": 400, "perplexity": 2.6, "kld_mean": 0.002}
{"results_version": 1, "id": "int2", "status": "failed", "reason": "tensor a|b"}
{"results_version": 1, "id": "cut
END
truncate -s -1 "$scratch/out/results.jsonl"

expect_exit 0 "page" "$SWAGE" report "$scratch/out" -o "$scratch/page.html"
expect_match "the half line is told" "$stderr" "line 5, the last one, was written half"
check "page is HTML" grep -q '^<!doctype html>' "$scratch/page.html"
check "page has a figure" grep -q 'role="img" aria-labelledby="t-file_bytes-kld_mean ' "$scratch/page.html"
check "names are escaped" grep -q 'worse &lt;b&gt;' "$scratch/page.html"
check "nothing is loaded" test "$(grep -cE '(src|href)="(https?:)?//' "$scratch/page.html")" -eq 0
expect_exit 2 "page is not overwritten" "$SWAGE" report "$scratch/out" -o "$scratch/page.html"
expect_exit 0 "page again" "$SWAGE" report "$scratch/out/results.jsonl" -o "$scratch/again.html" \
  --svg "$scratch/figures" -q
check "same bytes" cmp -s "$scratch/page.html" "$scratch/again.html"
check "figures" test -s "$scratch/figures/file_bytes-kld_mean.svg"

expect_exit 0 "Markdown" "$SWAGE" report "$scratch/out" --markdown
expect_match "Markdown marks the front" "$stdout" '\| \*\*int8\*\* \| 300 B \|'
expect_match "Markdown escapes" "$stdout" 'tensor a\\\|b'
expect_exit 0 "Markdown is what stdout gets" "$SWAGE" report "$scratch/out" -q
expect_match "it is a table" "$stdout" '^\| model \| File size'

expect_exit 0 "CSV" "$SWAGE" report "$scratch/out" --csv -o "$scratch/models.csv"
check "one line per record and one of keys" test "$(wc -l <"$scratch/models.csv")" -eq 5
expect_exit 0 "CSV of tensors" "$SWAGE" report "$scratch/out" --csv --tensors
expect_match "keys of tensors" "$stdout" '^id,name,layer,'

expect_exit 0 "JSON" "$SWAGE" report "$scratch/out" --json -o "$scratch/json.html"
expect_keys "JSON" records failed replaced cut_line accuracy front output figures
expect_match "front" "$(tr -d ' \n' <"$scratch/stdout")" '"front":\["base","int8"\]'

expect_exit 2 "two formats" "$SWAGE" report "$scratch/out" --csv --markdown
expect_exit 2 "tensors without CSV" "$SWAGE" report "$scratch/out" --tensors
expect_exit 6 "no file" "$SWAGE" report "$scratch/nothing"
echo '{"results_version": 1, "id": 3}' >"$scratch/bad.jsonl"
expect_exit 3 "bad record" "$SWAGE" report "$scratch/bad.jsonl"
expect_match "names the line" "$stderr" 'bad.jsonl, line 1: "id" must be a string'
echo '{"results_version": 7}' >"$scratch/newer.jsonl"
expect_exit 4 "other version" "$SWAGE" report "$scratch/newer.jsonl"
: >"$scratch/empty.jsonl"
expect_exit 1 "no records" "$SWAGE" report "$scratch/empty.jsonl"

expect_exit 0 "choose the smallest" "$SWAGE" choose "$scratch/out" --max-perplexity 2.6
expect_match "chosen" "$stdout" '^chosen      int8'
expect_match "runner-up" "$stdout" 'runner-up   worse <b>: File size 400 B'
expect_match "what failed" "$stdout" 'excluded    int2: failed: tensor a\|b'
expect_match "its recipe" "$stdout" 'recipe      \{"recipe": 1\}'
expect_exit 0 "choose the most accurate" "$SWAGE" choose "$scratch/out" --max-bytes 500 --json
expect_keys "JSON" results best chosen recipe runner_up candidates
expect_match "by divergence" "$(value best) $(value chosen) $(value runner_up)" '^kld_mean int8 worse <b>$'
expect_exit 0 "exactly at the limit" "$SWAGE" choose "$scratch/out" --max-bytes 300
expect_exit 7 "one below it" "$SWAGE" choose "$scratch/out" --max-bytes 299
expect_match "nearest miss" "$stderr" 'the nearest is int8: File size 300 B, above 299 B'
expect_exit 7 "nothing was measured" "$SWAGE" choose "$scratch/out" --max-ttft-ms 5
expect_match "says so" "$stderr" 'none has all limited figures'
expect_exit 0 "by another figure" "$SWAGE" choose "$scratch/out" --best perplexity
expect_match "the base is the best" "$stdout" '^chosen      base'
expect_exit 2 "no such figure" "$SWAGE" choose "$scratch/out" --best perplexty
expect_match "the nearest name" "$stderr" 'did you mean "perplexity"\?'
expect_exit 2 "no limit" "$SWAGE" choose "$scratch/out"
expect_exit 2 "a limit that is not a number" "$SWAGE" choose "$scratch/out" --max-kld 0.1x
expect_exit 2 "a share above 1" "$SWAGE" choose "$scratch/out" --min-accuracy 50
expect_exit 3 "choose from a bad record" "$SWAGE" choose "$scratch/bad.jsonl" --max-kld 1
finish
