/* Trained weights and their gradients. See trainer.h. */
#include "distill/trainer.h"

#include <math.h>
#include <string.h>

#include "kernels/linalg.h"
#include "quantize/quantize.h"
#include "runtime/backprop.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"

/* Rows of a weight whose gradients are one work item, and elements of a step's. */
enum { GRADIENT_ROWS = 64, STEP_ELEMS = 1 << 16 };

/* One tensor. */
typedef struct trained {
    size_t index;      /* in the source and in the plan */
    size_t rows, cols; /* a vector has one column */
    bool is_matrix, is_bias;
    float *value; /* [rows][cols] */
    float *gradient, *moment1, *moment2;
    float *computed;               /* what its codes mean, or NULL: it is not quantized */
    float *kept;                   /* the copy of swg_trainer_keep, or NULL */
    void *planes[SWG_PLANE_KINDS]; /* of its codes, by kind */
    uint8_t *is_zero;              /* [rows][cols], or NULL: nothing is kept 0 */
} trained;

struct swg_trainer {
    swg_source *source;
    const swg_plan *plan;
    swg_trainer_options options;
    swg_model *model;
    swg_backprop *backprop;
    trained *tensors;
    size_t n_tensors;
    size_t *of_weight; /* [model->n_weights] the tensor, or SIZE_MAX */
    size_t *of_bias;   /* [model->n_weights] that of its bias, or SIZE_MAX */
    uint64_t n_steps, n_weights, n_zeros;
    swg_status status; /* of an observer, which cannot return one */
};

swg_trainer_options swg_trainer_options_default(void)
{
    return (swg_trainer_options){.size = sizeof(swg_trainer_options)};
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
                                  .context = context};
    trainer->status = SWG_OK;
    SWG_TRY(swg_backprop_run(trainer->backprop, &job));
    return trainer->status;
}

/* --- From weights to the model ---------------------------------------------------------------- */

static swg_status read_value(void *context, uint64_t row_begin, uint64_t n_rows, float *out)
{
    const trained *t = context;
    memcpy(out, t->value + row_begin * t->cols, (size_t)n_rows * t->cols * sizeof *out);
    return SWG_OK;
}

/* Choose the codes of the weights as they are. */
static swg_status quantize(const swg_trainer *trainer, trained *t)
{
    const swg_plan_entry *entry = &trainer->plan->entries[t->index];
    swg_quant_stats stats;
    const swg_quantize_job job = {.name = entry->desc.name,
                                  .rows = t->rows,
                                  .cols = t->cols,
                                  .scheme = entry->dense,
                                  .search = entry->search,
                                  .updated = t->computed,
                                  .read_rows = read_value,
                                  .context = t,
                                  .pool = trainer->options.pool};
    return swg_quantize_tensor(SWG_QUANT_rtn, &job, t->planes, &stats);
}

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
    if (t->computed)
        SWG_TRY(quantize(trainer, t));
    const void *planes[SWG_PLANE_KINDS] = {[SWG_PLANE_VALUES] =
                                               t->computed ? t->computed : t->value};
    return swg_model_replace_tensor(trainer->model, &desc, planes);
}

static swg_status install_all(const swg_trainer *trainer)
{
    for (size_t i = 0; i < trainer->n_tensors; i++)
        SWG_TRY(install(trainer, &trainer->tensors[i]));
    return SWG_OK;
}

/* --- Steps ------------------------------------------------------------------------------------ */

static double norm_of(const swg_trainer *trainer)
{
    double sum = 0;
    for (size_t i = 0; i < trainer->n_tensors; i++) {
        const trained *t = &trainer->tensors[i];
        for (size_t e = 0; e < elems_of(t); e++)
            if (!t->is_zero || !t->is_zero[e])
                sum += (double)t->gradient[e] * (double)t->gradient[e];
    }
    return sqrt(sum);
}

