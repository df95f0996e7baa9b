/* Log-sum-exp with pairs of 256-bit vectors. */
#include "kernels/avx2/simd_avx2.h"

#include "kernels/simd16/log_sum_exp_body.h"
