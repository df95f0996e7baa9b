/* Files: see file.h. The temporary file is created exclusively in the target's folder, so the
 * final rename cannot cross file systems; its name is registered in a fixed table so that a signal
 * handler can remove it without touching the heap. */
#include "runtime/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/file_calls.h"
#include "runtime/base/folder.h"
#include "runtime/base/mem.h"

/* Enough for a folder of shards and carried files; sealed writers hold no descriptor. */
enum { MAX_OPEN_WRITERS = 4096, NAME_ATTEMPTS = 100 };

struct swg_file_writer {
    char *path;      /* target */
    char *temporary; /* path of the file being written */
    int fd;          /* -1 once sealed */
    int slot;        /* in open_writers */
    bool force, is_sealed;
    bool has_temporary;       /* the file exists */
    uint64_t position;        /* end of what was appended */
    atomic_uint_fast64_t end; /* of everything written, also by swg_file_write_at */
};

static _Atomic(const char *) open_writers[MAX_OPEN_WRITERS];
static atomic_uint_fast64_t calls;
static atomic_uint_fast64_t fail_at;

uint64_t swg_file_fail_at(uint64_t n)
{
    atomic_store(&fail_at, n);
    return atomic_exchange(&calls, 0);
}

bool swg_file_count_call(void)
{
    const uint64_t index = atomic_fetch_add(&calls, 1) + 1;
    if (index != atomic_load(&fail_at))
        return true;
    errno = ENOSPC;
    return false;
}

static swg_status io_error(const char *what, const char *path)
{
    return swg_error(SWG_IO, "cannot %s %s: %s", what, path, strerror(errno));
}

swg_status swg_map_open(const char *path, swg_map *out)
{
    swg_status status = SWG_OK;
    /* O_NONBLOCK: opening a FIFO must not block until there is a writer. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        const int failure = errno;
        bool is_there;
        SWG_TRY(swg_path_find(path, &is_there)); /* says more of links */
        errno = failure;
        return io_error("open", path);
    }
    struct stat info;
    if (fstat(fd, &info) != 0) {
        status = io_error("examine", path);
    } else if (S_ISDIR(info.st_mode)) {
        status = swg_error(SWG_UNSUPPORTED, "%s is a folder, not a regular file", path);
    } else if (!S_ISREG(info.st_mode)) {
        status = swg_error(SWG_UNSUPPORTED, "%s is not a regular file", path);
    } else if (info.st_size == 0) {
        *out = (swg_map){0};
    } else {
        void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED && errno == ENOMEM)
            status = swg_error(SWG_NO_MEMORY, "%s: no address space for its %lld bytes", path,
                               (long long)info.st_size);
        else if (data == MAP_FAILED)
            status = io_error("map", path);
        else
            *out = (swg_map){.data = data, .size = (size_t)info.st_size};
    }
    close(fd);
    return status;
}

void swg_map_close(swg_map *map)
{
    if (map->data && !map->is_borrowed)
        munmap((void *)map->data, map->size);
    *map = (swg_map){0};
}

void swg_map_release(const swg_map *map, size_t offset, size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t first = swg_round_up(offset, page);
    const size_t end = (offset + bytes) / page * page;
    if (map->data && !map->is_borrowed && end > first)
        (void)madvise((void *)(map->data + first), end - first, MADV_DONTNEED);
}

swg_status swg_file_read(const char *path, size_t max_bytes, char **out, size_t *length)
{
    swg_map map = {0};
    SWG_TRY(swg_map_open(path, &map));
    swg_status status = SWG_OK;
    if (map.size > max_bytes) {
        status = swg_error(SWG_LIMIT, "%s has %zu bytes; at most %zu are read", path, map.size,
                           max_bytes);
    } else {
        char *text = swg_strndup(map.data ? (const char *)map.data : "", map.size);
        if (text) {
            *out = text;
            *length = map.size;
        } else {
            status = SWG_NO_MEMORY;
        }
    }
    swg_map_close(&map);
    return status;
}

swg_status swg_make_folders(const char *path)
{
    swg_status status = SWG_OK;
    char *const copy = swg_strdup(path);
    if (!copy)
        return SWG_NO_MEMORY;
    for (char *at = copy + (*copy == '/'); status == SWG_OK; at++) {
        const char c = *at;
        if (c != '/' && c != '\0')
            continue;
        *at = '\0';
        const int failure = mkdir(copy, 0777) == 0 ? 0 : errno;
        if (failure && !swg_path_is_directory(copy)) {
            errno = failure;
            status = io_error("make the folder", copy);
        }
        *at = c;
        if (c == '\0')
            break;
    }
    swg_free(copy);
    return status;
}

