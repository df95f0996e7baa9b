/* Products of a few tokens and plain weights with pairs of 256-bit vectors. */
#include "kernels/avx2/simd_avx2.h"

#include "kernels/simd16/matvec_body.h"
