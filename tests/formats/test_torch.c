/* PyTorch state dicts: the fixture of scripts/make-torch-fixture, false archives made here, and
 * pickles that ask for more than a state dict. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "formats/bytes/bytes.h"
#include "formats/pytorch/pickle.h"
#include "formats/zip/zip_directory.h"
#include "runtime/base/file.h"
#include "runtime/base/strbuf.h"
#include "tests/formats/damage.h"
#include "tests/formats/sample.h"
#include "tests/formats/torch_archive.h"

#define FIXTURE "tests/formats/fixtures/state_dict.pt"

/* --- The fixture ------------------------------------------------------------------------------ */

static void expect(swg_source *source, const char *name, const float *values, size_t rows,
                   size_t columns)
{
    const size_t at = swg_source_find(source, name);
    ck_assert_msg(at != SIZE_MAX, "no tensor %s", name);
    const swg_tensor_desc *desc = swg_source_tensor(source, at);
    ck_assert_uint_eq(swg_tensor_rows(desc), rows);
    ck_assert_uint_eq(swg_tensor_cols(desc), columns);
    for (size_t r = 0; r < rows; r++) {
        float row[32];
        ck_ok(swg_source_read_f32(source, at, r, 1, row));
        for (size_t c = 0; c < columns; c++)
            ck_assert_float_eq(row[c], values[r * columns + c]);
    }
}

static void expect_bytes(swg_source *source, const char *name, swg_dtype dtype, const void *bytes,
                         size_t length)
{
    uint8_t data[64];
    const size_t at = swg_source_find(source, name);
    ck_assert_msg(at != SIZE_MAX, "no tensor %s", name);
    const swg_tensor_desc *desc = swg_source_tensor(source, at);
    ck_assert_int_eq(desc->scheme.dtype, dtype);
    ck_assert_uint_eq(swg_tensor_bytes(desc), length);
    ck_ok(swg_source_read(source, at, 0, 0, 1, data));
    ck_assert_mem_eq(data, bytes, length);
}

START_TEST(every_kind_of_tensor)
{
    swg_source *source = NULL;
    ck_ok(swg_source_open(FIXTURE, NULL, &source));
    ck_assert_str_eq(swg_source_format(source), "torch");
    ck_assert_uint_eq(swg_source_n_tensors(source), 18);
    float values[24], turned[12], strided[8];
    for (int i = 0; i < 24; i++)
        values[i] = (float)(i - 20);
    for (int i = 0; i < 12; i++)
        turned[i] = values[i % 3 * 4 + i / 3];
    for (int i = 0; i < 8; i++) /* [2, 2, 2] of [2, 3, 4]: rows from 1, every other column */
        strided[i] = values[i / 4 * 12 + (i / 2 % 2 + 1) * 4 + i % 2 * 2];
    expect(source, "plain.weight", values, 3, 4);
    expect(source, "turned.weight", turned, 4, 3);
    expect(source, "strided", strided, 4, 2);
    expect(source, "shifted", values + 5, 1, 6);
    expect(source, "tied.a", values, 1, 24);
    expect(source, "tied.b", values, 1, 24);
    expect(source, "type.half", values, 1, 6);
    expect(source, "type.bfloat16", values, 1, 6);
    expect(source, "scalar", (const float[]){7}, 1, 1);
    ck_assert_uint_eq(swg_source_same_as(source, swg_source_find(source, "tied.b")),
                      swg_source_find(source, "tied.a"));
    ck_assert_uint_eq(swg_source_same_as(source, swg_source_find(source, "shifted")),
                      swg_source_find(source, "shifted"));
    const int64_t longs[] = {-20, -19, -18, -17, -16, -15};
    expect_bytes(source, "type.long", SWG_I64, longs, sizeof longs);
    expect_bytes(source, "type.int", SWG_I32, (const int32_t[]){-20, -19, -18, -17, -16, -15}, 24);
    expect_bytes(source, "type.short", SWG_I16, (const int16_t[]){-20, -19, -18, -17, -16, -15},
                 12);
    expect_bytes(source, "type.char", SWG_I8, (const int8_t[]){-20, -19, -18, -17, -16, -15}, 6);
    expect_bytes(source, "type.byte", SWG_U8, (const uint8_t[]){0, 1, 2, 3, 4, 5}, 6);
    expect_bytes(source, "type.bool", SWG_BOOL, (const uint8_t[]){1, 0, 1}, 3);
    expect_bytes(source, "type.complex", SWG_C64, (const float[]){-20, -19, -19, -18}, 16);
    expect_bytes(source, "type.double", SWG_F64, (const double[]){-20, -19, -18, -17, -16, -15},
                 48);
    ck_ok(swg_source_verify(source, NULL, NULL, NULL, NULL));
    swg_source_close(&source);
}
END_TEST

