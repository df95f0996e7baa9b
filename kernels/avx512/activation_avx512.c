/* Layer norm, activation functions and recurrent cells with 512-bit vectors; tails by masks. */
#include "kernels/avx512/simd_avx512.h"

#include "kernels/simd16/activation_body.h"
