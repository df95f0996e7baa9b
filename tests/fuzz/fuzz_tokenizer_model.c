/* A tokenizer.model of any bytes, and a text through the tokenizer. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/tokenizers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_tokenizer_file("tokenizer.model", data, size);
    return 0;
}
