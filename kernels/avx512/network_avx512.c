/* Layer norm, activation functions and recurrent cells with 512-bit vectors; tails by masks. */
#include "kernels/avx512/v16_avx512.h"

#include "kernels/v16/network_body.h"
