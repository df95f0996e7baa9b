/* How much work one text may cause. A tokenizer and a chat template come from files, and a small
 * file can ask for any amount: replacements that feed each other, a pattern that looks at the rest
 * of the text from every place, a loop inside a loop. Everything that passes over a text therefore
 * spends units of one budget, about a nanosecond each: a fixed amount, so that short texts may do
 * anything reasonable, and some for each byte of the text, so that long ones take time in
 * proportion. Units are counted, not measured: the same text is refused on every machine or on
 * none. Spending also looks for an interruption, a few thousand times a second. Private to
 * runtime/text. */
#ifndef SWG_RUNTIME_TEXT_WORK_H
#define SWG_RUNTIME_TEXT_WORK_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/base/strbuf.h"

enum {
    SWG_WORK_PER_BYTE = 512,  /* of the text: granted; the rest is spent for each */
    SWG_WORK_PER_WRITTEN = 8, /* byte that a step writes */
    SWG_WORK_PER_PIECE = 8,   /* piece of the text that goes to the next step */
    SWG_WORK_PER_LOOKUP = 8,  /* look-up in a table, besides its bytes */
    SWG_WORK_PER_MATCH = 32,  /* search for a pattern */
    SWG_WORK_LOOK_EVERY = 65536
};

typedef struct swg_work {
    const char *file;          /* what asks for the work, for messages: "tokenizer.json" */
    uint64_t left, until_look; /* units; the second are already taken from the first */
    size_t longest;            /* bytes that a text may grow to on the way */
} swg_work;

/* The budget of a text of `n_bytes`. */
void swg_work_begin(swg_work *work, const char *file, size_t n_bytes);

/* The budget of `n_bytes` more, which may grow as a text of their own may. */
void swg_work_add(swg_work *work, size_t n_bytes);

swg_status swg_work_look(swg_work *work, uint64_t units);

/* SWG_LIMIT when the budget is spent, SWG_INTERRUPTED. */
static inline swg_status swg_work_spend(swg_work *work, uint64_t units)
{
    if (units > work->until_look)
        return swg_work_look(work, units);
    work->until_look -= units;
    return SWG_OK;
}

/* Empty `out` for a step that may write work->longest bytes. */
void swg_work_prepare(const swg_work *work, swg_strbuf *out);

/* Spend what `out` was worth that a step wrote; SWG_LIMIT also when it became too long. */
swg_status swg_work_written(swg_work *work, const swg_strbuf *out);

#endif
