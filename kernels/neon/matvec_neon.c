/* Products of a few tokens and plain weights with four 128-bit vectors at a time. */
#include "kernels/neon/simd_neon.h"

#include "kernels/simd16/matvec_body.h"