typedef struct step {
    trained *tensor;
    const swg_adamw *adamw;
    double rate, scale, correction1, correction2;
} step;

static swg_status step_elems(void *context, size_t index)
{
    const step *s = context;
    trained *t = s->tensor;
    const size_t begin = index * STEP_ELEMS, elems = elems_of(t);
    const size_t end = begin + STEP_ELEMS < elems ? begin + STEP_ELEMS : elems;
    const float beta1 = (float)s->adamw->beta1, beta2 = (float)s->adamw->beta2;
    const float decay = t->is_matrix ? (float)(s->rate * s->adamw->decay) : 0;
    for (size_t i = begin; i < end; i++) {
        const float g = t->gradient[i] * (float)s->scale;
        t->gradient[i] = 0;
        if (t->is_zero && t->is_zero[i])
            continue;
        t->moment1[i] = beta1 * t->moment1[i] + (1 - beta1) * g;
        t->moment2[i] = beta2 * t->moment2[i] + (1 - beta2) * g * g;
        const double size = sqrt((double)t->moment2[i] / s->correction2) + s->adamw->epsilon;
        const double move = s->rate * ((double)t->moment1[i] / s->correction1) / size;
        t->value[i] = t->value[i] * (1 - decay) - (float)move;
    }
    return SWG_OK;
}

swg_status swg_trainer_step(swg_trainer *trainer, const swg_adamw *adamw, double rate, double *norm)
{
    *norm = norm_of(trainer);
    if (!isfinite(*norm))
        return swg_error(SWG_FAILED, "the gradients of step %llu are not finite",
                         (unsigned long long)trainer->n_steps + 1);
    trainer->n_steps++;
    const double n = (double)trainer->n_steps;
    step s = {.adamw = adamw,
              .rate = rate,
              .scale = adamw->max_norm > 0 && *norm > adamw->max_norm ? adamw->max_norm / *norm : 1,
              .correction1 = 1 - pow(adamw->beta1, n),
              .correction2 = 1 - pow(adamw->beta2, n)};
    for (size_t i = 0; i < trainer->n_tensors; i++) {
        s.tensor = &trainer->tensors[i];
        SWG_TRY(swg_pool_for(trainer->options.pool, swg_ceil_div(elems_of(s.tensor), STEP_ELEMS),
                             step_elems, &s));
    }
    return install_all(trainer);
}

swg_status swg_trainer_keep(swg_trainer *trainer)
{
    for (size_t i = 0; i < trainer->n_tensors; i++) {
        trained *t = &trainer->tensors[i];
        if (!t->kept)
            SWG_TRY(SWG_NEW_UNINIT(t->kept, elems_of(t)));
        memcpy(t->kept, t->value, elems_of(t) * sizeof *t->kept);
    }
    return SWG_OK;
}

swg_status swg_trainer_restore(swg_trainer *trainer)
{
    for (size_t i = 0; i < trainer->n_tensors; i++) {
        trained *t = &trainer->tensors[i];
        if (t->kept)
            memcpy(t->value, t->kept, elems_of(t) * sizeof *t->kept);
    }
    return install_all(trainer);
}

/* --- Saving ----------------------------------------------------------------------------------- */

swg_status swg_trainer_save(const swg_trainer *trainer, swg_state_writer *writer)
{
    SWG_TRY(swg_state_put(writer, &trainer->n_steps, sizeof trainer->n_steps));
    for (size_t i = 0; i < trainer->n_tensors; i++) {
        const trained *t = &trainer->tensors[i];
        const uint64_t elems = elems_of(t), has_kept = t->kept != NULL;
        const size_t bytes = elems_of(t) * sizeof *t->value;
        SWG_TRY(swg_state_put(writer, &elems, sizeof elems));
        SWG_TRY(swg_state_put(writer, &has_kept, sizeof has_kept));
        SWG_TRY(swg_state_put(writer, t->value, bytes));
        SWG_TRY(swg_state_put(writer, t->moment1, bytes));
        SWG_TRY(swg_state_put(writer, t->moment2, bytes));
        if (t->kept)
            SWG_TRY(swg_state_put(writer, t->kept, bytes));
    }
    return SWG_OK;
}

