/* A chat template's text as tokens. White space around tags is treated as transformers sets Jinja
 * up: the line break after a tag goes (trim_blocks), white space before a tag that starts its line
 * goes (lstrip_blocks), "-" takes all white space, "+" keeps it. Private to runtime/text/jinja. */
#ifndef SWG_RUNTIME_TEXT_JINJA_LEXER_H
#define SWG_RUNTIME_TEXT_JINJA_LEXER_H

#include "runtime/base/mem.h"
#include "runtime/base/strbuf.h"

typedef enum swg_jtoken_kind {
    SWG_JT_DATA, /* text that is printed as it is */
    SWG_JT_BLOCK_BEGIN,
    SWG_JT_BLOCK_END,
    SWG_JT_PRINT_BEGIN,
    SWG_JT_PRINT_END,
    SWG_JT_NAME,
    SWG_JT_STRING, /* without quotes and escapes */
    SWG_JT_INT,
    SWG_JT_FLOAT,
    SWG_JT_OPERATOR,
    SWG_JT_END
} swg_jtoken_kind;

/* Operators of one or two characters as a number. */
#define SWG_JOP(first, second) ((unsigned)(first) | (unsigned)(second) << 8)

typedef struct swg_jtoken {
    swg_jtoken_kind kind;
    unsigned line, op; /* op: SWG_JOP */
    const char *text;  /* data, names, strings: in the arena, or in the source */
    size_t length;
    int64_t integer;
    double real;
} swg_jtoken;

/* All tokens of `source` (an array that ends with SWG_JT_END, the caller's to free), which must
 * stay as it is: line breaks are "\n" already, and the last one is gone. `file` is for messages.
 * SWG_CORRUPT, SWG_NO_MEMORY. */
swg_status swg_jlex(const char *source, size_t length, const char *file, swg_arena *arena,
                    swg_jtoken **out);

#endif
