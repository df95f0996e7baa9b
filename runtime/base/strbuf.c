/* A growing string: see strbuf.h. */
#include "runtime/base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"

/* Room for `length` bytes and a NUL after the text. */
static bool reserve(swg_strbuf *buffer, size_t length)
{
    size_t needed;
    if (buffer->failed)
        return false;
    if (buffer->limit && length > buffer->limit - buffer->length) {
        buffer->failed = buffer->is_too_long = true;
        return false;
    }
    if (length < buffer->capacity - buffer->length)
        return true;
    buffer->failed = !swg_size_add(buffer->length, length, &needed) ||
                     !swg_size_add(needed, 1, &needed) ||
                     swg_reserve((void **)&buffer->text, &buffer->capacity, needed, 1) != SWG_OK;
    return !buffer->failed;
}

void swg_strbuf_append(swg_strbuf *buffer, const void *bytes, size_t length)
{
    if (!reserve(buffer, length))
        return;
    if (length)
        memcpy(buffer->text + buffer->length, bytes, length);
    buffer->length += length;
    buffer->text[buffer->length] = '\0';
}

void swg_strbuf_puts(swg_strbuf *buffer, const char *text)
{
    swg_strbuf_append(buffer, text, strlen(text));
}

void swg_strbuf_printf(swg_strbuf *buffer, const char *format, ...)
{
    enum { USUAL_BYTES = 64 };
    if (!reserve(buffer, USUAL_BYTES))
        return;
    const size_t room = buffer->capacity - buffer->length;
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(buffer->text + buffer->length, room, format, arguments);
    va_end(arguments);
    if (length < 0)
        buffer->failed = true;
    else if ((size_t)length >= room && reserve(buffer, (size_t)length))
        vsnprintf(buffer->text + buffer->length, (size_t)length + 1, format, again);
    va_end(again);
    if (!buffer->failed)
        buffer->length += (size_t)length;
}

swg_status swg_strbuf_status(const swg_strbuf *buffer)
{
    if (buffer->is_too_long)
        return swg_error(SWG_LIMIT, "a text has more than %zu bytes", buffer->limit);
    return buffer->failed ? swg_error(SWG_NO_MEMORY, "out of memory while building text") : SWG_OK;
}

const char *swg_strbuf_text(const swg_strbuf *buffer)
{
    return buffer->text ? buffer->text : "";
}

void swg_strbuf_deinit(swg_strbuf *buffer)
{
    swg_free(buffer->text);
    *buffer = (swg_strbuf){0};
}
