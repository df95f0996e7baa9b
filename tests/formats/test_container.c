/* The .swg container: what goes in comes out, always the same bytes, and no damage passes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "formats/swg/swg_layout.h"
#include "runtime/base/codes.h"
#include "runtime/base/file.h"
#include "runtime/base/hash.h"
#include "runtime/base/numeric.h"
#include "runtime/base/rng.h"
#include "tests/formats/damage.h"
#include "tests/formats/sample.h"

static const swg_scheme int4_g32 = SWG_SCHEME_INT(4, .scale_type = SWG_F16, .group = 32);

static void open_and_compare(const sample *s, const char *path)
{
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    ck_assert_str_eq(swg_source_format(source), "swg");
    ck_ok(sample_compare(s, source));
    ck_ok(swg_source_verify(source, NULL, NULL, NULL, NULL));
    swg_source_close(&source);
}

START_TEST(everything_comes_back)
{
    sample s;
    sample_init(&s);
    sample_add_small(&s);
    const char *path = swg_test_path("small.swg");
    ck_ok(sample_write(&s, path, NULL));
    open_and_compare(&s, path);
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    size_t length = 0;
    ck_assert_str_eq(swg_source_config(source, &length), s.meta.config);
    ck_assert_uint_eq(length, s.meta.config_length);
    ck_assert_str_eq(swg_source_provenance(source), "[{\"tool\":\"test\"}]");
    ck_assert_uint_eq(swg_source_n_metadata(source), 2);
    const char *key, *value;
    swg_source_metadata(source, 1, &key, &value);
    ck_assert_str_eq(key, "note");
    ck_assert_str_eq(value, "caf\xc3\xa9");
    ck_assert_uint_eq(swg_source_n_files(source), 3);
    for (size_t i = 0; i < 3; i++) {
        swg_file_view file;
        ck_ok(swg_source_find_file(source, s.files[i].name, &file));
        ck_assert_uint_eq(file.length, s.files[i].length);
        ck_assert_mem_eq(file.data, s.files[i].data, file.length + 1);
    }
    swg_source_close(&source);
    sample_deinit(&s);
}
END_TEST

/* Every quantized scheme with k that no group and no byte divides, and tensors of several frames.
 */
START_TEST(all_schemes_come_back)
{
    static const uint32_t groups[] = {0, 32, 64, 128, 256};
    static const swg_dtype types[] = {SWG_F16, SWG_BF16, SWG_F32};
    if (!swg_bits_are_known((unsigned)_i))
        return;
    sample s;
    sample_init(&s);
    swg_scheme scheme;
    for (size_t i = 0; i < 30; i++) {
        ck_ok(swg_scheme_of_bits((unsigned)_i, groups[i / 2 % 5], i % 2, types[i / 10], &scheme));
        char name[64];
        snprintf(name, sizeof name, "t%02zu", 29 - i);
        sample_add(&s, name, scheme, 2, 1 + i % 40, 1 + 7 * i);
    }
    sample_add(&s, "frames.codes", scheme, 2, 3001, 1001);
    sample_add(&s, "frames.f32", swg_scheme_plain(SWG_F32), 2, 700, 1000);
    sample_add(&s, "frames.long", swg_scheme_plain(SWG_BF16), 1, 900001, 0);
    const char *path = swg_test_path("schemes.swg");
    ck_ok(sample_write(&s, path,
                       &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true}));
    open_and_compare(&s, path);
    sample_deinit(&s);
}
END_TEST

