/* A model that predicts: its forward pass over windows of tokens, without gradients. What leaves
 * the last layer is kept, and logits are computed from it a few rows at a time: they are long. */
#ifndef SWG_DISTILL_PREDICTOR_H
#define SWG_DISTILL_PREDICTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/exec.h"

/* What is kept of all layers. */
typedef enum swg_predictor_keeps {
    SWG_PREDICTOR_KEEPS_ROWS = 1,
    SWG_PREDICTOR_KEEPS_SCORES = 2
} swg_predictor_keeps;

typedef struct swg_predictor {
    swg_exec *exec;
    size_t batch, window, n_layers, width; /* columns of what leaves the last layer */
    float **rows;  /* [n_layers + 1], each [batch * window][width]: what enters a layer; of the last
                      two unless all are kept */
    float *memory; /* of the rows */
    swg_scored *scored;    /* [n_layers] copies of queries and keys; NULL unless they are kept */
    swg_observer observer; /* that copies them */
    swg_status status;     /* its own */
} swg_predictor;

/* For up to `batch` windows at a time; `keeps` are swg_predictor_keeps or 0. The model and the pool
 * (may be NULL) must outlive it, and it must stay where it is. SWG_NO_MEMORY; what swg_exec_new
 * returns. */
swg_status swg_predictor_init(swg_predictor *predictor, const swg_model *model, swg_pool *pool,
                              size_t batch, size_t window, unsigned keeps);
void swg_predictor_deinit(swg_predictor *predictor); /* zero-initialised is accepted */

/* *out = what leaves the last layer for windows ids [n][window]: [n][window][width], until the next
 * call. */
swg_status swg_predictor_run(swg_predictor *predictor, const int32_t *ids, size_t n,
                             const float **out);

/* logits [n][vocabulary] of n such rows. */
swg_status swg_predictor_logits(swg_predictor *predictor, const float *rows, size_t n,
                                float *logits);

#endif