/* --- Pickles ---------------------------------------------------------------------------------- */

static swg_status read_pickle(const char *bytes, size_t length)
{
    swg_arena arena = {0};
    const swg_pickle_value *value = NULL;
    swg_error_clear();
    const swg_status status = swg_pickle_read((const uint8_t *)bytes, length, &arena, &value);
    swg_arena_deinit(&arena);
    return status;
}

START_TEST(pickles_that_ask_for_more)
{
#define PICKLE(text) text, sizeof(text) - 1
    static const struct {
        const char *bytes;
        size_t length;
        swg_status status;
        const char *message;
    } cases[] = {
        {PICKLE("\x80\2cos\nsystem\nX\4\0\0\0true\x85R."), SWG_UNSUPPORTED, "os.system"},
        {PICKLE("\x80\4\x8c\2os\x8c\6system\x93."), SWG_UNSUPPORTED, "os.system"},
        {PICKLE("\x80\2cbuiltins\neval\n."), SWG_UNSUPPORTED, "builtins.eval"},
        {PICKLE("\x80\2c__builtin__\ngetattr\n."), SWG_UNSUPPORTED, "__builtin__.getattr"},
        {PICKLE("\x80\2ctorch\nFloatStorage\n)R."), SWG_UNSUPPORTED, "calls torch.FloatStorage"},
        {PICKLE("\x80\2(ios\nsystem\n."), SWG_UNSUPPORTED, "opcode 0x69"}, /* INST */
        {PICKLE("\x80\2)o."), SWG_UNSUPPORTED, "opcode 0x6f"},             /* OBJ */
        {PICKLE("\x80\2)\x81."), SWG_UNSUPPORTED, "opcode 0x81"},          /* NEWOBJ */
        {PICKLE("\x80\2\x82\1."), SWG_UNSUPPORTED, "opcode 0x82"},         /* EXT1 */
        {PICKLE("\x80\2P0\n."), SWG_UNSUPPORTED, "opcode 0x50"},           /* PERSID */
        {PICKLE("\x80\1}."), SWG_CORRUPT, "protocol"},
        {PICKLE("\x80\2."), SWG_CORRUPT, "left over"},
        {PICKLE("\x80\2}}."), SWG_CORRUPT, "left over"},
        {PICKLE("\x80\2}.x"), SWG_CORRUPT, "left over"},
        {PICKLE("\x80\2}"), SWG_CORRUPT, "early end"},
        {PICKLE("\x80\2R."), SWG_CORRUPT, "call"},
        {PICKLE("\x80\2)\x85\x86."), SWG_CORRUPT, "too few"},
        {PICKLE("\x80\2}(K\1u."), SWG_CORRUPT, "items"},
        {PICKLE("\x80\2(K\1u."), SWG_CORRUPT, "items"},
        {PICKLE("\x80\2u."), SWG_CORRUPT, "mark"},
        {PICKLE("\x80\2h\0."), SWG_CORRUPT, "memo"},
        {PICKLE("\x80\2}r\xff\xff\xff\x7f."), SWG_CORRUPT, "memo"},
        {PICKLE("\x80\2X\xff\xff\xff\xff."), SWG_CORRUPT, "text"},
        {PICKLE("\x80\2\x8a\x09"
                "123456789."),
         SWG_CORRUPT, "64 bits"},
        {PICKLE("\x80\2K\1Q."), SWG_CORRUPT, "persistent id"},
        {PICKLE("\x80\2cno newline"), SWG_CORRUPT, "name"},
        {PICKLE("\x80\2ccollections\nOrderedDict\nK\1\x85R."), SWG_CORRUPT, "arguments"},
        {PICKLE("\x80\2K\1}b."), SWG_CORRUPT, "state"},
        {PICKLE("\x80\2ctorch._utils\n_rebuild_tensor_v2\n)R."), SWG_CORRUPT, "tensor"},
        {PICKLE("\x80\2ctorch._utils\n_rebuild_parameter\n)R."), SWG_CORRUPT, "parameter"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const swg_status status = read_pickle(cases[i].bytes, cases[i].length);
        ck_assert_msg(status == cases[i].status && strstr(swg_error_message(), cases[i].message),
                      "case %zu: status %d: %s", i, (int)status, swg_error_message());
    }
    ck_ok(read_pickle(PICKLE("\x80\2}q\0(X\1\0\0\0aK\1X\1\0\0\0b]q\1h\1au.")));
}
END_TEST

START_TEST(deep_and_endless_pickles)
{
    enum { COUNT = 1 << 20 };
    char *bytes = swg_malloc(COUNT, 1);
    memset(bytes, '(', COUNT); /* marks */
    bytes[0] = '}';
    ck_status_is(SWG_CORRUPT, read_pickle(bytes, COUNT));
    memset(bytes, ']', COUNT); /* a stack of lists */
    ck_status_is(SWG_CORRUPT, read_pickle(bytes, COUNT));
    memset(bytes, (char)0x85, COUNT); /* a tuple in a tuple in a ...: no recursion, so no limit */
    bytes[0] = ')';
    bytes[COUNT - 1] = '.';
    ck_ok(read_pickle(bytes, COUNT));
    swg_free(bytes);
}
END_TEST

/* --- Archives --------------------------------------------------------------------------------- */

static swg_status use_archive(unsigned n_elems, unsigned offset, unsigned rows, unsigned stride,
                              const record *more)
{
    static const float data[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    char pickle[256];
    const size_t length = make_pickle(pickle, n_elems, offset, rows, stride);
    const record records[] = {{"a/data.pkl", pickle, length},
                              {"a/data/0", (const char *)data, sizeof data},
                              more ? *more : (record){"a/version", "3\n", 2}};
    const char *path = swg_test_path("made.pt");
    write_zip(path, records, 3, 0, false);
    swg_error_clear();
    return sample_use(path, true);
}

START_TEST(archives_that_lie)
{
    const struct {
        unsigned n_elems, offset, rows, stride;
        record more;
        swg_status status;
        const char *message;
    } cases[] = {
        {9, 0, 4, 2, {NULL, NULL, 0}, SWG_CORRUPT, "should have 9 elements"},
        {8, 1, 4, 2, {NULL, NULL, 0}, SWG_CORRUPT, "reaches element 8 of a storage with 8"},
        {8, 0, 4, 3, {NULL, NULL, 0}, SWG_CORRUPT, "reaches element 10"},
        {8, 0, 60000, 0, {NULL, NULL, 0}, SWG_UNSUPPORTED, "repeats the 8 elements"},
        {8, 0, 4, 2, {"a/byteorder", "big", 3}, SWG_UNSUPPORTED, "big-endian"},
        {8, 0, 4, 2, {"b/data.pkl", "}.", 2}, SWG_CORRUPT, "several data.pkl"},
        {8, 0, 4, 2, {"a/data/0", "}.", 2}, SWG_CORRUPT, "two entries have one name"},
    };
    ck_ok(use_archive(8, 0, 4, 2, NULL));
    ck_ok(use_archive(8, 0, 4, 2, &(record){"a/byteorder", "little", 6}));
    ck_ok(use_archive(8, 60000, 0, 2, NULL)); /* empty */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const swg_status status =
            use_archive(cases[i].n_elems, cases[i].offset, cases[i].rows, cases[i].stride,
                        cases[i].more.name ? &cases[i].more : NULL);
        ck_assert_msg(status == cases[i].status && strstr(swg_error_message(), cases[i].message),
                      "case %zu: status %d: %s", i, (int)status, swg_error_message());
    }
    const record other = {"a/x", "y", 1};
    const char *path = swg_test_path("other.zip");
    write_zip(path, &other, 1, 0, false);
    ck_status_is(SWG_UNSUPPORTED, sample_use(path, false));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "not a PyTorch checkpoint"));
    write_zip(path, &other, 1, 8, false);
    ck_status_is(SWG_UNSUPPORTED, sample_use(path, false));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "compressed"));
    static const char legacy[] = "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.";
    swg_test_write_file(path, legacy, sizeof legacy - 1);
    ck_status_is(SWG_UNSUPPORTED, sample_use(path, false));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "before 1.6"));
}
END_TEST