START_TEST(rows_are_read_at_random)
{
    sample s;
    sample_init(&s);
    sample_add(&s, "w", int4_g32, 2, 3001, 1001);
    const char *path = swg_test_path("random.swg");
    ck_ok(sample_write(&s, path, NULL));
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    ck_assert_uint_eq(swg_source_rows_per_read(source, 0, SWG_PLANE_CODES) % 16, 0);
    swg_plane planes[SWG_PLANE_KINDS];
    swg_tensor_planes(&s.tensors[0], planes);
    uint8_t *rows = swg_malloc(planes[0].bytes, 1);
    float *numbers = swg_malloc(64 * 1001, sizeof(float));
    for (int i = 0; i < 200; i++) {
        const uint64_t begin = swg_rng_next(&s.rng) % 3001;
        const uint64_t count = swg_rng_next(&s.rng) % (3001 - begin + 1);
        ck_ok(swg_source_read(source, 0, SWG_PLANE_CODES, begin, count, rows));
        ck_assert_mem_eq(rows, s.planes[0][SWG_PLANE_CODES] + begin * planes[0].row_bytes,
                         count * planes[0].row_bytes);
        const uint64_t few = count < 64 ? count : 64;
        ck_ok(swg_source_read_f32(source, 0, begin, few, numbers));
        for (uint64_t r = 0; r < few; r++)
            for (size_t c = 0; c < 1001; c += 97) {
                const uint8_t byte = s.planes[0][SWG_PLANE_CODES][(begin + r) * 501 + c / 2];
                const int code = c % 2 ? byte >> 4 : byte & 15;
                const float scale = swg_float_load(SWG_F16, s.planes[0][SWG_PLANE_SCALES],
                                                   (begin + r) * 32 + c / 32);
                ck_assert(numbers[r * 1001 + c] == (float)(code - 8) * scale);
            }
    }
    ck_assert_int_ne(swg_source_read(source, 0, SWG_PLANE_CODES, 3000, 2, rows), SWG_OK);
    ck_assert_int_ne(swg_source_read(source, 0, SWG_PLANE_CODES, 4000, 0, rows), SWG_OK);
    ck_assert_int_ne(swg_source_read(source, 0, SWG_PLANE_ZEROS, 0, 1, rows), SWG_OK);
    swg_free(numbers);
    swg_free(rows);
    swg_source_close(&source);
    sample_deinit(&s);
}
END_TEST

START_TEST(same_bytes_for_any_thread_count)
{
    sample s;
    sample_init(&s);
    sample_add(&s, "w", int4_g32, 2, 5000, 999);
    sample_add(&s, "v", swg_scheme_plain(SWG_F32), 2, 500, 1000);
    sample_add_small(&s);
    static const size_t threads[] = {1, 2, 5};
    uint8_t *first = NULL;
    size_t first_length = 0;
    for (size_t i = 0; i < 3; i++) {
        swg_pool *pool = NULL;
        ck_ok(swg_pool_new(threads[i], &pool));
        const char *path = swg_test_path("threads.swg");
        ck_ok(sample_write(
            &s, path,
            &(swg_sink_options){.size = sizeof(swg_sink_options), .pool = pool, .force = true}));
        swg_source *source = NULL;
        ck_ok(swg_source_open(path, NULL, &source));
        ck_ok(swg_source_verify(source, pool, NULL, NULL, NULL));
        swg_source_close(&source);
        size_t length = 0;
        uint8_t *bytes = swg_test_read_file(path, &length);
        if (i == 0) {
            first = bytes;
            first_length = length;
            bytes = NULL;
        } else {
            ck_assert_uint_eq(length, first_length);
            ck_assert_mem_eq(bytes, first, length);
        }
        swg_free(bytes);
        swg_pool_free(&pool);
    }
    swg_free(first);
    sample_deinit(&s);
}
END_TEST

START_TEST(tied_tensors_are_stored_once)
{
    sample s;
    sample_init(&s);
    sample_add(&s, "z.first", swg_scheme_plain(SWG_F32), 2, 64, 64);
    sample_add(&s, "a.second", swg_scheme_plain(SWG_F32), 2, 64, 64);
    sample_add(&s, "m.other", swg_scheme_plain(SWG_F32), 2, 64, 64);
    memcpy(s.planes[1][0], s.planes[0][0], 64 * 64 * 4);
    const char *path = swg_test_path("tied.swg");
    ck_ok(sample_write(&s, path, NULL));
    open_and_compare(&s, path);
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    ck_assert_uint_eq(swg_source_same_as(source, 2), 0); /* z.first -> a.second */
    ck_assert_uint_eq(swg_source_same_as(source, 1), 1);
    ck_assert_uint_eq(swg_source_same_as(source, 0), 0);
    swg_source_close(&source);
    swg_map map = {0};
    ck_ok(swg_map_open(path, &map));
    ck_assert_uint_lt(map.size, 2 * 64 * 64 * 4 + 2048);
    swg_map_close(&map);
    sample_deinit(&s);
}
END_TEST

