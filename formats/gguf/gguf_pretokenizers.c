/* The table of gguf_pretokenizers.def. */
#include "formats/gguf/gguf_pretokenizers.h"

#include <string.h>

/* Each family's patterns, and the rest of it as a row without a name. */
#define SWG_GGUF_PRE(name, id)
#define SWG_GGUF_FAMILY(id, normalizer, ignore_merges, adds_bos, ...)                              \
    static const char *const patterns_##id[] = {__VA_ARGS__};                                      \
    static const swg_gguf_pretokenizer family_##id = {normalizer, ignore_merges, adds_bos,         \
                                                      patterns_##id};
#include "formats/gguf/gguf_pretokenizers.def"
#undef SWG_GGUF_PRE
#undef SWG_GGUF_FAMILY

static const struct {
    const char *name;
    const swg_gguf_pretokenizer *family;
} names[] = {
#define SWG_GGUF_PRE(name, id) {name, &family_##id},
#define SWG_GGUF_FAMILY(id, normalizer, ignore_merges, adds_bos, ...)
#include "formats/gguf/gguf_pretokenizers.def"
#undef SWG_GGUF_PRE
#undef SWG_GGUF_FAMILY
};
enum { N_NAMES = sizeof names / sizeof *names };

const swg_gguf_pretokenizer *swg_gguf_pretokenizer_find(const char *name, size_t length)
{
    for (size_t i = 0; i < N_NAMES; i++)
        if (strlen(names[i].name) == length && memcmp(names[i].name, name, length) == 0)
            return names[i].family;
    return NULL;
}

const char *swg_gguf_pretokenizer_name(const char *const *patterns, size_t count,
                                       const char *normalizer, bool ignore_merges)
{
    for (size_t i = 0; i < N_NAMES; i++) {
        const swg_gguf_pretokenizer *family = names[i].family;
        bool is_same =
            family->ignore_merges == ignore_merges && strcmp(family->normalizer, normalizer) == 0;
        size_t p = 0;
        while (is_same && p < count && family->patterns[p] &&
               strcmp(family->patterns[p], patterns[p]) == 0)
            p++;
        if (is_same && p == count && !family->patterns[p])
            return names[i].name;
    }
    return NULL;
}
