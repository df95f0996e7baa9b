/* Elementwise operations, norms and rotations with pairs of 256-bit vectors. */
#include "kernels/avx2/simd_avx2.h"

#include "kernels/simd16/float_body.h"
