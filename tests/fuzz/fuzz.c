/* What fuzz targets share: see fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/formats.h"
#include "runtime/base/mem.h"

enum { MAX_NAMES = 16, MAX_F32_ELEMS = 1 << 20 };

static char folder[64];
static char names[MAX_NAMES][64];
static size_t n_names;

_Noreturn void fuzz_fail(const char *promise)
{
    fprintf(stderr, "broken promise: %s (last sentence: %s)\n", promise, swg_error_message());
    abort();
}

static void remove_folder(void)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < n_names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

static void make_folder(void)
{
    struct stat info;
    const bool has_memory = stat("/dev/shm", &info) == 0 && S_ISDIR(info.st_mode);
    snprintf(folder, sizeof folder, "%s/swage-fuzz-XXXXXX", has_memory ? "/dev/shm" : "/tmp");
    if (!mkdtemp(folder) || atexit(remove_folder) != 0)
        fuzz_fail("a temporary folder can be made");
}

const char *fuzz_put(const char *name, const void *data, size_t size)
{
    static char path[PATH_MAX];
    if (!folder[0])
        make_folder();
    size_t at = 0;
    while (at < n_names && strcmp(names[at], name) != 0)
        at++;
    if (at == n_names) {
        if (n_names == MAX_NAMES)
            fuzz_fail("a target has few files");
        snprintf(names[n_names++], sizeof names[0], "%s", name);
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    const bool is_written = file && fwrite(data, 1, size, file) == size;
    if (!file || fclose(file) != 0 || !is_written)
        fuzz_fail("a temporary file can be written");
    return path;
}

static swg_status read_tensor(swg_source *source, size_t tensor)
{
    swg_plane planes[SWG_MAX_PLANES];
    const swg_tensor_desc *desc = swg_source_tensor(source, tensor);
    const size_t n_planes = swg_tensor_planes(desc, planes);
    if (swg_source_find(source, desc->name) != tensor)
        fuzz_fail("a tensor is found by its name");
    if (swg_source_same_as(source, tensor) > tensor)
        fuzz_fail("a tensor shares an earlier one's bytes");
    (void)swg_source_stored_bytes(source, tensor);
    for (size_t p = 0; p < n_planes; p++) {
        uint8_t *data;
        SWG_TRY(SWG_NEW_UNINIT(data, (size_t)planes[p].bytes));
        swg_status status = swg_source_read(source, tensor, p, 0, planes[p].rows, data);
        /* The last row again, alone: from the middle of a frame. */
        if (status == SWG_OK && planes[p].rows > 0)
            status = swg_source_read(source, tensor, p, planes[p].rows - 1, 1, data);
        swg_free(data);
        SWG_TRY(status);
    }
    const uint64_t rows = swg_tensor_rows(desc) < 3 ? swg_tensor_rows(desc) : 3;
    const uint64_t elems = rows * swg_tensor_cols(desc);
    if (elems > MAX_F32_ELEMS)
        return SWG_OK;
    float *numbers;
    SWG_TRY(SWG_NEW_UNINIT(numbers, (size_t)elems));
    const swg_status status = swg_source_read_f32(source, tensor, 0, rows, numbers);
    swg_free(numbers);
    swg_source_release(source, tensor);
    return status == SWG_UNSUPPORTED ? SWG_OK : status;
}

static swg_status read_all(const char *path)
{
    swg_status status = SWG_OK;
    swg_source *source = NULL;
    swg_sink_meta meta = {0};
    char *provenance = NULL, hash[33];
    SWG_GO(swg_source_open(path, NULL, &source));
    /* What is damaged must not keep the rest from being read. */
    (void)swg_source_verify(source, NULL, NULL, NULL, NULL);
    for (size_t i = 0; i < swg_source_n_tensors(source); i++)
        (void)read_tensor(source, i);
    SWG_GO(swg_source_fingerprint(source, hash));
    SWG_GO(swg_provenance_append(source, "{}", &provenance));
    SWG_GO(swg_sink_meta_from_source(source, &meta));
done:
    swg_free(provenance);
    swg_sink_meta_deinit(&meta);
    swg_source_close(&source);
    return status;
}

void fuzz_read_checkpoint(const char *path)
{
    swg_error_clear();
    const swg_status status = read_all(path);
    if (status != SWG_OK && status != SWG_NO_MEMORY && swg_error_message()[0] == '\0')
        fuzz_fail("a refusal comes with a sentence");
}
