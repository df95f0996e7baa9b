/* A model in memory: hyper-parameters and weights, ready to run.
 *
 *     swg_source *source; swg_model *model;
 *     SWG_TRY(swg_source_open("model.swg", NULL, &source));
 *     SWG_TRY(swg_model_load(source, NULL, &model));   // the source may be closed now
 *
 * A model that does not fit memory, or that is changed layer by layer, is opened instead, and its
 * layers are loaded and released one by one; the source must stay open as long as layers are loaded
 * from it:
 *
 *     SWG_TRY(swg_model_open(source, NULL, &model));   // all weights declared, none loaded
 *     for (size_t layer = 0; layer < n_layers; layer++) {
 *         SWG_TRY(swg_model_load_layer(model, layer));
 *         ...                                          // run it, or replace its weights
 *         swg_model_release_layer(model, layer);
 *     }
 *
 * Weights are owned by the model, in the layout of the backend that it is loaded for. The weights
 * of a layer are in one region of memory, in the order in which a token's forward pass uses them,
 * and those outside layers (embeddings, head) in another. A model may serve several executions
 * (exec.h) at once; while one is running, layers must not be loaded or released, nor weights
 * replaced. */
#ifndef SWG_RUNTIME_MODEL_H
#define SWG_RUNTIME_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/formats.h"
#include "runtime/base/mem.h"
#include "runtime/base/progress.h"
#include "runtime/base/status.h"
#include "runtime/base/thread.h"
#include "runtime/hparams.h"
#include "runtime/roles.h"

/* One weight. n = 0 says that the model does not have it. A matrix [n, k] is prepared by the
 * backend, in `memory` of the backend's own layout; a vector has n = its length, k = 1 and F32
 * values in `vector`. */
typedef struct swg_weight {
    swg_role role;
    size_t layer, expert; /* 0 where the role has none */
    const char *tensor;   /* name of the tensor that it comes from; NULL = generated */
    uint64_t first_row;   /* of its n rows there (counting all experts' in a 3-D tensor) */
    swg_scheme scheme;
    size_t n, k;         /* [n_out, k_in] */
    uint64_t n_stored;   /* codes of sparse formats; 0 for others */
    void *memory;        /* matrices: the backend's; NULL while its layer is not loaded */
    size_t bytes;        /* in memory, when loaded */
    const float *vector; /* [n], vectors */
    const float *bias;   /* [n], or NULL */
} swg_weight;

typedef struct swg_backend swg_backend; /* runtime/backend/backend.h */
typedef struct swg_weight_origin swg_weight_origin;
typedef struct swg_layer_memory swg_layer_memory;

typedef struct swg_model {
    const swg_arch *arch;
    swg_hparams hparams;
    const swg_backend *backend;
    swg_weight *weights; /* [n_weights], by role, layer and expert; see swg_model_weight */
    size_t n_weights;
    const char *const *labels; /* [n_labels] names of a classifier's labels ("id2label"), or NULL */
    uint64_t n_parameters;
    uint64_t revision;   /* changes whenever weights are loaded, replaced or released */
    double load_s;       /* seconds spent loading so far */
    uint64_t load_bytes; /* canonical (decompressed) bytes loaded so far */

    /* Private to runtime/model*.c. */
    size_t first_weight[SWG_ROLE_COUNT + 1];
    swg_weight_origin *origins; /* [n_weights] */
    swg_layer_memory *layers;   /* [n_layers + 1]; the last is for weights outside layers */
    swg_arena small;            /* vectors, biases and tables */
    swg_source *source;         /* what layers are loaded from; NULL after swg_model_load */
    swg_pool *pool;
    const swg_progress *progress;
} swg_model;

/* How a model is opened. Filled by swg_model_options_default, or {.size = sizeof options, ...}. */
typedef struct swg_model_options {
    size_t size;                  /* of this struct */
    swg_pool *pool;               /* default NULL: the caller's thread */
    const swg_progress *progress; /* default NULL: none */
    const char *backend; /* by name (backend/backends.def), or "auto": a GPU if there is one,
                            the processors if not; default NULL: the first row */
    const swg_arch *const *archs; /* architectures to choose from, NULL-terminated, which must
                                     outlive the model; default NULL: all that swage has */
    bool without_head;            /* default false. Of an encoder, leave out the head that the
                                     configuration names, whether or not the checkpoint has it: the
                                     output is what the last layer gives (SWG_OUTPUT_HIDDEN_STATE) */
    double random_density;        /* of swg_model_random in a sparse scheme: the share of weights
                                     that are kept; default 0: 0.5 */
} swg_model_options;
swg_model_options swg_model_options_default(void);

