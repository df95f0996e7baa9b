/* Vectors of texts: an encoder's rows for a text's tokens, pooled into one.
 *
 *     swg_embedder *embedder = NULL;
 *     SWG_TRY(swg_session_open_encoder(path, NULL, 0, NULL, &loaded));
 *     SWG_TRY(swg_embedder_new(&loaded, NULL, &embedder));
 *     SWG_TRY(swg_embedder_run(embedder, texts, n, NULL, vectors, &counts));
 *
 * Texts are tokenized in parallel and computed several at a time, those of similar length together.
 * The same for any thread count; with int8 activations also for any batch and instruction set.
 */
#ifndef SWG_RUNTIME_EMBEDDER_H
#define SWG_RUNTIME_EMBEDDER_H

#include "runtime/activations.h"
#include "runtime/base/progress.h"
#include "runtime/sentence.h"
#include "runtime/session.h"

/* Filled by swg_embed_options_default, or {.size = sizeof options, ...}: zero is the default. */
typedef struct swg_embed_options {
    size_t size;    /* of this struct */
    size_t batch;   /* texts computed together, at most; default 0 = 32 */
    size_t context; /* tokens of a text, special ones included; what is longer is cut at its end.
                       Default 0 = what the checkpoint says, at most the model's positions */
    swg_act_precision activations; /* for quantized weights; default SWG_ACT_INT8 */
    const char *prompt;            /* goes before every text; default NULL = "" */
} swg_embed_options;
swg_embed_options swg_embed_options_default(void);

/* A text of `length` bytes, not ended by NUL. */
typedef struct swg_text_view {
    const char *text;
    size_t length;
} swg_text_view;

typedef struct swg_embed_counts {
    uint64_t tokens;  /* computed, special ones included */
    uint64_t n_cut;   /* texts that were longer than the context */
    size_t first_cut; /* index of the first of them */
    size_t most;      /* the context */
} swg_embed_counts;

typedef struct swg_embedder swg_embedder;

/* `loaded` has a tokenizer and a model without a head (SWG_UNSUPPORTED for others), and outlives
 * the embedder; loaded->sentence says how to pool. `options` may be NULL. The caller frees *out. */
swg_status swg_embedder_new(const swg_session *loaded, const swg_embed_options *options,
                            swg_embedder **out);
void swg_embedder_free(swg_embedder **embedder); /* NULL inside is accepted */

size_t swg_embedder_columns(const swg_embedder *embedder); /* of a vector */

/* vectors [n][columns], in the order of the texts. `progress` and `counts` may be NULL. SWG_CORRUPT
 * naming the text (the first is 1) for one without tokens; SWG_FAILED for vectors that are not
 * finite. */
swg_status swg_embedder_run(swg_embedder *embedder, const swg_text_view *texts, size_t n,
                            const swg_progress *progress, float *vectors, swg_embed_counts *counts);

/* The lines of a text as views into it, which the caller frees: each ends with \n or \r\n, the last
 * one perhaps with the text. Empty lines count, so that numbers of lines and texts agree. */
swg_status swg_split_lines(const char *text, size_t length, swg_text_view **lines, size_t *n);

/* Cosine of the angle between two vectors of n numbers, in double; 0 when one has no length. */
double swg_cosine(const float *a, const float *b, size_t n);

#endif
