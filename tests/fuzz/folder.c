/* See fuzz_folder.h. */
#include "tests/fuzz/fuzz_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/fuzz/promises.h"

enum { MOST_FILES = 16, N_PATHS = 4, PATH_BYTES = 256 };
static char folder[64];
static char written[MOST_FILES][PATH_BYTES];
static size_t n_written;

static void remove_files(void)
{
    while (n_written > 0)
        (void)remove(written[--n_written]);
}

static void remove_folder(void)
{
    remove_files();
    (void)rmdir(folder);
}

void fuzz_folder_clear(void)
{
    remove_files();
    if (folder[0])
        return;
    snprintf(folder, sizeof folder, "%s/swage-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    fuzz_expect(mkdtemp(folder) != NULL, "a folder");
    (void)atexit(remove_folder);
}

const char *fuzz_folder_path(const char *name)
{
    static char paths[N_PATHS][PATH_BYTES];
    static size_t next;
    char *const path = paths[next++ % N_PATHS];
    snprintf(path, PATH_BYTES, "%s%s%s", folder, *name ? "/" : "", name);
    return path;
}

void fuzz_folder_write(const char *name, const void *data, size_t size)
{
    fuzz_expect(n_written < MOST_FILES, "few files");
    snprintf(written[n_written], PATH_BYTES, "%s", fuzz_folder_path(name));
    FILE *file = fopen(written[n_written++], "wb");
    fuzz_expect(file && fwrite(data, 1, size, file) == size, "a file");
    fclose(file);
}
