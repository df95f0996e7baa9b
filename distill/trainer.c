/* Trained weights and their gradients. See trainer.h. */
#include "distill/trainer.h"

#include <math.h>
#include <string.h>

#include "distill/learned_codes.h"
#include "kernels/linalg.h"
#include "runtime/backprop.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"

/* Rows of a weight whose gradients are one work item. */
enum { GRADIENT_ROWS = 64 };

/* One tensor. */
typedef struct trained {
    size_t index;      /* in the source and in the plan */
    size_t rows, cols; /* a vector has one column */
    bool is_matrix, is_bias;
    float *value; /* [rows][cols] */
    float *gradient, *moment1, *moment2;
    float *kept;              /* the copy of swg_trainer_keep, or NULL */
    uint8_t *is_zero;         /* [rows][cols], or NULL: nothing is kept 0 */
    swg_learned_codes *codes; /* NULL: it is not quantized */
    float *kept_numbers;      /* the copy of those of the grids */
} trained;

struct swg_trainer {
    swg_source *source;
    const swg_plan *plan;
    swg_trainer_options options;
    swg_model *model;
    swg_backprop *backprop; /* or, of a classifier: */
    swg_text_gradients *texts;
    trained *tensors;
    size_t n_tensors;
    size_t *of_weight; /* [model->n_weights] the tensor, or SIZE_MAX */
    size_t *of_bias;   /* [model->n_weights] that of its bias, or SIZE_MAX */
    uint64_t n_steps, n_weights, n_zeros;
    swg_status status; /* of an observer, which cannot return one */
    swg_status (*rows)(void *context, size_t layer, size_t n, const float *x, float *gradient);
};

swg_trainer_options swg_trainer_options_default(void)
{
    return (swg_trainer_options){.size = sizeof(swg_trainer_options), .together = 1};
}

static size_t elems_of(const trained *t)
{
    return t->rows * t->cols;
}

/* --- Gradients -------------------------------------------------------------------------------- */

static trained *tensor_of(const swg_trainer *trainer, const swg_weight *weight)
{
    return &trainer->tensors[trainer->of_weight[weight - trainer->model->weights]];
}

/* The gradient of a weight's bias, or NULL: it has none. */
static float *bias_gradient_of(const swg_trainer *trainer, const swg_weight *weight)
{
    const size_t at = trainer->of_bias[weight - trainer->model->weights];
    return at == SIZE_MAX ? NULL : trainer->tensors[at].gradient + weight->first_row;
}

/* db += the sums of dy's columns. */
static void add_bias(float *gradient, size_t n, const float *dy, size_t rows)
{
    for (size_t t = 0; gradient && t < rows; t++)
        for (size_t i = 0; i < n; i++)
            gradient[i] += dy[t * n + i];
}

typedef struct product {
    float *gradient; /* of the weight's rows */
    const float *x, *dy;
    size_t n, k, rows;
} product;

/* dW += dy^T x of some rows of W. */
static swg_status add_rows(void *context, size_t index)
{
    const product *p = context;
    const size_t at = index * GRADIENT_ROWS, left = p->n - at;
    swg_linalg_get()->sgemm(true, false, left < GRADIENT_ROWS ? left : GRADIENT_ROWS, p->k, p->rows,
                            1, p->dy + at, p->n, p->x, p->k, 1, p->gradient + at * p->k, p->k);
    return SWG_OK;
}

static void add_product(void *context, const swg_weight *weight, const float *x, const float *dy,
                        size_t rows)
{
    swg_trainer *trainer = context;
    trained *t = tensor_of(trainer, weight);
    product p = {.gradient = t->gradient + weight->first_row * weight->k,
                 .x = x,
                 .dy = dy,
                 .n = weight->n,
                 .k = weight->k,
                 .rows = rows};
    add_bias(bias_gradient_of(trainer, weight), weight->n, dy, rows);
    if (trainer->status == SWG_OK)
        trainer->status =
            swg_pool_for(trainer->options.pool, swg_ceil_div(p.n, GRADIENT_ROWS), add_rows, &p);
}

