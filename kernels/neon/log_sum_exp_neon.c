/* Log-sum-exp with four 128-bit vectors at a time. */
#include "kernels/neon/simd_neon.h"

#include "kernels/simd16/log_sum_exp_body.h"
