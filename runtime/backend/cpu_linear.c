/* Weight products on the CPU: y = x W^T (+ bias) for one or several W that share x.
 *
 * The activation precision decides how an input is rounded and multiplied (cpu_act.h). All the
 * weights' units form one list of chunks in memory order, and thread t takes chunks t, t + T, t +
 * 2T ...: on some processors threads that walk through memory together read DRAM up to 1.5 times as
 * fast as those that walk through a part each, which is one chunk for each thread; on others it is
 * the other way round (kernels/streams.h). Results do not depend on chunk borders. */
#include "kernels/streams.h"
#include "runtime/backend/cpu_act.h"

#define SWG_ACT(ID, name, arithmetic, meaning) extern const swg_cpu_act swg_cpu_act_##name;
#include "runtime/activations.def"
#undef SWG_ACT

static const swg_cpu_act *const acts[] = {
#define SWG_ACT(ID, name, arithmetic, meaning) &swg_cpu_act_##name,
#include "runtime/activations.def"
#undef SWG_ACT
};

/* Where threads take turns, turns of this size read DRAM fastest (docs/performance.md). */
enum { CHUNK_BYTES = 1024 * 1024 };

/* Smaller products, in multiply-adds, are done before the other threads have started. */
enum { SERIAL_PRODUCTS = 128 * 1024 };

typedef struct linear_job {
    swg_cpu_product product;
    const swg_cpu_act *act;
    size_t n_units;     /* of all weights together */
    size_t chunk_units; /* per turn */
    swg_pool *pool;     /* NULL where one thread is faster */
} linear_job;

static const swg_cpu_act *act_of(const swg_exec *exec, const swg_weight *weight, size_t n_tokens)
{
    if (!swg_scheme_is_plain(weight->scheme))
        return acts[exec->options.activations];
    return n_tokens <= SWG_PLAIN_TOKENS ? &swg_cpu_act_plain : acts[SWG_ACT_F32];
}

swg_status swg_cpu_linears_init(swg_exec *exec, size_t k)
{
    const swg_cpu_act *act = acts[exec->options.activations];
    return act->init ? act->init(exec, k) : SWG_OK;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t units_of(const linear_job *job, size_t which)
{
    return swg_ceil_div(job->product.weights[which]->n, job->act->unit_rows);
}

static void add_bias(const swg_cpu_product *product, size_t which, size_t row_begin, size_t row_end)
{
    const float *bias = product->weights[which]->bias;
    if (!bias)
        return;
    for (size_t t = 0; t < product->x.rows; t++) {
        float *y = swg_cpu_row(product->y[which], t);
        for (size_t r = row_begin; r < row_end; r++)
            y[r] += bias[r];
    }
}

/* Units [begin, end) of the common list: find the weights that they belong to. */
static void units_range(const linear_job *job, size_t begin, size_t end)
{
    const swg_cpu_product *product = &job->product;
    const size_t unit_rows = job->act->unit_rows;
    size_t first = 0; /* of this weight, in the common list */
    for (size_t which = 0; which < product->count && first < end; which++) {
        const size_t units = units_of(job, which);
        const size_t from = begin > first ? begin - first : 0;
        const size_t to = least(end - first, units);
        if (from < to) {
            job->act->compute(product, which, from, to);
            add_bias(product, which, from * unit_rows,
                     least(to * unit_rows, product->weights[which]->n));
        }
        first += units;
    }
}

static void take_turns(void *context, size_t thread, size_t n_threads)
{
    const linear_job *job = context;
    for (size_t at = thread * job->chunk_units; at < job->n_units;
         at += n_threads * job->chunk_units)
        units_range(job, at, least(at + job->chunk_units, job->n_units));
}

/* Of one turn for each thread, or turns of about CHUNK_BYTES, every thread gets the same number
 * where the work allows. */
static void choose_chunks(linear_job *job)
{
    const swg_cpu_product *product = &job->product;
    size_t bytes = 0, products = 0;
    for (size_t i = 0; i < product->count; i++) {
        bytes += product->weights[i]->bytes;
        products += product->x.rows * product->weights[i]->n * product->weights[i]->k;
        job->n_units += units_of(job, i);
    }
    job->pool = products < SERIAL_PRODUCTS ? NULL : product->exec->pool;
    const size_t n_threads = swg_pool_threads(job->pool);
    const size_t turns =
        swg_streams_chosen.in_turns ? swg_ceil_div(swg_ceil_div(bytes, CHUNK_BYTES), n_threads) : 1;
    const size_t units = swg_ceil_div(job->n_units, (turns ? turns : 1) * n_threads);
    job->chunk_units = swg_round_up(units, job->act->unit_step);
}

/* Whether two weights can be computed in one job: in the same way, from the same rounded input. */
static bool may_join(const swg_exec *exec, const swg_weight *a, const swg_weight *b,
                     size_t n_tokens)
{
    const swg_cpu_act *act = act_of(exec, a, n_tokens);
    return act == act_of(exec, b, n_tokens) && (!act->may_join || act->may_join(a, b));
}

void swg_cpu_linears(swg_exec *exec, swg_value x, size_t count, const swg_weight *const *weights,
                     const swg_value *y)
{
    for (size_t begin = 0; begin < count;) {
        size_t end = begin + 1;
        while (end < count && may_join(exec, weights[begin], weights[end], x.rows))
            end++;
        linear_job job = {.product = {.exec = exec,
                                      .x = x,
                                      .count = end - begin,
                                      .weights = weights + begin,
                                      .y = y + begin},
                          .act = act_of(exec, weights[begin], x.rows)};
        if (job.act->prepare)
            job.act->prepare(&job.product);
        choose_chunks(&job);
        swg_pool_run(job.pool, take_turns, &job);
        begin = end;
    }
}
