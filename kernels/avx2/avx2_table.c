/* The operations that have an AVX2 variant. For the operations not listed the next lower priority
 * serves. */
#include "kernels/variants.h"

const swg_kernels swg_table__avx2 = {
    .pack_codes = swg_pack_codes__avx2,
    .dequantize = swg_dequantize__avx2,
    .quantize_act = swg_quantize_act__avx2,
    .matmul_w4 = swg_matmul_w4__avx2,
    .matmul_w8 = swg_matmul_w8__avx2,
    .f16_to_f32 = swg_f16_to_f32__avx2,
    .bf16_to_f32 = swg_bf16_to_f32__avx2,
    .add = swg_add__avx2,
    .rmsnorm = swg_rmsnorm__avx2,
    .softmax = swg_softmax__avx2,
    .rope_half = swg_rope_half__avx2,
    .rope_interleaved = swg_rope_interleaved__avx2,
    .silu_mul = swg_silu_mul__avx2,
    .attention = swg_attention__avx2,
    .layernorm = swg_layernorm__avx2,
    .gelu = swg_gelu__avx2,
    .gelu_tanh = swg_gelu_tanh__avx2,
    .tanh = swg_tanh__avx2,
    .lstm_cell = swg_lstm_cell__avx2,
    .gru_cell = swg_gru_cell__avx2,
};
