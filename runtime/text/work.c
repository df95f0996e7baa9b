/* Budgets of work: see work.h. */
#include "runtime/text/work.h"

#include "runtime/base/progress.h"

/* Any text may take BASE_UNITS and grow to BASE_BYTES, and in proportion to its own bytes beyond:
 * real tokenizers make a byte three bytes (a space written as U+2581), compatibility forms eleven.
 */
enum { BASE_UNITS = 1 << 25, BASE_BYTES = 1 << 20, GROWTH = 16 };

void swg_work_begin(swg_work *work, const char *file, size_t n_bytes)
{
    *work = (swg_work){.file = file, .left = BASE_UNITS};
    swg_work_add(work, n_bytes);
}

void swg_work_add(swg_work *work, size_t n_bytes)
{
    work->left += (uint64_t)n_bytes * SWG_WORK_PER_BYTE;
    work->longest = BASE_BYTES + GROWTH * n_bytes;
}

swg_status swg_work_look(swg_work *work, uint64_t units)
{
    if (swg_is_interrupted())
        return swg_error(SWG_INTERRUPTED, "interrupted");
    work->left += work->until_look;
    work->until_look = 0;
    if (units > work->left)
        return swg_error(SWG_LIMIT,
                         "%s asks for more work than this text may cause; if text and file can be "
                         "trusted, cut the text into smaller ones",
                         work->file);
    work->left -= units;
    work->until_look = work->left < SWG_WORK_LOOK_EVERY ? work->left : SWG_WORK_LOOK_EVERY;
    work->left -= work->until_look;
    return SWG_OK;
}

void swg_work_prepare(const swg_work *work, swg_strbuf *out)
{
    out->length = 0;
    out->limit = work->longest;
}

swg_status swg_work_written(swg_work *work, const swg_strbuf *out)
{
    if (out->is_too_long)
        return swg_error(SWG_LIMIT, "%s makes a text longer than the %zu bytes it may have",
                         work->file, out->limit);
    SWG_TRY(swg_strbuf_status(out));
    return swg_work_spend(work, (uint64_t)out->length * SWG_WORK_PER_WRITTEN);
}
