/* Quantized products with 128-bit vectors and no dot-product instruction. */
#include "kernels/neon/simd_neon.h"

#include "kernels/simd16/matmul_body.h"
