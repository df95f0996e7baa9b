/* Rotating attention's heads: values are mixed within each head by an orthogonal matrix Q, and
 * attention, which only averages them, hands the mixture on to the output projection, whose columns
 * take Q^T (Ashkboos et al. 2024, "QuaRot", arXiv 2404.00456; Chee et al. 2023, "QuIP", arXiv
 * 2307.13304). The projection's inputs then have about equal sizes: a few large channels do not
 * decide the scales any more.
 *
 * Q = (Hadamard of the largest power of 2 in head_dim) x (reflections for its odd factors) x
 * (random signs). All heads share it, so grouped queries do not matter. */
#include <math.h>

#include "quantize/transforms.h"
#include "runtime/base/rng.h"

/* Element [i, j] of an orthogonal matrix of p rows without zeros, p 2 or odd: 2 rows of Hadamard's,
 * or I - (2/p) 1 1^T. */
static double factor_element(size_t p, size_t i, size_t j)
{
    if (p == 2)
        return i == 1 && j == 1 ? -sqrt(0.5) : sqrt(0.5);
    return (i == j) - 2.0 / (double)p;
}

/* q [n][n] = the product of the factors' elements, digit by digit, with signs on its columns. */
static void fill_rotation(size_t n, swg_rng *rng, float *q)
{
    for (size_t j = 0; j < n; j++) {
        const double sign = swg_rng_next(rng) & 1 ? -1 : 1;
        for (size_t i = 0; i < n; i++) {
            double element = sign;
            size_t left = n, a = i, b = j;
            for (size_t p = 2; left > 1; p += left % p == 0 ? 0 : 1)
                for (; left % p == 0; left /= p, a /= p, b /= p)
                    element *= factor_element(p, a % p, b % p);
            q[i * n + j] = (float)element;
        }
    }
}

static swg_status add_layer(const swg_transform_place *place, swg_folds *folds, size_t layer,
                            size_t head_dim, const float *q, bool *found)
{
    const size_t value = swg_transform_find(place, SWG_USE_WEIGHT, SWG_ROLE_VALUE, layer);
    const size_t bias = swg_transform_find(place, SWG_USE_BIAS, SWG_ROLE_VALUE, layer);
    const size_t output =
        swg_transform_find(place, SWG_USE_WEIGHT, SWG_ROLE_ATTENTION_OUTPUT, layer);
    if (value == SIZE_MAX || output == SIZE_MAX)
        return SWG_OK;
    *found = true;
    SWG_TRY(swg_folds_add(folds, value, SWG_FOLD_ROWS, head_dim, q));
    if (bias != SIZE_MAX)
        SWG_TRY(swg_folds_add(folds, bias, SWG_FOLD_ROWS, head_dim, q));
    return swg_folds_add(folds, output, SWG_FOLD_COLUMNS, head_dim, q);
}

static swg_status open(const swg_transform_place *place, swg_folds *folds, void **state)
{
    const size_t head_dim = (size_t)place->hparams->head_dim;
    swg_rng rng = swg_rng_seeded(place->seed);
    bool found = false;
    *state = NULL;
    float *q = head_dim > 1 ? swg_arena_calloc(place->arena, head_dim * head_dim, sizeof *q) : NULL;
    if (head_dim > 1 && !q)
        return SWG_NO_MEMORY;
    if (q)
        fill_rotation(head_dim, &rng, q);
    for (size_t layer = 0; q && layer < (size_t)place->hparams->n_layers; layer++)
        SWG_TRY(add_layer(place, folds, layer, head_dim, q, &found));
    return found ? SWG_OK
                 : swg_error(SWG_UNSUPPORTED,
                             "the model has no value and output projections in tensors of "
                             "their own");
}

const swg_transform swg_transform_value_rotation = {.open = open};
