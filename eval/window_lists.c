/* Collecting windows. See window_lists.h. */
#include "eval/window_lists.h"

#include <string.h>

#include "runtime/base/mem.h"

swg_status swg_windows_add(swg_window_lists *lists, swg_window window)
{
    SWG_TRY(swg_reserve((void **)&lists->made.windows, &lists->windows_capacity,
                        lists->made.n_windows + 1, sizeof window));
    lists->made.windows[lists->made.n_windows++] = window;
    return SWG_OK;
}

swg_status swg_windows_add_ids(swg_window_lists *lists, const int32_t *ids, size_t n)
{
    if (n == 0)
        return SWG_OK;
    SWG_TRY(swg_reserve((void **)&lists->made.ids, &lists->ids_capacity, lists->made.n_ids + n,
                        sizeof *ids));
    memcpy(lists->made.ids + lists->made.n_ids, ids, n * sizeof *ids);
    lists->made.n_ids += n;
    return SWG_OK;
}

swg_status swg_windows_add_text(const swg_window_input *in, bool add_special,
                                swg_window_lists *lists)
{
    swg_encode_options options = swg_encode_options_default();
    options.add_special = add_special;
    swg_ids tokens = {0};
    swg_status status = SWG_OK;
    SWG_GO(swg_tokenizer_encode(in->tokenizer, in->text, in->length, &options, &tokens));
    lists->made.tokens_total += tokens.count;
    lists->made.bytes_total += in->length;
    const size_t left = in->max_tokens ? in->max_tokens - lists->n_used : tokens.count;
    const size_t used = tokens.count < left ? tokens.count : left;
    SWG_GO(swg_windows_add_ids(lists, tokens.data, used));
    lists->n_used += used;
done:
    swg_ids_deinit(&tokens);
    return status;
}

/* --- Documents -------------------------------------------------------------------------------- */

/* Where the blank line begins that ends the document at `at`, or NULL; *skip = its length. Line
 * breaks are "\n" or "\r\n". */
static const char *find_blank_line(const char *at, const char *end, size_t *skip)
{
    for (const char *lf = at; (lf = memchr(lf, '\n', (size_t)(end - lf))); lf++) {
        const size_t left = (size_t)(end - lf);
        const size_t second = left > 2 && lf[1] == '\r' ? 3 : 2;
        if (left < second || lf[second - 1] != '\n')
            continue;
        const bool has_cr = lf > at && lf[-1] == '\r';
        *skip = second + has_cr;
        return lf - has_cr;
    }
    return NULL;
}

/* Bytes of the last document without the line break that ends the file: it belongs to none. */
static size_t without_last_break(const char *text, size_t length)
{
    if (length > 0 && text[length - 1] == '\n')
        length -= length > 1 && text[length - 2] == '\r' ? 2 : 1;
    return length;
}

swg_status swg_windows_each_document(const swg_window_input *in, swg_window_lists *lists,
                                     swg_window_function *add)
{
    const char *at = in->text, *const end = in->text + in->length;
    while (at < end && (in->max_tokens == 0 || lists->n_used < in->max_tokens)) {
        size_t skip = 0;
        const char *stop = find_blank_line(at, end, &skip);
        swg_window_input document = *in;
        document.text = at;
        document.length = stop ? (size_t)(stop - at) : without_last_break(at, (size_t)(end - at));
        at = stop ? stop + skip : end;
        if (document.length == 0)
            continue;
        lists->n_documents++;
        SWG_TRY(add(&document, lists));
    }
    return SWG_OK;
}
