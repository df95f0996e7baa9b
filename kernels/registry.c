/* Which instruction sets run here, and which variant of every operation is chosen. Whether a set
 * runs is asked once. Resolved tables are static, one per cap, so nothing is allocated. */
#include "kernels/kernels.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/isa_table.h"
#include "kernels/streams.h"

static const struct {
    const char *token, *needs;
    int priority;
    const swg_isa_table *table;
} isas[SWG_ISA_COUNT] = {
#define SWG_ISA(token, priority, needs) {#token, needs, priority, &swg_table__##token},
#include "kernels/isas.def"
#undef SWG_ISA
};

static const char *const op_names[SWG_OP_COUNT] = {
#define SWG_OP(name, result, arguments) #name,
#include "kernels/ops.def"
#undef SWG_OP
};

/* A core of Zen 5 reads fastest in one stream, two of them in turns. */
swg_streams swg_streams_chosen = {.ahead = 8 * 1024,
                                  .far_ahead = 0,
                                  .ahead_of_all = 8 * 1024,
                                  .in_pairs = false,
                                  .in_turns = true};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_available[SWG_ISA_COUNT];
static swg_kernels resolved[SWG_ISA_COUNT]; /* by cap */
static const swg_split *splits[SWG_ISA_COUNT];

static void detect(void)
{
    for (int i = 0; i < SWG_ISA_COUNT; i++)
        is_available[i] = isas[i].table->is_available();
    for (int i = 0; i < SWG_ISA_COUNT; i++)
        if (is_available[i] && isas[i].table->streams)
            isas[i].table->streams(&swg_streams_chosen);
}

/* Copy the non-NULL rows of `own`. */
static void overlay(swg_kernels *table, const swg_kernels *own)
{
#define SWG_OP(name, result, arguments)                                                            \
    if (own->name)                                                                                 \
        table->name = own->name;
#include "kernels/ops.def"
#undef SWG_OP
}

/* For every cap, overlay the sets that it admits, lowest priority first: isas.def is ordered by
 * priority. */
static void resolve(void)
{
    detect();
    for (int cap = 0; cap < SWG_ISA_COUNT; cap++)
        for (int i = 0; i < SWG_ISA_COUNT; i++)
            if (is_available[i] && isas[i].priority <= isas[cap].priority) {
                overlay(&resolved[cap], &isas[i].table->kernels);
                splits[cap] = isas[i].table->split ? isas[i].table->split : splits[cap];
            }
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
    return &isas[isa].table->kernels;
}

const swg_isa_table *swg_isa_table_of(swg_isa isa)
{
    return isas[isa].table;
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

swg_matvec *swg_kernels_matvec(const swg_kernels *kernels, swg_dtype dtype)
{
    switch (dtype) {
    case SWG_F16:
        return kernels->matvec_f16;
    case SWG_BF16:
        return kernels->matvec_bf16;
    default:
        return kernels->matvec_f32;
    }
}

const swg_split *swg_kernels_split(const swg_kernels *kernels)
{
    return splits[kernels - resolved];
}

swg_isa swg_kernels_isa_of(const swg_kernels *kernels, swg_op_id op)
{
    for (int i = SWG_ISA_COUNT - 1; i > 0; i--)
        switch (op) {
#define SWG_OP(name, result, arguments)                                                            \
    case SWG_OP_##name:                                                                            \
        if (kernels->name == isas[i].table->kernels.name)                                          \
            return (swg_isa)i;                                                                     \
        break;
#include "kernels/ops.def"
#undef SWG_OP
        case SWG_OP_COUNT:
            break;
        }
    return SWG_ISA_scalar;
}

bool swg_kernels_keep_sparse(const swg_kernels *kernels)
{
    return swg_kernels_isa_of(kernels, SWG_OP_matvec_sparse) != SWG_ISA_scalar;
}
