/* The CPU backend: set-up and the operations that work row by row. Products are in cpu_linear.c,
 * attention in cpu_attention.c. */
#include <math.h>
#include <string.h>

#include "runtime/backend/cpu_state.h"
#include "runtime/rope.h"

/* Rows [begin, end) of the tables for a text of `length` positions, in double: float angles lose
 * digits at long contexts. */
static void fill_rope_tables(swg_cpu *cpu, const swg_hparams *h, size_t begin, size_t end,
                             size_t length)
{
    const size_t n_pairs = (size_t)h->head_dim / 2;
    for (size_t i = 0; i < n_pairs; i++) {
        const double frequency = swg_rope_frequency(h, i, length);
        for (size_t position = begin; position < end; position++) {
            const double angle = (double)position * frequency;
            cpu->cosine[position * n_pairs + i] = (float)cos(angle);
            cpu->sine[position * n_pairs + i] = (float)sin(angle);
        }
    }
}

static swg_status make_rope_tables(swg_cpu *cpu, const swg_hparams *h, size_t context)
{
    if (h->rope_theta == 0)
        return SWG_OK;
    const size_t n_pairs = (size_t)h->head_dim / 2;
    cpu->cosine = swg_arena_calloc(&cpu->arena, context * n_pairs, sizeof(float));
    cpu->sine = swg_arena_calloc(&cpu->arena, context * n_pairs, sizeof(float));
    if (!cpu->cosine || !cpu->sine)
        return SWG_NO_MEMORY;
    fill_rope_tables(cpu, h, 0, context, 1);
    return SWG_OK;
}

/* Positions that are still to come get the angles of this length; those that a longer text has
 * left behind become what they were when a shorter one begins. */
static void begin_text(swg_exec *exec, size_t length)
{
    const swg_hparams *h = &exec->model->hparams;
    if (h->rope_theta > 0 && swg_rope_depends_on(h, exec->options.context))
        fill_rope_tables(swg_cpu_of(exec), h, exec->position, length, length);
}

/* Largest k and largest number of groups over all quantized weights, largest k over all. */
static void largest_inputs(const swg_model *model, size_t *k, size_t *groups)
{
    *k = 1;
    *groups = 1;
    for (int role = 0; role < SWG_ROLE_COUNT; role++)
        for (size_t layer = 0; layer < (size_t)model->hparams.n_layers; layer++) {
            const swg_weight *weight = swg_model_weight(model, (swg_role)role, layer);
            if (!weight)
                continue;
            if (weight->k > *k)
                *k = weight->k;
            if (swg_scheme_is_quantized(weight->scheme) && weight->packed.n_groups > *groups)
                *groups = weight->packed.n_groups;
        }
}

static swg_status make_thread_scratch(swg_exec *exec, swg_cpu *cpu, size_t largest_k)
{
    const swg_hparams *h = &exec->model->hparams;
    const size_t n_threads = swg_pool_threads(exec->pool);
    const size_t sharing = h->n_heads ? (size_t)(h->n_heads / h->n_kv_heads) : 0;
    const size_t queries = SWG_ATTENTION_TOKENS * sharing;
    const size_t scores = h->n_heads ? 8 * swg_round_up(exec->options.context, 16) : 0;
    swg_arena *arena = &cpu->arena;
    cpu->threads = swg_arena_calloc(arena, n_threads, sizeof *cpu->threads);
    if (!cpu->threads)
        return SWG_NO_MEMORY;
    for (size_t t = 0; t < n_threads; t++) {
        swg_cpu_thread *thread = &cpu->threads[t];
        thread->tile = swg_arena_calloc(arena, SWG_TILE_ROWS * largest_k, sizeof(float));
        thread->scores = swg_arena_calloc(arena, scores, sizeof(float));
        thread->q = swg_arena_calloc(arena, queries, sizeof *thread->q);
        thread->out = swg_arena_calloc(arena, queries, sizeof *thread->out);
        thread->key_begin = swg_arena_calloc(arena, queries, sizeof(uint32_t));
        thread->key_end = swg_arena_calloc(arena, queries, sizeof(uint32_t));
        if (!thread->tile || !thread->scores || !thread->q || !thread->out || !thread->key_begin ||
            !thread->key_end)
            return SWG_NO_MEMORY;
    }
    return SWG_OK;
}

