/* The progress line: drawn on a terminal at most ten times a second, wiped when its step ends or
 * before other text is printed. It uses no colour, so NO_COLOR does not matter here. */
#include "runtime/cli/terminal_progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/utf8.h"
#include "runtime/cli/cli.h"

enum { DEFAULT_COLUMNS = 80, LINE_BYTES = 512 };
static const double draw_every_s = 0.1;
/* A rate measured over less time than this is noise. */
static const double rate_after_s = 0.5;

static void format_amount(double amount, const char *unit, char out[48])
{
    static const char *const prefixes[] = {"", "k", "M", "G", "T"};
    char bytes[32];
    if (strcmp(unit, "B") == 0) {
        /* UINT64_MAX becomes 2^64 as a double, which does not convert back. */
        const uint64_t whole = amount < 0x1p64 ? (uint64_t)amount : UINT64_MAX;
        snprintf(out, 48, "%s", swg_format_bytes(whole, bytes));
        return;
    }
    size_t prefix = 0;
    for (; amount >= 9999.5 && prefix < sizeof prefixes / sizeof prefixes[0] - 1; prefix++)
        amount /= 1000;
    snprintf(out, 48, "%.*f%s %.20s", amount < 10 && amount != (double)(int)amount ? 1 : 0, amount,
             prefixes[prefix], unit);
}

static void format_duration(double seconds, char out[48])
{
    if (seconds < 60)
        snprintf(out, 48, "%.0f s", seconds);
    else if (seconds < 3600)
        snprintf(out, 48, "%d min %02d s", (int)seconds / 60, (int)seconds % 60);
    else if (seconds < 1e6)
        snprintf(out, 48, "%d h %02d min", (int)seconds / 3600, (int)seconds / 60 % 60);
    else
        snprintf(out, 48, "over 11 days");
}

/* Cut `text` to `columns` characters (wide ones are rare in labels and only end the line early),
 * with control characters shown as '?': a label may hold a file's name. */
static void make_printable(char *text, size_t columns)
{
    char *to = text;
    size_t shown = 0;
    for (const char *at = text; *at && shown < columns; shown++) {
        uint32_t code = 0;
        const size_t step = swg_utf8_decode(at, strlen(at), &code);
        if (step == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0)) {
            *to++ = '?';
            at += step ? step : 1;
            continue;
        }
        memmove(to, at, step);
        to += step;
        at += step;
    }
    *to = '\0';
}

void swg_progress_line(const char *label, const char *unit, uint64_t done, uint64_t total,
                       double rate_per_s, size_t width, char *out, size_t out_bytes)
{
    char done_text[48], part[160] = "", speed[64] = "", left[64] = "", amount[48];
    format_amount((double)done, unit, done_text);
    if (total) {
        format_amount((double)total, unit, amount);
        const double share = done < total ? 100.0 * ((double)done / (double)total) : 100;
        snprintf(part, sizeof part, "%3.0f%%  %s/%s", share, done_text, amount);
    } else {
        snprintf(part, sizeof part, "%s", done_text);
    }
    if (rate_per_s > 0) {
        format_amount(rate_per_s, unit, amount);
        snprintf(speed, sizeof speed, "  %s/s", amount);
        if (total > done) {
            format_duration((double)(total - done) / rate_per_s, amount);
            snprintf(left, sizeof left, "  %s left", amount);
        }
    }
    snprintf(out, out_bytes, "%s  %s%s%s", label, part, speed, left);
    make_printable(out, width);
}

static void put(int fd, const char *text, size_t length)
{
    /* A terminal that has gone away must not stop the work. */
    const ssize_t written = write(fd, text, length);
    (void)written;
}

void swg_terminal_progress_clear(swg_terminal_progress *state)
{
    if (!state->is_drawn)
        return;
    static const char wipe[] = "\r\033[K";
    put(state->fd, wipe, sizeof wipe - 1);
    state->is_drawn = false;
}

static size_t columns_of(int fd)
{
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : DEFAULT_COLUMNS;
}

static void show(void *context, const char *label, const char *unit, uint64_t done, uint64_t total)
{
    swg_terminal_progress *state = context;
    const double now = state->clock_s();
    char step[sizeof state->label];
    snprintf(step, sizeof step, "%.*s", (int)strcspn(label, ":"), label);
    if (strcmp(state->label, step) != 0 || done < state->first_done) {
        memcpy(state->label, step, sizeof step);
        state->first_done = done;
        state->started_s = now;
    }
    if (total && done >= total) {
        swg_terminal_progress_clear(state);
        state->label[0] = '\0'; /* the next report starts a new step, whatever its label */
        return;
    }
    if (now - state->drawn_s < draw_every_s)
        return;
    const double elapsed = now - state->started_s;
    const double rate =
        elapsed >= rate_after_s ? (double)(done - state->first_done) / elapsed : -1.0;
    char text[LINE_BYTES], line[LINE_BYTES + 16];
    /* The last column stays free: writing there would wrap on some terminals. */
    swg_progress_line(label, unit, done, total, rate, columns_of(state->fd) - 1, text, sizeof text);
    const int length = snprintf(line, sizeof line, "\r%s\033[K", text);
    put(state->fd, line, (size_t)length);
    state->is_drawn = true;
    state->drawn_s = now;
}

void swg_terminal_progress_init(swg_terminal_progress *state, int fd, bool is_wanted,
                                swg_progress *progress)
{
    *state = (swg_terminal_progress){.fd = fd, .clock_s = swg_clock_s};
    *progress = (swg_progress){0};
    const char *terminal = getenv("TERM");
    const bool can_draw = terminal && *terminal && strcmp(terminal, "dumb") != 0;
    if (is_wanted && can_draw && isatty(fd))
        *progress = (swg_progress){.show = show, .context = state};
}
