/* Protocol llama.cpp: disjoint windows of which the second halves are scored, as llama-perplexity
 * does. */
#include "eval/window_lists.h"

/* The tokens from context / 2 + 1 on are scored. */
enum { LLAMA_CPP_LEAST_CONTEXT = 3 };

swg_status swg_windows__llama_cpp(const swg_window_input *in, swg_window_lists *lists)
{
    if (in->context < LLAMA_CPP_LEAST_CONTEXT)
        return swg_error(SWG_USAGE,
                         "protocol llama.cpp scores nothing in windows of %zu tokens; the least "
                         "context is %d",
                         in->context, LLAMA_CPP_LEAST_CONTEXT);
    const bool adds_bos = swg_tokenizer_adds_bos(in->tokenizer);
    SWG_TRY(swg_windows_add_text(in, adds_bos, lists));
    if (lists->made.n_ids < 2 * in->context)
        return swg_error(
            SWG_USAGE,
            "protocol llama.cpp needs at least two windows of %zu tokens; the text has %zu: give a "
            "longer text or a smaller --context",
            in->context, lists->made.n_ids);
    for (size_t at = 0; at + in->context <= lists->made.n_ids; at += in->context) {
        if (adds_bos)
            lists->made.ids[at] = swg_tokenizer_bos(in->tokenizer);
        const size_t first = in->context / 2 + 1;
        SWG_TRY(
            swg_windows_add(lists, (swg_window){at, in->context, first, in->context - first, 0}));
    }
    return SWG_OK;
}
