/* Layer norm, activation functions and recurrent cells with pairs of 256-bit vectors. */
#include "kernels/avx2/simd_avx2.h"

#include "kernels/simd16/activation_body.h"
