/* Solved examples before a question of multiple choice, drawn from a file of items. */
#ifndef SWG_EVAL_FEW_SHOT_H
#define SWG_EVAL_FEW_SHOT_H

#include <stdint.h>

#include "eval/choice_item.h"
#include "runtime/base/strbuf.h"

/* Draw `n` (>= 1) of the items in `data` [length] without replacement, the same for the same seed,
 * and append each with its right answer and a blank line, in the order of the file, as
 * lm-evaluation-harness joins examples. SWG_FAILED when there are fewer items; SWG_CORRUPT naming
 * the line for one that is not of the format; SWG_NO_MEMORY. */
swg_status swg_few_shot_draw(swg_choice_format format, const char *path, const char *data,
                             size_t length, size_t n, uint64_t seed, swg_strbuf *out);

#endif
