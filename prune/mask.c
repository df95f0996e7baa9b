/* Selection by radix: scores that are not negative order as their bits do, so two histograms of
 * 16 bits find the threshold in three passes, whatever the scores are. See mask.h. */
#include "prune/mask.h"

#include <string.h>

#include "runtime/base/mem.h"

enum { RADIX = 1 << 16 };

/* Ascending with the score; scores that are not finite come last. */
static uint32_t key_of(float score)
{
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    return score < 0 ? 0 : bits + 1;
}

/* The smallest place at which the running sum of `histogram` reaches `count`; what is left of it
 * there. */
static uint32_t place_of(const size_t *histogram, size_t count, size_t *left)
{
    uint32_t place = 0;
    while (histogram[place] < count)
        count -= histogram[place++];
    *left = count;
    return place;
}

swg_status swg_mask_lowest(const float *scores, size_t n, size_t count, bool *is_zero)
{
    size_t *histogram, left = 0;
    if (count == 0)
        return SWG_OK;
    SWG_TRY(SWG_NEW(histogram, RADIX));
    for (size_t i = 0; i < n; i++)
        histogram[key_of(scores[i]) >> 16]++;
    const uint32_t high = place_of(histogram, count, &left);
    memset(histogram, 0, RADIX * sizeof *histogram);
    for (size_t i = 0; i < n; i++)
        if (key_of(scores[i]) >> 16 == high)
            histogram[key_of(scores[i]) & (RADIX - 1)]++;
    const uint32_t threshold = high << 16 | place_of(histogram, left, &left);
    for (size_t i = 0; i < n; i++) {
        const uint32_t key = key_of(scores[i]);
        const bool is_tie = key == threshold && left > 0;
        left -= is_tie;
        if (key < threshold || is_tie)
            is_zero[i] = true;
    }
    swg_free(histogram);
    return SWG_OK;
}

/* The m - n lowest of m neighbours, fewest first by score and place. */
static void mark_neighbours(const float *scores, swg_sparsity sparsity, bool *is_zero)
{
    for (unsigned i = 0; i < (unsigned)(sparsity.m - sparsity.n); i++) {
        unsigned lowest = sparsity.m;
        for (unsigned c = 0; c < sparsity.m; c++)
            if (!is_zero[c] && (lowest == sparsity.m || key_of(scores[c]) < key_of(scores[lowest])))
                lowest = c;
        is_zero[lowest] = true;
    }
}

/* Scores of blocks, [rows / block][cols]. */
static void add_up_blocks(const float *scores, size_t rows, size_t cols, size_t block, float *out)
{
    for (size_t b = 0; b < rows / block; b++)
        for (size_t c = 0; c < cols; c++) {
            double sum = 0;
            bool is_empty = true;
            for (size_t r = b * block; r < (b + 1) * block; r++) {
                const float score = scores[r * cols + c];
                is_empty = is_empty && score < 0;
                sum += score < 0 ? 0 : (double)score;
            }
            out[b * cols + c] = is_empty ? SWG_SCORE_ZERO : (float)sum;
        }
}

static swg_status choose_blocks(swg_sparsity sparsity, swg_prune_scope scope, const float *scores,
                                size_t rows, size_t cols, bool *is_zero)
{
    const size_t n = rows / sparsity.block * cols;
    const swg_sparsity single = {.ratio = sparsity.ratio};
    float *sums = NULL;
    bool *marks = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW_UNINIT(sums, n));
    SWG_GO(SWG_NEW(marks, n));
    add_up_blocks(scores, rows, cols, sparsity.block, sums);
    SWG_GO(swg_mask_choose(single, scope, sums, rows / sparsity.block, cols, marks));
    for (size_t r = 0; r < rows; r++)
        memcpy(is_zero + r * cols, marks + r / sparsity.block * cols, cols * sizeof *marks);
done:
    swg_free(marks);
    swg_free(sums);
    return status;
}

swg_status swg_mask_choose(swg_sparsity sparsity, swg_prune_scope scope, const float *scores,
                           size_t rows, size_t cols, bool *is_zero)
{
    if (sparsity.m) {
        for (size_t i = 0; i < rows * cols; i += sparsity.m)
            mark_neighbours(scores + i, sparsity, is_zero + i);
        return SWG_OK;
    }
    if (sparsity.block)
        return choose_blocks(sparsity, scope, scores, rows, cols, is_zero);
    if (scope == SWG_PRUNE_BY_MATRIX)
        return swg_mask_lowest(scores, rows * cols,
                               (size_t)swg_sparsity_zeros(sparsity, scope, rows, cols), is_zero);
    for (size_t r = 0; r < rows; r++)
        SWG_TRY(swg_mask_lowest(scores + r * cols, cols,
                                (size_t)swg_sparsity_zeros(sparsity, scope, 1, cols),
                                is_zero + r * cols));
    return SWG_OK;
}

void swg_mask_apply(const bool *is_zero, size_t n, float *w)
{
    for (size_t i = 0; i < n; i++)
        if (is_zero[i])
            w[i] = 0;
}
