/* Trained weights and their gradients. See trainer.h. */
#include "distill/trainer.h"

#include <math.h>
#include <string.h>

#include "distill/gradient_norm.h"
#include "distill/learned_codes.h"
#include "kernels/linalg.h"
#include "runtime/backprop.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/base/words.h"

/* The gradients of a weight's rows are work items of about a quarter of them: BLAS packs the other
 * operand again for each, and items do not depend on the number of threads. */
enum { ITEMS = 4, LEAST_ROWS = 64, MOST_ROWS = 256 };

static size_t rows_of_item(size_t n)
{
    const size_t rows = swg_round_up(swg_ceil_div(n, ITEMS), LEAST_ROWS);
    return rows < MOST_ROWS ? rows : MOST_ROWS;
}

/* Most arrays of numbers that are trained of a tensor: weights or both parts of an adapter, and
 * grids. */
enum { MOST_SETS = 3 };

/* One tensor. */
typedef struct trained {
    size_t index;      /* in the source and in the plan */
    const char *name;
    size_t rows, cols; /* a vector has one column */
    bool is_matrix, is_bias;
    bool is_frozen;                      /* neither it nor its grids are trained */
    float *value;                        /* [rows][cols] */
    float *gradient, *moment1, *moment2; /* the first is NULL where it is not needed, the others
                                            where the weights themselves are not trained */
    uint8_t *is_zero;         /* [rows][cols], or NULL: nothing is kept 0 */
    swg_adapter *adapter;     /* NULL: it has none */
    swg_learned_codes *codes; /* NULL: it is not quantized */
    float *kept[MOST_SETS];   /* the copy of swg_trainer_keep, or NULL, of each of sets_of */
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
    float *merged;     /* of the largest tensor that has an adapter */
    uint64_t n_steps, n_weights, n_zeros;
    swg_status status; /* of an observer, which cannot return one */
    swg_status (*rows)(void *context, size_t layer, size_t n, const float *x, float *gradient);
    swg_status (*scores)(void *context, const swg_scored *rows, float *dq, float *dk);
    void *context; /* of both, during a backward pass */
};

swg_trainer_options swg_trainer_options_default(void)
{
    return (swg_trainer_options){.size = sizeof(swg_trainer_options), .together = 1};
}

static size_t elems_of(const trained *t)
{
    return t->rows * t->cols;
}

/* Numbers that are trained. */
typedef struct set {
    swg_adamw_numbers numbers;
    const uint8_t *is_zero; /* [n] of the numbers, those that stay 0; NULL: none */
    bool is_grid, decays;
} set;

/* All of a tensor's; returns how many. */
static size_t sets_of(const trained *t, set out[MOST_SETS])
{
    size_t n = 0;
    if (t->is_frozen)
        return 0;
    if (t->adapter) {
        out[n++] = (set){.numbers = t->adapter->a, .decays = true};
        out[n++] = (set){.numbers = t->adapter->b, .decays = true};
    } else {
        out[n++] = (set){.numbers = {elems_of(t), t->value, t->gradient, t->moment1, t->moment2},
                         .is_zero = t->is_zero,
                         .decays = t->is_matrix};
    }
    if (t->codes) {
        const swg_learned_codes *c = t->codes;
        out[n++] = (set){.numbers = {c->n_numbers, c->number, c->gradient, c->moment1, c->moment2},
                         .is_grid = true};
    }
    return n;
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
    return at == SIZE_MAX || trainer->tensors[at].is_frozen
               ? NULL
               : trainer->tensors[at].gradient + weight->first_row;
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
    size_t item_rows; /* of the weight */
} product;

/* dW += dy^T x of some rows of W. */
static swg_status add_rows(void *context, size_t index)
{
    const product *p = context;
    const size_t at = index * p->item_rows, left = p->n - at;
    swg_linalg_get()->sgemm(true, false, left < p->item_rows ? left : p->item_rows, p->k, p->rows,
                            1, p->dy + at, p->n, p->x, p->k, 1, p->gradient + at * p->k, p->k);
    return SWG_OK;
}

