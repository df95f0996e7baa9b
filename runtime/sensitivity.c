/* The Fisher diagonal from forward and backward passes with labels drawn from the predictions. See
 * sensitivity.h. */
#include "runtime/sensitivity.h"

#include <math.h>
#include <string.h>

#include "runtime/backprop.h"
#include "runtime/base/file.h"
#include "runtime/base/notice.h"
#include "runtime/base/rng.h"
#include "runtime/sensitivity_file.h"
#include "runtime/stats_key.h"

/* Outputs that one work item sums. */
enum { OUTPUTS = 256 };

typedef struct measurement {
    swg_sensitivity *result;
    swg_sensitivity_options options;
    swg_model *model;
    swg_backprop *backprop;
    size_t n_tokens;
    swg_sensitivity_tensor *
        *of_weight;          /* [n_weights] the tensor that a weight comes from, or NULL */
    const swg_weight *head;  /* its sums are exact: no drawn labels */
    swg_status status;       /* of an observer, which cannot return one */
} measurement;

swg_sensitivity_options swg_sensitivity_options_default(void)
{
    return (swg_sensitivity_options){.size = sizeof(swg_sensitivity_options)};
}

/* --- Sums ------------------------------------------------------------------------------------- */

static bool is_matrix(const swg_weight *weight)
{
    return weight->n > 0 && weight->k > 1 && weight->tensor;
}

static swg_sensitivity_tensor *find_sums(const swg_sensitivity *s, const char *tensor)
{
    for (size_t i = 0; i < s->n_tensors; i++)
        if (strcmp(s->tensors[i].rows.tensor, tensor) == 0)
            return &s->tensors[i];
    return NULL;
}

/* A weight's share of its tensor's sums, created when they are first needed: of the products, or of
 * the look-ups. NULL when memory runs out. */
static double *sums_of(measurement *m, const swg_weight *weight, bool is_product)
{
    swg_sensitivity_tensor *sums = m->of_weight[weight - m->model->weights];
    double **array = is_product ? &sums->product : &sums->look_up;
    if (!*array)
        *array = swg_arena_calloc(&m->result->arena, sums->rows.rows, sizeof **array);
    if (!*array) {
        m->status = SWG_NO_MEMORY;
        return NULL;
    }
    return *array + weight->first_row;
}

typedef struct addition {
    const float *dy;
    size_t rows, n;
    double *sums;
} addition;

static swg_status add_outputs(void *context, size_t index)
{
    const addition *a = context;
    const size_t begin = index * OUTPUTS, end = begin + OUTPUTS < a->n ? begin + OUTPUTS : a->n;
    for (size_t t = 0; t < a->rows; t++)
        for (size_t i = begin; i < end; i++)
            a->sums[i] += (double)a->dy[t * a->n + i] * (double)a->dy[t * a->n + i];
    return SWG_OK;
}

static void see_product(void *context, const swg_weight *weight, const float *x, const float *dy,
                        size_t rows)
{
    (void)x;
    measurement *m = context;
    if (weight == m->head || m->status != SWG_OK)
        return;
    addition a = {.dy = dy, .rows = rows, .n = weight->n, .sums = sums_of(m, weight, true)};
    if (a.sums)
        m->status = swg_pool_for(m->options.pool, swg_ceil_div(a.n, OUTPUTS), add_outputs, &a);
}

static void see_look_up(void *context, const swg_weight *weight, const size_t *index,
                        const float *dy, size_t rows)
{
    measurement *m = context;
    double *sums = m->status == SWG_OK ? sums_of(m, weight, false) : NULL;
    for (size_t t = 0; sums && t < rows; t++) {
        double square = 0;
        for (size_t j = 0; j < weight->k; j++)
            square += (double)dy[t * weight->k + j] * (double)dy[t * weight->k + j];
        sums[index[t]] += square / (double)weight->k;
    }
}

/* --- Labels ----------------------------------------------------------------------------------- */

/* One row of logits: its probabilities' variance p (1 - p), the expected squared gradient, is added
 * to the head's sums; the row becomes p - (1 at a label drawn from p). */
