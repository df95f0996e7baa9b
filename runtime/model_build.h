/* Shared by the parts of the model: which weights there are, where each comes from, and where they
 * are in memory. Private to runtime/model*.c. */
#ifndef SWG_RUNTIME_MODEL_BUILD_H
#define SWG_RUNTIME_MODEL_BUILD_H

#include "runtime/arch/tensor_rows.h"
#include "runtime/backend/backend.h"
#include "runtime/backend/backend_weights.h"
#include "runtime/model.h"

/* Where a weight comes from: tensors of the source (SIZE_MAX = none) and which of their rows it
 * takes. In a bias or vector these are elements. */
struct swg_weight_origin {
    const swg_tensor_row *row;
    size_t tensor, bias;
    swg_row_range range;
    bool is_stacked; /* the tensor has the rows of all experts */
    swg_pages own;   /* of a replaced matrix; zero = it is in its layer's memory */
};

struct swg_layer_memory {
    swg_pages pages;
    bool is_loaded;
};

/* An empty model with that configuration; free with swg_model_free. `options` may be NULL. */
swg_status swg_model_begin(const char *config, size_t length, const swg_model_options *options,
                           swg_model **out);

/* The names of a classifier's labels, from the configuration (model_labels.c). */
swg_status swg_model_read_labels(swg_model *model, const char *config, size_t length);

/* Room for the weights of every role that the architecture has (model_weights.c). */
swg_status swg_model_make_table(swg_model *model);

/* The entry of a weight, whether the model has it or not, and its origin. */
swg_weight *swg_model_slot(swg_model *model, swg_role role, size_t layer, size_t expert);
swg_weight_origin *swg_model_origin(const swg_model *model, const swg_weight *weight);

/* How the backend stores matrices. */
const swg_backend_weights *swg_model_storage(const swg_model *model);

/* The scheme in which the backend holds matrices of that one: as it is, or expanded. */
swg_scheme swg_model_held_scheme(const swg_model *model, swg_scheme scheme);

/* A random matrix in a sparse format of codes: the codes that it stores of n x k weights when that
 * share of each row is kept, and filling it (model_random_sparse.c). */
uint64_t swg_model_random_stored(swg_scheme scheme, size_t n, size_t k, double density);
swg_status swg_model_random_fill_sparse(const swg_backend_weights *storage, const swg_weight *weight,
                                        double density, uint64_t seed);

static inline bool swg_weight_is_vector(const swg_weight *weight)
{
    return weight->vector != NULL;
}

/* Declare a weight of that scheme; vectors (k dimension SWG_DIM_ONE) and required biases get their
 * memory here, zeroed. SWG_UNSUPPORTED for schemes that cannot be computed with. */
swg_status swg_model_declare(swg_model *model, const swg_tensor_row *row, size_t layer,
                             size_t expert, swg_scheme scheme);
swg_status swg_model_declare_bias(swg_model *model, swg_weight *weight);

/* Rows [*first, *first + *n) of a plane of the matrix's tensor belong to the matrix. A plane whose
 * rows are not the tensor's (a codebook, packed values) can only belong to one matrix as a whole:
 * SWG_UNSUPPORTED where several weights share the tensor. */
swg_status swg_model_plane_rows(const swg_weight *weight, const swg_tensor_desc *desc,
                                uint64_t first_row, const swg_plane *plane, uint64_t *first,
                                uint64_t *n);

/* Visit the rows of a layer (n_layers = those outside layers) that this model has, in the order in
 * which a token's forward pass uses their weights: in table order, with runs of per-expert rows
 * expert by expert. Stops at the first failure. */
typedef swg_status swg_row_visitor(swg_model *model, const swg_tensor_row *row, size_t layer,
                                   size_t expert, void *context);
swg_status swg_model_visit(swg_model *model, size_t layer, swg_row_visitor *visit, void *context);

/* Reserve memory for the declared matrices of a layer and place them in it; release it, together
 * with that of replaced weights (model_memory.c). */
swg_status swg_model_reserve(swg_model *model, size_t layer);
void swg_model_unreserve(swg_model *model, size_t layer);

/* All matrices in that memory have been stored. */
swg_status swg_model_complete(swg_model *model, swg_pages *memory);

/* Find and declare the weights of the model's source: match the architecture's tensor rows with the
 * checkpoint's tensors, both ways (model_match.c). */
swg_status swg_model_match(swg_model *model);

/* Load the layers [begin, end) that are not loaded (model_load.c). */
swg_status swg_model_load_layers(swg_model *model, size_t begin, size_t end);

/* Apply the transform of the architecture's row to the values of a vector that is being loaded. */
void swg_model_transform(const swg_tensor_row *row, float *values, size_t n);

#endif
