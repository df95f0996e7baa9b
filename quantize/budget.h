/* Dividing a budget: one candidate for each of many items, so that the sum of their costs is least
 * while the sum of their sizes stays within a limit. (Costs and sizes may change places: the least
 * size within a limit of cost.)
 *
 * Lagrange's multiplier gives the optimum among choices on the lower convex hulls of the items,
 * which misses the optimum by less than one item's step; what the limit leaves over is then spent
 * step by step where it saves most. */
#ifndef SWG_QUANTIZE_BUDGET_H
#define SWG_QUANTIZE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

typedef struct swg_allocation {
    size_t n_items, n_candidates;
    const double *costs, *sizes; /* [n_items][n_candidates], >= 0 and finite */
} swg_allocation;

/* choice [n_items] receives a candidate of each item. False when even the smallest candidates
 * exceed the limit: choice then holds those. Ties go to the lower index. */
bool swg_allocate(const swg_allocation *a, double limit, size_t *choice);

/* The same with few changes to a choice that is there, after sizes have changed a little: step by
 * step down where a byte costs least, then up as above. Item `fixed` keeps its own (SIZE_MAX: none
 * does). */
bool swg_allocation_repair(const swg_allocation *a, double limit, size_t fixed, size_t *choice);

double swg_allocation_sum(const swg_allocation *a, const double *of, const size_t *choice);

#endif
