/* The plan: what a recipe does to each tensor of a checkpoint, and in which order.
 *
 *     swg_plan plan;
 *     SWG_TRY(swg_plan_make(tensors, n, recipe, &plan));
 *     for (size_t i = 0; i < plan.n_entries; i++)
 *         write(&plan.entries[plan.order[i]]);
 *     swg_plan_deinit(&plan);
 *
 * Only matrices are ever compressed; vectors, masks and indices stay as they are, and so does a
 * matrix that would not get smaller, unless it was selected by name. */
#ifndef SWG_QUANTIZE_PLAN_H
#define SWG_QUANTIZE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quantize/quantize.h"
#include "quantize/recipe.h"
#include "runtime/arch/tensor_use.h"
#include "runtime/base/status.h"
#include "runtime/base/tensor.h"

/* Whether a tensor can be quantized at all: a matrix of F32, F16, BF16 or F64, or already of codes.
 */
bool swg_plan_is_matrix(const swg_tensor_desc *tensor);

/* Class of a tensor: as its architecture's rows say, or, where `use` is NULL or the architecture
 * does not know the tensor, by name and shape: matrices whose last name part starts with "weight",
 * of the class that the other parts tell. */
swg_plan_class swg_plan_class_of(const swg_tensor_desc *tensor, const swg_tensor_use *use);

typedef struct swg_plan_entry {
    swg_tensor_desc desc; /* as it will be stored; the name is the input's */
    swg_plan_class kind;
    bool is_quantized;       /* codes are chosen anew; false = the numbers stay as they are */
    swg_quant_method method; /* of quantized entries, with the rest of their settings */
    const int8_t *codebook;  /* fixed numbers of a scheme with a codebook; NULL = fitted */
    swg_scale_search search;
    const swg_parameter *parameters; /* of the method; the recipe's */
    size_t n_parameters;
    swg_sparsity sparsity; /* also of entries that are not quantized, with how zeros are chosen */
    const char *prune;     /* NULL = the first method of prune_methods.def */
    const swg_parameter *prune_parameters; /* the recipe's */
    size_t n_prune_parameters;
    swg_scheme dense;      /* what it is computed as: desc.scheme, unless that is a sparse format */
    size_t visit;          /* position in the order of use; SIZE_MAX = not known */
    const char *why;       /* a kept matrix: "router", "asked for", ...; "" otherwise */
} swg_plan_entry;

/* Whether the numbers of a tensor change. */
static inline bool swg_plan_entry_changes(const swg_plan_entry *entry)
{
    return entry->is_quantized || !swg_sparsity_is_dense(entry->sparsity);
}

typedef struct swg_plan {
    swg_plan_entry *entries; /* in the order of the input */
    size_t n_entries, n_quantized;
    size_t *order;          /* [n_entries]: the entry to write first, second, ... */
    uint64_t bytes;         /* of all planes of all tensors as they will be stored, uncompressed */
    uint64_t largest_bytes; /* most that one tensor takes, as read and as stored together */
} swg_plan;

/* Plan for `n` checked tensors. `uses` [n] is what swg_tensor_uses says of them; NULL where the
 * architecture is not known. Names and the recipe must outlive the plan. The order is that in which
 * the forward pass uses the weights, with vectors beside their matrices; tensors that the
 * architecture does not know come last, by name, with numbers in names compared as numbers
 * ("layers.2" before "layers.10"). Release with swg_plan_deinit. SWG_UNSUPPORTED when a tensor is
 * quantized already and neither kept nor allowed by the recipe's `requantize`, or nothing would
 * change; SWG_USAGE as swg_recipe_apply, and for an unknown method or parameter of a method;
 * SWG_NO_MEMORY. */
swg_status swg_plan_make(const swg_tensor_desc *tensors, size_t n, const swg_tensor_use *uses,
                         const swg_recipe *recipe, swg_plan *out);
/* A plan that quantizes nothing: every tensor in its own type, codes and blocks as the floats that
 * they mean, in the order of the input. SWG_NO_MEMORY. */
swg_status swg_plan_make_plain(const swg_tensor_desc *tensors, size_t n, swg_plan *out);
void swg_plan_deinit(swg_plan *plan); /* zero-initialised is accepted */

/* Store a tensor in another format than the dense one that it is computed in: `scheme`, with
 * n_stored elements of it (0 for formats that do not count). What swg_tensor_desc_check returns. */
swg_status swg_plan_store_as(swg_plan *plan, size_t entry, swg_scheme scheme, uint64_t n_stored);

#endif
