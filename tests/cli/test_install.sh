#!/usr/bin/env bash
# An installation moved to another place works: the program runs, every public header compiles alone and
# with all others, and a user's programs build and run, through pkg-config and through CMake.
. tests/cli/lib.sh
build=$(dirname "$(realpath "$SWAGE")")
expect_exit 0 "install into a package's folder" env DESTDIR="$scratch/package" cmake --install "$build" --prefix /usr
prefix=$scratch/moved
mv "$scratch/package/usr" "$prefix"
expect_exit 0 "the installed program" "$prefix/bin/swage" inspect examples/tiny-tales
for file in man/man1/swage.1 bash-completion/completions/swage zsh/site-functions/_swage \
  fish/vendor_completions.d/swage.fish; do
  check "$file is installed" test -s "$prefix/share/$file"
done

# The Debian packages of "the program alone" are those of the libraries that it asks for.
if command -v dpkg-query >/dev/null && command -v objdump >/dev/null; then
  run=" $(scripts/packages --list run | tr '\n' ' ') libc6 "
  for library in $(objdump -p "$prefix/bin/swage" | sed -nE 's/^ *NEEDED +//p' | grep -vE '^lib(asan|ubsan|tsan)'); do
    package=$(dpkg-query -S "*$(cc -print-multiarch)/$library" | sed -n '1s/:.*//p')
    expect_match "scripts/packages run has $package for $library" "$run" " ${package:-none} "
  done
  for package in $(scripts/packages --list run fast); do
    check "README.md names $package" grep -qw -- "$package" README.md
  done
else
  skip "no dpkg: packages of libraries are not known"
fi

mapfile -t headers < <(cd "$prefix/include/swage" && find . -name '*.h' -printf '%P\n' | sort)
check "public headers are installed" [ ${#headers[@]} -ge 10 ]
for header in "${headers[@]}"; do
  echo "#include \"$header\"" >"$scratch/header.c"
  expect_exit 0 "$header compiles alone (scripts/public-headers.cmake)" \
    cc -std=c11 -pedantic -Wall -Werror -fsyntax-only -I"$prefix/include/swage" "$scratch/header.c"
done

printf '#include "%s"\n' "${headers[@]}" >"$scratch/header.c"
expect_exit 0 "all public headers compile together" \
  cc -std=c11 -pedantic -Wall -Werror -fsyntax-only -I"$prefix/include/swage" "$scratch/header.c"

if grep -q '^SWAGE_SANITIZE:STRING=.' "$build/CMakeCache.txt"; then
  skip "a library under sanitizers links only with them"
  finish
  exit
fi
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name swage.pc)")
export PKG_CONFIG_PATH
runs() { # NAME PROGRAM
  expect_exit 0 "$1 runs" "$2" examples/tiny-tales "One morning"
  expect_match "$1 prints the next token" "$stdout" '^One morning\| in$'
}
# shellcheck disable=SC2046
expect_exit 0 "a program builds through pkg-config" cc -std=c11 examples/library/next_token.c \
  -o "$scratch/next_token" $(pkg-config --cflags --libs swage)
runs "the program built through pkg-config" "$scratch/next_token"
# shellcheck disable=SC2046
expect_exit 0 "a shared library takes the archive in" cc -std=c11 -shared -fPIC -Wl,-z,defs \
  examples/library/next_token.c -o "$scratch/libnext.so" $(pkg-config --cflags --libs swage)
expect_exit 0 "a project finds the CMake package" cmake -G Ninja -S examples/library \
  -B "$scratch/library" -DCMAKE_PREFIX_PATH="$prefix"
expect_exit 0 "a program builds through CMake" cmake --build "$scratch/library"
runs "the program built through CMake" "$scratch/library/next_token"
finish
