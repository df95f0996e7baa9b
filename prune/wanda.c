/* Wanda: of each row the weights with the smallest |w| * |x| become zero. See wanda_scores.h. */
#include "prune/wanda_scores.h"

#include <math.h>

#include "prune/mask.h"
#include "runtime/base/mem.h"

swg_status swg_wanda_scores(const swg_prune_job *job, const float *w, float *scores)
{
    float *norms;
    SWG_TRY(SWG_NEW_UNINIT(norms, job->cols));
    if (!swg_layer_stats_importance(job->stats, norms)) {
        swg_free(norms);
        return swg_error(SWG_FAILED, "tensor %s: the importance of columns is missing", job->name);
    }
    for (size_t c = 0; c < job->cols; c++)
        norms[c] = sqrtf(norms[c]);
    for (size_t r = 0; r < job->rows; r++)
        for (size_t c = 0; c < job->cols; c++) {
            const size_t i = r * job->cols + c;
            const float score = fabsf(w[i]) * norms[c];
            scores[i] = w[i] == 0 ? SWG_SCORE_ZERO : job->sparsity.block ? score * score : score;
        }
    swg_free(norms);
    return SWG_OK;
}

swg_status swg_prune__wanda(const swg_prune_job *job, float *w, bool *is_zero)
{
    const size_t n = job->rows * job->cols;
    swg_status status = SWG_OK;
    float *scores = NULL;
    SWG_GO(SWG_NEW_UNINIT(scores, n));
    SWG_GO(swg_wanda_scores(job, w, scores));
    SWG_GO(swg_mask_choose(job->sparsity, SWG_PRUNE_BY_ROW, scores, job->rows, job->cols, is_zero));
    swg_mask_apply(is_zero, n, w);
done:
    swg_free(scores);
    return status;
}
