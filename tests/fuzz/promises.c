/* See promises.h. The file lives in memory (memfd), so that runs are fast and leave nothing behind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "formats/formats.h"
#include "formats/json.h"
#include "runtime/base/mem.h"
#include "tests/fuzz/promises.h"

/* More rows than this of one tensor teach nothing new. */
static const uint64_t max_plane_bytes = 4 << 20;

static void expect(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static void expect_sentence(swg_status status)
{
    expect(status == SWG_OK || swg_error_message()[0] != '\0', "a failure has a sentence");
    expect(status == SWG_OK || status == SWG_CORRUPT || status == SWG_UNSUPPORTED ||
               status == SWG_LIMIT || status == SWG_FAILED,
           "a bad file is called corrupt or unsupported");
}

static void read_planes(swg_source *source, size_t tensor)
{
    const swg_tensor_desc *desc = swg_source_tensor(source, tensor);
    swg_plane planes[SWG_MAX_PLANES];
    const size_t n_planes = swg_tensor_planes(desc, planes);
    for (size_t p = 0; p < n_planes; p++) {
        if (planes[p].bytes == 0 || planes[p].row_bytes > max_plane_bytes)
            continue;
        uint64_t rows = max_plane_bytes / planes[p].row_bytes;
        rows = rows < planes[p].rows ? rows : planes[p].rows;
        uint8_t *data = swg_malloc((size_t)(rows * planes[p].row_bytes), 1);
        expect(data != NULL, "memory");
        expect_sentence(swg_source_read(source, tensor, p, planes[p].rows - rows, rows, data));
        swg_free(data);
    }
    float *row = NULL;
    if (swg_tensor_rows(desc) > 0 && swg_tensor_cols(desc) * sizeof *row <= max_plane_bytes) {
        row = swg_malloc((size_t)swg_tensor_cols(desc), sizeof *row);
        expect_sentence(swg_source_read_f32(source, tensor, 0, 1, row));
        swg_free(row);
    }
}

static void use_source(swg_source *source)
{
    size_t length = 0, n_extensions = 0;
    swg_json_doc *doc = NULL;
    const char *config = swg_source_config(source, &length);
    expect(strlen(config) == length, "the configuration has a NUL behind it");
    expect(swg_json_parse(config, length, "config", &doc) == SWG_OK, "the configuration is JSON");
    swg_json_free(&doc);
    for (size_t i = 0; i < swg_source_n_tensors(source); i++) {
        expect(i == 0 || strcmp(swg_source_tensor(source, i - 1)->name,
                                swg_source_tensor(source, i)->name) < 0,
               "tensors are sorted by name");
        expect(swg_source_find(source, swg_source_tensor(source, i)->name) == i, "names are found");
        expect(swg_source_same_as(source, i) <= i, "shared bytes are an earlier tensor's");
        (void)swg_source_stored_bytes(source, i);
        read_planes(source, i);
    }
    for (size_t i = 0; i < swg_source_n_files(source); i++) {
        swg_file_view view;
        const swg_status status = swg_source_file(source, i, &view);
        expect_sentence(status);
        expect(status != SWG_OK || view.data[view.length] == '\0', "files have a NUL behind them");
    }
    for (size_t i = 0; i < swg_source_n_metadata(source); i++) {
        const char *key, *value;
        swg_source_metadata(source, i, &key, &value);
        expect(key && value, "metadata are strings");
    }
    (void)swg_source_extensions(source, &n_extensions);
}

int fuzz_promises(const fuzz_part *parts, size_t n_parts)
{
    char path[64];
    const int fd = memfd_create("fuzz", 0);
    expect(fd >= 0, "memfd_create");
    for (size_t i = 0; i < n_parts; i++)
        for (size_t done = 0; done < parts[i].size;) {
            const ssize_t n = write(fd, (const char *)parts[i].data + done, parts[i].size - done);
            expect(n > 0, "write");
            done += (size_t)n;
        }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    swg_source *source = NULL;
    swg_error_clear();
    const swg_status status = swg_source_open(path, NULL, &source);
    expect_sentence(status);
    if (status == SWG_OK)
        use_source(source);
    swg_source_close(&source);
    close(fd);
    return 0;
}
