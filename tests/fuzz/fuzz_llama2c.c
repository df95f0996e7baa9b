/* llama2.c: the bytes are the header, and as much of the rest as there is. A header alone says how
 * long the file must be; random bytes never are, so a file that is too long is cut, and one that is
 * slightly too short is padded with zeros. */
#include "formats/llama2c/llama2c_layout.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/promises.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MOST_BYTES = 1 << 16 };
    static const uint8_t zeros[MOST_BYTES];
    swg_llama2c_header header;
    fuzz_part parts[] = {{data, size}, {zeros, 0}};
    if (swg_llama2c_parse(data, size, &header)) {
        const uint64_t due = swg_llama2c_file_bytes(&header);
        if (due <= size)
            parts[0].size = (size_t)due;
        else if (due - size <= MOST_BYTES)
            parts[1].size = (size_t)due - size;
    }
    return fuzz_promises(parts, 2);
}
