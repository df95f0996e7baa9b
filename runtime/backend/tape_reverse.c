/* Derivatives of the operations that work row by row, and of products. Each takes the gradient of
 * what its operation wrote, clears it - what the memory held before has a gradient of its own - and
 * adds to the gradients of what it read. Sums are taken in double. */
#include <math.h>
#include <string.h>

#include "kernels/linalg.h"
#include "runtime/backend/tape_state.h"
#include "runtime/rope.h"

static size_t elems_of(swg_value value)
{
    return value.rows * value.columns;
}

/* --- Norms ------------------------------------------------------------------------------------ */

typedef struct norm_job {
    const swg_tape_entry *entry;
    double eps;
    float *dx, *dy;
} norm_job;

/* y = w x r,  r = 1 / sqrt(mean(x^2) + eps):  dx += r (w dy - x r^2 mean(w dy x)) */
static void reverse_rmsnorm(const norm_job *job, size_t at)
{
    const size_t n = job->entry->weight->n;
    const float *w = job->entry->weight->vector, *x = job->entry->saved + at;
    float *dx = job->dx + at, *dy = job->dy + at;
    double square = 0, dot = 0;
    for (size_t i = 0; i < n; i++) {
        square += (double)x[i] * (double)x[i];
        dot += (double)w[i] * (double)dy[i] * (double)x[i];
    }
    const double r = 1 / sqrt(square / (double)n + job->eps);
    for (size_t i = 0; i < n; i++) {
        const double g = (double)w[i] * (double)dy[i];
        dy[i] = 0;
        dx[i] += (float)(r * (g - (double)x[i] * r * r * dot / (double)n));
    }
}

/* y = w xhat + b,  xhat = (x - mean(x)) r:  dx += r (w dy - mean(w dy) - xhat mean(w dy xhat)) */
static void reverse_layernorm(const norm_job *job, size_t at)
{
    const size_t n = job->entry->weight->n;
    const float *w = job->entry->weight->vector, *x = job->entry->saved + at;
    float *dx = job->dx + at, *dy = job->dy + at;
    double mean = 0, square = 0, sum = 0, dot = 0;
    for (size_t i = 0; i < n; i++)
        mean += (double)x[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        const double centred = (double)x[i] - mean, g = (double)w[i] * (double)dy[i];
        square += centred * centred;
        sum += g;
        dot += g * centred;
    }
    const double r = 1 / sqrt(square / (double)n + job->eps);
    for (size_t i = 0; i < n; i++) {
        const double g = (double)w[i] * (double)dy[i];
        const double hat = ((double)x[i] - mean) * r;
        dy[i] = 0;
        dx[i] += (float)(r * (g - sum / (double)n - hat * r * dot / (double)n));
    }
}

static void rmsnorm_rows(void *context, size_t begin, size_t end)
{
    const norm_job *job = context;
    const size_t columns = job->entry->x.columns;
    for (size_t at = begin * columns; at < end * columns; at += job->entry->weight->n)
        reverse_rmsnorm(job, at);
}

static void layernorm_rows(void *context, size_t begin, size_t end)
{
    const norm_job *job = context;
    const size_t columns = job->entry->x.columns;
    for (size_t at = begin * columns; at < end * columns; at += job->entry->weight->n)
        reverse_layernorm(job, at);
}

/* The gradients of a norm's own weight and bias, over all pieces: dw = sum of dy xhat, db = sum of
 * dy. xhat is x r, of a layer norm (x - mean) r. */
static swg_status observe_norm(swg_tape *tape, const norm_job *job, bool is_centred)
{
    const swg_gradient_observer *observer = tape->observer;
    const swg_tape_entry *entry = job->entry;
    const size_t n = entry->weight->n;
    double *sums;
    float *dv = NULL;
    if (!observer->vector)
        return SWG_OK;
    SWG_TRY(SWG_NEW(sums, 2 * n));
    for (size_t at = 0; at < elems_of(entry->x); at += n) {
        const float *x = entry->saved + at, *dy = job->dy + at;
        double mean = 0, square = 0;
        for (size_t i = 0; is_centred && i < n; i++)
            mean += (double)x[i] / (double)n;
        for (size_t i = 0; i < n; i++)
            square += ((double)x[i] - mean) * ((double)x[i] - mean);
        const double r = 1 / sqrt(square / (double)n + job->eps);
        for (size_t i = 0; i < n; i++) {
            sums[i] += (double)dy[i] * ((double)x[i] - mean) * r;
            sums[n + i] += (double)dy[i];
        }
    }
    const swg_status status = SWG_NEW_UNINIT(dv, 2 * n);
    for (size_t i = 0; status == SWG_OK && i < 2 * n; i++)
        dv[i] = (float)sums[i];
    if (status == SWG_OK)
        observer->vector(observer->context, entry->weight, dv, entry->weight->bias ? dv + n : NULL);
    swg_free(dv);
    swg_free(sums);
    return status;
}

