/* The progress line: its text, and that it is drawn on a terminal only. */
#include "tests/harness.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "runtime/cli/terminal_progress.h"

static const char *line_of(const char *label, const char *unit, uint64_t done, uint64_t total,
                           double rate, size_t width)
{
    static char text[512];
    swg_progress_line(label, unit, done, total, rate, width, text, sizeof text);
    return text;
}

START_TEST(line_shows_share_rate_and_time_left)
{
    const uint64_t mib = 1 << 20;
    ck_assert_str_eq(line_of("reading a", "B", 512 * mib, 2048 * mib, 512.0 * mib, 100),
                     "reading a   25%  512.0 MiB/2.0 GiB  512.0 MiB/s  3 s left");
    ck_assert_str_eq(line_of("scoring", "tokens", 100, 20000, 2.5, 100),
                     "scoring    0%  100 tokens/20k tokens  2.5 tokens/s  2 h 12 min left");
    ck_assert_str_eq(line_of("scoring", "tokens", 0, 0, -1, 100), "scoring  0 tokens");
    ck_assert_str_eq(line_of("x", "B", 1, UINT64_MAX, 1e-9, 100),
                     "x    0%  1 B/16.0 EiB  0 B/s  over 11 days left");
    ck_assert_str_eq(line_of("x", "rows", 10, 5, 60, 100), "x  100%  10 rows/5 rows  60 rows/s");
    ck_assert_str_eq(line_of("x", "rows", 0, 5430, 60, 100),
                     "x    0%  0 rows/5430 rows  60 rows/s  1 min 30 s left");
}
END_TEST

START_TEST(line_is_cut_by_characters_and_shows_no_control_characters)
{
    ck_assert_str_eq(line_of("abcdef", "B", 0, 0, -1, 4), "abcd");
    ck_assert_str_eq(line_of("\xc3\xa9\xc3\xa9\xc3\xa9", "B", 0, 0, -1, 2), "\xc3\xa9\xc3\xa9");
    ck_assert_str_eq(line_of("a\033[31m\nb\xff", "B", 0, 0, -1, 80), "a?[31m?b?  0 B");
}
END_TEST

/* A terminal of our own: `master` is what a user would see. */
static int open_terminal(int *master)
{
    *master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (*master < 0 || grantpt(*master) != 0 || unlockpt(*master) != 0)
        return -1;
    return open(ptsname(*master), O_RDWR | O_NOCTTY);
}

static size_t seen(int master, char *out, size_t bytes)
{
    const ssize_t length = read(master, out, bytes - 1);
    out[length > 0 ? length : 0] = '\0';
    return length > 0 ? (size_t)length : 0;
}

/* A clock that tests set by hand. */
static double time_s;
static double set_clock(void)
{
    return time_s;
}

/* Progress on a terminal of our own, whose clock shows 100 s. False, and a skip, without one. */
static bool begin_drawing(int *master, int *fd, swg_terminal_progress *state,
                          swg_progress *progress)
{
    *fd = open_terminal(master);
    if (*fd < 0) {
        swg_test_skip("no pseudo-terminal can be opened");
        return false;
    }
    setenv("TERM", "xterm", 1);
    *state = (swg_terminal_progress){0};
    swg_terminal_progress_init(state, *fd, true, progress);
    ck_assert_ptr_nonnull(progress->show);
    state->clock_s = set_clock;
    time_s = 100;
    return true;
}

START_TEST(a_terminal_is_drawn_on_and_wiped)
{
    int master, fd;
    swg_terminal_progress state;
    swg_progress progress;
    char text[4096];
    if (!begin_drawing(&master, &fd, &state, &progress))
        return;
    const struct winsize size = {.ws_row = 24, .ws_col = 21};
    ioctl(fd, TIOCSWINSZ, &size);
    ck_ok(swg_progress_step(&progress, "packing the weights", "B", 0, 1 << 20));
    ck_assert_uint_gt(seen(master, text, sizeof text), 0);
    ck_assert_str_eq(text, "\rpacking the weights \033[K");
    swg_terminal_progress_clear(&state);
    ck_assert_uint_gt(seen(master, text, sizeof text), 0);
    ck_assert_str_eq(text, "\r\033[K");
    swg_terminal_progress_clear(&state);
    ck_assert_uint_eq(seen(master, text, sizeof text), 0);
    time_s += 0.12;
    progress.show(progress.context, "next", "B", 1, 2);
    ck_assert_uint_gt(seen(master, text, sizeof text), 0);
    ck_assert_ptr_nonnull(strstr(text, "next   50%"));
    progress.show(progress.context, "next", "B", 2, 2);
    ck_assert_uint_gt(seen(master, text, sizeof text), 0);
    ck_assert_str_eq(text, "\r\033[K");
    close(fd);
    close(master);
}
END_TEST

