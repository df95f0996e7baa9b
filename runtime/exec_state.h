/* The state of an execution: what it runs, and the current batch of rows. This is what backends see
 * of an execution. Private to runtime/. */
#ifndef SWG_RUNTIME_EXEC_STATE_H
#define SWG_RUNTIME_EXEC_STATE_H

#include "runtime/backend/backend.h"
#include "runtime/exec.h"
#include "runtime/exec_profile.h"
#include "runtime/forward.h"
#include "runtime/kvcache.h"

/* Consecutive rows of a batch that are consecutive positions of one sequence. */
typedef struct swg_span {
    size_t row, n;   /* rows [row, row + n) of the batch */
    size_t sequence; /* < options.sequences */
    size_t position; /* of the first row */
    size_t length;   /* known positions of the text: >= position + n */
} swg_span;

/* The rows that are computed together, at most options.chunk. A sequence has at most one span. */
typedef struct swg_batch {
    bool is_whole; /* begin, all layers and end are computed, not a part of them */
    size_t n;
    int32_t *ids, *types; /* [n] */
    size_t *positions;    /* [n] */
    swg_span *spans;      /* in row order, without gaps */
    size_t n_spans;
    size_t *kept; /* rows whose logits are wanted, ascending */
    size_t n_kept;
} swg_batch;

/* One sequence: how many positions its cache or state has read. */
typedef struct swg_sequence {
    size_t position;
    uint64_t step; /* the last step that included it */
} swg_sequence;

struct swg_exec {
    const swg_model *model;
    swg_pool *pool;
    swg_exec_options options; /* defaults filled in */
    const swg_backend *backend;
    void *backend_state;
    swg_profile *profile;    /* what times the operations; usually NULL */
    swg_sequence *sequences; /* [options.sequences] */
    uint64_t n_steps;
    swg_batch batch;
    swg_value x;       /* [chunk][widest row between layers] */
    swg_value *values; /* the architecture's scratch values */
    const void *product; /* the value whose contents are the output of a single product, as it was
                            computed; for the observer */
    /* Of the layer in progress: where it resumes, whether it has yet to come there, and how many
     * products and sums are behind. */
    swg_layer_point from, point;
    bool is_resuming;
};

/* The cache that the execution's sequences need: encoders reuse one layer's memory for the next. */
swg_kvcache_shape swg_exec_cache_shape(const swg_exec *exec);

#endif
