/* Which inputs of a linear layer can go: see structured_select.h. In double, since H is nearly
 * singular as a rule. */
#include "prune/structured_select.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/linalg.h"
#include "prune/prune.h"
#include "runtime/base/mem.h"
#include "runtime/base/progress.h"

/* Rounds of a selection, and rows that one thread updates at a time. */
enum { ROUNDS = 32, ROWS = 64 };

typedef struct work {
    const swg_structure_job *job;
    size_t n_blocks;
    double *w;       /* [n][k] as far as it is refitted */
    double *inverse; /* [k][k] of the damped H, among the columns that are left */
    bool *is_gone;   /* [n_blocks] */
    /* Of one elimination of m columns. */
    size_t *columns; /* [m] */
    size_t m;
    double *corner;  /* [m][m] */
    double *rows;    /* [m][k] (H^-1_BB)^-1 H^-1_B: */
    double *scratch; /* [max(n, k)][m] */
    double *scores;  /* [n_blocks] */
} work;

/* --- The inverse ------------------------------------------------------------------------------ */

/* Damping is relative to each channel's own second moment, so that it is the same whatever units the
 * channels have: where a few are a thousand times the others, as in the feed-forward layers of language
 * models, a share of the mean would drown the others, and neither choose by them nor refit them. Of a
 * channel that is always 0 it is this share of the mean. */
static const double least_moment = 1e-6;

static double mean_diagonal(const swg_structure_job *job)
{
    double sum = 0;
    for (size_t i = 0; i < job->k; i++)
        sum += (double)job->hessian[i * job->k + i];
    return sum > 0 ? sum / (double)job->k : 1;
}

static swg_status invert(work *s)
{
    const size_t k = s->job->k;
    const swg_linalg *const linalg = swg_linalg_get();
    const double mean = mean_diagonal(s->job);
    if (!isfinite(mean))
        return swg_error(SWG_FAILED, "the input statistics of %s are not finite", s->job->name);
    for (double damping = s->job->damping; damping <= 1; damping *= 10) {
        for (size_t i = 0; i < k * k; i++)
            s->inverse[i] = (double)s->job->hessian[i];
        for (size_t i = 0; i < k; i++)
            s->inverse[i * k + i] += damping * fmax(s->inverse[i * k + i], least_moment * mean);
        if (linalg->dpotrf(k, s->inverse, k) != SWG_OK ||
            linalg->dpotri(k, s->inverse, k) != SWG_OK)
            continue;
        for (size_t i = 0; i < k; i++)
            for (size_t j = i + 1; j < k; j++)
                s->inverse[i * k + j] = s->inverse[j * k + i];
        swg_prune_note_damping(s->job->name, s->job->damping, damping);
        return SWG_OK;
    }
    return swg_error(SWG_FAILED, "the input statistics of %s are not positive definite",
                     s->job->name);
}

/* --- Elimination ------------------------------------------------------------------------------ */

/* Pieces of ROWS rows of the weights, then of the inverse: target -= target[:, columns] rows. */
static swg_status update_piece(void *context, size_t index)
{
    const work *const s = context;
    const size_t k = s->job->k, m = s->m, of_w = swg_ceil_div(s->job->n, ROWS);
    const bool is_w = index < of_w;
    double *const target = is_w ? s->w : s->inverse;
    const size_t all = is_w ? s->job->n : k, begin = (is_w ? index : index - of_w) * ROWS;
    const size_t rows = all - begin < ROWS ? all - begin : ROWS;
    double *const picked = s->scratch + index * ROWS * m;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < m; c++)
            picked[r * m + c] = target[(begin + r) * k + s->columns[c]];
    swg_linalg_get()->dgemm(false, false, rows, k, m, -1, picked, m, s->rows, k, 1,
                            target + begin * k, k);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < m; c++)
            target[(begin + r) * k + s->columns[c]] = 0;
    return SWG_OK;
}

/* (H^-1_BB)^-1 H^-1_B: into s->rows. */
static swg_status solve_rows(work *s)
{
    const size_t k = s->job->k, m = s->m;
    const swg_linalg *const linalg = swg_linalg_get();
    for (size_t i = 0; i < m; i++) {
        const double *const row = s->inverse + s->columns[i] * k;
        memcpy(s->rows + i * k, row, k * sizeof *row);
        for (size_t j = 0; j < m; j++)
            s->corner[i * m + j] = row[s->columns[j]];
    }
    if (linalg->dpotrf(m, s->corner, m) != SWG_OK)
        return swg_error(SWG_FAILED, "the input statistics of %s are too close to singular",
                         s->job->name);
    linalg->dtrsm(false, false, m, k, s->corner, m, s->rows, k);
    linalg->dtrsm(false, true, m, k, s->corner, m, s->rows, k);
    return SWG_OK;
}

