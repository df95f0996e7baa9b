/* What a checkpoint's tensors are for: the architecture's tensor rows, looked up by name.
 *
 * Compression uses it for planning: which tensors may be quantized or pruned, and in which order a
 * calibrated method must process them. */
#ifndef SWG_RUNTIME_ARCH_TENSOR_USE_H
#define SWG_RUNTIME_ARCH_TENSOR_USE_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/status.h"
#include "runtime/base/tensor.h"
#include "runtime/model.h"

typedef enum swg_use_kind {
    SWG_USE_UNKNOWN, /* the architecture has no such tensor: loading would refuse the checkpoint */
    SWG_USE_WEIGHT,  /* one weight, or several that share the tensor by rows */
    SWG_USE_BIAS,    /* the bias of such a weight */
    SWG_USE_IGNORED  /* occurs in checkpoints of this architecture; nothing reads it */
} swg_use_kind;

/* Fields below `kind` are those of weights and biases; zero otherwise. */
typedef struct swg_tensor_use {
    swg_use_kind kind;
    swg_role role; /* of the first weight, where several share the tensor */
    bool is_per_layer;
    size_t layer;        /* 0 for tensors outside layers */
    size_t expert;       /* of one expert's tensor; 0 for others and for stacked tensors */
    size_t order; /* position in the order in which a token's forward pass uses the weights; smaller
                     is earlier. Unknown and ignored tensors: SIZE_MAX */
    bool is_quantizable; /* linear weights, embeddings, output heads */
    bool is_prunable;    /* linear weights */
} swg_tensor_use;

/* What each of `n` tensors is for, in a checkpoint with that configuration (JSON text) and exactly
 * these tensors: out [n]. SWG_UNSUPPORTED or SWG_CORRUPT when the architecture is unknown or the
 * configuration contradicts itself, as for swg_hparams_read; SWG_NO_MEMORY. */
swg_status swg_tensor_uses(const char *config, size_t length, const swg_tensor_desc *tensors,
                           size_t n, swg_tensor_use *out);

/* What the output head's tensor is called, where a model of the architecture has one of its own;
 * false: it has none. */
enum { SWG_HEAD_NAME_BYTES = 256 };
bool swg_tensor_head_name(const swg_arch *arch, char out[SWG_HEAD_NAME_BYTES]);

#endif
