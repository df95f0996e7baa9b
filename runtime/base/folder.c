/* See folder.h. Nothing here allocates, so asking cannot fail for lack of memory. */
#include "runtime/base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char mark[] = ".swage-tmp.";
enum { SUFFIX_BYTES = sizeof mark + 2 * 20 }; /* and PID.N */

static bool is_folder(DIR *folder, const struct dirent *entry)
{
    struct stat info;
    if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)
        return entry->d_type == DT_DIR;
    return fstatat(dirfd(folder), entry->d_name, &info, 0) == 0 && S_ISDIR(info.st_mode);
}

swg_status swg_folder_visit(const char *path, swg_folder_visitor *visit, void *context)
{
    swg_status status = SWG_OK;
    DIR *folder = opendir(path);
    if (!folder)
        return swg_error(SWG_IO, "cannot read the folder %s: %s", path, strerror(errno));
    for (const struct dirent *entry; status == SWG_OK && (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = visit(context, entry->d_name, is_folder(folder, entry));
    closedir(folder);
    return status;
}

bool swg_path_is_listed(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

swg_status swg_path_find(const char *path, bool *is_there)
{
    struct stat info;
    *is_there = stat(path, &info) == 0;
    const int failure = *is_there ? 0 : errno;
    if (!*is_there && lstat(path, &info) == 0 && S_ISLNK(info.st_mode))
        return swg_error(SWG_IO, "%s is a link that leads %s; restore what it means, or remove it",
                         path, failure == ELOOP ? "back to itself" : "to nothing");
    return SWG_OK;
}

/* --- Temporary files -------------------------------------------------------------------------- */

/* Bytes of the path up to the file's name, and of the name that the temporary file's begins with. */
static size_t folder_length(const char *target)
{
    const char *slash = strrchr(target, '/');
    return slash ? (size_t)(slash + 1 - target) : 0;
}

static size_t kept_length(const char *name)
{
    const size_t length = strlen(name), most = NAME_MAX - SUFFIX_BYTES;
    return length < most ? length : most;
}

size_t swg_temporary_path_bytes(const char *target)
{
    return strlen(target) + SUFFIX_BYTES + 1;
}

void swg_temporary_path(const char *target, unsigned number, char *out, size_t bytes)
{
    const size_t before = folder_length(target);
    snprintf(out, bytes, "%.*s%s%ld.%u", (int)(before + kept_length(target + before)), target, mark,
             (long)getpid(), number);
}

/* The process of such a name, after its mark; 0 when it is not one. */
static pid_t process_of(const char *numbers)
{
    char *end;
    const long id = strtol(numbers, &end, 10);
    if (end == numbers || *end != '.' || id <= 1 || id > INT_MAX)
        return 0;
    const char *rest = end + 1;
    return *rest && rest[strspn(rest, "0123456789")] == '\0' ? (pid_t)id : 0;
}

typedef struct leftovers {
    int folder;
    const char *name;
    size_t length;
} leftovers;

static swg_status remove_leftover(void *context, const char *name, bool is_sub)
{
    const leftovers *of = context;
    if (is_sub || strncmp(name, of->name, of->length) != 0 ||
        strncmp(name + of->length, mark, sizeof mark - 1) != 0)
        return SWG_OK;
    const pid_t process = process_of(name + of->length + sizeof mark - 1);
    if (process == 0 || kill(process, 0) == 0 || errno != ESRCH)
        return SWG_OK;
    struct stat info;
    const int file = openat(of->folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (file >= 0 && fstat(file, &info) == 0 && S_ISREG(info.st_mode) &&
        flock(file, LOCK_EX | LOCK_NB) == 0)
        (void)unlinkat(of->folder, name, 0);
    if (file >= 0)
        close(file);
    return SWG_OK;
}

void swg_remove_leftovers(const char *target)
{
    char path[PATH_MAX];
    const size_t before = folder_length(target);
    leftovers of = {.name = target + before, .length = kept_length(target + before)};
    if (before >= sizeof path)
        return;
    snprintf(path, sizeof path, "%.*s", (int)before, before ? target : "");
    of.folder = open(before ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (of.folder < 0)
        return;
    if (swg_folder_visit(before ? path : ".", remove_leftover, &of) != SWG_OK)
        swg_error_clear();
    close(of.folder);
}
