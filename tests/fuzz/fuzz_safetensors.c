/* safetensors files. The mutator keeps the header's length right, and often the buffer's: as long
 * as the largest number that stands in data_offsets. */
#include <stdlib.h>
#include <string.h>

#include "formats/bytes.h"
#include "tests/fuzz/fuzz.h"

enum { LENGTH_BYTES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_read_checkpoint(fuzz_put("input.safetensors", data, size));
    return 0;
}

/* The largest number behind any "data_offsets" of a header. */
static size_t largest_offset(const uint8_t *header, size_t length)
{
    static const char key[] = "data_offsets";
    size_t largest = 0;
    for (size_t at = 0; at + sizeof key < length; at++) {
        if (memcmp(header + at, key, sizeof key - 1) != 0)
            continue;
        for (size_t i = at + sizeof key - 1, number = 0; i < length && header[i] != ']'; i++) {
            const bool is_digit = header[i] >= '0' && header[i] <= '9';
            number = is_digit && number < 1 << 24 ? 10 * number + (header[i] - '0') : 0;
            largest = number > largest ? number : largest;
        }
    }
    return largest;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    const uint64_t claimed = size > LENGTH_BYTES ? swg_get_le(data, LENGTH_BYTES) : 0;
    if (seed % 8 == 0 || size <= LENGTH_BYTES || claimed > size - LENGTH_BYTES)
        return LLVMFuzzerMutate(data, size, max_size);
    uint8_t *header = malloc(max_size);
    if (!header)
        return size;
    memcpy(header, data + LENGTH_BYTES, (size_t)claimed);
    const size_t length = LLVMFuzzerMutate(header, (size_t)claimed, max_size - LENGTH_BYTES);
    const size_t offset = largest_offset(header, length);
    size_t buffer = seed % 4 == 1 ? size - LENGTH_BYTES - (size_t)claimed : offset;
    if (buffer > max_size - LENGTH_BYTES - length)
        buffer = max_size - LENGTH_BYTES - length;
    swg_put_le(data, LENGTH_BYTES, length);
    memcpy(data + LENGTH_BYTES, header, length);
    for (size_t i = 0; i < buffer; i++)
        data[LENGTH_BYTES + length + i] = (uint8_t)(i * 37 + seed);
    free(header);
    return LENGTH_BYTES + length + buffer;
}
