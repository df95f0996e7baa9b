/* Attention with four 128-bit vectors at a time. */
#include "kernels/neon/simd_neon.h"

#include "kernels/simd16/int8_dots_body.h"
#include "kernels/simd16/attention_body.h"
