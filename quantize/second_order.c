/* Factorizing a Hessian; see second_order.h.
 *
 * With J the matrix that reverses the order of columns, J H J = L L^T gives H = R R^T, R = J L J
 * upper triangular, and H^-1 = R^-T R^-1: so U = R^-1. One Cholesky factorization and one
 * triangular inverse, where factorizing the explicit inverse takes two and an inversion; in double,
 * because a nearly singular H is the normal case. */
#include "quantize/second_order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/linalg.h"
#include "runtime/base/mem.h"

/* --- Order ------------------------------------------------------------------------------------ */

typedef struct ranked {
    float key;
    uint32_t index;
} ranked;

/* Larger keys first, ties by index: one order on every machine. */
static int compare_ranked(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->key != y->key)
        return x->key > y->key ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Columns [begin, begin + n) by their diagonal element into sorted [n]; returns the largest. */
static float sort_columns(const float *hessian, size_t k, size_t begin, size_t n, ranked *sorted)
{
    for (size_t i = 0; i < n; i++)
        sorted[i] = (ranked){hessian[(begin + i) * (k + 1)], (uint32_t)(begin + i)};
    qsort(sorted, n, sizeof *sorted, compare_ranked);
    return sorted[0].key;
}

swg_status swg_order_columns(const float *hessian, size_t k, size_t length, uint32_t *order,
                             uint32_t *piece_order)
{
    const size_t n_pieces = swg_ceil_div(k, length);
    swg_status status = SWG_OK;
    ranked *columns = NULL, *pieces = NULL;
    size_t at = 0;
    SWG_GO(SWG_NEW(columns, k));
    SWG_GO(SWG_NEW(pieces, n_pieces));
    for (size_t i = 0; i < n_pieces; i++) {
        const size_t begin = i * length, n = k - begin < length ? k - begin : length;
        const float largest = sort_columns(hessian, k, begin, n, columns + begin);
        pieces[i] = (ranked){largest, (uint32_t)i};
    }
    qsort(pieces, n_pieces, sizeof *pieces, compare_ranked);
    for (size_t i = 0; i < n_pieces; i++) {
        const size_t begin = pieces[i].index * length;
        piece_order[i] = pieces[i].index;
        for (size_t c = begin; c < k && c < begin + length; c++)
            order[at++] = columns[c].index;
    }
done:
    swg_free(pieces);
    swg_free(columns);
    return status;
}

/* --- Factor ----------------------------------------------------------------------------------- */

static swg_status check_hessian(const char *name, const float *hessian, size_t k)
{
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j <= i; j++) {
            const float a = hessian[i * k + j], b = hessian[j * k + i];
            if (!isfinite(a) || a != b || (i == j && a < 0))
                return swg_error(SWG_CORRUPT,
                                 "the input statistics of %s are %g and %g at [%zu, %zu]: not a "
                                 "matrix of second moments",
                                 name, (double)a, (double)b, i, j);
        }
    return SWG_OK;
}

/* Mean of the diagonal over columns that are not dead. */
static double mean_diagonal(const swg_second_order *so)
{
    double sum = 0;
    for (size_t i = 0; i < so->k; i++)
        sum += (double)so->hessian[i * so->k + i];
    const size_t n_live = so->k - so->n_dead;
    return n_live ? sum / (double)n_live : 1;
}

/* The damped Hessian in reversed processing order; only the lower triangle is filled. */
static void fill_reversed(const swg_second_order *so, double added, double *a)
{
    const size_t k = so->k;
    for (size_t i = 0; i < k; i++) {
        const size_t row = so->order[k - 1 - i];
        for (size_t j = 0; j < i; j++)
            a[i * k + j] = (double)so->hessian[row * k + so->order[k - 1 - j]];
        const double diagonal = (double)so->hessian[row * k + row];
        a[i * k + i] = diagonal > 0 ? diagonal + added : 1;
    }
}

/* U[i][j] = (L^-1)[k-1-i][k-1-j], as the inverse of J L J is J L^-1 J: the elements of `inverse`
 * in reverse. They become floats where they are, so that the factor takes no memory beside it. */