START_TEST(zip64_and_nested_state_dicts)
{
    static const float data[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    char inner[256], pickle[400] = "\x80\2}X\12\0\0\0state_dict";
    const size_t length = make_pickle(inner, 8, 2, 3, 2), head = 3 + 5 + 10;
    memcpy(pickle + head, inner + 2, length - 3);
    memcpy(pickle + head + length - 3, "sX\5\0\0\0epochK\3s.", 15);
    const record records[] = {{"x/data.pkl", pickle, head + length - 3 + 15},
                              {"x/data/0", (const char *)data, sizeof data}};
    const char *path = swg_test_path("zip64.pt");
    write_zip(path, records, 2, 0, true);
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    expect(source, "w", data + 2, 3, 2);
    ck_ok(swg_source_verify(source, NULL, NULL, NULL, NULL));
    swg_source_close(&source);
}
END_TEST

/* A Hugging Face folder with shards of this format. */
START_TEST(sharded_folder)
{
    static const char index[] =
        "{\"weight_map\":{\"w\":\"pytorch_model-1.bin\",\"type.int\":\"pytorch_model-2.bin\"}}";
    static const float data[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    char pickle[256], path[600];
    const char *folder = swg_test_path("folder");
    ck_assert_int_eq(mkdir(folder, 0777), 0);
    snprintf(path, sizeof path, "%s/config.json", folder);
    swg_test_write_file(path, "{\"model_type\":\"x\"}", 18);
    snprintf(path, sizeof path, "%s/pytorch_model.bin.index.json", folder);
    swg_test_write_file(path, index, sizeof index - 1);
    const record records[] = {{"a/data.pkl", pickle, make_pickle(pickle, 8, 0, 4, 2)},
                              {"a/data/0", (const char *)data, sizeof data}};
    snprintf(path, sizeof path, "%s/pytorch_model-1.bin", folder);
    write_zip(path, records, 2, 0, false);
    size_t length;
    uint8_t *fixture = swg_test_read_file(FIXTURE, &length);
    snprintf(path, sizeof path, "%s/pytorch_model-2.bin", folder);
    swg_test_write_file(path, fixture, length);
    swg_free(fixture);
    swg_source *source = NULL;
    ck_status_is(SWG_CORRUPT, swg_source_open(folder, NULL, &source)); /* 18 tensors, 1 listed */
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "does not place there"));
    write_zip(path, records, 2, 0, false);
    snprintf(path, sizeof path, "%s/pytorch_model.bin.index.json", folder);
    static const char shorter[] = "{\"weight_map\":{\"w\":\"pytorch_model-1.bin\"}}";
    swg_test_write_file(path, shorter, sizeof shorter - 1);
    ck_ok(swg_source_open(folder, NULL, &source));
    ck_assert_uint_eq(swg_source_n_tensors(source), 1);
    ck_assert_str_eq(swg_source_config(source, NULL), "{\"model_type\":\"x\"}");
    swg_source_close(&source);
}
END_TEST

