/* Products with inputs quantized to int8 per token and group (kernels.h, swg_act): whole panels of
 * quantized weights through the matmul kernels. Each row is computed as a whole, in a fixed
 * order. */
#include "runtime/backend/cpu_act.h"

static swg_act *act_of(const swg_exec *exec)
{
    return swg_cpu_of(exec)->act_state;
}

/* Room for the shortest possible groups, since a weight may be replaced by one of another scheme
 * (swg_model_replace). */
static swg_status init(swg_exec *exec, size_t k)
{
    swg_cpu *cpu = swg_cpu_of(exec);
    const size_t stride = swg_round_up(k, SWG_ALIGNMENT), chunk = exec->options.chunk;
    const size_t groups = swg_ceil_div(k, SWG_MIN_GROUP);
    swg_act *act = swg_arena_calloc(&cpu->arena, 1, sizeof *act);
    if (!act)
        return SWG_NO_MEMORY;
    act->codes = swg_arena_calloc(&cpu->arena, chunk * stride, 1);
    act->scales = swg_arena_calloc(&cpu->arena, chunk * groups, sizeof(float));
    act->sums = swg_arena_calloc(&cpu->arena, chunk * groups, sizeof(int32_t));
    cpu->act_state = act;
    return act->codes && act->scales && act->sums ? SWG_OK : SWG_NO_MEMORY;
}

static bool may_join(const swg_weight *a, const swg_weight *b)
{
    return swg_cpu_packed(a)->group == swg_cpu_packed(b)->group;
}

static void quantize_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const swg_cpu_product *product = context;
    const swg_act *act = act_of(exec);
    for (size_t t = begin; t < end; t++)
        swg_cpu_of(exec)->kernels->quantize_act(
            swg_cpu_row(product->x, t), act->k, act->group, act->codes + t * act->stride,
            act->scales + t * act->n_groups, act->sums + t * act->n_groups);
}

static void prepare(swg_cpu_product *product)
{
    swg_act *act = act_of(product->exec);
    const swg_packed *packed = swg_cpu_packed(product->weights[0]);
    const size_t rows = product->x.rows;
    act->m = rows;
    act->k = packed->k;
    act->group = packed->group;
    act->n_groups = packed->n_groups;
    act->stride = swg_round_up(packed->k, SWG_ALIGNMENT);
    swg_cpu_over_rows(product->exec, rows, rows * act->k, quantize_rows, product);
}

/* n tokens from number t on. */
static swg_act tokens_of(const swg_act *act, size_t t, size_t n)
{
    swg_act part = *act;
    part.m = n;
    part.codes += t * act->stride;
    part.scales += t * act->n_groups;
    part.sums += t * act->n_groups;
    return part;
}

/* Up to so many tokens are multiplied by sparse panels as they are: in two parts of nearly equal
 * size where they are more than the kernel takes, while the panel is in the cache. */
enum { FEW_TOKENS = 2 * SWG_SPARSE_TOKENS };

static void compute_few(const swg_act *act, const swg_weight *weight, swg_value y, size_t begin,
                        size_t end)
{
    const size_t step = act->m <= SWG_SPARSE_TOKENS ? act->m : (act->m + 1) / 2;
    for (size_t p = begin; p < end; p++)
        for (size_t t = 0; t < act->m; t += step) {
            const swg_act part = tokens_of(act, t, act->m - t < step ? act->m - t : step);
            swg_cpu_matvec_sparse(weight, p, &part,
                                  (float *)y.data + t * y.columns + p * SWG_PANEL_ROWS, y.columns);
        }
}

/* For more tokens sparse panels become dense ones in the cache, as many as a kernel takes at a
 * time. */
static void compute_sparse(const swg_cpu_product *product, size_t which, size_t begin, size_t end)
{
    const swg_cpu *cpu = swg_cpu_of(product->exec);
    const swg_act *act = act_of(product->exec);
    const swg_weight *weight = product->weights[which];
    const swg_value y = product->y[which];
    uint8_t *panels = cpu->threads[swg_pool_thread_index()].panels;
    if (act->m <= FEW_TOKENS) {
        compute_few(act, weight, y, begin, end);
        return;
    }
    for (size_t p = begin; p < end; p += SWG_CPU_EXPANDED) {
        const size_t count = end - p < SWG_CPU_EXPANDED ? end - p : SWG_CPU_EXPANDED;
        const swg_packed view = swg_cpu_expand(weight, p, count, panels);
        swg_kernels_matmul(cpu->kernels, view.layout)(
            &view, 0, count, act, (float *)y.data + p * SWG_PANEL_ROWS, y.columns);
    }
}

static void compute(const swg_cpu_product *product, size_t which, size_t begin, size_t end)
{
    if (swg_cpu_is_sparse(product->weights[which])) {
        compute_sparse(product, which, begin, end);
        return;
    }
    const swg_kernels *kernels = swg_cpu_of(product->exec)->kernels;
    const swg_act *act = act_of(product->exec);
    const swg_weight *weight = product->weights[which];
    const swg_packed *packed = swg_cpu_packed(weight);
    const swg_value y = product->y[which];
    swg_kernels_matmul(kernels, packed->layout)(packed, begin, end, act, y.data, y.columns);
}

const swg_cpu_act swg_cpu_act_int8 = {
    .init = init,
    .may_join = may_join,
    .prepare = prepare,
    .unit_rows = SWG_PANEL_ROWS,
    .unit_step = 2, /* kernels take two panels at a time */
    .compute = compute,
};
