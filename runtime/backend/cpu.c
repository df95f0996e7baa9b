/* The CPU backend: set-up and the operations that work row by row. Products are in cpu_linear.c,
 * attention in cpu_attention.c, recurrent layers in cpu_recurrent.c. */
#include <math.h>
#include <string.h>

#include "runtime/backend/cpu_state.h"
#include "runtime/base/sparse_pack.h"
#include "runtime/rope.h"

/* The first pair of row t in the angles of that rope table. */
static size_t angles_of(const swg_exec *exec, size_t table, size_t t)
{
    return (table * exec->options.chunk + t) * (size_t)exec->model->hparams.rope.dim / 2;
}

/* Rows of another span whose angles are those of this span's, or NULL: texts that are computed
 * together begin at the same position. */
static const swg_span *span_like(const swg_exec *exec, const swg_span *span)
{
    for (const swg_span *other = exec->batch.spans; other < span; other++)
        if (other->position == span->position && other->length == span->length &&
            other->n >= span->n)
            return other;
    return NULL;
}

static void copy_angles(swg_exec *exec, const swg_span *from, const swg_span *to)
{
    swg_cpu *cpu = swg_cpu_of(exec);
    const swg_hparams *h = &exec->model->hparams;
    const size_t n = to->n * (size_t)h->rope.dim / 2;
    for (size_t table = 0; table < swg_rope_tables(h); table++) {
        const size_t a = angles_of(exec, table, from->row), b = angles_of(exec, table, to->row);
        memcpy(cpu->cosine + b, cpu->cosine + a, n * sizeof *cpu->cosine);
        memcpy(cpu->sine + b, cpu->sine + a, n * sizeof *cpu->sine);
    }
}

/* Angles of a span's rows, computed in double: float angles lose digits at long contexts. */
static void fill_angles(swg_exec *exec, const swg_span *span)
{
    swg_cpu *cpu = swg_cpu_of(exec);
    const swg_hparams *h = &exec->model->hparams;
    const swg_span *same = span->n > 1 ? span_like(exec, span) : NULL;
    if (same) {
        copy_angles(exec, same, span);
        return;
    }
    for (size_t table = 0; table < swg_rope_tables(h); table++)
        for (size_t i = 0; i < (size_t)h->rope.dim / 2; i++) {
            const double frequency = swg_rope_frequency(h, table, i, span->length);
            for (size_t t = 0; t < span->n; t++) {
                const double angle = (double)(span->position + t) * frequency;
                const size_t at = angles_of(exec, table, span->row + t) + i;
                cpu->cosine[at] = (float)cos(angle);
                cpu->sine[at] = (float)sin(angle);
            }
        }
}

/* Compute the angles, and the blocks of rows that attention works on, for a new batch. */
static void begin_batch(swg_exec *exec)
{
    swg_cpu *cpu = swg_cpu_of(exec);
    cpu->n_blocks = 0;
    for (size_t s = 0; s < exec->batch.n_spans; s++) {
        const swg_span *span = &exec->batch.spans[s];
        for (size_t at = 0; at < span->n; at += SWG_ATTENTION_TOKENS)
            cpu->blocks[cpu->n_blocks++] = (swg_cpu_block){.span = span, .begin = at};
        fill_angles(exec, span);
    }
}

/* Operations are done when they return, and none can fail. */
static swg_status finish(swg_exec *exec)
{
    (void)exec;
    return SWG_OK;
}

static size_t largest_k(const swg_model *model)
{
    size_t k = 1;
    for (size_t i = 0; i < model->n_weights; i++)
        if (model->weights[i].k > k)
            k = model->weights[i].k;
    return k;
}

/* Bytes of the longest dense panel that a sparse matrix expands to. */
static size_t longest_expanded(const swg_model *model)
{
    size_t bytes = 0;
    for (size_t i = 0; i < model->n_weights; i++) {
        const swg_weight *weight = &model->weights[i];
        if (weight->n == 0 || !swg_cpu_stays_sparse(weight))
            continue;
        const size_t panel =
            swg_packed_layout(swg_sparse_dense(weight->scheme), weight->n, weight->k).panel_bytes;
        bytes = panel > bytes ? panel : bytes;
    }
    return bytes;
}

