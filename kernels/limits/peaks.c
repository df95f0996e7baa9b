/* Register-resident loops that show how much arithmetic each instruction set can do: see limits.h.
 * Ten independent accumulators hide the latency of the units of every processor so far (at most two
 * operations a clock, five clocks each). Empty assembly statements keep every accumulator in a
 * register and the compiler from simplifying the loop. */
#include "kernels/limits/peaks.h"

#include <immintrin.h>

enum { SUMS = 10 };
#define EACH_SUM(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)

/* The loop `name`: `rounds` times sum = STEP(sum) on ten sums of `type`, of which LOW(sum) goes
 * into the result. STEP may use `factor` and `start`; KEEP holds the sum in a register of its kind.
 */
#define DECLARE(i) sum##i = start,
#define ADVANCE(i) sum##i = STEP(sum##i);
#define ADD_UP(i)  total += LOW(sum##i);
#define PEAK_LOOP(name, attributes, type, start_value, factor_value, KEEP)                         \
    attributes static int32_t name(int32_t rounds, int32_t seed)                                   \
    {                                                                                              \
        const type start = start_value, factor = factor_value;                                     \
        type EACH_SUM(DECLARE) last = start;                                                       \
        for (int32_t i = 0; i < rounds; i++) {                                                     \
            EACH_SUM(ADVANCE)                                                                      \
            EACH_SUM(KEEP)                                                                         \
        }                                                                                          \
        int32_t total = LOW(last);                                                                 \
        EACH_SUM(ADD_UP)                                                                           \
        return total;                                                                              \
    }
#define IN_GENERAL(i) __asm__ volatile("" : "+r"(sum##i));
#define IN_VECTOR(i)  __asm__ volatile("" : "+x"(sum##i));
#define IN_ZMM(i)     __asm__ volatile("" : "+v"(sum##i));
#define FOR_AVX2      __attribute__((target("avx2,fma")))
#define FOR_AVXVNNI   __attribute__((target("avx2,fma,avxvnni")))
#define FOR_AVX512    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))

/* One multiply-add at a time. */
#define STEP(sum) (sum) * factor + start
#define LOW(sum)  (int32_t)(sum)
PEAK_LOOP(int8_scalar, , uint32_t, (uint32_t)seed, 3, IN_GENERAL)
PEAK_LOOP(f32_scalar, , float, (float)seed, 0.5f, IN_VECTOR)
#undef STEP
#undef LOW

/* 32 bytes in vpmaddubsw and vpaddw; that sums must be widened now and then is left out. */
#define STEP(sum) _mm256_add_epi16(sum, _mm256_maddubs_epi16(factor, sum))
#define LOW(sum)  _mm256_extract_epi32(sum, 0)
PEAK_LOOP(int8_avx2, FOR_AVX2, __m256i, _mm256_set1_epi32(seed), _mm256_set1_epi8(1), IN_VECTOR)
#undef STEP
#define STEP(sum) _mm256_dpbusd_avx_epi32(sum, factor, factor)
PEAK_LOOP(int8_avxvnni, FOR_AVXVNNI, __m256i, _mm256_set1_epi32(seed), _mm256_set1_epi8(1),
          IN_VECTOR)
#undef STEP
#undef LOW
#define STEP(sum) _mm512_dpbusd_epi32(sum, factor, factor)
#define LOW(sum)  _mm512_cvtsi512_si32(sum)
PEAK_LOOP(int8_avx512, FOR_AVX512, __m512i, _mm512_set1_epi32(seed), _mm512_set1_epi8(1), IN_ZMM)
#undef STEP
#undef LOW

#define STEP(sum) _mm256_fmadd_ps(sum, factor, factor)
#define LOW(sum)  (int32_t) _mm256_cvtss_f32(sum)
PEAK_LOOP(f32_avx2, FOR_AVX2, __m256, _mm256_set1_ps((float)seed), _mm256_set1_ps(0.5f), IN_VECTOR)
#undef STEP
#undef LOW
#define STEP(sum) _mm512_fmadd_ps(sum, factor, factor)
#define LOW(sum)  (int32_t) _mm512_cvtss_f32(sum)
PEAK_LOOP(f32_avx512, FOR_AVX512, __m512, _mm512_set1_ps((float)seed), _mm512_set1_ps(0.5f), IN_ZMM)

const swg_peak swg_peaks[SWG_ISA_COUNT] = {
    [SWG_ISA_scalar] = {int8_scalar, f32_scalar, SUMS * 2, SUMS * 2},
    [SWG_ISA_avx2] = {int8_avx2, f32_avx2, SUMS * 64, SUMS * 16},
    [SWG_ISA_avxvnni] = {int8_avxvnni, f32_avx2, SUMS * 64, SUMS * 16},
    [SWG_ISA_avx512] = {int8_avx512, f32_avx512, SUMS * 128, SUMS * 32},
};
