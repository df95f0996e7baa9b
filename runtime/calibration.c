/* Calibration layer by layer: see calibration.h. An observer in swg_linears, which all weight
 * products pass through, adds every input's rows to the statistics of the weights that share it. */
#include "runtime/calibration.h"

#include <math.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/exec_sums.h"
#include "runtime/moments.h"

/* Columns whose moments one thread adds up at a time, and the most weights that share an input. */
enum { TILE = 256, MAX_WEIGHTS = 8 };

/* Rows of the output head computed together. */
enum { END_ROWS = 64 };

/* One input of the layer, shared by up to MAX_WEIGHTS weights. */
typedef struct input {
    const swg_weight *weights[MAX_WEIGHTS];
    size_t n_weights;
    swg_layer_stats stats; /* views of the arrays below */
    float *hessian;
    double *mean_abs, *mean_square; /* sums until the layer is complete */
    swg_exec_sums *sums;            /* ... or these, where the backend makes them */
} input;

enum { MAX_INPUTS = 64 };

struct swg_calibration {
    const swg_model *model;
    swg_calibration_options options;
    swg_exec *exec;
    swg_observer observer;
    int32_t *ids;
    size_t n_windows, window;
    float *rows;       /* [n_windows * window][width]: the input of the next layer */
    float *output;     /* [window][width] of one window */
    float *logits;     /* [END_ROWS][n_outputs] */
    size_t next_layer; /* the layer whose input these rows are */
    input inputs[MAX_INPUTS];
    size_t n_inputs;
    bool *is_known; /* [n_weights]: the weight's input has been observed in this layer */
    bool may_leave_rest, has_rest, is_observing;
    swg_status status; /* the observer's, which cannot return one */
};

swg_calibration_options swg_calibration_options_default(void)
{
    return (swg_calibration_options){.size = sizeof(swg_calibration_options)};
}

/* --- Statistics of one input ------------------------------------------------------------------ */

static void forget_inputs(swg_calibration *c)
{
    for (size_t i = 0; i < c->n_inputs; i++) {
        swg_free(c->inputs[i].hessian);
        swg_free(c->inputs[i].mean_abs);
        swg_free(c->inputs[i].mean_square);
        swg_exec_sums_free(&c->inputs[i].sums);
    }
    memset(c->inputs, 0, sizeof c->inputs);
    c->n_inputs = 0;
}

static input *find_input(swg_calibration *c, const swg_weight *weight)
{
    for (size_t i = 0; i < c->n_inputs; i++)
        for (size_t w = 0; w < c->inputs[i].n_weights; w++)
            if (c->inputs[i].weights[w] == weight)
                return &c->inputs[i];
    return NULL;
}

/* Whether the limit of memory has room for the statistics of one more input. */
static bool has_room(const swg_calibration *c, size_t k)
{
    static const uint64_t reserve = (uint64_t)4 << 20; /* for what else the observation allocates */
    const uint64_t limit = swg_mem_limit();
    const uint64_t bytes = (uint64_t)k * k * sizeof(float) + reserve;
    if (!c->may_leave_rest || limit == 0 || c->n_inputs == 0)
        return true;
    return swg_mem_in_use() <= limit && bytes <= limit - swg_mem_in_use();
}

static swg_status new_input(swg_calibration *c, const swg_weight *const *weights, size_t count,
                            size_t k, input **out)
{
    if (count > MAX_WEIGHTS)
        return swg_error(SWG_LIMIT, "%zu weights share the input of %s; at most %d are supported",
                         count, weights[0]->tensor, MAX_WEIGHTS);
    if (c->n_inputs == MAX_INPUTS)
        return swg_error(SWG_LIMIT, "a layer has more than %d distinct inputs", MAX_INPUTS);
    input *in = &c->inputs[c->n_inputs++];
    memcpy(in->weights, weights, count * sizeof *weights);
    in->n_weights = count;
    SWG_TRY(SWG_NEW(in->mean_abs, k));
    SWG_TRY(SWG_NEW(in->mean_square, k));
    if (!c->options.no_hessians)
        SWG_TRY(SWG_NEW(in->hessian, k * k));
    if (swg_exec_has_sums(c->exec))
        SWG_TRY(swg_exec_sums_new(c->exec, k, !c->options.no_hessians, &in->sums));
    in->stats = (swg_layer_stats){.name = weights[0]->tensor,
                                  .k = k,
                                  .hessian = in->hessian,
                                  .mean_abs = in->mean_abs,
                                  .mean_square = in->mean_square};
    *out = in;
    return SWG_OK;
}

