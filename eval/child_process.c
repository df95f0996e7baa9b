/* Running this program again: see child_process.h. */
#include "eval/child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/base/strbuf.h"

enum { POLL_NS = 10000000, SHELL_NOT_FOUND = 127 };

/* In the child, between fork and exec: async-signal-safe functions only. */
static void become(char *const *words, int output, int log, pid_t parent)
{
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent && nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 &&
        dup2(output, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0)
        execv("/proc/self/exe", words);
    _exit(SHELL_NOT_FOUND);
}

static swg_status start(const swg_child *child, int output, int log, pid_t *out)
{
    char **words = NULL;
    const pid_t parent = getpid();
    SWG_TRY(SWG_NEW(words, child->n_words + 2));
    words[0] = (char *)"swage";
    for (size_t i = 0; i < child->n_words; i++)
        words[i + 1] = (char *)child->words[i];
    const pid_t pid = fork();
    if (pid == 0)
        become(words, output, log, parent);
    const int error = errno;
    swg_free(words);
    if (pid < 0)
        return swg_error(SWG_NO_MEMORY, "cannot start swage %s: %s", child->words[0],
                         strerror(error));
    *out = pid;
    return SWG_OK;
}

/* Wait for it; an interruption is passed on once. */
static swg_status await(const swg_child *child, pid_t pid, int *state)
{
    const struct timespec pause = {.tv_nsec = POLL_NS};
    bool is_asked = false;
    for (;;) {
        const pid_t ended = waitpid(pid, state, WNOHANG);
        if (ended == pid)
            return is_asked ? swg_error(SWG_INTERRUPTED, "interrupted") : SWG_OK;
        if (ended < 0 && errno != EINTR)
            return swg_error(SWG_IO, "cannot wait for swage %s: %s", child->words[0],
                             strerror(errno));
        const swg_status status =
            swg_progress_step(child->progress, child->label, "points", child->done, child->total);
        if (status != SWG_OK && !is_asked) {
            kill(pid, SIGTERM);
            is_asked = true;
        }
        nanosleep(&pause, NULL);
    }
}

/* The last line of a text, which is cut off it. */
static char *cut_last_line(char *text, size_t *length)
{
    while (*length > 0 && text[*length - 1] == '\n')
        text[--*length] = '\0';
    char *const line_break = strrchr(text, '\n');
    char *const line = line_break ? line_break + 1 : text;
    *length = (size_t)(line - text);
    return line;
}

/* The sentence of the log: its last line, but for the one that points to the help, and without the
 * words "swage COMMAND: " in front. */
static swg_status tell_failure(const swg_child *child)
{
    enum { MOST = 1 << 20 };
    char *text = NULL;
    size_t length = 0;
    SWG_TRY(swg_file_read(child->log, MOST, &text, &length));
    const char *line = cut_last_line(text, &length);
    if (strncmp(line, "see swage ", 10) == 0)
        line = cut_last_line(text, &length);
    const size_t name = strlen(child->words[0]);
    if (strncmp(line, "swage ", 6) == 0 && strncmp(line + 6, child->words[0], name) == 0 &&
        strncmp(line + 6 + name, ": ", 2) == 0)
        line += 6 + name + 2;
    swg_error(SWG_FAILED, "%s", *line ? line : "it failed and did not say why");
    swg_free(text);
    return SWG_FAILED;
}

static swg_status judge(const swg_child *child, int state, int *exit_code)
{
    *exit_code = WIFEXITED(state) ? WEXITSTATUS(state) : -1;
    if (*exit_code == 0)
        return SWG_OK;
    if (WIFSIGNALED(state))
        return swg_error(SWG_FAILED, "swage %s was ended by signal %d (%s)", child->words[0],
                         WTERMSIG(state), strsignal(WTERMSIG(state)));
    return tell_failure(child);
}

swg_status swg_child_run(const swg_child *child, int *exit_code)
{
    swg_strbuf partial = {0};
    int output = -1, log = -1, state = 0;
    pid_t pid = 0;
    swg_status status = SWG_OK;
    swg_strbuf_printf(&partial, "%s.part", child->output);
    SWG_GO(swg_strbuf_status(&partial));
    output = open(partial.text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    log = open(child->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (output < 0 || log < 0)
        SWG_GO(swg_error(SWG_IO, "cannot write %s: %s", output < 0 ? partial.text : child->log,
                         strerror(errno)));
    SWG_GO(start(child, output, log, &pid));
    SWG_GO(await(child, pid, &state));
    SWG_GO(judge(child, state, exit_code));
    if (rename(partial.text, child->output) != 0)
        SWG_GO(swg_error(SWG_IO, "cannot write %s: %s", child->output, strerror(errno)));
done:
    if (output >= 0)
        close(output);
    if (log >= 0)
        close(log);
    if (status != SWG_OK && output >= 0)
        unlink(partial.text);
    swg_strbuf_deinit(&partial);
    return status;
}
