/* The state of an execution. Private to runtime/. */
#ifndef SWG_RUNTIME_EXEC_STATE_H
#define SWG_RUNTIME_EXEC_STATE_H

#include "runtime/backend/backend.h"
#include "runtime/exec.h"
#include "runtime/forward.h"
#include "runtime/kvcache.h"

enum { SWG_MAX_SCRATCH_VALUES = 32 };

struct swg_exec {
    const swg_model *model;
    swg_pool *pool;
    swg_exec_options options; /* defaults resolved */
    const swg_backend *backend;
    void *backend_state;
    swg_kvcache cache;
    size_t position;    /* tokens read before this chunk */
    float *state;       /* recurrent models: [n_layers][2][widest]: h and c of every layer */
    float *state_gates; /* [4 * widest]: the state's share of one step's gates */
    size_t widest;      /* units of the widest recurrent layer */

    /* The chunk under way. */
    const int32_t *ids, *types; /* types NULL = all 0 */
    size_t n_tokens;
    size_t n_rows;       /* rows that operations work on: n_tokens until swg_keep_outputs */
    size_t first_logits; /* first token of the chunk whose logits are wanted; n_tokens = none */
    float *logits;       /* [rows kept][n_outputs] */

    /* Scratch values, handed out in call order. */
    swg_value values[SWG_MAX_SCRATCH_VALUES];
    size_t n_values, next_value;
};

#endif