/* The rows being processed, for the pool. */
typedef struct addition {
    input *in;
    const float *x;
    size_t rows, stride;
} addition;

static swg_status add_moments(void *context, size_t index)
{
    const addition *a = context;
    const size_t begin = index * TILE;
    const size_t end = begin + TILE < a->in->stats.k ? begin + TILE : a->in->stats.k;
    for (size_t t = 0; t < a->rows; t++)
        for (size_t c = begin; c < end; c++) {
            const double x = (double)a->x[t * a->stride + c];
            a->in->mean_abs[c] += fabs(x);
            a->in->mean_square[c] += x * x;
        }
    return SWG_OK;
}

/* The input whose statistics `rows` more rows belong to; NULL for one that was observed before, or
 * has to wait for want of memory. */
static swg_status input_of(swg_calibration *c, const swg_weight *const *weights, size_t count,
                           size_t rows, size_t columns, input **out)
{
    *out = find_input(c, weights[0]);
    if (!*out && c->is_known[weights[0] - c->model->weights])
        return SWG_OK;
    if (!*out && !has_room(c, columns)) {
        c->has_rest = true;
        return SWG_OK;
    }
    if (!*out)
        SWG_TRY(new_input(c, weights, count, columns, out));
    (*out)->stats.n_tokens += rows;
    return SWG_OK;
}

static swg_status add_rows(swg_calibration *c, const swg_weight *const *weights, size_t count,
                           const float *x, size_t rows, size_t columns, size_t stride)
{
    input *in;
    SWG_TRY(input_of(c, weights, count, rows, columns, &in));
    if (!in)
        return SWG_OK;
    addition a = {.in = in, .x = x, .rows = rows, .stride = stride};
    SWG_TRY(swg_pool_for(c->options.pool, swg_ceil_div(columns, TILE), add_moments, &a));
    if (!in->hessian)
        return SWG_OK;
    return swg_moments_add_square(c->options.pool, x, rows, columns, stride, in->hessian);
}

static void see_inputs(void *context, const swg_weight *const *weights, size_t count,
                       const float *x, size_t rows, size_t columns, size_t stride)
{
    swg_calibration *c = context;
    if (c->is_observing && c->status == SWG_OK)
        c->status = add_rows(c, weights, count, x, rows, columns, stride);
}

static swg_exec_sums *see_sums(void *context, const swg_weight *const *weights, size_t count,
                               size_t rows, size_t columns)
{
    swg_calibration *c = context;
    input *in = NULL;
    if (c->is_observing && c->status == SWG_OK)
        c->status = input_of(c, weights, count, rows, columns, &in);
    return c->status == SWG_OK && in ? in->sums : NULL;
}

/* The layer is complete: sums become means, and the Hessian's upper triangle is filled in. */
static swg_status finish_input(input *in)
{
    const size_t k = in->stats.k;
    if (in->sums)
        SWG_TRY(swg_exec_sums_read(in->sums, in->mean_abs, in->mean_square, in->hessian));
    swg_exec_sums_free(&in->sums);
    for (size_t i = 0; i < k; i++) {
        in->mean_abs[i] /= (double)in->stats.n_tokens;
        in->mean_square[i] /= (double)in->stats.n_tokens;
        if (!isfinite(in->mean_square[i]))
            return swg_error(SWG_FAILED,
                             "column %zu of the input of %s is not finite on the calibration text",
                             i, in->stats.name);
    }
    if (in->hessian)
        swg_moments_mirror(in->hessian, k);
    return SWG_OK;
}

/* --- Running ---------------------------------------------------------------------------------- */

