/* Which inputs of a linear layer can go, and what its weights become without them.
 *
 * With H = X^T X over the layer's inputs, removing the columns B of its weights W [n][k] changes
 * its outputs by tr(W_B H_BB W_B^T) if the others stay as they are, and by tr(W_B (H^-1_BB)^-1
 * W_B^T) if they are refitted by least squares, which is then W -= W_B (H^-1_BB)^-1 H^-1_B: H^-1 -=
 * H^-1_:B (H^-1_BB)^-1 H^-1_B: (the optimal brain surgeon with blocks: Hassibi and Stork 1992;
 * Kurtic et al. 2023, "ZipLM"). The cheapest blocks go first, a few at a time, with the errors of
 * all others known again after each round. */
#ifndef SWG_PRUNE_STRUCTURED_SELECT_H
#define SWG_PRUNE_STRUCTURED_SELECT_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/status.h"
#include "runtime/base/thread.h"

typedef struct swg_structure_job {
    const char *name;     /* of the weight, for messages */
    size_t n, k;          /* its shape */
    const float *hessian; /* [k][k] */
    size_t block;         /* neighbouring columns that go together; divides k */
    size_t family;        /* neighbouring blocks of which the same number goes; divides k / block */
    size_t remove_each;   /* that number, below `family` */
    bool refit;           /* the other weights make up for those that go */
    double damping;       /* of H, relative to its diagonal */
    swg_pool *pool;       /* NULL = the caller's thread alone */
} swg_structure_job;

/* Choose the blocks and clear their columns in w [n][k]; is_removed [k / block] marks them.
 * *error: what it changes in the outputs, relative to them (Frobenius norm). Needs 8 (k^2 + n k)
 * bytes. Results do not depend on the number of threads. SWG_FAILED when H is not finite;
 * SWG_NO_MEMORY, SWG_INTERRUPTED. */
swg_status swg_structure_choose(const swg_structure_job *job, float *w, bool *is_removed,
                                double *error);

/* The same for blocks that are chosen already (family and remove_each are not read). */
swg_status swg_structure_remove(const swg_structure_job *job, float *w, const bool *is_removed,
                                double *error);

#endif
