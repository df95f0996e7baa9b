/* SparseGPT (Frantar and Alistarh 2023, arXiv 2301.00774): column after column, the error of
 * removing a weight is made up for by the columns that follow (second_order.h). The zeros of a
 * block of columns are chosen when the sweep reaches it, by what each removal costs then,
 * w^2 / U[i][i]^2, among all rows of the block (N:M: among M neighbours of a row).
 *
 * The sweep fixes a weight without knowing what is removed after it, so the weights that stay are
 * refitted afterwards (refit.h). And a single choice of half of the weights is blind to what the
 * others will have become, so zeros are chosen in rounds, a few more each time.
 *
 * Blocks of rows have a fixed size, so results do not depend on the number of threads. */
#include <string.h>

#include "kernels/linalg.h"
#include "prune/mask.h"
#include "prune/refit.h"
#include "quantize/method_words.h"
#include "quantize/second_order.h"
#include "runtime/base/mem.h"
#include "runtime/base/progress.h"

enum { ROWS = 64, DEFAULT_BLOCK = 128, DEFAULT_STEPS = 24, DEFAULT_ROUNDS = 8, ROUND_STEPS = 4 };

typedef struct sparsegpt {
    const swg_prune_job *job;
    swg_sparsity sparsity; /* of this round */
    swg_second_order so;
    swg_refit refit;
    size_t n, k, block;  /* rows; columns; columns per block */
    float *w;            /* [n][k] in processing order */
    bool *is_zero;       /* [n][k] in processing order: removed, or 0 from the beginning */
    bool *is_removed;    /* [n][k] in processing order */
    float *errors;       /* [n][block] of the block's columns */
    float *scores;       /* [n][block] */
    bool *marks;         /* [n][block] */
    size_t begin, end;   /* the block */
    float *target, *out; /* [n][k], matrix order */
} sparsegpt;

static size_t rows_at(const sparsegpt *s, size_t index)
{
    const size_t left = s->n - index * ROWS;
    return left < ROWS ? left : ROWS;
}

/* --- The sweep -------------------------------------------------------------------------------- */

/* What removing each weight of columns [begin, end) costs now: scores [n][end - begin]. */
static void score(const sparsegpt *s, size_t begin, size_t end)
{
    const size_t width = end - begin;
    for (size_t r = 0; r < s->n; r++)
        for (size_t i = begin; i < end; i++) {
            const float w = s->w[r * s->k + i], e = w / s->so.factor[i * s->k + i];
            s->scores[r * width + i - begin] = s->is_zero[r * s->k + i] ? SWG_SCORE_ZERO : e * e;
        }
}

/* Of a ratio over the whole matrix, what is due up to column `end` less what was before `begin`. */
static size_t due(const sparsegpt *s, size_t begin, size_t end, size_t rows)
{
    const swg_sparsity sparsity = {.ratio = s->sparsity.ratio};
    return (size_t)(swg_sparsity_zeros(sparsity, SWG_PRUNE_BY_MATRIX, rows, end) -
                    swg_sparsity_zeros(sparsity, SWG_PRUNE_BY_MATRIX, rows, begin));
}

/* Choose the zeros of columns [begin, end) of all rows. */
static swg_status choose(const sparsegpt *s, size_t begin, size_t end)
{
    const swg_sparsity sparsity = s->sparsity;
    const size_t width = end - begin, unit = sparsity.block ? sparsity.block : 1;
    score(s, begin, end);
    memset(s->marks, 0, s->n * width * sizeof *s->marks);
    if (sparsity.m) {
        SWG_TRY(swg_mask_choose(sparsity, SWG_PRUNE_BY_MATRIX, s->scores, s->n, width, s->marks));
    } else {
        const size_t blocks = s->n / unit * width, count = due(s, begin, end, s->n / unit);
        const double ratio = ((double)count + 0.5) / (double)blocks;
        const swg_sparsity part = {.ratio = count < blocks ? ratio : 0, .block = sparsity.block};
        if (count < blocks)
            SWG_TRY(swg_mask_choose(part, SWG_PRUNE_BY_MATRIX, s->scores, s->n, width, s->marks));
        else
            memset(s->marks, true, s->n * width * sizeof *s->marks);
    }
    for (size_t r = 0; r < s->n; r++)
        for (size_t i = 0; i < width; i++)
            if (s->marks[r * width + i])
                s->is_zero[r * s->k + begin + i] = s->is_removed[r * s->k + begin + i] = true;
    return SWG_OK;
}

