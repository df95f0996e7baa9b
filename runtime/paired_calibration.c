/* Two executions side by side, window by window: see paired_calibration.h. An observer copies the
 * rows of the input that is asked for, and what the output of its product is added to, and then
 * stops the layer. The next input is computed from there on: from the last sum, whose rows replace
 * those that entered the layer, or from the input that was copied, where it is narrow enough to be
 * kept. With the last input both go on to the end of the layer: the difference of its outputs holds
 * both shifts, and takes fewer sums than that of wide inputs. */
#include "runtime/paired_calibration.h"

#include <math.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/calibration.h"
#include "runtime/exec.h"
#include "runtime/exec_sums.h"
#include "runtime/moments.h"

enum {
    END_ROWS = 64, /* rows of the output head computed together */
    KEPT_WIDTH = 4 /* inputs are kept up to this multiple of the width of the rows */
};

/* One of the two models, and what its observer has seen of the current window. */
typedef struct reader {
    swg_exec *exec;
    swg_observer observer;
    float *rows; /* [n_windows * window][width]: what the layer continues from */
    float *kept; /* [n_windows * window][kept_k]: and the input of its next product, or NULL */
    size_t kept_k;
    size_t wanted; /* the number of the input to copy */
    bool goes_on;  /* after it, to the end of the layer */
    bool has_input, has_enough;
    const swg_weight *weights[SWG_PAIRED_MAX_WEIGHTS];
    size_t n_weights, k, n_stream; /* n_stream 0: the output was not added to anything */
    size_t n_rows;                 /* of x that were copied: the head's come in pieces */
    float *x, *stream;             /* [window][k], [window][n_stream] */
    swg_status status;             /* the observer's, which cannot return one */
} reader;

/* A sum of products a^T b of rows, made by the backend where it makes sums. */
typedef struct product_sum {
    float *host; /* [m][k], or NULL: not asked for */
    swg_exec_products *device;
} product_sum;

struct swg_paired_calibration {
    const swg_model *model;
    swg_calibration_options options;
    reader original, changed;
    size_t n_windows, window, width;
    swg_layer_point point;       /* of the layer that both continue from */
    bool has_kept;               /* the point is at a kept input */
    bool keeps_input;            /* the next point will be */
    bool is_finished;            /* the original's rows are the next layer's already */
    bool is_joint;               /* shifts are taken from the outputs of the layer */
    size_t next_input, n_inputs; /* of this layer; of every layer, 0 = not known yet */
    float *output, *logits; /* [window][width], [END_ROWS][n_outputs] */
    swg_paired_input input;
    product_sum hessian, input_shift, stream_shift;
    double *mean_abs, *mean_square;
};

/* --- What is seen of a window ----------------------------------------------------------------- */

static swg_status copy_rows(float **to, const float *x, size_t rows, size_t columns, size_t stride)
{
    if (!*to)
        SWG_TRY(SWG_NEW_UNINIT(*to, rows * columns));
    for (size_t t = 0; t < rows; t++)
        memcpy(*to + t * columns, x + t * stride, columns * sizeof *x);
    return SWG_OK;
}

static swg_status take_input(reader *r, const swg_weight *const *weights, size_t count,
                             const float *x, size_t rows, size_t columns, size_t stride)
{
    if (count > SWG_PAIRED_MAX_WEIGHTS)
        return swg_error(SWG_LIMIT, "%zu weights share the input of %s; at most %d are supported",
                         count, weights[0]->tensor, SWG_PAIRED_MAX_WEIGHTS);
    SWG_TRY(copy_rows(&r->x, x, rows, columns, stride));
    memcpy(r->weights, weights, count * sizeof *weights);
    r->n_weights = count;
    r->k = columns;
    r->n_rows = rows;
    r->has_input = true;
    /* Neither joint products nor the head are added to anything. */
    const bool is_head = swg_role_scope_of(weights[0]->role) == SWG_PER_MODEL;
    r->has_enough = is_head || (count > 1 && !r->goes_on);
    return SWG_OK;
}

static void see_inputs(void *context, const swg_weight *const *weights, size_t count,
                       const float *x, size_t rows, size_t columns, size_t stride)
{
    reader *r = context;
    if (r->wanted == SIZE_MAX || r->has_enough)
        return;
    if (r->has_input)
        r->has_enough = !r->goes_on;
    else if (swg_exec_layer_point(r->exec).n_products == r->wanted)
        r->status = take_input(r, weights, count, x, rows, columns, stride);
    r->has_enough |= r->status != SWG_OK;
}

