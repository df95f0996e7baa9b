/* Wanda with a threshold for each row: with a row's scores in ascending order, their running sum
 * over the row's total is the share that is lost when all up to one are removed. The weights of the
 * whole matrix with the smallest shares become zero, which is the published search for one share
 * (Sun et al. 2023, section 5), solved exactly. Blocks and N:M patterns have no such order and are
 * chosen as wanda does, blocks in the whole matrix. */
#include <stdlib.h>

#include "prune/mask.h"
#include "prune/wanda_scores.h"
#include "runtime/base/mem.h"

typedef struct scored {
    float score;
    size_t column;
} scored;

static int compare(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

/* Replace the scores of a row by the shares that are lost. Zeros stay before all others. */
static void share_row(float *scores, size_t cols, scored *order)
{
    double total = 0, sum = 0;
    for (size_t c = 0; c < cols; c++) {
        order[c] = (scored){scores[c], c};
        total += scores[c] > 0 ? (double)scores[c] : 0;
    }
    qsort(order, cols, sizeof *order, compare);
    for (size_t i = 0; i < cols; i++) {
        if (order[i].score < 0)
            continue;
        sum += (double)order[i].score;
        scores[order[i].column] = total > 0 ? (float)(sum / total) : 0;
    }
}

swg_status swg_prune__wanda_threshold(const swg_prune_job *job, float *w, bool *is_zero)
{
    const size_t n = job->rows * job->cols;
    const bool has_order = job->sparsity.m == 0 && job->sparsity.block == 0;
    swg_status status = SWG_OK;
    float *scores = NULL;
    scored *order = NULL;
    SWG_GO(SWG_NEW_UNINIT(scores, n));
    SWG_GO(SWG_NEW_UNINIT(order, job->cols));
    SWG_GO(swg_wanda_scores(job, w, scores));
    for (size_t r = 0; has_order && r < job->rows; r++)
        share_row(scores + r * job->cols, job->cols, order);
    SWG_GO(
        swg_mask_choose(job->sparsity, SWG_PRUNE_BY_MATRIX, scores, job->rows, job->cols, is_zero));
    swg_mask_apply(is_zero, n, w);
done:
    swg_free(order);
    swg_free(scores);
    return status;
}