/* Columns [begin, end) of a block of rows, and what follows them within the block of columns. */
static void sweep_columns(const sparsegpt *s, size_t index, size_t begin, size_t end)
{
    for (size_t r = index * ROWS; r < index * ROWS + rows_at(s, index); r++) {
        float *w = s->w + r * s->k;
        for (size_t i = begin; i < end; i++) {
            const bool is_zero = s->is_zero[r * s->k + i];
            const float *u = s->so.factor + i * s->k;
            const float error = is_zero ? w[i] / u[i] : 0;
            s->errors[r * s->block + i - s->begin] = error;
            if (!is_zero)
                continue;
            w[i] = 0;
            for (size_t j = i + 1; j < s->end; j++)
                w[j] -= error * u[j];
        }
    }
}

/* The columns after the block, all corrections of the block at once. */
static swg_status correct_rest(void *context, size_t index)
{
    const sparsegpt *s = context;
    const size_t row = index * ROWS;
    if (s->end < s->k)
        swg_linalg_get()->sgemm(false, false, rows_at(s, index), s->k - s->end, s->end - s->begin,
                                -1, s->errors + row * s->block, s->block,
                                s->so.factor + s->begin * s->k + s->end, s->k, 1,
                                s->w + row * s->k + s->end, s->k);
    return SWG_OK;
}

static swg_status sweep_rows(void *context, size_t index)
{
    const sparsegpt *s = context;
    sweep_columns(s, index, s->begin, s->end);
    return SWG_OK;
}

/* An N:M pattern is chosen M columns at a time, with all corrections so far; a row's choice does
 * not depend on other rows. */
static swg_status sweep_neighbours(void *context, size_t index)
{
    const sparsegpt *s = context;
    const swg_sparsity sparsity = s->sparsity;
    for (size_t begin = s->begin; begin < s->end; begin += sparsity.m) {
        sparsegpt part = *s;
        part.n = rows_at(s, index);
        part.w += index * ROWS * s->k;
        part.is_zero += index * ROWS * s->k;
        part.is_removed += index * ROWS * s->k;
        part.scores += index * ROWS * s->block;
        part.marks += index * ROWS * s->block;
        SWG_TRY(choose(&part, begin, begin + sparsity.m));
        sweep_columns(s, index, begin, begin + sparsity.m);
    }
    return SWG_OK;
}

static swg_status sweep(sparsegpt *s)
{
    const size_t n_items = swg_ceil_div(s->n, ROWS);
    for (s->begin = 0; s->begin < s->k; s->begin = s->end) {
        s->end = s->k - s->begin < s->block ? s->k : s->begin + s->block;
        if (swg_is_interrupted())
            return swg_error(SWG_INTERRUPTED, "interrupted while pruning tensor %s", s->job->name);
        if (s->sparsity.m) {
            SWG_TRY(swg_pool_for(s->job->pool, n_items, sweep_neighbours, s));
        } else {
            SWG_TRY(choose(s, s->begin, s->end));
            SWG_TRY(swg_pool_for(s->job->pool, n_items, sweep_rows, s));
        }
        SWG_TRY(swg_pool_for(s->job->pool, n_items, correct_rest, s));
    }
    return SWG_OK;
}

/* --- The matrix ------------------------------------------------------------------------------- */

/* Columns into processing order, and back. */
static void take_order(sparsegpt *s)
{
    for (size_t r = 0; r < s->n; r++)
        for (size_t i = 0; i < s->k; i++) {
            const float w = s->out[r * s->k + s->so.order[i]];
            s->w[r * s->k + i] = w;
            s->is_zero[r * s->k + i] = w == 0;
        }
}

static swg_status restore_order(sparsegpt *s, bool *is_removed)
{
    bool *ordered;
    SWG_TRY(SWG_NEW_UNINIT(ordered, s->k));
    for (size_t r = 0; r < s->n; r++) {
        memcpy(ordered, s->is_zero + r * s->k, s->k * sizeof *ordered);
        for (size_t i = 0; i < s->k; i++) {
            const size_t column = s->so.order[i];
            s->out[r * s->k + column] = s->w[r * s->k + i];
            is_removed[r * s->k + column] = s->is_removed[r * s->k + i];
            s->is_zero[r * s->k + column] = ordered[i];
        }
    }
    swg_free(ordered);
    return SWG_OK;
}