static void add_look_up(void *context, const swg_weight *weight, const size_t *index,
                        const float *dy, size_t rows)
{
    float *gradient = tensor_of(context, weight)->gradient + weight->first_row * weight->k;
    for (size_t t = 0; t < rows; t++)
        for (size_t j = 0; j < weight->k; j++)
            gradient[index[t] * weight->k + j] += dy[t * weight->k + j];
}

static void add_vector(void *context, const swg_weight *weight, const float *dv, const float *dbias)
{
    float *gradient = tensor_of(context, weight)->gradient + weight->first_row;
    for (size_t i = 0; i < weight->n; i++)
        gradient[i] += dv[i];
    add_bias(dbias ? bias_gradient_of(context, weight) : NULL, weight->n, dbias, 1);
}

void swg_trainer_on_rows(swg_trainer *trainer,
                         swg_status (*rows)(void *context, size_t layer, size_t n, const float *x,
                                            float *gradient))
{
    trainer->rows = rows;
}

swg_status swg_trainer_backward(swg_trainer *trainer, const int32_t *ids, size_t n_windows,
                                swg_status (*slopes)(void *context, size_t first, size_t n,
                                                     float *logits),
                                void *context)
{
    const swg_gradient_observer observer = {
        .context = trainer, .product = add_product, .look_up = add_look_up, .vector = add_vector};
    const swg_backprop_job job = {.ids = ids,
                                  .n_windows = n_windows,
                                  .observer = &observer,
                                  .slopes = slopes,
                                  .rows = trainer->rows,
                                  .context = context};
    trainer->status = SWG_OK;
    SWG_TRY(swg_backprop_run(trainer->backprop, &job));
    return trainer->status;
}

swg_status swg_trainer_backward_text(swg_trainer *trainer, const swg_text_job *text)
{
    const swg_gradient_observer observer = {
        .context = trainer, .product = add_product, .look_up = add_look_up, .vector = add_vector};
    trainer->status = SWG_OK;
    SWG_TRY(swg_text_gradients_run(trainer->texts, text, &observer));
    return trainer->status;
}

/* --- From weights to the model ---------------------------------------------------------------- */

/* Put the values into the biases that share the tensor. */
static void install_bias(const swg_trainer *trainer, const trained *t)
{
    const swg_model *model = trainer->model;
    for (size_t i = 0; i < model->n_weights; i++)
        if (trainer->of_bias[i] == (size_t)(t - trainer->tensors))
            swg_model_replace_bias(trainer->model, &model->weights[i],
                                   t->value + model->weights[i].first_row);
}

/* Put a tensor's weights, or what their codes mean, into the model. */
static swg_status install(const swg_trainer *trainer, trained *t)
{
    if (t->is_bias) {
        install_bias(trainer, t);
        return SWG_OK;
    }
    const swg_tensor_desc *source = swg_source_tensor(trainer->source, t->index);
    swg_tensor_desc desc = *source;
    desc.scheme = swg_scheme_plain(SWG_F32);
    desc.n_stored = 0;
    if (t->codes)
        SWG_TRY(swg_learned_codes_choose(t->codes, t->value));
    const void *planes[SWG_PLANE_KINDS] = {[SWG_PLANE_VALUES] =
                                               t->codes ? t->codes->computed : t->value};
    return swg_model_replace_tensor(trainer->model, &desc, planes);
}

static swg_status install_all(const swg_trainer *trainer)
{
    for (size_t i = 0; i < trainer->n_tensors; i++)
        SWG_TRY(install(trainer, &trainer->tensors[i]));
    return SWG_OK;
}

/* --- Steps ------------------------------------------------------------------------------------ */

static double square_of(const float *x, size_t n, const uint8_t *is_left_out)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        if (!is_left_out || !is_left_out[i])
            sum += (double)x[i] * (double)x[i];
    return sum;
}