/* Load all weights. `options` may be NULL (all defaults); SWG_USAGE when its size is not this
 * struct's. SWG_UNSUPPORTED for unknown architectures and tensors, SWG_CORRUPT when configuration
 * and tensors contradict each other. */
swg_status swg_model_load(swg_source *source, const swg_model_options *options, swg_model **out);

/* The same without loading anything: every weight is declared, with its shape, scheme and source.
 * The source, the pool and the progress must outlive the model. */
swg_status swg_model_open(swg_source *source, const swg_model_options *options, swg_model **out);

/* Load the weights of a layer; `layer` = n_layers means those outside layers. A layer that is
 * loaded stays as it is. SWG_CORRUPT for stored bytes that do not match their hash, SWG_NO_MEMORY:
 * the layer is then not loaded. SWG_USAGE when the model has no source to load from. */
swg_status swg_model_load_layer(swg_model *model, size_t layer);

/* Release the memory of a layer's matrices; replaced weights revert to those of the source. A model
 * without a source (swg_model_load, swg_model_random) cannot load the layer again. */
void swg_model_release_layer(swg_model *model, size_t layer);

bool swg_model_has_layer(const swg_model *model, size_t layer); /* whether it is loaded */

/* Replace the values of a weight of a loaded layer: `desc` says how they are stored (the scheme may
 * differ from the old one; the name does not matter) and must have the weight's shape, [n, k] or,
 * for a vector, [n]; `planes` are its planes by kind, which are copied. The bias stays. SWG_USAGE
 * for another shape or a layer that is not loaded, SWG_UNSUPPORTED for schemes that the backend
 * cannot compute with, SWG_NO_MEMORY: the weight is then unchanged. */
swg_status swg_model_replace(swg_model *model, const swg_weight *weight,
                             const swg_tensor_desc *desc, const void *const planes[SWG_PLANE_KINDS]);

/* The same for all weights that come from the tensor called desc->name, whose rows they share; desc
 * has the shape of that tensor. SWG_USAGE, naming the tensor, when there are none. */
swg_status swg_model_replace_tensor(swg_model *model, const swg_tensor_desc *desc,
                                    const void *const planes[SWG_PLANE_KINDS]);

/* The tensor of the source that a weight's bias is from (its rows begin at weight->first_row
 * there), or SIZE_MAX where it has none; and another bias of the same n values, which are copied.
 */
size_t swg_model_bias_tensor(const swg_model *model, const swg_weight *weight);
void swg_model_replace_bias(swg_model *model, const swg_weight *weight, const float *values);

/* The weight of a role (layer 0 for roles outside layers), or NULL when this model has none. A tied
 * head's weight is the embedding. */
const swg_weight *swg_model_weight(const swg_model *model, swg_role role, size_t layer);

/* The same for an expert of a layer. */
const swg_weight *swg_model_expert(const swg_model *model, swg_role role, size_t layer,
                                   size_t expert);

/* Bytes of weights that are read to decode one token: every matrix once, but only a row of an
 * untied embedding and only the experts that a token uses. */
uint64_t swg_model_bytes_per_token(const swg_model *model);

/* Twice the number of multiply-adds with matrices per token. */
uint64_t swg_model_ops_per_token(const swg_model *model);

/* A model with that configuration (JSON text) and random weights, every matrix in `scheme`, without
 * any file, for measuring speed. A sparse scheme of codes is that of the layers' matrices; the
 * others are dense. The same seed gives the same weights. SWG_LIMIT when they are
 * larger than the machine's memory. */
swg_status swg_model_random(const char *config, size_t length, swg_scheme scheme, uint64_t seed,
                            const swg_model_options *options, swg_model **out);

void swg_model_free(swg_model **model); /* NULL inside is accepted */

/* SWG_UNSUPPORTED, with a sentence that names the architecture and `what` ("perplexity"), unless
 * the model is autoregressive. */
swg_status swg_model_must_continue(const swg_model *model, const char *what);

#endif
