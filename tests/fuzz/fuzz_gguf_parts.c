/* A GGUF of several files: the input's parts between the marks "GGUF", which begin each. They are
 * called m-00001-of-00002.gguf and so on, by how many there are. */
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_folder.h"
#include "tests/fuzz/promises.h"

enum { MAGIC_BYTES = 4, MOST_PARTS = 8, NAME_BYTES = 40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *begins[MOST_PARTS + 1];
    size_t n = 0;
    const uint8_t *const end = data + size;
    for (const uint8_t *at = size ? memmem(data, size, "GGUF", MAGIC_BYTES) : NULL;
         at && n < MOST_PARTS;
         at = memmem(at + MAGIC_BYTES, (size_t)(end - at) - MAGIC_BYTES, "GGUF", MAGIC_BYTES))
        begins[n++] = at;
    if (n == 0)
        return 0;
    begins[n] = end;
    fuzz_folder_clear();
    char name[NAME_BYTES];
    for (size_t i = n; i-- > 0;) {
        snprintf(name, sizeof name, "m-%05zu-of-%05zu.gguf", i + 1, n);
        fuzz_folder_write(name, begins[i], (size_t)(begins[i + 1] - begins[i]));
    }
    (void)fuzz_promises_of(fuzz_folder_path(name), true);
    return 0;
}