/* --- Damage ----------------------------------------------------------------------------------- */

static void count_damage(void *context, const char *what, const char *sentence)
{
    ck_assert_str_eq(what, "type.long");
    ck_assert_ptr_nonnull(strstr(sentence, "CRC"));
    ++*(size_t *)context;
}

START_TEST(damage_is_found)
{
    size_t length, n_damaged = 0;
    uint8_t *bytes = swg_test_read_file(FIXTURE, &length);
    const int64_t wanted[2] = {-20, -19};
    uint8_t *at = memmem(bytes, length, wanted, sizeof wanted);
    ck_assert_ptr_nonnull(at);
    *at ^= 4;
    const char *path = swg_test_path("flipped.pt");
    swg_test_write_file(path, bytes, length);
    swg_free(bytes);
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    ck_status_is(SWG_CORRUPT, swg_source_verify(source, NULL, NULL, count_damage, &n_damaged));
    ck_assert_uint_eq(n_damaged, 1);
    swg_source_close(&source);
    const damage_count count = damage_file_everywhere(FIXTURE, 1);
    ck_assert_uint_eq(count.cuts_refused, count.cuts);
    ck_assert_uint_gt(count.flips_refused, count.flips / 4);
    printf("%zu of %zu flips refused\n", count.flips_refused, count.flips);
}
END_TEST

static swg_status use_fixture(void *context)
{
    (void)context;
    return sample_use(FIXTURE, true);
}

START_TEST(failing_allocations)
{
    swg_test_each_allocation_fails(use_fixture, NULL);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("torch");
    TCase *cases = tcase_create("all");
    tcase_add_test(cases, every_kind_of_tensor);
    tcase_add_test(cases, pickles_that_ask_for_more);
    tcase_add_test(cases, deep_and_endless_pickles);
    tcase_add_test(cases, archives_that_lie);
    tcase_add_test(cases, zip64_and_nested_state_dicts);
    tcase_add_test(cases, sharded_folder);
    tcase_add_test(cases, damage_is_found);
    tcase_add_test(cases, failing_allocations);
    suite_add_tcase(suite, cases);
    return suite;
}