static swg_status reverse_norm(swg_tape *tape, const swg_tape_entry *entry, swg_tape_rows *rows)
{
    norm_job job = {.entry = entry,
                    .eps = tape->inner.model->hparams.norm_eps,
                    .dx = swg_tape_gradient_of(tape, entry->x),
                    .dy = swg_tape_gradient_of(tape, entry->y)};
    if (!job.dx || !job.dy)
        return tape->status;
    SWG_TRY(observe_norm(tape, &job, rows == layernorm_rows));
    swg_tape_over_rows(tape, entry->x.rows, rows, &job);
    return SWG_OK;
}

swg_status swg_tape_rmsnorm(swg_tape *tape, const swg_tape_entry *entry)
{
    return reverse_norm(tape, entry, rmsnorm_rows);
}

swg_status swg_tape_layernorm(swg_tape *tape, const swg_tape_entry *entry)
{
    return reverse_norm(tape, entry, layernorm_rows);
}

/* --- Look-ups and products -------------------------------------------------------------------- */

swg_status swg_tape_embed(swg_tape *tape, const swg_tape_entry *entry)
{
    const swg_gradient_observer *observer = tape->observer;
    const size_t rows = entry->x.rows;
    float *dx = swg_tape_gradient_of(tape, entry->x);
    size_t *index;
    if (!dx)
        return tape->status;
    SWG_TRY(SWG_NEW_UNINIT(index, rows));
    for (size_t t = 0; t < rows; t++)
        index[t] = swg_tape_index(tape, entry->index, t);
    if (observer->look_up)
        observer->look_up(observer->context, entry->weight, index, dx, rows);
    if (!entry->is_added)
        memset(dx, 0, elems_of(entry->x) * sizeof *dx);
    swg_free(index);
    return SWG_OK;
}

/* Rows of W that are in memory as floats at a time, and the rows that one work item reads. */
enum { WEIGHT_ROWS = 1024, READ_ROWS = SWG_TILE_ROWS };

/* Rows of dx that one work item computes, for which BLAS packs all of W: many, but enough items. */
enum { DX_ITEMS = 8, LEAST_DX_ROWS = 32, MOST_DX_ROWS = 256 };

typedef struct product_job {
    const swg_exec *exec;
    const swg_weight *weight;
    size_t first, n; /* rows [first, first + n) of the weight */
    float *memory;   /* [n][k] for those that are not floats */
    const float *tile; /* [n][k] */
    float *dx;         /* [rows][k] */
    const float *dy;   /* [rows][weight->n] */
    size_t rows, item_rows;
} product_job;

static swg_status read_weight(void *context, size_t index)
{
    const product_job *job = context;
    const size_t at = index * READ_ROWS, left = job->n - at, k = job->weight->k;
    uint8_t *panels = swg_cpu_of(job->exec)->threads[swg_pool_thread_index()].panels;
    (void)swg_cpu_rows_f32(job->weight, job->first + at, left < READ_ROWS ? left : READ_ROWS,
                           panels, job->memory + at * k);
    return SWG_OK;
}

/* dx += dy W */
static swg_status product_rows(void *context, size_t index)
{
    const product_job *job = context;
    const size_t n = job->weight->n, k = job->weight->k, begin = index * job->item_rows;
    const size_t left = job->rows - begin, rows = left < job->item_rows ? left : job->item_rows;
    swg_linalg_get()->sgemm(false, false, rows, k, job->n, 1, job->dy + begin * n + job->first, n,
                            job->tile, k, 1, job->dx + begin * k, k);
    return SWG_OK;
}

/* Add the part of dx that rows [first, first + n) of the weight give. */
static void add_product(swg_tape *tape, product_job *job)
{
    swg_pool *pool = tape->inner.pool;
    job->tile = job->memory;
    if (swg_cpu_is_f32(job->weight))
        job->tile = swg_cpu_rows_f32(job->weight, job->first, job->n, NULL, NULL);
    else
        (void)swg_pool_for(pool, swg_ceil_div(job->n, READ_ROWS), read_weight, job);
    (void)swg_pool_for(pool, swg_ceil_div(job->rows, job->item_rows), product_rows, job);
}

static size_t rows_of_item(size_t rows)
{
    const size_t item = swg_round_up(swg_ceil_div(rows, DX_ITEMS), LEAST_DX_ROWS);
    return item < MOST_DX_ROWS ? item : MOST_DX_ROWS;
}

