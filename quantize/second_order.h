/* The second-order view of a linear layer's input: in which order to quantize or prune columns,
 * and how those that follow compensate an error in one.
 *
 * With H = X^T X over the calibration rows, a layer's output error is tr(D H D^T) for a change D of
 * its weights [n, k]. Fixing columns one after the other, the optimal correction of the columns not
 * yet fixed is read from U, the upper triangular factor of the inverse, H^-1 = U^T U:
 *     e = (w[i] - q[i]) / U[i][i],   w[j] -= e U[i][j]   for j > i
 * (Frantar et al. 2022, "GPTQ", arXiv 2210.17323). The order is group-aware: whole groups by their
 * largest diagonal element of H, columns within a group likewise (arXiv 2505.14638), so that groups
 * stay together and the stored matrix needs no permutation. */
#ifndef SWG_QUANTIZE_SECOND_ORDER_H
#define SWG_QUANTIZE_SECOND_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/hash.h"
#include "runtime/base/status.h"

typedef struct swg_second_order {
    size_t k, group, n_groups; /* columns; columns per group (the last may be short) */
    const float *hessian;      /* [k][k], symmetric, undamped; a view of the caller's */
    uint32_t *order;           /* [k]: the column that is fixed i-th */
    uint32_t *group_order;     /* [n_groups]: the group that is fixed i-th */
    float *factor;             /* [k][k]: U in processing order, zero below the diagonal */
    double damping;            /* what was added to the diagonal, relative to its mean */
    size_t n_dead;             /* columns whose input was always zero */
    unsigned n_attempts;       /* factorizations until one succeeded; 1 = with the damping given */
} swg_second_order;

/* The group-aware order of pieces of `length` columns (the last may be short), for a symmetric
 * hessian [k][k]: order [k], piece_order [ceil(k / length)]. */
swg_status swg_order_columns(const float *hessian, size_t k, size_t length, uint32_t *order,
                             uint32_t *piece_order);

/* Damping relative to the mean of the diagonal; a factorization that fails is tried again with ten
 * times as much, up to SWG_DAMPING_MAX. */
#define SWG_DAMPING_DEFAULT 0.01
#define SWG_DAMPING_MAX     1.0

/* Factorize. `hessian` [k][k] must outlive the result, be symmetric and finite (SWG_CORRUPT, naming
 * `name` and the element, otherwise); `group` is 1 to k. Columns with a zero diagonal get a unit
 * diagonal: their weights are rounded without any correction. SWG_FAILED when no damping up to the
 * maximum makes it positive definite; SWG_NO_MEMORY. Needs 8 k^2 bytes while it runs, holds 4 k^2.
 * Release with swg_second_order_deinit. */
swg_status swg_second_order_init(swg_second_order *out, const char *name, const float *hessian,
                                 size_t k, size_t group, double damping);
void swg_second_order_deinit(swg_second_order *so); /* zero-initialised is accepted */

/* The factorization made last, kept for the next matrix with the same input: query, key and value,
 * gate and up. Zero-initialised to begin with. */
typedef struct swg_shared_factor {
    swg_second_order so;
    double asked_damping;
    char hash[SWG_HASH128_TEXT]; /* of the Hessian */
    unsigned n_made;
} swg_shared_factor;

/* As swg_second_order_init, unless the last factorization was of the same numbers: then it is
 * taken. *out is valid until the next call or deinit. */
swg_status swg_second_order_share(swg_shared_factor *shared, const char *name, const float *hessian,
                                  size_t k, size_t group, double damping,
                                  const swg_second_order **out);
void swg_shared_factor_deinit(swg_shared_factor *shared);

/* tr(D H D^T) of `n_rows` rows d [n_rows][k], row by row into loss [n_rows]. `product`
 * [n_rows][k] is scratch and holds D H afterwards. */
void swg_second_order_loss(const swg_second_order *so, const float *d, size_t n_rows,
                           float *product, double *loss);

#endif
