/* Weight products on the CPU: y = x W^T (+ bias) for one or several W that share x.
 *
 * Quantized weights with int8 activations go through the matmul kernels on ranges of panels; plain
 * weights, and quantized ones with f32 activations, are made float tile by tile and multiplied by
 * BLAS. Either way all the weights' pieces form one list of chunks in memory order, and thread t
 * takes chunks t, t + T, t + 2T ...: the threads walk through memory together, which reads DRAM up
 * to half as fast again as each thread walking its own half. Chunk borders decide nothing about
 * results of the int8 path (a row is computed whole); tiles of the BLAS path have a fixed size. */
#include <string.h>

#include "kernels/linalg.h"
#include "runtime/backend/cpu_state.h"

/* Turns of this size read DRAM fastest (docs/performance.md). */
enum { CHUNK_BYTES = 1024 * 1024 };

/* Products of fewer multiply-adds are done before other threads have begun. */
enum { SERIAL_PRODUCTS = 128 * 1024 };

typedef struct linear_job {
    swg_exec *exec;
    size_t n_tokens;
    swg_value x;
    size_t count;
    const swg_weight *const *weights;
    const swg_value *y;
    size_t n_units;     /* panels, or tiles, of all weights together */
    size_t chunk_units; /* a turn */
    swg_pool *pool;     /* NULL where one thread is faster */
} linear_job;

static size_t units_of(const swg_weight *weight, bool in_panels)
{
    return in_panels ? swg_cpu_packed(weight)->n_panels : swg_ceil_div(weight->n, SWG_TILE_ROWS);
}

