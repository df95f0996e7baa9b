/* The progress line on a terminal. */
#ifndef SWG_RUNTIME_CLI_TERMINAL_PROGRESS_H
#define SWG_RUNTIME_CLI_TERMINAL_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/progress.h"

/* Zero-initialise to start; the fields are terminal_progress.c's. */
typedef struct swg_terminal_progress {
    int fd;
    bool is_drawn;
    char label[96];
    uint64_t first_done; /* `done` at the step's first report: what was skipped does not count
                            towards the rate */
    double started_s, drawn_s;
    double (*clock_s)(void); /* seconds; swg_clock_s, or what a test sets after init */
} swg_terminal_progress;

/* Make `progress` draw on the terminal `fd`; it stays silent when `fd` is not a terminal or is one
 * that cannot move its cursor (TERM=dumb or unset), or when `is_wanted` is false. `state` must
 * outlive `progress`. */
void swg_terminal_progress_init(swg_terminal_progress *state, int fd, bool is_wanted,
                                swg_progress *progress);

/* Wipe the line, if there is one, so that other text can follow. */
void swg_terminal_progress_clear(swg_terminal_progress *state);

/* The line's text, without control characters, at most `width` columns: "reading model.swg  42%
 * 1.5 GiB/3.6 GiB  612.0 MiB/s  3 s left". `rate_per_s` < 0 and `total` 0 mean unknown. */
void swg_progress_line(const char *label, const char *unit, uint64_t done, uint64_t total,
                       double rate_per_s, size_t width, char *out, size_t out_bytes);

#endif
