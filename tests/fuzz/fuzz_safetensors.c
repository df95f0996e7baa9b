/* safetensors: the bytes are JSON of a header and the buffer behind it, which begins after the
 * first zero byte; the length in front is made to fit. */
#include <string.h>

#include "formats/bytes.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/promises.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *const zero = size ? memchr(data, 0, size) : NULL;
    const size_t header = zero ? (size_t)(zero - data) : size;
    const size_t skip = zero ? header + 1 : size;
    uint8_t length[8];
    swg_put_le(length, sizeof length, header);
    const fuzz_part parts[] = {{length, sizeof length}, {data, header}, {data + skip, size - skip}};
    return fuzz_promises(parts, 3);
}
