/* Hostile files: safetensors headers and indices, llama2.c headers, and .swg directories with
 * correct hashes and false contents. Every one gets an error message; none crashes or hangs. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "formats/bytes/bytes.h"
#include "formats/swg/frame.h"
#include "formats/swg/swg_layout.h"
#include "runtime/base/file.h"
#include "runtime/base/hash.h"
#include "runtime/base/strbuf.h"
#include "tests/formats/damage.h"
#include "tests/formats/opened_container.h"

/* A clean outcome: success, or a refusal with a message. */
static void expect_clean(const char *path, const char *what, size_t at)
{
    swg_error_clear();
    const swg_status status = sample_use(path, true);
    ck_assert_msg(status == SWG_OK || status == SWG_CORRUPT || status == SWG_UNSUPPORTED ||
                      status == SWG_LIMIT,
                  "%s at %zu gave status %d: %s", what, at, (int)status, swg_error_message());
    ck_assert(status == SWG_OK || swg_error_message()[0] != '\0');
}

static void truncate_and_flip(const char *name, const uint8_t *bytes, size_t length)
{
    const damage_count count = damage_everywhere(name, bytes, length, 1);
    ck_assert_uint_eq(count.cuts_refused, count.cuts);
    ck_assert_uint_gt(count.flips_refused, 0);
}

/* --- safetensors ------------------------------------------------------------------------------ */

static void write_safetensors(const char *path, uint64_t header_length, const char *header,
                              size_t buffer_bytes)
{
    swg_strbuf out = {0};
    uint8_t length[8];
    swg_put_le(length, 8, header_length);
    swg_strbuf_append(&out, length, 8);
    swg_strbuf_puts(&out, header);
    for (size_t i = 0; i < buffer_bytes; i++)
        swg_strbuf_append(&out, "x", 1);
    ck_ok(swg_strbuf_status(&out));
    sample_put_file(path, out.text, out.length);
    swg_strbuf_deinit(&out);
}

static const struct {
    const char *header;
    size_t buffer_bytes;
    const char *sentence; /* NULL: accepted */
} lies[] = {
    {"{}", 0, NULL},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}  ", 4, NULL},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, NULL},
    {"{\"a\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1, NULL},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[0,0]}}", 0, NULL},
    {"{}", 1, "end at byte 0 of a buffer of 1"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 3, "end at byte 4"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 5, "end at byte 4"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8,
     "starts at byte 4 of the buffer; expected 0"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}",
     6, "starts at byte 2 of the buffer; expected 4"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
     4, "starts at byte 0 of the buffer; expected 4"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "needs 8 bytes"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "not a count"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "not a count"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,1e300]}}", 4, "data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}", 4,
     "overflow"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4503599627370496,1024],\"data_offsets\":[0,4]}}", 4,
     "2^62"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0,9007199254740992,9007199254740992],"
     "\"data_offsets\":[0,0]}}",
     0, NULL},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "rank 5"},
    {"{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "unknown dtype"},
    {"{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "not described"},
    {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "not described"},
    {"{\"a\":[]}", 0, "not described"},
    {"{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1, "whole bytes"},
    {"{\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "tensor name"},
    {"{\"a\\n\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "printable"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
     "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
     1, "duplicate"},
    {"{\"__metadata__\":{\"a\":1}}", 0, "not a string"},
    {"{\"__metadata__\":[]}", 0, "not an object"},
    {"{\"__metadata__\":{\"a\":\"b\"}}", 0, NULL},
    {"{\"a\":1,}", 0, "bad JSON"},
};

START_TEST(safetensors_headers_that_lie)
{
    const char *path = swg_test_path("lie.safetensors");
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        write_safetensors(path, strlen(lies[i].header), lies[i].header, lies[i].buffer_bytes);
        const swg_status status = sample_use(path, true);
        if (!lies[i].sentence) {
            ck_assert_msg(status == SWG_OK, "%s: %s", lies[i].header, swg_error_message());
            continue;
        }
        ck_assert_msg(status == SWG_CORRUPT || status == SWG_UNSUPPORTED, "%s: status %d",
                      lies[i].header, (int)status);
        ck_assert_msg(strstr(swg_error_message(), lies[i].sentence) != NULL, "%s: %s",
                      lies[i].header, swg_error_message());
    }
    write_safetensors(path, 3, "{}", 0);
    ck_status_is(SWG_CORRUPT, sample_use(path, true));
    write_safetensors(path, 100000001, "{}", 0);
    ck_status_is(SWG_CORRUPT, sample_use(path, true));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "at most 100000000"));
    write_safetensors(path, UINT64_MAX, "{}", 0);
    ck_status_is(SWG_CORRUPT, sample_use(path, true));
}
END_TEST

