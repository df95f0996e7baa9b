/* CPUID leaves 1 and 7, and the register files that the operating system saves (XCR0). */
#include "kernels/x86/x86_features.h"

#include <cpuid.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SSE_AVX_STATE = 0x06,
    AVX512_STATE = 0xe6,
    TILE_STATE = 0x60000,
    AVXVNNI = 1 << 4,                                /* leaf 7.1, EAX */
    AMX_BF16_TILE_INT8 = 1 << 22 | 1 << 24 | 1 << 25 /* leaf 7, EDX */
};

/* arch_prctl of Linux 5.16: permission to use a part of the extended state, here tile data. */
enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };

typedef struct leaves {
    unsigned saved; /* XCR0 */
    unsigned ebx7, ecx7, edx7, eax7_1;
} leaves;

/* XCR0, only when CPUID reports OSXSAVE. */
static unsigned saved_state(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* All zero unless at least AVX, FMA and F16C run (and POPCNT, which is older than those). */
static leaves read_leaves(void)
{
    leaves none = {0}, found = {0};
    unsigned a, b, c, d;
    const unsigned needed = bit_FMA | bit_F16C | bit_POPCNT | bit_OSXSAVE | bit_AVX;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & needed) != needed)
        return none;
    found.saved = saved_state();
    if ((found.saved & SSE_AVX_STATE) != SSE_AVX_STATE || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return none;
    found.ebx7 = b;
    found.ecx7 = c;
    found.edx7 = d;
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
        found.eax7_1 = a;
    return found;
}

bool swg_x86_has_avx2(void)
{
    return (read_leaves().ebx7 & bit_AVX2) != 0;
}

bool swg_x86_has_avxvnni(void)
{
    const leaves found = read_leaves();
    return (found.ebx7 & bit_AVX2) && (found.eax7_1 & AVXVNNI);
}

bool swg_x86_has_avx512(void)
{
    const leaves found = read_leaves();
    const unsigned needed = bit_AVX2 | bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    return (found.ebx7 & needed) == needed && (found.saved & AVX512_STATE) == AVX512_STATE;
}

bool swg_x86_has_avx512vnni(void)
{
    return swg_x86_has_avx512() && (read_leaves().ecx7 & bit_AVX512VNNI);
}

bool swg_x86_has_avx512vbmi2(void)
{
    const unsigned needed = bit_AVX512VBMI | bit_AVX512VBMI2;
    return swg_x86_has_avx512vnni() && (read_leaves().ecx7 & needed) == needed;
}

bool swg_x86_has_amx(void)
{
    const leaves found = read_leaves();
    const unsigned needed = AMX_BF16_TILE_INT8;
    if (!swg_x86_has_avx512vbmi2() || (found.edx7 & needed) != needed ||
        (found.saved & TILE_STATE) != TILE_STATE)
        return false;
#ifdef SYS_arch_prctl
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    return false;
#endif
}

const char *swg_x86_blas_core(void)
{
    unsigned a, b, c, d;
    if (swg_x86_has_avx512())
        return "SKYLAKEX";
    if (!swg_x86_has_avx2() || !__get_cpuid(0, &a, &b, &c, &d))
        return NULL;
    return b == signature_AMD_ebx ? "ZEN" : "HASWELL";
}

void swg_x86_streams(swg_streams *streams)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(0, &a, &b, &c, &d) || b != signature_INTEL_ebx)
        return;
    /* Measured on Granite Rapids, taken for all of this maker: a core reads more from several
     * streams than from one, and waits where its lines are asked for too early. */
    *streams = (swg_streams){.ahead = 1024,
                             .far_ahead = 3 * 1024,
                             .ahead_of_all = 6 * 1024,
                             .in_pairs = true,
                             .in_turns = false};
}
