/* The file that a training continues from: blocks of bytes, written whole or not at all, with a
 * hash at the end. It is of the machine and the program that wrote it, not a format for exchange.
 */
#ifndef SWG_DISTILL_TRAINING_STATE_H
#define SWG_DISTILL_TRAINING_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

/* Writing. After a failure only swg_state_abort may follow; the file that was there stays. */
typedef struct swg_state_writer swg_state_writer;
swg_status swg_state_create(const char *path, swg_state_writer **out);
swg_status swg_state_put(swg_state_writer *writer, const void *data, size_t bytes);
swg_status swg_state_put_text(swg_state_writer *writer, const char *text);
swg_status swg_state_commit(swg_state_writer **writer); /* frees it in every case */
void swg_state_abort(swg_state_writer **writer);        /* NULL inside is accepted */

/* Reading. Opening checks the hash: SWG_CORRUPT when it does not match, SWG_IO. */
typedef struct swg_state_reader swg_state_reader;
swg_status swg_state_open(const char *path, swg_state_reader **out);
void swg_state_close(swg_state_reader **reader); /* NULL inside is accepted */

/* The next bytes, which must have been put with the same size; SWG_CORRUPT when fewer are left. */
swg_status swg_state_get(swg_state_reader *reader, void *data, size_t bytes);

/* The next text must be this one: SWG_USAGE, naming `what` differs, otherwise. */
swg_status swg_state_expect_text(swg_state_reader *reader, const char *text, const char *what);

#endif
