/* Quantized products with 256-bit vectors and AVX-VNNI. */
#include "kernels/avx2/words_avxvnni.h"

#include "kernels/v16/matmul_body.h"
