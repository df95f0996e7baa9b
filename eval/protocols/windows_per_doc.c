/* Protocol per-doc: every document by itself. */
#include "eval/window_lists.h"

/* BOS if there is one, then all tokens of the document. */
static swg_status add_document(const swg_window_input *document, swg_window_lists *lists)
{
    const size_t begin = lists->made.n_ids;
    const int32_t bos = swg_tokenizer_bos(document->tokenizer);
    if (bos >= 0)
        SWG_TRY(swg_windows_add_ids(lists, &bos, 1));
    SWG_TRY(swg_windows_add_text(document, false, lists));
    const size_t count = lists->made.n_ids - begin;
    if (count > document->context)
        return swg_error(SWG_LIMIT, "document %zu has %zu tokens; the context holds %zu",
                         lists->n_documents, count, document->context);
    return count >= 2 ? swg_windows_add(lists, (swg_window){begin, count, 1, count - 1, 0})
                      : SWG_OK;
}

swg_status swg_windows__per_doc(const swg_window_input *in, swg_window_lists *lists)
{
    return swg_windows_each_document(in, lists, add_document);
}
