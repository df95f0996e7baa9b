/* Status codes and the thread's error sentence. Messages longer than the buffer are cut, never
 * overrun; building one allocates nothing, so running out of memory can be reported too. */
#include "runtime/base/status.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/utf8.h"

enum { MESSAGE_BYTES = 1024 };

static _Thread_local char message[MESSAGE_BYTES];

static const struct {
    int exit_code;
    const char *meaning;
} statuses[] = {
#define SWG_STATUS(name, exit_code, meaning) {exit_code, meaning},
#include "runtime/base/status.def"
#undef SWG_STATUS
};

/* Names and texts of a file go into sentences, and sentences to a terminal: control characters and
 * bytes that are not UTF-8 become question marks. */
static void make_printable(char *text)
{
    const size_t length = strlen(text);
    for (size_t at = 0; at < length;) {
        uint32_t code = 0;
        const size_t step = swg_utf8_decode(text + at, length - at, &code);
        const bool is_control = code < 0x20 || (code >= 0x7f && code < 0xa0);
        if (step > 0 && is_control)
            memset(text + at, '?', step);
        else if (step == 0)
            text[at] = '?';
        at += step ? step : 1;
    }
}

swg_status swg_error(swg_status status, const char *format, ...)
{
    /* Formatted into a separate buffer first: an argument may be the old message itself. */
    char text[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    make_printable(text);
    memcpy(message, text, sizeof message);
    return status;
}

swg_status swg_error_context(swg_status status, const char *format, ...)
{
    char context[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(context, sizeof context, format, arguments);
    va_end(arguments);
    if (length < 0)
        return status;
    size_t used = (size_t)length < sizeof context ? (size_t)length : sizeof context - 1;
    const char *separator = message[0] ? ": " : "";
    for (const char *s = separator; *s && used + 1 < sizeof context; s++)
        context[used++] = *s;
    for (const char *s = message; *s && used + 1 < sizeof context; s++)
        context[used++] = *s;
    context[used] = '\0';
    make_printable(context);
    memcpy(message, context, used + 1);
    return status;
}

swg_status swg_options_check(const char *name, size_t size, size_t expected)
{
    return size == expected
               ? SWG_OK
               : swg_error(SWG_USAGE,
                           "%s has a size of %zu bytes instead of %zu; fill it with %s_default",
                           name, size, expected, name);
}

const char *swg_error_message(void)
{
    return message;
}

void swg_error_clear(void)
{
    message[0] = '\0';
}

int swg_status_exit_code(swg_status status)
{
    return (size_t)status < sizeof statuses / sizeof statuses[0] ? statuses[status].exit_code : 1;
}

const char *swg_status_meaning(swg_status status)
{
    return (size_t)status < sizeof statuses / sizeof statuses[0] ? statuses[status].meaning
                                                                 : "unknown status";
}