static double norm_of(const swg_trainer *trainer)
{
    double sum = 0;
    for (size_t i = 0; i < trainer->n_tensors; i++) {
        const trained *t = &trainer->tensors[i];
        sum += square_of(t->gradient, elems_of(t), t->is_zero);
        if (t->codes)
            sum += square_of(t->codes->gradient, t->codes->n_numbers, NULL);
    }
    return sqrt(sum);
}

/* A tensor's weights, and the grids of its codes. */
static swg_status step_tensor(const swg_trainer *trainer, trained *t, const swg_adamw *adamw,
                              double rate, double scale)
{
    swg_pool *pool = trainer->options.pool;
    const swg_adamw_numbers weights = {elems_of(t), t->value,   t->gradient,
                                       t->moment1,  t->moment2, t->is_zero};
    SWG_TRY(swg_adamw_step(adamw, &weights, trainer->n_steps, rate, t->is_matrix ? adamw->decay : 0,
                           scale, pool));
    if (!t->codes)
        return SWG_OK;
    const swg_learned_codes *c = t->codes;
    const swg_adamw_numbers grids = {c->n_numbers, c->number,  c->gradient,
                                     c->moment1,   c->moment2, NULL};
    return swg_adamw_step(adamw, &grids, trainer->n_steps, rate * adamw->grid_rate, 0, scale, pool);
}

swg_status swg_trainer_step(swg_trainer *trainer, const swg_adamw *adamw, double rate, double *norm)
{
    for (size_t i = 0; i < trainer->n_tensors; i++) {
        trained *t = &trainer->tensors[i];
        if (t->codes)
            swg_learned_codes_reverse(t->codes, t->value, t->gradient);
    }
    *norm = norm_of(trainer);
    if (!isfinite(*norm))
        return swg_error(SWG_FAILED, "the gradients of step %llu are not finite",
                         (unsigned long long)trainer->n_steps + 1);
    trainer->n_steps++;
    const double scale =
        adamw->max_norm > 0 && *norm > adamw->max_norm ? adamw->max_norm / *norm : 1;
    for (size_t i = 0; i < trainer->n_tensors; i++)
        SWG_TRY(step_tensor(trainer, &trainer->tensors[i], adamw, rate, scale));
    return install_all(trainer);
}

/* Copy n numbers to memory that is made for them where there is none. */
static swg_status keep(float **kept, const float *from, size_t n)
{
    if (!*kept)
        SWG_TRY(SWG_NEW_UNINIT(*kept, n));
    memcpy(*kept, from, n * sizeof *from);
    return SWG_OK;
}

swg_status swg_trainer_keep(swg_trainer *trainer)
{
    for (size_t i = 0; i < trainer->n_tensors; i++) {
        trained *t = &trainer->tensors[i];
        SWG_TRY(keep(&t->kept, t->value, elems_of(t)));
        if (t->codes)
            SWG_TRY(keep(&t->kept_numbers, t->codes->number, t->codes->n_numbers));
    }
    return SWG_OK;
}

swg_status swg_trainer_restore(swg_trainer *trainer)
{
    for (size_t i = 0; i < trainer->n_tensors; i++) {
        trained *t = &trainer->tensors[i];
        if (t->kept)
            memcpy(t->value, t->kept, elems_of(t) * sizeof *t->kept);
        if (t->kept_numbers)
            memcpy(t->codes->number, t->kept_numbers,
                   t->codes->n_numbers * sizeof *t->kept_numbers);
    }
    return install_all(trainer);
}

/* --- Saving ----------------------------------------------------------------------------------- */

/* The arrays of a tensor that training continues from. */
enum { MOST_SAVED = 8 };
typedef struct saved {
    float *data;
    size_t n;
} saved;

