/* The NEON set: the operations that have a variant, and its peak loops. */
#include "kernels/isa_table.h"
#include "kernels/limits/peak_loop.h"
#include "kernels/neon/aarch64_features.h"
#include "kernels/neon/simd_neon.h"
#include "kernels/variants.h"

/* 16 bytes per pair of multiplications; the occasional widening of the sums is left out. */
#define STEP_INT8(sum, factor, start) v16i_dot_4bit(sum, factor, sum)
#define LOW_INT8(sum)                 vgetq_lane_s32(sum, 0)
SWG_PEAK_LOOP(int8_peak, V16_TARGET, int32x4_t, vdupq_n_s32(seed),
              vreinterpretq_s32_s8(vdupq_n_s8(1)), STEP_INT8, LOW_INT8, "w")

#define STEP_F32(sum, factor, start) vfmaq_f32(factor, sum, factor)
#define LOW_F32(sum)                 (int32_t) vgetq_lane_f32(sum, 0)
SWG_PEAK_LOOP(f32_peak, V16_TARGET, float32x4_t, vdupq_n_f32((float)seed), vdupq_n_f32(0.5f),
              STEP_F32, LOW_F32, "w")

const swg_isa_table swg_table__neon = {
    .is_available = swg_aarch64_has_neon,
    .kernels =
        {
            .pack_codes = SWG_VARIANT(pack_codes),
            .dequantize = SWG_VARIANT(dequantize),
            .quantize_act = SWG_VARIANT(quantize_act),
            .matmul_w4 = SWG_VARIANT(matmul_w4),
            .matmul_w8 = SWG_VARIANT(matmul_w8),
            .matmul_c4 = SWG_VARIANT(matmul_c4),
            .f16_to_f32 = SWG_VARIANT(f16_to_f32),
            .bf16_to_f32 = SWG_VARIANT(bf16_to_f32),
            .f32_to_f16 = SWG_VARIANT(f32_to_f16),
            .add = SWG_VARIANT(add),
            .rmsnorm = SWG_VARIANT(rmsnorm),
            .softmax = SWG_VARIANT(softmax),
            .rope_half = SWG_VARIANT(rope_half),
            .rope_interleaved = SWG_VARIANT(rope_interleaved),
            .silu_mul = SWG_VARIANT(silu_mul),
            .attention = SWG_VARIANT(attention),
            .layernorm = SWG_VARIANT(layernorm),
            .gelu = SWG_VARIANT(gelu),
            .gelu_tanh = SWG_VARIANT(gelu_tanh),
            .tanh = SWG_VARIANT(tanh),
            .lstm_cell = SWG_VARIANT(lstm_cell),
            .gru_cell = SWG_VARIANT(gru_cell),
            .log_sum_exp = SWG_VARIANT(log_sum_exp),
        },
    .peaks[SWG_PEAK_INT8] = {int8_peak, SWG_PEAK_SUMS * 32},
    .peaks[SWG_PEAK_F32] = {f32_peak, SWG_PEAK_SUMS * 8},
};
