/* A reference in double precision. See double_model.h. */
#include "tests/distill/double_model.h"

#include <math.h>
#include <string.h>

#include "formats/memory_source.h"
#include "quantize/checkpoint.h"
#include "runtime/backend/backend.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"
#include "runtime/initial_weights.h"
#include "tests/harness.h"

enum { MOST_PARTS = 64 };

/* A weight's numbers in the vector of all. */
typedef struct part {
    swg_role role;
    size_t layer, at, n;
    bool is_bias, decays;
} part;

static part parts[MOST_PARTS];
static size_t n_parts, n_numbers;

const double *double_find(const double *w, swg_role role, size_t layer, bool is_bias)
{
    for (size_t i = 0; i < n_parts; i++)
        if (parts[i].role == role && parts[i].layer == layer && parts[i].is_bias == is_bias)
            return w + parts[i].at;
    return NULL;
}

static void add_part(double *w, const swg_weight *weight, const float *values, size_t n,
                     bool is_bias, bool decays)
{
    ck_assert(n_parts < MOST_PARTS && n_numbers + n <= MOST_NUMBERS);
    parts[n_parts++] = (part){weight->role, weight->layer, n_numbers, n, is_bias, decays};
    for (size_t i = 0; i < n; i++)
        w[n_numbers++] = (double)values[i];
}

size_t double_read(const swg_model *model, double *w)
{
    n_parts = n_numbers = 0;
    for (size_t i = 0; i < model->n_weights; i++) {
        const swg_weight *weight = &model->weights[i];
        float rows[MOST_NUMBERS];
        if (weight->n == 0 || (weight->role == SWG_ROLE_HEAD && model->hparams.tied_head))
            continue;
        if (weight->vector) {
            add_part(w, weight, weight->vector, weight->n, false, false);
        } else {
            ck_assert_uint_le(weight->n * weight->k, MOST_NUMBERS);
            for (size_t r = 0; r < weight->n; r++)
                model->backend->weights->row_f32(weight, r, rows + r * weight->k);
            add_part(w, weight, rows, weight->n * weight->k, false, true);
        }
        if (weight->bias)
            add_part(w, weight, weight->bias, weight->n, true, false);
    }
    return n_numbers;
}

void double_linear(const double *w, swg_role role, size_t layer, const double *x, size_t k,
                   size_t n, double *y)
{
    const double *matrix = double_find(w, role, layer, false),
                 *bias = double_find(w, role, layer, true);
    for (size_t i = 0; i < n; i++) {
        y[i] = bias ? bias[i] : 0;
        for (size_t j = 0; j < k; j++)
            y[i] += matrix[i * k + j] * x[j];
    }
}

void double_norm(const double *w, swg_role role, size_t layer, double eps, const double *x,
                 double *y)
{
    const double *g = double_find(w, role, layer, false), *b = double_find(w, role, layer, true);
    double mean = 0, square = 0;
    for (size_t i = 0; b && i < WIDTH; i++)
        mean += x[i] / WIDTH;
    for (size_t i = 0; i < WIDTH; i++)
        square += (x[i] - mean) * (x[i] - mean) / WIDTH;
    for (size_t i = 0; i < WIDTH; i++)
        y[i] = g[i] * (x[i] - mean) / sqrt(square + eps) + (b ? b[i] : 0);
}

void double_attend(const double *q, const double (*k)[WIDTH], const double (*v)[WIDTH], size_t n,
                   size_t n_kv, double *y)
{
    for (size_t h = 0; h < HEADS; h++) {
        const size_t kv = h * n_kv / HEADS * DIM;
        double p[LONGEST], sum = 0;
        for (size_t j = 0; j < n; j++) {
            p[j] = 0;
            for (size_t i = 0; i < DIM; i++)
                p[j] += q[h * DIM + i] * k[j][kv + i];
            sum += p[j] = exp(p[j] / sqrt(DIM));
        }
        for (size_t i = 0; i < DIM; i++) {
            y[h * DIM + i] = 0;
            for (size_t j = 0; j < n; j++)
                y[h * DIM + i] += p[j] / sum * v[j][kv + i];
        }
    }
}

