/* The index of shards, and shards that fit it or do not. An input is up to four parts, separated by
 * zero bytes: the index, the names of the tensors in a.safetensors, those in b.safetensors (one
 * per line), a config.json. A missing part is a missing file. Every tensor is a
 * matrix of 2 x 3 floats; false headers are left to fuzz_safetensors. */
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/formats.h"
#include "formats/json/json.h"
#include "runtime/base/strbuf.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_folder.h"
#include "tests/fuzz/promises.h"

enum { TENSOR_BYTES = 24 };
enum { INDEX, SHARD_A, SHARD_B, CONFIG, N_PARTS };
static const char *const names[N_PARTS] = {"model.safetensors.index.json", "a.safetensors",
                                           "b.safetensors", "config.json"};

static void write_file(int part, const void *data, size_t size)
{
    fuzz_folder_write(names[part], data, size);
}

/* Names go into the header as they are: with quotes in them they are a header of another shape. */
static void write_shard(int part, const char *text, size_t size)
{
    swg_strbuf header = {0};
    swg_strbuf_append(&header, "12345678{", 9);
    size_t n_tensors = 0;
    for (size_t at = 0; at < size; n_tensors++) {
        const char *line = memchr(text + at, '\n', size - at);
        const size_t length = line ? (size_t)(line - (text + at)) : size - at;
        swg_strbuf_printf(&header,
                          "%s\"%.*s\":{\"dtype\":\"F32\",\"shape\":[2,3],"
                          "\"data_offsets\":[%zu,%zu]}",
                          n_tensors ? "," : "", (int)length, text + at, TENSOR_BYTES * n_tensors,
                          TENSOR_BYTES * (n_tensors + 1));
        at += length + 1;
    }
    swg_strbuf_append(&header, "}", 1);
    fuzz_expect(swg_strbuf_status(&header) == SWG_OK, "memory");
    swg_put_le((uint8_t *)header.text, 8, header.length - 8);
    for (size_t i = 0; i < n_tensors; i++)
        swg_strbuf_append(&header,
                          "\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40\0\0\xa0\x40"
                          "\0\0\xc0\x40",
                          TENSOR_BYTES);
    write_file(part, header.text, header.length);
    swg_strbuf_deinit(&header);
}

/* What opened has as many tensors as the index has lines. */
static void check_count(const char *text, size_t size)
{
    swg_json_doc *doc = NULL;
    swg_source *source = NULL;
    fuzz_expect(swg_json_parse(text, size, "index", &doc) == SWG_OK, "the index is JSON");
    fuzz_expect(swg_source_open(fuzz_folder_path(names[INDEX]), NULL, &source) == SWG_OK,
                "it opens again");
    fuzz_expect(swg_source_n_tensors(source) ==
                    swg_json_count(swg_json_get(swg_json_root(doc), "weight_map")),
                "every tensor of the index is there, and no other");
    swg_source_close(&source);
    swg_json_free(&doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const size_t index_bytes = size ? strnlen(text, size) : 0;
    fuzz_folder_clear();
    size_t at = 0;
    for (int i = 0; i < N_PARTS && at <= size; i++) {
        const size_t length = at < size ? strnlen(text + at, size - at) : 0;
        if (i == SHARD_A || i == SHARD_B)
            write_shard(i, text + at, length);
        else
            write_file(i, text + at, length);
        at += length + 1;
    }
    if (fuzz_promises_of(fuzz_folder_path(names[INDEX]), true) == SWG_OK)
        check_count(text, index_bytes);
    return 0;
}
