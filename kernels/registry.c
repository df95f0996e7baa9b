/* Which instruction sets run here, and which variant of every operation is chosen. The processor is
 * asked once, through CPUID and XGETBV: a feature counts only when the operating system also saves
 * its registers. Resolved tables are static, one for each cap, so nothing is allocated. */
#include "kernels/kernels.h"

#include <cpuid.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/variants.h"

static const struct {
    const char *token, *needs;
    int priority;
    const swg_kernels *own;
} isas[SWG_ISA_COUNT] = {
#define SWG_ISA(token, priority, needs) {#token, needs, priority, &swg_table__##token},
#include "kernels/isas.def"
#undef SWG_ISA
};

static const char *const op_names[SWG_OP_COUNT] = {
#define SWG_OP(name, exactness, result, arguments) #name,
#include "kernels/ops.def"
#undef SWG_OP
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_available[SWG_ISA_COUNT];
static swg_kernels resolved[SWG_ISA_COUNT]; /* by cap */

/* XCR0: the register files the operating system saves. Only when CPUID reports OSXSAVE. */
static unsigned saved_state(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static void detect(void)
{
    enum { SSE_AVX_STATE = 0x06, AVX512_STATE = 0xe6 };
    is_available[SWG_ISA_scalar] = true;
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return;
    const unsigned fma_f16c_xsave_avx = bit_FMA | bit_F16C | bit_OSXSAVE | bit_AVX;
    if ((c & fma_f16c_xsave_avx) != fma_f16c_xsave_avx)
        return;
    const unsigned state = saved_state();
    if ((state & SSE_AVX_STATE) != SSE_AVX_STATE || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return;
    const unsigned subleaves = a;
    is_available[SWG_ISA_avx2] = (b & bit_AVX2) != 0;
    const unsigned avx512 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    is_available[SWG_ISA_avx512] = is_available[SWG_ISA_avx2] && (b & avx512) == avx512 &&
                                   (c & bit_AVX512VNNI) && (state & AVX512_STATE) == AVX512_STATE;
    const unsigned avxvnni = 1u << 4; /* leaf 7.1, EAX */
    if (subleaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
        is_available[SWG_ISA_avxvnni] = is_available[SWG_ISA_avx2] && (a & avxvnni);
}

/* Take over the rows of `own` that exist. */
static void overlay(swg_kernels *table, const swg_kernels *own)
{
#define SWG_OP(name, exactness, result, arguments)                                                 \
    if (own->name)                                                                                 \
        table->name = own->name;
#include "kernels/ops.def"
#undef SWG_OP
}

/* For every cap lay the sets it admits over each other, lowest priority first: isas.def is ordered
 * by priority. */
static void resolve(void)
{
    detect();
    for (int cap = 0; cap < SWG_ISA_COUNT; cap++)
        for (int i = 0; i < SWG_ISA_COUNT; i++)
            if (is_available[i] && isas[i].priority <= isas[cap].priority)
                overlay(&resolved[cap], isas[i].own);
}

/* All tokens, for a message: "scalar, avx2, ...". */
static void list_tokens(char *out, size_t size)
{
    size_t length = 0;
    for (int i = 0; i < SWG_ISA_COUNT && length < size; i++)
        length +=
            (size_t)snprintf(out + length, size - length, "%s%s", i ? ", " : "", isas[i].token);
}

swg_status swg_kernels_capped(swg_isa cap, const swg_kernels **out)
{
    pthread_once(&once, resolve);
    if (!is_available[cap])
        return swg_error(SWG_UNSUPPORTED, "instruction set %s needs %s, which this processor lacks",
                         isas[cap].token, isas[cap].needs);
    *out = &resolved[cap];
    return SWG_OK;
}

swg_status swg_kernels_best(const swg_kernels **out)
{
    const char *cap = getenv("SWAGE_ISA");
    if (!cap || !*cap) {
        pthread_once(&once, resolve);
        *out = &resolved[SWG_ISA_COUNT - 1];
        return SWG_OK;
    }
    for (int i = 0; i < SWG_ISA_COUNT; i++)
        if (strcmp(cap, isas[i].token) == 0)
            return swg_kernels_capped((swg_isa)i, out);
    char tokens[128];
    list_tokens(tokens, sizeof tokens);
    return swg_error(SWG_USAGE, "SWAGE_ISA is \"%.64s\"; it can be one of %s", cap, tokens);
}

const swg_kernels *swg_kernels_of(swg_isa isa)
{
    return isas[isa].own;
}

int swg_isa_is_available(swg_isa isa)
{
    pthread_once(&once, resolve);
    return is_available[isa];
}

const char *swg_isa_name(swg_isa isa)
{
    return isas[isa].token;
}

const char *swg_isa_needs(swg_isa isa)
{
    return isas[isa].needs;
}

const char *swg_op_name(swg_op_id op)
{
    return op_names[op];
}

swg_isa swg_kernels_isa_of(const swg_kernels *kernels, swg_op_id op)
{
    for (int i = SWG_ISA_COUNT - 1; i > 0; i--)
        switch (op) {
#define SWG_OP(name, exactness, result, arguments)                                                 \
    case SWG_OP_##name:                                                                            \
        if (kernels->name == isas[i].own->name)                                                    \
            return (swg_isa)i;                                                                     \
        break;
#include "kernels/ops.def"
#undef SWG_OP
        case SWG_OP_COUNT:
            break;
        }
    return SWG_ISA_scalar;
}
