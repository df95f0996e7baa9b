/* Codebooks: the sixteen int8 numbers that the codes of a matrix mean.
 *
 *     int8_t values[SWG_LEVELS];
 *     SWG_TRY(swg_codebook_fit(&job, importance, values));
 *
 * Fitting is exact for given scales: of all sets of sixteen int8 numbers the one with the least
 * weighted squared error, by dynamic programming over sorted weights (one-dimensional k-means; Wang
 * and Song 2011, with the centres restricted to integers). Scales of groups and numbers are
 * improved in turn; a scale of the whole matrix is the best of a few, each with its own best
 * numbers. */
#ifndef SWG_QUANTIZE_CODEBOOK_H
#define SWG_QUANTIZE_CODEBOOK_H

#include <stdbool.h>

#include "quantize/quantize.h"

/* Sums of weights in half steps of t: step s holds those with floor(2 t) = s - 256; what lies
 * beyond +-128 is in the first and last. */
typedef struct swg_level_moments {
    double w[SWG_LEVEL_STEPS], wt[SWG_LEVEL_STEPS], wtt[SWG_LEVEL_STEPS];
} swg_level_moments;

/* Add a number t with that weight. */
void swg_level_moments_add(swg_level_moments *moments, double t, double weight);

/* The sixteen numbers from -127 to 127, ascending, with the least sum of w (t - number)^2; among
 * equals those found first. `needs_zero`: 0 is one of them. Returns the sum. */
double swg_levels_best(const swg_level_moments *moments, bool needs_zero, int8_t out[SWG_LEVELS]);

/* Fit the codebook of a job's matrix to (at most about 2^18 of) its weights, columns weighed by
 * `importance` [cols] (NULL = all the same). With SWG_SEARCH_MATRIX all weights share a scale,
 * which *scale receives, 0 is one of the numbers, and the result is the best of k-means for that
 * scale; otherwise *scale becomes 0. The result does not depend on the number of threads.
 * SWG_CORRUPT and SWG_UNSUPPORTED as swg_quantize_tensor; SWG_NO_MEMORY, SWG_INTERRUPTED, or what
 * read_rows returns. */
swg_status swg_codebook_fit(const swg_quantize_job *job, const float *importance,
                            int8_t out[SWG_LEVELS], float *scale);

#endif
