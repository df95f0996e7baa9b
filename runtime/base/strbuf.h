/* A growing string. Failure is sticky: appending after an allocation failure does nothing, and
 * swg_strbuf_status reports it at the end, so callers check once. */
#ifndef SWG_RUNTIME_BASE_STRBUF_H
#define SWG_RUNTIME_BASE_STRBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

/* Zero-initialise to start. `text` is NUL-terminated once anything was appended. */
typedef struct swg_strbuf {
    char *text;
    size_t length, capacity;
    size_t limit; /* most bytes that `length` may become; 0 = as many as memory holds */
    bool failed;
    bool is_too_long; /* it failed because of the limit */
} swg_strbuf;

void swg_strbuf_append(swg_strbuf *buffer, const void *bytes, size_t length);
void swg_strbuf_puts(swg_strbuf *buffer, const char *text);
__attribute__((format(printf, 2, 3))) void swg_strbuf_printf(swg_strbuf *buffer,
                                                             const char *format, ...);
/* SWG_NO_MEMORY, or SWG_LIMIT when the limit was reached. */
swg_status swg_strbuf_status(const swg_strbuf *buffer);
const char *swg_strbuf_text(const swg_strbuf *buffer); /* "" when empty; never NULL */
void swg_strbuf_deinit(swg_strbuf *buffer);

#endif