static void add_product(void *context, const swg_weight *weight, const float *x, const float *dy,
                        size_t rows)
{
    swg_trainer *trainer = context;
    const trained *t = tensor_of(trainer, weight);
    add_bias(bias_gradient_of(trainer, weight), weight->n, dy, rows);
    if (trainer->status != SWG_OK || t->is_frozen)
        return;
    if (!t->gradient) {
        trainer->status = swg_adapter_add(t->adapter, weight->first_row, weight->n, x, dy, rows);
        return;
    }
    product p = {.gradient = t->gradient + weight->first_row * weight->k,
                 .x = x,
                 .dy = dy,
                 .n = weight->n,
                 .k = weight->k,
                 .rows = rows,
                 .item_rows = rows_of_item(weight->n)};
    trainer->status =
        swg_pool_for(trainer->options.pool, swg_ceil_div(p.n, p.item_rows), add_rows, &p);
}

static void add_look_up(void *context, const swg_weight *weight, const size_t *index,
                        const float *dy, size_t rows)
{
    const trained *table = tensor_of(context, weight);
    if (table->is_frozen)
        return;
    float *gradient = table->gradient + weight->first_row * weight->k;
    for (size_t t = 0; t < rows; t++)
        for (size_t j = 0; j < weight->k; j++)
            gradient[index[t] * weight->k + j] += dy[t * weight->k + j];
}

static void add_vector(void *context, const swg_weight *weight, const float *dv, const float *dbias)
{
    const trained *t = tensor_of(context, weight);
    for (size_t i = 0; !t->is_frozen && i < weight->n; i++)
        t->gradient[weight->first_row + i] += dv[i];
    add_bias(dbias ? bias_gradient_of(context, weight) : NULL, weight->n, dbias, 1);
}

void swg_trainer_on_rows(swg_trainer *trainer,
                         swg_status (*rows)(void *context, size_t layer, size_t n, const float *x,
                                            float *gradient))
{
    trainer->rows = rows;
}

void swg_trainer_on_scores(swg_trainer *trainer,
                           swg_status (*scores)(void *context, const swg_scored *rows, float *dq,
                                                float *dk))
{
    trainer->scores = scores;
}

static swg_status add_scores(void *context, const swg_scored *rows, float *dq, float *dk)
{
    const swg_trainer *trainer = context;
    return trainer->scores ? trainer->scores(trainer->context, rows, dq, dk) : SWG_OK;
}

/* What the tape calls. */
static swg_gradient_observer observer_of(swg_trainer *trainer)
{
    return (swg_gradient_observer){.context = trainer,
                                   .product = add_product,
                                   .look_up = add_look_up,
                                   .vector = add_vector,
                                   .scores = add_scores};
}

swg_status swg_trainer_backward(swg_trainer *trainer, const int32_t *ids, size_t n_windows,
                                swg_status (*slopes)(void *context, size_t first, size_t n,
                                                     float *logits),
                                void *context)
{
    const swg_gradient_observer observer = observer_of(trainer);
    const swg_backprop_job job = {.ids = ids,
                                  .n_windows = n_windows,
                                  .observer = &observer,
                                  .slopes = slopes,
                                  .rows = trainer->rows,
                                  .context = context};
    trainer->status = SWG_OK;
    trainer->context = context;
    SWG_TRY(swg_backprop_run(trainer->backprop, &job));
    return trainer->status;
}

swg_status swg_trainer_backward_bytes(const swg_trainer *trainer, size_t n_windows, uint64_t *out)
{
    return trainer->texts ? swg_text_gradients_bytes(trainer->texts, out)
                          : swg_backprop_bytes(trainer->backprop, n_windows, out);
}

