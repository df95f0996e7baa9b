/* Pre-tokenizers that GGUF knows by name alone. */
#ifndef SWG_FORMATS_GGUF_GGUF_PRETOKENIZERS_H
#define SWG_FORMATS_GGUF_GGUF_PRETOKENIZERS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct swg_gguf_pretokenizer {
    const char *normalizer; /* type of a normalizer without members; "" = none */
    bool ignore_merges;
    bool adds_bos;               /* where no key says it */
    const char *const *patterns; /* NULL-terminated */
} swg_gguf_pretokenizer;

/* NULL when the name is not known. */
const swg_gguf_pretokenizer *swg_gguf_pretokenizer_find(const char *name, size_t length);

/* The first name of one with these `count` patterns, normalizer and flag; NULL when there is none.
 */
const char *swg_gguf_pretokenizer_name(const char *const *patterns, size_t count,
                                       const char *normalizer, bool ignore_merges);

#endif
