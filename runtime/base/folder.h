/* What lies in a folder: its names, whether a file is there, and what killed runs left behind. */
#ifndef SWG_RUNTIME_BASE_FOLDER_H
#define SWG_RUNTIME_BASE_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/status.h"

/* Call `visit` for every name in a folder but "." and "..", in no particular order, until it fails.
 * SWG_IO when the folder cannot be read. */
typedef swg_status swg_folder_visitor(void *context, const char *name, bool is_folder);
swg_status swg_folder_visit(const char *path, swg_folder_visitor *visit, void *context);

/* Whether a folder has an entry of that path, be it a link to nothing. */
bool swg_path_is_listed(const char *path);

/* Whether there is something under that path. SWG_IO, naming it, for a link to nothing or in a
 * circle: whoever made it meant a file. */
swg_status swg_path_find(const char *path, bool *is_there);

/* "NAME.swage-tmp.PID.N": the temporary file of an output, in `out` [bytes]; a long NAME is cut, so
 * that the file system takes it. */
void swg_temporary_path(const char *target, unsigned number, char *out, size_t bytes);
size_t swg_temporary_path_bytes(const char *target); /* room that it needs */

/* Remove the temporary files of an output that processes left which no longer run (their id is free
 * and nobody holds the file's lock). Best effort: failures are no errors. */
void swg_remove_leftovers(const char *target);

#endif