/* What comes after the layers, a few rows at a time: rows of logits are long and not needed. */
static swg_status run_end(swg_calibration *c, const float *x, size_t width)
{
    for (size_t at = 0; at < c->window; at += END_ROWS) {
        const size_t left = c->window - at;
        SWG_TRY(
            swg_exec_end(c->exec, left < END_ROWS ? left : END_ROWS, x + at * width, c->logits));
    }
    return SWG_OK;
}

/* Run one window through the layer; its rows are replaced if `moves`. */
static swg_status run_window(swg_calibration *c, size_t layer, size_t window, bool moves)
{
    const size_t width = swg_exec_width(c->exec, layer);
    float *x = c->rows + window * c->window * width;
    if (layer == (size_t)c->model->hparams.n_layers)
        return run_end(c, x, width);
    return swg_exec_layer(c->exec, layer, 0, 0, c->window, x, moves ? x : c->output);
}

static swg_status run_layer(swg_calibration *c, size_t layer, bool moves, const char *what)
{
    if (layer != c->next_layer)
        return swg_error(SWG_USAGE, "calibration is at layer %zu, not %zu", c->next_layer, layer);
    for (size_t w = 0; w < c->n_windows; w++) {
        SWG_TRY(run_window(c, layer, w, moves));
        SWG_TRY(c->status);
        SWG_TRY(swg_progress_step(c->options.progress, what, "windows", w + 1, c->n_windows));
    }
    c->next_layer += moves;
    return SWG_OK;
}

/* Collect the statistics of inputs that are not known yet. */
static swg_status observe(swg_calibration *c, size_t layer, bool moves)
{
    forget_inputs(c);
    c->has_rest = false;
    c->is_observing = true;
    const swg_status status = run_layer(c, layer, moves, "collecting statistics");
    c->is_observing = false;
    SWG_TRY(status);
    for (size_t i = 0; i < c->n_inputs; i++) {
        SWG_TRY(finish_input(&c->inputs[i]));
        for (size_t w = 0; w < c->inputs[i].n_weights; w++)
            c->is_known[c->inputs[i].weights[w] - c->model->weights] = true;
    }
    return SWG_OK;
}

static swg_status observe_anew(swg_calibration *c, size_t layer, bool moves, bool may_leave_rest)
{
    memset(c->is_known, 0, c->model->n_weights * sizeof *c->is_known);
    c->may_leave_rest = may_leave_rest;
    return observe(c, layer, moves);
}

swg_status swg_calibration_observe(swg_calibration *c, size_t layer)
{
    return observe_anew(c, layer, false, c->options.may_leave_rest);
}

swg_status swg_calibration_pass(swg_calibration *c, size_t layer)
{
    return observe_anew(c, layer, true, false);
}

bool swg_calibration_has_rest(const swg_calibration *c)
{
    return c->has_rest;
}

swg_status swg_calibration_observe_rest(swg_calibration *c, size_t layer)
{
    return observe(c, layer, false);
}

swg_status swg_calibration_advance(swg_calibration *c, size_t layer)
{
    return run_layer(c, layer, true, "running the layer");
}

swg_status swg_calibration_skip(swg_calibration *c, size_t layer)
{
    if (layer != c->next_layer)
        return swg_error(SWG_USAGE, "calibration is at layer %zu, not %zu", c->next_layer, layer);
    c->next_layer++;
    return SWG_OK;
}

const float *swg_calibration_rows(const swg_calibration *c, size_t *n_rows, size_t *columns)
{
    *n_rows = c->n_windows * c->window;
    *columns = swg_exec_width(c->exec, c->next_layer);
    return c->rows;
}

const swg_layer_stats *swg_calibration_stats(const swg_calibration *c, const swg_weight *weight)
{
    for (size_t i = 0; i < c->n_inputs; i++)
        for (size_t w = 0; w < c->inputs[i].n_weights; w++)
            if (c->inputs[i].weights[w] == weight)
                return &c->inputs[i].stats;
    return NULL;
}