START_TEST(a_line_is_drawn_ten_times_a_second_at_most)
{
    int master, fd;
    swg_terminal_progress state;
    swg_progress progress;
    char text[4096];
    if (!begin_drawing(&master, &fd, &state, &progress))
        return;
    size_t drawn = 0;
    for (uint64_t i = 0; i < 8000; i++) { /* one step per 1/4096 s: two seconds less a bit */
        ck_ok(swg_progress_step(&progress, "packing", "B", i, 1 << 20));
        drawn += seen(master, text, sizeof text) > 0;
        time_s += 0x1p-12;
    }
    ck_assert_uint_ge(drawn, 18); /* 0.1 s is rounded up to 410 steps */
    ck_assert_uint_le(drawn, 20);
    close(fd);
    close(master);
}
END_TEST

START_TEST(a_rate_appears_once_it_means_something)
{
    int master, fd;
    swg_terminal_progress state;
    swg_progress progress;
    char text[4096];
    if (!begin_drawing(&master, &fd, &state, &progress))
        return;
    /* Resumed at 1000: what was there before does not count towards the rate. */
    progress.show(progress.context, "work", "rows", 1000, 2000);
    ck_assert_uint_gt(seen(master, text, sizeof text), 0);
    ck_assert_ptr_null(strstr(text, "/s"));
    time_s += 0.4;
    progress.show(progress.context, "work", "rows", 1020, 2000);
    ck_assert_uint_gt(seen(master, text, sizeof text), 0);
    ck_assert_ptr_null(strstr(text, "/s"));
    time_s += 0.6;
    progress.show(progress.context, "work", "rows", 1060, 2000);
    ck_assert_uint_gt(seen(master, text, sizeof text), 0);
    ck_assert_msg(strstr(text, "  60 rows/s  16 s left") != NULL, "%s", text);
    close(fd);
    close(master);
}
END_TEST

START_TEST(nothing_is_drawn_elsewhere)
{
    swg_terminal_progress state = {0};
    swg_progress progress;
    int ends[2], master;
    ck_assert_int_eq(pipe(ends), 0);
    setenv("TERM", "xterm", 1);
    swg_terminal_progress_init(&state, ends[1], true, &progress);
    ck_assert_ptr_null(progress.show);
    close(ends[0]);
    close(ends[1]);
    const int fd = open_terminal(&master);
    if (fd < 0) {
        swg_test_skip("no pseudo-terminal can be opened");
        return;
    }
    swg_terminal_progress_init(&state, fd, false, &progress); /* --quiet, --no-progress */
    ck_assert_ptr_null(progress.show);
    setenv("TERM", "dumb", 1);
    swg_terminal_progress_init(&state, fd, true, &progress);
    ck_assert_ptr_null(progress.show);
    unsetenv("TERM");
    swg_terminal_progress_init(&state, fd, true, &progress);
    ck_assert_ptr_null(progress.show);
    close(fd);
    close(master);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("terminal_progress");
    TCase *cases = tcase_create("terminal_progress");
    tcase_add_test(cases, line_shows_share_rate_and_time_left);
    tcase_add_test(cases, line_is_cut_by_characters_and_shows_no_control_characters);
    tcase_add_test(cases, a_terminal_is_drawn_on_and_wiped);
    tcase_add_test(cases, a_line_is_drawn_ten_times_a_second_at_most);
    tcase_add_test(cases, a_rate_appears_once_it_means_something);
    tcase_add_test(cases, nothing_is_drawn_elsewhere);
    suite_add_tcase(suite, cases);
    return suite;
}
