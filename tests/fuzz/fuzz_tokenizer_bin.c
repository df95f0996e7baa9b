/* A tokenizer.bin of llama2.c, and a text through the tokenizer. The bytes are the records after
 * those of the first 259 ids, which every vocabulary has (without them it is refused at once);
 * where the first byte is 0 they are the whole file. */
#include <stdlib.h>
#include <string.h>

#include "formats/bytes/bytes.h"
#include "runtime/base/mem.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/tokenizers.h"

enum { N_SPECIAL = 3, N_BYTES = 256, RECORD_BYTES = 8 };

static size_t put_token(uint8_t *to, const char *text)
{
    const size_t length = strlen(text);
    swg_put_le(to, 4, 0); /* the score */
    swg_put_le(to + 4, 4, length);
    memcpy(to + RECORD_BYTES, text, length);
    return RECORD_BYTES + length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const special[N_SPECIAL] = {"<unk>", "\n<s>\n", "\n</s>\n"};
    static const char digits[] = "0123456789ABCDEF";
    if (size == 0 || data[0] == 0) {
        fuzz_tokenizer_file("tokenizer.bin", data, size);
        return 0;
    }
    uint8_t *file = swg_malloc(4 + (N_SPECIAL + N_BYTES) * (RECORD_BYTES + 8) + size, 1);
    if (!file)
        abort();
    swg_put_le(file, 4, 27);
    size_t at = 4;
    for (int i = 0; i < N_SPECIAL; i++)
        at += put_token(file + at, special[i]);
    for (int i = 0; i < N_BYTES; i++) {
        const char text[] = {'<', '0', 'x', digits[i / 16], digits[i % 16], '>', '\0'};
        at += put_token(file + at, text);
    }
    memcpy(file + at, data + 1, size - 1);
    fuzz_tokenizer_file("tokenizer.bin", file, at + size - 1);
    swg_free(file);
    return 0;
}
