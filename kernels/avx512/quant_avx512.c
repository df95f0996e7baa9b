/* Quantizing activations, packing and dequantizing with 512-bit vectors. */
#include "kernels/avx512/simd_avx512.h"

#include "kernels/simd16/quant_body.h"
