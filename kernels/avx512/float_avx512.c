/* Elementwise operations, norms and rotations with 512-bit vectors; tails by masks. */
#include "kernels/avx512/simd_avx512.h"

#include "kernels/simd16/float_body.h"