static void add_bias(const linear_job *job, size_t which, size_t row_begin, size_t row_end)
{
    const float *bias = job->weights[which]->bias;
    if (!bias)
        return;
    for (size_t t = 0; t < job->n_tokens; t++) {
        float *y = swg_cpu_row(job->y[which], t);
        for (size_t r = row_begin; r < row_end; r++)
            y[r] += bias[r];
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* --- int8 activations ------------------------------------------------------------------------ */

static void panel_range(const linear_job *job, size_t which, size_t begin, size_t end)
{
    const swg_cpu *cpu = swg_cpu_of(job->exec);
    const swg_weight *weight = job->weights[which];
    const swg_value y = job->y[which];
    if (weight->scheme.bits == 4)
        cpu->kernels->matmul_w4(swg_cpu_packed(weight), begin, end, &cpu->act, y.data, y.columns);
    else
        cpu->kernels->matmul_w8(swg_cpu_packed(weight), begin, end, &cpu->act, y.data, y.columns);
    add_bias(job, which, begin * SWG_PANEL_ROWS, least(end * SWG_PANEL_ROWS, weight->n));
}

static void quantize_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const linear_job *job = context;
    const swg_cpu *cpu = swg_cpu_of(exec);
    const swg_act *act = &cpu->act;
    for (size_t t = begin; t < end; t++)
        cpu->kernels->quantize_act(swg_cpu_row(job->x, t), act->k, act->group,
                                   act->codes + t * act->stride, act->scales + t * act->n_groups,
                                   act->sums + t * act->n_groups);
}

static void quantize_input(linear_job *job)
{
    swg_act *act = &swg_cpu_of(job->exec)->act;
    const swg_packed *packed = swg_cpu_packed(job->weights[0]);
    act->m = job->n_tokens;
    act->k = packed->k;
    act->group = packed->group;
    act->n_groups = packed->n_groups;
    act->stride = swg_round_up(packed->k, SWG_ALIGNMENT);
    swg_cpu_over_rows(job->exec, job->n_tokens, job->n_tokens * act->k, quantize_rows, job);
}

/* --- f32 activations -------------------------------------------------------------------------- */

static void tile_range(const linear_job *job, size_t which, size_t begin, size_t end)
{
    const swg_weight *weight = job->weights[which];
    const swg_value y = job->y[which];
    float *scratch = swg_cpu_of(job->exec)->threads[swg_pool_thread_index()].tile;
    for (size_t tile = begin; tile < end; tile++) {
        const size_t row = tile * SWG_TILE_ROWS;
        const size_t n_rows = least(SWG_TILE_ROWS, weight->n - row);
        const float *rows = swg_cpu_rows_f32(weight, row, n_rows, scratch);
        swg_sgemm_nt(job->n_tokens, n_rows, weight->k, job->x.data, job->x.columns, rows, weight->k,
                     swg_cpu_row(y, 0) + row, y.columns);
        add_bias(job, which, row, row + n_rows);
    }
}

/* --- Sharing out ------------------------------------------------------------------------------ */

/* Units [begin, end) of the common list: find the weights they belong to. */
static void units_range(const linear_job *job, bool in_panels, size_t begin, size_t end)
{
    size_t first = 0; /* of this weight, in the common list */
    for (size_t which = 0; which < job->count && first < end; which++) {
        const size_t units = units_of(job->weights[which], in_panels);
        const size_t from = begin > first ? begin - first : 0;
        const size_t to = least(end - first, units);
        if (from < to) {
            if (in_panels)
                panel_range(job, which, from, to);
            else
                tile_range(job, which, from, to);
        }
        first += units;
    }
}

static void take_turns(const linear_job *job, bool in_panels, size_t thread, size_t n_threads)
{
    for (size_t at = thread * job->chunk_units; at < job->n_units;
         at += n_threads * job->chunk_units)
        units_range(job, in_panels, at, least(at + job->chunk_units, job->n_units));
}

static void panels_work(void *context, size_t thread, size_t n_threads)
{
    take_turns(context, true, thread, n_threads);
}

static void tiles_work(void *context, size_t thread, size_t n_threads)
{
    take_turns(context, false, thread, n_threads);
}

/* Turns are about CHUNK_BYTES, but every thread gets as many as the others where the work allows,
 * and kernels that take two panels at a time get pairs. */
static void choose_chunks(linear_job *job, bool in_panels)
{
    size_t bytes = 0, products = 0;
    job->n_units = 0;
    for (size_t i = 0; i < job->count; i++) {
        bytes += job->weights[i]->bytes;
        products += job->n_tokens * job->weights[i]->n * job->weights[i]->k;
        job->n_units += units_of(job->weights[i], in_panels);
    }
    job->pool = products < SERIAL_PRODUCTS ? NULL : job->exec->pool;
    const size_t n_threads = swg_pool_threads(job->pool);
    const size_t turns = swg_ceil_div(swg_ceil_div(bytes, CHUNK_BYTES), n_threads);
    job->chunk_units = swg_ceil_div(job->n_units, (turns ? turns : 1) * n_threads);
    if (in_panels)
        job->chunk_units = swg_round_up(job->chunk_units, 2);
}

static bool uses_panels(const swg_exec *exec, const swg_weight *weight)
{
    return swg_scheme_is_quantized(weight->scheme) && exec->options.activations == SWG_ACT_INT8;
}

/* Whether two weights can be one job: computed the same way from the same quantized input. */
static bool may_join(const swg_exec *exec, const swg_weight *a, const swg_weight *b)
{
    return uses_panels(exec, a) == uses_panels(exec, b) &&
           (!uses_panels(exec, a) || swg_cpu_packed(a)->group == swg_cpu_packed(b)->group);
}

void swg_cpu_linears(swg_exec *exec, swg_value x, size_t count, const swg_weight *const *weights,
                     const swg_value *y)
{
    for (size_t begin = 0; begin < count;) {
        size_t end = begin + 1;
        while (end < count && may_join(exec, weights[begin], weights[end]))
            end++;
        linear_job job = {.exec = exec,
                          .n_tokens = x.rows,
                          .x = x,
                          .count = end - begin,
                          .weights = weights + begin,
                          .y = y + begin};
        const bool in_panels = uses_panels(exec, weights[begin]);
        if (in_panels)
            quantize_input(&job);
        choose_chunks(&job, in_panels);
        swg_pool_run(job.pool, in_panels ? panels_work : tiles_work, &job);
        begin = end;
    }
}
