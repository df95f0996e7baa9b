/* Files: read-only maps, and outputs that appear whole or not at all. */
#ifndef SWG_RUNTIME_BASE_FILE_H
#define SWG_RUNTIME_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

/* A regular file mapped read-only. Zero-initialise to start. The bytes stay valid until close; if
 * another program shortens the file meanwhile, a signal ends the process (the command line turns it
 * into a message). Safe to read from several threads. */
typedef struct swg_map {
    const uint8_t *data; /* NULL for an empty file */
    size_t size;
    bool is_borrowed; /* memory of another owner: not unmapped, not released */
} swg_map;

/* SWG_IO when the file cannot be opened, SWG_UNSUPPORTED when it is not a regular file. */
swg_status swg_map_open(const char *path, swg_map *out);
void swg_map_close(swg_map *map);

/* Hint that [offset, offset + bytes) was consumed, so that its pages no longer count towards this
 * process's memory. The bytes stay readable. */
void swg_map_release(const swg_map *map, size_t offset, size_t bytes);

/* Read a whole file into memory, with a NUL after it. More than `max_bytes` is refused with
 * SWG_LIMIT. The caller frees *out. */
swg_status swg_file_read(const char *path, size_t max_bytes, char **out, size_t *length);

/* Make a folder, and those that it is in, unless they exist. SWG_IO, SWG_NO_MEMORY. */
swg_status swg_make_folders(const char *path);

bool swg_path_exists(const char *path);
bool swg_path_is_directory(const char *path);
/* Whether the path ends with that ending of `length` bytes and is longer than it. */
bool swg_path_ends_with(const char *path, const char *ending, size_t length);
bool swg_path_is_same(const char *a, const char *b); /* both exist and are the same file */

/* "dir/name" newly allocated; `name`'s last component as a view; NULL on lack of memory. */
char *swg_path_join(const char *directory, const char *name);
const char *swg_path_basename(const char *path);
char *swg_path_dirname(const char *path);

/* An output file: bytes go to a temporary file beside the target; swg_file_commit makes them
 * durable and gives them the target's name in one step, replacing an old file only when `force`
 * was set. Until then the target is untouched, and swg_file_abort (or the death of the process)
 * leaves it so. swg_file_write_at is safe from several threads; the rest is for one thread. */
typedef struct swg_file_writer swg_file_writer;

/* `size_hint` bytes are preallocated (0 = unknown), so that a full disk is noticed at once.
 * SWG_USAGE when the target exists and `force` is false, or is not a regular file. */
swg_status swg_file_create(const char *path, bool force, uint64_t size_hint,
                           swg_file_writer **out);
/* Whether swg_file_create would find a place for the file, before the work whose result it is to
 * hold; nothing is made. The same errors, and SWG_IO when its folder does not exist or cannot be
 * written to. */
swg_status swg_file_check_target(const char *path, bool force);
swg_status swg_file_append(swg_file_writer *writer, const void *data, size_t bytes);
swg_status swg_file_write_at(swg_file_writer *writer, uint64_t offset, const void *data,
                             size_t bytes);
uint64_t swg_file_tell(const swg_file_writer *writer); /* where the next append goes */
/* Count the first `bytes` as written, by swg_file_write_at: the next append goes after them and a
 * commit keeps them. */
void swg_file_extend(swg_file_writer *writer, uint64_t bytes);

/* First half of a commit: truncate to the end of what was written, flush, fsync, close; nothing can
 * be written or read back afterwards. Outputs of several files seal all before they commit any. */
swg_status swg_file_seal(swg_file_writer *writer);
/* Seal if not yet done, rename, fsync the folder, free and clear *writer - also on failure, which
 * leaves the old target in place. (If only the folder's fsync fails, the new target is in place,
 * and SWG_IO reports that it may not be durable.) */
swg_status swg_file_commit(swg_file_writer **writer);
/* Remove the temporary file, free and clear *writer; NULL is accepted. */
void swg_file_abort(swg_file_writer **writer);

/* Remove the temporary files of all open writers. Calls only async-signal-safe functions: for
 * signal handlers. */
void swg_file_abort_all_from_signal(void);

/* For tests: let the n-th write, sync or rename from now (1 = the next) fail with ENOSPC; 0 = off.
 * Returns the calls counted since the last call. */
uint64_t swg_file_fail_at(uint64_t n);

#endif
