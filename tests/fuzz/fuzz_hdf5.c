/* HDF5: the state-dict layout, Keras, any file of datasets. */
#include <string.h>

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 8 && memcmp(data, "\x89HDF\r\n\x1a\n", 8) == 0)
        fuzz_checkpoint(data, size);
    return 0;
}