const swg_layer_stats *swg_calibration_input(const swg_calibration *c, size_t index,
                                             const swg_weight *const **weights, size_t *n_weights)
{
    if (index >= c->n_inputs)
        return NULL;
    *weights = c->inputs[index].weights;
    *n_weights = c->inputs[index].n_weights;
    return &c->inputs[index].stats;
}

/* --- Life ------------------------------------------------------------------------------------- */

/* Columns of the widest rows that pass between layers. */
static size_t widest(const swg_exec *exec, size_t n_layers)
{
    size_t most = 0;
    for (size_t layer = 0; layer <= n_layers; layer++) {
        const size_t width = swg_exec_width(exec, layer);
        most = width > most ? width : most;
    }
    return most;
}

static swg_status embed_windows(swg_calibration *c)
{
    const size_t width = swg_exec_width(c->exec, 0);
    for (size_t w = 0; w < c->n_windows; w++)
        SWG_TRY(swg_exec_begin(c->exec, 0, 0, c->ids + w * c->window, NULL, c->window,
                               c->rows + w * c->window * width));
    return SWG_OK;
}

#define WITHOUT_CALIBRATION                                                                        \
    "without --calibration, quantize rounds to nearest (--method rtn, or hqq) and prune removes "  \
    "the smallest weights (--method magnitude)"

swg_status swg_calibration_check(const swg_model *model, size_t n_tokens)
{
    SWG_TRY(swg_model_must_continue(model, "calibration; " WITHOUT_CALIBRATION));
    if (model->hparams.n_heads == 0)
        return swg_error(SWG_UNSUPPORTED,
                         "calibration of recurrent models is not supported; " WITHOUT_CALIBRATION);
    if (n_tokens == 0)
        return swg_error(SWG_USAGE, "there are no windows of text to calibrate on");
    return SWG_OK;
}

static swg_status begin(swg_calibration *c, const int32_t *ids)
{
    const swg_hparams *h = &c->model->hparams;
    const size_t n_tokens = c->n_windows * c->window; /* the ids are in memory, so no overflow */
    SWG_TRY(swg_calibration_check(c->model, n_tokens));
    swg_exec_options options = swg_exec_options_default();
    options.context = options.chunk = c->window;
    options.activations = SWG_ACT_F32;
    options.observer = &c->observer;
    SWG_TRY(swg_exec_new(c->model, c->options.pool, &options, &c->exec));
    const size_t width = widest(c->exec, (size_t)h->n_layers);
    SWG_TRY(SWG_NEW(c->is_known, c->model->n_weights));
    SWG_TRY(SWG_NEW_UNINIT(c->ids, n_tokens));
    memcpy(c->ids, ids, n_tokens * sizeof *ids);
    SWG_TRY(SWG_NEW_UNINIT(c->rows, n_tokens * width));
    SWG_TRY(SWG_NEW_UNINIT(c->output, c->window * width));
    SWG_TRY(SWG_NEW_UNINIT(c->logits, END_ROWS * (size_t)h->n_outputs));
    return embed_windows(c);
}

swg_status swg_calibration_new(const swg_model *model, const int32_t *ids, size_t n_windows,
                               size_t window, const swg_calibration_options *options,
                               swg_calibration **out)
{
    swg_calibration *c = NULL;
    if (options)
        SWG_TRY(swg_options_check("swg_calibration_options", options->size, sizeof *options));
    SWG_TRY(SWG_NEW(c, 1));
    c->model = model;
    c->options = options ? *options : swg_calibration_options_default();
    c->n_windows = n_windows;
    c->window = window;
    c->observer = (swg_observer){.context = c, .inputs = see_inputs, .sums = see_sums};
    swg_status status = begin(c, ids);
    if (status == SWG_OK) {
        *out = c;
        c = NULL;
    }
    swg_calibration_free(&c);
    return status;
}

void swg_calibration_free(swg_calibration **calibration)
{
    swg_calibration *c = *calibration;
    if (!c)
        return;
    forget_inputs(c);
    swg_exec_free(&c->exec);
    swg_free(c->logits);
    swg_free(c->output);
    swg_free(c->rows);
    swg_free(c->ids);
    swg_free(c->is_known);
    swg_free(c);
    *calibration = NULL;
}
