/* Random matrices in sparse formats, as model_random.c makes dense ones: places of the weights that
 * are left are uniform, as they are when random weights are pruned by magnitude. One step of rows
 * is generated and repeated: speed depends on nothing else. */
#include <math.h>
#include <string.h>

#include "runtime/base/numeric.h"
#include "runtime/base/rng.h"
#include "runtime/base/sparse_pack.h"
#include "runtime/model_build.h"

enum { STEPS = 4 };

/* Columns that a row of k columns loses. */
static size_t zeros_per_row(size_t k, double density)
{
    return (size_t)floor((double)k * (1 - density));
}

uint64_t swg_model_random_stored(swg_scheme scheme, size_t n, size_t k, double density)
{
    const uint64_t kept = scheme.format == SWG_FORMAT_pairs ? k / 2 : k - zeros_per_row(k, density);
    return (uint64_t)n * kept;
}

static void remove_columns(size_t k, size_t zeros, bool *is_stored, swg_rng *rng)
{
    memset(is_stored, true, k * sizeof *is_stored);
    while (zeros > 0) {
        const size_t c = (size_t)(swg_rng_next(rng) % k);
        zeros -= is_stored[c];
        is_stored[c] = false;
    }
}

static void keep_pairs(size_t k, bool *is_stored, swg_rng *rng)
{
    for (size_t c = 0; c + 4 <= k; c += 4)
        remove_columns(4, 2, is_stored + c, rng);
}

static void fill_stored(const swg_weight *w, size_t n_rows, double density, bool *is_stored,
                        swg_rng *rng)
{
    const size_t block = w->scheme.block ? w->scheme.block : 1;
    for (size_t r = 0; r < n_rows; r++) {
        bool *row = is_stored + r * w->k;
        if (w->scheme.format == SWG_FORMAT_pairs)
            keep_pairs(w->k, row, rng);
        else if (r % block == 0)
            remove_columns(w->k, zeros_per_row(w->k, density), row, rng);
        else
            memcpy(row, row - w->k, w->k * sizeof *row);
    }
}

swg_status swg_model_random_fill_sparse(const swg_backend_weights *storage, const swg_weight *w,
                                        double density, uint64_t seed)
{
    const size_t groups = swg_scheme_groups(w->scheme, w->k), step = storage->row_step * STEPS;
    const float scale = sqrtf(12.0f / (float)w->k) / (float)(1u << w->scheme.bits);
    swg_rng rng = swg_rng_seeded(seed);
    swg_status status = SWG_OK;
    bool *is_stored = NULL;
    uint8_t *codes = NULL, *scales = NULL, *zeros = NULL;
    SWG_GO(SWG_NEW_UNINIT(is_stored, step * w->k));
    SWG_GO(SWG_NEW_UNINIT(codes, step * w->k));
    SWG_GO(SWG_NEW_UNINIT(scales, step * groups * sizeof(float)));
    SWG_GO(SWG_NEW_UNINIT(zeros, step * groups));
    fill_stored(w, step, density, is_stored, &rng);
    for (size_t i = 0; i < step * w->k; i++)
        codes[i] = (uint8_t)(swg_rng_next(&rng) & ((1u << w->scheme.bits) - 1));
    for (size_t i = 0; i < step * groups; i++)
        swg_float_store(w->scheme.scale_type, scales, i, scale);
    memset(zeros, (int)swg_scheme_symmetric_zero(w->scheme), step * groups);
    for (size_t row = 0; row < w->n; row += step)
        SWG_GO(storage->store_sparse(w, row, w->n - row < step ? w->n - row : step, is_stored,
                                     codes, scales, w->scheme.asymmetric ? zeros : NULL));
done:
    swg_free(is_stored);
    swg_free(codes);
    swg_free(scales);
    swg_free(zeros);
    return status;
}