static size_t saved_of(const trained *t, saved out[MOST_SAVED])
{
    const size_t n = elems_of(t);
    size_t count = 0;
    out[count++] = (saved){t->value, n};
    out[count++] = (saved){t->moment1, n};
    out[count++] = (saved){t->moment2, n};
    out[count++] = (saved){t->kept, t->kept ? n : 0};
    if (!t->codes)
        return count;
    out[count++] = (saved){t->codes->number, t->codes->n_numbers};
    out[count++] = (saved){t->codes->moment1, t->codes->n_numbers};
    out[count++] = (saved){t->codes->moment2, t->codes->n_numbers};
    out[count++] = (saved){t->kept_numbers, t->kept_numbers ? t->codes->n_numbers : 0};
    return count;
}

swg_status swg_trainer_save(const swg_trainer *trainer, swg_state_writer *writer)
{
    SWG_TRY(swg_state_put(writer, &trainer->n_steps, sizeof trainer->n_steps));
    for (size_t i = 0; i < trainer->n_tensors; i++) {
        saved arrays[MOST_SAVED];
        const size_t count = saved_of(&trainer->tensors[i], arrays);
        for (size_t a = 0; a < count; a++) {
            const uint64_t n = arrays[a].n;
            SWG_TRY(swg_state_put(writer, &n, sizeof n));
            SWG_TRY(swg_state_put(writer, arrays[a].data, arrays[a].n * sizeof(float)));
        }
    }
    return SWG_OK;
}

/* A training has kept a copy before it is resumed. */
static swg_status resume_tensor(trained *t, swg_state_reader *reader)
{
    saved arrays[MOST_SAVED];
    const size_t count = saved_of(t, arrays);
    for (size_t a = 0; a < count; a++) {
        uint64_t n;
        SWG_TRY(swg_state_get(reader, &n, sizeof n));
        if (n != arrays[a].n)
            return swg_error(SWG_CORRUPT,
                             "the saved state has a tensor of %llu numbers, the model %zu",
                             (unsigned long long)n, arrays[a].n);
        SWG_TRY(swg_state_get(reader, arrays[a].data, arrays[a].n * sizeof(float)));
    }
    return SWG_OK;
}