/* Remove the blocks [n] from weights and inverse. */
static swg_status eliminate(work *s, const size_t *blocks, size_t n)
{
    const size_t width = s->job->block;
    const size_t pieces = swg_ceil_div(s->job->n, ROWS) + swg_ceil_div(s->job->k, ROWS);
    swg_status status = SWG_OK;
    s->m = n * width;
    SWG_GO(SWG_NEW_UNINIT(s->columns, s->m));
    SWG_GO(SWG_NEW_UNINIT(s->corner, s->m * s->m));
    SWG_GO(SWG_NEW_UNINIT(s->rows, s->m * s->job->k));
    SWG_GO(SWG_NEW_UNINIT(s->scratch, s->m * pieces * ROWS));
    for (size_t i = 0; i < n; i++) {
        s->is_gone[blocks[i]] = true;
        for (size_t c = 0; c < width; c++)
            s->columns[i * width + c] = blocks[i] * width + c;
    }
    if (s->job->refit) {
        SWG_GO(solve_rows(s));
        SWG_GO(swg_pool_for(s->job->pool, pieces, update_piece, s));
    } else {
        for (size_t r = 0; r < s->job->n; r++)
            for (size_t c = 0; c < s->m; c++)
                s->w[r * s->job->k + s->columns[c]] = 0;
    }
done:
    SWG_FREE(s->columns);
    SWG_FREE(s->corner);
    SWG_FREE(s->rows);
    SWG_FREE(s->scratch);
    return status;
}

/* --- Choice ----------------------------------------------------------------------------------- */

/* tr(W_B G W_B^T) with G = L L^T, or its inverse, as the sum of squares of W_B L, or of the
 * solution X of X L^T = W_B. picked [n][width] is W_B. */
static double trace(const work *s, const double *l, double *picked, double *product)
{
    const size_t n = s->job->n, width = s->job->block;
    const swg_linalg *const linalg = swg_linalg_get();
    double sum = 0;
    if (s->job->refit)
        linalg->dtrsm(true, true, n, width, l, width, picked, width);
    else
        linalg->dgemm(false, false, n, width, width, 1, picked, width, l, width, 0, product, width);
    const double *const squares = s->job->refit ? picked : product;
    for (size_t i = 0; i < n * width; i++)
        sum += squares[i] * squares[i];
    return sum;
}

/* What the removal of a block costs as things are. */
static swg_status score(void *context, size_t b)
{
    work *const s = context;
    const size_t n = s->job->n, k = s->job->k, width = s->job->block, at = b * width;
    double *l = NULL, *picked = NULL, *product = NULL;
    swg_status status = SWG_OK;
    s->scores[b] = INFINITY;
    if (s->is_gone[b])
        return SWG_OK;
    SWG_GO(SWG_NEW(l, width * width));
    SWG_GO(SWG_NEW_UNINIT(picked, n * width));
    SWG_GO(SWG_NEW_UNINIT(product, n * width));
    for (size_t i = 0; i < width; i++)
        for (size_t j = 0; j <= i; j++)
            l[i * width + j] = s->job->refit ? s->inverse[(at + i) * k + at + j]
                                             : (double)s->job->hessian[(at + i) * k + at + j];
    for (size_t r = 0; r < n; r++)
        memcpy(picked + r * width, s->w + r * k + at, width * sizeof *picked);
    for (size_t i = 0; i < width && !s->job->refit; i++) /* H alone may be singular */
        l[i * width + i] += 1e-9 * (double)s->job->hessian[(at + i) * k + at + i] + 1e-30;
    s->scores[b] = swg_linalg_get()->dpotrf(width, l, width) == SWG_OK
                       ? trace(s, l, picked, product)
                       : INFINITY;
done:
    swg_free(l);
    swg_free(picked);
    swg_free(product);
    return status;
}

typedef struct ranked {
    double score;
    size_t block;
} ranked;

static int compare_ranked(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return x->block < y->block ? -1 : x->block > y->block;
}

/* The cheapest blocks, at most `most`, in families from which not enough are gone: chosen [*n]. */
static void pick(work *s, size_t most, size_t *quota, ranked *order, size_t *chosen, size_t *n)
{
    for (size_t b = 0; b < s->n_blocks; b++)
        order[b] = (ranked){s->scores[b], b};
    qsort(order, s->n_blocks, sizeof *order, compare_ranked);
    *n = 0;
    for (size_t i = 0; i < s->n_blocks && *n < most; i++) {
        size_t *const left = &quota[order[i].block / s->job->family];
        if (s->is_gone[order[i].block] || *left == 0)
            continue;
        --*left;
        chosen[(*n)++] = order[i].block;
    }
}

static swg_status choose_blocks(work *s)
{
    const swg_structure_job *const job = s->job;
    const size_t n_families = s->n_blocks / job->family, total = n_families * job->remove_each;
    const size_t rounds = job->refit ? ROUNDS : 1, most = swg_ceil_div(total, rounds);
    size_t *quota = NULL, *chosen = NULL, n = 0;
    ranked *order = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW_UNINIT(quota, n_families));
    SWG_GO(SWG_NEW_UNINIT(chosen, most));
    SWG_GO(SWG_NEW_UNINIT(order, s->n_blocks));
    SWG_GO(SWG_NEW_UNINIT(s->scores, s->n_blocks));
    for (size_t i = 0; i < n_families; i++)
        quota[i] = job->remove_each;
    for (size_t done = 0; done < total; done += n) {
        SWG_GO(swg_progress_step(NULL, "", "", done, total));
        SWG_GO(swg_pool_for(job->pool, s->n_blocks, score, s));
        pick(s, most, quota, order, chosen, &n);
        SWG_GO(eliminate(s, chosen, n));
    }
