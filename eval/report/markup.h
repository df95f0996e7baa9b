/* Text for HTML, SVG and Markdown. What comes from a results file is not trusted: all of it goes
 * through these functions, which leave nothing that would be markup. */
#ifndef SWG_EVAL_REPORT_MARKUP_H
#define SWG_EVAL_REPORT_MARKUP_H

#include <stddef.h>

#include "runtime/base/strbuf.h"

/* Append text for the inside of an element or of a quoted attribute: & < > " ' become entities;
 * control characters, those that change the direction of writing, and those that XML does not
 * allow become U+FFFD. Line breaks stay. */
void swg_markup_text(swg_strbuf *out, const char *text);

/* The same, cut after `most` characters, with an ellipsis where something was cut. */
void swg_markup_short(swg_strbuf *out, const char *text, size_t most);

/* The same for a cell of a Markdown table: what Markdown would read as its own is escaped too, and
 * a line break is a blank. */
void swg_markup_markdown(swg_strbuf *out, const char *text);

/* JSON text laid out over lines, as markup; what is longer than `most` bytes is cut and says so. */
void swg_markup_json(swg_strbuf *out, const char *json, size_t most);

#endif
