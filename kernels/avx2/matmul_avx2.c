/* Quantized products with 256-bit vectors and no dot-product instruction. */
#include "kernels/avx2/words_avx2.h"

#include "kernels/v16/matmul_body.h"
