/* The driver of a fuzz target in an ordinary build: every file of a corpus folder goes through the
 * target as it is, and then a few dozen times changed, always the same way. A crash or a
 * sanitizer's report ends the program, so whoever counts sees a failure. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/numeric.h"
#include "tests/fuzz/fuzz.h"

enum { MUTATIONS = 32, MAX_GROWTH = 256 };

#pragma weak LLVMFuzzerCustomMutator

static swg_rng rng;

/* Change, insert or take out a byte, or repeat a run. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
{
    const uint64_t number = swg_rng_next(&rng);
    const size_t at = size ? (size_t)(number >> 16) % size : 0;
    switch (number & 3) {
    case 0:
        if (size >= max_size)
            return size;
        memmove(data + at + 1, data + at, size - at);
        data[at] = (uint8_t)(number >> 8);
        return size + 1;
    case 1:
        if (size == 0)
            return 0;
        memmove(data + at, data + at + 1, size - at - 1);
        return size - 1;
    default:
        if (size > 0)
            data[at] ^= (uint8_t)((number >> 8 & 0xff) | 1);
        return size;
    }
}

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    size_t capacity = 1 << 16, length = 0;
    uint8_t *data = malloc(capacity);
    for (size_t got = 1; data && got > 0;) {
        if (length == capacity)
            data = realloc(data, capacity *= 2);
        got = data ? fread(data + length, 1, capacity - length, file) : 0;
        length += got;
    }
    fclose(file);
    *size = length;
    return data;
}

static void replay(const uint8_t *data, size_t size)
{
    LLVMFuzzerTestOneInput(data, size);
    const size_t room = size + MAX_GROWTH;
    uint8_t *changed = malloc(room);
    for (unsigned i = 0; changed && i < MUTATIONS; i++) {
        memcpy(changed, data, size);
        const size_t length = LLVMFuzzerCustomMutator
                                  ? LLVMFuzzerCustomMutator(changed, size, room, i)
                                  : LLVMFuzzerMutate(changed, size, room);
        /* A block of its own size, so that a read beyond its end is seen. */
        uint8_t *exact = malloc(length ? length : 1);
        if (exact) {
            memcpy(exact, changed, length);
            LLVMFuzzerTestOneInput(exact, length);
        }
        free(exact);
    }
    free(changed);
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (!folder) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    rng = swg_rng_seeded(1);
    int n_files = 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[4096];
        size_t size = 0;
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        uint8_t *data = entry->d_name[0] == '.' ? NULL : read_file(path, &size);
        if (!data)
            continue;
        fprintf(stderr, "%s\n", path); /* the last one printed is the one that broke it */
        replay(data, size);
        free(data);
        n_files++;
    }
    closedir(folder);
    printf("RESULT %d %d 0\n", n_files, n_files == 0);
    return n_files == 0;
}