swg_status swg_trainer_backward_text(swg_trainer *trainer, const swg_text_job *text)
{
    const swg_gradient_observer observer = observer_of(trainer);
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

/* *out = a tensor's weights with its adapter, until the next call for another. */
static swg_status weights_of(const swg_trainer *trainer, const trained *t, const float **out)
{
    *out = t->adapter ? trainer->merged : t->value;
    return t->adapter ? swg_adapter_merge(t->adapter, t->value, t->is_zero, trainer->merged,
                                          trainer->options.pool)
                      : SWG_OK;
}

/* Put a tensor's weights, or what their codes mean, into the model. */
static swg_status install(const swg_trainer *trainer, const trained *t)
{
    if (t->is_bias) {
        install_bias(trainer, t);
        return SWG_OK;
    }
    const swg_tensor_desc *source = swg_source_tensor(trainer->source, t->index);
    swg_tensor_desc desc = *source;
    const float *values;
    desc.scheme = swg_scheme_plain(SWG_F32);
    desc.n_stored = 0;
    SWG_TRY(weights_of(trainer, t, &values));
    if (t->codes)
        SWG_TRY(swg_learned_codes_choose(t->codes, values));
    const void *planes[SWG_PLANE_KINDS] = {[SWG_PLANE_VALUES] =
                                               t->codes ? t->codes->computed : values};
    return swg_model_replace_tensor(trainer->model, &desc, planes);
}

/* All that is trained. */
static swg_status install_trained(const swg_trainer *trainer)
{
    for (size_t i = 0; i < trainer->n_tensors; i++)
        if (!trainer->tensors[i].is_frozen)
            SWG_TRY(install(trainer, &trainer->tensors[i]));
    return SWG_OK;
}

/* --- Steps ------------------------------------------------------------------------------------ */

static swg_status norm_of(const swg_trainer *trainer, double *out)
{
    double square = 0;
    for (size_t i = 0; i < trainer->n_tensors; i++) {
        set sets[MOST_SETS];
        const size_t n = sets_of(&trainer->tensors[i], sets);
        for (size_t k = 0; k < n; k++)
            SWG_TRY(swg_gradient_add_square(&sets[k].numbers, sets[k].is_zero,
                                            trainer->options.pool, &square));
    }
    *out = sqrt(square);
    return SWG_OK;
}

/* From the gradient by a whole matrix to those by its weights, its grids and its adapter. */
static swg_status reverse_tensor(const swg_trainer *trainer, const trained *t)
{
    if (t->codes && !t->is_frozen) {
        const float *values;
        SWG_TRY(weights_of(trainer, t, &values));
        swg_learned_codes_reverse(t->codes, values, t->gradient);
    }
    if (!t->adapter || !t->gradient)
        return SWG_OK;
    if (t->is_zero)
        swg_gradient_clear_zeros(t->is_zero, t->gradient, elems_of(t));
    swg_adapter_project(t->adapter, t->gradient);
    memset(t->gradient, 0, elems_of(t) * sizeof *t->gradient);
    return SWG_OK;
}

static swg_status step_tensor(const swg_trainer *trainer, const trained *t, const swg_adamw *adamw,
                              double rate, double scale)
{
    set sets[MOST_SETS];
    const size_t n = sets_of(t, sets);
    for (size_t k = 0; k < n; k++)
        SWG_TRY(swg_adamw_step(adamw, &sets[k].numbers, trainer->n_steps,
                               sets[k].is_grid ? rate * adamw->grid_rate : rate,
                               sets[k].decays ? adamw->decay : 0, scale, trainer->options.pool));
    return SWG_OK;
}

swg_status swg_trainer_step(swg_trainer *trainer, const swg_adamw *adamw, double rate, double *norm)
{
    for (size_t i = 0; i < trainer->n_tensors; i++)
        SWG_TRY(reverse_tensor(trainer, &trainer->tensors[i]));
    SWG_TRY(norm_of(trainer, norm));
    if (!isfinite(*norm))
        return swg_error(SWG_FAILED, "the gradients of step %llu are not finite",
                         (unsigned long long)trainer->n_steps + 1);
    trainer->n_steps++;
    const double scale =
        adamw->max_norm > 0 && *norm > adamw->max_norm ? adamw->max_norm / *norm : 1;
    for (size_t i = 0; i < trainer->n_tensors; i++)
        SWG_TRY(step_tensor(trainer, &trainer->tensors[i], adamw, rate, scale));
    return install_trained(trainer);
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
        set sets[MOST_SETS];
        const size_t n = sets_of(t, sets);
        for (size_t k = 0; k < n; k++)
            SWG_TRY(keep(&t->kept[k], sets[k].numbers.value, sets[k].numbers.n));
    }
    return SWG_OK;
}

swg_status swg_trainer_restore(swg_trainer *trainer)
{
    for (size_t i = 0; i < trainer->n_tensors; i++) {
        const trained *t = &trainer->tensors[i];
        set sets[MOST_SETS];
        const size_t n = sets_of(t, sets);
        for (size_t k = 0; k < n; k++)
            if (t->kept[k])
                memcpy(sets[k].numbers.value, t->kept[k], sets[k].numbers.n * sizeof(float));
    }
    return install_trained(trainer);
}

/* --- Saving ----------------------------------------------------------------------------------- */

/* The arrays of a set that training continues from. A training has kept a copy before it is saved
 * or resumed. */
enum { SAVED_ARRAYS = 4 };
static void saved_of(const trained *t, const set *s, size_t k, float *out[SAVED_ARRAYS])
{
    out[0] = s->numbers.value;
    out[1] = s->numbers.moment1;
    out[2] = s->numbers.moment2;
    out[3] = t->kept[k];
}

