/* BERT's vocab.txt and the tokenizer_config.json beside it, separated by a zero byte, and a text
 * through the tokenizer. */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/tokenizers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = swg_strndup((const char *)data, size);
    if (!copy)
        abort();
    const size_t length = strlen(copy);
    swg_file_view files[] = {{"vocab.txt", copy, length}, {"tokenizer_config.json", "", 0}};
    const size_t n_files = length < size ? 2 : 1;
    if (n_files == 2)
        files[1] = (swg_file_view){"tokenizer_config.json", copy + length + 1, size - length - 1};
    fuzz_tokenizer_files(files, n_files);
    swg_free(copy);
    return 0;
}