START_TEST(zeros_and_text_compress_within_the_ratio)
{
    sample s;
    sample_init(&s);
    sample_add(&s, "zero.f32", swg_scheme_plain(SWG_F32), 2, 2000, 1000);
    sample_add(&s, "zero.i8", swg_scheme_plain(SWG_I8), 2, 2000, 1000);
    sample_add(&s, "zero.int4", int4_g32, 2, 2000, 1000);
    memset(s.planes[0][0], 0, 8000000);
    memset(s.planes[1][0], 0, 2000000);
    memset(s.planes[2][SWG_PLANE_CODES], 0x88, 1000000);
    const char *path = swg_test_path("zeros.swg");
    ck_ok(sample_write(&s, path, NULL));
    open_and_compare(&s, path);
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    ck_assert_uint_lt(swg_source_stored_bytes(source, 0), 8000000 / 900);
    ck_assert_uint_lt(swg_source_stored_bytes(source, 1), 2000000 / 900);
    swg_source_close(&source);
    sample_deinit(&s);
}
END_TEST

/* The small file that is damaged below. */
static uint8_t *write_victim(size_t *length)
{
    sample s;
    sample_init(&s);
    sample_add(&s, "a.int4", int4_g32, 2, 6, 45);
    sample_add(&s, "b.int8",
               (swg_scheme)SWG_SCHEME_INT(8, .scale_type = SWG_F32, .asymmetric = true), 2, 3, 9);
    sample_add_small(&s);
    const char *path = swg_test_path("victim.swg");
    ck_ok(sample_write(&s, path,
                       &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true}));
    sample_deinit(&s);
    return swg_test_read_file(path, length);
}

START_TEST(every_truncation_and_every_flip_is_found)
{
    size_t length = 0;
    uint8_t *bytes = write_victim(&length);
    const damage_count count = damage_everywhere("damaged.swg", bytes, length, 1);
    ck_assert_uint_eq(count.cuts, length);
    ck_assert_uint_eq(count.cuts_refused, count.cuts);
    ck_assert_uint_eq(count.flips_refused, count.flips);
    uint8_t *longer = swg_calloc(length + 1, 1);
    memcpy(longer, bytes, length);
    ck_status_is(SWG_CORRUPT, sample_use_bytes("a byte too many", longer, length + 1));
    swg_free(longer);
    swg_free(bytes);
}
END_TEST

static void count_damage(void *context, const char *what, const char *sentence)
{
    size_t *count = context;
    ck_assert_str_ne(sentence, "");
    ck_assert_str_eq(what, "w");
    ++*count;
}

START_TEST(verify_names_the_damaged_tensor)
{
    sample s;
    sample_init(&s);
    s.meta.n_files = 0;
    sample_add(&s, "a", swg_scheme_plain(SWG_F32), 2, 64, 64);
    sample_add(&s, "w", swg_scheme_plain(SWG_F32), 2, 64, 64);
    const char *path = swg_test_path("named.swg");
    ck_ok(sample_write(&s, path, NULL));
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    const uint64_t at = 64 + swg_source_stored_bytes(source, 0) + 100;
    swg_source_close(&source);
    size_t length = 0;
    uint8_t *bytes = swg_test_read_file(path, &length);
    bytes[at] ^= 4;
    sample_put_file(path, bytes, length);
    ck_ok(swg_source_open(path, NULL, &source));
    size_t count = 0;
    ck_status_is(SWG_CORRUPT, swg_source_verify(source, NULL, NULL, count_damage, &count));
    ck_assert_uint_eq(count, 1);
    float row[64];
    ck_ok(swg_source_read_f32(source, 0, 0, 1, row));
    ck_status_is(SWG_CORRUPT, swg_source_read_f32(source, 1, 0, 1, row));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "tensor w, values: frame 0 at byte"));
    swg_source_close(&source);
    swg_free(bytes);
    sample_deinit(&s);
}
END_TEST

typedef struct damages {
    size_t count;
    char names[8][16];
} damages;

