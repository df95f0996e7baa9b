/* The AVX-VNNI set: the operations that gain from it over AVX2, and its int8 peak loop. */
#include "kernels/avx2/simd_avxvnni.h"
#include "kernels/isa_table.h"
#include "kernels/limits/peak_loop.h"
#include "kernels/variants.h"
#include "kernels/x86/x86_features.h"

#define STEP(sum, factor, start) _mm256_dpbusd_avx_epi32(sum, factor, factor)
#define LOW(sum)                 _mm256_extract_epi32(sum, 0)
SWG_PEAK_LOOP(int8_peak, V16_TARGET, __m256i, _mm256_set1_epi32(seed), _mm256_set1_epi8(1), STEP,
              LOW, "x")

const swg_isa_table swg_table__avxvnni = {
    .is_available = swg_x86_has_avxvnni,
    .kernels =
        {
            .matmul_w4 = SWG_VARIANT(matmul_w4),
            .matmul_w8 = SWG_VARIANT(matmul_w8),
            .matmul_c4 = SWG_VARIANT(matmul_c4),
        },
    .peaks[SWG_PEAK_INT8] = {int8_peak, SWG_PEAK_SUMS * 64},
    .blas_core = swg_x86_blas_core,
};
