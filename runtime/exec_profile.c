/* See exec_profile.h: the execution's backend is replaced by a copy whose operations are wrapped.
 */
#include "runtime/exec_profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kv_pieces.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/exec_state.h"
#include "runtime/roles.h"

/* Operations other than products with weights. */
enum { EMBED, RMSNORM, LAYERNORM, ROPE, ATTEND, RECUR, SILU_MUL, ACTIVATE, MUL, SCALE, ADD, KINDS };
static const char *const kind_names[KINDS] = {"embed",     "rmsnorm",    "layernorm", "rope",
                                              "attention", "recurrence", "silu_mul",  "activate",
                                              "mul",       "scale",      "add"};

enum { MOST_ROWS = KINDS + 2 * SWG_ROLE_COUNT };

struct swg_profile {
    swg_exec *exec;
    const swg_backend *inner;
    swg_backend wrapped;
    swg_profile_row rows[MOST_ROWS]; /* the kinds, then products in the order of their first call */
    swg_profile_row sorted[MOST_ROWS];
    size_t n_rows;
};

static swg_profile_row *kind_row(swg_exec *exec, int kind)
{
    return &exec->profile->rows[kind];
}

static void note(swg_profile_row *row, double start, uint64_t bytes, double operations)
{
    row->seconds += swg_clock_s() - start;
    row->calls++;
    row->bytes += bytes;
    row->operations += operations;
}

/* Time a call of the wrapped backend. */
#define TIMED(kind, bytes, call)                                                                   \
    do {                                                                                           \
        swg_profile_row *const row_ = kind_row(exec, kind);                                        \
        const double start_ = swg_clock_s();                                                       \
        exec->profile->inner->call;                                                                \
        note(row_, start_, bytes, 0);                                                              \
    } while (0)

static void embed(swg_exec *exec, const swg_weight *weight, swg_index index, bool is_added,
                  swg_value x)
{
    TIMED(EMBED, weight->bytes / (weight->n ? weight->n : 1) * x.rows,
          embed(exec, weight, index, is_added, x));
}

static void rmsnorm(swg_exec *exec, const swg_weight *weight, swg_value x, swg_value y)
{
    TIMED(RMSNORM, 0, rmsnorm(exec, weight, x, y));
}

static void layernorm(swg_exec *exec, const swg_weight *weight, swg_value x, swg_value y)
{
    TIMED(LAYERNORM, 0, layernorm(exec, weight, x, y));
}

static swg_profile_row *product_row(swg_profile *p, size_t count, const swg_weight *const *weights)
{
    char name[sizeof p->rows[0].name];
    int length = snprintf(name, sizeof name, "linear %s", swg_role_name(weights[0]->role));
    for (size_t i = 1; i < count && length > 0 && (size_t)length < sizeof name; i++)
        length += snprintf(name + length, sizeof name - (size_t)length, " + %s",
                           swg_role_name(weights[i]->role));
    for (size_t i = KINDS; i < p->n_rows; i++)
        if (strcmp(p->rows[i].name, name) == 0)
            return &p->rows[i];
    swg_profile_row *const row = &p->rows[p->n_rows < MOST_ROWS ? p->n_rows++ : MOST_ROWS - 1];
    memcpy(row->name, name, sizeof name);
    return row;
}

static void linears(swg_exec *exec, swg_value x, size_t count, const swg_weight *const *weights,
                    const swg_value *y)
{
    swg_profile_row *const row = product_row(exec->profile, count, weights);
    uint64_t bytes = 0;
    double operations = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += weights[i]->bytes;
        operations += 2.0 * (double)x.rows * (double)weights[i]->n * (double)weights[i]->k;
    }
    const double start = swg_clock_s();
    exec->profile->inner->linears(exec, x, count, weights, y);
    note(row, start, bytes, operations);
}

static void rope(swg_exec *exec, size_t layer, swg_value x)
{
    TIMED(ROPE, 0, rope(exec, layer, x));
}