static swg_status make_thread_scratch(swg_exec *exec, swg_cpu *cpu, size_t k)
{
    const swg_hparams *h = &exec->model->hparams;
    const size_t n_threads = swg_pool_threads(exec->pool);
    const size_t sharing = h->n_heads ? (size_t)(h->n_heads / h->n_kv_heads) : 0;
    const size_t queries = SWG_ATTENTION_TOKENS * sharing;
    const size_t panels = SWG_CPU_EXPANDED * longest_expanded(exec->model);
    const size_t scores = h->n_heads ? 8 * swg_round_up(exec->options.context, 16) : 0;
    swg_arena *arena = &cpu->arena;
    cpu->threads = swg_arena_calloc(arena, n_threads, sizeof *cpu->threads);
    if (!cpu->threads)
        return SWG_NO_MEMORY;
    for (size_t t = 0; t < n_threads; t++) {
        swg_cpu_thread *thread = &cpu->threads[t];
        thread->tile = swg_arena_calloc(arena, SWG_TILE_ROWS * k, sizeof(float));
        thread->block = swg_arena_calloc(arena, cpu->split ? 1 : 0, sizeof *thread->block);
        thread->panels = swg_arena_calloc(arena, panels, 1);
        thread->scores = swg_arena_calloc(arena, scores, sizeof(float));
        thread->q = swg_arena_calloc(arena, queries, sizeof *thread->q);
        thread->out = swg_arena_calloc(arena, queries, sizeof *thread->out);
        thread->key_begin = swg_arena_calloc(arena, queries, sizeof(uint32_t));
        thread->key_end = swg_arena_calloc(arena, queries, sizeof(uint32_t));
        if (!thread->tile || !thread->block || !thread->panels || !thread->scores || !thread->q ||
            !thread->out || !thread->key_begin || !thread->key_end)
            return SWG_NO_MEMORY;
    }
    return SWG_OK;
}

/* Scratch memory of a batch: blocks and angles. */
static swg_status make_batch_scratch(swg_exec *exec, swg_cpu *cpu)
{
    const swg_hparams *h = &exec->model->hparams;
    const size_t chunk = exec->options.chunk;
    cpu->blocks = swg_arena_calloc(&cpu->arena, chunk, sizeof *cpu->blocks);
    if (!cpu->blocks)
        return SWG_NO_MEMORY;
    const size_t angles = swg_rope_tables(h) * chunk * (size_t)h->rope.dim / 2;
    if (angles == 0)
        return SWG_OK;
    cpu->cosine = swg_arena_calloc(&cpu->arena, angles, sizeof(float));
    cpu->sine = swg_arena_calloc(&cpu->arena, angles, sizeof(float));
    return cpu->cosine && cpu->sine ? SWG_OK : SWG_NO_MEMORY;
}

/* Keys and values of all layers. */
static swg_status make_cache(swg_exec *exec, swg_cpu *cpu)
{
    if (exec->model->hparams.n_heads == 0)
        return SWG_OK;
    const swg_kvcache_shape shape = swg_exec_cache_shape(exec);
    return swg_kvcache_init(&cpu->cache, &shape);
}

static void deinit(swg_exec *exec)
{
    swg_cpu *cpu = swg_cpu_of(exec);
    swg_kvcache_deinit(&cpu->cache);
    swg_arena_deinit(&cpu->arena);
    swg_free(cpu);
    exec->backend_state = NULL;
}

static swg_status init(swg_exec *exec)
{
    swg_cpu *cpu;
    SWG_TRY(SWG_NEW(cpu, 1));
    exec->backend_state = cpu; /* from here on swg_exec_free releases it */
    SWG_TRY(swg_kernels_best(&cpu->kernels));
    const size_t k = largest_k(exec->model);
    SWG_TRY(make_batch_scratch(exec, cpu));
    SWG_TRY(swg_cpu_linears_init(exec, k));
    SWG_TRY(swg_cpu_split_init(exec, k));
    SWG_TRY(make_thread_scratch(exec, cpu, k));
    SWG_TRY(make_cache(exec, cpu));
    return swg_cpu_recurrent_init(exec);
}

/* --- Values ----------------------------------------------------------------------------------- */

static swg_status value_new(swg_exec *exec, size_t rows, size_t columns, swg_value *out)
{
    (void)exec;
    size_t elems;
    float *data;
    if (!swg_size_mul(rows, columns, &elems))
        return swg_error(SWG_LIMIT, "a chunk of %zu tokens is too large", rows);
    SWG_TRY(SWG_NEW(data, elems));
    *out = (swg_value){.data = data, .rows = rows, .columns = columns};
    return SWG_OK;
}

static void value_free(swg_exec *exec, swg_value *value)
{
    (void)exec;
    swg_free(value->data);
    value->data = NULL;
}

static void upload(swg_exec *exec, const float *host, swg_value value)
{
    (void)exec;
    memcpy(value.data, host, value.rows * value.columns * sizeof *host);
}