static void list_damage(void *context, const char *what, const char *sentence)
{
    damages *d = context;
    ck_assert_uint_lt(d->count, 8);
    ck_assert_ptr_nonnull(strstr(sentence, "frame 0 at byte"));
    snprintf(d->names[d->count++], sizeof d->names[0], "%s", what);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* For any number of threads, in a plane of codes, scales or values, or in a file. */
START_TEST(verify_names_every_damaged_part)
{
    sample s;
    sample_init(&s);
    s.meta.n_files = 1;
    for (size_t i = 0; i < 6; i++) {
        char name[4];
        snprintf(name, sizeof name, "t%zu", i);
        sample_add(&s, name, i == 4 ? int4_g32 : swg_scheme_plain(SWG_F32), 2, 64, 64);
    }
    const char *path = swg_test_path("several.swg");
    ck_ok(sample_write(&s, path, NULL));
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    uint64_t at[7] = {SWG_SUPERBLOCK_BYTES + s.files[0].length};
    for (size_t i = 0; i < 6; i++)
        at[i + 1] = at[i] + swg_source_stored_bytes(source, i);
    swg_source_close(&source);
    size_t length = 0;
    uint8_t *bytes = swg_test_read_file(path, &length);
    bytes[SWG_SUPERBLOCK_BYTES + 3] ^= 1; /* the tokenizer */
    bytes[at[1] + 9] ^= 1;                /* t1 */
    bytes[at[3] + 9] ^= 1;                /* t3 */
    bytes[at[5] - 1] ^= 1;                /* t4: its scales are last */
    sample_put_file(path, bytes, length);
    for (size_t threads = 1; threads <= 3; threads += 2) {
        swg_pool *pool = NULL;
        ck_ok(swg_pool_new(threads, &pool));
        ck_ok(swg_source_open(path, NULL, &source));
        damages d = {0};
        ck_status_is(SWG_CORRUPT, swg_source_verify(source, pool, NULL, list_damage, &d));
        ck_assert_ptr_nonnull(strstr(swg_error_message(), "4 of 7 tensors and files"));
        swg_source_close(&source);
        swg_pool_free(&pool);
        ck_assert_uint_eq(d.count, 4);
        qsort(d.names, 4, sizeof d.names[0], compare_texts);
        ck_assert_str_eq(d.names[0], "t1");
        ck_assert_str_eq(d.names[1], "t3");
        ck_assert_str_eq(d.names[2], "t4");
        ck_assert_str_eq(d.names[3], "tokenizer.json");
    }
    swg_free(bytes);
    sample_deinit(&s);
}
END_TEST

/* Damage elsewhere does not prevent a row from being read: only its frame is read. */
START_TEST(parts_are_read_beside_damage)
{
    sample s;
    sample_init(&s);
    s.meta.n_files = 0;
    sample_add(&s, "w", swg_scheme_plain(SWG_F32), 2, 1000, 1000);
    const char *path = swg_test_path("partial.swg");
    ck_ok(sample_write(&s, path, NULL));
    size_t length = 0;
    uint8_t *bytes = swg_test_read_file(path, &length);
    bytes[SWG_SUPERBLOCK_BYTES + 100] ^= 1; /* the first frame */
    sample_put_file(path, bytes, length);
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    const uint64_t step = swg_source_rows_per_read(source, 0, 0);
    ck_assert_uint_lt(step, 500);
    uint8_t *rows = swg_malloc((size_t)step * 4000, 1);
    float row[1000];
    for (uint64_t begin = step; begin < 1000; begin += step) {
        const uint64_t count = step < 1000 - begin ? step : 1000 - begin;
        ck_ok(swg_source_read(source, 0, 0, begin, count, rows));
        ck_assert_mem_eq(rows, s.planes[0][0] + begin * 4000, count * 4000);
        ck_ok(swg_source_read_f32(source, 0, begin + count - 1, 1, row));
        ck_assert_mem_eq(row, s.planes[0][0] + (begin + count - 1) * 4000, 4000);
    }
    ck_status_is(SWG_CORRUPT, swg_source_read_f32(source, 0, step - 1, 1, row));
    ck_status_is(SWG_CORRUPT, swg_source_read_f32(source, 0, step - 1, 2, row));
    swg_source_close(&source);
    swg_free(rows);
    swg_free(bytes);
    sample_deinit(&s);
}
END_TEST

START_TEST(scales_must_be_finite)
{
    sample s;
    sample_init(&s);
    sample_add(&s, "w", int4_g32, 2, 6, 45);
    swg_float_store(SWG_F16, s.planes[0][SWG_PLANE_SCALES], 7, 1e30f); /* becomes infinity */
    ck_status_is(SWG_CORRUPT, sample_write(&s, swg_test_path("scales.swg"), NULL));
    ck_assert_ptr_nonnull(
        strstr(swg_error_message(), "number 7 of the scales of tensor w is not finite"));
    ck_assert(!swg_path_exists(swg_test_path("scales.swg")));
    sample_deinit(&s);
}
END_TEST

/* --- Failures from outside -------------------------------------------------------------------- */

static swg_status write_and_read(void *context)
{
    const sample *s = context;
    const char *path = swg_test_path("failing.swg");
    SWG_TRY(sample_write(s, path,
                         &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true}));
    swg_source *source = NULL;
    SWG_TRY(swg_source_open(path, NULL, &source));
    swg_status status = sample_compare(s, source);
    if (status == SWG_OK)
        status = swg_source_verify(source, NULL, NULL, NULL, NULL);
    swg_file_view file;
    if (status == SWG_OK)
        status = swg_source_file(source, 0, &file);
    float numbers[64];
    if (status == SWG_OK)
        status = swg_source_read_f32(source, 0, 0, 1, numbers);
    swg_source_close(&source);
    return status;
}

