/* GGUF: the bytes are the file, its magic given. Where the fourth is not an 'F', the data after the
 * header are cut or padded with zeros to what the tensors need: otherwise an inserted or deleted
 * byte in the header would be the last thing a reader looks at. */
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/gguf/gguf_header.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/promises.h"

enum { MOST_BYTES = 1 << 18, MOST_ITEMS = 1 << 12 };

static void skip_text(swg_cursor *in)
{
    (void)swg_cursor_take(in, swg_cursor_number(in, 8));
}

static void skip_items(swg_cursor *in, uint64_t kind, uint64_t count)
{
    static const uint8_t bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (kind == SWG_GGUF_STRING)
        for (uint64_t i = 0; i < count && !in->is_short; i++)
            skip_text(in);
    else
        (void)swg_cursor_take(in, kind < sizeof bytes && count < MOST_BYTES ? bytes[kind] * count
                                                                            : UINT64_MAX);
}

/* Where the header ends; 0 when it does not. */
static size_t header_bytes(const uint8_t *data, size_t size)
{
    swg_cursor in = {.at = data + 8, .left = size - 8};
    const uint64_t n_tensors = swg_cursor_number(&in, 8), n_values = swg_cursor_number(&in, 8);
    for (uint64_t i = 0; i < n_values && !in.is_short; i++) {
        skip_text(&in);
        uint64_t kind = swg_cursor_number(&in, 4), count = 1;
        if (kind == SWG_GGUF_ARRAY) {
            kind = swg_cursor_number(&in, 4);
            count = swg_cursor_number(&in, 8);
        }
        skip_items(&in, kind, count);
    }
    for (uint64_t i = 0; i < n_tensors && !in.is_short; i++) {
        skip_text(&in);
        (void)swg_cursor_take(&in, swg_cursor_number(&in, 4) % MOST_ITEMS * 8);
        (void)swg_cursor_take(&in, 4 + 8);
    }
    return in.is_short ? 0 : size - in.left;
}

/* Bytes of data that the tensors of a valid header need: the parser knows them even where it then
 * refuses the file for having others. */
static uint64_t data_bytes(const uint8_t *header, size_t size, uint32_t *alignment)
{
    static uint8_t file[2 * MOST_BYTES];
    swg_arena arena = {0};
    swg_gguf_header parsed;
    uint64_t most = 0;
    memcpy(file, header, size);
    memset(file + size, 0, MOST_BYTES);
    const bool is_sound =
        swg_gguf_parse("input", file, size + MOST_BYTES, &arena, &parsed) == SWG_OK;
    *alignment = parsed.alignment ? parsed.alignment : SWG_GGUF_ALIGNMENT;
    const uint64_t begin = is_sound ? swg_round_up(size, *alignment) : 0;
    for (size_t i = 0; i < parsed.n_tensors; i++) {
        const uint64_t end = parsed.tensors[i].offset - begin + parsed.tensors[i].bytes;
        most = end > most ? end : most;
    }
    swg_arena_deinit(&arena);
    return most;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t zeros[MOST_BYTES];
    fuzz_part parts[] = {{"GGUF", 4}, {data, 0}, {zeros, 0}, {data, 0}, {zeros, 0}};
    const size_t rest = size < 4 ? 0 : size - 4;
    parts[1] = (fuzz_part){data + (size - rest), rest};
    uint32_t alignment;
    const size_t header = size > 8 && data[3] != 'F' ? header_bytes(data, size) : 0;
    if (header == 0 || header > MOST_BYTES)
        return fuzz_promises(parts, 2);
    static uint8_t copy[MOST_BYTES];
    memcpy(copy, data, header);
    copy[3] = 'F';
    memcpy(copy, "GGU", 3);
    const uint64_t due = data_bytes(copy, header, &alignment);
    if (due > MOST_BYTES)
        return fuzz_promises(parts, 2);
    const size_t left = size - header;
    parts[1].size = header - 4;
    parts[2].size = swg_round_up(header, alignment) - header;
    const size_t skip = left < parts[2].size ? left : parts[2].size;
    const size_t there = left - skip < due ? left - skip : (size_t)due;
    parts[3] = (fuzz_part){data + header + skip, there};
    parts[4].size = (size_t)due - there;
    return fuzz_promises(parts, 5);
}
