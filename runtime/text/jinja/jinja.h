/* Chat templates: the part of Jinja that published ones use, rendered as transformers renders them
 * (an immutable sandbox, trim_blocks, lstrip_blocks, loop controls, its own tojson, strftime_now,
 * raise_exception, {% generation %}).
 *
 * A template comes with a model, from anybody. It can read the variables it is given and print;
 * there is nothing else to reach. Its size, depth, memory, output and steps are bounded
 * (runtime/text/work.h), so rendering ends, soon, whatever it says. Not supported, and refused by
 * name: call blocks, recursive loops, includes and inheritance, formatting with %. */
#ifndef SWG_RUNTIME_TEXT_JINJA_JINJA_H
#define SWG_RUNTIME_TEXT_JINJA_JINJA_H

#include <time.h>

#include "formats/json/json.h"
#include "runtime/base/strbuf.h"

typedef struct swg_jinja swg_jinja;

/* Parse `length` bytes; the text may be freed afterwards. SWG_CORRUPT with the line for what is not
 * a template, SWG_UNSUPPORTED, SWG_LIMIT, SWG_NO_MEMORY. A parsed template never changes. */
swg_status swg_jinja_parse(const char *text, size_t length, swg_jinja **out);
void swg_jinja_free(swg_jinja **template); /* NULL inside is accepted */

/* Append what the template prints, given the members of two objects, those of `variables` before
 * those of `defaults`. `now` is the time of strftime_now. SWG_UNSUPPORTED when it refuses the
 * variables (raise_exception), or needs what is not supported; SWG_FAILED when it fails on them (an
 * undefined value, a wrong kind); SWG_LIMIT, SWG_NO_MEMORY, SWG_INTERRUPTED. On failure `out` holds
 * what it held before. */
swg_status swg_jinja_render(const swg_jinja *template, const swg_json *variables,
                            const swg_json *defaults, time_t now, swg_strbuf *out);

#endif
