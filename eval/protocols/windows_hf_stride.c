/* Protocol hf-stride: overlapping windows that begin every `stride` tokens, of which only what the
 * last window did not reach is scored, as the page "Perplexity of fixed-length models" of Hugging
 * Face's transformers does it. It weights a window's mean by its scored tokens minus one, which is
 * one too few where windows overlap, since every scored token there has one before it. Published
 * figures follow that rule, so it is kept; the mean over tokens is reported beside it. */
#include "eval/window_lists.h"

swg_status swg_windows__hf_stride(const swg_window_input *in, swg_window_lists *lists)
{
    SWG_TRY(swg_windows_add_text(in, swg_tokenizer_adds_bos(in->tokenizer), lists));
    const size_t n = lists->made.n_ids;
    for (size_t begin = 0, reached = 0; reached < n; begin += in->stride) {
        const size_t end = n - begin < in->context ? n : begin + in->context;
        const size_t fresh = end - reached, count = end - begin;
        const bool overlaps = fresh < count;
        reached = end;
        if (overlaps)
            SWG_TRY(swg_windows_add(lists, (swg_window){begin, count, count - fresh, fresh, 1}));
        else if (count >= 2) /* its first token has nothing before it */
            SWG_TRY(swg_windows_add(lists, (swg_window){begin, count, 1, count - 1, 0}));
    }
    return SWG_OK;
}
