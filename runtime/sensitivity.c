/* The Fisher diagonal by one forward pass that keeps the rows entering each layer, and one backward
 * pass over the tape, layer by layer. See sensitivity.h. */
#include "runtime/sensitivity.h"

#include <math.h>
#include <string.h>

#include "runtime/backend/tape.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"
#include "runtime/exec.h"
#include "runtime/model.h"

/* Rows of logits computed together, and outputs that one work item sums. */
enum { END_ROWS = 64, OUTPUTS = 256 };

/* The sums of one tensor; views of `arena`. */
typedef struct tensor_sums {
    swg_row_sensitivity rows;
    double *product, *look_up;
} tensor_sums;

struct swg_sensitivity {
    swg_arena arena;
    tensor_sums *tensors;
    size_t n_tensors;
};

typedef struct measurement {
    swg_sensitivity *result;
    swg_sensitivity_options options;
    swg_model *model;
    swg_exec *exec;
    const int32_t *ids;
    size_t n_windows, window, n_layers;
    tensor_sums **of_weight; /* [n_weights] the tensor that a weight comes from, or NULL */
    float **rows;            /* [n_layers + 1][tokens][width]: what enters every layer */
    float *gradient;         /* [tokens][width] by those rows */
    float *logits, *slopes;  /* [END_ROWS][n_outputs] */
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

static tensor_sums *find_sums(const swg_sensitivity *s, const char *tensor)
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
    tensor_sums *sums = m->of_weight[weight - m->model->weights];
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

/* --- After the layers ------------------------------------------------------------------------- */

/* One row of logits: its probabilities' variance p (1 - p), the expected squared gradient, is added
 * to the head's sums; slopes become p - (1 at a label drawn from p). */
static void reverse_softmax(const measurement *m, const float *logits, size_t token, double *sums,
                            float *slopes)
{
    const size_t n = (size_t)m->model->hparams.n_outputs;
    swg_rng rng = swg_rng_seeded(m->options.seed * 0x9e3779b97f4a7c15u + token);
    float most = logits[0];
    double total = 0, before = 0;
    for (size_t i = 1; i < n; i++)
        most = logits[i] > most ? logits[i] : most;
    for (size_t i = 0; i < n; i++) {
        slopes[i] = expf(logits[i] - most);
        total += (double)slopes[i];
    }
    const double drawn = swg_rng_uniform(&rng) * total;
    size_t label = n - 1;
    for (size_t i = 0; i < n; i++) {
        const double p = (double)slopes[i] / total;
        if (before <= drawn && drawn < before + (double)slopes[i])
            label = i;
        before += (double)slopes[i];
        sums[i] += p * (1 - p);
        slopes[i] = (float)p;
    }
    slopes[label] -= 1;
}

/* Rows [at, at + n) of the text, from what leaves the last layer to its gradient. */
static swg_status reverse_end(measurement *m, size_t at, size_t n,
                              const swg_gradient_observer *observer)
{
    const size_t width = swg_exec_width(m->exec, m->n_layers);
    const size_t columns = (size_t)m->model->hparams.n_outputs;
    double *sums = sums_of(m, m->head, true);
    if (!sums)
        return m->status;
    swg_tape_record(m->exec);
    SWG_TRY(swg_exec_end(m->exec, n, m->rows[m->n_layers] + at * width, m->logits));
    for (size_t t = 0; t < n; t++)
        reverse_softmax(m, m->logits + t * columns, at + t, sums, m->slopes + t * columns);
    return swg_tape_reverse(m->exec, m->slopes, m->gradient + at * width, observer);
}

/* --- Both passes ------------------------------------------------------------------------------ */

static swg_status forward_layer(measurement *m, size_t layer)
{
    const size_t from = swg_exec_width(m->exec, layer), to = swg_exec_width(m->exec, layer + 1);
    SWG_TRY(swg_model_load_layer(m->model, layer));
    SWG_TRY(SWG_NEW_UNINIT(m->rows[layer + 1], m->n_windows * m->window * to));
    for (size_t w = 0; w < m->n_windows; w++) {
        const size_t at = w * m->window;
        SWG_TRY(swg_exec_layer(m->exec, layer, 0, 0, m->window, m->rows[layer] + at * from,
                               m->rows[layer + 1] + at * to));
    }
    swg_model_release_layer(m->model, layer);
    return swg_progress_step(m->options.progress, "running forward", "layers", layer + 1,
                             m->n_layers);
}

static swg_status forward(measurement *m)
{
    const size_t width = swg_exec_width(m->exec, 0);
    SWG_TRY(SWG_NEW_UNINIT(m->rows[0], m->n_windows * m->window * width));
    for (size_t w = 0; w < m->n_windows; w++)
        SWG_TRY(swg_exec_begin(m->exec, 0, 0, m->ids + w * m->window, NULL, m->window,
                               m->rows[0] + w * m->window * width));
    for (size_t layer = 0; layer < m->n_layers; layer++)
        SWG_TRY(forward_layer(m, layer));
    return SWG_OK;
}

static swg_status backward_layer(measurement *m, size_t layer,
                                 const swg_gradient_observer *observer)
{
    const size_t width = swg_exec_width(m->exec, layer);
    SWG_TRY(swg_model_load_layer(m->model, layer));
    for (size_t w = 0; w < m->n_windows; w++) {
        float *x = m->rows[layer] + w * m->window * width;
        float *gradient = m->gradient + w * m->window * width;
        swg_tape_record(m->exec);
        SWG_TRY(swg_exec_layer(m->exec, layer, 0, 0, m->window, x, x)); /* x is not needed again */
        SWG_TRY(swg_tape_reverse(m->exec, gradient, gradient, observer));
        SWG_TRY(m->status);
    }
    swg_model_release_layer(m->model, layer);
    SWG_FREE(m->rows[layer + 1]);
    return swg_progress_step(m->options.progress, "running backward", "layers", m->n_layers - layer,
                             m->n_layers);
}

static swg_status backward(measurement *m)
{
    const swg_gradient_observer observer = {
        .context = m, .product = see_product, .look_up = see_look_up};
    const size_t tokens = m->n_windows * m->window, width = swg_exec_width(m->exec, 0);
    const size_t step = m->window < END_ROWS ? m->window : END_ROWS;
    for (size_t at = 0; at < tokens; at += step) {
        SWG_TRY(reverse_end(m, at, tokens - at < step ? tokens - at : step, &observer));
        SWG_TRY(m->status);
    }
    for (size_t layer = m->n_layers; layer-- > 0;)
        SWG_TRY(backward_layer(m, layer, &observer));
    for (size_t w = 0; w < m->n_windows; w++) {
        swg_tape_record(m->exec);
        SWG_TRY(swg_exec_begin(m->exec, 0, 0, m->ids + w * m->window, NULL, m->window,
                               m->rows[0] + w * m->window * width));
        SWG_TRY(swg_tape_reverse(m->exec, m->gradient + w * m->window * width, NULL, &observer));
        SWG_TRY(m->status);
    }
    return SWG_OK;
}

/* Sums become means per token, which must be finite. */
static swg_status finish_rows(const measurement *m, const tensor_sums *sums, double *array)
{
    const double tokens = (double)(m->n_windows * m->window);
    for (uint64_t i = 0; array && i < sums->rows.rows; i++) {
        array[i] /= tokens;
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
        tensor_sums *sums = &m->result->tensors[i];
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
        tensor_sums *sums = find_sums(s, weight->tensor);
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

static swg_status begin(measurement *m, swg_source *source)
{
    swg_model_options model_options = swg_model_options_default();
    model_options.pool = m->options.pool;
    model_options.backend = "tape";
    SWG_TRY(swg_model_open(source, &model_options, &m->model));
    SWG_TRY(swg_model_must_continue(m->model, "measuring sensitivity"));
    if (m->n_windows == 0 || m->window == 0)
        return swg_error(SWG_USAGE, "there are no windows of text to measure sensitivity on");
    m->n_layers = (size_t)m->model->hparams.n_layers;
    m->head = swg_model_weight(m->model, SWG_ROLE_HEAD, 0);
    SWG_TRY(swg_model_load_layer(m->model, m->n_layers));
    swg_exec_options options = swg_exec_options_default();
    options.context = options.chunk = m->window;
    options.activations = SWG_ACT_F32;
    SWG_TRY(swg_exec_new(m->model, m->options.pool, &options, &m->exec));
    const size_t width = swg_exec_width(m->exec, 0), logits = (size_t)m->model->hparams.n_outputs;
    SWG_TRY(SWG_NEW(m->rows, m->n_layers + 1));
    SWG_TRY(SWG_NEW_UNINIT(m->gradient, m->n_windows * m->window * width));
    SWG_TRY(SWG_NEW_UNINIT(m->logits, END_ROWS * logits));
    SWG_TRY(SWG_NEW_UNINIT(m->slopes, END_ROWS * logits));
    return list_tensors(m);
}

static void end(measurement *m)
{
    for (size_t i = 0; m->rows && i <= m->n_layers; i++)
        swg_free(m->rows[i]);
    swg_free(m->rows);
    swg_free(m->gradient);
    swg_free(m->logits);
    swg_free(m->slopes);
    swg_free(m->of_weight);
    swg_exec_free(&m->exec);
    swg_model_free(&m->model);
}

swg_status swg_sensitivity_measure(swg_source *source, const int32_t *ids, size_t n_windows,
                                   size_t window, const swg_sensitivity_options *options,
                                   swg_sensitivity **out)
{
    swg_status status = SWG_OK;
    swg_sensitivity *result = NULL;
    measurement m = {.ids = ids, .n_windows = n_windows, .window = window};
    if (options)
        SWG_TRY(swg_options_check("swg_sensitivity_options", options->size, sizeof *options));
    m.options = options ? *options : swg_sensitivity_options_default();
    SWG_GO(SWG_NEW(result, 1));
    m.result = result;
    SWG_GO(begin(&m, source));
    SWG_GO(forward(&m));
    SWG_GO(backward(&m));
    SWG_GO(finish(&m));
    *out = result;
    result = NULL;
done:
    end(&m);
    swg_sensitivity_free(&result);
    return status;
}

void swg_sensitivity_free(swg_sensitivity **sensitivity)
{
    swg_sensitivity *s = *sensitivity;
    if (!s)
        return;
    swg_arena_deinit(&s->arena);
    swg_free(s);
    *sensitivity = NULL;
}

const swg_row_sensitivity *swg_sensitivity_find(const swg_sensitivity *sensitivity,
                                                const char *tensor)
{
    const tensor_sums *sums = find_sums(sensitivity, tensor);
    return sums ? &sums->rows : NULL;
}
