/* Files of statistics with right hashes of the directory and the superblock. The input is what
 * stands between the superblock and the directory, its length in the first byte, and the
 * directory. */
#include <string.h>

#include "runtime/base/hash.h"
#include "runtime/base/strbuf.h"
#include "runtime/stats_file.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_folder.h"
#include "tests/fuzz/promises.h"

enum { SUPERBLOCK_BYTES = 64, DIRECTORY = 8 /* offset, bytes, hash */, SUPERBLOCK_HASH = 56 };

static void put(uint8_t *at, uint64_t number)
{
    memcpy(at, &number, sizeof number);
}

static void write_file(const uint8_t *data, size_t n_data, const uint8_t *text, size_t n_text)
{
    uint8_t superblock[SUPERBLOCK_BYTES] = "swgstat1";
    swg_strbuf file = {0};
    put(superblock + DIRECTORY, SUPERBLOCK_BYTES + n_data);
    put(superblock + DIRECTORY + 8, n_text);
    put(superblock + DIRECTORY + 16, swg_hash64(n_text ? (const void *)text : "", n_text));
    put(superblock + SUPERBLOCK_HASH, swg_hash64(superblock, SUPERBLOCK_HASH));
    swg_strbuf_append(&file, superblock, sizeof superblock);
    swg_strbuf_append(&file, data, n_data);
    swg_strbuf_append(&file, text, n_text);
    fuzz_expect(swg_strbuf_status(&file) == SWG_OK, "memory");
    fuzz_folder_clear();
    fuzz_folder_write("f", file.text, file.length);
    swg_strbuf_deinit(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    swg_stats_file file;
    const size_t left = size ? size - 1 : 0;
    const size_t n_data = size && data[0] < left ? data[0] : left;
    if (size == 0)
        return 0;
    write_file(data + 1, n_data, data + 1 + n_data, left - n_data);
    swg_error_clear();
    if (swg_stats_file_open(fuzz_folder_path("f"), "{}", &file) != SWG_OK) {
        fuzz_expect(swg_error_message()[0], "a failure has a sentence");
        return 0;
    }
    for (size_t i = 0; i < file.n_inputs; i++) {
        swg_stats_values values;
        if (swg_stats_file_read(&file, i, &values) == SWG_OK)
            swg_stats_values_deinit(&values);
    }
    swg_stats_file_close(&file);
    return 0;
}