bool swg_path_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool swg_path_is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool swg_path_is_same(const char *a, const char *b)
{
    struct stat first, second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

char *swg_path_join(const char *directory, const char *name)
{
    const size_t length = strlen(directory);
    const bool has_slash = length > 0 && directory[length - 1] == '/';
    const size_t bytes = length + strlen(name) + 2;
    char *path = swg_malloc(bytes, 1);
    if (path)
        snprintf(path, bytes, "%s%s%s", directory, has_slash ? "" : "/", name);
    return path;
}

const char *swg_path_basename(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool swg_path_ends_with(const char *path, const char *ending, size_t length)
{
    const size_t path_length = strlen(path);
    return path_length > length && memcmp(path + path_length - length, ending, length) == 0;
}

char *swg_path_dirname(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return swg_strdup(".");
    return swg_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* The target may be absent or, with `force`, a regular file. A symbolic link is followed, so that
 * its target is replaced and not the link. */
static swg_status resolve_target(const char *path, bool force, char **out)
{
    struct stat info;
    if (*path == '\0')
        return swg_error(SWG_USAGE, "the name of the output is empty");
    if (stat(path, &info) != 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            return io_error("examine", path);
        if (lstat(path, &info) == 0)
            return swg_error(SWG_USAGE, "output %s is a symbolic link to nothing", path);
        *out = swg_strdup(path);
        return *out ? SWG_OK : SWG_NO_MEMORY;
    }
    if (!S_ISREG(info.st_mode))
        return swg_error(SWG_USAGE, "output %s exists and is not a regular file", path);
    if (!force)
        return swg_error(SWG_USAGE, "output %s exists; use --force to replace it", path);
    char resolved[PATH_MAX];
    if (!realpath(path, resolved))
        return io_error("resolve", path);
    *out = swg_strdup(resolved);
    return *out ? SWG_OK : SWG_NO_MEMORY;
}

swg_status swg_file_check_target(const char *path, bool force)
{
    char *target = NULL, *folder = NULL;
    swg_status status = SWG_OK;
    SWG_GO(resolve_target(path, force, &target));
    folder = swg_path_dirname(target);
    SWG_GO(folder ? SWG_OK : SWG_NO_MEMORY);
    if (!swg_path_is_directory(folder))
        SWG_GO(swg_error(SWG_IO, "cannot create %s: %s is not a folder", path, folder));
    if (access(folder, W_OK | X_OK) != 0)
        SWG_GO(io_error("create", path));
done:
    swg_free(folder);
    swg_free(target);
    return status;
}

static swg_status open_temporary(swg_file_writer *writer)
{
    const size_t bytes = swg_temporary_path_bytes(writer->path);
    swg_remove_leftovers(writer->path);
    writer->temporary = swg_malloc(bytes, 1);
    if (!writer->temporary)
        return SWG_NO_MEMORY;
    for (unsigned i = 0; i < NAME_ATTEMPTS; i++) {
        swg_temporary_path(writer->path, i, writer->temporary, bytes);
        writer->fd = open(writer->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (writer->fd >= 0)
            break;
        if (errno != EEXIST)
            return io_error("create", writer->path);
    }
    if (writer->fd < 0)
        return io_error("create", writer->path);
    writer->has_temporary = true;
    (void)flock(writer->fd, LOCK_EX | LOCK_NB); /* for swg_remove_leftovers of others */
    for (int slot = 0; slot < MAX_OPEN_WRITERS; slot++) {
        const char *empty = NULL;
        if (atomic_compare_exchange_strong(&open_writers[slot], &empty, writer->temporary)) {
            writer->slot = slot;
            return SWG_OK;
        }
    }
    return swg_error(SWG_LIMIT, "more than %d outputs are open", MAX_OPEN_WRITERS);
}

swg_status swg_file_create(const char *path, bool force, uint64_t size_hint, swg_file_writer **out)
{
    swg_status status = SWG_OK;
    swg_file_writer *writer = NULL;
    SWG_GO(SWG_NEW(writer, 1));
    writer->fd = writer->slot = -1;
    writer->force = force;
    SWG_GO(resolve_target(path, force, &writer->path));
    SWG_GO(open_temporary(writer));
    if (size_hint > 0 && size_hint <= INT64_MAX) {
        const int failure =
            swg_file_count_call() ? posix_fallocate(writer->fd, 0, (off_t)size_hint) : ENOSPC;
        /* File systems may not support preallocation; that is not a reason to fail. */
        if (failure == ENOSPC || failure == EFBIG) {
            errno = failure;
            SWG_GO(io_error("reserve space for", path));
        }
    }
    *out = writer;
    writer = NULL;
done:
    swg_file_abort(&writer);
    return status;
}

/* Let the system start to write large pieces to the disk, so that the final fsync does not have to
 * write them all. Only a hint: errors show at the fsync. */
static void start_writing(const swg_file_writer *writer, uint64_t offset, size_t bytes)
{
    enum { LEAST_BYTES = 256 << 10 };
    if (bytes >= LEAST_BYTES)
        (void)sync_file_range(writer->fd, (off_t)offset, (off_t)bytes, SYNC_FILE_RANGE_WRITE);
}

swg_status swg_file_write_at(swg_file_writer *writer, uint64_t offset, const void *data,
                             size_t bytes)
{
    const uint8_t *at = data;
    const size_t length = bytes;
    if (bytes == 0)
        return SWG_OK;
    while (bytes > 0) {
        const size_t step = bytes < (1u << 30) ? bytes : 1u << 30;
        const ssize_t written =
            swg_file_count_call() ? pwrite(writer->fd, at, step, (off_t)offset) : (ssize_t)-1;
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return io_error("write", writer->path);
        at += written;
        bytes -= (size_t)written;
        offset += (uint64_t)written;
    }
    start_writing(writer, offset - length, length);
    uint_fast64_t end = atomic_load(&writer->end);
    while (end < offset && !atomic_compare_exchange_weak(&writer->end, &end, offset))
        continue;
    return SWG_OK;
}

swg_status swg_file_append(swg_file_writer *writer, const void *data, size_t bytes)
{
    SWG_TRY(swg_file_write_at(writer, writer->position, data, bytes));
    writer->position += bytes;
    return SWG_OK;
}

uint64_t swg_file_tell(const swg_file_writer *writer)
{
    return writer->position;
}

void swg_file_extend(swg_file_writer *writer, uint64_t bytes)
{
    if (writer->position < bytes)
        writer->position = bytes;
}

swg_status swg_file_seal(swg_file_writer *writer)
{
    if (writer->is_sealed)
        return SWG_OK;
    if (!swg_file_count_call() || ftruncate(writer->fd, (off_t)atomic_load(&writer->end)) != 0)
        return io_error("set the length of", writer->path);
    if (!swg_file_count_call() || fsync(writer->fd) != 0)
        return io_error("flush", writer->path);
    writer->is_sealed = true;
    close(writer->fd);
    writer->fd = -1;
    return SWG_OK;
}

static swg_status open_folder_of(const char *path, int *fd)
{
    char *folder = swg_path_dirname(path);
    if (!folder)
        return SWG_NO_MEMORY;
    *fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const swg_status status = *fd < 0 ? io_error("open the folder", folder) : SWG_OK;
    swg_free(folder);
    return status;
}

/* Give the finished file its name. */
static swg_status rename_finished(swg_file_writer *w)
{
    /* Without --force a target that has appeared in the meantime must survive too. */
    const unsigned flags = w->force ? 0 : RENAME_NOREPLACE;
    int failure =
        swg_file_count_call() ? renameat2(AT_FDCWD, w->temporary, AT_FDCWD, w->path, flags) : -1;
    if (failure != 0 && flags && errno == EINVAL) /* a file system without RENAME_NOREPLACE */
        failure = swg_path_exists(w->path) ? -1 : rename(w->temporary, w->path);
    if (failure != 0)
        return io_error("rename the finished file to", w->path);
    atomic_store(&open_writers[w->slot], NULL);
    w->slot = -1;
    w->has_temporary = false;
    return SWG_OK;
}

swg_status swg_file_commit(swg_file_writer **writer)
{
    swg_file_writer *w = *writer;
    swg_status status = SWG_OK;
    int folder = -1;
    SWG_GO(swg_file_seal(w));
    /* Opened first: whatever can fail must do so before the rename. */
    SWG_GO(open_folder_of(w->path, &folder));
    SWG_GO(rename_finished(w));
    /* Some file systems cannot sync folders (EINVAL): nothing more can be done on those. */
    if (fsync(folder) != 0 && errno != EINVAL && errno != EROFS)
        status = io_error("flush the folder of", w->path);
done:
    if (folder >= 0)
        close(folder);
    swg_file_abort(writer);
    return status;
}

void swg_file_abort(swg_file_writer **writer)
{
    swg_file_writer *w = *writer;
    if (!w)
        return;
    if (w->fd >= 0)
        close(w->fd);
    if (w->has_temporary)
        unlink(w->temporary);
    if (w->slot >= 0)
        atomic_store(&open_writers[w->slot], NULL);
    swg_free(w->temporary);
    swg_free(w->path);
    swg_free(w);
    *writer = NULL;
}

void swg_file_abort_all_from_signal(void)
{
    for (int slot = 0; slot < MAX_OPEN_WRITERS; slot++) {
        const char *temporary = atomic_load(&open_writers[slot]);
        if (temporary)
            unlink(temporary);
    }
}