swg_status swg_trainer_save(const swg_trainer *trainer, swg_state_writer *writer)
{
    SWG_TRY(swg_state_put(writer, &trainer->n_steps, sizeof trainer->n_steps));
    for (size_t i = 0; i < trainer->n_tensors; i++) {
        set sets[MOST_SETS];
        const size_t n_sets = sets_of(&trainer->tensors[i], sets);
        for (size_t k = 0; k < n_sets; k++) {
            const uint64_t n = sets[k].numbers.n;
            float *arrays[SAVED_ARRAYS];
            saved_of(&trainer->tensors[i], &sets[k], k, arrays);
            SWG_TRY(swg_state_put(writer, &n, sizeof n));
            for (size_t a = 0; a < SAVED_ARRAYS; a++)
                SWG_TRY(swg_state_put(writer, arrays[a], (size_t)n * sizeof(float)));
        }
    }
    return SWG_OK;
}

static swg_status resume_set(const trained *t, const set *s, size_t k, swg_state_reader *reader)
{
    uint64_t n;
    float *arrays[SAVED_ARRAYS];
    saved_of(t, s, k, arrays);
    SWG_TRY(swg_state_get(reader, &n, sizeof n));
    if (n != s->numbers.n)
        return swg_error(SWG_CORRUPT, "the saved state has %llu numbers where the model has %zu",
                         (unsigned long long)n, s->numbers.n);
    for (size_t a = 0; a < SAVED_ARRAYS; a++)
        SWG_TRY(swg_state_get(reader, arrays[a], s->numbers.n * sizeof(float)));
    return SWG_OK;
}

