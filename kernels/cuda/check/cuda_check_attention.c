/* Checks of the KV cache and of attention over it. Sequences of several lengths lie in one cache;
 * rows see them whole, causally, or through a window. The reference attends over the rounded keys
 * and values that the cache holds. */
#include "kernels/cuda/check/cuda_check.h"

#include <math.h>
#include <string.h>

#include "runtime/base/numeric.h"

typedef struct shape {
    size_t heads, kv_heads, head_dim, context, sequences;
    swg_cuda_cache_type type;
    size_t window; /* 0 = none */
    bool sees_all;
} shape;

typedef struct attention_case {
    shape s;
    swg_cuda_cache cache;
    float *keys, *values; /* [sequences][kv_heads][context][head_dim], as the cache holds them */
    size_t rows;
    int32_t *sequence, *position, *begin, *end;
    swg_cuda_rows where;
} attention_case;

static size_t cache_at(const shape *s, size_t sequence, size_t head, size_t position)
{
    return ((sequence * s->kv_heads + head) * s->context + position) * s->head_dim;
}

static size_t element_bytes(const shape *s)
{
    return s->type == SWG_CUDA_CACHE_F16 ? 2 : s->type == SWG_CUDA_CACHE_F32 ? 4 : 1;
}

/* A key or value as the cache holds it. */
static void round_row(const shape *s, const float *x, float *out)
{
    float largest = 0;
    for (size_t i = 0; i < s->head_dim; i++)
        largest = fmaxf(largest, fabsf(x[i]));
    for (size_t i = 0; i < s->head_dim; i++)
        out[i] = s->type == SWG_CUDA_CACHE_F32   ? x[i]
                 : s->type == SWG_CUDA_CACHE_F16 ? swg_f16_to_f32(swg_f32_to_f16(x[i]))
                 : largest < 0x1p-100f           ? 0
                                                 : rintf(x[i] * (127 / largest)) * (largest / 127);
}

/* Normal numbers, of which some rows are much larger or smaller, and some nothing. */
static float *random_rows(check *c, size_t rows, size_t n)
{
    static const float scales[] = {1, 1, 1, 1, 0.01f, 3, 1e-4f, 0};
    float *x = check_memory(c, rows * n * sizeof *x);
    for (size_t r = 0; r < rows; r++)
        memcpy(x + r * n, check_floats(c, n, scales[check_below(c, 8)]), n * sizeof *x);
    return x;
}

/* Fill the cache through cache_store, one row for every position, in the order of positions. */
static void fill_cache(check *c, attention_case *a)
{
    const shape *s = &a->s;
    const size_t rows = s->sequences * s->context, width = s->kv_heads * s->head_dim;
    const size_t bytes = rows * width * element_bytes(s), n = rows * s->kv_heads;
    float *k = random_rows(c, n, s->head_dim), *v = random_rows(c, n, s->head_dim);
    int32_t *sequence = check_memory(c, rows * 4), *position = check_memory(c, rows * 4);
    a->keys = check_memory(c, rows * width * sizeof(float));
    a->values = check_memory(c, rows * width * sizeof(float));
    for (size_t r = 0; r < rows; r++) {
        sequence[r] = (int32_t)(r % s->sequences);
        position[r] = (int32_t)(r / s->sequences);
        for (size_t h = 0; h < s->kv_heads; h++) {
            const size_t to = cache_at(s, r % s->sequences, h, r / s->sequences);
            round_row(s, k + r * width + h * s->head_dim, a->keys + to);
            round_row(s, v + r * width + h * s->head_dim, a->values + to);
        }
    }
    a->cache = (swg_cuda_cache){.d_keys = check_in(c, NULL, bytes),
                                .d_values = check_in(c, NULL, bytes),
                                .d_key_scales = check_in(c, NULL, n * sizeof(float)),
                                .d_value_scales = check_in(c, NULL, n * sizeof(float)),
                                .type = s->type,
                                .n_heads = (uint32_t)s->kv_heads,
                                .head_dim = (uint32_t)s->head_dim,
                                .context = (uint32_t)s->context};
    const swg_cuda_rows where = {.d_sequences = check_in(c, sequence, rows * 4),
                                 .d_positions = check_in(c, position, rows * 4)};
    check_run(c, c->cuda->cache_store(c->stream, &a->cache, &where, rows,
                                      check_in(c, k, rows * width * sizeof *k),
                                      check_in(c, v, rows * width * sizeof *v)));
}