swg_status swg_tape_linear(swg_tape *tape, const swg_tape_entry *entry)
{
    const swg_weight *weight = entry->weight;
    const swg_gradient_observer *observer = tape->observer;
    const size_t most = weight->n < WEIGHT_ROWS ? weight->n : WEIGHT_ROWS;
    float *dy = swg_tape_gradient_of(tape, entry->y);
    product_job job = {.exec = &tape->inner,
                       .weight = weight,
                       .dx = swg_tape_gradient_of(tape, entry->x),
                       .dy = dy,
                       .rows = entry->x.rows,
                       .item_rows = rows_of_item(entry->x.rows)};
    if (!job.dx || !dy)
        return tape->status;
    if (observer->product)
        observer->product(observer->context, weight, entry->saved, dy, entry->x.rows);
    if (!swg_cpu_is_f32(weight))
        SWG_TRY(SWG_NEW_UNINIT(job.memory, most * weight->k));
    for (; job.first < weight->n; job.first += job.n) {
        job.n = weight->n - job.first < most ? weight->n - job.first : most;
        add_product(tape, &job);
    }
    swg_free(job.memory);
    memset(dy, 0, elems_of(entry->y) * sizeof *dy);
    return SWG_OK;
}

/* --- Rotation --------------------------------------------------------------------------------- */

/* Rotate a pair of gradients back by its angle. */
static void rotate_back(float *a, float *b, float cosine, float sine)
{
    const float first = *a;
    *a = first * cosine + *b * sine;
    *b = *b * cosine - first * sine;
}

typedef struct rope_job {
    const swg_tape *tape;
    const swg_tape_entry *entry;
    float *dx;
} rope_job;

static void rope_rows(void *context, size_t begin, size_t end)
{
    const rope_job *job = context;
    const swg_tape_entry *entry = job->entry;
    const swg_hparams *h = &job->tape->inner.model->hparams;
    const swg_cpu *cpu = swg_cpu_of(&job->tape->inner);
    const size_t half = (size_t)h->rope.dim / 2, head_dim = (size_t)h->head_dim;
    const size_t table = swg_rope_table_of(h, entry->layer);
    const size_t step = h->rope.interleaved ? 2 : 1, apart = h->rope.interleaved ? 1 : half;
    for (size_t t = begin; t < end; t++) {
        const size_t angles = (table * job->tape->inner.options.chunk + t) * half;
        for (size_t at = t * entry->x.columns; at < (t + 1) * entry->x.columns; at += head_dim)
            for (size_t i = 0; i < half; i++)
                rotate_back(&job->dx[at + i * step], &job->dx[at + i * step + apart],
                            cpu->cosine[angles + i], cpu->sine[angles + i]);
    }
}

swg_status swg_tape_rope(swg_tape *tape, const swg_tape_entry *entry)
{
    rope_job job = {.tape = tape, .entry = entry, .dx = swg_tape_gradient_of(tape, entry->x)};
    if (!job.dx)
        return tape->status;
    swg_tape_over_rows(tape, entry->x.rows, rope_rows, &job);
    return SWG_OK;
}

/* --- Element by element ----------------------------------------------------------------------- */

/* Operations on the elements of x, and of y where there is one, in rows of the same length. */
typedef struct element_job {
    const swg_tape_entry *entry;
    const swg_kernels *kernels;
    float *dx, *dy;
} element_job;

/* Run the derivative of an operation on elements; with_y: it has a second operand. */
static swg_status over_elements(swg_tape *tape, const swg_tape_entry *entry, bool with_y,
                                swg_tape_rows *rows)
{
    element_job job = {.entry = entry,
                       .kernels = swg_cpu_of(&tape->inner)->kernels,
                       .dx = swg_tape_gradient_of(tape, entry->x)};
    if (with_y)
        job.dy = swg_tape_gradient_of(tape, entry->y);
    if (!job.dx || (with_y && !job.dy))
        return tape->status;
    swg_tape_over_rows(tape, entry->x.rows, rows, &job);
    return SWG_OK;
}

/* gate = SiLU(gate) * up, where SiLU(x) = x sigmoid(x): d SiLU / dx = sigmoid + SiLU (1 - sigmoid).
 * The kernel gives SiLU, and SiLU / x is the sigmoid, which near 0 is a half. */
