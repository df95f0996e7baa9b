/* What the system keeps of a file in memory. */
#ifndef SWG_EVAL_PAGE_CACHE_H
#define SWG_EVAL_PAGE_CACHE_H

#include <stdbool.h>

#include "runtime/base/status.h"

/* Ask the system to forget a file, or all files of a folder, so that they are read from storage the
 * next time. *is_cold: it did, of at least 99 % of their pages; file systems in memory cannot, and
 * files that another process has mapped stay. SWG_IO, SWG_NO_MEMORY. */
swg_status swg_page_cache_drop(const char *path, bool *is_cold);

#endif
