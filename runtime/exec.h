/* Executing a model: one sequence of tokens with its KV cache or recurrent state.
 *
 *     swg_exec *exec;
 *     SWG_TRY(swg_exec_new(model, pool, NULL, &exec));
 *     SWG_TRY(swg_exec_run(exec, ids, n, n - 1, logits));   // prefill; logits of the last position
 *     SWG_TRY(swg_exec_run(exec, &next, 1, 0, logits));     // decode, token by token
 *
 * Encoders (hparams.is_encoder) read whole texts instead, each on its own:
 *
 *     SWG_TRY(swg_exec_encode(exec, ids, NULL, n, logits));
 *
 * Results do not depend on the thread count. With int8 activations they do not depend on the
 * instruction set either, nor on how the tokens were cut into calls - except beyond max_positions
 * under dynamic RoPE scaling, whose angles depend on the length of the text known so far. */
#ifndef SWG_RUNTIME_EXEC_H
#define SWG_RUNTIME_EXEC_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/base/thread.h"
#include "runtime/model.h"

typedef struct swg_exec swg_exec;

typedef enum swg_act_precision {
    SWG_ACT_INT8, /* quantized per token and group, on the fly: fast */
    SWG_ACT_F32   /* weights dequantized, products in float: measures the weights alone */
} swg_act_precision;

/* Filled by swg_exec_options_default, or {.size = sizeof options, .context = 512}: zero is every
 * other field's default. */
typedef struct swg_exec_options {
    size_t size;    /* of this struct */
    size_t context; /* positions of the KV cache; default 0 = the model's max_positions */
    size_t chunk;   /* tokens processed together; default 0 = 256 (encoders: the context) */
    swg_act_precision activations; /* for quantized weights; default SWG_ACT_INT8. Plain weights
                                      always use f32. */
} swg_exec_options;
swg_exec_options swg_exec_options_default(void);

/* `options` may be NULL (all defaults); SWG_USAGE when its size is not this struct's.
 * SWG_UNSUPPORTED when the context exceeds the positions that
 * a model has learned. The model must outlive the execution; the pool may be NULL
 * and must not be used by others while a run is under way. */
swg_status swg_exec_new(const swg_model *model, swg_pool *pool, const swg_exec_options *options,
                        swg_exec **out);
void swg_exec_free(swg_exec **exec); /* NULL inside is accepted */

/* Append n >= 1 tokens. Logits of the tokens [first_logits, n) go to `logits`
 * [n - first_logits][vocab] (may be NULL when first_logits = n). SWG_LIMIT when the context is
 * full, SWG_CORRUPT for a token id outside the vocabulary; the cache is then as before.
 * SWG_UNSUPPORTED for encoders. */
swg_status swg_exec_run(swg_exec *exec, const int32_t *ids, size_t n, size_t first_logits,
                        float *logits);

/* Read a whole text of n >= 1 tokens with an encoder. `types` [n] are token types; NULL = all 0.
 * `logits` is [n][n_outputs], or [1][n_outputs] for models with one_output (hparams). SWG_LIMIT and
 * SWG_CORRUPT as above; SWG_UNSUPPORTED for models that are not encoders. */
swg_status swg_exec_encode(swg_exec *exec, const int32_t *ids, const int32_t *types, size_t n,
                           float *logits);

size_t swg_exec_position(const swg_exec *exec); /* tokens read so far */
size_t swg_exec_context(const swg_exec *exec);  /* positions that fit */
void swg_exec_reset(swg_exec *exec);            /* forget all tokens */

#endif
