/* The operations that have an AVX-512 variant. For the operations not listed the next lower
 * priority serves. */
#include "kernels/variants.h"

const swg_kernels swg_table__avx512 = {
    .pack_codes = swg_pack_codes__avx512,
    .dequantize = swg_dequantize__avx512,
    .quantize_act = swg_quantize_act__avx512,
    .matmul_w4 = swg_matmul_w4__avx512,
    .matmul_w8 = swg_matmul_w8__avx512,
    .f16_to_f32 = swg_f16_to_f32__avx512,
    .bf16_to_f32 = swg_bf16_to_f32__avx512,
    .add = swg_add__avx512,
    .rmsnorm = swg_rmsnorm__avx512,
    .softmax = swg_softmax__avx512,
    .rope_half = swg_rope_half__avx512,
    .rope_interleaved = swg_rope_interleaved__avx512,
    .silu_mul = swg_silu_mul__avx512,
    .attention = swg_attention__avx512,
    .layernorm = swg_layernorm__avx512,
    .gelu = swg_gelu__avx512,
    .gelu_tanh = swg_gelu_tanh__avx512,
    .tanh = swg_tanh__avx512,
    .lstm_cell = swg_lstm_cell__avx512,
    .gru_cell = swg_gru_cell__avx512,
};
