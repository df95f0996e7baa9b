/* Attention with 512-bit vectors: 16 sums of a 4 x 4 tile of queries and keys in registers. */
#include "kernels/avx512/simd_avx512.h"

#include "kernels/avx512/int8_dots_avx512.h"
#include "kernels/simd16/attention_body.h"
