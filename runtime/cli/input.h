/* Input that may be piped. */
#ifndef SWG_RUNTIME_CLI_INPUT_H
#define SWG_RUNTIME_CLI_INPUT_H

#include "runtime/base/strbuf.h"

/* Append what a file, a pipe or (NULL and "-") standard input holds, whole. SWG_IO; SWG_LIMIT from
 * 2^31 bytes on. */
swg_status swg_cli_read_input(const char *path, swg_strbuf *out);

#endif
