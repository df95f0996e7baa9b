/* Layer norm, activation functions and recurrent cells with pairs of 256-bit vectors. */
#include "kernels/avx2/words_avx2.h"

#include "kernels/v16/network_body.h"
