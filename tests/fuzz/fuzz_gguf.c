/* GGUF: the bytes are the file, its magic given. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/promises.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const fuzz_part parts[] = {{"GGUF", 4},
                               {data + (size < 4 ? size : 4), size < 4 ? 0 : size - 4}};
    return fuzz_promises(parts, 2);
}
