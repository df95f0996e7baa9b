/* A low-rank adapter of a matrix that is not trained itself (Hu et al. 2021, "LoRA", arXiv
 * 2106.09685): the model computes with
 *
 *     W = W0 + s B A,   s = alpha / rank,   A [rank][cols], B [rows][rank]
 *
 * and only A and B are trained. From the rows x [n][cols] that enter the product and the gradient
 * dy [n][rows] by what leaves it, dA += s (dy B)^T x and dB += s dy^T (x A^T), without the gradient
 * of the whole matrix. Where that is needed anyway (a mask, codes), dA += s B^T dW and
 * dB += s dW A^T. A begins with normal numbers of deviation 1 / root of cols, B with 0, so that
 * training begins at W0. */
#ifndef SWG_DISTILL_ADAPTER_H
#define SWG_DISTILL_ADAPTER_H

#include "distill/adamw.h"
#include "runtime/base/status.h"

/* What is adapted, and how. */
typedef struct swg_adapter_options {
    size_t rank;                 /* 0 = no adapters: the weights themselves are trained */
    double alpha;                /* 0 = twice the rank */
    const char *const *patterns; /* names of matrices (swg_pattern_matches); n_patterns 0 = every
                                    matrix of every layer */
    size_t n_patterns;
    uint64_t seed;
} swg_adapter_options;

typedef struct swg_adapter {
    size_t rows, cols, rank;
    float scale;
    swg_adamw_numbers a, b;
} swg_adapter;

/* Ranks above min(rows, cols) are reduced to it. SWG_NO_MEMORY. */
swg_status swg_adapter_new(size_t rows, size_t cols, const swg_adapter_options *options,
                           uint64_t stream, swg_adapter **out);
void swg_adapter_free(swg_adapter **adapter); /* NULL inside is accepted */

/* Add the gradients that arrive at rows [first_row, first_row + n_rows) of the matrix, from a
 * product of x [n][cols] with them and dy [n][n_rows]. SWG_NO_MEMORY. */
swg_status swg_adapter_add(swg_adapter *adapter, size_t first_row, size_t n_rows, const float *x,
                           const float *dy, size_t n);

/* The same from the gradient dw [rows][cols] by the whole matrix. */
void swg_adapter_project(swg_adapter *adapter, const float *dw);

/* out [rows][cols] = w + s B A, and 0 where is_zero (may be NULL) says so. The pool may be NULL;
 * results do not depend on it. */
swg_status swg_adapter_merge(const swg_adapter *adapter, const float *w, const uint8_t *is_zero,
                             float *out, swg_pool *pool);

#endif
