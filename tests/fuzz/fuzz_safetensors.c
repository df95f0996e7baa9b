/* safetensors: the bytes are JSON of a header and the buffer after it, which begins after the
 * first zero byte. The length in front is made to fit, and where the header's offsets can be read
 * the buffer is cut or padded with zeros to where they end. */
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/json/json.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/promises.h"

enum { MOST_BYTES = 1 << 16 };

/* Where the last tensor ends; `otherwise` when that is not known or far away. */
static size_t buffer_bytes(const uint8_t *header, size_t length, size_t otherwise)
{
    swg_json_doc *doc = NULL;
    int64_t most = 0, end;
    if (swg_json_parse((const char *)header, length, "header", &doc) != SWG_OK)
        return otherwise;
    const swg_json *root = swg_json_root(doc);
    for (const swg_json *entry = swg_json_first(root); entry; entry = swg_json_next(entry))
        if (swg_json_as_int(swg_json_at(swg_json_get(entry, "data_offsets"), 1), &end))
            most = end > most ? end : most;
    swg_json_free(&doc);
    return most <= MOST_BYTES ? (size_t)most : otherwise;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t zeros[MOST_BYTES];
    const uint8_t *const zero = size ? memchr(data, 0, size) : NULL;
    const size_t header = zero ? (size_t)(zero - data) : size;
    const size_t skip = zero ? header + 1 : size;
    const size_t due = buffer_bytes(data, header, size - skip);
    const size_t there = size - skip < due ? size - skip : due;
    uint8_t length[8];
    swg_put_le(length, sizeof length, header);
    const fuzz_part parts[] = {
        {length, sizeof length}, {data, header}, {data + skip, there}, {zeros, due - there}};
    return fuzz_promises(parts, 4);
}
