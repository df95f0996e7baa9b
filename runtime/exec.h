/* Executing a model: sequences of tokens, each with its own KV cache or recurrent state.
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
 * instruction set either, nor on how the tokens were split into calls, nor on the other sequences
 * in the batch - except beyond max_positions with dynamic RoPE scaling, whose angles depend on the
 * length of the text so far.
 *
 * An execution is used by one thread at a time; several may share a model. */
#ifndef SWG_RUNTIME_EXEC_H
#define SWG_RUNTIME_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"
#include "runtime/activations.h"
#include "runtime/attend_options.h"
#include "runtime/base/status.h"
#include "runtime/base/thread.h"
#include "runtime/model.h"

typedef struct swg_exec swg_exec;
typedef struct swg_exec_sums swg_exec_sums; /* runtime/exec_sums.h */
typedef struct swg_exec_products swg_exec_products;

/* Queries and keys whose products are attention's scores, valid during a call. A head's score of
 * query t by key j is their dot product times swg_attend_scale; consecutive heads share a key. */
typedef struct swg_scored {
    size_t layer, rows; /* of all texts that are computed together, one after the other */
    size_t n_heads, n_kv_heads, head_dim;
    swg_attend_options options;
    const float *q; /* [rows][n_heads * head_dim] */
    const float *k; /* [rows][n_kv_heads * head_dim] */
} swg_scored;

/* A callback that sees what weights are multiplied with, for calibration.
 *
 * `inputs`, unless it is NULL, is called once per joint product, on the thread that runs the
 * execution, before the product is computed: the `count` weights that share the input x, whose
 * `rows` rows of `columns` floats (the weights' k) lie `stride` floats apart, valid during the
 * call. x is float whatever the activation precision. Every product of a run is reported: each
 * weight once per chunk, the head only with the rows whose logits are wanted (if there are none,
 * not at all). A recurrent weight is reported after its steps, with the states that it was
 * multiplied with, one per row. */
typedef struct swg_observer {
    void *context;
    void (*inputs)(void *context, const swg_weight *const *weights, size_t count, const float *x,
                   size_t rows, size_t columns, size_t stride);
    /* NULL, or called in place of `inputs` where the backend makes sums: those that the `rows` rows
     * are added to, or NULL for none. */
    swg_exec_sums *(*sums)(void *context, const swg_weight *const *weights, size_t count,
                           size_t rows, size_t columns);
    /* NULL, or called before the output of a single product is added to x: the rows of x [rows]
     * [columns] before the sum. */
    void (*added_to)(void *context, const float *x, size_t rows, size_t columns);
    /* NULL, or called with the queries and keys of attention before it is computed, where values
     * are in host memory. */
    void (*scores)(void *context, const swg_scored *rows);
    /* NULL, or where the callbacks tell that they have seen enough: as long as it is true, nothing
     * more is computed; a layer's run returns the rows x as they are there. */
    const bool *has_enough;
} swg_observer;

/* Filled by swg_exec_options_default, or {.size = sizeof options, .context = 512}: zero is the
 * default of every other field. */
typedef struct swg_exec_options {
    size_t size;    /* of this struct */
    size_t context; /* positions per sequence; default 0 = the model's max_positions */
    size_t chunk;   /* rows computed together; default 0 = 256. At least one whole text for
                       encoders, at most what all sequences can hold. */
    swg_act_precision activations; /* for quantized weights; default SWG_ACT_INT8. Plain weights
                                      always use f32. On a GPU these follow, too. */
    swg_kv_type kv_type;           /* of the cache; default SWG_KV_F32 */
    size_t sequences;              /* each with a cache of its own; default 0 = 1 */
    const swg_observer *observer;  /* outlives the execution; default NULL */
} swg_exec_options;
swg_exec_options swg_exec_options_default(void);

/* `options` may be NULL (all defaults); SWG_USAGE when its size is not this struct's.
 * SWG_UNSUPPORTED when the context exceeds the learned positions of a model. The model must outlive
 * the execution; the pool may be NULL and must not be used by others during a run. */
swg_status swg_exec_new(const swg_model *model, swg_pool *pool, const swg_exec_options *options,
                        swg_exec **out);
void swg_exec_free(swg_exec **exec); /* NULL inside is accepted */

/* --- One sequence ----------------------------------------------------------------------------- */

/* Append n >= 1 tokens to sequence 0. Logits of the tokens [first_logits, n) go to `logits`
 * [n - first_logits][vocab] (may be NULL when first_logits = n). SWG_LIMIT when the context is
 * full, SWG_CORRUPT for a token id outside the vocabulary; the sequence is then as before.
 * SWG_UNSUPPORTED for encoders. */
swg_status swg_exec_run(swg_exec *exec, const int32_t *ids, size_t n, size_t first_logits,
                        float *logits);

/* Read a whole text of n >= 1 tokens with an encoder. `types` [n] are token types; NULL = all 0.
 * `logits` is [n][n_outputs], or [1][n_outputs] for models with one_output (hparams). SWG_LIMIT and
 * SWG_CORRUPT as above; SWG_UNSUPPORTED for models that are not encoders. */
swg_status swg_exec_encode(swg_exec *exec, const int32_t *ids, const int32_t *types, size_t n,
                           float *logits);