static swg_status begin(sparsegpt *s)
{
    const swg_prune_job *job = s->job;
    const swg_sparsity sparsity = job->sparsity;
    const double damping =
        swg_method_number(job->parameters, job->n_parameters, "damping", SWG_DAMPING_DEFAULT);
    const size_t step = sparsity.m ? sparsity.m : 1;
    const size_t block =
        (size_t)swg_method_number(job->parameters, job->n_parameters, "block", DEFAULT_BLOCK);
    if (!job->stats->hessian)
        return swg_error(SWG_FAILED,
                         "tensor %s: method sparsegpt needs the second moments of the layer's "
                         "inputs",
                         job->name);
    s->block = swg_round_up(block, step);
    s->block = s->block < s->k ? s->block : s->k;
    /* Neighbours stay neighbours in the order of columns. */
    SWG_TRY(swg_second_order_init(&s->so, job->name, job->stats->hessian, s->k, step, damping));
    swg_prune_note_damping(job->name, damping, s->so.damping);
    SWG_TRY(swg_refit_init(&s->refit, job->stats->hessian, s->k, s->so.damping));
    SWG_TRY(SWG_NEW_UNINIT(s->w, s->n * s->k));
    SWG_TRY(SWG_NEW_UNINIT(s->target, s->n * s->k));
    SWG_TRY(SWG_NEW(s->is_zero, s->n * s->k));
    SWG_TRY(SWG_NEW(s->is_removed, s->n * s->k));
    SWG_TRY(SWG_NEW_UNINIT(s->errors, s->n * s->block));
    SWG_TRY(SWG_NEW_UNINIT(s->scores, s->n * s->block));
    return SWG_NEW_UNINIT(s->marks, s->n * s->block);
}

/* What is removed after so many of the rounds. */
static swg_sparsity part_of(swg_sparsity whole, unsigned round, unsigned rounds)
{
    swg_sparsity part = whole;
    if (whole.m)
        part.n = (uint8_t)(whole.m - (unsigned)(whole.m - whole.n) * round / rounds);
    else if (round < rounds)
        part.ratio = whole.ratio * round / rounds;
    return part;
}

/* Remove a round's share from what the weights have become, zeros of earlier rounds first, and
 * refit what stays to the weights of the beginning. Rounds of an N:M pattern that would remove
 * nothing more are left out. */
static swg_status prune_round(sparsegpt *s, unsigned round, unsigned rounds, bool *is_zero)
{
    const swg_prune_job *job = s->job;
    const bool is_last = round == rounds;
    const unsigned steps = is_last ? (unsigned)swg_method_number(job->parameters, job->n_parameters,
                                                                 "steps", DEFAULT_STEPS)
                                   : ROUND_STEPS;
    s->sparsity = part_of(job->sparsity, round, rounds);
    if (job->sparsity.m && s->sparsity.n == part_of(job->sparsity, round - 1, rounds).n)
        return SWG_OK;
    memset(s->is_removed, 0, s->n * s->k * sizeof *s->is_removed);
    take_order(s);
    SWG_TRY(sweep(s));
    SWG_TRY(restore_order(s, is_zero));
    return swg_refit_run(&s->refit, s->target, s->is_zero, s->n, steps, job->pool, s->out);
}

swg_status swg_prune__sparsegpt(const swg_prune_job *job, float *w, bool *is_zero)
{
    const unsigned rounds =
        (unsigned)swg_method_number(job->parameters, job->n_parameters, "rounds", DEFAULT_ROUNDS);
    swg_status status = SWG_OK;
    sparsegpt s = {.job = job, .n = job->rows, .k = job->cols, .out = w};
    SWG_GO(begin(&s));
    memcpy(s.target, w, s.n * s.k * sizeof *w);
    for (unsigned round = 1; round <= rounds; round++)
        SWG_GO(prune_round(&s, round, rounds, is_zero));
done:
    swg_refit_deinit(&s.refit);
    swg_free(s.w);
    swg_free(s.target);
    swg_free(s.is_zero);
    swg_free(s.is_removed);
    swg_free(s.errors);
    swg_free(s.scores);
    swg_free(s.marks);
    swg_second_order_deinit(&s.so);
    return status;
}
