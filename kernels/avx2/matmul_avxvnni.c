/* Quantized products with 256-bit vectors and AVX-VNNI. */
#include "kernels/avx2/simd_avxvnni.h"

#include "kernels/simd16/matmul_body.h"
