/* Elementwise operations, norms and rotations with pairs of 256-bit vectors. */
#include "kernels/avx2/words_avx2.h"

#include "kernels/v16/float_body.h"
