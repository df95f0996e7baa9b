/* What the files of protocols (eval/protocols) share: the input, the lists that windows are
 * collected in, and how texts and documents become tokens. A protocol is a function
 * swg_windows__<ID> in a file eval/protocols/windows_<ID>.c and a row in protocols.def. */
#ifndef SWG_EVAL_WINDOW_LISTS_H
#define SWG_EVAL_WINDOW_LISTS_H

#include "eval/windows.h"

/* What a protocol's function gets. */
typedef struct swg_window_input {
    const swg_tokenizer *tokenizer;
    const char *text;
    size_t length;
    size_t context;    /* >= 2 */
    size_t stride;     /* 1 to context; 0 for protocols without one */
    size_t max_tokens; /* of the text to use; 0 = all */
    const size_t *ends; /* [n_documents] where documents end; NULL = the text is one */
    size_t n_documents;
} swg_window_input;

/* The growing lists that become a swg_windows. */
typedef struct swg_window_lists {
    swg_windows made;
    size_t ids_capacity, windows_capacity;
    size_t n_used;      /* tokens of the text among the ids */
    size_t n_documents; /* seen so far */
} swg_window_lists;

typedef swg_status swg_window_function(const swg_window_input *in, swg_window_lists *lists);

#define SWG_PROTOCOL(id, name, output, context, overlap, bos, text)                                \
    swg_window_function swg_windows__##id;
#include "eval/protocols.def"
#undef SWG_PROTOCOL

swg_status swg_windows_add(swg_window_lists *lists, swg_window window);
swg_status swg_windows_add_ids(swg_window_lists *lists, const int32_t *ids, size_t n);

/* A text, or one document of it, as one run of tokens; at most what is left of max_tokens. */
swg_status swg_windows_add_text(const swg_window_input *in, bool add_special,
                                swg_window_lists *lists);

/* Hand every document that is not empty to `add`, until max_tokens are used: blocks separated by
 * one blank line, where a line break is "\n" or "\r\n"; one at the very end belongs to none. */
swg_status swg_windows_each_document(const swg_window_input *in, swg_window_lists *lists,
                                     swg_window_function *add);

#endif
