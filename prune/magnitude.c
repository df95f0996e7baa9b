/* Magnitude: the smallest |w| of the matrix, or of M neighbours, become zero. */
#include <math.h>

#include "prune/mask.h"
#include "runtime/base/mem.h"

swg_status swg_prune__magnitude(const swg_prune_job *job, float *w, bool *is_zero)
{
    const size_t n = job->rows * job->cols;
    float *scores;
    SWG_TRY(SWG_NEW_UNINIT(scores, n));
    for (size_t i = 0; i < n; i++)
        scores[i] = w[i] == 0 ? SWG_SCORE_ZERO : fabsf(w[i]);
    const swg_status status =
        swg_mask_choose(job->sparsity, SWG_PRUNE_BY_MATRIX, scores, job->rows, job->cols, is_zero);
    swg_free(scores);
    swg_mask_apply(is_zero, n, w);
    return status;
}
