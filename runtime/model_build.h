/* What loading a model and making up a random one share: which weights there are, how large, and
 * where they lie in memory. Private to runtime/model*.c. */
#ifndef SWG_RUNTIME_MODEL_BUILD_H
#define SWG_RUNTIME_MODEL_BUILD_H

#include "runtime/arch/tensor_rows.h"
#include "runtime/model.h"

/* An empty model of that configuration; free with swg_model_free. */
swg_status swg_model_begin(const char *config, size_t length, swg_model **out);

/* The place of a weight, whether the model has it or not. */
swg_weight *swg_model_slot(swg_model *model, swg_role role, size_t layer);

/* Declare a weight of that scheme; vectors (k dimension SWG_DIM_ONE) and biases that are due get
 * their memory here, zeroed.
 * SWG_UNSUPPORTED for schemes that cannot be computed with. */
swg_status swg_model_declare(swg_model *model, const swg_tensor_row *row, size_t layer,
                             swg_scheme scheme);

/* Allocate the memory of all declared matrices, in visiting order. */
swg_status swg_model_allocate(swg_model *model);

#endif