/* Rows: `runs` runs of consecutive positions, each of one sequence. */
static void make_rows(check *c, attention_case *a, size_t runs, size_t run)
{
    const shape *s = &a->s;
    a->rows = runs * run;
    a->sequence = check_memory(c, a->rows * 4);
    a->position = check_memory(c, a->rows * 4);
    a->begin = check_memory(c, a->rows * 4);
    a->end = check_memory(c, a->rows * 4);
    for (size_t r = 0; r < runs; r++) {
        const size_t first = check_below(c, (uint32_t)(s->context - run + 1));
        for (size_t i = 0; i < run; i++) {
            const size_t t = r * run + i, visible = first + i + 1;
            a->sequence[t] = (int32_t)(r % s->sequences);
            a->position[t] = (int32_t)(first + i);
            a->begin[t] = (int32_t)(s->window && visible > s->window ? visible - s->window : 0);
            a->end[t] = (int32_t)(s->sees_all ? s->context : visible);
        }
    }
    a->where = (swg_cuda_rows){.usual_run = (uint32_t)run,
                               .d_sequences = check_in(c, a->sequence, a->rows * 4),
                               .d_positions = check_in(c, a->position, a->rows * 4),
                               .d_key_begin = check_in(c, a->begin, a->rows * 4),
                               .d_key_end = check_in(c, a->end, a->rows * 4)};
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

/* One row and head. */
static void attend_wanted(const attention_case *a, size_t row, size_t head, const float *q,
                          double scale, double *out)
{
    const shape *s = &a->s;
    const size_t kv_head = head / (s->heads / s->kv_heads);
    const size_t first = cache_at(s, (size_t)a->sequence[row], kv_head, 0);
    double largest = -INFINITY, sum = 0;
    for (int32_t j = a->begin[row]; j < a->end[row]; j++)
        largest =
            fmax(largest, scale * dot(q, a->keys + first + (size_t)j * s->head_dim, s->head_dim));
    for (int32_t j = a->begin[row]; j < a->end[row]; j++) {
        const size_t at = first + (size_t)j * s->head_dim;
        const double p = exp(scale * dot(q, a->keys + at, s->head_dim) - largest);
        sum += p;
        for (size_t i = 0; i < s->head_dim; i++)
            out[i] += p * a->values[at + i];
    }
    for (size_t i = 0; i < s->head_dim; i++)
        out[i] /= sum;
}

static void check_shape(check *c, shape s, size_t runs, size_t run)
{
    attention_case a = {.s = s};
    fill_cache(c, &a);
    make_rows(c, &a, runs, run);
    const size_t width = s.heads * s.head_dim, bytes = a.rows * width * sizeof(float);
    const float scale = 1 / sqrtf((float)s.head_dim);
    float *q = check_floats(c, a.rows * width, 1.5f);
    double *wanted = check_memory(c, a.rows * width * sizeof *wanted);
    for (size_t r = 0; r < a.rows && !c->problem[0]; r++)
        for (size_t h = 0; h < s.heads; h++) {
            const size_t at = r * width + h * s.head_dim;
            attend_wanted(&a, r, h, q + at, scale, wanted + at);
        }
    void *d_q = check_in(c, q, bytes), *d_y = check_in(c, NULL, bytes);
    void *d_scratch =
        check_in(c, NULL, c->cuda->attend_scratch(&a.cache, a.rows, s.heads, s.context));
    check_run(c, c->cuda->attend(c->stream, &a.cache, &a.where, a.rows, s.heads, s.context, scale,
                                 d_q, d_y, d_scratch));
    const float *y = check_out(c, d_y);
    check_out(c, d_scratch);
    /* Tensor cores take the query and the probabilities as halves. */
    check_close(c, "attend", y, wanted, a.rows, width, 1e-3);
    check_run(c, c->cuda->attend(c->stream, &a.cache, &a.where, a.rows, s.heads, s.context, scale,
                                 d_q, d_q, d_scratch));
    check_same(c, "attend in place", check_out(c, d_q), y, bytes);
}

static void check_attend(check *c)
{
    check_shape(c, (shape){1, 1, 64, 40, 1, SWG_CUDA_CACHE_F16, 0, false}, 1, 1);
    check_shape(c, (shape){4, 2, 8, 300, 3, SWG_CUDA_CACHE_F32, 0, false}, 3, 1);
    check_shape(c, (shape){6, 2, 48, 150, 2, SWG_CUDA_CACHE_F16, 0, false}, 2, 5);
    check_shape(c, (shape){9, 1, 20, 131, 2, SWG_CUDA_CACHE_F16, 17, false}, 2, 3);
    check_shape(c, (shape){2, 2, 256, 33, 1, SWG_CUDA_CACHE_F16, 0, true}, 1, 2);
    check_shape(c, (shape){3, 1, 7, 1100, 1, SWG_CUDA_CACHE_F32, 0, false}, 2, 1); /* two splits */
    check_shape(c, (shape){6, 2, 24, 140, 2, SWG_CUDA_CACHE_INT8, 0, false}, 2, 5);
    check_shape(c, (shape){3, 1, 13, 1100, 1, SWG_CUDA_CACHE_INT8, 0, false}, 2, 1);
}

/* Tiles of rows: whole ones, and ones with the ends and beginnings of several sequences. */
static void check_flash(check *c)
{
    check_shape(c, (shape){1, 1, 64, 64, 1, SWG_CUDA_CACHE_F16, 0, false}, 1, 64);
    check_shape(c, (shape){2, 1, 48, 100, 2, SWG_CUDA_CACHE_F16, 0, false}, 2, 37);
    check_shape(c, (shape){2, 2, 8, 70, 3, SWG_CUDA_CACHE_F16, 0, true}, 3, 30);
    check_shape(c, (shape){1, 1, 128, 150, 1, SWG_CUDA_CACHE_F16, 40, false}, 1, 90);
    check_shape(c, (shape){2, 1, 72, 21, 2, SWG_CUDA_CACHE_F16, 0, false}, 2, 17);
    check_shape(c, (shape){2, 1, 48, 147, 2, SWG_CUDA_CACHE_INT8, 0, false}, 2, 37);
    check_shape(c, (shape){1, 1, 128, 150, 1, SWG_CUDA_CACHE_INT8, 40, false}, 1, 90);
}

static void check_no_keys(check *c)
{
    attention_case a = {.s = {2, 1, 16, 4, 1, SWG_CUDA_CACHE_F16, 0, false}};
    fill_cache(c, &a);
    make_rows(c, &a, 1, 1);
    const int32_t nothing = 0;
    a.where.d_key_end = check_in(c, &nothing, sizeof nothing);
    float *q = check_floats(c, 32, 1), zeros[32] = {0};
    void *d_q = check_in(c, q, 32 * sizeof *q);
    check_run(c, c->cuda->attend(c->stream, &a.cache, &a.where, 1, 2, 4, 1, d_q, d_q,
                                 check_in(c, NULL, 16)));
    check_same(c, "attention of a row that sees nothing", check_out(c, d_q), zeros, sizeof zeros);
}

const check_row swg_cuda_checks_attention[] = {
    {.name = "attend", .run = check_attend},
    {.name = "flash", .run = check_flash},
    {.name = "no_keys", .run = check_no_keys},
    {.name = NULL},
};