static void reverse_softmax(const measurement *m, size_t token, double *sums, float *logits)
{
    const size_t n = (size_t)m->model->hparams.n_outputs;
    swg_rng rng = swg_rng_seeded(m->options.seed * 0x9e3779b97f4a7c15u + token);
    float most = logits[0];
    double total = 0, before = 0;
    for (size_t i = 1; i < n; i++)
        most = logits[i] > most ? logits[i] : most;
    for (size_t i = 0; i < n; i++) {
        logits[i] = expf(logits[i] - most);
        total += (double)logits[i];
    }
    const double drawn = swg_rng_uniform(&rng) * total;
    size_t label = n - 1;
    for (size_t i = 0; i < n; i++) {
        const double p = (double)logits[i] / total;
        if (before <= drawn && drawn < before + (double)logits[i])
            label = i;
        before += (double)logits[i];
        sums[i] += p * (1 - p);
        logits[i] = (float)p;
    }
    logits[label] -= 1;
}

static swg_status draw_labels(void *context, size_t first, size_t n, float *logits)
{
    measurement *m = context;
    double *sums = sums_of(m, m->head, true);
    SWG_TRY(m->status);
    for (size_t t = 0; t < n; t++)
        reverse_softmax(m, first + t, sums, logits + t * (size_t)m->model->hparams.n_outputs);
    return SWG_OK;
}

/* --- The result ------------------------------------------------------------------------------- */

/* Sums become means per token, which must be finite. */
static swg_status finish_rows(const measurement *m, const swg_sensitivity_tensor *sums,
                              double *array)
{
    for (uint64_t i = 0; array && i < sums->rows.rows; i++) {
        array[i] /= (double)m->n_tokens;
        if (!isfinite(array[i]))
            return swg_error(SWG_FAILED,
                             "the gradient by row %llu of tensor %s is not finite on the "
                             "calibration text",
                             (unsigned long long)i, sums->rows.tensor);
    }
    return SWG_OK;
}

static swg_status finish(measurement *m)
{
    for (size_t i = 0; i < m->result->n_tensors; i++) {
        swg_sensitivity_tensor *sums = &m->result->tensors[i];
        SWG_TRY(finish_rows(m, sums, sums->product));
        SWG_TRY(finish_rows(m, sums, sums->look_up));
        sums->rows.product = sums->product;
        sums->rows.look_up = sums->look_up;
    }
    return SWG_OK;
}

/* --- Life ------------------------------------------------------------------------------------- */

/* Every tensor that matrices come from, as long as the rows that they use. */
static swg_status list_tensors(measurement *m)
{
    swg_sensitivity *s = m->result;
    s->tensors = swg_arena_calloc(&s->arena, m->model->n_weights, sizeof *s->tensors);
    if (!s->tensors)
        return SWG_NO_MEMORY;
    SWG_TRY(SWG_NEW(m->of_weight, m->model->n_weights));
    for (size_t i = 0; i < m->model->n_weights; i++) {
        const swg_weight *weight = &m->model->weights[i];
        if (!is_matrix(weight))
            continue;
        swg_sensitivity_tensor *sums = find_sums(s, weight->tensor);
        if (!sums) {
            sums = &s->tensors[s->n_tensors++];
            sums->rows.cols = weight->k;
            sums->rows.tensor =
                swg_arena_strndup(&s->arena, weight->tensor, strlen(weight->tensor));
            if (!sums->rows.tensor)
                return SWG_NO_MEMORY;
        }
        if (sums->rows.rows < weight->first_row + weight->n)
            sums->rows.rows = weight->first_row + weight->n;
        m->of_weight[i] = sums;
    }
    return SWG_OK;
}

static swg_status begin(measurement *m, swg_source *source, size_t window)
{
    swg_model_options options = swg_model_options_default();
    options.pool = m->options.pool;
    options.backend = "tape";
    SWG_TRY(swg_model_open(source, &options, &m->model));
    const swg_backprop_options how = {.window = window};
    SWG_TRY(swg_backprop_new(m->model, m->options.pool, &how, &m->backprop));
    m->head = swg_model_weight(m->model, SWG_ROLE_HEAD, 0);
    return list_tensors(m);
}

