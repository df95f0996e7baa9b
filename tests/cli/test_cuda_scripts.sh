#!/usr/bin/env bash
# scripts/gpu-check where there is no GPU, and what scripts/cuda-ptxas makes of the compiler's output.
. tests/cli/lib.sh

mkdir "$scratch/bin" # no nvidia-smi and no nvcc
for tool in bash dirname mktemp rm grep sed tail cat; do ln -s "$(command -v $tool)" "$scratch/bin/"; done
expect_exit 77 "gpu-check without a GPU" env PATH="$scratch/bin" scripts/gpu-check
expect_match "the reason" "$stdout" "SKIP: GPU checks: no (nvcc|GPU)"
expect_match "nothing passed" "$stdout" "0 passed, 0 failed, 1 skipped$"
expect_exit 1 "a GPU is required" env PATH="$scratch/bin" SWAGE_REQUIRE_GPU=1 scripts/gpu-check
expect_match "that is a failure" "$stdout" "0 passed, 1 failed, 0 skipped$"
expect_exit 2 "an unknown option" scripts/gpu-check --fast

kernel() { # NAME ARCHITECTURE FRAME SPILLS
  cat <<TEXT
ptxas info    : Compiling entry function '$1' for '$2'
ptxas info    : Function properties for $1
    $3 bytes stack frame, $4 bytes spill stores, $4 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 404 bytes cmem[0]
TEXT
}
ptxas() { scripts/cuda-ptxas --log "$scratch/log"; }

{ kernel add sm_80 0 0; kernel mul sm_80 0 0; kernel add sm_90a 0 0; kernel mul sm_90a 0 0; } >"$scratch/log"
expect_exit 0 "clean kernels" ptxas
expect_match "all four counted" "$stdout" "RESULT 4 0 0"
{ kernel add sm_80 0 0; kernel mul sm_80 8 4; } >"$scratch/log"
expect_exit 1 "a spill" ptxas
expect_match "its kernel" "$stdout" "FAIL: sm_80 mul: 8 bytes of stack frame, 8 of spills"
{ kernel add sm_80 0 0; kernel mul sm_80 0 0; kernel add sm_90a 0 0; } >"$scratch/log"
expect_exit 1 "a kernel that one architecture lacks" ptxas
{ kernel add sm_80 0 0; echo "ptxas warning : (C7508) setmaxnreg ignored"; } >"$scratch/log"
expect_exit 1 "something ignored" ptxas
: >"$scratch/log"
expect_exit 1 "no output at all" ptxas

finish