static swg_status store_factor(swg_second_order *so, double *inverse)
{
    const size_t k = so->k, n = k * k;
    float *factor = (float *)inverse;
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < k; j++) {
            const float value = j <= i ? (float)inverse[i * k + j] : 0;
            memcpy(factor + i * k + j, &value, sizeof value); /* where a double was */
        }
    for (size_t i = 0, j = n - 1; i < j; i++, j--) {
        const float kept = factor[i];
        factor[i] = factor[j];
        factor[j] = kept;
    }
    so->factor = swg_realloc(inverse, n, sizeof *so->factor);
    if (!so->factor)
        swg_free(inverse);
    return so->factor ? SWG_OK : SWG_NO_MEMORY;
}

static swg_status factorize(swg_second_order *so, const char *name, double damping)
{
    double *a = NULL;
    const size_t k = so->k;
    const swg_linalg *linalg = swg_linalg_get();
    const double mean = mean_diagonal(so);
    SWG_TRY(SWG_NEW_UNINIT(a, k * k));
    for (double relative = damping; relative <= SWG_DAMPING_MAX;
         relative = relative > 0 ? relative * 10 : 1e-6) {
        so->n_attempts++;
        so->damping = relative;
        fill_reversed(so, relative * mean, a);
        if (linalg->dpotrf(k, a, k) == SWG_OK && linalg->dtrtri(k, a, k) == SWG_OK)
            return store_factor(so, a);
    }
    swg_free(a);
    return swg_error(SWG_FAILED,
                     "the input statistics of %s are not positive definite, not even with %g of "
                     "their mean diagonal added",
                     name, so->damping);
}

swg_status swg_second_order_init(swg_second_order *out, const char *name, const float *hessian,
                                 size_t k, size_t group, double damping)
{
    swg_status status = SWG_OK;
    swg_second_order so = {
        .k = k, .group = group, .n_groups = swg_ceil_div(k, group), .hessian = hessian};
    SWG_GO(check_hessian(name, hessian, k));
    for (size_t i = 0; i < k; i++)
        so.n_dead += hessian[i * k + i] == 0;
    SWG_GO(SWG_NEW(so.order, k));
    SWG_GO(SWG_NEW(so.group_order, so.n_groups));
    SWG_GO(swg_order_columns(hessian, k, group, so.order, so.group_order));
    SWG_GO(factorize(&so, name, damping));
    *out = so;
    so = (swg_second_order){0};
done:
    swg_second_order_deinit(&so);
    return status;
}

void swg_second_order_deinit(swg_second_order *so)
{
    SWG_FREE(so->order);
    SWG_FREE(so->group_order);
    SWG_FREE(so->factor);
}

swg_status swg_second_order_share(swg_shared_factor *shared, const char *name, const float *hessian,
                                  size_t k, size_t group, double damping,
                                  const swg_second_order **out)
{
    char hash[SWG_HASH128_TEXT];
    swg_hash128_text(hessian, k * k * sizeof *hessian, hash);
    const bool is_same = shared->so.factor && shared->so.k == k && shared->so.group == group &&
                         shared->asked_damping == damping && strcmp(shared->hash, hash) == 0;
    if (!is_same) {
        swg_shared_factor_deinit(shared); /* its memory before that of the next */
        SWG_TRY(swg_second_order_init(&shared->so, name, hessian, k, group, damping));
        shared->asked_damping = damping;
        memcpy(shared->hash, hash, sizeof hash);
        shared->n_made++;
    }
    shared->so.hessian = hessian;
    *out = &shared->so;
    return SWG_OK;
}

void swg_shared_factor_deinit(swg_shared_factor *shared)
{
    swg_second_order_deinit(&shared->so);
}

void swg_second_order_loss(const swg_second_order *so, const float *d, size_t n_rows,
                           float *product, double *loss)
{
    const size_t k = so->k;
    swg_sgemm_nt(n_rows, k, k, d, k, so->hessian, k, product, k); /* H is symmetric */
    for (size_t r = 0; r < n_rows; r++) {
        double sum = 0;
        for (size_t c = 0; c < k; c++)
            sum += (double)d[r * k + c] * (double)product[r * k + c];
        loss[r] = sum;
    }
}
