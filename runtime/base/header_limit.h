/* A limit on what an input may make this process use, stricter than what its format allows: set
 * once by the program (--max-header), before the first input is opened, and checked by every reader
 * before it trusts a size. The memory limit is in mem.h. */
#ifndef SWG_RUNTIME_BASE_HEADER_LIMIT_H
#define SWG_RUNTIME_BASE_HEADER_LIMIT_H

#include <stdint.h>

#include "runtime/base/status.h"

/* Longest header, in bytes; 0 = what the formats themselves allow (the initial value). A header is
 * whatever a reader reads before the first tensor: a JSON header or index, GGUF's metadata, the
 * directory of a .swg or of a zip archive, a pickle, config.json. */
void swg_header_limit_set(uint64_t bytes);

/* The smaller of `own`, a format's own limit, and the one that was set. */
uint64_t swg_header_limit(uint64_t own);

/* SWG_LIMIT, naming `what` of the file `path`, when `bytes` exceeds the limit that was set. */
swg_status swg_header_limit_check(const char *path, const char *what, uint64_t bytes);

#endif
