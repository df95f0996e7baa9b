/* Protocols: see windows.h and docs/perplexity.md. */
#include "eval/windows.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"

/* What a protocol's function gets. */
typedef struct window_input {
    const swg_tokenizer *tokenizer;
    const char *text;
    size_t length, context, max_tokens;
} window_input;

/* Growing lists behind a swg_windows. */
typedef struct window_lists {
    swg_windows made;
    size_t ids_capacity, windows_capacity;
    size_t n_used;      /* tokens of the text among the ids */
    size_t n_documents; /* seen so far */
} window_lists;

static swg_status add_window(window_lists *lists, swg_window window)
{
    SWG_TRY(swg_reserve((void **)&lists->made.windows, &lists->windows_capacity,
                        lists->made.n_windows + 1, sizeof window));
    lists->made.windows[lists->made.n_windows++] = window;
    return SWG_OK;
}

static swg_status add_ids(window_lists *lists, const int32_t *ids, size_t n)
{
    if (n == 0)
        return SWG_OK;
    SWG_TRY(swg_reserve((void **)&lists->made.ids, &lists->ids_capacity, lists->made.n_ids + n,
                        sizeof *ids));
    memcpy(lists->made.ids + lists->made.n_ids, ids, n * sizeof *ids);
    lists->made.n_ids += n;
    return SWG_OK;
}

/* A text, or one document of it, as one run of tokens; no more than are left of max_tokens. */
static swg_status add_text(const window_input *in, bool add_special, window_lists *lists)
{
    swg_encode_options options = swg_encode_options_default();
    options.add_special = add_special;
    swg_ids tokens = {0};
    swg_status status = SWG_OK;
    SWG_GO(swg_tokenizer_encode(in->tokenizer, in->text, in->length, &options, &tokens));
    lists->made.tokens_total += tokens.count;
    const size_t left = in->max_tokens ? in->max_tokens - lists->n_used : tokens.count;
    const size_t used = tokens.count < left ? tokens.count : left;
    SWG_GO(add_ids(lists, tokens.data, used));
    lists->n_used += used;
done:
    swg_ids_deinit(&tokens);
    return status;
}

static swg_status windows_gptq(const window_input *in, window_lists *lists)
{
    SWG_TRY(add_text(in, swg_tokenizer_adds_bos(in->tokenizer), lists));
    for (size_t at = 0; at + in->context <= lists->made.n_ids; at += in->context)
        SWG_TRY(add_window(lists, (swg_window){at, in->context, 1, in->context - 1}));
    return SWG_OK;
}

/* Scored are the tokens from context / 2 + 1 on. */
enum { LLAMA_CPP_LEAST_CONTEXT = 3 };

