/* From one ratio for all matrices to a ratio for each, with the same number of zeros in total. */
#ifndef SWG_PRUNE_ALLOCATE_H
#define SWG_PRUNE_ALLOCATE_H

#include "prune/prune.h"

typedef struct swg_allocation_job {
    swg_source *source;
    const swg_plan *plan;             /* its entries with a ratio take part */
    const swg_calibration_text *text; /* NULL = none */
    swg_pool *pool;
    const swg_progress *progress;
} swg_allocation_job;

/* Whether the allocation of that name needs a text; false for NULL and names that there are not. */
bool swg_allocation_needs_text(const char *name);

/* Choose ratios by the allocation of that name (allocations.def), and add a rule for each matrix to
 * the recipe. SWG_USAGE when it needs a text and there is none, when the plan has patterns N:M,
 * which leave nothing to choose, or when matrices differ in their ratio or blocks; otherwise what
 * reading and calibration return. */
swg_status swg_allocate_sparsity(const char *name, const swg_allocation_job *job,
                                 swg_recipe *recipe);

/* --- For the authors of allocations ----------------------------------------------------------- */

/* The ratios of the entries that take part: ratios [plan->n_entries], `total` of their elements
 * become zero. */
typedef swg_status swg_allocate_function(const swg_allocation_job *job, double total,
                                         double *ratios);

#define SWG_ALLOCATION(name, needs, meaning) swg_allocate_function swg_allocate__##name;
#include "prune/allocations.def"
#undef SWG_ALLOCATION

/* No matrix loses more than this share of its weights. */
#define SWG_ALLOCATION_MOST 0.95

/* Run the unchanged model on the text and call `visit` with the weights [rows][cols] and statistics
 * of every matrix that takes part, layer by layer. */
typedef swg_status swg_allocation_visitor(void *context, size_t entry, size_t layer, const float *w,
                                          const swg_layer_stats *stats);
swg_status swg_allocation_visit(const swg_allocation_job *job, bool needs_hessians,
                                swg_allocation_visitor *visit, void *context);

#endif
