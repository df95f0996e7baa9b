/* Files that training reads back: what it continues from, and a teacher's predictions
 * (teacher_cache.h). Blocks of bytes, written whole or not at all, with a hash at the end. They are
 * of the machine and the program that wrote them, not a format for exchange. */
#ifndef SWG_DISTILL_TRAINING_STATE_H
#define SWG_DISTILL_TRAINING_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

/* What a file holds: the first bytes, which name the version too, and words for messages. */
typedef struct swg_state_kind {
    char magic[8];
    const char *what; /* "the state of a training" */
} swg_state_kind;
extern const swg_state_kind swg_state_of_training;

/* Writing. After a failure only swg_state_abort may follow; the file that was there stays. */
typedef struct swg_state_writer swg_state_writer;
swg_status swg_state_create(const char *path, const swg_state_kind *kind, swg_state_writer **out);
swg_status swg_state_put(swg_state_writer *writer, const void *data, size_t bytes);
swg_status swg_state_put_text(swg_state_writer *writer, const char *text);
swg_status swg_state_commit(swg_state_writer **writer); /* frees it in every case */
void swg_state_abort(swg_state_writer **writer);        /* NULL inside is accepted */

/* Reading. Opening checks the kind and the hash: SWG_CORRUPT when they do not match, SWG_IO. */
typedef struct swg_state_reader swg_state_reader;
swg_status swg_state_open(const char *path, const swg_state_kind *kind, swg_state_reader **out);
void swg_state_close(swg_state_reader **reader); /* NULL inside is accepted */

/* The next bytes, which must have been put with the same size; SWG_CORRUPT when fewer are left. */
swg_status swg_state_get(swg_state_reader *reader, void *data, size_t bytes);

/* The bytes that are left, in place until the file is closed; they count as read. */
const void *swg_state_rest(swg_state_reader *reader, size_t *bytes);

/* The next text must be this one: SWG_USAGE, naming `what` differs, otherwise. */
swg_status swg_state_expect_text(swg_state_reader *reader, const char *text, const char *what);

#endif