/* Of a single product that is added to the rows. Those of another after it are not asked for. */
static void see_sum(void *context, const float *x, size_t rows, size_t columns)
{
    reader *r = context;
    const bool is_next = swg_exec_layer_point(r->exec).n_products == r->wanted + 1;
    if (!r->has_input || r->has_enough || !is_next)
        return;
    r->status = copy_rows(&r->stream, x, rows, columns, columns);
    r->n_stream = columns;
    r->has_enough = !r->goes_on || r->status != SWG_OK;
}

static void forget_window(reader *r)
{
    r->n_weights = r->n_stream = 0;
    r->has_input = r->has_enough = false;
}

/* Run the layer on one window's rows from the present point as far as the input `wanted` (SIZE_MAX:
 * all of it). */
static swg_status run_window(const swg_paired_calibration *c, reader *r, size_t layer, size_t w,
                             size_t wanted, float *out)
{
    swg_layer_point from = c->point;
    forget_window(r);
    r->wanted = wanted;
    if (c->has_kept)
        from.input = r->kept + w * c->window * r->kept_k;
    SWG_TRY(swg_exec_layer_from(r->exec, layer, 0, 0, c->window, &from,
                                r->rows + w * c->window * c->width, out));
    return r->status;
}

/* Keep where a window has come to: its rows after a sum, or else the input that was copied. */
static swg_status keep_window(const swg_paired_calibration *c, reader *r, size_t w)
{
    const size_t at = w * c->window;
    if (!r->goes_on && swg_exec_layer_point(r->exec).n_sums > c->point.n_sums)
        memcpy(r->rows + at * c->width, c->output, c->window * c->width * sizeof *r->rows);
    if (!c->keeps_input)
        return SWG_OK;
    if (!r->kept)
        SWG_TRY(SWG_NEW_UNINIT(r->kept, c->n_windows * c->window * r->k));
    r->kept_k = r->k;
    memcpy(r->kept + at * r->k, r->x, c->window * r->k * sizeof *r->kept);
    return SWG_OK;
}

static void forget_kept(swg_paired_calibration *c)
{
    SWG_FREE(c->original.kept);
    SWG_FREE(c->changed.kept);
    c->has_kept = false;
}

/* All windows have come as far as input number `index`. */
static void move_point(swg_paired_calibration *c, size_t index)
{
    const size_t n_sums = swg_exec_layer_point(c->changed.exec).n_sums;
    if (!c->changed.goes_on && n_sums > c->point.n_sums) {
        forget_kept(c);
        c->point = (swg_layer_point){.n_sums = n_sums};
    } else if (c->keeps_input) {
        c->point.n_products = index;
        c->has_kept = true;
    }
}

/* --- Sums ------------------------------------------------------------------------------------- */

static void sum_forget(product_sum *sum)
{
    swg_exec_products_free(&sum->device);
    SWG_FREE(sum->host);
}

static swg_status sum_begin(const swg_paired_calibration *c, product_sum *sum, size_t m)
{
    const reader *r = &c->changed;
    SWG_TRY(SWG_NEW(sum->host, m * r->k));
    return swg_exec_has_sums(r->exec)
               ? swg_exec_products_new(r->exec, m, r->k, c->window, &sum->device)
               : SWG_OK;
}

/* sum += a^T x for a [rows][m], with x the rows of the changed model's input, which may be a. */
static swg_status sum_add(const swg_paired_calibration *c, product_sum *sum, const float *a,
                          size_t m)
{
    const reader *r = &c->changed;
    swg_pool *pool = c->options.pool;
    if (sum->device) {
        swg_exec_products_add(sum->device, a, r->x, r->n_rows);
        return SWG_OK;
    }
    return a == r->x ? swg_moments_add_square(pool, a, r->n_rows, m, m, sum->host)
                     : swg_moments_add_product(pool, a, m, r->x, r->k, r->n_rows, sum->host);
}

static swg_status sum_finish(product_sum *sum)
{
    const swg_status status = sum->device ? swg_exec_products_read(sum->device, sum->host) : SWG_OK;
    swg_exec_products_free(&sum->device);
    return status;
}

