/* Signals: see signals.h. Handlers call async-signal-safe functions only. */
#include "runtime/cli/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "runtime/base/file.h"
#include "runtime/base/progress.h"
#include "runtime/base/status.h"

/* Exit codes of status.def, looked up beforehand. */
static int exit_interrupted, exit_corrupt;

static void on_interrupt(int number)
{
    (void)number;
    if (swg_is_interrupted()) {
        swg_file_abort_all_from_signal();
        _exit(exit_interrupted);
    }
    swg_interrupt();
}

/* Terminate by signal `number` as if there were no handler. */
static void die_of(int number)
{
    swg_file_abort_all_from_signal();
    signal(number, SIG_DFL);
    raise(number);
}

static void on_broken_pipe(int number)
{
    die_of(number);
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    (void)context;
    /* Only an access to a mapping without a backing page is the input's fault. */
    if (info->si_code != BUS_ADRERR) {
        die_of(number);
        return;
    }
    static const char text[] =
        "\nswage: an input file was shortened by another program, or failed, while it was read\n";
    const ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written;
    swg_file_abort_all_from_signal();
    _exit(exit_corrupt);
}

/* No SA_RESTART: a read that waits for the user must return when the user interrupts. */
static void handle(int number, void (*handler)(int))
{
    struct sigaction old, action = {.sa_handler = handler};
    if (sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
        return;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) != -1 || errno != EBADF)
            continue;
        /* Opened in the wrong direction on purpose: using the descriptor still fails, as it should.
         * The lowest free number is `fd`, because all below it are open. */
        const int filled = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        (void)filled;
    }
}

void swg_signals_install(void)
{
    exit_interrupted = swg_status_exit_code(SWG_INTERRUPTED);
    exit_corrupt = swg_status_exit_code(SWG_CORRUPT);
    fill_standard_descriptors();
    handle(SIGINT, on_interrupt);
    handle(SIGTERM, on_interrupt);
    handle(SIGHUP, on_interrupt);
    handle(SIGPIPE, on_broken_pipe);
    handle(SIGXFSZ, SIG_IGN);
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
