/* Products of a few tokens and plain weights with 512-bit vectors. */
#include "kernels/avx512/simd_avx512.h"

#include "kernels/simd16/matvec_body.h"