static swg_status windows_llama_cpp(const window_input *in, window_lists *lists)
{
    if (in->context < LLAMA_CPP_LEAST_CONTEXT)
        return swg_error(SWG_USAGE,
                         "protocol llama.cpp scores nothing of windows of %zu tokens; the least "
                         "context is %d",
                         in->context, LLAMA_CPP_LEAST_CONTEXT);
    const bool adds_bos = swg_tokenizer_adds_bos(in->tokenizer);
    SWG_TRY(add_text(in, adds_bos, lists));
    if (lists->made.n_ids < 2 * in->context)
        return swg_error(
            SWG_FAILED,
            "protocol llama.cpp needs at least two windows of %zu tokens; the text has %zu",
            in->context, lists->made.n_ids);
    for (size_t at = 0; at + in->context <= lists->made.n_ids; at += in->context) {
        if (adds_bos)
            lists->made.ids[at] = swg_tokenizer_bos(in->tokenizer);
        const size_t first = in->context / 2 + 1;
        SWG_TRY(add_window(lists, (swg_window){at, in->context, first, in->context - first}));
    }
    return SWG_OK;
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

/* Hand every document that is not empty to `add`, until max_tokens are used. */
static swg_status for_each_document(const window_input *in, window_lists *lists,
                                    swg_status (*add)(const window_input *document,
                                                      window_lists *lists))
{
    const char *at = in->text, *const end = in->text + in->length;
    while (at < end && (in->max_tokens == 0 || lists->n_used < in->max_tokens)) {
        size_t skip = 0;
        const char *stop = find_blank_line(at, end, &skip);
        window_input document = *in;
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

/* BOS where there is one, then all tokens of the document. */
static swg_status add_document(const window_input *document, window_lists *lists)
{
    const size_t begin = lists->made.n_ids;
    const int32_t bos = swg_tokenizer_bos(document->tokenizer);
    if (bos >= 0)
        SWG_TRY(add_ids(lists, &bos, 1));
    SWG_TRY(add_text(document, false, lists));
    const size_t count = lists->made.n_ids - begin;
    if (count > document->context)
        return swg_error(SWG_LIMIT, "document %zu has %zu tokens; the context holds %zu",
                         lists->n_documents, count, document->context);
    return count >= 2 ? add_window(lists, (swg_window){begin, count, 1, count - 1}) : SWG_OK;
}

static swg_status windows_per_doc(const window_input *in, window_lists *lists)
{
    return for_each_document(in, lists, add_document);
}

/* What the tokenizer puts around a text: `n_before` of the `special` tokens, and those behind. */
static swg_status find_special(const window_input *in, swg_ids *special, size_t *n_before)
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
 * token has much less around it than others. Each piece stands between the special tokens. */
static swg_status add_pieces(const window_input *document, const int32_t *tokens, size_t count,
                             const swg_ids *special, size_t n_before, window_lists *lists)
{
    const size_t room = document->context - special->count;
    const size_t n_pieces = swg_ceil_div(count, room);
    for (size_t i = 0; i < n_pieces; i++) {
        const size_t first = count / n_pieces * i + (i < count % n_pieces ? i : count % n_pieces);
        const size_t n = count / n_pieces + (i < count % n_pieces);
        const size_t begin = lists->made.n_ids;
        SWG_TRY(add_ids(lists, special->data, n_before));
        SWG_TRY(add_ids(lists, tokens + first, n));
        SWG_TRY(add_ids(lists, special->data + n_before, special->count - n_before));
        SWG_TRY(add_window(lists, (swg_window){begin, n + special->count, n_before, n}));
    }
    return SWG_OK;
}

static swg_status add_masked_document(const window_input *document, window_lists *lists)
{
    swg_status status = SWG_OK;
    window_lists plain = {.n_used = lists->n_used};
    swg_ids special = {0};
    size_t n_before = 0;
    SWG_GO(add_text(document, false, &plain));
    if (plain.made.n_ids > 0)
        SWG_GO(find_special(document, &special, &n_before));
    if (special.count >= document->context)
        SWG_GO(swg_error(SWG_LIMIT, "a context of %zu has no room between %zu special tokens",
                         document->context, special.count));
    SWG_GO(add_pieces(document, plain.made.ids, plain.made.n_ids, &special, n_before, lists));
    lists->n_used = plain.n_used;
    lists->made.tokens_total += plain.made.tokens_total;
done:
    swg_windows_deinit(&plain.made);
    swg_ids_deinit(&special);
    return status;
}

static swg_status windows_pll(const window_input *in, window_lists *lists)
{
    return for_each_document(in, lists, add_masked_document);
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct {
    const char *name, *bos_rule, *text;
    swg_output_kind output;
    size_t context;
    swg_status (*make)(const window_input *in, window_lists *lists);
} protocols[] = {
#define SWG_PROTOCOL(id, protocol_name, output, default_context, bos, line)                        \
    {protocol_name, bos, line, SWG_OUTPUT_##output, default_context, windows_##id},
#include "eval/protocols.def"
#undef SWG_PROTOCOL
};

const char *swg_protocol_name(swg_protocol protocol)
{
    return protocols[protocol].name;
}

swg_output_kind swg_protocol_output(swg_protocol protocol)
{
    return protocols[protocol].output;
}

const char *swg_protocol_bos_rule(swg_protocol protocol)
{
    return protocols[protocol].bos_rule;
}

const char *swg_protocol_text(swg_protocol protocol)
{
    return protocols[protocol].text;
}

size_t swg_protocol_default_context(swg_protocol protocol)
{
    return protocols[protocol].context;
}

swg_status swg_protocol_parse(const char *name, swg_protocol *out)
{
    for (int i = 0; i < SWG_PROTOCOL_COUNT; i++)
        if (strcmp(protocols[i].name, name) == 0) {
            *out = (swg_protocol)i;
            return SWG_OK;
        }
    char known[128] = "";
    for (int i = 0; i < SWG_PROTOCOL_COUNT; i++) {
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", protocols[i].name);
    }
    return swg_error(SWG_USAGE, "unknown protocol \"%s\"; known: %s", name, known);
}

swg_status swg_windows_make(swg_protocol protocol, const swg_tokenizer *tokenizer, const char *text,
                            size_t length, size_t context, size_t max_tokens, swg_windows *out)
{
    const window_input in = {.tokenizer = tokenizer,
                             .text = text,
                             .length = length,
                             .context = context,
                             .max_tokens = max_tokens};
    window_lists lists = {0};
    swg_status status = protocols[protocol].make(&in, &lists);
    if (status == SWG_OK && lists.made.n_windows == 0)
        status = swg_error(SWG_FAILED, "the text's %zu tokens fill no window of %zu",
                           lists.made.tokens_total, context);
    if (status == SWG_OK)
        *out = lists.made;
    else
        swg_windows_deinit(&lists.made);
    return status;
}

size_t swg_windows_longest(const swg_windows *windows)
{
    size_t longest = 0;
    for (size_t i = 0; i < windows->n_windows; i++)
        if (windows->windows[i].count > longest)
            longest = windows->windows[i].count;
    return longest;
}

void swg_windows_deinit(swg_windows *windows)
{
    swg_free(windows->ids);
    swg_free(windows->windows);
    *windows = (swg_windows){0};
}