START_TEST(safetensors_truncated_and_flipped)
{
    sample s;
    sample_init(&s);
    sample_add_small(&s);
    const char *path = swg_test_path("victim.safetensors");
    ck_ok(sample_write(&s, path, NULL));
    size_t length = 0;
    uint8_t *bytes = swg_test_read_file(path, &length);
    truncate_and_flip("damaged.safetensors", bytes, length);
    swg_free(bytes);
    sample_deinit(&s);
}
END_TEST

static void write_index(const char *json)
{
    sample_put_file(swg_test_path("shards/model.safetensors.index.json"), json, strlen(json));
}

START_TEST(indices_that_lie)
{
    static const char one[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}";
    static const char two[] = "{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}";
    static const struct {
        const char *index;
        swg_status status;
        const char *sentence;
    } cases[] = {
        {"{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}}", SWG_OK, ""},
        {"{\"weight_map\":{\"a\":\"1.safetensors\"}}", SWG_OK, ""},
        {"{\"weight_map\":{}}", SWG_OK, ""},
        {"{}", SWG_CORRUPT, "no weight_map"},
        {"[]", SWG_CORRUPT, "no weight_map"},
        {"{\"weight_map\":{\"a\":\"../secret\"}}", SWG_CORRUPT, "not the name of a file beside"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", SWG_CORRUPT, "not the name of a file beside"},
        {"{\"weight_map\":{\"a\":\"..\"}}", SWG_CORRUPT, "not the name of a file beside"},
        {"{\"weight_map\":{\"a\":\"\"}}", SWG_CORRUPT, "not the name of a file beside"},
        {"{\"weight_map\":{\"a\":7}}", SWG_CORRUPT, "not a string"},
        {"{\"weight_map\":{\"a\":\"2.safetensors\",\"b\":\"2.safetensors\"}}", SWG_CORRUPT,
         "holds 1 of the 2"},
        {"{\"weight_map\":{\"b\":\"1.safetensors\"}}", SWG_CORRUPT, "does not place there"},
        {"{\"weight_map\":{\"a\":\"3.safetensors\"}}", SWG_IO, "3.safetensors"},
        {"{\"weight_map\":{\"a\":\"folder\"}}", SWG_UNSUPPORTED, "not a regular file"},
        {"{\"weight_map\":{\"a\":\"1.safetensors\",\"a\":\"1.safetensors\"}}", SWG_CORRUPT,
         "duplicate"},
    };
    ck_assert_int_eq(mkdir(swg_test_path("shards"), 0777), 0);
    ck_assert_int_eq(mkdir(swg_test_path("shards/folder"), 0777), 0);
    write_safetensors(swg_test_path("shards/1.safetensors"), strlen(one), one, 1);
    write_safetensors(swg_test_path("shards/2.safetensors"), strlen(two), two, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_index(cases[i].index);
        const swg_status status = sample_use(swg_test_path("shards"), true);
        ck_assert_msg(status == cases[i].status, "%s: status %d: %s", cases[i].index, (int)status,
                      swg_error_message());
        ck_assert_ptr_nonnull(strstr(swg_error_message(), cases[i].sentence));
    }
    write_index(cases[0].index);
    sample_put_file(swg_test_path("shards/config.json"), "{\"a\":1,}", 8);
    ck_status_is(SWG_CORRUPT, sample_use(swg_test_path("shards"), true));
}
END_TEST

/* --- llama2.c --------------------------------------------------------------------------------- */

/* A whole little model: dim 8, hidden 6, 2 layers, 2 heads, 1 kv head, vocabulary 5, context 3. */
static uint8_t *make_llama2c(bool is_tied, size_t *length)
{
    const int32_t header[7] = {8, 6, 2, 2, 1, is_tied ? 5 : -5, 3};
    const size_t floats = 5 * 8 + 2 * (8 + 8 * 8 + 4 * 8 + 4 * 8 + 8 * 8 + 8 + 3 * 6 * 8) + 8 +
                          2 * 3 * 2 + (is_tied ? 0 : 5 * 8);
    *length = sizeof header + floats * sizeof(float);
    uint8_t *bytes = swg_malloc(*length, 1);
    memcpy(bytes, header, sizeof header);
    for (size_t i = 0; i < floats; i++) {
        const float value = (float)i;
        memcpy(bytes + sizeof header + i * sizeof value, &value, sizeof value);
    }
    return bytes;
}

START_TEST(llama2c_tied_and_untied)
{
    for (int tied = 0; tied < 2; tied++) {
        size_t length = 0;
        uint8_t *bytes = make_llama2c(tied, &length);
        const char *path = swg_test_path("model.bin");
        sample_put_file(path, bytes, length);
        swg_source *source = NULL;
        ck_ok(swg_source_open(path, NULL, &source));
        ck_assert_uint_eq(swg_source_n_tensors(source), tied ? 20u : 21u);
        ck_assert((swg_source_find(source, "lm_head.weight") == SIZE_MAX) == (tied == 1));
        /* The last tensor of the file, untied: its last value is the last of the file. */
        if (!tied) {
            float row[8];
            ck_ok(
                swg_source_read_f32(source, swg_source_find(source, "lm_head.weight"), 4, 1, row));
            ck_assert(row[7] == (float)((length - 28) / 4 - 1));
        }
        swg_source_close(&source);
        truncate_and_flip("damaged.bin", bytes, length);
        swg_free(bytes);
    }
}
END_TEST

START_TEST(llama2c_headers_that_lie)
{
    static const int32_t headers[][7] = {{0, 6, 2, 2, 1, 5, 3},
                                         {-8, 6, 2, 2, 1, 5, 3},
                                         {8, 6, 2, 3, 1, 5, 3},
                                         {8, 6, 2, 2, 3, 5, 3},
                                         {8, 6, 2, 2, 0, 5, 3},
                                         {8, 6, 2, 8, 1, 5, 3},
                                         {8, 6, 2, 2, 1, 0, 3},
                                         {8, 6, 2, 2, 1, INT32_MIN, 3},
                                         {8, 6, 2, 2, 1, 5, 0},
                                         {8, 6, 4096, 2, 1, 5, 3},
                                         {1 << 20, 1 << 20, 4096, 2, 1, 1 << 24, 1 << 24},
                                         {8, INT32_MAX, 2, 2, 1, 5, 3}};
    size_t length = 0;
    uint8_t *bytes = make_llama2c(true, &length);
    const char *path = swg_test_path("lie.bin");
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        memcpy(bytes, headers[i], sizeof headers[i]);
        sample_put_file(path, bytes, length);
        const swg_status status = sample_use(path, true);
        ck_assert_msg(status == SWG_CORRUPT || status == SWG_UNSUPPORTED, "header %zu: status %d",
                      i, (int)status);
    }
    swg_free(bytes);
}
END_TEST

