/* Quantizing activations, packing and dequantizing weights with four 128-bit vectors at a time. */
#include "kernels/neon/simd_neon.h"

#include "kernels/simd16/quant_body.h"
