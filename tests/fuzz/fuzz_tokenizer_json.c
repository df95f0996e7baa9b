/* A tokenizer.json of any bytes, and a text through the tokenizer. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/tokenizers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_tokenizer_file("tokenizer.json", data, size);
    return 0;
}
