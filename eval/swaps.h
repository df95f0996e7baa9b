/* Which weights hurt: the divergence from a base model when only some tensors of a compressed model
 * take the place of the base's, or when only these are restored.
 *
 * One model in memory is the host. Its tensors are replaced by floats that are read from either
 * checkpoint, so formats of weights do not matter; it reads a text in lockstep with the base. */
#ifndef SWG_EVAL_SWAPS_H
#define SWG_EVAL_SWAPS_H

#include "eval/lockstep.h"
#include "formats/formats.h"
#include "runtime/model.h"

typedef enum swg_swap_direction {
    SWG_SWAP_INTO_REF,  /* the base with tensors of the model: how much each alone costs */
    SWG_SWAP_INTO_MODEL /* the model with tensors of the base: how much restoring each gains */
} swg_swap_direction;

/* What is swapped at a time: a tensor with the biases of its weights, or all of a layer. */
typedef struct swg_swap {
    const char *name;   /* of the tensor, or "layer 3"; views of the swaps */
    int64_t layer;      /* -1 outside of layers */
    const char *kind;   /* "q_proj"; of layers "layer" */
    const char *scheme; /* of the model's tensor; of layers "" */
    uint64_t parameters;
    double kld, kld_standard_error; /* with the swap, nats per token */
    double sensitivity; /* into-ref: kld; into-model: what kld is less than without the swap */
} swg_swap;

typedef struct swg_swaps swg_swaps;

/* List what differs between both checkpoints, which must have the same tensors with the same
 * shapes; equal bytes in equal formats do not differ. `host` is the loaded model of `source`; it
 * and the sources must outlive the swaps. SWG_UNSUPPORTED, naming the tensor, for checkpoints that
 * do not match; SWG_CORRUPT, SWG_NO_MEMORY. */
swg_status swg_swaps_new(swg_model *host, swg_source *source, swg_source *base,
                         swg_swap_direction direction, bool by_layer, swg_swaps **out);
void swg_swaps_free(swg_swaps **swaps); /* NULL inside is accepted */

size_t swg_swaps_count(const swg_swaps *swaps);
swg_swap *swg_swaps_at(swg_swaps *swaps, size_t index);

/* Make the host the base (SWG_SWAP_INTO_REF); nothing for the other direction. */
swg_status swg_swaps_begin(swg_swaps *swaps);
/* Put a swap's tensors into the host, and take them out again. */
swg_status swg_swaps_apply(swg_swaps *swaps, size_t index);
swg_status swg_swaps_revert(swg_swaps *swaps, size_t index);

#endif
