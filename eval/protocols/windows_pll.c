/* Protocol pll: documents in pieces that fit, for models that fill in masked tokens. */
#include <string.h>

#include "eval/window_lists.h"
#include "runtime/base/mem.h"

/* What the tokenizer puts around a text: `n_before` of the `special` tokens before it, the rest
 * after. */
static swg_status find_special(const swg_window_input *in, swg_ids *special, size_t *n_before)
{
    swg_status status = SWG_OK;
    swg_ids text = {0};
    swg_encode_options options = swg_encode_options_default();
    options.add_special = false;
    SWG_GO(swg_tokenizer_encode(in->tokenizer, in->text, in->length, &options, &text));
    SWG_GO(swg_tokenizer_encode(in->tokenizer, in->text, in->length, NULL, special));
    size_t before = 0;
    const size_t n = text.count;
    while (before + n <= special->count &&
           memcmp(special->data + before, text.data, n * sizeof *text.data) != 0)
        before++;
    if (before + n > special->count)
        SWG_GO(swg_error(SWG_UNSUPPORTED, "the tokenizer changes a text's tokens when it adds its "
                                          "special ones; protocol pll cannot tell them apart"));
    memmove(special->data + before, special->data + before + n,
            (special->count - before - n) * sizeof *special->data);
    special->count -= n;
    *n_before = before;
done:
    swg_ids_deinit(&text);
    return status;
}

/* `count` tokens in the fewest pieces that fit, of lengths that differ by at most one, so that no
 * token has much less context than others. Each piece is enclosed in the special tokens. */
static swg_status add_pieces(const swg_window_input *document, const int32_t *tokens, size_t count,
                             const swg_ids *special, size_t n_before, swg_window_lists *lists)
{
    const size_t room = document->context - special->count;
    const size_t n_pieces = swg_ceil_div(count, room);
    for (size_t i = 0; i < n_pieces; i++) {
        const size_t first = count / n_pieces * i + (i < count % n_pieces ? i : count % n_pieces);
        const size_t n = count / n_pieces + (i < count % n_pieces);
        const size_t begin = lists->made.n_ids;
        SWG_TRY(swg_windows_add_ids(lists, special->data, n_before));
        SWG_TRY(swg_windows_add_ids(lists, tokens + first, n));
        SWG_TRY(swg_windows_add_ids(lists, special->data + n_before, special->count - n_before));
        SWG_TRY(swg_windows_add(lists, (swg_window){begin, n + special->count, n_before, n, 0}));
    }
    return SWG_OK;
}

static swg_status add_masked_document(const swg_window_input *document, swg_window_lists *lists)
{
    swg_status status = SWG_OK;
    swg_window_lists plain = {.n_used = lists->n_used};
    swg_ids special = {0};
    size_t n_before = 0;
    SWG_GO(swg_windows_add_text(document, false, &plain));
    if (plain.made.n_ids > 0)
        SWG_GO(find_special(document, &special, &n_before));
    if (special.count >= document->context)
        SWG_GO(swg_error(SWG_LIMIT, "a context of %zu has no room between %zu special tokens",
                         document->context, special.count));
    SWG_GO(add_pieces(document, plain.made.ids, plain.made.n_ids, &special, n_before, lists));
    lists->n_used = plain.n_used;
    lists->made.tokens_total += plain.made.tokens_total;
    lists->made.bytes_total += plain.made.bytes_total;
done:
    swg_windows_deinit(&plain.made);
    swg_ids_deinit(&special);
    return status;
}

swg_status swg_windows__pll(const swg_window_input *in, swg_window_lists *lists)
{
    return swg_windows_each_document(in, lists, add_masked_document);
}