START_TEST(each_allocation_may_fail)
{
    sample s;
    sample_init(&s);
    sample_add(&s, "w", int4_g32, 2, 20, 45);
    sample_add_small(&s);
    swg_test_each_allocation_fails(write_and_read, &s);
    sample_deinit(&s);
}
END_TEST

static const char old_bytes[] = "what was there before";

static swg_status overwrite(void *context)
{
    const char *path = swg_test_path("old/target.swg");
    sample_put_file(path, old_bytes, sizeof old_bytes);
    return sample_write(context, path,
                        &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true});
}

static void old_file_is_there(void *context)
{
    (void)context;
    size_t length = 0;
    uint8_t *bytes = swg_test_read_file(swg_test_path("old/target.swg"), &length);
    ck_assert_uint_eq(length, sizeof old_bytes);
    ck_assert_mem_eq(bytes, old_bytes, length);
    swg_free(bytes);
    /* Nothing beside it: removing the folder works once the file is gone. */
    ck_assert_int_eq(remove(swg_test_path("old/target.swg")), 0);
    ck_assert_int_eq(remove(swg_test_path("old")), 0);
    ck_assert_int_eq(mkdir(swg_test_path("old"), 0777), 0);
}

START_TEST(each_write_may_fail)
{
    sample s;
    sample_init(&s);
    sample_add_small(&s);
    ck_assert_int_eq(mkdir(swg_test_path("old"), 0777), 0);
    swg_test_each_write_fails(overwrite, old_file_is_there, &s);
    sample_deinit(&s);
}
END_TEST

/* Announced as floats, written as codes. */
START_TEST(schemes_change_until_a_tensor_is_written)
{
    sample s;
    sample_init(&s);
    sample_add(&s, "a", int4_g32, 2, 9, 100);
    sample_add(&s, "b", int4_g32, 2, 3000, 700);
    swg_tensor_desc announced[2] = {s.tensors[0], s.tensors[1]};
    const char *path = swg_test_path("changed.swg"), *straight = swg_test_path("straight.swg");
    swg_sink *sink = NULL;
    announced[1].scheme = swg_scheme_plain(SWG_F32);
    ck_ok(swg_sink_open(path, NULL, &s.meta, announced, 2, &sink));
    ck_ok(swg_sink_write(sink, 0, (const void *const *)s.planes[0]));
    ck_status_is(SWG_FAILED, swg_sink_change_scheme(sink, 0, int4_g32));
    ck_status_is(SWG_FAILED, swg_sink_change_scheme(sink, 2, int4_g32));
    ck_ok(swg_sink_change_scheme(sink, 1, int4_g32));
    ck_ok(swg_sink_write(sink, 1, (const void *const *)s.planes[1]));
    ck_ok(swg_sink_finish(&sink, NULL));
    open_and_compare(&s, path);
    ck_ok(sample_write(&s, straight, NULL));
    size_t length, length_straight;
    uint8_t *bytes = swg_test_read_file(path, &length);
    uint8_t *bytes_straight = swg_test_read_file(straight, &length_straight);
    ck_assert_uint_eq(length, length_straight);
    ck_assert_mem_eq(bytes, bytes_straight, length);
    swg_free(bytes);
    swg_free(bytes_straight);
    ck_ok(swg_sink_open(
        swg_test_path("fixed.safetensors"), NULL, &s.meta,
        &(swg_tensor_desc){
            .name = "x", .scheme = swg_scheme_plain(SWG_F32), .rank = 2, .shape = {2, 2}},
        1, &sink));
    ck_status_is(SWG_FAILED, swg_sink_change_scheme(sink, 0, swg_scheme_plain(SWG_F16)));
    swg_sink_abort(&sink);
    sample_deinit(&s);
}
END_TEST

