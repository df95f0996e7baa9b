/* Deflate. The first byte's lowest bit chooses a bare stream or a zlib one, two bytes the size of
 * the output; the rest is the stream. */
#include <stdlib.h>
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/bytes/inflate.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/promises.h"

enum { HEAD_BYTES = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD_BYTES)
        return 0;
    size_t length = (size_t)swg_get_le(data + 1, 2);
    const size_t asked = length, n = size - HEAD_BYTES;
    uint8_t *stream = malloc(n ? n : 1), *out = malloc(length ? length : 1); /* of these lengths */
    fuzz_expect(stream && out, "memory");
    memcpy(stream, data + HEAD_BYTES, n);
    if (data[0] & 1)
        (void)swg_inflate_bare(stream, n, out, length);
    else if (swg_inflate_zlib(stream, n, out, &length))
        fuzz_expect(length <= asked, "no more than there is room for");
    free(out);
    free(stream);
    return 0;
}
