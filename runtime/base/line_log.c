/* Appending lines to a file: see line_log.h. The file is locked only while a line is written, so
 * that writers in parallel wait for a disk's fsync at most. */
#include "runtime/base/line_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/file_calls.h"

static swg_status io_error(const char *what, const char *path)
{
    return swg_error(SWG_IO, "cannot %s %s: %s", what, path, strerror(errno));
}

static swg_status open_locked(const char *path, int *fd, off_t *size)
{
    struct stat info;
    *fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    if (*fd < 0)
        return io_error("open", path);
    if (fstat(*fd, &info) != 0)
        return io_error("examine", path);
    if (!S_ISREG(info.st_mode))
        return swg_error(SWG_UNSUPPORTED, "%s is not a regular file", path);
    while (flock(*fd, LOCK_EX) != 0)
        if (errno != EINTR)
            return io_error("lock", path);
    if (fstat(*fd, &info) != 0)
        return io_error("examine", path);
    *size = info.st_size;
    return SWG_OK;
}

/* Cut the file after its last line break. */
static swg_status remove_half_line(int fd, const char *path, off_t *size)
{
    char block[4096];
    off_t end = *size;
    while (end > 0) {
        const size_t step = end < (off_t)sizeof block ? (size_t)end : sizeof block;
        if (pread(fd, block, step, end - (off_t)step) != (ssize_t)step)
            return io_error("read", path);
        const char *newline = memrchr(block, '\n', step);
        if (newline) {
            end += (newline + 1 - block) - (off_t)step;
            break;
        }
        end -= (off_t)step;
    }
    if (end < *size && (!swg_file_count_call() || ftruncate(fd, end) != 0))
        return io_error("set the length of", path);
    *size = end;
    return SWG_OK;
}

static swg_status write_line(int fd, const char *path, const char *line, size_t length)
{
    for (size_t done = 0; done < length;) {
        const ssize_t written =
            swg_file_count_call() ? write(fd, line + done, length - done) : (ssize_t)-1;
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return io_error("write", path);
        done += (size_t)written;
    }
    if (!swg_file_count_call() || fsync(fd) != 0)
        return io_error("flush", path);
    return SWG_OK;
}

swg_status swg_line_log_append(const char *path, const char *line, size_t length)
{
    swg_status status = SWG_OK;
    int fd = -1;
    off_t size = 0;
    SWG_GO(open_locked(path, &fd, &size));
    SWG_GO(remove_half_line(fd, path, &size));
    status = write_line(fd, path, line, length);
    /* Best effort: if this fails too, the next writer removes the rest of the line. */
    if (status != SWG_OK && ftruncate(fd, size) != 0)
        status = swg_error_context(status, "%s may end with a part of a line", path);
done:
    if (fd >= 0)
        close(fd);
    return status;
}
