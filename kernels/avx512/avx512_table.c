/* The AVX-512 set: the operations that have a variant, and its peak loops. */
#include "kernels/avx512/simd_avx512.h"
#include "kernels/isa_table.h"
#include "kernels/limits/peak_loop.h"
#include "kernels/variants.h"
#include "kernels/x86/x86_features.h"

#define STEP_INT8(sum, factor, start) _mm512_dpbusd_epi32(sum, factor, factor)
#define LOW_INT8(sum)                 _mm512_cvtsi512_si32(sum)
SWG_PEAK_LOOP(int8_peak, V16_TARGET, __m512i, _mm512_set1_epi32(seed), _mm512_set1_epi8(1),
              STEP_INT8, LOW_INT8, "v")

#define STEP_F32(sum, factor, start) _mm512_fmadd_ps(sum, factor, factor)
#define LOW_F32(sum)                 (int32_t) _mm512_cvtss_f32(sum)
SWG_PEAK_LOOP(f32_peak, V16_TARGET, __m512, _mm512_set1_ps((float)seed), _mm512_set1_ps(0.5f),
              STEP_F32, LOW_F32, "v")

const swg_isa_table swg_table__avx512 = {
    .is_available = swg_x86_has_avx512vnni,
    .kernels =
        {
            .pack_codes = SWG_VARIANT(pack_codes),
            .dequantize = SWG_VARIANT(dequantize),
            .quantize_act = SWG_VARIANT(quantize_act),
            .matmul_w4 = SWG_VARIANT(matmul_w4),
            .matmul_w8 = SWG_VARIANT(matmul_w8),
            .matmul_c4 = SWG_VARIANT(matmul_c4),
            .matvec_f32 = SWG_VARIANT(matvec_f32),
            .matvec_f16 = SWG_VARIANT(matvec_f16),
            .matvec_bf16 = SWG_VARIANT(matvec_bf16),
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
    .peaks[SWG_PEAK_INT8] = {int8_peak, SWG_PEAK_SUMS * 128},
    .peaks[SWG_PEAK_F32] = {f32_peak, SWG_PEAK_SUMS * 32},
    .blas_core = swg_x86_blas_core,
};
