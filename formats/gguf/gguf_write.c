/* See gguf_write.h. */
#include "formats/gguf/gguf_write.h"

#include <string.h>

#include "formats/bytes/bytes.h"

void swg_gguf_append_number(swg_strbuf *out, unsigned bytes, uint64_t number)
{
    uint8_t buffer[8];
    swg_put_le(buffer, bytes, number);
    swg_strbuf_append(out, buffer, bytes);
}

void swg_gguf_append_text(swg_strbuf *out, const char *text, size_t length)
{
    swg_gguf_append_number(out, 8, length);
    swg_strbuf_append(out, text, length);
}

static void put_key(swg_gguf_values *values, const char *key, swg_gguf_kind kind)
{
    const size_t prefix = key[0] == '.' ? strlen(values->arch) : 0;
    swg_gguf_append_number(&values->out, 8, prefix + strlen(key));
    swg_strbuf_append(&values->out, values->arch, prefix);
    swg_strbuf_puts(&values->out, key);
    swg_gguf_append_number(&values->out, 4, kind);
    values->count++;
}

void swg_gguf_put_u32(swg_gguf_values *values, const char *key, uint64_t number)
{
    put_key(values, key, SWG_GGUF_U32);
    swg_gguf_append_number(&values->out, 4, number);
}

void swg_gguf_put_f32(swg_gguf_values *values, const char *key, double number)
{
    const float narrow = (float)number;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    put_key(values, key, SWG_GGUF_FLOAT32);
    swg_gguf_append_number(&values->out, 4, bits);
}

void swg_gguf_put_bool(swg_gguf_values *values, const char *key, bool flag)
{
    put_key(values, key, SWG_GGUF_BOOL);
    swg_gguf_append_number(&values->out, 1, flag);
}

void swg_gguf_put_text(swg_gguf_values *values, const char *key, const char *text, size_t length)
{
    put_key(values, key, SWG_GGUF_STRING);
    swg_gguf_append_text(&values->out, text, length);
}

void swg_gguf_put_array(swg_gguf_values *values, const char *key, swg_gguf_kind kind,
                        uint64_t count)
{
    put_key(values, key, SWG_GGUF_ARRAY);
    swg_gguf_append_number(&values->out, 4, kind);
    swg_gguf_append_number(&values->out, 8, count);
}
