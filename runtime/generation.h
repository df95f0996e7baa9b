/* Generating text with a model, for swage run: prompts, the loop of tokens, where it stops. Private
 * to runtime/cmd_run*.c. */
#ifndef SWG_RUNTIME_GENERATION_H
#define SWG_RUNTIME_GENERATION_H

#include "runtime/exec.h"
#include "runtime/session.h"
#include "runtime/text/sampler.h"

typedef struct swg_generation_options {
    swg_sampler_options sampling;
    swg_act_precision activations;
    swg_kv_type kv_type;
    size_t context;    /* positions to hold */
    size_t max_tokens; /* of one call of swg_generation_continue */
    bool ignore_end;
    const char *const *stops; /* texts that end the generation, left out of it; not empty */
    size_t n_stops;
} swg_generation_options;

/* The precision of a model on the CPU: int8, unless fewer than half of the model's matrix elements
 * are quantized; then nearly all the time goes into float products anyway, and rounding inputs
 * would cost accuracy for nothing. */
swg_act_precision swg_generation_precision(const swg_model *model);

/* Called with text as it is decided on; never with a part of a character or of a stop. */
typedef swg_status swg_generation_print(void *context, const char *text, size_t length);

typedef struct swg_generation swg_generation;

/* `session` and the stops must outlive it. */
swg_status swg_generation_new(const swg_session *session, const swg_generation_options *options,
                              swg_generation **out);
void swg_generation_free(swg_generation **generation); /* NULL inside is accepted */

/* Have the model read `ids` [n >= 1] as the whole sequence so far. What it has read already, from
 * the start on, is not read again. `prompt` (may be NULL) gets the text that they decode to.
 * SWG_LIMIT when they do not fit. */
swg_status swg_generation_read(swg_generation *generation, const int32_t *ids, size_t n,
                               swg_strbuf *prompt);

/* Continue the sequence. Appends the text to `out`, and hands it to `print` (may be NULL). */
swg_status swg_generation_continue(swg_generation *generation, swg_generation_print *print,
                                   void *context, swg_strbuf *out);

/* Of the last calls. */
typedef struct swg_generation_result {
    size_t n_generated;
    const char *finish; /* why it ended: "end", "stop", "length" or "context" */
    double prefill_s, decode_s;
} swg_generation_result;
swg_generation_result swg_generation_last(const swg_generation *generation);

#endif
