/* Log-sum-exp with 512-bit vectors. */
#include "kernels/avx512/simd_avx512.h"

#include "kernels/simd16/log_sum_exp_body.h"