static void deinit(swg_exec *exec)
{
    swg_cpu *cpu = swg_cpu_of(exec);
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
    size_t k, groups;
    largest_inputs(exec->model, &k, &groups);
    const size_t stride = swg_round_up(k, SWG_ALIGNMENT), chunk = exec->options.chunk;
    cpu->act.codes = swg_arena_calloc(&cpu->arena, chunk * stride, 1);
    cpu->act.scales = swg_arena_calloc(&cpu->arena, chunk * groups, sizeof(float));
    cpu->act.sums = swg_arena_calloc(&cpu->arena, chunk * groups, sizeof(int32_t));
    if (!cpu->act.codes || !cpu->act.scales || !cpu->act.sums)
        return SWG_NO_MEMORY;
    SWG_TRY(make_rope_tables(cpu, &exec->model->hparams, exec->options.context));
    return make_thread_scratch(exec, cpu, k);
}

/* Operands of the operations below. */
typedef struct operands {
    const swg_weight *weight;
    swg_index index;
    bool is_added;
    swg_activation activation;
    swg_value x, y;
} operands;

static size_t index_of(const swg_exec *exec, swg_index index, size_t t)
{
    switch (index) {
    case SWG_INDEX_POSITION:
        return exec->position + t;
    case SWG_INDEX_TYPE:
        return exec->types ? (size_t)exec->types[t] : 0;
    default:
        return (size_t)exec->ids[t];
    }
}

static void embed_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const operands *o = context;
    const swg_cpu *cpu = swg_cpu_of(exec);
    float *tile = cpu->threads[swg_pool_thread_index()].tile;
    for (size_t t = begin; t < end; t++) {
        const size_t row = index_of(exec, o->index, t);
        float *x = o->x.data + t * o->x.columns;
        swg_weight_row(o->weight, cpu->kernels, row, o->is_added ? tile : x);
        if (o->is_added)
            cpu->kernels->add(x, tile, o->x.columns);
    }
}

static void embed(swg_exec *exec, const swg_weight *weight, swg_index index, bool is_added,
                  swg_value x)
{
    operands o = {.weight = weight, .index = index, .is_added = is_added, .x = x};
    swg_cpu_over_rows(exec, exec->n_rows, exec->n_rows * x.columns, embed_rows, &o);
}

static void rmsnorm_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const operands *o = context;
    const size_t n = o->weight->n;
    const float eps = (float)exec->model->hparams.norm_eps;
    for (size_t at = begin * o->x.columns; at < end * o->x.columns; at += n)
        swg_cpu_of(exec)->kernels->rmsnorm(o->x.data + at, o->weight->plain, n, eps,
                                           o->y.data + at);
}

static void rmsnorm(swg_exec *exec, const swg_weight *weight, swg_value x, swg_value y)
{
    operands o = {.weight = weight, .x = x, .y = y};
    swg_cpu_over_rows(exec, exec->n_rows, exec->n_rows * x.columns, rmsnorm_rows, &o);
}

static void layernorm_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const operands *o = context;
    const size_t n = o->weight->n;
    const float eps = (float)exec->model->hparams.norm_eps;
    for (size_t at = begin * o->x.columns; at < end * o->x.columns; at += n)
        swg_cpu_of(exec)->kernels->layernorm(o->x.data + at, o->weight->plain, o->weight->bias, n,
                                             eps, o->y.data + at);
}

static void layernorm(swg_exec *exec, const swg_weight *weight, swg_value x, swg_value y)
{
    operands o = {.weight = weight, .x = x, .y = y};
    swg_cpu_over_rows(exec, exec->n_rows, exec->n_rows * x.columns, layernorm_rows, &o);
}

