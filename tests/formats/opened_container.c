/* See opened_container.h. */
#include "tests/formats/opened_container.h"

opened open_container(const char *path)
{
    opened o = {0};
    size_t length = 0;
    uint8_t *bytes = swg_test_read_file(path, &length);
    const uint64_t offset = swg_get_le(bytes + SWG_SUPERBLOCK_DIR_OFFSET, 8);
    const size_t stored = (size_t)swg_get_le(bytes + SWG_SUPERBLOCK_DIR_STORED, 4);
    o.directory_bytes = (size_t)swg_get_le(bytes + SWG_SUPERBLOCK_DIR_RAW, 4);
    o.directory = swg_malloc(o.directory_bytes + 256, 1);
    swg_frame_decoder *decoder = NULL;
    ck_ok(swg_frame_decoder_new(&decoder));
    ck_ok(swg_frame_decode(decoder, (swg_frame_shape){.bytes = o.directory_bytes, .elem_bytes = 1},
                           stored == o.directory_bytes ? SWG_CODEC_STORED : SWG_CODEC_ZSTD,
                           bytes + offset, stored, o.directory));
    swg_frame_decoder_free(&decoder);
    o.frames = bytes;
    o.frame_bytes = (size_t)offset;
    return o;
}

void close_container(opened *o)
{
    swg_free(o->frames);
    swg_free(o->directory);
}

void save_container(opened *o, const char *path)
{
    uint8_t *block = o->frames;
    swg_put_le(block + SWG_SUPERBLOCK_FILE_BYTES, 8, o->frame_bytes + o->directory_bytes);
    swg_put_le(block + SWG_SUPERBLOCK_DIR_STORED, 4, o->directory_bytes);
    swg_put_le(block + SWG_SUPERBLOCK_DIR_RAW, 4, o->directory_bytes);
    swg_put_le(block + SWG_SUPERBLOCK_DIR_HASH, 8, swg_hash64(o->directory, o->directory_bytes));
    swg_put_le(block + SWG_SUPERBLOCK_HASH, 8, swg_hash64(block, SWG_SUPERBLOCK_HASH));
    swg_strbuf out = {0};
    swg_strbuf_append(&out, o->frames, o->frame_bytes);
    swg_strbuf_append(&out, o->directory, o->directory_bytes);
    ck_ok(swg_strbuf_status(&out));
    sample_put_file(path, out.text, out.length);
    swg_strbuf_deinit(&out);
}
