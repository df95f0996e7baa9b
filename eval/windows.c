/* Perplexity protocols: see windows.h and docs/perplexity.md. */
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
    SWG_TRY(swg_reserve((void **)&lists->made.ids, &lists->ids_capacity, lists->made.n_ids + n,
                        sizeof *ids));
    memcpy(lists->made.ids + lists->made.n_ids, ids, n * sizeof *ids);
    lists->made.n_ids += n;
    return SWG_OK;
}

/* The whole text as one run of tokens, cut to max_tokens. */
static swg_status add_text(const window_input *in, bool add_bos, window_lists *lists)
{
    swg_encode_options options = swg_encode_options_default();
    options.add_special = add_bos;
    swg_ids tokens = {0};
    swg_status status = SWG_OK;
    SWG_GO(swg_tokenizer_encode(in->tokenizer, in->text, in->length, &options, &tokens));
    lists->made.tokens_total += tokens.count;
    size_t used = tokens.count;
    if (in->max_tokens && lists->made.n_ids + used > in->max_tokens)
        used = in->max_tokens > lists->made.n_ids ? in->max_tokens - lists->made.n_ids : 0;
    SWG_GO(add_ids(lists, tokens.data, used));
done:
    swg_ids_deinit(&tokens);
    return status;
}

static swg_status windows_gptq(const window_input *in, window_lists *lists)
{
    SWG_TRY(add_text(in, swg_tokenizer_adds_bos(in->tokenizer), lists));
    for (size_t at = 0; at + in->context <= lists->made.n_ids; at += in->context)
        SWG_TRY(add_window(lists, (swg_window){at, in->context, 1}));
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
        return swg_error(SWG_FAILED,
                         "protocol llama.cpp needs at least two windows of %zu tokens; the text has %zu",
                         in->context, lists->made.n_ids);
    for (size_t at = 0; at + in->context <= lists->made.n_ids; at += in->context) {
        if (adds_bos)
            lists->made.ids[at] = swg_tokenizer_bos(in->tokenizer);
        SWG_TRY(add_window(lists, (swg_window){at, in->context, in->context / 2 + 1}));
    }
    return SWG_OK;
}

/* One document: BOS where there is one, then all its tokens. */
static swg_status add_document(const window_input *in, const char *text, size_t length,
                               window_lists *lists)
{
    const size_t begin = lists->made.n_ids;
    const int32_t bos = swg_tokenizer_bos(in->tokenizer);
    if (bos >= 0)
        SWG_TRY(add_ids(lists, &bos, 1));
    const window_input document = {.tokenizer = in->tokenizer, .text = text, .length = length,
                                   .max_tokens = in->max_tokens};
    SWG_TRY(add_text(&document, false, lists));
    const size_t count = lists->made.n_ids - begin;
    if (count > in->context)
        return swg_error(SWG_LIMIT, "document %zu has %zu tokens; the context holds %zu",
                         lists->made.n_windows + 1, count, in->context);
    return count >= 2 ? add_window(lists, (swg_window){begin, count, 1}) : SWG_OK;
}

static swg_status windows_per_doc(const window_input *in, window_lists *lists)
{
    const char *at = in->text, *const end = in->text + in->length;
    while (at < end && (in->max_tokens == 0 || lists->made.n_ids < in->max_tokens)) {
        const char *stop = memmem(at, (size_t)(end - at), "\n\n", 2);
        size_t length = (size_t)((stop ? stop : end) - at);
        const char *next = stop ? stop + 2 : end;
        /* The line break that ends the file belongs to no document. */
        if (!stop && length > 0 && at[length - 1] == '\n')
            length--;
        if (length > 0)
            SWG_TRY(add_document(in, at, length, lists));
        at = next;
    }
    return SWG_OK;
}

static const struct {
    const char *name, *bos_rule, *text;
    size_t context;
    swg_status (*make)(const window_input *in, window_lists *lists);
} protocols[] = {
#define SWG_PROTOCOL(id, protocol_name, default_context, bos, line)                                \
    {protocol_name, bos, line, default_context, windows_##id},
#include "eval/protocols.def"
#undef SWG_PROTOCOL
};

const char *swg_protocol_name(swg_protocol protocol)
{
    return protocols[protocol].name;
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
    return swg_error(SWG_USAGE, "unknown perplexity protocol \"%s\"; known: %s", name, known);
}

swg_status swg_windows_make(swg_protocol protocol, const swg_tokenizer *tokenizer, const char *text,
                            size_t length, size_t context, size_t max_tokens, swg_windows *out)
{
    const window_input in = {.tokenizer = tokenizer, .text = text, .length = length,
                             .context = context, .max_tokens = max_tokens};
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