static void rope_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const operands *o = context;
    const swg_cpu *cpu = swg_cpu_of(exec);
    const swg_hparams *h = &exec->model->hparams;
    const size_t head_dim = (size_t)h->head_dim, n_pairs = head_dim / 2;
    void (*rotate)(float *, const float *, const float *, size_t) =
        h->rope_interleaved ? cpu->kernels->rope_interleaved : cpu->kernels->rope_half;
    for (size_t t = begin; t < end; t++) {
        const size_t table = (exec->position + t) * n_pairs;
        for (size_t at = 0; at < o->x.columns; at += head_dim)
            rotate(o->x.data + t * o->x.columns + at, cpu->cosine + table, cpu->sine + table,
                   n_pairs);
    }
}

static void rope(swg_exec *exec, swg_value x)
{
    operands o = {.x = x};
    swg_cpu_over_rows(exec, exec->n_rows, exec->n_rows * x.columns, rope_rows, &o);
}

static void silu_mul_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const operands *o = context;
    const size_t n = o->x.columns;
    swg_cpu_of(exec)->kernels->silu_mul(o->x.data + begin * n, o->y.data + begin * n,
                                        (end - begin) * n, o->x.data + begin * n);
}

static void silu_mul(swg_exec *exec, swg_value gate, swg_value up)
{
    operands o = {.x = gate, .y = up};
    swg_cpu_over_rows(exec, exec->n_rows, exec->n_rows * gate.columns, silu_mul_rows, &o);
}

static void add_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const operands *o = context;
    const size_t n = o->x.columns;
    swg_cpu_of(exec)->kernels->add(o->x.data + begin * n, o->y.data + begin * n, (end - begin) * n);
}

static void add(swg_exec *exec, swg_value x, swg_value y)
{
    operands o = {.x = x, .y = y};
    swg_cpu_over_rows(exec, exec->n_rows, exec->n_rows * x.columns, add_rows, &o);
}

static void activate_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const operands *o = context;
    const swg_kernels *kernels = swg_cpu_of(exec)->kernels;
    void (*const functions[])(float *, size_t) = {
        [SWG_ACTIVATION_GELU] = kernels->gelu,
        [SWG_ACTIVATION_GELU_TANH] = kernels->gelu_tanh,
        [SWG_ACTIVATION_TANH] = kernels->tanh,
    };
    functions[o->activation](o->x.data + begin * o->x.columns, (end - begin) * o->x.columns);
}

static void activate(swg_exec *exec, swg_activation activation, swg_value x)
{
    operands o = {.activation = activation, .x = x};
    swg_cpu_over_rows(exec, exec->n_rows, exec->n_rows * x.columns, activate_rows, &o);
}

static void add_vector_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const operands *o = context;
    for (size_t t = begin; t < end; t++)
        swg_cpu_of(exec)->kernels->add(o->x.data + t * o->x.columns, o->weight->plain,
                                       o->x.columns);
}

static void add_vector(swg_exec *exec, const swg_weight *vector, swg_value x)
{
    operands o = {.weight = vector, .x = x};
    swg_cpu_over_rows(exec, exec->n_rows, exec->n_rows * x.columns, add_vector_rows, &o);
}

static void cell(swg_exec *exec, swg_cell kind, size_t units, const float *from_input,
                 const float *from_state, float *h, float *c)
{
    const swg_kernels *kernels = swg_cpu_of(exec)->kernels;
    const size_t reset = exec->model->hparams.gate_order == SWG_GATES_RESET_FIRST ? 0 : 1;
    if (kind == SWG_CELL_LSTM)
        kernels->lstm_cell(from_input, from_state, units, c, h);
    else
        kernels->gru_cell(from_input, from_state, units, 1 - reset, reset, h);
}

const swg_backend swg_backend_cpu = {
    .name = "cpu",
    .init = init,
    .deinit = deinit,
    .begin_text = begin_text,
    .embed = embed,
    .rmsnorm = rmsnorm,
    .layernorm = layernorm,
    .linears = swg_cpu_linears,
    .rope = rope,
    .attend = swg_cpu_attend,
    .silu_mul = silu_mul,
    .activate = activate,
    .add = add,
    .add_vector = add_vector,
    .cell = cell,
};
