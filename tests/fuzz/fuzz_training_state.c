/* States of trainings with a right hash: the input is all that stands between the magic number and
 * it. Read as the trainer does: a text, then numbers and arrays whose sizes the model says. */
#include <string.h>

#include "distill/training_state.h"
#include "runtime/base/hash.h"
#include "runtime/base/strbuf.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_folder.h"
#include "tests/fuzz/promises.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    swg_strbuf file = {0};
    char hash[SWG_HASH128_TEXT];
    uint8_t block[24];
    swg_state_reader *reader = NULL;
    swg_strbuf_puts(&file, "swgtrai2"); /* the version of training_state.c */
    swg_strbuf_append(&file, data, size);
    fuzz_expect(swg_strbuf_status(&file) == SWG_OK, "memory");
    swg_hash128_text(file.text, file.length, hash);
    swg_strbuf_append(&file, hash, sizeof hash);
    fuzz_expect(swg_strbuf_status(&file) == SWG_OK, "memory");
    fuzz_folder_clear();
    fuzz_folder_write("f", file.text, file.length);
    fuzz_expect(swg_state_open(fuzz_folder_path("f"), &swg_state_of_training, &reader) == SWG_OK,
                "the hash is right");
    if (swg_state_expect_text(reader, "settings", "settings") == SWG_OK) {
        size_t n = 0;
        while (swg_state_get(reader, block, sizeof block) == SWG_OK)
            n += sizeof block;
        fuzz_expect(n <= size, "no more than there is");
    }
    swg_state_close(&reader);
    swg_strbuf_deinit(&file);
    return 0;
}
