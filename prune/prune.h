/* Pruning: which weights of a matrix become zero, and what becomes of the others.
 *
 *     swg_prune_job job = {.name = "q_proj.weight", .rows = n, .cols = k,
 *                          .sparsity = {.ratio = 0.5}, .stats = stats};
 *     SWG_TRY(swg_prune_tensor(SWG_PRUNE_sparsegpt, &job, w, is_zero));
 *
 * The number of zeros depends on the sparsity, the method's scope and the shape alone, so that
 * files can be planned before any work: of each row (or row of blocks) or of the whole matrix
 * floor(count * ratio) weights (or blocks) are removed, of an N:M pattern M - N of every M
 * neighbours. Weights that are 0 already are removed first, and are still 0 afterwards where there
 * are more of them. Results do not depend on the number of threads; those of magnitude not on the
 * instruction set either. */
#ifndef SWG_PRUNE_PRUNE_H
#define SWG_PRUNE_PRUNE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quantize/checkpoint.h"
#include "quantize/recipe.h"
#include "runtime/base/status.h"
#include "runtime/base/thread.h"
#include "runtime/layer_stats.h"

typedef enum swg_prune_method {
#define SWG_PRUNE_METHOD(name, needs, scope, rest, parameters, meaning) SWG_PRUNE_##name,
#include "prune/prune_methods.def"
#undef SWG_PRUNE_METHOD
    SWG_PRUNE_METHOD_COUNT
} swg_prune_method;

/* What weights are compared with. */
typedef enum swg_prune_scope { SWG_PRUNE_BY_ROW, SWG_PRUNE_BY_MATRIX } swg_prune_scope;

const char *swg_prune_method_name(swg_prune_method method);
bool swg_prune_method_needs_stats(swg_prune_method method);
swg_prune_scope swg_prune_method_scope(swg_prune_method method);

/* Method of that name (NULL = the first); SWG_USAGE, naming the nearest or else all, when there is
 * none. */
swg_status swg_prune_method_find(const char *name, swg_prune_method *out);

/* SWG_USAGE for parameters that the method does not have or that are out of range. */
swg_status swg_prune_method_check(swg_prune_method method, const swg_parameter *parameters,
                                  size_t n);

/* Whether a matrix [rows][cols] can have that sparsity: the pattern's M divides the columns, blocks
 * divide the rows. SWG_USAGE, naming `name` and the numbers, otherwise. */
swg_status swg_sparsity_check(swg_sparsity sparsity, const char *name, uint64_t rows,
                              uint64_t cols);

/* How many weights of such a matrix become zero. */
uint64_t swg_sparsity_zeros(swg_sparsity sparsity, swg_prune_scope scope, uint64_t rows,
                            uint64_t cols);

/* --- One matrix ------------------------------------------------------------------------------- */

typedef struct swg_prune_job {
    const char *name; /* for messages */
    size_t rows, cols;
    swg_sparsity sparsity;           /* not dense, and possible for this shape */
    const swg_parameter *parameters; /* [n_parameters] of the method */
    size_t n_parameters;
    const swg_layer_stats *stats; /* of the layer's inputs, k = cols; NULL where not needed */
    swg_pool *pool;               /* NULL = the caller's thread alone */
} swg_prune_job;

/* Prune w [rows][cols] in place; is_zero [rows][cols], all false before, marks what was removed.
 * Needs 8 bytes of scratch per weight, sparsegpt 4 k^2 and 4 n k more. SWG_CORRUPT for weights that
 * are not finite; SWG_FAILED when statistics are missing or of another number of columns;
 * SWG_NO_MEMORY; SWG_INTERRUPTED. */
swg_status swg_prune_tensor(swg_prune_method method, const swg_prune_job *job, float *w,
                            bool *is_zero);

/* --- Checkpoints ------------------------------------------------------------------------------ */

/* The pruner for swg_quantize_options: does what the plan's entries say. */
extern const swg_pruner swg_pruner_by_table;

/* Check what a plan wants pruned, before any work: methods, parameters, shapes; statistics if
 * `is_calibrated`. SWG_USAGE, naming the tensor. */
swg_status swg_prune_check_plan(const swg_plan *plan, bool is_calibrated);

/* Store each pruned matrix in the format that takes the fewest bytes, which may be the dense one.
 */
swg_status swg_prune_choose_storage(swg_plan *plan);

/* --- For the authors of methods --------------------------------------------------------------- */

/* Say in a notice that the input statistics of a weight needed more damping than was asked for. */
void swg_prune_note_damping(const char *name, double asked, double used);

/* A method: as swg_prune_tensor, of a checked job. */
typedef swg_status swg_prune_function(const swg_prune_job *job, float *w, bool *is_zero);

#define SWG_PRUNE_METHOD(name, needs, scope, rest, parameters, meaning)                            \
    swg_prune_function swg_prune__##name;
#include "prune/prune_methods.def"
#undef SWG_PRUNE_METHOD

#endif
