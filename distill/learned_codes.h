/* A matrix that is trained through rounding: codes on grids whose scales (and zero points) are
 * trained too, as in "Learned Step Size Quantization" (Esser et al. 2020, arXiv 1902.08153).
 *
 * With weights w, scale s, zero point z and codes c = clamp(round(w / s) + z), the model computes
 * with y = s (c - z). Given dL/dy,
 *
 *     dL/dw = dL/dy   where the code is not clamped, or where the step leads back into the range
 *     dL/ds = sum over the group of dL/dy (c - z - w / s), where clamped dL/dy (c - z)
 *     dL/dz = -s times the sum of dL/dy where clamped
 *
 * The trained number of a scale is its logarithm: a rate means the same for small and large ones,
 * and the sign stays. Scales count as the stored type rounds them, zero points as integers. A group
 * whose scale is 0 stays zero. */
#ifndef SWG_DISTILL_LEARNED_CODES_H
#define SWG_DISTILL_LEARNED_CODES_H

#include <stdbool.h>
#include <stddef.h>

#include "quantize/plan.h"
#include "runtime/base/thread.h"

/* The numbers of the grids that are trained: first of every group the logarithm of the scale's
 * magnitude, then, of schemes with zero points, of every group the zero point as a fraction of the
 * largest code. */
typedef struct swg_learned_codes {
    const swg_plan_entry *entry;
    swg_pool *pool;
    size_t rows, cols, group, n_groups; /* groups of a row */
    float *computed;                    /* [rows][cols] what the codes mean */
    void *planes[SWG_PLANE_KINDS];      /* the codes, by kind, as they are written */
    size_t n_numbers;                   /* of the four arrays below */
    float *number, *gradient, *moment1, *moment2;
    swg_levels levels; /* of schemes with a codebook */
    float *row_scales; /* [rows] of schemes with 8-bit scales */
    signed char *sign; /* [rows * n_groups] of the scales */
} swg_learned_codes;

/* Grids of least error for the weights [rows][cols]; `entry` and the pool must outlive it. What
 * swg_quantize_tensor returns; SWG_UNSUPPORTED for entries in a sparse format. */
swg_status swg_learned_codes_new(const swg_plan_entry *entry, size_t rows, size_t cols,
                                 const float *weights, swg_pool *pool, swg_learned_codes **out);
void swg_learned_codes_free(swg_learned_codes **codes); /* NULL inside is accepted */

/* Take the grids of planes that are stored in the entry's dense scheme, instead of those of least
 * error. */
void swg_learned_codes_take(swg_learned_codes *codes, const void *const planes[SWG_PLANE_KINDS]);

/* Choose the codes of the weights on the grids as they are, and what they mean. */
swg_status swg_learned_codes_choose(swg_learned_codes *codes, const float *weights);

/* gradient [rows][cols] by what the codes mean becomes that by the weights, and that by the grids'
 * numbers is added up, each divided by the root of the group's elements times the largest code. */
void swg_learned_codes_reverse(swg_learned_codes *codes, const float *weights, float *gradient);

#endif