static swg_status measure(measurement *m, const int32_t *ids, size_t n_windows)
{
    const swg_gradient_observer observer = {
        .context = m, .product = see_product, .look_up = see_look_up};
    const swg_backprop_job job = {.ids = ids,
                                  .n_windows = n_windows,
                                  .progress = m->options.progress,
                                  .observer = &observer,
                                  .slopes = draw_labels,
                                  .context = m};
    if (n_windows == 0)
        return swg_error(SWG_USAGE, "there are no windows of text to measure sensitivity on");
    SWG_TRY(swg_backprop_run(m->backprop, &job));
    return m->status;
}

/* From the text, without a cache. */
static swg_status measure_anew(swg_source *source, const int32_t *ids, size_t n_windows,
                               size_t window, const swg_sensitivity_options *options,
                               swg_sensitivity **out)
{
    swg_status status = SWG_OK;
    measurement m = {.n_tokens = n_windows * window, .options = *options};
    SWG_GO(SWG_NEW(m.result, 1));
    SWG_GO(begin(&m, source, window));
    SWG_GO(measure(&m, ids, n_windows));
    SWG_GO(finish(&m));
    *out = m.result;
    m.result = NULL;
done:
    swg_free(m.of_weight);
    swg_backprop_free(&m.backprop);
    swg_model_free(&m.model);
    swg_sensitivity_free(&m.result);
    return status;
}

/* The hash of a file from anywhere may be right: its rows must be those that are looked up. */
static swg_status check_rows(const swg_sensitivity *s, const swg_source *source, const char *path)
{
    for (size_t i = 0; i < s->n_tensors; i++) {
        const swg_row_sensitivity *rows = &s->tensors[i].rows;
        const size_t at = swg_source_find(source, rows->tensor);
        const uint64_t wanted = at == SIZE_MAX ? 0 : swg_tensor_rows(swg_source_tensor(source, at));
        if (rows->rows != wanted)
            return swg_error(SWG_CORRUPT, "%s: %llu rows of tensor %s, which has %llu", path,
                             (unsigned long long)rows->rows, rows->tensor,
                             (unsigned long long)wanted);
    }
    return SWG_OK;
}

swg_status swg_sensitivity_measure(swg_source *source, const int32_t *ids, size_t n_windows,
                                   size_t window, const swg_sensitivity_options *options,
                                   swg_sensitivity **out)
{
    const swg_sensitivity_options usual = swg_sensitivity_options_default();
    const swg_sensitivity_options *o = options ? options : &usual;
    swg_status status = SWG_OK;
    swg_sensitivity *s = NULL;
    char *key = NULL, *path = NULL;
    SWG_TRY(swg_options_check("swg_sensitivity_options", o->size, sizeof *o));
    if (o->cache && n_windows > 0) {
        const swg_stats_subject subject = {.hashes = o->hashes,
                                           .ids = ids,
                                           .n_windows = n_windows,
                                           .window = window,
                                           .seed = &o->seed};
        SWG_GO(swg_stats_key(&subject, &key));
        SWG_GO(swg_stats_key_path(key, o->cache, "sensitivity", &path));
    }
    if (path && swg_path_exists(path)) {
        status = swg_sensitivity_read(path, key, &s);
        if (status == SWG_OK)
            status = check_rows(s, source, path);
        if (status != SWG_CORRUPT)
            goto done;
        swg_sensitivity_free(&s);
        swg_notice("%s; the sensitivities were measured anew", swg_error_message());
    }
    SWG_GO(measure_anew(source, ids, n_windows, window, o, &s));
    if (path)
        SWG_GO(swg_sensitivity_write(s, key, path));
done:
    swg_free(key);
    swg_free(path);
    if (status == SWG_OK)
        *out = s;
    else
        swg_sensitivity_free(&s);
    return status;
}

bool swg_sensitivity_was_cached(const swg_sensitivity *s)
{
    return s->was_cached;
}

const swg_row_sensitivity *swg_sensitivity_find(const swg_sensitivity *sensitivity,
                                                const char *tensor)
{
    const swg_sensitivity_tensor *sums = find_sums(sensitivity, tensor);
    return sums ? &sums->rows : NULL;
}
