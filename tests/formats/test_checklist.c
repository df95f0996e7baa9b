/* One bad input for each item of the loader checklist (docs/hostile-input.md) and each format: one
 * row per case. HDF5's are in test_hdf5.c. */
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/gguf/gguf_header.h"
#include "runtime/base/file.h"
#include "runtime/base/header_limit.h"
#include "runtime/model.h"
#include "runtime/text/tokenizer.h"
#include "tests/formats/checklist.h"
#include "tests/formats/opened_container.h"
#include "tests/formats/tiny_llama.h"
#include "tests/formats/torch_archive.h"

#define N(rows) rows, sizeof rows / sizeof *rows

static void take_file(const char *path, swg_strbuf *out)
{
    size_t length = 0;
    uint8_t *bytes = swg_test_read_file(path, &length);
    swg_strbuf_append(out, bytes, length);
    swg_free(bytes);
}

static swg_status use_checkpoint(const char *path)
{
    return sample_use(path, true);
}

/* --- Ways of using a sound file --------------------------------------------------------------- */

/* For rows that bring the damaged file with them: without verifying, so that reading has to see it.
 */
static swg_status read_as_made(const format *f, const char *path)
{
    (void)f;
    return sample_use(path, false);
}

/* L12: a pipe instead of the file; nothing writes into it. */
static swg_status use_pipe(const format *f, const char *path)
{
    remove(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    const swg_status status = f->use(path);
    remove(path);
    return status;
}

/* L18 */
static swg_status use_with_short_headers(const format *f, const char *path)
{
    swg_header_limit_set(12);
    const swg_status status = f->use(path);
    swg_header_limit_set(0);
    return status;
}

static swg_status use_without_memory(const format *f, const char *path)
{
    swg_mem_set_limit(1);
    const swg_status status = f->use(path);
    swg_mem_set_limit(0);
    return status;
}

/* L3: a file of a terabyte, none of it written. */
static swg_status use_huge(const format *f, const char *path)
{
    ck_assert_int_eq(truncate(path, (off_t)1 << 40), 0);
    const swg_status status = f->use(path);
    remove(path);
    return status;
}

/* --- safetensors ------------------------------------------------------------------------------ */

static void make_safetensors(swg_strbuf *out)
{
    swg_strbuf_puts(out, "{\"__metadata__\":{\"format\":\"pt\"},"
                         "\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
                         "\"b\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16,32]}}");
}

static void wrap_safetensors(const swg_strbuf *header, swg_strbuf *out)
{
    static const uint8_t buffer[32] = {0, 0, 0x80, 0x3f};
    uint8_t length[8];
    swg_put_le(length, 8, header->length);
    swg_strbuf_append(out, length, 8);
    swg_strbuf_append(out, header->text, header->length);
    swg_strbuf_append(out, buffer, sizeof buffer);
}

static const row safetensors_rows[] = {
    {"L1", SWG_CORRUPT, "overflow", SWAP("[2,2]", "[4294967296,4294967296]")},
    {"L1", SWG_CORRUPT, "2^62", SWAP("[2,2]", "[4503599627370496,1024]")},
    {"L2", SWG_CORRUPT, "starts at byte 12", SWAP("[16,32]", "[12,28]")},
    {"L2", SWG_CORRUPT, "starts at byte 20", SWAP("[16,32]", "[20,36]")},
    {"L3", SWG_CORRUPT, "in a file of", AT(0, "\xff\xff\0\0\0\0\0\0"), .is_outer = true},
    {"L3", SWG_CORRUPT, "at most 100000000", AT(0, "\0\0\0\0\1\0\0\0"), .is_outer = true},
    {"L4", SWG_UNSUPPORTED, "rank 5", SWAP("[2,2]", "[1,1,1,2,2]")},
    {"L4", SWG_CORRUPT, "not a count", SWAP("[2,2]", "[-2,-2]")},
    {"L5", SWG_CORRUPT, "duplicate", SWAP("\"b\"", "\"a\"")},
    {"L6", SWG_CORRUPT, "not printable", SWAP("\"b\"", "\"\\u001b[2J\"")},
    {"L6", SWG_CORRUPT, "UTF-8", SWAP("\"b\"", "\"\xff\"")},
    {"L7", SWG_CORRUPT, "not a string", SWAP("\"pt\"", "7")},
    {"L11", SWG_CORRUPT, "bad JSON", SWAP("]}}", "]},}")},
    {"L12", SWG_UNSUPPORTED, "not a regular file", .run = use_pipe},
    {"L15", SWG_CORRUPT, "end at byte 32", CUT(1)},
    {"L15", SWG_CORRUPT, "end at byte 32", JUNK("x")},
    {"L18", SWG_LIMIT, "the limit that was set is 12", .run = use_with_short_headers},
    {"L18", SWG_NO_MEMORY, "of the limit of 1", .run = use_without_memory},
};

/* --- The index of shards ---------------------------------------------------------------------- */

static void make_index(swg_strbuf *out)
{
    static const char *const shards[] = {"checklist/1.safetensors", "checklist/2.safetensors"};
    (void)mkdir(swg_test_path("checklist"), 0777);
    for (int i = 0; i < 2; i++) {
        swg_strbuf header = {0}, whole = {0};
        swg_strbuf_printf(&header,
                          "{\"%c\":{\"dtype\":\"F32\",\"shape\":[8],"
                          "\"data_offsets\":[0,32]}}",
                          "ab"[i]);
        wrap_safetensors(&header, &whole);
        sample_put_file(swg_test_path(shards[i]), whole.text, whole.length);
        swg_strbuf_deinit(&header);
        swg_strbuf_deinit(&whole);
    }
    swg_strbuf_puts(out, "{\"metadata\":{\"total_size\":64},\"weight_map\":"
                         "{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}}");
}

/* L15: the index is whole, a shard is not. */
static swg_status use_with_cut_shard(const format *f, const char *path)
{
    const char *shard = swg_test_path("checklist/2.safetensors");
    size_t length = 0;
    uint8_t *bytes = swg_test_read_file(shard, &length);
    sample_put_file(shard, bytes, length - 1);
    swg_free(bytes);
    return f->use(path);
}

/* L12: a shard is a pipe. */
static swg_status use_with_pipe_for_shard(const format *f, const char *path)
{
    const char *shard = swg_test_path("checklist/2.safetensors");
    remove(shard);
    ck_assert_int_eq(mkfifo(shard, 0600), 0);
    return f->use(path);
}

static const row index_rows[] = {
    {"L2", SWG_CORRUPT, "does not place there", SWAP("\"b\":", "\"c\":")},
    {"L2", SWG_CORRUPT, "holds 1 of the 2", SWAP("\"b\":", "\"c\":\"2.safetensors\",\"b\":")},
    {"L3", SWG_LIMIT, "at most", .run = use_huge},
    {"L5", SWG_CORRUPT, "duplicate", SWAP("\"b\"", "\"a\"")},
    {"L6", SWG_CORRUPT, "not the name of a file", SWAP("2.safetensors", "\\u001b2")},
    {"L7", SWG_CORRUPT, "not a string", SWAP("\"2.safetensors\"", "2")},
    {"L7", SWG_CORRUPT, "no weight_map", SWAP("weight_map", "weights")},
    {"L11", SWG_CORRUPT, "something follows", JUNK("{}")},
    {"L12", SWG_CORRUPT, "not the name of a file", SWAP("2.safetensors", "../2.safetensors")},
    {"L12", SWG_UNSUPPORTED, "not a regular file", .run = use_with_pipe_for_shard},
    {"L15", SWG_CORRUPT, "end at byte 32", .run = use_with_cut_shard},
    {"L15", SWG_IO, "3.safetensors", SWAP("2.safetensors", "3.safetensors")},
    {"L18", SWG_LIMIT, "at most 12", .run = use_with_short_headers},
    {"L18", SWG_NO_MEMORY, "of the limit of 1", .run = use_without_memory},
};

/* --- GGUF ------------------------------------------------------------------------------------- */

static void make_llama(const char *name, swg_scheme scheme, const swg_sink_options *options,
                       swg_strbuf *out)
{
    tiny_llama t = {.dim = 64,
                    .hidden = 64,
                    .vocab = 6,
                    .heads = 2,
                    .kv_heads = 1,
                    .is_tied = true,
                    .scheme = scheme};
    sample s;
    const char *path = swg_test_path(name);
    tiny_llama_fill(&t, &s);
    if (strstr(name, ".gguf"))
        tiny_llama_add_tokenizer(&s);
    swg_sink_options forced = options ? *options : swg_sink_options_default();
    forced.force = true;
    ck_ok(sample_write(&s, path, &forced));
    take_file(path, out);
    sample_deinit(&s);
}

static void make_gguf(swg_strbuf *out)
{
    make_llama("sound.gguf", swg_scheme_plain(SWG_F32), NULL, out);
}

/* L10: a block, which begins with its scale, has NaN for it. */
static void make_gguf_with_nan(swg_strbuf *out)
{
    swg_arena arena = {0};
    swg_gguf_header header;
    make_llama("sound.gguf", swg_scheme_plain(SWG_F32),
               &(swg_sink_options){.size = sizeof(swg_sink_options), .element_type = "q8_0"}, out);
    ck_ok(swg_gguf_parse("sound.gguf", (const uint8_t *)out->text, out->length, &arena, &header));
    size_t i = 0;
    while (header.tensors[i].type->id != SWG_BLOCK_Q8_0)
        i++;
    swg_put_le((uint8_t *)out->text + header.tensors[i].offset, 2, 0x7e00);
    swg_arena_deinit(&arena);
}

#define UP "blk.0.ffn_up.weight" /* u32 rank, u64 x 2, u32 type, u64 offset follow */

static const row gguf_rows[] = {
    {"L1", SWG_CORRUPT, "larger than the file", BEHIND(UP, 4, "\0\0\0\0\0\0\0\x40")},
    {"L1", SWG_CORRUPT, "larger than the file", BEHIND(UP, 4, "\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0")},
    {"L2", SWG_CORRUPT, "no multiple of 32", BEHIND(UP, 24, "\1")},
    {"L2", SWG_CORRUPT, "begins at offset 0", BEHIND(UP, 24, "\0\0\0\0\0\0\0\0")},
    {"L3", SWG_CORRUPT, "do not fit", AT(8, "\0\0\0\0\0\0\0\1")},
    {"L3", SWG_CORRUPT, "do not fit", AT(16, "\0\0\0\0\0\0\0\1")},
    {"L3", SWG_CORRUPT, "ends inside",
     BEHIND("tokenizer.ggml.tokens", 8, "\xff\xff\xff\xff\xff\xff\xff\x7f")},
    {"L4", SWG_CORRUPT, "rank 9", BEHIND(UP, 0, "\x9")},
    {"L5", SWG_CORRUPT, "there twice",
     SWAP("\x11\0\0\0\0\0\0\0llama.block_count", "\x10\0\0\0\0\0\0\0llama.vocab_size")},
    {"L6", SWG_CORRUPT, "not printable",
     SWAP("llama.block_count", "llama.block\x1b"
                               "count")},
    {"L7", SWG_CORRUPT, "block_count", BEHIND("llama.block_count", 0, "\6")},
    {"L7", SWG_CORRUPT, "unknown type", BEHIND("llama.block_count", 0, "\x63")},
    {"L8", SWG_CORRUPT, "vocab_size is 9", BEHIND("llama.vocab_size", 4, "\x9")},
    {"L9", SWG_CORRUPT, "heads", BEHIND("llama.attention.head_count_kv", 4, "\x9")},
    {"L10", SWG_CORRUPT, "is not finite", .run = read_as_made, .make = make_gguf_with_nan},
    {"L12", SWG_UNSUPPORTED, "not a regular file", .run = use_pipe},
    {"L15", SWG_CORRUPT, "the file has", CUT(1)},
    {"L15", SWG_CORRUPT, "the file has", JUNK("0123456789012345678901234567890123456789")},
    {"L18", SWG_LIMIT, "limit of 12", .run = use_with_short_headers},
    {"L18", SWG_NO_MEMORY, "of the limit of 1", .run = use_without_memory},
};

/* --- llama2.c --------------------------------------------------------------------------------- */

static void make_llama2c(swg_strbuf *out)
{
    make_llama("sound.bin", swg_scheme_plain(SWG_F32),
               &(swg_sink_options){.size = sizeof(swg_sink_options), .format = "llama2c"}, out);
}

static void make_llama2c_v1(swg_strbuf *out)
{
    make_llama("sound-v1.bin", swg_scheme_plain(SWG_F32),
               &(swg_sink_options){.size = sizeof(swg_sink_options), .format = "llama2c-v1"}, out);
}

static void make_llama2c_v2(swg_strbuf *out)
{
    make_llama("sound-v2.bin", swg_scheme_plain(SWG_F32),
               &(swg_sink_options){.size = sizeof(swg_sink_options), .format = "llama2c-v2"}, out);
}

/* Seven int32: dim, hidden, layers, heads, kv heads, vocabulary, context; from byte 0 on, or 8 in
 * the versions. Values that no header can have are not llama2.c, so the file is of no known format.
 */
#define LLAMA2C_ROWS(first)                                                                        \
    {"L1", SWG_UNSUPPORTED, "not a checkpoint", AT((first), "\0\0\0\x7f")},                        \
        {"L2", SWG_CORRUPT, "header means", AT((first) + 4, "\x41")},                              \
        {"L3", SWG_CORRUPT, "header means", AT((first) + 8, "\0\x10\0\0")},                        \
        {"L4", SWG_UNSUPPORTED, "not a checkpoint", AT((first), "\0\0\0\0")},                      \
        {"L8", SWG_CORRUPT, "header means", AT((first) + 20, "\x7")},                              \
        {"L9", SWG_UNSUPPORTED, "not a checkpoint", AT((first) + 12, "\3")},                       \
        {"L12", SWG_UNSUPPORTED, "not a regular file", .run = use_pipe},                           \
        {"L15", SWG_CORRUPT, "header means", CUT(1)},                                              \
        {"L15", SWG_CORRUPT, "header means", JUNK("x")},                                           \
    {                                                                                              \
        "L18", SWG_NO_MEMORY, "of the limit of 1", .run = use_without_memory                       \
    }

static const row llama2c_rows[] = {LLAMA2C_ROWS(0)};
static const row llama2c_v1_rows[] = {
    LLAMA2C_ROWS(8),
    {"L7", SWG_UNSUPPORTED, "not a checkpoint", AT(36, "\2")}, /* tied? */
    {"L7", SWG_UNSUPPORTED, "not a checkpoint", AT(4, "\3")},  /* version */
    {"L7", SWG_UNSUPPORTED, "is not zero", AT(37, "\1")},      /* unused */
};
static const row llama2c_v2_rows[] = {
    LLAMA2C_ROWS(8),
    {"L4", SWG_UNSUPPORTED, "not a checkpoint", AT(37, "\x3f")}, /* group */
    {"L7", SWG_UNSUPPORTED, "not a checkpoint", AT(36, "\2")},
    {"L10", SWG_CORRUPT, "damaged", BEFORE_END(4, "\0\0\xc0\x7f")},
};

/* --- PyTorch ---------------------------------------------------------------------------------- */

/* {"w": a float tensor [4, 2] of a storage of 8}. */
static void make_torch(swg_strbuf *out)
{
    char pickle[256];
    const size_t length = make_pickle(pickle, 8, 0, 4, 2);
    swg_strbuf_append(out, pickle, length);
}

/* The archive is around the pickle as it is, so a change may be of any length. */
static void wrap_torch(const swg_strbuf *pickle, swg_strbuf *out)
{
    static const float data[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    const record records[] = {{"a/data.pkl", pickle->text, pickle->length},
                              {"a/data/0", (const char *)data, sizeof data},
                              {"a/version", "3\n", 2}};
    const char *path = swg_test_path("wrapped.pt");
    write_zip(path, records, 3, 0, false);
    take_file(path, out);
}

/* L14: nothing is decompressed. */
static swg_status use_compressed(const format *f, const char *path)
{
    const record records[] = {{"a/data.pkl", "}.", 2}};
    write_zip(path, records, 1, 8, false);
    return f->use(path);
}

static const row torch_rows[] = {
    {"L1", SWG_CORRUPT, "2^62", SWAP("M\4\0", "\x8a\x08\0\0\0\0\0\0\0\x20")},
    {"L1", SWG_CORRUPT, "reaches element",
     SWAP("M\2\0K\1", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\1")},
    {"L2", SWG_CORRUPT, "reaches element 8", SWAP("M\0\0", "M\1\0")},
    {"L2", SWG_CORRUPT, "should have 9 elements", SWAP("M\x8\0", "M\x9\0")},
    {"L3", SWG_CORRUPT, "text that is cut off", SWAP("X\7\0\0\0", "X\7\0\0\x7f")},
    {"L3", SWG_CORRUPT, "outside the file", BEFORE_END(12, "\xfe\xff"), .is_outer = true},
    {"L4", SWG_UNSUPPORTED, "rank 5",
     SWAP("M\4\0K\2\x86M\2\0K\1\x86", "(K\1K\1K\1K\4K\2t(K\x8K\x8K\x8K\2K\1t")},
    {"L5", SWG_CORRUPT, "duplicate tensor w", SWAP("Rs.", "Rq\0sX\1\0\0\0wh\0s.")},
    {"L6", SWG_CORRUPT, "not printable", SWAP("X\1\0\0\0w", "X\1\0\0\0\x1b")},
    {"L7", SWG_CORRUPT, "not made of storage", SWAP("M\0\0", "N")},
    {"L7", SWG_CORRUPT, "negative size", SWAP("M\4\0", "J\xff\xff\xff\xff")},
    {"L12", SWG_UNSUPPORTED, "not a regular file", .run = use_pipe},
    {"L12", SWG_CORRUPT, "not in the archive",
     SWAP("X\1\0\0\0"
          "0",
          "X\x4\0\0\0../0")},
    {"L14", SWG_UNSUPPORTED, "compressed", .run = use_compressed},
    {"L15", SWG_CORRUPT, "end record", CUT(1)},
    {"L15", SWG_CORRUPT, "end record", JUNK("x")},
    {"L16", SWG_UNSUPPORTED, "os.system", SWAP("s.", "scos\nsystem\n)R.")},
    {"L18", SWG_LIMIT, "12", .run = use_with_short_headers},
    {"L18", SWG_NO_MEMORY, "of the limit of 1", .run = use_without_memory},
};

/* --- .swg ------------------------------------------------------------------------------------- */

/* Everything up to the directory, which is what rows change. */
static swg_strbuf swg_frames;

static void make_swg(swg_strbuf *out)
{
    const char *path = swg_test_path("sound.swg");
    sample s;
    sample_init(&s);
    sample_add(&s, "a.int4", (swg_scheme)SWG_SCHEME_INT(4, .scale_type = SWG_F16, .group = 32), 2,
               1, 45);
    sample_add(&s, "b.f32", swg_scheme_plain(SWG_F32), 2, 3, 5);
    ck_ok(sample_write(&s, path,
                       &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true}));
    sample_deinit(&s);
    opened o = open_container(path);
    swg_strbuf_deinit(&swg_frames);
    swg_strbuf_append(&swg_frames, o.frames, o.frame_bytes);
    swg_strbuf_append(out, o.directory, o.directory_bytes);
    close_container(&o);
}

static void wrap_swg(const swg_strbuf *directory, swg_strbuf *out)
{
    const char *path = swg_test_path("wrapped.swg");
    opened o = {.frames = (uint8_t *)swg_frames.text,
                .frame_bytes = swg_frames.length,
                .directory = (uint8_t *)directory->text,
                .directory_bytes = directory->length};
    save_container(&o, path);
    take_file(path, out);
}

/* After a name: u8 length and name of the scheme, u8 rank, u64 x 2, u32 own bytes; then for each
 * plane u32 F, u32 frames, and a frame: u64 offset, u32 stored, u32 codec, u64 x 2 hashes. Below
 * for "f32", and for the scales of the matrix of codes. */
enum { RANK = 4, SHAPE = 5, FRAMES = 29, OFFSET = 33, STORED = 41, SCALES = 86 };

/* L10: the second group's scale is NaN, and every hash matches. */
static void make_swg_with_nan(swg_strbuf *out)
{
    enum { SCALES_BYTES = 4 };
    make_swg(out);
    uint8_t *frame = memmem(out->text, out->length, "a.int4", 6);
    ck_assert_ptr_nonnull(frame);
    frame += 6 + SCALES;
    uint8_t *scales = (uint8_t *)swg_frames.text + swg_get_le(frame, 8);
    swg_put_le(scales + 2, 2, 0x7e00);
    const uint64_t hash = swg_hash64(scales, SCALES_BYTES);
    swg_put_le(frame + 16, 8, hash);
    swg_put_le(frame + 24, 8, hash);
}

/* L14: more than 1024 bytes out of one are not even tried. */
static swg_status use_bomb(const format *f, const char *path)
{
    (void)f;
    (void)path;
    return swg_frame_check((swg_frame_shape){.bytes = 1 << 20, .elem_bytes = 1}, SWG_CODEC_ZSTD,
                           1023);
}

/* L14: a zstd frame of one byte that asks for a window of 2 GiB gets no memory for it; nor do bytes
 * beyond those expected. */
static swg_status use_large_window(const format *f, const char *path)
{
    static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, /* magic, flags, window */
                                    0x10, 0x00, 0x00, 'a',  'b',        /* two raw bytes, */
                                    0x01, 0x00, 0x00};                  /* none, the last */
    uint8_t raw[16];
    (void)f;
    (void)path;
    swg_frame_decoder *decoder = NULL;
    ck_ok(swg_frame_decoder_new(&decoder));
    const uint64_t before = swg_mem_in_use();
    swg_mem_set_limit(before + (1 << 20));
    ck_ok(swg_frame_decode(decoder, (swg_frame_shape){.bytes = 2, .elem_bytes = 1}, SWG_CODEC_ZSTD,
                           frame, sizeof frame, raw));
    const swg_status status =
        swg_frame_decode(decoder, (swg_frame_shape){.bytes = 1, .elem_bytes = 1}, SWG_CODEC_ZSTD,
                         frame, sizeof frame, raw);
    swg_mem_set_limit(0);
    swg_frame_decoder_free(&decoder);
    return status;
}

static const row swg_rows[] = {
    {"L1", SWG_CORRUPT, "2^62", BEHIND("b.f32", SHAPE, "\0\0\0\0\0\0\0\x10")},
    {"L1", SWG_CORRUPT, "overflow", BEHIND("b.f32", SHAPE + 4, "\0\0\0\x80\5\0\0\0")},
    {"L2", SWG_CORRUPT, "outside the frames", BEHIND("b.f32", OFFSET, "\0")},
    {"L2", SWG_CORRUPT, "starts at byte 90; expected", BEHIND("b.f32", OFFSET, "\x5a")},
    {"L3", SWG_CORRUPT, "ends early", BEHIND("TENS", 12, "\xff\xff\xff\xff")},
    {"L3", SWG_CORRUPT, "ends early", BEHIND("b.f32", FRAMES, "\xff\xff\xff\x7f")},
    {"L4", SWG_UNSUPPORTED, "rank 5", BEHIND("b.f32", RANK, "\5")},
    {"L5", SWG_CORRUPT, "not in the order of names", SWAP("b.f32", "a.f32")},
    {"L5", SWG_CORRUPT, "two sections META", SWAP("PROV", "META")},
    {"L6", SWG_CORRUPT, "not printable", SWAP("b.f32", "b.\x1b[2")},
    {"L6", SWG_CORRUPT, "UTF-8", SWAP("note", "no\xff!")},
    {"L7", SWG_CORRUPT, "META of the directory ends early", BEHIND("META", 16, "\xff\xff\xff\x7f")},
    {"L3", SWG_LIMIT, "carried file 2 has", BEHIND("merges.txt", 0, "\0\0\0\x20")},
    {"L3", SWG_CORRUPT, "0 bytes in 0 frames of 1", BEHIND("vocab.txt", 8, "\1")},
    {"L10", SWG_CORRUPT, "is not finite", .run = read_as_made, .make = make_swg_with_nan},
    {"L11", SWG_CORRUPT, "duplicate", SWAP("vocab_size", "model_type")},
    {"L12", SWG_CORRUPT, "carries a file called ../ges.txt", SWAP("merges.txt", "../ges.txt")},
    {"L12", SWG_UNSUPPORTED, "not a regular file", .run = use_pipe},
    {"L14", SWG_CORRUPT, "at most 1024 to 1", .run = use_bomb},
    {"L14", SWG_CORRUPT, "zstd", .run = use_large_window},
    {"L14", SWG_CORRUPT, "cannot be 60 raw bytes", BEHIND("b.f32", STORED, "\1")},
    {"L15", SWG_CORRUPT, "superblock says", CUT(1)},
    {"L15", SWG_CORRUPT, "superblock says", JUNK("x")},
    {"L18", SWG_LIMIT, "the limit that was set is 12", .run = use_with_short_headers},
    {"L18", SWG_NO_MEMORY, "of the limit of 1", .run = use_without_memory},
};

/* --- config.json ------------------------------------------------------------------------------ */

static void make_config(swg_strbuf *out)
{
    tiny_llama t = {.dim = 64,
                    .hidden = 64,
                    .vocab = 6,
                    .heads = 2,
                    .kv_heads = 1,
                    .is_tied = true,
                    .scheme = swg_scheme_plain(SWG_F32)};
    sample s;
    tiny_llama_fill(&t, &s);
    swg_strbuf_append(out, s.meta.config, s.meta.config_length);
    sample_deinit(&s);
}

static swg_status use_config(const char *path)
{
    char *text = NULL;
    size_t length = 0;
    const swg_arch *arch = NULL;
    swg_hparams hparams;
    SWG_TRY(swg_file_read(path, (size_t)swg_header_limit(1 << 20), &text, &length));
    const swg_status status = swg_hparams_read(text, length, &arch, &hparams);
    swg_free(text);
    return status;
}

static const row config_rows[] = {
    {"L1", SWG_CORRUPT, "hidden_size",
     SWAP("\"hidden_size\":64", "\"hidden_size\":9007199254740992")},
    {"L3", SWG_CORRUPT, "num_hidden_layers", SWAP("layers\":1", "layers\":1000000000")},
    {"L3", SWG_LIMIT, "at most", .run = use_huge},
    {"L5", SWG_CORRUPT, "duplicate", SWAP("vocab_size", "model_type")},
    {"L6", SWG_UNSUPPORTED, "?[2J", SWAP("\"llama\"", "\"\\u001b[2J\"")},
    {"L7", SWG_CORRUPT, "hidden_size", SWAP("\"hidden_size\":64", "\"hidden_size\":\"64\"")},
    {"L8", SWG_CORRUPT, "vocab_size", SWAP("\"vocab_size\":6", "\"vocab_size\":0")},
    {"L9", SWG_CORRUPT, "heads", SWAP("attention_heads\":2", "attention_heads\":3")},
    {"L9", SWG_CORRUPT, "rope_theta", SWAP("10000.0", "-1")},
    {"L10", SWG_CORRUPT, "double's range", SWAP("10000.0", "1e999")},
    {"L10", SWG_CORRUPT, "bad JSON", SWAP("10000.0", "NaN")},
    {"L11", SWG_CORRUPT, "something follows", JUNK("{}")},
    {"L12", SWG_UNSUPPORTED, "not a regular file", .run = use_pipe},
    {"L15", SWG_CORRUPT, "bad JSON", CUT(1)},
    {"L18", SWG_LIMIT, "at most 12", .run = use_with_short_headers},
    {"L18", SWG_NO_MEMORY, "of the limit of 1", .run = use_without_memory},
};

/* --- tokenizer.json --------------------------------------------------------------------------- */

static void make_tokenizer(swg_strbuf *out)
{
    swg_strbuf_append(out, tiny_tokenizer, strlen(tiny_tokenizer));
}

static swg_status use_tokenizer(const char *path)
{
    char text[2001];
    swg_tokenizer *tokenizer = NULL;
    swg_ids ids = {0};
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = 'b';
    SWG_TRY(swg_tokenizer_from_path(path, &tokenizer));
    const swg_status status = swg_tokenizer_encode(tokenizer, text, sizeof text, NULL, &ids);
    swg_ids_deinit(&ids);
    swg_tokenizer_free(&tokenizer);
    return status;
}

static const row tokenizer_rows[] = {
    {"L1", SWG_CORRUPT, "beyond 2^53", SWAP("\"ab\":4", "\"ab\":9007199254740993")},
    {"L2", SWG_CORRUPT, "merge", SWAP("\"a b\"", "\"a c\"")},
    {"L3", SWG_CORRUPT, "2000000000", SWAP("\"ab\":4", "\"ab\":2000000000")},
    {"L3", SWG_LIMIT, "at most", .run = use_huge},
    {"L5", SWG_CORRUPT, "duplicate", SWAP("\"b\":1", "\"a\":1")},
    {"L5", SWG_CORRUPT, "id 0", SWAP("\"b\":1", "\"b\":0")},
    {"L6", SWG_CORRUPT, "UTF-8", SWAP("<e>", "<\xff>")},
    {"L7", SWG_CORRUPT, "merges", SWAP("[\"a b\"]", "7")},
    {"L8", SWG_CORRUPT, "given to both", SWAP("\"id\":5", "\"id\":1")},
    {"L8", SWG_CORRUPT, "impossible id", SWAP("\"id\":5", "\"id\":-1")},
    {"L10", SWG_CORRUPT, "double's range", SWAP("\"BPE\"", "\"Unigram\",\"unk_id\":1e999")},
    {"L11", SWG_CORRUPT, "bad JSON", SWAP("]}}", "],}}")},
    {"L12", SWG_UNSUPPORTED, "not a regular file", .run = use_pipe},
    {"L15", SWG_CORRUPT, "bad JSON", CUT(1)},
    {"L16", SWG_LIMIT, "more work",
     SWAP("{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}",
          "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?:a|aa)+$\"},"
          "\"behavior\":\"Isolated\"}")},
    {"L16", SWG_UNSUPPORTED, "Magic", SWAP("\"BPE\"", "\"Magic\"")},
    {"L18", SWG_NO_MEMORY, "of the limit of 1", .run = use_without_memory},
};

/* --- All -------------------------------------------------------------------------------------- */

static const format formats[] = {
    {"safetensors", "sound.safetensors", make_safetensors, wrap_safetensors, use_checkpoint,
     N(safetensors_rows), "L8 L9 L10 L13 L14 L16 L17 "},
    {"index", "checklist/model.safetensors.index.json", make_index, NULL, use_checkpoint,
     N(index_rows), "L1 L4 L8 L9 L10 L13 L14 L16 L17 "},
    {"gguf", "damaged.gguf", make_gguf, NULL, use_checkpoint, N(gguf_rows), "L11 L13 L14 L16 L17 "},
    {"llama2c", "damaged.bin", make_llama2c, NULL, use_checkpoint, N(llama2c_rows),
     "L5 L6 L7 L10 L11 L13 L14 L16 L17 "},
    {"llama2c-v1", "damaged-v1.bin", make_llama2c_v1, NULL, use_checkpoint, N(llama2c_v1_rows),
     "L5 L6 L10 L11 L13 L14 L16 L17 "},
    {"llama2c-v2", "damaged-v2.bin", make_llama2c_v2, NULL, use_checkpoint, N(llama2c_v2_rows),
     "L5 L6 L11 L13 L14 L16 L17 "},
    {"torch", "damaged.pt", make_torch, wrap_torch, use_checkpoint, N(torch_rows),
     "L8 L9 L10 L11 L13 L17 "},
    {"swg", "damaged.swg", make_swg, wrap_swg, use_checkpoint, N(swg_rows), "L8 L9 L13 L16 L17 "},
    {"config.json", "config.json", make_config, NULL, use_config, N(config_rows),
     "L2 L4 L13 L14 L16 L17 "},
    {"tokenizer.json", "tokenizer.json", make_tokenizer, NULL, use_tokenizer, N(tokenizer_rows),
     "L4 L9 L13 L14 L17 "},
};

START_TEST(every_item_is_refused)
{
    checklist_format(&formats[_i]);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("checklist");
    TCase *cases = tcase_create("checklist");
    tcase_add_loop_test(cases, every_item_is_refused, 0, sizeof formats / sizeof *formats);
    suite_add_tcase(suite, cases);
    return suite;
}
