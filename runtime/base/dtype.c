/* The table of element types. */
#include "runtime/base/dtype.h"

#include <string.h>

static const struct {
    unsigned bits;
    const char *text;
} dtypes[] = {
#define SWG_DTYPE(name, bits, text) {bits, text},
#include "runtime/base/dtype.def"
#undef SWG_DTYPE
};

unsigned swg_dtype_bits(swg_dtype dtype)
{
    return dtypes[dtype].bits;
}

const char *swg_dtype_name(swg_dtype dtype)
{
    return dtypes[dtype].text;
}

bool swg_dtype_parse(const char *text, size_t length, swg_dtype *out)
{
    for (int i = 0; i < SWG_DTYPE_COUNT; i++)
        if (strlen(dtypes[i].text) == length && memcmp(dtypes[i].text, text, length) == 0) {
            *out = (swg_dtype)i;
            return true;
        }
    return false;
}

const char *swg_dtype_word(swg_dtype dtype, char out[SWG_DTYPE_WORD_BYTES])
{
    size_t i = 0;
    for (const char *s = dtypes[dtype].text; *s; s++)
        out[i++] = (*s >= 'A' && *s <= 'Z') ? (char)(*s - 'A' + 'a') : *s;
    out[i] = '\0';
    return out;
}

bool swg_dtype_parse_word(const char *text, size_t length, swg_dtype *out)
{
    char word[SWG_DTYPE_WORD_BYTES];
    for (int i = 0; i < SWG_DTYPE_COUNT; i++) {
        swg_dtype_word((swg_dtype)i, word);
        if (strlen(word) == length && memcmp(word, text, length) == 0) {
            *out = (swg_dtype)i;
            return true;
        }
    }
    return false;
}

bool swg_dtype_is_float(swg_dtype dtype)
{
    return dtype == SWG_F32 || dtype == SWG_F16 || dtype == SWG_BF16;
}

bool swg_dtype_is_number(swg_dtype dtype)
{
    return swg_dtype_is_float(dtype) || dtype == SWG_F64;
}