size_t swg_exec_position(const swg_exec *exec); /* tokens that sequence 0 has read */
size_t swg_exec_context(const swg_exec *exec);  /* positions that fit */
size_t swg_exec_chunk(const swg_exec *exec);    /* rows that are computed together */
size_t swg_exec_cache_bytes(const swg_exec *exec); /* of keys and values of all sequences */
void swg_exec_reset(swg_exec *exec);            /* forget all tokens of all sequences */

/* --- Several sequences ------------------------------------------------------------------------ */

/* What a step appends to one sequence; for an encoder, a whole text. */
typedef struct swg_piece {
    size_t sequence;      /* < options.sequences; each at most once per step */
    size_t n;             /* >= 1 tokens */
    const int32_t *ids;   /* [n] */
    const int32_t *types; /* [n] token types of an encoder's text; NULL = all 0 */
    size_t first_logits;  /* logits of the tokens [first_logits, n) are wanted; <= n */
} swg_piece;

/* Append pieces to their sequences, computed together in chunks of options.chunk rows: prompts and
 * single tokens may be mixed. The wanted rows of logits, piece after piece, go to `logits`
 * [rows][n_outputs] (may be NULL when there are none; for models with one_output there is one per
 * piece). On failure - SWG_USAGE for a sequence that does not exist or is listed twice, SWG_LIMIT
 * and SWG_CORRUPT as above - no sequence has advanced. */
swg_status swg_exec_step(swg_exec *exec, const swg_piece *pieces, size_t n_pieces, float *logits);

size_t swg_exec_position_of(const swg_exec *exec, size_t sequence); /* < options.sequences */

/* Forget the tokens of a sequence from `position` on: the next step continues there. SWG_USAGE when
 * the sequence is shorter; SWG_UNSUPPORTED for recurrent models unless position is 0 or the current
 * one. */
swg_status swg_exec_truncate(swg_exec *exec, size_t sequence, size_t position);

/* --- Layer by layer ---------------------------------------------------------------------------- *
 *
 * The three parts of a run, on rows in the caller's memory: for calibration layer by layer, for
 * streaming layers, for keeping or comparing hidden states. For a text in an empty sequence,
 *
 *     swg_exec_begin(exec, 0, 0, ids, NULL, n, x);
 *     for (size_t layer = 0; layer < n_layers; layer++)
 *         swg_exec_layer(exec, layer, 0, 0, n, x, x);
 *     swg_exec_end(exec, n, x, logits);
 *
 * gives the bytes of swg_exec_run. `position` is that of the first row: a layer attends to what it
 * has stored in the sequence's cache for earlier positions, so that layer must have been run on the
 * positions [0, position); a recurrent layer continues from its last row, or from zeros at position
 * 0. None of the three changes swg_exec_position, and rows may be run again. n may exceed the
 * chunk.
 *
 * SWG_USAGE for a layer or sequence that does not exist, SWG_LIMIT when position + n exceeds the
 * context, SWG_CORRUPT for ids as above; the contents of x and y are then undefined. */

/* Columns of the rows that enter layer `layer`; with layer = n_layers, of those that leave the
 * last. Differs between layers only in recurrent models. */
size_t swg_exec_width(const swg_exec *exec, size_t layer);

/* x [n][width(0)] = the input of the first layer for these tokens. */
swg_status swg_exec_begin(swg_exec *exec, size_t sequence, size_t position, const int32_t *ids,
                          const int32_t *types, size_t n, float *x);

/* y [n][width(layer + 1)] = layer(x [n][width(layer)]); y may be x where the widths are equal. */
swg_status swg_exec_layer(swg_exec *exec, size_t layer, size_t sequence, size_t position, size_t n,
                          const float *x, float *y);

/* The same for several texts, computed together: text i is in sequence i, from its first position.
 * ids [n_texts][n], x and y [n_texts][n][width]. SWG_USAGE also when they have more rows than a
 * chunk. */
swg_status swg_exec_begin_texts(swg_exec *exec, size_t n_texts, size_t n, const int32_t *ids,
                                float *x);
swg_status swg_exec_layer_texts(swg_exec *exec, size_t layer, size_t n_texts, size_t n,
                                const float *x, float *y);

/* A place inside a layer, by how many of its weight products and of its sums (swg_add) have been
 * computed. `input` [n][columns], if it is not NULL, is the input of the product that comes next:
 * the layer is resumed there; otherwise right after the last of the sums. */
typedef struct swg_layer_point {
    size_t n_products, n_sums;
    const float *input;
} swg_layer_point;

/* The same from a point on that an observer stopped the layer at: x are the rows that the run
 * returned there. At most one chunk of rows. The results are those of the whole layer, bit for bit.
 * SWG_UNSUPPORTED for architectures that keep more between sums than x (arch.h); SWG_LIMIT when n
 * exceeds the chunk; SWG_USAGE when the layer has no such point. `from` may be NULL: the beginning.
 */
swg_status swg_exec_layer_from(swg_exec *exec, size_t layer, size_t sequence, size_t position,
                               size_t n, const swg_layer_point *from, const float *x, float *y);

/* How far the current or last run of a layer, or of what comes after the layers, has come; `input`
 * is NULL. */
swg_layer_point swg_exec_layer_point(const swg_exec *exec);

/* logits [n][n_outputs] of the rows x [n][width(n_layers)]. Models with one_output compute them
 * from one row of a text, the first (output_is_last: the last): pass only that row. */
swg_status swg_exec_end(swg_exec *exec, size_t n, const float *x, float *logits);

#endif
