#!/usr/bin/env bash
# --color: where the result is coloured, and where it must not be.
. tests/cli/lib.sh
model=examples/tiny-tales/model.safetensors
escape=$'\033'
has_color() { [[ $1 == *"$escape["* ]]; }
is_plain() { ! has_color "$1"; }

expect_exit 0 "inspect, piped" "$SWAGE" inspect "$model" --tensors "*"
check "a pipe gets no colour" is_plain "$stdout"
plain=$stdout
expect_exit 0 "inspect --color never" "$SWAGE" inspect "$model" --tensors "*" --color never
check "never is never" is_plain "$stdout"
expect_exit 0 "inspect --color always" "$SWAGE" inspect "$model" --tensors "*" --color always
check "always has a bold heading" grep -q "$escape\[1mtensor" <<<"$stdout"
check "colour changes nothing else" [ "$(sed "s/$escape\[[0-9]*m//g" <<<"$stdout")" = "$plain" ]
expect_exit 0 "inspect --json --color always" "$SWAGE" inspect "$model" --json --color always
check "JSON is never coloured" is_plain "$stdout"

expect_exit 0 "a container" "$SWAGE" convert "$model" -o "$scratch/m.swg" -q
expect_exit 0 "verify --color always" "$SWAGE" verify "$scratch/m.swg" --color always
check "what is whole is green" grep -q "$escape\[32mwhole" <<<"$stdout"
printf '\377' | dd of="$scratch/m.swg" bs=1 seek=100000 conv=notrunc status=none
expect_exit 3 "verify a damaged one" "$SWAGE" verify "$scratch/m.swg" --color always
check "what is damaged is red" grep -q "$escape\[31mdamaged" <<<"$stdout"

if command -v script >/dev/null; then
  on_terminal() { env -u NO_COLOR TERM=xterm "$@" script -qec "$SWAGE inspect $model --tensors '*'" /dev/null </dev/null; }
  check "a terminal gets colour" has_color "$(on_terminal)"
  check "NO_COLOR is respected" is_plain "$(on_terminal NO_COLOR=1)"
  check "a dumb terminal gets no colour" is_plain "$(on_terminal TERM=dumb)"
else
  skip "script(1) is absent: colour on a terminal"
fi
finish