/* Bytes of the keys and values that the batch sees: once per sequence. */
static uint64_t cache_bytes(const swg_exec *exec)
{
    const swg_kvcache_shape shape = swg_exec_cache_shape(exec);
    uint64_t positions = 0;
    for (size_t i = 0; i < exec->batch.n_spans; i++)
        positions += exec->batch.spans[i].position + exec->batch.spans[i].n;
    return 2 * positions * shape.n_heads * shape.head_dim * swg_kv_bytes(shape.type);
}

static void attend(swg_exec *exec, size_t layer, swg_attend_options options, swg_value q,
                   swg_value k, swg_value v, swg_value y)
{
    TIMED(ATTEND, cache_bytes(exec), attend(exec, layer, options, q, k, v, y));
}

static void recur(swg_exec *exec, swg_cell cell, const swg_weight *weight, size_t layer,
                  swg_value gates, swg_value states, swg_value y)
{
    TIMED(RECUR, weight->bytes * y.rows, recur(exec, cell, weight, layer, gates, states, y));
}

static void silu_mul(swg_exec *exec, swg_value gate, swg_value up)
{
    TIMED(SILU_MUL, 0, silu_mul(exec, gate, up));
}

static void activate(swg_exec *exec, swg_activation activation, swg_value x)
{
    TIMED(ACTIVATE, 0, activate(exec, activation, x));
}

static void mul(swg_exec *exec, swg_value x, swg_value y)
{
    TIMED(MUL, 0, mul(exec, x, y));
}

static void scale(swg_exec *exec, float factor, swg_value x)
{
    TIMED(SCALE, 0, scale(exec, factor, x));
}

static void add(swg_exec *exec, swg_value x, swg_value y)
{
    TIMED(ADD, 0, add(exec, x, y));
}

static void add_vector(swg_exec *exec, const swg_weight *vector, swg_value x)
{
    TIMED(ADD, 0, add_vector(exec, vector, x));
}

swg_status swg_profile_start(swg_exec *exec, swg_profile **out)
{
    swg_profile *p;
    if (exec->backend->device)
        return swg_error(SWG_UNSUPPORTED, "operations on %s cannot be timed one by one",
                         exec->backend->device());
    SWG_TRY(SWG_NEW(p, 1));
    p->exec = exec;
    p->inner = exec->backend;
    p->wrapped = *exec->backend;
    p->wrapped.embed = embed;
    p->wrapped.rmsnorm = rmsnorm;
    p->wrapped.layernorm = layernorm;
    p->wrapped.linears = linears;
    p->wrapped.rope = rope;
    p->wrapped.attend = attend;
    p->wrapped.recur = recur;
    p->wrapped.silu_mul = silu_mul;
    p->wrapped.activate = activate;
    p->wrapped.mul = mul;
    p->wrapped.scale = scale;
    p->wrapped.add = add;
    p->wrapped.add_vector = add_vector;
    swg_profile_reset(p);
    exec->profile = p;
    exec->backend = &p->wrapped;
    *out = p;
    return SWG_OK;
}

void swg_profile_stop(swg_profile **profile)
{
    swg_profile *p = *profile;
    if (!p)
        return;
    p->exec->backend = p->inner;
    p->exec->profile = NULL;
    SWG_FREE(*profile);
}

void swg_profile_reset(swg_profile *p)
{
    memset(p->rows, 0, sizeof p->rows);
    for (int kind = 0; kind < KINDS; kind++)
        snprintf(p->rows[kind].name, sizeof p->rows[kind].name, "%s", kind_names[kind]);
    p->n_rows = KINDS;
}

static int slower_first(const void *a, const void *b)
{
    const double x = ((const swg_profile_row *)a)->seconds;
    const double y = ((const swg_profile_row *)b)->seconds;
    return x < y ? 1 : x > y ? -1 : 0;
}

const swg_profile_row *swg_profile_rows(swg_profile *p, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < p->n_rows; i++)
        if (p->rows[i].calls)
            p->sorted[(*n)++] = p->rows[i];
    qsort(p->sorted, *n, sizeof *p->sorted, slower_first);
    return p->sorted;
}
