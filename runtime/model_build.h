/* What loading a model and making up a random one share: which weights there are, how large, and
 * where they lie in memory. Private to runtime/model*.c. */
#ifndef SWG_RUNTIME_MODEL_BUILD_H
#define SWG_RUNTIME_MODEL_BUILD_H

#include "runtime/arch/arch.h"
#include "runtime/model.h"

/* An empty model of that configuration; free with swg_model_free. */
swg_status swg_model_begin(const char *config, size_t length, swg_model **out);

/* Size of a dimension under these hyper-parameters; recurrent ones depend on the layer. */
size_t swg_dim_size(const swg_hparams *hparams, swg_dim dim, size_t layer);

/* Whether models of this task have that tensor row, and whether its bias is due. */
bool swg_tensor_row_applies(const swg_model *model, const swg_tensor_row *row);
bool swg_tensor_row_has_bias(const swg_model *model, const swg_tensor_row *row);

/* The place of a weight, whether the model has it or not. */
swg_weight *swg_model_slot(swg_model *model, swg_role role, size_t layer);

/* Layers that a tensor row stands for: the model's, or 1. */
size_t swg_tensor_row_layers(const swg_model *model, const swg_tensor_row *row);

/* Name in the checkpoint: the pattern (up to "|") with the prefix in place of "{P}" and the layer
 * in place of "{L}". Returns the next pattern after "|", or NULL. */
enum { SWG_TENSOR_NAME_BYTES = 256 };
const char *swg_tensor_row_name(const char *pattern, const char *prefix, size_t layer,
                                char out[SWG_TENSOR_NAME_BYTES]);

/* Declare a weight of that scheme; vectors (k dimension SWG_DIM_ONE) and biases that are due get
 * their memory here, zeroed.
 * SWG_UNSUPPORTED for schemes that cannot be computed with. */
swg_status swg_model_declare(swg_model *model, const swg_tensor_row *row, size_t layer,
                             swg_scheme scheme);

/* Allocate the memory of all declared matrices, in visiting order. */
swg_status swg_model_allocate(swg_model *model);

#endif
