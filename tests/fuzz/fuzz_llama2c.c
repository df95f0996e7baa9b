/* llama2.c files. The mutator makes half of them as long as their header says: the one thing that
 * plain mutation never finds. */
#include <string.h>

#include "formats/bytes.h"
#include "tests/fuzz/fuzz.h"

enum { HEADER_INTS = 7, HEADER_BYTES = 4 * HEADER_INTS, MOST = 1 << 12 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_read_checkpoint(fuzz_put("input.bin", data, size));
    return 0;
}

/* Bytes of a legacy file; SIZE_MAX for headers that are beyond this target. */
static size_t due_bytes(const uint8_t *header)
{
    int32_t v[HEADER_INTS];
    for (int i = 0; i < HEADER_INTS; i++) {
        v[i] = (int32_t)(uint32_t)swg_get_le(header + 4 * i, 4);
        if ((v[i] < 0 && i != 5) || v[i] > MOST || v[i] < -MOST)
            return SIZE_MAX;
    }
    if (v[3] == 0)
        return SIZE_MAX;
    const uint64_t dim = (uint64_t)v[0], hidden = (uint64_t)v[1], layers = (uint64_t)v[2];
    const uint64_t head = dim / (uint64_t)v[3], kv = head * (uint64_t)v[4];
    const uint64_t vocab = (uint64_t)(v[5] < 0 ? -v[5] : v[5]), context = (uint64_t)v[6];
    const uint64_t layer = 2 * dim + 2 * dim * dim + 2 * kv * dim + 3 * hidden * dim;
    const uint64_t floats =
        vocab * dim * (v[5] < 0 ? 2 : 1) + layers * layer + dim + 2 * context * (head / 2);
    return HEADER_BYTES + 4 * (size_t)floats;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    if (size < HEADER_BYTES || seed % 4 == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    (void)LLVMFuzzerMutate(data, HEADER_BYTES, HEADER_BYTES);
    const size_t due = due_bytes(data);
    if (due > max_size)
        return size;
    if (due > size)
        memset(data + size, (int)(seed >> 2 & 0x3f), due - size);
    return due;
}