START_TEST(wrong_use_is_refused)
{
    sample s;
    sample_init(&s);
    sample_add_small(&s);
    const char *path = swg_test_path("use.swg");
    swg_sink *sink = NULL;
    ck_ok(swg_sink_open(path, NULL, &s.meta, s.tensors, s.n_tensors, &sink));
    const void *planes[SWG_PLANE_KINDS] = {s.planes[1][0]};
    ck_status_is(SWG_FAILED, swg_sink_write(sink, 1, planes));
    ck_status_is(SWG_FAILED, swg_sink_finish(&sink, NULL));
    ck_assert_ptr_null(sink);
    ck_assert(!swg_path_exists(path));
    ck_ok(sample_write(&s, path, NULL));
    ck_status_is(SWG_USAGE, sample_write(&s, path, NULL));
    ck_status_is(SWG_UNSUPPORTED, sample_write(&s, swg_test_path("x.gguf"), NULL));
    ck_status_is(SWG_UNSUPPORTED, sample_write(&s, path,
                                               &(swg_sink_options){.size = sizeof(swg_sink_options),
                                                                   .format = "nonsense"}));
    ck_status_is(
        SWG_USAGE,
        sample_write(&s, path, &(swg_sink_options){.size = sizeof(swg_sink_options), .level = 23}));
    s.tensors[1].name = s.tensors[0].name;
    ck_status_is(SWG_FAILED, sample_write(&s, swg_test_path("twice.swg"), NULL));
    s.tensors[1].name = s.names[1];
    s.files[0].name = "../tokenizer.json";
    ck_status_is(SWG_FAILED, sample_write(&s, swg_test_path("name.swg"), NULL));
    sample_deinit(&s);
}
END_TEST

START_TEST(plan_is_an_upper_bound)
{
    sample s;
    sample_init(&s);
    sample_add(&s, "w", int4_g32, 2, 200, 450);
    sample_add_small(&s);
    const char *path = swg_test_path("plan.swg");
    uint64_t bytes = 0;
    bool is_exact = true;
    ck_ok(swg_sink_plan_bytes(path, NULL, &s.meta, s.tensors, s.n_tensors, &bytes, &is_exact));
    ck_assert(!is_exact);
    ck_assert(!swg_path_exists(path));
    ck_ok(sample_write(&s, path, NULL));
    swg_map map = {0};
    ck_ok(swg_map_open(path, &map));
    ck_assert_uint_le(map.size, bytes);
    ck_assert_uint_ge(2 * map.size, bytes);
    swg_map_close(&map);
    sample_deinit(&s);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("container");
    TCase *cases = tcase_create("container");
    tcase_add_test(cases, everything_comes_back);
    tcase_add_loop_test(cases, all_schemes_come_back, 1, SWG_CODE_MAX_BITS + 1);
    tcase_add_test(cases, rows_are_read_at_random);
    tcase_add_test(cases, same_bytes_for_any_thread_count);
    tcase_add_test(cases, tied_tensors_are_stored_once);
    tcase_add_test(cases, zeros_and_text_compress_within_the_ratio);
    tcase_add_test(cases, every_truncation_and_every_flip_is_found);
    tcase_add_test(cases, verify_names_the_damaged_tensor);
    tcase_add_test(cases, verify_names_every_damaged_part);
    tcase_add_test(cases, parts_are_read_beside_damage);
    tcase_add_test(cases, scales_must_be_finite);
    tcase_add_test(cases, each_allocation_may_fail);
    tcase_add_test(cases, each_write_may_fail);
    tcase_add_test(cases, schemes_change_until_a_tensor_is_written);
    tcase_add_test(cases, wrong_use_is_refused);
    tcase_add_test(cases, plan_is_an_upper_bound);
    suite_add_tcase(suite, cases);
    return suite;
}
