/* Elementwise operations, norms and rotations with four 128-bit vectors at a time. */
#include "kernels/neon/simd_neon.h"

#include "kernels/simd16/float_body.h"
