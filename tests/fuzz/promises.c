/* See promises.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/formats.h"
#include "formats/json/json.h"
#include "runtime/base/mem.h"
#include "runtime/base/utf8.h"
#include "runtime/model.h"
#include "runtime/text/tokenizer.h"
#include "tests/fuzz/promises.h"

/* More rows of one tensor than this add nothing. */
static const uint64_t max_plane_bytes = 4 << 20;

void fuzz_expect(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static void expect_sentence(swg_status status)
{
    const char *sentence = swg_error_message();
    fuzz_expect(status == SWG_OK || sentence[0] != '\0', "a failure has a sentence");
    fuzz_expect(swg_name_is_printable(sentence, strlen(sentence)), "sentences are printable");
    fuzz_expect(status == SWG_OK || status == SWG_CORRUPT || status == SWG_UNSUPPORTED ||
                    status == SWG_LIMIT || status == SWG_FAILED,
                "a bad file is called corrupt or unsupported");
}

static void read_planes(swg_source *source, size_t tensor)
{
    const swg_tensor_desc *desc = swg_source_tensor(source, tensor);
    swg_plane planes[SWG_PLANE_KINDS];
    const size_t n_planes = swg_tensor_planes(desc, planes);
    for (size_t p = 0; p < n_planes; p++) {
        if (planes[p].bytes == 0 || planes[p].row_bytes > max_plane_bytes)
            continue;
        uint64_t rows = max_plane_bytes / planes[p].row_bytes;
        rows = rows < planes[p].rows ? rows : planes[p].rows;
        uint8_t *data = swg_malloc((size_t)(rows * planes[p].row_bytes), 1);
        fuzz_expect(data != NULL, "memory");
        expect_sentence(
            swg_source_read(source, tensor, planes[p].kind, planes[p].rows - rows, rows, data));
        swg_free(data);
    }
    float *row = NULL;
    if (swg_tensor_rows(desc) > 0 && swg_tensor_cols(desc) * sizeof *row <= max_plane_bytes) {
        row = swg_malloc((size_t)swg_tensor_cols(desc), sizeof *row);
        expect_sentence(swg_source_read_f32(source, tensor, 0, 1, row));
        swg_free(row);
    }
}

/* What the runtime derives from a checkpoint's texts: a model's sizes, a tokenizer. */
static void use_texts(swg_source *source)
{
    size_t length = 0;
    const char *config = swg_source_config(source, &length);
    const swg_arch *arch = NULL;
    swg_hparams hparams;
    swg_tokenizer *tokenizer = NULL;
    expect_sentence(swg_hparams_read(config, length, &arch, &hparams));
    expect_sentence(swg_tokenizer_from_source(source, &tokenizer));
    swg_tokenizer_free(&tokenizer);
}

static void use_source(swg_source *source)
{
    size_t length = 0, n_extensions = 0;
    swg_json_doc *doc = NULL;
    const char *config = swg_source_config(source, &length);
    fuzz_expect(strlen(config) == length, "the configuration has a NUL after it");
    fuzz_expect(swg_json_parse(config, length, "config", &doc) == SWG_OK,
                "the configuration is JSON");
    swg_json_free(&doc);
    for (size_t i = 0; i < swg_source_n_tensors(source); i++) {
        fuzz_expect(i == 0 || strcmp(swg_source_tensor(source, i - 1)->name,
                                     swg_source_tensor(source, i)->name) < 0,
                    "tensors are sorted by name");
        fuzz_expect(swg_source_find(source, swg_source_tensor(source, i)->name) == i,
                    "names are found");
        fuzz_expect(swg_source_same_as(source, i) <= i, "shared bytes are an earlier tensor's");
        (void)swg_source_stored_bytes(source, i);
        read_planes(source, i);
    }
    for (size_t i = 0; i < swg_source_n_files(source); i++) {
        swg_file_view view;
        const swg_status status = swg_source_file(source, i, &view);
        expect_sentence(status);
        fuzz_expect(status != SWG_OK || view.data[view.length] == '\0',
                    "files have a NUL after them");
    }
    for (size_t i = 0; i < swg_source_n_metadata(source); i++) {
        const char *key, *value;
        swg_source_metadata(source, i, &key, &value);
        fuzz_expect(key && value, "metadata are strings");
    }
    (void)swg_source_extensions(source, &n_extensions);
    use_texts(source);
    expect_sentence(swg_source_verify(source, NULL, NULL, NULL, NULL));
}

static swg_status use_opened(swg_status status, swg_source *source, bool files_may_be_missing)
{
    if (status != SWG_IO || !files_may_be_missing)
        expect_sentence(status);
    if (status == SWG_OK)
        use_source(source);
    swg_source_close(&source);
    return status;
}

swg_status fuzz_promises_of(const char *path, bool files_may_be_missing)
{
    swg_source *source = NULL;
    swg_error_clear();
    const swg_status status = swg_source_open(path, NULL, &source);
    return use_opened(status, source, files_may_be_missing);
}

int fuzz_promises(const fuzz_part *parts, size_t n_parts)
{
    size_t size = 0, done = 0;
    for (size_t i = 0; i < n_parts; i++)
        size += parts[i].size;
    uint8_t *file = swg_malloc(size, 1); /* of this length: sanitizers see reads beyond it */
    fuzz_expect(file != NULL, "memory");
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].size)
            memcpy(file + done, parts[i].data, parts[i].size);
        done += parts[i].size;
    }
    swg_source *source = NULL;
    swg_error_clear();
    const swg_status status = swg_source_open_bytes("input", file, size, NULL, &source);
    (void)use_opened(status, source, false);
    swg_free(file);
    return 0;
}
