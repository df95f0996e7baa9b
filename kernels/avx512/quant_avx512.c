/* Quantizing activations, packing and dequantizing with 512-bit vectors. */
#include "kernels/avx512/v16_avx512.h"

#include "kernels/v16/quant_body.h"
