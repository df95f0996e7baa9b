/* What an architecture's tensor rows mean for given hyper-parameters: which rows a model has, the
 * sizes of their weights, the names of their tensors. Private to runtime/. */
#ifndef SWG_RUNTIME_ARCH_TENSOR_ROWS_H
#define SWG_RUNTIME_ARCH_TENSOR_ROWS_H

#include "runtime/arch/arch.h"

/* Size of a dimension; recurrent layers' dimensions depend on the layer. */
size_t swg_dim_size(const swg_hparams *hparams, swg_dim dim, size_t layer);

/* Whether models of this task have that tensor row, and whether its bias must be there. */
bool swg_tensor_row_applies(const swg_hparams *hparams, const swg_tensor_row *row);
bool swg_tensor_row_has_bias(const swg_hparams *hparams, const swg_tensor_row *row);

/* How many layers, and how many experts in each, have a weight of that role: 1 where the role is
 * not per layer, or not per expert. */
size_t swg_role_layers(const swg_hparams *hparams, swg_role role);
size_t swg_role_experts(const swg_hparams *hparams, swg_role role);

/* Which rows of its tensor are a row's weight: n_rows from first_row on, of the total_rows of all
 * weights that share the tensor. (In a stacked tensor, these are the rows of one expert.) */
typedef struct swg_row_range {
    size_t first_row, n_rows, total_rows;
} swg_row_range;
swg_row_range swg_tensor_row_range(const swg_arch *arch, const swg_hparams *hparams,
                                   const swg_tensor_row *row, size_t layer);

/* Position in the order in which a token's forward pass uses the weights: the order of the table,
 * except that each run of per-layer rows is visited layer by layer and, within it, each run of
 * per-expert rows expert by expert. Smaller is earlier. */
size_t swg_tensor_row_order(const swg_arch *arch, const swg_hparams *hparams,
                            const swg_tensor_row *row, size_t layer, size_t expert);

/* The end of the run of consecutive rows from `row` on that are visited together, expert by expert:
 * more than that row only if it is per expert. */
size_t swg_expert_run_end(const swg_arch *arch, size_t row);

/* Name in the checkpoint: the pattern (up to "|") with the prefix in place of "{P}", the layer in
 * place of "{L}" and the expert in place of "{E}". Returns the next pattern after "|", or NULL. */
enum { SWG_TENSOR_NAME_BYTES = 256 };
const char *swg_tensor_row_name(const char *pattern, const char *prefix, size_t layer,
                                size_t expert, char out[SWG_TENSOR_NAME_BYTES]);

/* Whether that pattern (up to "|") of a role with a weight per expert names one tensor for all
 * experts of a layer: it has no "{E}", and the tensor one more dimension in front. */
bool swg_tensor_pattern_is_stacked(swg_role role, const char *pattern);

/* The value of "{P}" in a checkpoint: the first of the architecture's prefixes with which the first
 * row's tensor exists (as has_tensor tells), or the very first when it exists with none. */
const char *swg_arch_choose_prefix(const swg_arch *arch,
                                   bool (*has_tensor)(const void *context, const char *name),
                                   const void *context);

/* Whether that pattern (up to "|") matches `name`, and for which layer and expert (0 where it has
 * none). Numbers have no leading zeros: "0", "12", not "012". */
bool swg_tensor_row_matches(const char *pattern, const char *prefix, const char *name,
                            uint64_t *layer, uint64_t *expert);

/* What a tensor of a checkpoint is. */
typedef struct swg_named_row {
    const swg_tensor_row *row;
    const char *pattern; /* of the row's patterns, the one that matches (up to "|") */
    bool is_bias;        /* of the row's weight */
    size_t layer, expert;
} swg_named_row;

/* The row whose weight or bias has that name; false: no row that models of this task have. */
bool swg_tensor_row_find(const swg_arch *arch, const swg_hparams *hparams, const char *prefix,
                         const char *name, swg_named_row *out);

/* The name of that weight or bias under another pattern, prefix and layer. */
void swg_named_row_name(const swg_named_row *named, const char *pattern, const char *prefix,
                        size_t layer, char out[SWG_TENSOR_NAME_BYTES]);

/* "a.weight" -> "a.bias", "a.weight_ih_l0" -> "a.bias_ih_l0", "a.gamma" -> "a.beta"; patterns (up
 * to "|") are treated like names. */
void swg_tensor_bias_name(const char *weight_name, char out[SWG_TENSOR_NAME_BYTES]);

#endif
