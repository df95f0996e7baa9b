/* Signals, each in a process of its own that has an output file open. */
#include "tests/harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/base/progress.h"
#include "runtime/cli/signals.h"

static char target[512], temporary[600];

/* Run `body` in a child with the handlers installed and an output open; the child's output goes
 * to a file. Returns waitpid's status. */
static int in_child(void (*body)(void))
{
    snprintf(target, sizeof target, "%s", swg_test_path("target"));
    fflush(stdout);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        const int said = open(swg_test_path("said"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(said, STDERR_FILENO);
        swg_signals_install();
        swg_file_writer *writer = NULL;
        if (swg_file_create(target, false, 0, &writer) != SWG_OK)
            _exit(99);
        body();
        _exit(98);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    snprintf(temporary, sizeof temporary, "%s.swage-tmp.%ld.0", target, (long)child);
    return status;
}

static void nothing_is_left(void)
{
    ck_assert_msg(!swg_path_exists(temporary), "%s is left", temporary);
    ck_assert(!swg_path_exists(target));
}

static void interrupt_once(void)
{
    raise(SIGINT);
    if (!swg_is_interrupted())
        _exit(1);
    const swg_status status = swg_progress_step(NULL, "counting", "", 1, 2);
    _exit(status == SWG_INTERRUPTED && swg_path_exists(target) == false ? 42 : 1);
}

START_TEST(first_interrupt_asks_long_work_to_stop)
{
    const int status = in_child(interrupt_once);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 42);
    ck_assert(swg_path_exists(temporary)); /* this child did not abort its output */
    unlink(temporary);
}
END_TEST

static void interrupt_twice(void)
{
    raise(SIGTERM);
    raise(SIGINT);
}

START_TEST(second_interrupt_ends_at_once_and_leaves_nothing)
{
    const int status = in_child(interrupt_twice);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 130);
    nothing_is_left();
}
END_TEST

static void broken_pipe(void)
{
    int ends[2];
    if (pipe(ends) != 0)
        _exit(1);
    close(ends[0]);
    const ssize_t written = write(ends[1], "x", 1);
    _exit(written == 1);
}

START_TEST(broken_pipe_kills_but_leaves_nothing)
{
    const int status = in_child(broken_pipe);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGPIPE);
    nothing_is_left();
}
END_TEST

static void read_shortened_input(void)
{
    swg_map map = {0};
    if (swg_map_open(swg_test_path("input"), &map) != SWG_OK ||
        truncate(swg_test_path("input"), 0) != 0)
        _exit(1);
    _exit(*(volatile const uint8_t *)&map.data[8192] == 1);
}

START_TEST(shortened_input_is_reported_as_corrupt)
{
    static const char zeros[16384];
    swg_test_write_file(swg_test_path("input"), zeros, sizeof zeros);
    const int status = in_child(read_shortened_input);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 3);
    nothing_is_left();
    size_t length = 0;
    uint8_t *said = swg_test_read_file(swg_test_path("said"), &length);
    ck_assert_ptr_nonnull(strstr((const char *)said, "shortened by another program"));
    swg_free(said);
}
END_TEST

static void exceed_file_size(void)
{
    const struct rlimit limit = {100, 100};
    setrlimit(RLIMIT_FSIZE, &limit);
    swg_file_writer *writer = NULL;
    char data[200] = {0};
    if (swg_file_create(swg_test_path("limited"), false, 0, &writer) != SWG_OK)
        _exit(1);
    const swg_status status = swg_file_append(writer, data, sizeof data);
    swg_file_abort(&writer);
    _exit(status == SWG_IO ? 42 : 2);
}

START_TEST(file_size_limit_is_an_ordinary_error)
{
    const int status = in_child(exceed_file_size);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 42);
    unlink(temporary);
}
END_TEST

static void ignored_by_parent(void)
{
    /* Installed once more, under a parent that ignores them (nohup). */
    signal(SIGHUP, SIG_IGN);
    swg_signals_install();
    raise(SIGHUP);
    _exit(swg_is_interrupted() ? 1 : 42);
}

START_TEST(ignored_signals_stay_ignored)
{
    const int status = in_child(ignored_by_parent);
    ck_assert_int_eq(WEXITSTATUS(status), 42);
    unlink(temporary);
}
END_TEST

static void closed_output(void)
{
    close(STDOUT_FILENO);
    swg_signals_install();
    const int next = open("/dev/null", O_WRONLY);
    const bool fails = write(STDOUT_FILENO, "x", 1) < 0;
    _exit(next > STDERR_FILENO && fails ? 42 : 1);
}

START_TEST(closed_output_is_not_given_to_a_file)
{
    const int status = in_child(closed_output);
    ck_assert_int_eq(WEXITSTATUS(status), 42);
    unlink(temporary);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("signals");
    TCase *cases = tcase_create("signals");
    tcase_add_test(cases, first_interrupt_asks_long_work_to_stop);
    tcase_add_test(cases, second_interrupt_ends_at_once_and_leaves_nothing);
    tcase_add_test(cases, broken_pipe_kills_but_leaves_nothing);
    tcase_add_test(cases, shortened_input_is_reported_as_corrupt);
    tcase_add_test(cases, file_size_limit_is_an_ordinary_error);
    tcase_add_test(cases, ignored_signals_stay_ignored);
    tcase_add_test(cases, closed_output_is_not_given_to_a_file);
    suite_add_tcase(suite, cases);
    return suite;
}