double double_step(double *w, double (*loss)(const double *w), const swg_distill_options *o)
{
    static double g[MOST_NUMBERS];
    double square = 0;
    for (size_t i = 0; i < n_numbers; i++) {
        const double step = 1e-5, old = w[i];
        w[i] = old + step;
        g[i] = loss(w);
        w[i] = old - step;
        g[i] = (g[i] - loss(w)) / (2 * step);
        w[i] = old;
        square += g[i] * g[i];
    }
    const double size = sqrt(square),
                 scale = size > o->adamw.max_norm ? o->adamw.max_norm / size : 1;
    for (size_t p = 0; p < n_parts; p++)
        for (size_t i = parts[p].at; i < parts[p].at + parts[p].n; i++)
            w[i] = w[i] * (1 - (parts[p].decays ? o->rate * o->adamw.decay : 0)) -
                   o->rate * scale * g[i] / (fabs(scale * g[i]) + o->adamw.epsilon);
    return size;
}

void double_randomize(swg_source *source)
{
    swg_rng rng = swg_rng_seeded(6);
    for (size_t i = 0; i < swg_source_n_tensors(source); i++) {
        const swg_tensor_desc *desc = swg_source_tensor(source, i);
        const bool is_norm =
            strstr(desc->name, "norm") || strstr(desc->name, "Norm") || strstr(desc->name, "ln_");
        float *values = swg_memory_source_values(source, i);
        for (uint64_t j = 0; j < swg_tensor_elems(desc); j++)
            values[j] = (is_norm && desc->rank == 1 && !strstr(desc->name, "bias") ? 1 : 0) +
                        0.4f * (float)swg_rng_normal(&rng);
    }
}

/* --- A step ----------------------------------------------------------------------------------- */

static void keep_record(void *context, const swg_distill_record *record)
{
    if (record->step == 1)
        *(swg_distill_record *)context = *record;
}

void double_begin(double_trial *t, const char *config, const swg_trainer_options *how)
{
    swg_distill_options *const o = &t->options;
    *t = (double_trial){.options = swg_distill_options_default()};
    o->batch = 2;
    o->rate = 0.05;
    o->warm_up = 0;
    o->adamw.epsilon = 0.05;
    o->adamw.decay = 0.1;
    o->adamw.max_norm = 0.5;
    o->weights[SWG_LOSS_kl] = 0;
    o->weights[SWG_LOSS_ce] = 1;
    o->log = keep_record;
    o->log_context = &t->record;
    ck_ok(swg_initial_weights(config, strlen(config), NULL, 0, 3, &t->source));
    double_randomize(t->source);
    ck_ok(swg_quantize_source_descs(t->source, &t->descs));
    ck_ok(swg_plan_make_plain(t->descs, swg_source_n_tensors(t->source), &t->plan));
    ck_ok(swg_trainer_new(t->source, &t->plan, how, &t->trainer));
    ck_assert_uint_eq(double_read(swg_trainer_model(t->trainer), t->w),
                      swg_trainer_n_weights(t->trainer));
}

void double_compare(double_trial *t, double (*loss)(const double *w))
{
    static double after[MOST_NUMBERS];
    ck_assert_double_eq_tol(t->record.loss, loss(t->w), 1e-6);
    ck_assert_double_eq_tol(t->record.gradient_norm, double_step(t->w, loss, &t->options), 1e-5);
    const size_t n = double_read(swg_trainer_model(t->trainer), after);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs(after[i] - t->w[i]) <= 1e-5, "number %zu: %.7f, not %.7f", i, after[i],
                      t->w[i]);
}

void double_end(double_trial *t)
{
    swg_trainer_free(&t->trainer);
    swg_plan_deinit(&t->plan);
    swg_free(t->descs);
    swg_source_close(&t->source);
}