swg_status swg_trainer_resume(swg_trainer *trainer, swg_state_reader *reader)
{
    SWG_TRY(swg_state_get(reader, &trainer->n_steps, sizeof trainer->n_steps));
    for (size_t i = 0; i < trainer->n_tensors; i++) {
        set sets[MOST_SETS];
        const size_t n = sets_of(&trainer->tensors[i], sets);
        for (size_t k = 0; k < n; k++)
            SWG_TRY(resume_set(&trainer->tensors[i], &sets[k], k, reader));
    }
    return install_trained(trainer);
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
    const float *weights;
    uint8_t *values;
    SWG_TRY(weights_of(trainer, t, &weights));
    SWG_TRY(SWG_NEW_UNINIT(values, elems * swg_dtype_bits(desc->scheme.dtype) / 8));
    for (size_t i = 0; i < elems; i++)
        swg_float_store(desc->scheme.dtype, values, i, weights[i]);
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

static bool matches_any(const char *const *patterns, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (swg_pattern_matches(patterns[i], name))
            return true;
    return false;
}

/* Whether a matrix gets an adapter: by its name, or since it is in a layer. */
static bool is_adapted(const swg_trainer *trainer, const swg_weight *weight)
{
    const swg_adapter_options *how = &trainer->options.adapters;
    return swg_role_kind_of(weight->role) == SWG_WEIGHT_MATRIX &&
           (how->n_patterns ? matches_any(how->patterns, how->n_patterns, weight->tensor)
                            : swg_role_scope_of(weight->role) != SWG_PER_MODEL);
}

/* What is trained of a tensor, and memory for it. The head of a classifier, which is new, is
 * trained whole beside adapters. */
static swg_status choose_trained(swg_trainer *trainer, trained *t, const swg_weight *weight,
                                 bool is_bias)
{
    const swg_adapter_options *how = &trainer->options.adapters;
    const bool is_head = weight->role == SWG_ROLE_POOLER || weight->role == SWG_ROLE_CLASSIFIER;
    t->is_frozen = matches_any(trainer->options.frozen, trainer->options.n_frozen, t->name);
    if (how->rank > 0 && !is_head && !t->is_frozen) {
        if (!is_bias && is_adapted(trainer, weight)) {
            SWG_TRY(swg_adapter_new(t->rows, t->cols, how, t->index, &t->adapter));
            trainer->n_weights += t->adapter->a.n + t->adapter->b.n;
        }
        t->is_frozen = !t->adapter;
    }
    if (t->is_frozen)
        return SWG_OK;
    if (!t->adapter || t->is_zero || trainer->plan->entries[t->index].is_quantized)
        SWG_TRY(SWG_NEW(t->gradient, elems_of(t)));
    if (t->adapter)
        return SWG_OK;
    trainer->n_weights += elems_of(t);
    SWG_TRY(SWG_NEW(t->moment1, elems_of(t)));
    return SWG_NEW(t->moment2, elems_of(t));
}

static swg_status add_tensor(swg_trainer *trainer, size_t index, const swg_weight *weight,
                             bool is_bias)
{
    trained *t = &trainer->tensors[trainer->n_tensors++];
    const swg_tensor_desc *desc = swg_source_tensor(trainer->source, index);
    t->index = index;
    t->name = desc->name;
    t->is_bias = is_bias;
    t->is_matrix = desc->rank > 1;
    t->cols = t->is_matrix ? (size_t)swg_tensor_cols(desc) : 1;
    t->rows = (size_t)swg_tensor_elems(desc) / t->cols;
    SWG_TRY(SWG_NEW_UNINIT(t->value, elems_of(t)));
    SWG_TRY(swg_source_read_f32(trainer->source, index, 0, swg_tensor_rows(desc), t->value));
    swg_source_release(trainer->source, index);
    if (trainer->options.keep_zeros && t->is_matrix)
        SWG_TRY(mark_zeros(trainer, t));
    SWG_TRY(choose_trained(trainer, t, weight, is_bias));
    return trainer->plan->entries[index].is_quantized ? make_codes(trainer, t) : SWG_OK;
}

/* *at = the place of a tensor of the source, which is added unless it is there. */
static swg_status place_tensor(swg_trainer *trainer, size_t index, const swg_weight *weight,
                               bool is_bias, size_t *at)
{
    *at = 0;
    while (*at < trainer->n_tensors && trainer->tensors[*at].index != index)
        ++*at;
    return *at < trainer->n_tensors ? SWG_OK : add_tensor(trainer, index, weight, is_bias);
}

/* Every pattern of names that stay as they are selects a tensor, and one is left to train. */
static swg_status check_frozen(const swg_trainer *trainer)
{
    const swg_trainer_options *how = &trainer->options;
    for (size_t i = 0; i < how->n_frozen; i++) {
        size_t k = 0;
        while (k < trainer->n_tensors &&
               !swg_pattern_matches(how->frozen[i], trainer->tensors[k].name))
            k++;
        if (k == trainer->n_tensors)
            return swg_error(SWG_USAGE, "%s has no tensor called \"%s\" that could be frozen",
                             swg_source_path(trainer->source), how->frozen[i]);
    }
    return trainer->n_weights > 0 ? SWG_OK
                                  : swg_error(SWG_USAGE, "every tensor of %s is frozen",
                                              swg_source_path(trainer->source));
}

/* Memory that matrices are merged in with their adapters. */
static swg_status make_room_to_merge(swg_trainer *trainer)
{
    size_t most = 0, n_adapters = 0;
    for (size_t i = 0; i < trainer->n_tensors; i++) {
        const trained *t = &trainer->tensors[i];
        n_adapters += t->adapter != NULL;
        if (t->adapter && elems_of(t) > most)
            most = elems_of(t);
    }
    if (trainer->options.adapters.rank > 0 && n_adapters == 0)
        return swg_error(SWG_USAGE, "%s has no matrix of that name that an adapter could be for",
                         swg_source_path(trainer->source));
    return most ? SWG_NEW_UNINIT(trainer->merged, most) : SWG_OK;
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
        SWG_TRY(place_tensor(trainer, swg_source_find(trainer->source, weight->tensor), weight,
                             false, &trainer->of_weight[i]));
        if (bias != SIZE_MAX)
            SWG_TRY(place_tensor(trainer, bias, weight, true, &trainer->of_bias[i]));
    }
    SWG_TRY(make_room_to_merge(trainer));
    return check_frozen(trainer);
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
    for (size_t i = 0; i < trainer->n_tensors; i++)
        SWG_TRY(install(trainer, &trainer->tensors[i]));
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
        swg_adapter_free(&tensor->adapter);
        for (size_t k = 0; k < MOST_SETS; k++)
            swg_free(tensor->kept[k]);
        swg_free(tensor->value);
        swg_free(tensor->gradient);
        swg_free(tensor->moment1);
        swg_free(tensor->moment2);
        swg_free(tensor->is_zero);
    }
    swg_free(t->tensors);
    swg_free(t->merged);
    swg_free(t->of_weight);
    swg_free(t->of_bias);
    swg_backprop_free(&t->backprop);
    swg_text_gradients_free(&t->texts);
    swg_model_free(&t->model);
    swg_free(t);
    *trainer = NULL;
}
