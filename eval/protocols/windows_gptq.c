/* Protocol gptq: disjoint windows, as GPTQ, SparseGPT and Wanda measure. */
#include "eval/window_lists.h"

swg_status swg_windows__gptq(const swg_window_input *in, swg_window_lists *lists)
{
    SWG_TRY(swg_windows_add_text(in, swg_tokenizer_adds_bos(in->tokenizer), lists));
    for (size_t at = 0; at + in->context <= lists->made.n_ids; at += in->context)
        SWG_TRY(swg_windows_add(lists, (swg_window){at, in->context, 1, in->context - 1, 0}));
    return SWG_OK;
}
