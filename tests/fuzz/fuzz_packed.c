/* Checkpoints of other quantizers. An input is up to three parts, separated by zero bytes: the
 * config.json, a side file (quantize_config.json), the header of model.safetensors. The data that
 * the header describes are a pattern of as many bytes as its last offset says. */
#include <stdlib.h>
#include <string.h>

#include "formats/bytes/bytes.h"
#include "runtime/base/strbuf.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_folder.h"
#include "tests/fuzz/promises.h"

enum { N_PARTS = 3, HEADER = 2, LENGTH_BYTES = 8, MOST_DATA = 1 << 16 };

/* The largest number that ends a pair of offsets, as far as it is one. */
static size_t data_bytes(const char *header)
{
    static const char key[] = "\"data_offsets\":[";
    size_t most = 0;
    for (const char *at = header; (at = strstr(at, key)) != NULL; at += sizeof key - 1) {
        const char *comma = strchr(at, ',');
        const unsigned long end = comma ? strtoul(comma + 1, NULL, 10) : 0;
        most = end > most && end <= MOST_DATA ? end : most;
    }
    return most;
}

static void write_weights(const char *header, size_t length)
{
    swg_strbuf file = {0};
    uint8_t number[LENGTH_BYTES];
    const size_t n = data_bytes(header);
    swg_put_le(number, sizeof number, length);
    swg_strbuf_append(&file, number, sizeof number);
    swg_strbuf_append(&file, header, length);
    for (size_t i = 0; i < n; i++) {
        const uint8_t byte = (uint8_t)(i * 37 + 11);
        swg_strbuf_append(&file, &byte, 1);
    }
    fuzz_expect(swg_strbuf_status(&file) == SWG_OK, "memory");
    fuzz_folder_write("model.safetensors", file.text, file.length);
    swg_strbuf_deinit(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[N_PARTS - 1] = {"config.json", "quantize_config.json"};
    swg_strbuf text = {0};
    swg_strbuf_append(&text, data, size);
    swg_strbuf_append(&text, "", 1);
    fuzz_expect(swg_strbuf_status(&text) == SWG_OK, "memory");
    fuzz_folder_clear();
    size_t at = 0;
    for (int i = 0; i < N_PARTS && at <= size; i++) {
        const size_t length = strlen(text.text + at);
        if (i == HEADER)
            write_weights(text.text + at, length);
        else if (length > 0)
            fuzz_folder_write(names[i], text.text + at, length);
        at += length + 1;
    }
    (void)fuzz_promises_of(fuzz_folder_path(""), true);
    swg_strbuf_deinit(&text);
    return 0;
}
