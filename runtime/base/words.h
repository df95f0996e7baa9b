/* What users write and read: which name was meant, which names a pattern selects, how sizes are
 * written. */
#ifndef SWG_RUNTIME_BASE_WORDS_H
#define SWG_RUNTIME_BASE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

/* The member of `candidates` nearest to `word` (Damerau-Levenshtein distance of at most a third of
 * its length), or else the only one that starts with it, for "did you mean"; NULL when there is
 * none. */
const char *swg_nearest_word(const char *word, const char *const *candidates, size_t count);

/* Whether `name` matches a pattern with * (any run) and ? (one character); a pattern without either
 * matches names that contain it as a whole dot-separated part or are equal to it. */
bool swg_pattern_matches(const char *pattern, const char *name);

/* The value of --option: a count of bytes from 1 on, with an optional K, M or G (KiB, MiB, GiB).
 * SWG_USAGE for anything else. */
swg_status swg_parse_bytes(const char *option, const char *text, uint64_t *out);

/* "1.5 MiB", "12.0 KiB", "17 B" into `out`. */
const char *swg_format_bytes(uint64_t bytes, char out[32]);

#endif
