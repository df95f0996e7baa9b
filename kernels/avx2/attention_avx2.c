/* Attention with pairs of 256-bit vectors: tiles of 2 x 2 queries and keys. */
#include "kernels/avx2/simd_avx2.h"

#include "kernels/simd16/int8_dots_body.h"
#include "kernels/simd16/attention_body.h"
