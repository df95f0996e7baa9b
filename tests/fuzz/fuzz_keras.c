/* Keras's configuration: the input is the config.json of an archive around small weights. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/zip/zip_directory.h"
#include "runtime/base/file.h"
#include "runtime/base/strbuf.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/promises.h"

static const char weights_path[] = "tests/formats/fixtures/keras3.weights.h5";
enum { MOST_WEIGHTS = 1 << 20, VERSION_BYTES = 10, DIRECTORY_VERSION_BYTES = 12 };

static void put(swg_strbuf *out, unsigned bytes, uint64_t value)
{
    uint8_t number[8];
    swg_put_le(number, bytes, value);
    swg_strbuf_append(out, number, bytes);
}

static void add_entry(swg_strbuf *out, swg_strbuf *directory, const char *name, const void *data,
                      size_t size)
{
    static const char zeros[DIRECTORY_VERSION_BYTES] = {0};
    const uint32_t crc = swg_crc32(0, data, size);
    const size_t local = out->length;
    swg_strbuf_puts(out, "PK\3\4");
    swg_strbuf_append(out, zeros, VERSION_BYTES);
    swg_strbuf_puts(directory, "PK\1\2");
    swg_strbuf_append(directory, zeros, DIRECTORY_VERSION_BYTES);
    swg_strbuf *const both[] = {out, directory};
    for (int i = 0; i < 2; i++) {
        put(both[i], 4, crc);
        put(both[i], 4, size);
        put(both[i], 4, size);
        put(both[i], 2, strlen(name));
        put(both[i], 2, 0);
    }
    swg_strbuf_append(directory, zeros, 10);
    put(directory, 4, local);
    swg_strbuf_puts(directory, name);
    swg_strbuf_puts(out, name);
    swg_strbuf_append(out, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *weights;
    static size_t n_weights;
    if (!weights)
        fuzz_expect(swg_file_read(weights_path, MOST_WEIGHTS, &weights, &n_weights) == SWG_OK,
                    "the fixture is there: run from the root of the tree");
    swg_strbuf out = {0}, directory = {0};
    add_entry(&out, &directory, "config.json", size ? (const void *)data : "", size);
    add_entry(&out, &directory, "model.weights.h5", weights, n_weights);
    const size_t at = out.length;
    swg_strbuf_append(&out, directory.text, directory.length);
    swg_strbuf_append(&out, "PK\5\6\0\0\0\0", 8);
    put(&out, 2, 2);
    put(&out, 2, 2);
    put(&out, 4, directory.length);
    put(&out, 4, at);
    put(&out, 2, 0);
    fuzz_expect(swg_strbuf_status(&out) == SWG_OK, "memory");
    (void)fuzz_promises(&(fuzz_part){out.text, out.length}, 1);
    swg_strbuf_deinit(&directory);
    swg_strbuf_deinit(&out);
    return 0;
}
