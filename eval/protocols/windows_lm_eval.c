/* Protocol lm-eval: the rolling log-likelihood of lm-evaluation-harness (get_rolling_token_windows
 * with one token of context, then make_disjoint_window). With windows of L tokens, a document of
 * tokens t is read as
 *
 *     prefix t0 .. t(L-2)      scores t0 .. t(L-1)
 *     t(L-1) .. t(2L-2)        scores tL .. t(2L-1)
 *     ...
 *     the last L before the last token: scores what is left
 *
 * so every token is scored once, those at the beginning of a window with one before them. The
 * prefix is BOS, or the end of text where the tokenizer has no BOS. */
#include "eval/window_lists.h"

static swg_status find_prefix(const swg_tokenizer *tokenizer, int32_t *out)
{
    *out = swg_tokenizer_bos(tokenizer);
    if (*out < 0)
        *out = swg_tokenizer_eos(tokenizer);
    return *out >= 0 ? SWG_OK
                     : swg_error(SWG_UNSUPPORTED,
                                 "protocol lm-eval begins every document with BOS or the end of "
                                 "text, and this tokenizer has neither");
}

/* A window's ids are those that are read and the last scored one. */
static swg_status add_document(const swg_window_input *document, swg_window_lists *lists)
{
    int32_t prefix;
    SWG_TRY(find_prefix(document->tokenizer, &prefix));
    const size_t begin = lists->made.n_ids, length = document->context;
    SWG_TRY(swg_windows_add_ids(lists, &prefix, 1));
    SWG_TRY(swg_windows_add_text(document, false, lists));
    const size_t n = lists->made.n_ids - begin - 1;
    for (size_t scored = 0; scored < n;) {
        const size_t fresh = n - scored < length ? n - scored : length;
        const size_t end = scored + fresh + 1; /* counted with the prefix */
        const size_t first = end > length + 1 ? end - length - 1 : 0;
        SWG_TRY(swg_windows_add(
            lists, (swg_window){begin + first, end - first, end - first - fresh, fresh, 0}));
        scored += fresh;
    }
    return SWG_OK;
}

swg_status swg_windows__lm_eval(const swg_window_input *in, swg_window_lists *lists)
{
    lists->made.n_unread = 1;
    for (size_t i = 0, at = 0; i < (in->ends ? in->n_documents : 1); i++) {
        swg_window_input document = *in;
        const size_t end = in->ends ? in->ends[i] : in->length;
        document.text = in->text + at;
        document.length = end - at;
        at = end;
        lists->n_documents++;
        if (document.length > 0 && (in->max_tokens == 0 || lists->n_used < in->max_tokens))
            SWG_TRY(add_document(&document, lists));
    }
    return SWG_OK;
}