/* --- .swg with correct hashes ----------------------------------------------------------------- */

static void write_victim(const char *path, bool with_files)
{
    sample s;
    sample_init(&s);
    if (!with_files)
        s.meta.n_files = 0;
    sample_add(&s, "a.int4", (swg_scheme)SWG_SCHEME_INT(4, .scale_type = SWG_F16, .group = 32), 2,
               1, 45);
    sample_add(&s, "b.f32", swg_scheme_plain(SWG_F32), 2, 3, 5);
    sample_add(&s, "c.same", swg_scheme_plain(SWG_F32), 2, 3, 5);
    memcpy(s.planes[2][0], s.planes[1][0], 60);
    ck_ok(sample_write(&s, path,
                       &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true}));
    sample_deinit(&s);
}

START_TEST(directories_with_flipped_bytes)
{
    static const uint8_t flips[] = {0x01, 0x02, 0x80, 0xff};
    const char *path = swg_test_path("directory.swg");
    write_victim(path, true);
    opened o = open_container(path);
    save_container(&o, path);
    ck_ok(sample_use(path, true));
    size_t n_refused = 0;
    for (size_t at = 0; at < o.directory_bytes; at++)
        for (size_t i = 0; i < sizeof flips; i++) {
            o.directory[at] ^= flips[i];
            save_container(&o, path);
            expect_clean(path, "directory byte", at);
            n_refused += swg_error_message()[0] != '\0';
            o.directory[at] ^= flips[i];
        }
    /* Names, texts and hashes of texts may change unnoticed here; structure must not. */
    ck_assert_uint_gt(n_refused, o.directory_bytes);
    for (size_t bytes = 0; bytes < o.directory_bytes; bytes++) {
        opened cut = o;
        cut.directory_bytes = bytes;
        save_container(&cut, path);
        expect_clean(path, "directory cut", bytes);
    }
    close_container(&o);
}
END_TEST

