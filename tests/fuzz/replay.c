/* Runs a fuzz target over files and folders of inputs: what libFuzzer does when given files, for
 * builds without it. Each input also runs cut in half and with its last byte flipped. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "tests/fuzz/fuzz.h"

static size_t n_inputs;

static void run_file(const char *path)
{
    char *data = NULL;
    size_t length = 0;
    if (swg_file_read(path, (size_t)64 << 20, &data, &length) != SWG_OK) {
        fprintf(stderr, "replay: %s\n", swg_error_message());
        exit(1);
    }
    (void)LLVMFuzzerTestOneInput((const uint8_t *)data, length);
    (void)LLVMFuzzerTestOneInput((const uint8_t *)data, length / 2);
    if (length > 0) {
        data[length - 1] ^= 0x55;
        (void)LLVMFuzzerTestOneInput((const uint8_t *)data, length);
    }
    swg_free(data);
    n_inputs++;
}

static void run_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        exit(1);
    for (const struct dirent *entry; (entry = readdir(folder));) {
        char *inner = swg_path_join(path, entry->d_name);
        if (inner && entry->d_name[0] != '.' && !swg_path_is_directory(inner))
            run_file(inner);
        swg_free(inner);
    }
    closedir(folder);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (swg_path_is_directory(argv[i]))
            run_folder(argv[i]);
        else
            run_file(argv[i]);
    printf("%zu inputs\nRESULT %d %d 0\n", n_inputs, n_inputs > 0, n_inputs == 0);
    return n_inputs == 0;
}