/* --- Statistics of one input ------------------------------------------------------------------ */

static void forget_input(swg_paired_calibration *c)
{
    sum_forget(&c->hessian);
    sum_forget(&c->input_shift);
    sum_forget(&c->stream_shift);
    SWG_FREE(c->mean_abs);
    SWG_FREE(c->mean_square);
    for (reader *r = &c->original; r; r = r == &c->original ? &c->changed : NULL) {
        SWG_FREE(r->x);
        SWG_FREE(r->stream);
        forget_window(r);
    }
    c->input = (swg_paired_input){0};
}

/* Sums of zero for the input that the readers have just met, with shifts of the input itself, and
 * of what its product is added to or, for joint ones, becomes. */
static swg_status begin_input(swg_paired_calibration *c, bool has_input_shift, bool has_stream)
{
    const reader *r = &c->changed;
    const size_t k = r->k;
    SWG_TRY(sum_begin(c, &c->hessian, k));
    SWG_TRY(SWG_NEW(c->mean_abs, k));
    SWG_TRY(SWG_NEW(c->mean_square, k));
    if (has_input_shift)
        SWG_TRY(sum_begin(c, &c->input_shift, k));
    if (has_stream && r->n_stream)
        SWG_TRY(sum_begin(c, &c->stream_shift, r->n_stream));
    memcpy(c->input.weights, r->weights, r->n_weights * sizeof *r->weights);
    c->input.n_weights = r->n_weights;
    c->input.is_last = c->is_finished;
    c->input.stats = (swg_layer_stats){.name = r->weights[0]->tensor,
                                       .k = k,
                                       .hessian = c->hessian.host,
                                       .mean_abs = c->mean_abs,
                                       .mean_square = c->mean_square,
                                       .input_shift = c->input_shift.host,
                                       .stream_shift = c->stream_shift.host,
                                       .n_stream = c->stream_shift.host ? r->n_stream : 0};
    return SWG_OK;
}

/* a -= b, element by element. */
static void subtract(float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        a[i] -= b[i];
}

/* Add the rows of the changed model, and of the original unless it did not run. */
static swg_status add_window(swg_paired_calibration *c)
{
    reader *o = &c->original, *r = &c->changed;
    const size_t k = r->k;
    for (size_t t = 0; t < r->n_rows; t++)
        for (size_t i = 0; i < k; i++) {
            const double x = (double)r->x[t * k + i];
            c->mean_abs[i] += fabs(x);
            c->mean_square[i] += x * x;
        }
    c->input.stats.n_tokens += r->n_rows;
    SWG_TRY(sum_add(c, &c->hessian, r->x, k));
    if (c->input_shift.host) {
        subtract(o->x, r->x, r->n_rows * k);
        SWG_TRY(sum_add(c, &c->input_shift, o->x, k));
    }
    if (c->stream_shift.host) {
        subtract(o->stream, r->stream, r->n_rows * r->n_stream);
        SWG_TRY(sum_add(c, &c->stream_shift, o->stream, r->n_stream));
    }
    return SWG_OK;
}

static swg_status finish_input(swg_paired_calibration *c)
{
    const size_t k = c->input.stats.k;
    SWG_TRY(sum_finish(&c->hessian));
    SWG_TRY(sum_finish(&c->input_shift));
    SWG_TRY(sum_finish(&c->stream_shift));
    for (size_t i = 0; i < k; i++) {
        c->mean_abs[i] /= (double)c->input.stats.n_tokens;
        c->mean_square[i] /= (double)c->input.stats.n_tokens;
        if (!isfinite(c->mean_square[i]))
            return swg_error(SWG_FAILED,
                             "column %zu of the input of %s is not finite on the calibration text",
                             i, c->input.stats.name);
    }
    swg_moments_mirror(c->hessian.host, k);
    return SWG_OK;
}

/* Run the original as far as the changed model has come; with the last input, to the end. */
static swg_status observe_original(swg_paired_calibration *c, size_t layer, size_t w, size_t index)
{
    reader *o = &c->original;
    const size_t at = w * c->window * c->width;
    o->goes_on = index + 1 == c->n_inputs;
    SWG_TRY(run_window(c, o, layer, w, index, o->goes_on ? o->rows + at : c->output));
    c->is_finished = o->goes_on;
    if (c->is_joint)
        memcpy(o->stream, o->rows + at, c->window * c->width * sizeof *o->stream);
    return o->goes_on ? SWG_OK : keep_window(c, o, w);
}

