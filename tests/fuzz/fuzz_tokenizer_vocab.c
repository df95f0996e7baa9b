/* GPT-2's pair of files, and the settings beside them: vocab.json, merges.txt, and the three files
 * of settings and added tokens, separated by zero bytes, and a text through the tokenizer. */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/tokenizers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"vocab.json", "merges.txt", "tokenizer_config.json",
                                        "added_tokens.json", "special_tokens_map.json"};
    enum { N_FILES = sizeof names / sizeof *names };
    swg_file_view files[N_FILES];
    char *copies[N_FILES];
    size_t at = 0, n = 0;
    for (; n < N_FILES && (n == 0 || at < size); n++) {
        const char *text = (const char *)data + at;
        const size_t length = at < size ? strnlen(text, size - at) : 0;
        copies[n] = swg_strndup(length ? text : "", length);
        if (!copies[n])
            abort();
        files[n] = (swg_file_view){names[n], copies[n], length};
        at += length + 1;
    }
    fuzz_tokenizer_files(files, n);
    for (size_t i = 0; i < n; i++)
        swg_free(copies[i]);
    return 0;
}
