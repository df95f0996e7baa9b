/* Quantized products with 512-bit VNNI: one vpdpbusd multiplies and adds four bytes of 16 rows, and
 * takes 8-bit codes without saturating. */
#include "kernels/avx512/simd_avx512.h"

#include "kernels/simd16/matmul_body.h"
