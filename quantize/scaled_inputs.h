/* The inputs of a model's layers whose channels can be divided by scales s, the columns of the
 * matrices that consume them being multiplied by s: what transforms awq and smoothquant share. The
 * division is folded into what produces the input: a norm's weight (and bias), before query, key
 * and value or gate and up; or, before a gated feed-forward network's last matrix, the rows of the
 * matrix that the gate multiplies. Scaling values for the output projection is left out: heads that
 * share a value could not have scales of their own. */
#ifndef SWG_QUANTIZE_SCALED_INPUTS_H
#define SWG_QUANTIZE_SCALED_INPUTS_H

#include "quantize/transforms.h"

enum { SWG_SCALED_MAX_CONSUMERS = 3 };

typedef struct swg_scaled_input {
    size_t consumers[SWG_SCALED_MAX_CONSUMERS], n, k;
    float *map; /* [k]: 1 / s, 1 until it is fitted */
} swg_scaled_input;

typedef struct swg_scaled_inputs {
    swg_scaled_input *inputs;
    size_t n;
} swg_scaled_inputs;

/* The `open` of such a transform: *state is a swg_scaled_inputs of the place's arena.
 * SWG_UNSUPPORTED for models without a norm before the layers; SWG_NO_MEMORY. */
swg_status swg_scaled_inputs_open(const swg_transform_place *place, swg_folds *folds, void **state);

/* Its `fit`: what chooses the scales of one input, applied to all in turn. */
typedef swg_status swg_fit_scaled_input(const swg_transform_place *place,
                                        const swg_transform_means *means, swg_scaled_input *in);
swg_status swg_scaled_inputs_fit(const swg_transform_place *place, const swg_transform_means *means,
                                 void *state, swg_fit_scaled_input *fit_input);

#endif
