/* A teacher's predictions for the windows of a text in a file, so that the teacher runs once and
 * need not be in memory beside the student: for each position the k likeliest tokens with the
 * logarithms of their probabilities, as halves, and the probability of all others together.
 *
 *     const swg_teacher_cache_subject subject = {.ids = ids, .k = 64, .identity = text, ...};
 *     SWG_TRY(swg_teacher_cache_make(path, &subject, teacher, &how));        // once
 *     SWG_TRY(swg_teacher_cache_open(path, &subject, &cache));
 *     SWG_TRY(swg_distill(trainer, NULL, &(swg_distill_options){.cache = cache, ...}, &result));
 *     swg_teacher_cache_free(&cache);
 *
 * A position takes 12 bytes, and 4 for each of the k tokens, or 6 where the vocabulary has more
 * than 65,536. Training reads what is in the file also when it has just been made, so that the
 * result is the same. */
#ifndef SWG_DISTILL_TEACHER_CACHE_H
#define SWG_DISTILL_TEACHER_CACHE_H

#include "distill/losses.h"
#include "distill/training_state.h"
#include "formats/provenance.h"
#include "runtime/base/progress.h"
#include "runtime/base/thread.h"
#include "runtime/model.h"

extern const swg_state_kind swg_state_of_teacher;

/* What a cache is of. All pointers are views. */
typedef struct swg_teacher_cache_subject {
    const int32_t *ids; /* [n_windows][window] */
    size_t n_windows, window;
    size_t vocab;         /* tokens that the teacher predicts */
    size_t k;             /* 1 <= k <= vocab */
    double temperature;   /* of the divergence; predictions at 1 can always be taken */
    const char *identity; /* says all that the numbers depend on; swg_teacher_cache_identity */
} swg_teacher_cache_subject;

/* A JSON object with the hashes of the teacher's files, of the text, the tokenizer's tokens of it
 * and how they are cut, and the sizes of the subject, whose identity is not read. Waits for the
 * hashes; the caller frees *out. */
swg_status swg_teacher_cache_identity(const swg_teacher_cache_subject *subject,
                                      const char *text_sha256, swg_input_hashes *teacher,
                                      char **out);

typedef struct swg_teacher_cache_work {
    swg_pool *pool;               /* NULL: the caller's thread alone */
    const swg_progress *progress; /* NULL: none */
    size_t batch;                 /* windows that run together */
} swg_teacher_cache_work;

/* Run the teacher over the windows and write the file, whole or not at all; one that is there is
 * replaced. SWG_USAGE when it has another vocabulary, naming both sizes; SWG_IO; SWG_INTERRUPTED.
 */
swg_status swg_teacher_cache_make(const char *path, const swg_teacher_cache_subject *subject,
                                  const swg_model *teacher, const swg_teacher_cache_work *work);

typedef struct swg_teacher_cache swg_teacher_cache;

/* Map the file and check all of it. SWG_USAGE when it is of another subject, showing both;
 * SWG_CORRUPT when it is damaged or has tokens or probabilities that cannot be, naming the window
 * and position; SWG_IO. */
swg_status swg_teacher_cache_open(const char *path, const swg_teacher_cache_subject *subject,
                                  swg_teacher_cache **out);
void swg_teacher_cache_free(swg_teacher_cache **cache); /* NULL inside is accepted */

/* The k of its subject. */
size_t swg_teacher_cache_k(const swg_teacher_cache *cache);

/* The prediction after a position of a window, at temperature 1 or that of the subject; ids [k] and
 * p [k] are the caller's memory, which *out shows. */
void swg_teacher_cache_top(const swg_teacher_cache *cache, size_t window, size_t position,
                           double temperature, int32_t *ids, float *p, swg_top_k *out);

/* The teacher's cross-entropy of the token that follows, in nats; 0 at a window's end. */
double swg_teacher_cache_nll(const swg_teacher_cache *cache, size_t window, size_t position);

#endif