static size_t find_number(const opened *o, uint64_t value, unsigned width)
{
    for (size_t at = 0; at + width <= o->directory_bytes; at++)
        if (swg_get_le(o->directory + at, width) == value)
            return at;
    ck_abort_msg("number %llu is not in the directory", (unsigned long long)value);
    return 0;
}

/* Codes of 23 bytes at 64, scales of 4 at 87, then 60 bytes of b at 91: all stored as they are. */
enum { SCALES_AT = 64 + 23, B_AT = SCALES_AT + 4 };

START_TEST(scales_that_are_not_finite)
{
    const char *path = swg_test_path("nan.swg");
    write_victim(path, false);
    opened o = open_container(path);
    swg_put_le(o.frames + SCALES_AT + 2, 2, 0x7e00); /* the second group's: NaN */
    const size_t record = find_number(&o, SCALES_AT, 8);
    const uint64_t hash = swg_hash64(o.frames + SCALES_AT, 4);
    swg_put_le(o.directory + record + 16, 8, hash);
    swg_put_le(o.directory + record + 24, 8, hash);
    save_container(&o, path);
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    float row[45];
    ck_status_is(SWG_CORRUPT, swg_source_read_f32(source, 0, 0, 1, row));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "row 0 of the scales of tensor a.int4"));
    ck_status_is(SWG_CORRUPT, swg_source_verify(source, NULL, NULL, NULL, NULL));
    swg_source_close(&source);
    close_container(&o);
}
END_TEST

static void expect_frame_lie(size_t field, unsigned width, uint64_t value, const char *sentence)
{
    opened o = open_container(swg_test_path("frames.swg"));
    const size_t record = find_number(&o, B_AT, 8);
    swg_put_le(o.directory + record + field, width, value);
    const char *lie = swg_test_path("frame-lie.swg");
    save_container(&o, lie);
    const swg_status status = sample_use(lie, true);
    ck_assert_msg(status == SWG_CORRUPT || status == SWG_UNSUPPORTED, "field %zu: status %d", field,
                  (int)status);
    ck_assert_msg(strstr(swg_error_message(), sentence) != NULL, "field %zu: %s", field,
                  swg_error_message());
    close_container(&o);
}

START_TEST(frames_that_lie)
{
    write_victim(swg_test_path("frames.swg"), false);
    expect_frame_lie(0, 8, B_AT - 1, "a frame starts at byte 90; expected 91");
    expect_frame_lie(0, 8, B_AT + 1, "outside the frames");
    expect_frame_lie(0, 8, 0, "outside the frames");
    expect_frame_lie(0, 8, UINT64_MAX, "outside the frames");
    expect_frame_lie(8, 4, 59, "cannot be 60 raw bytes");
    expect_frame_lie(8, 4, UINT32_MAX, "outside the frames");
    expect_frame_lie(12, 4, 1, "cannot be 60 raw bytes");
    expect_frame_lie(12, 4, 9, "unknown codec 9");
    expect_frame_lie(16, 8, 1, "frame 0 at byte 91: its bytes do not match their hash");
    expect_frame_lie(24, 8, 1, "1 of 3 tensors and files are damaged");
}
END_TEST

static void add_section(opened *o, const char *tag, uint32_t flags, const char *text)
{
    uint8_t *at = o->directory + o->directory_bytes;
    memcpy(at, tag, 4);
    swg_put_le(at + 4, 4, flags);
    swg_put_le(at + 8, 8, strlen(text));
    memcpy(at + 16, text, strlen(text));
    o->directory_bytes += 16 + strlen(text);
}

