/* Layers and kinds of tensors by their names: see tensor_place.h. */
#include "eval/tensor_place.h"

#include <stdbool.h>
#include <string.h>

static bool is_word(const char *part, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(part, word, length) == 0;
}

int64_t swg_tensor_place(const char *name, char kind[SWG_TENSOR_KIND_BYTES])
{
    int64_t layer = -1;
    kind[0] = '\0';
    for (const char *part = name; *part;) {
        const size_t length = strcspn(part, ".");
        const bool is_number = length > 0 && length < 10 && strspn(part, "0123456789") == length;
        if (is_number && layer < 0) {
            layer = 0;
            for (size_t i = 0; i < length; i++)
                layer = 10 * layer + (part[i] - '0');
        } else if (!is_number && length > 0 && !is_word(part, length, "weight") &&
                   !is_word(part, length, "bias")) {
            const size_t kept = length < SWG_TENSOR_KIND_BYTES ? length : SWG_TENSOR_KIND_BYTES - 1;
            memcpy(kind, part, kept);
            kind[kept] = '\0';
        }
        part += length + (part[length] == '.');
    }
    return layer;
}
