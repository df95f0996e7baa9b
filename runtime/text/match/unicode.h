/* What tokenizers ask about characters, and Unicode's normal forms. Private to runtime/text. */
#ifndef SWG_RUNTIME_TEXT_MATCH_UNICODE_H
#define SWG_RUNTIME_TEXT_MATCH_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/base/strbuf.h"

bool swg_char_is_space(uint32_t code);       /* White_Space */
bool swg_char_is_word(uint32_t code);        /* letters, marks, decimal digits, connectors */
bool swg_char_is_letter(uint32_t code);      /* L */
bool swg_char_is_number(uint32_t code);      /* N */
bool swg_char_is_mark(uint32_t code);        /* M */
bool swg_char_is_nonspacing(uint32_t code);  /* Mn */
bool swg_char_is_control(uint32_t code);     /* C: control, format, unassigned, private use */
bool swg_char_is_punctuation(uint32_t code); /* P, and all of ASCII's */

/* Where the character that ends at `end` (> 0) starts. */
size_t swg_utf8_previous(const char *text, size_t end);

void swg_char_append(swg_strbuf *out, uint32_t code);

/* Append the lower-case (upper-case) form of a character, each by itself (no final sigma). */
void swg_char_append_lower(swg_strbuf *out, uint32_t code);
void swg_char_append_upper(swg_strbuf *out, uint32_t code);

typedef enum swg_normal_form { SWG_NFC, SWG_NFD, SWG_NFKC, SWG_NFKD } swg_normal_form;

/* Append the normal form of valid UTF-8 text. SWG_NO_MEMORY. */
swg_status swg_unicode_normalize(swg_normal_form form, const char *text, size_t length,
                                 swg_strbuf *out);

#endif
