/* .swg containers. The mutator unpacks the directory, changes the superblock, the frames or the
 * directory, and then makes lengths and hashes right again, so that what was changed is what gets
 * read: without that, nothing passes the first hash. */
#include <stdlib.h>
#include <string.h>

#include "formats/bytes.h"
#include "formats/frame.h"
#include "formats/swg_layout.h"
#include "runtime/base/hash.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_read_checkpoint(fuzz_put("input.swg", data, size));
    return 0;
}

/* --- Making hashes right ---------------------------------------------------------------------- */

typedef struct container {
    uint8_t *bytes; /* superblock and frames, and the raw directory from `directory` on */
    size_t size, directory;
} container;

/* The frame records under the cursor: hashes of the bytes that they point at. Raw hashes too, of
 * frames that are stored as they are. */
static void fix_stream(const container *c, swg_cursor *cursor)
{
    (void)swg_cursor_number(cursor, 4);
    uint64_t n_frames = swg_cursor_number(cursor, 4);
    for (; n_frames > 0 && cursor->left >= SWG_FRAME_RECORD_BYTES; n_frames--) {
        uint8_t *record = c->bytes + (cursor->at - c->bytes);
        (void)swg_cursor_take(cursor, SWG_FRAME_RECORD_BYTES);
        const uint64_t offset = swg_get_le(record, 8), stored = swg_get_le(record + 8, 4);
        if (offset > c->directory || stored > c->directory - offset)
            continue;
        const uint64_t hash = swg_hash64(c->bytes + offset, (size_t)stored);
        swg_put_le(record + 16, 8, hash);
        if (swg_get_le(record + 12, 4) == SWG_CODEC_STORED)
            swg_put_le(record + 24, 8, hash);
    }
}

static void fix_tensors(const container *c, swg_cursor cursor)
{
    for (uint64_t left = swg_cursor_number(&cursor, 4); left > 0 && !cursor.is_short; left--) {
        (void)swg_cursor_take(&cursor, swg_cursor_number(&cursor, 2));
        const size_t length = (size_t)swg_cursor_number(&cursor, 1);
        const char *const name = (const char *)swg_cursor_take(&cursor, length);
        swg_tensor_desc desc = {.rank = (uint32_t)swg_cursor_number(&cursor, 1)};
        if (!name || desc.rank > SWG_MAX_RANK ||
            swg_scheme_parse(name, length, &desc.scheme) != SWG_OK)
            return;
        for (uint32_t i = 0; i < desc.rank; i++)
            desc.shape[i] = swg_cursor_number(&cursor, 8);
        const bool is_shared = swg_cursor_number(&cursor, 4) != SWG_OWN_BYTES;
        desc.name = "tensor";
        if (swg_tensor_desc_check(&desc) != SWG_OK)
            return;
        swg_plane planes[SWG_MAX_PLANES];
        const size_t n_planes = is_shared ? 0 : swg_tensor_planes(&desc, planes);
        for (size_t p = 0; p < n_planes; p++)
            fix_stream(c, &cursor);
    }
}

static void fix_files(const container *c, swg_cursor cursor)
{
    for (uint64_t left = swg_cursor_number(&cursor, 4); left > 0 && !cursor.is_short; left--) {
        (void)swg_cursor_take(&cursor, swg_cursor_number(&cursor, 2));
        (void)swg_cursor_number(&cursor, 8);
        fix_stream(c, &cursor);
    }
}

static void fix(const container *c)
{
    swg_cursor cursor = {.at = c->bytes + c->directory, .left = c->size - c->directory};
    while (cursor.left > 0 && !cursor.is_short) {
        const uint8_t *const tag = swg_cursor_take(&cursor, SWG_TAG_BYTES);
        (void)swg_cursor_number(&cursor, 4);
        const uint64_t length = swg_cursor_number(&cursor, 8);
        const uint8_t *const body = swg_cursor_take(&cursor, length);
        const swg_cursor part = {.at = body, .left = (size_t)length};
        if (body && memcmp(tag, SWG_TAG_TENSORS, SWG_TAG_BYTES) == 0)
            fix_tensors(c, part);
        else if (body && memcmp(tag, SWG_TAG_FILES, SWG_TAG_BYTES) == 0)
            fix_files(c, part);
    }
    const size_t stored = c->size - c->directory;
    uint8_t *block = c->bytes;
    swg_put_le(block + SWG_SUPERBLOCK_FILE_BYTES, 8, c->size);
    swg_put_le(block + SWG_SUPERBLOCK_DIR_OFFSET, 8, c->directory);
    swg_put_le(block + SWG_SUPERBLOCK_DIR_STORED, 4, stored);
    swg_put_le(block + SWG_SUPERBLOCK_DIR_RAW, 4, stored);
    swg_put_le(block + SWG_SUPERBLOCK_DIR_HASH, 8, swg_hash64(block + c->directory, stored));
    swg_put_le(block + SWG_SUPERBLOCK_HASH, 8, swg_hash64(block, SWG_SUPERBLOCK_HASH));
}

/* --- Mutation --------------------------------------------------------------------------------- */

/* Replace a compressed directory by a raw one. False: this is no container, or there is no room. */
static bool unpack(uint8_t *data, size_t size, size_t max_size, container *out)
{
    if (size < SWG_SUPERBLOCK_BYTES)
        return false;
    const uint64_t offset = swg_get_le(data + SWG_SUPERBLOCK_DIR_OFFSET, 8);
    const uint64_t stored = swg_get_le(data + SWG_SUPERBLOCK_DIR_STORED, 4);
    const uint64_t raw = swg_get_le(data + SWG_SUPERBLOCK_DIR_RAW, 4);
    if (offset < SWG_SUPERBLOCK_BYTES || offset > size || stored != size - offset ||
        raw > max_size - offset)
        return false;
    *out = (container){.bytes = data, .size = size, .directory = (size_t)offset};
    if (stored == raw)
        return true;
    uint8_t *directory = malloc((size_t)raw + 1);
    swg_frame_decoder *decoder = NULL;
    const bool is_decoded =
        directory && swg_frame_decoder_new(&decoder) == SWG_OK &&
        swg_frame_decode(decoder, (swg_frame_shape){.bytes = (size_t)raw, .elem_bytes = 1},
                         SWG_CODEC_ZSTD, data + offset, (size_t)stored, directory) == SWG_OK;
    if (is_decoded)
        memcpy(data + offset, directory, (size_t)raw);
    out->size = (size_t)(offset + raw);
    swg_frame_decoder_free(&decoder);
    free(directory);
    return is_decoded;
}

/* Change the frames without moving the directory, so that its offsets still mean something. */
static void mutate_frames(const container *c)
{
    const size_t bytes = c->directory - SWG_SUPERBLOCK_BYTES;
    if (bytes > 0)
        (void)LLVMFuzzerMutate(c->bytes + SWG_SUPERBLOCK_BYTES, bytes, bytes);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    container c;
    if (seed % 16 == 0 || !unpack(data, size, max_size, &c))
        return LLVMFuzzerMutate(data, size, max_size);
    switch (seed / 16 % 8) {
    case 0:
        (void)LLVMFuzzerMutate(c.bytes, SWG_SUPERBLOCK_BYTES, SWG_SUPERBLOCK_BYTES);
        break;
    case 1:
    case 2:
        mutate_frames(&c);
        break;
    default:
        c.size = c.directory + LLVMFuzzerMutate(c.bytes + c.directory, c.size - c.directory,
                                                max_size - c.directory);
    }
    fix(&c);
    return c.size;
}