/* The changed model has come to the input in the first window: what is kept, and what shifts are
 * taken from. The matrix of the last input is still the original's, and what the layer returns is
 * what its product is added to and that product: where the rows are narrower than the input, their
 * shift is cheaper than that of the input. */
static void choose_means(swg_paired_calibration *c, size_t index)
{
    const reader *r = &c->changed;
    const bool is_after_sum = swg_exec_layer_point(r->exec).n_sums > c->point.n_sums;
    c->keeps_input = index > 0 && !c->has_kept && r->k <= KEPT_WIDTH * c->width &&
                     (r->goes_on || !is_after_sum);
    c->is_joint = r->goes_on && r->n_stream == c->width && r->n_stream < r->k;
}

/* How many inputs a layer has, counted in one window. */
static swg_status count_inputs(swg_paired_calibration *c, size_t layer)
{
    SWG_TRY(run_window(c, &c->changed, layer, 0, SIZE_MAX, c->output));
    c->n_inputs = swg_exec_layer_point(c->changed.exec).n_products;
    return SWG_OK;
}

static swg_status observe_layer(swg_paired_calibration *c, size_t layer, size_t index)
{
    reader *r = &c->changed;
    if (c->n_inputs == 0)
        SWG_TRY(count_inputs(c, layer));
    if (index >= c->n_inputs)
        return SWG_OK;
    r->goes_on = index + 1 == c->n_inputs;
    for (size_t w = 0; w < c->n_windows; w++) {
        SWG_TRY(run_window(c, r, layer, w, index, c->output));
        if (w == 0)
            choose_means(c, index);
        if (c->is_joint)
            memcpy(r->stream, c->output, c->window * c->width * sizeof *r->stream);
        SWG_TRY(keep_window(c, r, w));
        SWG_TRY(observe_original(c, layer, w, index));
        if (w == 0)
            SWG_TRY(begin_input(c, !c->is_joint, true));
        SWG_TRY(add_window(c));
        SWG_TRY(swg_progress_step(c->options.progress, "collecting statistics", "windows", w + 1,
                                  c->n_windows));
    }
    move_point(c, index);
    return finish_input(c);
}

/* The output head's input, a few rows at a time: rows of logits are long and not needed. */
static swg_status observe_end(swg_paired_calibration *c)
{
    reader *r = &c->changed;
    for (size_t w = 0; w < c->n_windows; w++)
        for (size_t at = 0; at < c->window; at += END_ROWS) {
            const size_t left = c->window - at;
            forget_window(r);
            r->wanted = 0;
            SWG_TRY(swg_exec_end(r->exec, left < END_ROWS ? left : END_ROWS,
                                 r->rows + (w * c->window + at) * c->width, c->logits));
            SWG_TRY(r->status);
            if (!r->has_input)
                return SWG_OK;
            if (w == 0 && at == 0)
                SWG_TRY(begin_input(c, false, false));
            SWG_TRY(add_window(c));
        }
    return finish_input(c);
}

swg_status swg_paired_calibration_observe(swg_paired_calibration *c, size_t layer, size_t index,
                                          const swg_paired_input **out)
{
    const bool is_end = layer == (size_t)c->model->hparams.n_layers;
    forget_input(c);
    *out = NULL;
    if (is_end && index > 0)
        return SWG_OK;
    if (index < c->next_input || (c->is_finished && index < c->n_inputs))
        return swg_error(SWG_USAGE, "input %zu of layer %zu is asked for after a later one", index,
                         layer);
    c->next_input = index + 1;
    SWG_TRY(is_end ? observe_end(c) : observe_layer(c, layer, index));
    if (c->input.n_weights)
        *out = &c->input;
    return SWG_OK;
}

/* Run the whole layer: in the original unless that was done with its last input, and in the changed
 * model if that has it. */