START_TEST(extensions_are_kept_or_refused)
{
    const char *path = swg_test_path("extension.swg");
    write_victim(path, true);
    opened o = open_container(path);
    add_section(&o, "XTRA", 0, "what a later version knows");
    swg_put_le(o.frames + SWG_SUPERBLOCK_OPTIONAL, 4, 0x10);
    save_container(&o, path);
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    swg_sink_meta meta;
    ck_ok(swg_sink_meta_from_source(source, &meta));
    swg_sink *sink = NULL;
    const char *copy = swg_test_path("extension-copy.swg");
    ck_ok(swg_sink_open(copy, NULL, &meta, NULL, 0, &sink));
    ck_ok(swg_sink_finish(&sink, NULL));
    swg_sink_meta_deinit(&meta);
    swg_source_close(&source);
    ck_ok(swg_source_open(copy, NULL, &source));
    size_t count = 0;
    const swg_extension *extensions = swg_source_extensions(source, &count);
    ck_assert_uint_eq(count, 1);
    ck_assert_mem_eq(extensions[0].tag, "XTRA", 4);
    ck_assert_uint_eq(extensions[0].length, 26);
    ck_assert_mem_eq(extensions[0].data, "what a later version knows", 26);
    ck_ok(swg_sink_meta_from_source(source, &meta));
    ck_assert_uint_eq(meta.optional_features, 0x10);
    swg_sink_meta_deinit(&meta);
    swg_source_close(&source);

    const size_t one_extension = o.directory_bytes;
    add_section(&o, "XTRA", 0, "again");
    save_container(&o, path);
    ck_status_is(SWG_CORRUPT, sample_use(path, true));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "two sections XTRA"));
    o.directory_bytes = one_extension;
    add_section(&o, "MUST", 1, "x");
    save_container(&o, path);
    ck_status_is(SWG_UNSUPPORTED, sample_use(path, true));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "needs section MUST"));
    close_container(&o);
}
END_TEST

START_TEST(metadata_that_lies)
{
    const char *path = swg_test_path("metadata.swg");
    write_victim(path, false);
    opened o = open_container(path);
    size_t at = 0;
    while (memcmp(o.directory + at, "note", 4) != 0)
        at++;
    o.directory[at] = 0xff;
    save_container(&o, path);
    ck_status_is(SWG_CORRUPT, sample_use(path, true));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "not UTF-8"));
    close_container(&o);

    sample s;
    sample_init(&s);
    s.metadata[2] = s.metadata[0];
    ck_status_is(SWG_FAILED, sample_write(&s, path,
                                          &(swg_sink_options){.size = sizeof(swg_sink_options),
                                                              .force = true}));
    s.metadata[2] = "Format";
    ck_ok(sample_write(&s, path,
                       &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true}));
    o = open_container(path);
    for (at = 0; memcmp(o.directory + at, "Format", 6) != 0;)
        at++;
    o.directory[at] = 'f';
    save_container(&o, path);
    ck_status_is(SWG_CORRUPT, sample_use(path, true));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "two metadata entries"));
    close_container(&o);
    sample_deinit(&s);
}
END_TEST

/* The codec of rans.h is a required feature, without which its frames are not allowed. */
START_TEST(range_coded_frames_need_their_feature)
{
    static const swg_scheme int4 = SWG_SCHEME_INT(4, .scale_type = SWG_F16, .group = 32);
    const char *path = swg_test_path("ranges.swg");
    sample s;
    sample_init(&s);
    sample_add(&s, "pruned", int4, 2, 64, 256);
    uint8_t *codes = s.planes[0][SWG_PLANE_CODES];
    for (size_t i = 0; i < 64 * 256 / 2; i++) /* most of them the code of zero */
        codes[i] = swg_rng_uniform(&s.rng) < 0.7f ? 0x88 : codes[i];
    ck_ok(sample_write(&s, path, NULL));
    opened o = open_container(path);
    ck_assert_uint_eq(swg_get_le(o.frames + SWG_SUPERBLOCK_REQUIRED, 4), SWG_FEATURE_RANS);
    ck_ok(sample_use(path, true));
    swg_put_le(o.frames + SWG_SUPERBLOCK_REQUIRED, 4, 0);
    save_container(&o, path);
    ck_status_is(SWG_CORRUPT, sample_use(path, true));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "has codec 4 without its feature, 0x2"));
    close_container(&o);
    sample_deinit(&s);
}
END_TEST

