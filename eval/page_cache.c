/* What the system keeps of a file in memory: see page_cache.h. */
#include "eval/page_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/file.h"
#include "runtime/base/folder.h"
#include "runtime/base/mem.h"

/* Pages of all files so far, and those of them that are still in memory. */
typedef struct tally {
    const char *folder; /* NULL: the path itself is the file */
    size_t pages, resident;
} tally;

static swg_status count_resident(const char *path, int file, size_t bytes, tally *sum)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), n = swg_ceil_div(bytes, page);
    unsigned char *states = NULL;
    swg_status status = SWG_OK;
    void *const map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, file, 0);
    if (map == MAP_FAILED)
        return swg_error(SWG_IO, "cannot map %s: %s", path, strerror(errno));
    SWG_GO(SWG_NEW(states, n));
    if (mincore(map, bytes, states) != 0)
        SWG_GO(swg_error(SWG_IO, "cannot see which pages of %s are in memory: %s", path,
                         strerror(errno)));
    for (size_t i = 0; i < n; i++)
        sum->resident += states[i] & 1;
    sum->pages += n;
done:
    swg_free(states);
    munmap(map, bytes);
    return status;
}

static swg_status drop_file(const char *path, tally *sum)
{
    struct stat about;
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return swg_error(SWG_IO, "cannot open %s: %s", path, strerror(errno));
    swg_status status = SWG_OK;
    if (fstat(file, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0) {
        fdatasync(file); /* dirty pages are not dropped; where this fails the tally tells */
        posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
        status = count_resident(path, file, (size_t)about.st_size, sum);
    }
    close(file);
    return status;
}

static swg_status visit(void *context, const char *name, bool is_folder)
{
    tally *const sum = context;
    if (is_folder)
        return SWG_OK;
    char *const path = swg_path_join(sum->folder, name);
    const swg_status status = path ? drop_file(path, sum) : SWG_NO_MEMORY;
    swg_free(path);
    return status;
}

swg_status swg_page_cache_drop(const char *path, bool *is_cold)
{
    tally sum = {.folder = swg_path_is_directory(path) ? path : NULL};
    SWG_TRY(sum.folder ? swg_folder_visit(path, visit, &sum) : drop_file(path, &sum));
    *is_cold = sum.resident * 100 <= sum.pages;
    return SWG_OK;
}
