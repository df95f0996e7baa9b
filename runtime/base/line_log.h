/* A file of lines to which processes append, one line at a time, so that what was written survives
 * the death of a process or of the machine. */
#ifndef SWG_RUNTIME_BASE_LINE_LOG_H
#define SWG_RUNTIME_BASE_LINE_LOG_H

#include <stddef.h>

#include "runtime/base/status.h"

/* Append `length` bytes that end with a line break, and fsync. The file is made if need be. Several
 * processes may append to one file: a lock on it puts them in order. A last line without its line
 * break, which a killed writer left, is removed first; a write that fails (a full disk) is taken
 * back. SWG_IO; SWG_UNSUPPORTED when the path is not a regular file. */
swg_status swg_line_log_append(const char *path, const char *line, size_t length);

#endif