static swg_status resume_tensor(trained *t, swg_state_reader *reader)
{
    uint64_t elems, has_kept;
    const size_t bytes = elems_of(t) * sizeof *t->value;
    SWG_TRY(swg_state_get(reader, &elems, sizeof elems));
    SWG_TRY(swg_state_get(reader, &has_kept, sizeof has_kept));
    if (elems != elems_of(t))
        return swg_error(SWG_CORRUPT, "the saved state has a tensor of %llu weights, the model %zu",
                         (unsigned long long)elems, elems_of(t));
    SWG_TRY(swg_state_get(reader, t->value, bytes));
    SWG_TRY(swg_state_get(reader, t->moment1, bytes));
    SWG_TRY(swg_state_get(reader, t->moment2, bytes));
    if (has_kept && !t->kept)
        SWG_TRY(SWG_NEW_UNINIT(t->kept, elems_of(t)));
    return has_kept ? swg_state_get(reader, t->kept, bytes) : SWG_OK;
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
    if (t->computed)
        return swg_sink_write(sink, place, (const void *const *)t->planes);
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

/* A tensor that was not trained goes through as it is. */
static swg_status copy(const swg_trainer *trainer, size_t index, swg_sink *sink, size_t place)
{
    swg_status status = SWG_OK;
    size_t n_planes;
    const swg_plane *layout = swg_source_planes(trainer->source, index, &n_planes);
    void *planes[SWG_PLANE_KINDS] = {0};
    for (size_t p = 0; p < n_planes; p++) {
        uint8_t *bytes;
        SWG_GO(SWG_NEW_UNINIT(bytes, layout[p].bytes));
        planes[layout[p].kind] = bytes;
        SWG_GO(swg_source_read(trainer->source, index, layout[p].kind, 0, layout[p].rows, bytes));
    }
    status = swg_sink_write(sink, place, (const void *const *)planes);
done:
    for (size_t p = 0; p < SWG_PLANE_KINDS; p++)
        swg_free(planes[p]);
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

static swg_status make_planes(const swg_trainer *trainer, trained *t)
{
    swg_plane layout[SWG_PLANE_KINDS];
    const swg_tensor_desc *desc = &trainer->plan->entries[t->index].desc;
    if (!swg_scheme_equal(trainer->plan->entries[t->index].dense, desc->scheme))
        return swg_error(SWG_UNSUPPORTED, "tensor %s: training through a sparse format",
                         desc->name);
    const size_t n_planes = swg_tensor_planes(desc, layout);
    for (size_t p = 0; p < n_planes; p++) {
        uint8_t *plane;
        SWG_TRY(SWG_NEW(plane, layout[p].bytes));
        t->planes[layout[p].kind] = plane;
    }
    return SWG_NEW_UNINIT(t->computed, elems_of(t));
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
    return trainer->plan->entries[index].is_quantized ? make_planes(trainer, t) : SWG_OK;
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
    return swg_backprop_new(trainer->model, trainer->options.pool, trainer->options.window,
                            &trainer->backprop);
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
        for (size_t p = 0; p < SWG_PLANE_KINDS; p++)
            swg_free(tensor->planes[p]);
        swg_free(tensor->value);
        swg_free(tensor->gradient);
        swg_free(tensor->moment1);
        swg_free(tensor->moment2);
        swg_free(tensor->computed);
        swg_free(tensor->kept);
        swg_free(tensor->is_zero);
    }
    swg_free(t->tensors);
    swg_free(t->of_weight);
    swg_free(t->of_bias);
    swg_backprop_free(&t->backprop);
    swg_model_free(&t->model);
    swg_free(t);
    *trainer = NULL;
}
