/* See shifted_target.h. */
#include "quantize/shifted_target.h"

#include <string.h>

#include "kernels/linalg.h"
#include "runtime/base/mem.h"

/* Added to the diagonal of H, relative to its mean. A shift has much of the noise of few rows in
 * the directions that the inputs hardly use: with less, the weights follow that noise. So much also
 * bounds the condition of the sum by 10 k, which float can solve for. */
static const double damping = 0.1;

swg_status swg_shifted_target_init(swg_shifted_target *out, const swg_layer_stats *stats)
{
    const size_t k = stats->k;
    swg_shifted_target target = {.stats = stats};
    double mean = 0;
    SWG_TRY(SWG_NEW_UNINIT(target.factor, k * k));
    for (size_t i = 0; i < k; i++)
        mean += (double)stats->hessian[i * k + i] / (double)k;
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j <= i; j++)
            target.factor[i * k + j] = stats->hessian[i * k + j];
        target.factor[i * k + i] += mean > 0 ? (float)(damping * mean) : 1;
    }
    const swg_status status = swg_linalg_get()->spotrf(k, target.factor, k);
    if (status != SWG_OK) {
        swg_free(target.factor);
        return swg_error_context(status, "the input statistics of %s", stats->name);
    }
    *out = target;
    return SWG_OK;
}

void swg_shifted_target_deinit(swg_shifted_target *target)
{
    SWG_FREE(target->factor);
}

swg_status swg_shifted_target_apply(const swg_shifted_target *target, uint64_t rows,
                                    uint64_t row_begin, uint64_t n_rows, float *w)
{
    const swg_layer_stats *stats = target->stats;
    const swg_linalg *linalg = swg_linalg_get();
    const size_t k = stats->k, n = (size_t)n_rows;
    float *shift = NULL;
    SWG_TRY(SWG_NEW(shift, n * k));
    const float *stream = stats->stream_shift && stats->n_stream == rows
                              ? stats->stream_shift + (size_t)row_begin * k
                              : NULL;
    if (stream)
        memcpy(shift, stream, n * k * sizeof *shift);
    if (stats->input_shift)
        linalg->sgemm(false, false, n, k, k, 1, w, k, stats->input_shift, k, stream ? 1 : 0, shift,
                      k);
    linalg->strsm(true, true, n, k, target->factor, k, shift, k); /* X L^T = shift */
    linalg->strsm(true, false, n, k, target->factor, k, shift, k);
    for (size_t i = 0; i < n * k; i++)
        w[i] += shift[i];
    swg_free(shift);
    return SWG_OK;
}
