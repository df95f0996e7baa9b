/* The table of protocols, and windows made by them. See windows.h and docs/perplexity.md. */
#include "eval/windows.h"

#include <stdio.h>
#include <string.h>

#include "eval/window_lists.h"
#include "runtime/base/mem.h"

static const struct {
    const char *name, *bos_rule, *text;
    swg_output_kind output;
    size_t context;
    unsigned overlap;
    swg_window_function *make;
} protocols[] = {
#define SWG_PROTOCOL(id, protocol_name, output, default_context, overlap, bos, line)               \
    {protocol_name, bos, line, SWG_OUTPUT_##output, default_context, overlap, swg_windows__##id},
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

size_t swg_protocol_default_stride(swg_protocol protocol, size_t context)
{
    return protocols[protocol].overlap ? context / protocols[protocol].overlap : 0;
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

swg_window_options swg_window_options_default(void)
{
    return (swg_window_options){.size = sizeof(swg_window_options)};
}

static swg_status choose_stride(swg_protocol protocol, const swg_window_options *options,
                                size_t context, size_t *out)
{
    const size_t usual = swg_protocol_default_stride(protocol, context);
    if (options->stride && !usual)
        return swg_error(SWG_USAGE, "protocol %s has disjoint windows and no stride",
                         protocols[protocol].name);
    if (options->stride > context)
        return swg_error(
            SWG_USAGE,
            "a stride of %zu would skip tokens between windows of %zu; it must not be larger",
            options->stride, context);
    *out = options->stride ? options->stride : usual;
    return SWG_OK;
}

swg_status swg_windows_make(swg_protocol protocol, const swg_tokenizer *tokenizer, const char *text,
                            size_t length, const swg_window_options *options, swg_windows *out)
{
    swg_window_input in = {.tokenizer = tokenizer,
                           .text = text,
                           .length = length,
                           .context = options->context,
                           .max_tokens = options->max_tokens,
                           .ends = options->ends,
                           .n_documents = options->n_documents};
    swg_window_lists lists = {0};
    SWG_TRY(swg_options_check("swg_window_options", options->size, sizeof *options));
    SWG_TRY(choose_stride(protocol, options, in.context, &in.stride));
    swg_status status = protocols[protocol].make(&in, &lists);
    if (status == SWG_OK && lists.made.n_windows == 0)
        status = swg_error(SWG_USAGE,
                           "the text has %zu tokens, of which %zu may be used; they do not fill a "
                           "window of %zu: give a longer text or a smaller --context",
                           lists.made.tokens_total,
                           in.max_tokens && in.max_tokens < lists.made.tokens_total
                               ? in.max_tokens
                               : lists.made.tokens_total,
                           in.context);
    lists.made.stride = in.stride;
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
    return longest - windows->n_unread;
}

void swg_windows_deinit(swg_windows *windows)
{
    swg_free(windows->ids);
    swg_free(windows->windows);
    *windows = (swg_windows){0};
}