static swg_status move_on(swg_paired_calibration *c, size_t layer, bool has_layer)
{
    forget_input(c);
    c->original.goes_on = c->changed.goes_on = false;
    for (size_t w = 0; w < c->n_windows; w++) {
        const size_t at = w * c->window * c->width;
        if (!c->is_finished)
            SWG_TRY(run_window(c, &c->original, layer, w, SIZE_MAX, c->original.rows + at));
        if (has_layer)
            SWG_TRY(run_window(c, &c->changed, layer, w, SIZE_MAX, c->changed.rows + at));
        SWG_TRY(swg_progress_step(c->options.progress, "running the layer", "windows", w + 1,
                                  c->n_windows));
    }
    forget_kept(c);
    c->point = (swg_layer_point){0};
    c->keeps_input = c->is_finished = c->is_joint = false;
    c->next_input = 0;
    return SWG_OK;
}

swg_status swg_paired_calibration_advance(swg_paired_calibration *c, size_t layer)
{
    return move_on(c, layer, true);
}

swg_status swg_paired_calibration_skip(swg_paired_calibration *c, size_t layer)
{
    return move_on(c, layer, false);
}

/* --- Life ------------------------------------------------------------------------------------- */

static swg_status reader_init(reader *r, const swg_model *model, const swg_paired_calibration *c)
{
    swg_exec_options options = swg_exec_options_default();
    r->observer = (swg_observer){
        .context = r, .inputs = see_inputs, .added_to = see_sum, .has_enough = &r->has_enough};
    options.context = options.chunk = c->window;
    options.activations = SWG_ACT_F32;
    options.observer = &r->observer;
    r->wanted = SIZE_MAX;
    return swg_exec_new(model, c->options.pool, &options, &r->exec);
}

static void reader_deinit(reader *r)
{
    swg_exec_free(&r->exec);
    swg_free(r->rows);
}

static swg_status embed(const swg_paired_calibration *c, reader *r, const int32_t *ids)
{
    for (size_t w = 0; w < c->n_windows; w++)
        SWG_TRY(swg_exec_begin(r->exec, 0, 0, ids + w * c->window, NULL, c->window,
                               r->rows + w * c->window * c->width));
    return SWG_OK;
}

static swg_status begin(swg_paired_calibration *c, const swg_model *original, const int32_t *ids)
{
    const swg_hparams *h = &c->model->hparams;
    const size_t n_tokens = c->n_windows * c->window; /* the ids are in memory, so no overflow */
    SWG_TRY(swg_calibration_check(c->model, n_tokens));
    SWG_TRY(reader_init(&c->changed, c->model, c));
    SWG_TRY(reader_init(&c->original, original, c));
    c->width = swg_exec_width(c->changed.exec, 0);
    SWG_TRY(SWG_NEW_UNINIT(c->changed.rows, n_tokens * c->width));
    SWG_TRY(SWG_NEW_UNINIT(c->original.rows, n_tokens * c->width));
    SWG_TRY(SWG_NEW_UNINIT(c->output, c->window * c->width));
    SWG_TRY(SWG_NEW_UNINIT(c->logits, END_ROWS * (size_t)h->n_outputs));
    const bool begins = swg_model_has_layer(original, (size_t)h->n_layers);
    SWG_TRY(embed(c, &c->changed, ids));
    if (begins)
        return embed(c, &c->original, ids);
    memcpy(c->original.rows, c->changed.rows, n_tokens * c->width * sizeof *c->changed.rows);
    return SWG_OK;
}

swg_status swg_paired_calibration_new(const swg_model *original, const swg_model *changed,
                                      const int32_t *ids, size_t n_windows, size_t window,
                                      const swg_calibration_options *options,
                                      swg_paired_calibration **out)
{
    swg_paired_calibration *c = NULL;
    if (options)
        SWG_TRY(swg_options_check("swg_calibration_options", options->size, sizeof *options));
    SWG_TRY(SWG_NEW(c, 1));
    c->model = changed;
    c->options = options ? *options : swg_calibration_options_default();
    c->n_windows = n_windows;
    c->window = window;
    const swg_status status = begin(c, original, ids);
    if (status == SWG_OK) {
        *out = c;
        c = NULL;
    }
    swg_paired_calibration_free(&c);
    return status;
}

void swg_paired_calibration_free(swg_paired_calibration **calibration)
{
    swg_paired_calibration *c = *calibration;
    if (!c)
        return;
    forget_input(c);
    forget_kept(c);
    reader_deinit(&c->original);
    reader_deinit(&c->changed);
    swg_free(c->logits);
    swg_free(c->output);
    swg_free(c);
    *calibration = NULL;
}