START_TEST(versions_and_features)
{
    const char *path = swg_test_path("version.swg");
    write_victim(path, false);
    opened o = open_container(path);
    swg_put_le(o.frames + SWG_SUPERBLOCK_REQUIRED, 4, 4);
    save_container(&o, path);
    ck_status_is(SWG_UNSUPPORTED, sample_use(path, true));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "needs features 0x4"));
    swg_put_le(o.frames + SWG_SUPERBLOCK_REQUIRED, 4, 0);
    swg_put_le(o.frames + SWG_SUPERBLOCK_VERSION, 4, 2);
    save_container(&o, path);
    ck_status_is(SWG_UNSUPPORTED, sample_use(path, true));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "container version 2"));
    swg_put_le(o.frames + SWG_SUPERBLOCK_VERSION, 4, 1);
    swg_put_le(o.frames + SWG_SUPERBLOCK_ZERO, 4, 1);
    save_container(&o, path);
    ck_status_is(SWG_CORRUPT, sample_use(path, true));
    close_container(&o);
}
END_TEST

/* --- Frames, without a file around them ------------------------------------------------------- */

START_TEST(frames_with_flipped_bytes)
{
    static const swg_frame_shape shapes[] = {{.bytes = 4000, .elem_bytes = 4},
                                             {.bytes = 600, .elem_bytes = 1, .symbol_bits = 4}};
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    swg_frame_encoder *encoder = NULL;
    swg_frame_decoder *decoder = NULL;
    ck_ok(swg_frame_encoder_new(&encoder));
    ck_ok(swg_frame_decoder_new(&decoder));
    for (size_t k = 0; k < 2; k++) {
        uint8_t raw[4000], stored[4000], again[4000];
        for (size_t i = 0; i < shapes[k].bytes / 4; i++) {
            const float value = swg_rng_normal(&rng);
            memcpy(raw + 4 * i, &value, 4);
        }
        for (size_t i = 0; shapes[k].symbol_bits == 4 && i < shapes[k].bytes; i++)
            raw[i] = (uint8_t)(0x77 + swg_rng_next(&rng) % 2 * 0x10 + swg_rng_next(&rng) % 2);
        uint32_t length = 0;
        swg_codec codec;
        ck_ok(swg_frame_encode(encoder, 3, shapes[k], raw, stored, &length, &codec));
        ck_assert_int_ne(codec, SWG_CODEC_STORED);
        ck_ok(swg_frame_decode(decoder, shapes[k], codec, stored, length, again));
        ck_assert_mem_eq(raw, again, shapes[k].bytes);
        for (size_t at = 0; at < length; at++)
            for (unsigned bit = 0; bit < 8; bit++) {
                stored[at] ^= (uint8_t)(1u << bit);
                const swg_status status =
                    swg_frame_decode(decoder, shapes[k], codec, stored, length, again);
                ck_assert(status == SWG_OK || status == SWG_CORRUPT);
                stored[at] ^= (uint8_t)(1u << bit);
            }
        for (size_t cut = 0; cut < length; cut++)
            ck_status_is(SWG_CORRUPT,
                         swg_frame_decode(decoder, shapes[k], codec, stored, cut, again));
    }
    swg_frame_encoder_free(&encoder);
    swg_frame_decoder_free(&decoder);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("hostile");
    TCase *cases = tcase_create("hostile");
    tcase_add_test(cases, safetensors_headers_that_lie);
    tcase_add_test(cases, safetensors_truncated_and_flipped);
    tcase_add_test(cases, indices_that_lie);
    tcase_add_test(cases, llama2c_tied_and_untied);
    tcase_add_test(cases, llama2c_headers_that_lie);
    tcase_add_test(cases, directories_with_flipped_bytes);
    tcase_add_test(cases, scales_that_are_not_finite);
    tcase_add_test(cases, frames_that_lie);
    tcase_add_test(cases, extensions_are_kept_or_refused);
    tcase_add_test(cases, metadata_that_lies);
    tcase_add_test(cases, versions_and_features);
    tcase_add_test(cases, range_coded_frames_need_their_feature);
    tcase_add_test(cases, frames_with_flipped_bytes);
    suite_add_tcase(suite, cases);
    return suite;
}
