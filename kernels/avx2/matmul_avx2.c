/* Quantized products with 256-bit vectors and no dot-product instruction. */
#include "kernels/avx2/simd_avx2.h"

#include "kernels/simd16/matmul_body.h"
