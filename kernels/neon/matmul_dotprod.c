/* Quantized products with the dot-product instruction. */
#include "kernels/neon/simd_dotprod.h"

#include "kernels/simd16/matmul_body.h"
