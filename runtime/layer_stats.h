/* Calibration statistics of the inputs of one linear layer, with which methods weight errors.
 *
 * All pointers are views: the collector of the statistics owns the arrays and keeps them until the
 * calls that were given the struct have returned. An array that was not collected is NULL. */
#ifndef SWG_RUNTIME_LAYER_STATS_H
#define SWG_RUNTIME_LAYER_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct swg_layer_stats {
    const char *name;       /* of the weight's tensor, for messages */
    size_t k;               /* inputs of the layer = columns of its weight */
    uint64_t n_tokens;      /* rows of x that were seen */
    const float *hessian;   /* [k][k] X^T X, the sum over all rows, symmetric, undamped */
    const double *mean_abs; /* [k] mean |x| */
    const double *mean_square; /* [k] mean x^2; times n_tokens it is the hessian's diagonal */
    /* Of two models that read the same text, where x' is the input that the other one gives to the
     * same layer (paired_calibration.h). NULL unless both ran. */
    const float *input_shift;  /* [k][k] sum over all rows of (x' - x)^T x; NULL where
                                  stream_shift holds both */
    const float *stream_shift; /* [n][k] sum over all rows of (r' - r)^T x, where r [n] is what the
                                  layer's output is added to or, without input_shift, the result of
                                  that, r + W x; NULL where it is not added to anything */
    size_t n_stream;           /* n of stream_shift */
} swg_layer_stats;

/* The importance of each column, mean x^2, as float [k]: the mean squared error, per token and
 * output, that an error of 1 in a weight of that column causes in the layer's output. Taken from
 * mean_square, or else from the diagonal of the hessian. False (nothing written) when neither was
 * collected. */
bool swg_layer_stats_importance(const swg_layer_stats *stats, float *out);

#endif
