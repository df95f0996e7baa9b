# Sourced by scripts: json_value KEY FILE prints the value of the first line with that key in what
# `swage ... --json` printed (one key per line), without the quotes of a string.
json_value() {
  sed -nE "/^ *\"$1\": /{s/^[^:]*: //; s/,\$//; s/^\"(.*)\"\$/\1/; p; q}" "$2"
}
