/* Notices about how the work was done: not failures, but things that the user must know, such as a
 * missing library that is replaced by something slower. Library code records a sentence; the
 * program takes and shows it (the command line on standard error, at the end of a command). Safe
 * from several threads. */
#ifndef SWG_RUNTIME_BASE_NOTICE_H
#define SWG_RUNTIME_BASE_NOTICE_H

#include <stdbool.h>
#include <stddef.h>

enum { SWG_NOTICE_BYTES = 512 };

/* Record a sentence (printf style; no trailing newline or full stop). Longer ones are cut; one
 * that is waiting already is dropped, and so are all while a few are waiting. */
__attribute__((format(printf, 1, 2))) void swg_notice(const char *format, ...);

/* Take the oldest waiting sentence; false when there is none. */
bool swg_notice_take(char out[SWG_NOTICE_BYTES]);

#endif