static void silu_mul_rows(void *context, size_t begin, size_t end)
{
    enum { PART = 256 };
    const element_job *job = context;
    const size_t n = job->entry->x.columns;
    const float *gate = job->entry->saved, *up = job->entry->saved_k;
    const float near = 1e-20f;
    float ones[PART], silu[PART];
    for (size_t i = 0; i < PART; i++)
        ones[i] = 1;
    for (size_t at = begin * n; at < end * n; at += PART) {
        const size_t left = end * n - at, part = left < PART ? left : PART;
        job->kernels->silu_mul(gate + at, ones, part, silu);
        for (size_t i = 0; i < part; i++) {
            const float x = gate[at + i], g = job->dx[at + i];
            const float sigmoid = fabsf(x) > near ? silu[i] / x : 0.5f;
            job->dx[at + i] = g * up[at + i] * (sigmoid + silu[i] * (1 - sigmoid));
            job->dy[at + i] += g * silu[i];
        }
    }
}

swg_status swg_tape_silu_mul(swg_tape *tape, const swg_tape_entry *entry)
{
    return over_elements(tape, entry, true, silu_mul_rows);
}

/* d/dx x Phi(x) = Phi(x) + x phi(x) */
static double gelu_slope(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2) + x * exp(-x * x / 2) * M_SQRT1_2 * M_2_SQRTPI / 2;
}

/* d/dx x (1 + tanh(u)) / 2,  u = sqrt(2 / pi) (x + 0.044715 x^3) */
static double gelu_tanh_slope(double x)
{
    const double root = M_SQRT1_2 * M_2_SQRTPI, cubic = 0.044715;
    const double t = tanh(root * (x + cubic * x * x * x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * root * (1 + 3 * cubic * x * x);
}

static double tanh_slope(double x)
{
    return 1 - tanh(x) * tanh(x);
}

static double relu_slope(double x)
{
    return x > 0;
}

static void activate_rows(void *context, size_t begin, size_t end)
{
    static double (*const slopes[])(double) = {[SWG_ACTIVATION_GELU] = gelu_slope,
                                               [SWG_ACTIVATION_GELU_TANH] = gelu_tanh_slope,
                                               [SWG_ACTIVATION_TANH] = tanh_slope,
                                               [SWG_ACTIVATION_RELU] = relu_slope};
    const element_job *job = context;
    const size_t n = job->entry->x.columns;
    for (size_t i = begin * n; i < end * n; i++)
        job->dx[i] *= (float)slopes[job->entry->activation]((double)job->entry->saved[i]);
}

swg_status swg_tape_activate(swg_tape *tape, const swg_tape_entry *entry)
{
    return over_elements(tape, entry, false, activate_rows);
}

/* x *= y */
static void mul_rows(void *context, size_t begin, size_t end)
{
    const element_job *job = context;
    const size_t n = job->entry->x.columns;
    for (size_t i = begin * n; i < end * n; i++) {
        const float g = job->dx[i];
        job->dx[i] = g * job->entry->saved_k[i];
        job->dy[i] += g * job->entry->saved[i];
    }
}

swg_status swg_tape_mul(swg_tape *tape, const swg_tape_entry *entry)
{
    return over_elements(tape, entry, true, mul_rows);
}

static void scale_rows(void *context, size_t begin, size_t end)
{
    const element_job *job = context;
    const size_t n = job->entry->x.columns;
    for (size_t i = begin * n; i < end * n; i++)
        job->dx[i] *= job->entry->factor;
}

swg_status swg_tape_scale(swg_tape *tape, const swg_tape_entry *entry)
{
    return over_elements(tape, entry, false, scale_rows);
}

/* x += y */
static void add_rows(void *context, size_t begin, size_t end)
{
    const element_job *job = context;
    const size_t n = job->entry->x.columns;
    for (size_t i = begin * n; i < end * n; i++)
        job->dy[i] += job->dx[i];
}

swg_status swg_tape_add(swg_tape *tape, const swg_tape_entry *entry)
{
    return over_elements(tape, entry, true, add_rows);
}

/* x += v in every row */
swg_status swg_tape_add_vector(swg_tape *tape, const swg_tape_entry *entry)
{
    const swg_gradient_observer *observer = tape->observer;
    const size_t n = entry->x.columns;
    const float *dx = swg_tape_gradient_of(tape, entry->x);
    double *sums;
    float *dv = NULL;
    if (!dx)
        return tape->status;
    if (!observer->vector)
        return SWG_OK;
    SWG_TRY(SWG_NEW(sums, n));
    for (size_t t = 0; t < entry->x.rows; t++)
        for (size_t i = 0; i < n; i++)
            sums[i] += (double)dx[t * n + i];
    const swg_status status = SWG_NEW_UNINIT(dv, n);
    for (size_t i = 0; status == SWG_OK && i < n; i++)
        dv[i] = (float)sums[i];
    if (status == SWG_OK)
        observer->vector(observer->context, entry->weight, dv, NULL);
    swg_free(dv);
    swg_free(sums);
    return status;
}