swg_status swg_trainer_resume(swg_trainer *trainer, swg_state_reader *reader)
{
    SWG_TRY(swg_state_get(reader, &trainer->n_steps, sizeof trainer->n_steps));
    for (size_t i = 0; i < trainer->n_tensors; i++)
        SWG_TRY(resume_tensor(&trainer->tensors[i], reader));
    return install_all(trainer);
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* The planes of a tensor that is written: its codes, or its weights in the planned type. */
static swg_status write_trained(const swg_trainer *trainer, const trained *t, swg_sink *sink,
                                size_t place)
{
    const swg_tensor_desc *desc = &trainer->plan->entries[t->index].desc;
    if (t->codes)
        return swg_sink_write(sink, place, (const void *const *)t->codes->planes);
    const size_t elems = elems_of(t);
    uint8_t *values;
    SWG_TRY(SWG_NEW_UNINIT(values, elems * swg_dtype_bits(desc->scheme.dtype) / 8));
    for (size_t i = 0; i < elems; i++)
        swg_float_store(desc->scheme.dtype, values, i, t->value[i]);
    const void *planes[SWG_PLANE_KINDS] = {[SWG_PLANE_VALUES] = values};
    const swg_status status = swg_sink_write(sink, place, planes);
    swg_free(values);
    return status;
}

/* All planes of a tensor of the source, by kind; free_planes releases them, also after a failure.
 */
static swg_status read_planes(const swg_trainer *trainer, size_t index,
                              void *planes[SWG_PLANE_KINDS])
{
    size_t n_planes;
    const swg_plane *layout = swg_source_planes(trainer->source, index, &n_planes);
    for (size_t p = 0; p < n_planes; p++) {
        uint8_t *bytes;
        SWG_TRY(SWG_NEW_UNINIT(bytes, layout[p].bytes));
        planes[layout[p].kind] = bytes;
        SWG_TRY(swg_source_read(trainer->source, index, layout[p].kind, 0, layout[p].rows, bytes));
    }
    return SWG_OK;
}

static void free_planes(void *planes[SWG_PLANE_KINDS])
{
    for (size_t p = 0; p < SWG_PLANE_KINDS; p++)
        swg_free(planes[p]);
}

/* A tensor that was not trained goes through as it is. */
static swg_status copy(const swg_trainer *trainer, size_t index, swg_sink *sink, size_t place)
{
    void *planes[SWG_PLANE_KINDS] = {0};
    swg_status status = read_planes(trainer, index, planes);
    if (status == SWG_OK)
        status = swg_sink_write(sink, place, (const void *const *)planes);
    free_planes(planes);
    return status;
}

swg_status swg_trainer_write(swg_trainer *trainer, swg_sink *sink)
{
    for (size_t place = 0; place < trainer->plan->n_entries; place++) {
        const size_t index = trainer->plan->order[place];
        const trained *found = NULL;
        for (size_t i = 0; i < trainer->n_tensors; i++)
            if (trainer->tensors[i].index == index)
                found = &trainer->tensors[i];
        SWG_TRY(found ? write_trained(trainer, found, sink, place)
                      : copy(trainer, index, sink, place));
    }
    return SWG_OK;
}

/* --- Life ------------------------------------------------------------------------------------- */

const swg_model *swg_trainer_model(const swg_trainer *trainer)
{
    return trainer->model;
}

uint64_t swg_trainer_n_weights(const swg_trainer *trainer)
{
    return trainer->n_weights;
}

uint64_t swg_trainer_n_zeros(const swg_trainer *trainer)
{
    return trainer->n_zeros;
}

/* Codes for a tensor that the plan quantizes: on the source's own grids where it has such codes. */
static swg_status make_codes(const swg_trainer *trainer, trained *t)
{
    const swg_plan_entry *entry = &trainer->plan->entries[t->index];
    const swg_tensor_desc *desc = swg_source_tensor(trainer->source, t->index);
    void *planes[SWG_PLANE_KINDS] = {0};
    SWG_TRY(
        swg_learned_codes_new(entry, t->rows, t->cols, t->value, trainer->options.pool, &t->codes));
    if (!swg_scheme_equal(entry->dense, desc->scheme))
        return SWG_OK;
    const swg_status status = read_planes(trainer, t->index, planes);
    if (status == SWG_OK)
        swg_learned_codes_take(t->codes, (const void *const *)planes);
    free_planes(planes);
    return status;
}

static swg_status mark_zeros(swg_trainer *trainer, trained *t)
{
    SWG_TRY(SWG_NEW(t->is_zero, elems_of(t)));
    for (size_t i = 0; i < elems_of(t); i++) {
        t->is_zero[i] = t->value[i] == 0;
        trainer->n_zeros += t->is_zero[i];
    }
    return SWG_OK;
}

static swg_status add_tensor(swg_trainer *trainer, size_t index)
{
    trained *t = &trainer->tensors[trainer->n_tensors++];
    const swg_tensor_desc *desc = swg_source_tensor(trainer->source, index);
    t->index = index;
    t->is_matrix = desc->rank > 1;
    t->cols = t->is_matrix ? (size_t)swg_tensor_cols(desc) : 1;
    t->rows = (size_t)swg_tensor_elems(desc) / t->cols;
    SWG_TRY(SWG_NEW_UNINIT(t->value, elems_of(t)));
    SWG_TRY(SWG_NEW(t->gradient, elems_of(t)));
    SWG_TRY(SWG_NEW(t->moment1, elems_of(t)));
    SWG_TRY(SWG_NEW(t->moment2, elems_of(t)));
    SWG_TRY(swg_source_read_f32(trainer->source, index, 0, swg_tensor_rows(desc), t->value));
    trainer->n_weights += elems_of(t);
    if (trainer->options.keep_zeros && t->is_matrix)
        SWG_TRY(mark_zeros(trainer, t));
    return trainer->plan->entries[index].is_quantized ? make_codes(trainer, t) : SWG_OK;
}

/* *at = the place of a tensor of the source, which is added unless it is there. */
static swg_status place_tensor(swg_trainer *trainer, size_t index, bool is_bias, size_t *at)
{
    *at = 0;
    while (*at < trainer->n_tensors && trainer->tensors[*at].index != index)
        ++*at;
    if (*at < trainer->n_tensors)
        return SWG_OK;
    SWG_TRY(add_tensor(trainer, index));
    trainer->tensors[*at].is_bias = is_bias;
    return SWG_OK;
}

/* Every tensor that a weight or a bias comes from, once. */
static swg_status add_tensors(swg_trainer *trainer)
{
    const swg_model *model = trainer->model;
    SWG_TRY(SWG_NEW(trainer->tensors, 2 * model->n_weights));
    SWG_TRY(SWG_NEW(trainer->of_weight, model->n_weights));
    SWG_TRY(SWG_NEW(trainer->of_bias, model->n_weights));
    for (size_t i = 0; i < model->n_weights; i++) {
        const swg_weight *weight = &model->weights[i];
        trainer->of_weight[i] = trainer->of_bias[i] = SIZE_MAX;
        if (weight->n == 0 || !weight->tensor)
            continue;
        const size_t bias = swg_model_bias_tensor(model, weight);
        SWG_TRY(place_tensor(trainer, swg_source_find(trainer->source, weight->tensor), false,
                             &trainer->of_weight[i]));
        if (bias != SIZE_MAX)
            SWG_TRY(place_tensor(trainer, bias, true, &trainer->of_bias[i]));
    }
    return SWG_OK;
}

static swg_status begin(swg_trainer *trainer)
{
    swg_model_options options = swg_model_options_default();
    options.pool = trainer->options.pool;
    options.backend = "tape";
    SWG_TRY(swg_model_open(trainer->source, &options, &trainer->model));
    for (size_t layer = 0; layer <= (size_t)trainer->model->hparams.n_layers; layer++)
        SWG_TRY(swg_model_load_layer(trainer->model, layer));
    SWG_TRY(add_tensors(trainer));
    SWG_TRY(install_all(trainer));
    if (trainer->model->hparams.one_output)
        return swg_text_gradients_new(trainer->model, trainer->options.pool,
                                      trainer->options.window, &trainer->texts);
    const swg_backprop_options how = {.window = trainer->options.window,
                                      .together = trainer->options.together,
                                      .keeps_layers = !trainer->options.checkpoints};
    return swg_backprop_new(trainer->model, trainer->options.pool, &how, &trainer->backprop);
}

swg_status swg_trainer_new(swg_source *source, const swg_plan *plan,
                           const swg_trainer_options *options, swg_trainer **out)
{
    swg_trainer *trainer;
    SWG_TRY(swg_options_check("swg_trainer_options", options->size, sizeof *options));
    SWG_TRY(SWG_NEW(trainer, 1));
    trainer->source = source;
    trainer->plan = plan;
    trainer->options = *options;
    const swg_status status = begin(trainer);
    if (status == SWG_OK) {
        *out = trainer;
        trainer = NULL;
    }
    swg_trainer_free(&trainer);
    return status;
}

void swg_trainer_free(swg_trainer **trainer)
{
    swg_trainer *t = *trainer;
    if (!t)
        return;
    for (size_t i = 0; i < t->n_tensors; i++) {
        trained *tensor = &t->tensors[i];
        swg_learned_codes_free(&tensor->codes);
        swg_free(tensor->kept_numbers);
        swg_free(tensor->value);
        swg_free(tensor->gradient);
        swg_free(tensor->moment1);
        swg_free(tensor->moment2);
        swg_free(tensor->kept);
        swg_free(tensor->is_zero);
    }
    swg_free(t->tensors);
    swg_free(t->of_weight);
    swg_free(t->of_bias);
    swg_backprop_free(&t->backprop);
    swg_text_gradients_free(&t->texts);
    swg_model_free(&t->model);
    swg_free(t);
    *trainer = NULL;
}