static void download(swg_exec *exec, swg_value value, float *host)
{
    (void)exec;
    if (value.data != host)
        memcpy(host, value.data, value.rows * value.columns * sizeof *host);
}

static swg_value output(swg_exec *exec, float *host, size_t rows, size_t columns)
{
    (void)exec;
    return (swg_value){.data = host, .rows = rows, .columns = columns};
}

static const float *host_rows(swg_exec *exec, swg_value value)
{
    (void)exec;
    return value.data;
}

static void gather(swg_exec *exec, swg_value value, const size_t *rows, size_t n)
{
    (void)exec;
    for (size_t i = 0; i < n; i++)
        if (rows[i] != i)
            memcpy(swg_cpu_row(value, i), swg_cpu_row(value, rows[i]),
                   value.columns * sizeof(float));
}

/* --- Operations row by row -------------------------------------------------------------------- */

/* Operands of the operations below. */
typedef struct operands {
    const swg_weight *weight;
    swg_index index;
    bool is_added;
    swg_activation activation;
    size_t layer;
    float factor;
    swg_value x, y;
} operands;

static size_t index_of(const swg_exec *exec, swg_index index, size_t t)
{
    switch (index) {
    case SWG_INDEX_POSITION:
        return exec->batch.positions[t] + (size_t)exec->model->hparams.first_position;
    case SWG_INDEX_TYPE:
        return (size_t)exec->batch.types[t];
    default:
        return (size_t)exec->batch.ids[t];
    }
}

static void embed_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const operands *o = context;
    const swg_cpu *cpu = swg_cpu_of(exec);
    float *tile = cpu->threads[swg_pool_thread_index()].tile;
    for (size_t t = begin; t < end; t++) {
        const size_t row = index_of(exec, o->index, t);
        float *x = swg_cpu_row(o->x, t);
        exec->model->backend->weights->row_f32(o->weight, row, o->is_added ? tile : x);
        if (o->is_added)
            cpu->kernels->add(x, tile, o->x.columns);
    }
}

static void embed(swg_exec *exec, const swg_weight *weight, swg_index index, bool is_added,
                  swg_value x)
{
    operands o = {.weight = weight, .index = index, .is_added = is_added, .x = x};
    swg_cpu_over_rows(exec, x.rows, x.rows * x.columns, embed_rows, &o);
}

static void rmsnorm_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const operands *o = context;
    const size_t n = o->weight->n;
    const float eps = (float)exec->model->hparams.norm_eps;
    for (size_t at = begin * o->x.columns; at < end * o->x.columns; at += n)
        swg_cpu_of(exec)->kernels->rmsnorm(swg_cpu_row(o->x, 0) + at, o->weight->vector, n, eps,
                                           swg_cpu_row(o->y, 0) + at);
}

static void rmsnorm(swg_exec *exec, const swg_weight *weight, swg_value x, swg_value y)
{
    operands o = {.weight = weight, .x = x, .y = y};
    swg_cpu_over_rows(exec, x.rows, x.rows * x.columns, rmsnorm_rows, &o);
}

static void layernorm_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const operands *o = context;
    const size_t n = o->weight->n;
    const float eps = (float)exec->model->hparams.norm_eps;
    for (size_t at = begin * o->x.columns; at < end * o->x.columns; at += n)
        swg_cpu_of(exec)->kernels->layernorm(swg_cpu_row(o->x, 0) + at, o->weight->vector,
                                             o->weight->bias, n, eps, swg_cpu_row(o->y, 0) + at);
}

static void layernorm(swg_exec *exec, const swg_weight *weight, swg_value x, swg_value y)
{
    operands o = {.weight = weight, .x = x, .y = y};
    swg_cpu_over_rows(exec, x.rows, x.rows * x.columns, layernorm_rows, &o);
}

static void rope_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const operands *o = context;
    const swg_cpu *cpu = swg_cpu_of(exec);
    const swg_hparams *h = &exec->model->hparams;
    const size_t head_dim = (size_t)h->head_dim, table = swg_rope_table_of(h, o->layer);
    void (*rotate)(float *, const float *, const float *, size_t) =
        h->rope.interleaved ? cpu->kernels->rope_interleaved : cpu->kernels->rope_half;
    for (size_t t = begin; t < end; t++) {
        const size_t angles = angles_of(exec, table, t);
        for (size_t at = 0; at < o->x.columns; at += head_dim)
            rotate(swg_cpu_row(o->x, t) + at, cpu->cosine + angles, cpu->sine + angles,
                   (size_t)h->rope.dim / 2);
    }
}

