/* Quantizing activations, packing and dequantizing with pairs of 256-bit vectors. */
#include "kernels/avx2/words_avx2.h"

#include "kernels/v16/quant_body.h"
