/* Any text through fixed tokenizers: the seeds of the two targets that read
 * tokenizers. The first byte chooses one. Byte-level vocabularies must give the text back. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/tokenizers.h"

/* Below the source folder, where the program is started. */
static const struct {
    const char *path;
    bool keeps_text;
} sources[] = {
    {"tests/fuzz/corpus/tokenizer_json/byte_level.json", true},
    {"tests/fuzz/corpus/tokenizer_json/byte_fallback.json", false},
    {"tests/fuzz/corpus/tokenizer_json/wordpiece.json", false},
    {"tests/fuzz/corpus/tokenizer_json/unigram.json", false},
    {"tests/fuzz/corpus/tokenizer_json/wordlevel.json", false},
    {"tests/fuzz/corpus/tokenizer_model/bpe-bytes.model", false},
    {"tests/fuzz/corpus/tokenizer_model/bpe-unused.model", false},
    {"tests/fuzz/corpus/tokenizer_model/unigram.model", false},
    {"tests/fuzz/corpus/tokenizer_model/unigram-bytes.model", false},
};
enum { N_SOURCES = sizeof sources / sizeof *sources };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static swg_tokenizer *tokenizers[N_SOURCES];
    if (size == 0)
        return 0;
    const size_t which = data[0] % N_SOURCES;
    if (!tokenizers[which] &&
        swg_tokenizer_from_path(sources[which].path, &tokenizers[which]) != SWG_OK) {
        fprintf(stderr, "%s\n", swg_error_message());
        abort();
    }
    swg_error_clear();
    const bool came_back = fuzz_tokenizer_use(tokenizers[which], (const char *)data + 1, size - 1);
    if (sources[which].keeps_text && !came_back)
        abort();
    return 0;
}
