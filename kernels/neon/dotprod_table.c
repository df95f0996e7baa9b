/* The NEON set with dot products: the operations that gain from them, and its int8 peak loop. */
#include "kernels/isa_table.h"
#include "kernels/limits/peak_loop.h"
#include "kernels/neon/aarch64_features.h"
#include "kernels/neon/simd_dotprod.h"
#include "kernels/variants.h"

#define STEP(sum, factor, start)                                                                   \
    vdotq_s32(sum, vreinterpretq_s8_s32(factor), vreinterpretq_s8_s32(factor))
#define LOW(sum) vgetq_lane_s32(sum, 0)
SWG_PEAK_LOOP(int8_peak, V16_TARGET, int32x4_t, vdupq_n_s32(seed),
              vreinterpretq_s32_s8(vdupq_n_s8(1)), STEP, LOW, "w")

const swg_isa_table swg_table__dotprod = {
    .is_available = swg_aarch64_has_dotprod,
    .kernels =
        {
            .matmul_w4 = SWG_VARIANT(matmul_w4),
            .matmul_w8 = SWG_VARIANT(matmul_w8),
            .matmul_c4 = SWG_VARIANT(matmul_c4),
        },
    .peaks[SWG_PEAK_INT8] = {int8_peak, SWG_PEAK_SUMS * 32},
};
