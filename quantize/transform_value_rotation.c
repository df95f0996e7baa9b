/* Rotating attention's heads: values are mixed within each head by an orthogonal matrix Q, and
 * attention, which only averages them, hands the mixture on to the output projection, whose columns
 * take Q^T (Ashkboos et al. 2024, "QuaRot", arXiv 2404.00456; Chee et al. 2023, "QuIP", arXiv
 * 2307.13304). The projection's inputs then have about equal sizes: a few large channels do not
 * decide the scales any more. All heads share Q, so grouped queries do not matter. */
#include "quantize/transforms.h"

static swg_status add_layer(const swg_transform_place *place, swg_folds *folds, size_t layer,
                            const swg_rotation *q, bool *found)
{
    const size_t value = swg_transform_find(place, SWG_USE_WEIGHT, SWG_ROLE_VALUE, layer);
    const size_t bias = swg_transform_find(place, SWG_USE_BIAS, SWG_ROLE_VALUE, layer);
    const size_t output =
        swg_transform_find(place, SWG_USE_WEIGHT, SWG_ROLE_ATTENTION_OUTPUT, layer);
    if (value == SIZE_MAX || output == SIZE_MAX)
        return SWG_OK;
    *found = true;
    const swg_fold fold = {.rotation = q};
    SWG_TRY(swg_folds_add(folds, value, SWG_FOLD_ROWS, fold));
    if (bias != SIZE_MAX)
        SWG_TRY(swg_folds_add(folds, bias, SWG_FOLD_ROWS, fold));
    return swg_folds_add(folds, output, SWG_FOLD_COLUMNS, fold);
}

static swg_status open(const swg_transform_place *place, swg_folds *folds, void **state)
{
    const size_t head_dim = (size_t)place->hparams->head_dim;
    swg_rng rng = swg_rng_seeded(place->seed);
    bool found = false;
    *state = NULL;
    swg_rotation *q = swg_arena_calloc(place->arena, 1, sizeof *q);
    if (!q)
        return SWG_NO_MEMORY;
    SWG_TRY(swg_rotation_make(head_dim, &rng, place->arena, q));
    for (size_t layer = 0; head_dim > 1 && layer < (size_t)place->hparams->n_layers; layer++)
        SWG_TRY(add_layer(place, folds, layer, q, &found));
    return found ? SWG_OK
                 : swg_error(SWG_UNSUPPORTED,
                             "the model has no value and output projections in tensors of "
                             "their own");
}

const swg_transform swg_transform_value_rotation = {.open = open};