done:
    SWG_FREE(s->scores);
    swg_free(quota);
    swg_free(chosen);
    swg_free(order);
    return status;
}

/* --- Error ------------------------------------------------------------------------------------ */

/* What the outputs of one piece of rows are, and by how much they change. */
typedef struct change {
    const swg_structure_job *job;
    const float *before, *after;
    double *sums; /* [pieces][2] */
} change;

/* tr(D H D^T) of rows d [rows][k]; product [rows][k] is scratch. */
static double quadratic(const swg_structure_job *job, const float *d, size_t rows, float *product)
{
    double sum = 0;
    swg_sgemm_nt(rows, job->k, job->k, d, job->k, job->hessian, job->k, product, job->k);
    for (size_t i = 0; i < rows * job->k; i++)
        sum += (double)d[i] * (double)product[i];
    return sum;
}

static swg_status measure_piece(void *context, size_t index)
{
    const change *const c = context;
    const size_t k = c->job->k, begin = index * ROWS, left = c->job->n - begin;
    const size_t rows = left < ROWS ? left : ROWS;
    float *difference = NULL, *product = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW_UNINIT(difference, rows * k));
    SWG_GO(SWG_NEW_UNINIT(product, rows * k));
    for (size_t i = 0; i < rows * k; i++)
        difference[i] = c->after[begin * k + i] - c->before[begin * k + i];
    c->sums[2 * index] = quadratic(c->job, c->before + begin * k, rows, product);
    c->sums[2 * index + 1] = quadratic(c->job, difference, rows, product);
done:
    swg_free(difference);
    swg_free(product);
    return status;
}

static swg_status measure(const swg_structure_job *job, const float *before, const float *after,
                          double *error)
{
    const size_t pieces = swg_ceil_div(job->n, ROWS);
    change c = {.job = job, .before = before, .after = after};
    double signal = 0, noise = 0;
    SWG_TRY(SWG_NEW(c.sums, 2 * pieces));
    const swg_status status = swg_pool_for(job->pool, pieces, measure_piece, &c);
    for (size_t i = 0; i < pieces; i++) {
        signal += c.sums[2 * i];
        noise += c.sums[2 * i + 1];
    }
    swg_free(c.sums);
    *error = signal > 0 && noise > 0 ? sqrt(noise / signal) : 0;
    return status;
}

/* --- The whole -------------------------------------------------------------------------------- */

static swg_status begin(work *s, const float *w)
{
    const size_t n = s->job->n, k = s->job->k;
    SWG_TRY(SWG_NEW_UNINIT(s->w, n * k));
    SWG_TRY(SWG_NEW(s->is_gone, s->n_blocks));
    for (size_t i = 0; i < n * k; i++)
        s->w[i] = (double)w[i];
    if (!s->job->refit)
        return SWG_OK;
    SWG_TRY(SWG_NEW_UNINIT(s->inverse, k * k));
    return invert(s);
}

/* Remove the blocks marked in `given`, or (NULL) choose them. */
static swg_status run(const swg_structure_job *job, float *w, const bool *given, bool *is_removed,
                      double *error)
{
    work s = {.job = job, .n_blocks = job->k / job->block};
    const size_t elems = job->n * job->k;
    size_t *blocks = NULL, n = 0;
    float *before = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW_UNINIT(before, elems));
    memcpy(before, w, elems * sizeof *w);
    SWG_GO(begin(&s, w));
    if (given) {
        SWG_GO(SWG_NEW(blocks, s.n_blocks));
        for (size_t b = 0; b < s.n_blocks; b++)
            if (given[b])
                blocks[n++] = b;
        SWG_GO(n ? eliminate(&s, blocks, n) : SWG_OK);
    } else {
        SWG_GO(choose_blocks(&s));
        memcpy(is_removed, s.is_gone, s.n_blocks * sizeof *is_removed);
    }
    for (size_t i = 0; i < elems; i++)
        w[i] = (float)s.w[i];
    status = measure(job, before, w, error);
done:
    swg_free(before);
    swg_free(blocks);
    swg_free(s.w);
    swg_free(s.inverse);
    swg_free(s.is_gone);
    return status;
}

swg_status swg_structure_choose(const swg_structure_job *job, float *w, bool *is_removed,
                                double *error)
{
    return run(job, w, NULL, is_removed, error);
}

swg_status swg_structure_remove(const swg_structure_job *job, float *w, const bool *is_removed,
                                double *error)
{
    return run(job, w, is_removed, NULL, error);
}
