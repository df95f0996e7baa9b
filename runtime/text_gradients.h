/* Forward and backward of a classifier over whole texts, one at a time, on the tape
 * (backend/tape.h): a text is not padded to the length of others, so its gradients depend on
 * nothing else. The rows that enter every layer are kept, and a layer runs again when its gradients
 * are taken.
 *
 *     swg_text_gradients *g;
 *     SWG_TRY(swg_text_gradients_new(model, pool, longest, &g));
 *     SWG_TRY(swg_text_gradients_run(g, &text, &observer));
 *     swg_text_gradients_free(&g);
 *
 * The model is of backend "tape", loaded, with one output per text. Results do not depend on the
 * number of threads. */
#ifndef SWG_RUNTIME_TEXT_GRADIENTS_H
#define SWG_RUNTIME_TEXT_GRADIENTS_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/backend/tape.h"
#include "runtime/base/status.h"
#include "runtime/base/thread.h"
#include "runtime/model.h"

typedef struct swg_text_gradients swg_text_gradients;

/* A text, and the loss by whose slopes it is differentiated. */
typedef struct swg_text_job {
    const int32_t *ids;   /* [n] */
    const int32_t *types; /* [n] token types; NULL = all 0 */
    size_t n;
    /* The text's logits [n_outputs] become dL/dlogits, in place. */
    swg_status (*slopes)(void *context, float *logits);
    void *context;
} swg_text_job;

/* For texts of at most `longest` tokens. The model and the pool (may be NULL) must outlive it.
 * SWG_UNSUPPORTED for models without one output per text; otherwise as swg_exec_new. */
swg_status swg_text_gradients_new(const swg_model *model, swg_pool *pool, size_t longest,
                                  swg_text_gradients **out);
void swg_text_gradients_free(swg_text_gradients **gradients); /* NULL inside is accepted */

/* The most bytes that running a text takes beside what swg_text_gradients_new took. Runs a token,
 * and nothing else. */
swg_status swg_text_gradients_bytes(swg_text_gradients *gradients, uint64_t *out);

/* Run one text. What the observer's and the job's functions return, or what running returns. */
swg_status swg_text_gradients_run(swg_text_gradients *gradients, const swg_text_job *job,
                                  const swg_gradient_observer *observer);

#endif
