/* See scaled_inputs.h. */
#include "quantize/scaled_inputs.h"

/* A producer and the tensors that consume its output; of the consumers, those that are there. */
typedef struct pattern {
    swg_role producer;
    bool is_norm;
    size_t n;
    swg_role consumers[SWG_SCALED_MAX_CONSUMERS];
} pattern;
static const pattern patterns[] = {
    {SWG_ROLE_ATTENTION_NORM, true, 3, {SWG_ROLE_QUERY, SWG_ROLE_KEY, SWG_ROLE_VALUE}},
    {SWG_ROLE_FFN_NORM, true, 2, {SWG_ROLE_FFN_GATE, SWG_ROLE_FFN_UP}},
    {SWG_ROLE_FFN_UP, false, 1, {SWG_ROLE_FFN_DOWN}},
};
enum { N_PATTERNS = sizeof patterns / sizeof *patterns };

/* --- Places ----------------------------------------------------------------------------------- */

/* Whether nothing but the consumers uses weights from the producer's on up to the last consumer's:
 * the norm stands before them, not after. */
static bool is_before(const swg_transform_place *place, size_t producer, const swg_scaled_input *in)
{
    const size_t begin = place->uses[producer].order, layer = place->uses[producer].layer;
    size_t end = 0, between = 0, ours = 0;
    for (size_t i = 0; i < in->n; i++)
        end = place->uses[in->consumers[i]].order > end ? place->uses[in->consumers[i]].order : end;
    for (size_t i = 0; i < swg_source_n_tensors(place->source); i++) {
        const swg_tensor_use *use = &place->uses[i];
        if (use->kind != SWG_USE_WEIGHT || !use->is_per_layer || use->layer != layer)
            continue;
        between += use->order > begin && use->order <= end;
        for (size_t c = 0; c < in->n; c++)
            ours += in->consumers[c] == i && use->order > begin;
    }
    return ours == in->n && between == ours;
}

static swg_status add_folds(const swg_transform_place *place, swg_folds *folds,
                            const pattern *wanted, size_t layer, size_t producer,
                            swg_scaled_input *in)
{
    const size_t bias = swg_transform_find(place, SWG_USE_BIAS, wanted->producer, layer);
    in->k = (size_t)swg_tensor_cols(swg_source_tensor(place->source, in->consumers[0]));
    in->map = swg_arena_calloc(place->arena, in->k, sizeof *in->map);
    if (!in->map)
        return SWG_NO_MEMORY;
    for (size_t c = 0; c < in->k; c++)
        in->map[c] = 1;
    const swg_fold fold = {.scale = in->map};
    SWG_TRY(swg_folds_add(folds, producer, SWG_FOLD_ROWS, fold));
    if (bias != SIZE_MAX)
        SWG_TRY(swg_folds_add(folds, bias, SWG_FOLD_ROWS, fold));
    for (size_t i = 0; i < in->n; i++)
        SWG_TRY(swg_folds_add(folds, in->consumers[i], SWG_FOLD_COLUMNS, fold));
    return SWG_OK;
}

static swg_status add_input(const swg_transform_place *place, swg_folds *folds,
                            const pattern *wanted, size_t layer, swg_scaled_inputs *a)
{
    swg_scaled_input *in = &a->inputs[a->n];
    const size_t producer = swg_transform_find(place, SWG_USE_WEIGHT, wanted->producer, layer);
    const size_t gate = swg_transform_find(place, SWG_USE_WEIGHT, SWG_ROLE_FFN_GATE, layer);
    const size_t ffn_norm = swg_transform_find(place, SWG_USE_WEIGHT, SWG_ROLE_FFN_NORM, layer);
    for (size_t i = 0; i < wanted->n; i++) {
        const size_t at = swg_transform_find(place, SWG_USE_WEIGHT, wanted->consumers[i], layer);
        if (at != SIZE_MAX)
            in->consumers[in->n++] = at;
    }
    /* Without a norm of its own the feed-forward network shares attention's; without a gate there
     * is an activation between its two matrices. */
    const bool fits = producer != SIZE_MAX && in->n > 0 && ffn_norm != SIZE_MAX &&
                      (wanted->is_norm || gate != SIZE_MAX) && is_before(place, producer, in);
    if (!fits) {
        *in = (swg_scaled_input){0};
        return SWG_OK;
    }
    SWG_TRY(add_folds(place, folds, wanted, layer, producer, in));
    a->n++;
    return SWG_OK;
}

swg_status swg_scaled_inputs_open(const swg_transform_place *place, swg_folds *folds, void **state)
{
    const size_t n_layers = (size_t)place->hparams->n_layers;
    swg_scaled_inputs *a = swg_arena_calloc(place->arena, 1, sizeof *a);
    if (!a)
        return SWG_NO_MEMORY;
    *state = a;
    a->inputs = swg_arena_calloc(place->arena, n_layers * N_PATTERNS, sizeof *a->inputs);
    if (!a->inputs)
        return SWG_NO_MEMORY;
    for (size_t layer = 0; layer < n_layers; layer++)
        for (size_t i = 0; i < N_PATTERNS; i++)
            SWG_TRY(add_input(place, folds, &patterns[i], layer, a));
    return a->n ? SWG_OK
                : swg_error(SWG_UNSUPPORTED, "the model has no norm before layers that could take "
                                             "its scales");
}

swg_status swg_scaled_inputs_fit(const swg_transform_place *place, const swg_transform_means *means,
                                 void *state, swg_fit_scaled_input *fit_input)
{
    const swg_scaled_inputs *a = state;
    for (size_t i = 0; i < a->n; i++)
        SWG_TRY(fit_input(place, means, &a->inputs[i]));
    return SWG_OK;
}