static void rope(swg_exec *exec, size_t layer, swg_value x)
{
    operands o = {.layer = layer, .x = x};
    swg_cpu_over_rows(exec, x.rows, x.rows * x.columns, rope_rows, &o);
}

static void silu_mul_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const operands *o = context;
    const size_t n = o->x.columns;
    swg_cpu_of(exec)->kernels->silu_mul(swg_cpu_row(o->x, begin), swg_cpu_row(o->y, begin),
                                        (end - begin) * n, swg_cpu_row(o->x, begin));
}

static void silu_mul(swg_exec *exec, swg_value gate, swg_value up)
{
    operands o = {.x = gate, .y = up};
    swg_cpu_over_rows(exec, gate.rows, gate.rows * gate.columns, silu_mul_rows, &o);
}

/* One rounding per element, so the bytes do not depend on the compiler's vector width. */
static void mul_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    (void)exec;
    const operands *o = context;
    float *x = swg_cpu_row(o->x, begin);
    const float *y = swg_cpu_row(o->y, begin);
    for (size_t i = 0; i < (end - begin) * o->x.columns; i++)
        x[i] *= y[i];
}

static void mul(swg_exec *exec, swg_value x, swg_value y)
{
    operands o = {.x = x, .y = y};
    swg_cpu_over_rows(exec, x.rows, x.rows * x.columns, mul_rows, &o);
}

static void scale_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    (void)exec;
    const operands *o = context;
    float *x = swg_cpu_row(o->x, begin);
    for (size_t i = 0; i < (end - begin) * o->x.columns; i++)
        x[i] *= o->factor;
}

static void scale(swg_exec *exec, float factor, swg_value x)
{
    operands o = {.x = x, .factor = factor};
    swg_cpu_over_rows(exec, x.rows, x.rows * x.columns, scale_rows, &o);
}

static void add_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const operands *o = context;
    const size_t n = o->x.columns;
    swg_cpu_of(exec)->kernels->add(swg_cpu_row(o->x, begin), swg_cpu_row(o->y, begin),
                                   (end - begin) * n);
}

static void add(swg_exec *exec, swg_value x, swg_value y)
{
    operands o = {.x = x, .y = y};
    swg_cpu_over_rows(exec, x.rows, x.rows * x.columns, add_rows, &o);
}

/* Only heads use it, on a row per text. */
static void relu(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] > 0 ? x[i] : 0;
}

static void activate_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const operands *o = context;
    const swg_kernels *kernels = swg_cpu_of(exec)->kernels;
    void (*const functions[])(float *, size_t) = {
        [SWG_ACTIVATION_GELU] = kernels->gelu,
        [SWG_ACTIVATION_GELU_TANH] = kernels->gelu_tanh,
        [SWG_ACTIVATION_TANH] = kernels->tanh,
        [SWG_ACTIVATION_RELU] = relu,
    };
    functions[o->activation](swg_cpu_row(o->x, begin), (end - begin) * o->x.columns);
}

static void activate(swg_exec *exec, swg_activation activation, swg_value x)
{
    operands o = {.activation = activation, .x = x};
    swg_cpu_over_rows(exec, x.rows, x.rows * x.columns, activate_rows, &o);
}

static void add_vector_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const operands *o = context;
    for (size_t t = begin; t < end; t++)
        swg_cpu_of(exec)->kernels->add(swg_cpu_row(o->x, t), o->weight->vector, o->x.columns);
}

static void add_vector(swg_exec *exec, const swg_weight *vector, swg_value x)
{
    operands o = {.weight = vector, .x = x};
    swg_cpu_over_rows(exec, x.rows, x.rows * x.columns, add_vector_rows, &o);
}

const swg_backend swg_backend_cpu = {
    .name = "cpu",
    .weights = &swg_cpu_weights,
    .init = init,
    .deinit = deinit,
    .value_new = value_new,
    .value_free = value_free,
    .upload = upload,
    .download = download,
    .output = output,
    .host_rows = host_rows,
    .gather = gather,
    .begin = begin_batch,
    .finish = finish,
    .embed = embed,
    .rmsnorm = rmsnorm,
    .layernorm = layernorm,
    .linears = swg_cpu_linears,
    .rope = rope,
    .attend = swg_cpu_attend,
    .recur = swg_cpu_recur,
    .silu_mul = silu_mul,
    .activate = activate,
    .mul = mul,
    .scale = scale,
    .add = add,
    .add_vector = add_vector,
};
