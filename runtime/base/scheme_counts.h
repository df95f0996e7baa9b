/* How many tensors a checkpoint has of each scheme, for summaries: "28 int4-g64-sym-f16, 9 f32". */
#ifndef SWG_RUNTIME_BASE_SCHEME_COUNTS_H
#define SWG_RUNTIME_BASE_SCHEME_COUNTS_H

#include <stddef.h>

#include "runtime/base/scheme.h"
#include "runtime/base/strbuf.h"

/* Zero-initialise to start. Schemes beyond the most that are told apart count as others. */
enum { SWG_MAX_SCHEMES_COUNTED = 32 };
typedef struct swg_scheme_counts {
    swg_scheme schemes[SWG_MAX_SCHEMES_COUNTED];
    size_t counts[SWG_MAX_SCHEMES_COUNTED], n, n_others;
} swg_scheme_counts;

void swg_scheme_counts_add(swg_scheme_counts *counts, swg_scheme scheme);

/* Append the list, most frequent first; nothing when none was counted. */
void swg_scheme_counts_put(const swg_scheme_counts *counts, swg_strbuf *out);

#endif
