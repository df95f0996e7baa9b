#!/usr/bin/env bash
# An installation under a prefix chosen late works: the program runs, and a program of a user's
# builds against the library through pkg-config.
. tests/cli/lib.sh
build=$(dirname "$(realpath "$SWAGE")")
prefix=$scratch/prefix
expect_exit 0 "install" cmake --install "$build" --prefix "$prefix"
expect_exit 0 "the installed program" "$prefix/bin/swage" inspect examples/tiny-tales
check "the man page" test -s "$prefix/share/man/man1/swage.1"

cat >"$scratch/user.c" <<'EOF'
#include "runtime/swage.h"
#include <stdio.h>
int main(int argc, char **argv)
{
    swg_source *source = NULL;
    if (argc != 2 || swg_source_open(argv[1], NULL, &source) != SWG_OK)
        return 1;
    printf("%zu\n", swg_source_n_tensors(source));
    swg_source_close(&source);
    return 0;
}
EOF
if grep -q '^SWAGE_SANITIZE:STRING=.' "$build/CMakeCache.txt"; then
  skip "a library under sanitizers links only with them"
else
  PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name swage.pc)")
  export PKG_CONFIG_PATH
  # shellcheck disable=SC2046
  expect_exit 0 "a user's program builds" cc -std=c11 "$scratch/user.c" -o "$scratch/user" \
    $(pkg-config --static --cflags --libs swage)
  expect_exit 0 "a user's program runs" "$scratch/user" examples/tiny-tales
  expect_match "tensors it sees" "$stdout" '^38$'
fi
finish
