/* HDF5: the state-dict layout both ways, Keras models, foreign files, and everything that is
 * refused. The files under fixtures/ come from scripts/make-hdf5-fixtures. */
#include <stdio.h>
#include <string.h>

#include "formats/hdf5/format/hdf5_read.h"
#include "runtime/base/file.h"
#include "tests/formats/damage.h"
#include "tests/formats/sample.h"

#define FIXTURE(name) "tests/formats/fixtures/" name

/* --- Our own layout --------------------------------------------------------------------------- */

static void add_types(sample *s)
{
    sample_add_small(s);
    sample_add(s, "group/inner.weight", swg_scheme_plain(SWG_F32), 2, 3, 4);
    sample_add(s, "bool", swg_scheme_plain(SWG_BOOL), 1, 9, 0);
    sample_add(s, "c64", swg_scheme_plain(SWG_C64), 2, 2, 3);
    sample_add(s, "f8", swg_scheme_plain(SWG_F8_E4M3), 2, 4, 4);
    sample_add(s, "f4.rows", swg_scheme_plain(SWG_F4), 2, 6, 8);
    sample_add(s, "f6.one", swg_scheme_plain(SWG_F6_E2M3), 2, 4, 1);
    sample_add(s, "bf16.scalar", swg_scheme_plain(SWG_BF16), 0, 0, 0);
    sample_add(s, "u8", swg_scheme_plain(SWG_U8), 1, 300, 0);
    sample_add(s, "i16", swg_scheme_plain(SWG_I16), 2, 7, 1);
}

static void compare_meta(const sample *s, swg_source *source)
{
    size_t length = 0;
    ck_assert_str_eq(swg_source_config(source, &length), s->meta.config);
    ck_assert_str_eq(swg_source_provenance(source), s->meta.provenance);
    ck_assert_uint_eq(swg_source_n_metadata(source), s->meta.n_metadata);
    for (size_t i = 0; i < s->meta.n_metadata; i++) {
        const char *key, *value;
        swg_source_metadata(source, i, &key, &value);
        ck_assert_str_eq(key, s->metadata[2 * i]);
        ck_assert_str_eq(value, s->metadata[2 * i + 1]);
    }
    for (size_t i = 0; i < s->meta.n_files; i++) {
        swg_file_view file;
        ck_ok(swg_source_find_file(source, s->files[i].name, &file));
        ck_assert_uint_eq(file.length, s->files[i].length);
        ck_assert_mem_eq(file.data, s->files[i].data, file.length);
    }
}

START_TEST(written_and_read)
{
    sample s;
    sample_init(&s);
    add_types(&s);
    sample_add(&s, "large", swg_scheme_plain(SWG_F32), 2, 701, 1000);  /* several chunks */
    sample_add(&s, "wide", swg_scheme_plain(SWG_BF16), 2, 2, 1300000); /* rows over a chunk */
    const char *path = swg_test_path("sample.h5"), *again = swg_test_path("again.hdf5");
    ck_ok(sample_write(&s, path, NULL));
    ck_ok(sample_write(&s, again, NULL));
    size_t length, again_length;
    uint8_t *bytes = swg_test_read_file(path, &length);
    uint8_t *again_bytes = swg_test_read_file(again, &again_length);
    ck_assert_uint_eq(length, again_length);
    ck_assert_mem_eq(bytes, again_bytes, length);
    swg_free(bytes);
    swg_free(again_bytes);
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    ck_assert_str_eq(swg_source_format(source), "hdf5");
    ck_ok(sample_compare(&s, source));
    compare_meta(&s, source);
    ck_ok(swg_source_verify(source, NULL, NULL, NULL, NULL));
    swg_source_close(&source);
    sample_deinit(&s);
}
END_TEST

START_TEST(sizes_are_planned_and_threads_make_no_difference)
{
    sample s;
    sample_init(&s);
    add_types(&s);
    sample_add(&s, "large", swg_scheme_plain(SWG_F32), 2, 701, 1000);
    const char *path = swg_test_path("one.h5"), *other = swg_test_path("three.h5");
    swg_pool *pool = NULL;
    ck_ok(swg_pool_new(3, &pool));
    ck_ok(sample_write(&s, path, NULL));
    ck_ok(sample_write(&s, other,
                       &(swg_sink_options){.size = sizeof(swg_sink_options), .pool = pool}));
    size_t length, other_length;
    uint8_t *bytes = swg_test_read_file(path, &length);
    uint8_t *other_bytes = swg_test_read_file(other, &other_length);
    ck_assert_uint_eq(length, other_length);
    ck_assert_mem_eq(bytes, other_bytes, length);
    uint64_t planned = 0;
    bool is_exact = false;
    ck_ok(swg_sink_plan_bytes(swg_test_path("planned.h5"), NULL, &s.meta, s.tensors, s.n_tensors,
                              &planned, &is_exact));
    ck_assert(is_exact);
    ck_assert_uint_eq(planned, length);
    swg_free(bytes);
    swg_free(other_bytes);
    swg_pool_free(&pool);
    sample_deinit(&s);
}
END_TEST

/* Every byte of a file is under a checksum. */
START_TEST(every_flipped_byte_is_found)
{
    sample s;
    sample_init(&s);
    add_types(&s);
    const char *path = swg_test_path("flipped.h5");
    ck_ok(sample_write(&s, path, NULL));
    size_t length;
    uint8_t *bytes = swg_test_read_file(path, &length);
    for (size_t i = 0; i < length; i++) {
        swg_source *source = NULL;
        bytes[i] ^= 0x10;
        sample_put_file(path, bytes, length);
        swg_status status = swg_source_open(path, NULL, &source);
        if (status == SWG_OK)
            status = swg_source_verify(source, NULL, NULL, NULL, NULL);
        ck_assert_msg(status != SWG_OK, "byte %zu of %zu was flipped unnoticed", i, length);
        swg_source_close(&source);
        bytes[i] ^= 0x10;
    }
    swg_free(bytes);
    sample_deinit(&s);
}
END_TEST

/* A file that version 0.1.0 wrote through libhdf5 1.10: its groups are heaps, its tensors count up
 * from 0. */
START_TEST(files_of_the_former_writer_are_read)
{
    static const struct {
        const char *name;
        swg_dtype dtype;
        float last;
    } expected[] = {
        {"bf16", SWG_BF16, 4}, {"deep/path/w", SWG_F32, 1}, {"empty", SWG_F32, 0},
        {"f16", SWG_F16, 5},   {"f32", SWG_F32, 11},        {"scalar", SWG_F32, 7},
    };
    swg_source *source = NULL;
    ck_ok(swg_source_open(FIXTURE("state_dict_libhdf5.h5"), NULL, &source));
    ck_assert_uint_eq(swg_source_n_tensors(source), 12);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        float numbers[12] = {0};
        const size_t at = swg_source_find(source, expected[i].name);
        ck_assert_msg(at != SIZE_MAX, "%s is absent", expected[i].name);
        const swg_tensor_desc *desc = swg_source_tensor(source, at);
        ck_assert_int_eq(desc->scheme.dtype, expected[i].dtype);
        ck_ok(swg_source_read_f32(source, at, 0, swg_tensor_rows(desc), numbers));
        const size_t n = (size_t)swg_tensor_elems(desc);
        ck_assert(n == 0 || numbers[n - 1] == expected[i].last);
    }
    swg_file_view file;
    ck_ok(swg_source_find_file(source, "tokenizer.json", &file));
    ck_assert_str_eq(file.data, "{\"version\": \"1.0\"}");
    ck_assert_ptr_nonnull(strstr(swg_source_provenance(source), "xxh3_128"));
    ck_ok(swg_source_verify(source, NULL, NULL, NULL, NULL));
    swg_source_close(&source);
}
END_TEST

/* The same tensors through every pair of formats. */
START_TEST(through_other_formats)
{
    static const char *const chain[] = {"a.h5", "b.swg", "c.hdf5", "d.safetensors", "e.h5"};
    sample s;
    sample_init(&s);
    sample_add(&s, "bool", swg_scheme_plain(SWG_BOOL), 1, 9, 0);
    sample_add_small(&s);
    ck_ok(sample_write(&s, swg_test_path(chain[0]), NULL));
    for (size_t i = 1; i < sizeof chain / sizeof chain[0]; i++) {
        swg_source *source = NULL;
        swg_sink *sink = NULL;
        swg_sink_meta meta;
        swg_tensor_desc descs[SAMPLE_MAX_TENSORS];
        ck_ok(swg_source_open(swg_test_path(chain[i - 1]), NULL, &source));
        ck_ok(sample_compare(&s, source));
        ck_ok(swg_sink_meta_from_source(source, &meta));
        for (size_t t = 0; t < swg_source_n_tensors(source); t++)
            descs[t] = *swg_source_tensor(source, t);
        ck_ok(swg_sink_open(swg_test_path(chain[i]), NULL, &meta, descs,
                            swg_source_n_tensors(source), &sink));
        for (size_t t = 0; t < swg_source_n_tensors(source); t++) {
            uint8_t *data = swg_malloc(swg_tensor_bytes(&descs[t]), 1);
            swg_plane planes[SWG_PLANE_KINDS];
            swg_tensor_planes(&descs[t], planes);
            ck_ok(swg_source_read(source, t, 0, 0, planes[0].rows, data));
            ck_ok(swg_sink_write(sink, t, (const void *[SWG_PLANE_KINDS]){data}));
            swg_free(data);
        }
        ck_ok(swg_sink_finish(&sink, NULL));
        swg_sink_meta_deinit(&meta);
        swg_source_close(&source);
    }
    sample_deinit(&s);
}
END_TEST

START_TEST(what_hdf5_cannot_hold)
{
    const swg_scheme quantized = SWG_SCHEME_INT(4, .scale_type = SWG_F16, .group = 32);
    const struct {
        const char *names[2], *message;
        swg_scheme scheme;
    } cases[] = {
        {{"q", "r"}, "--dequantize", quantized},
        {{"a//b", "r"}, "empty or a dot", {.dtype = SWG_F32}},
        {{"/a", "r"}, "empty or a dot", {.dtype = SWG_F32}},
        {{"a/", "r"}, "empty or a dot", {.dtype = SWG_F32}},
        {{"a/./b", "r"}, "empty or a dot", {.dtype = SWG_F32}},
        {{"a", "a/b"}, "both a tensor a and", {.dtype = SWG_F32}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sample s;
        sample_init(&s);
        for (size_t t = 0; t < 2; t++)
            sample_add(&s, cases[i].names[t], cases[i].scheme, 2, 2, 32);
        const char *path = swg_test_path("refused.h5");
        ck_status_is(SWG_UNSUPPORTED, sample_write(&s, path, NULL));
        ck_assert_msg(strstr(swg_error_message(), cases[i].message), "%s", swg_error_message());
        ck_assert(!swg_path_exists(path));
        sample_deinit(&s);
    }
}
END_TEST

/* --- Files of others -------------------------------------------------------------------------- */

static void expect_floats(swg_source *source, const char *name, const float *values, size_t rows,
                          size_t columns)
{
    const size_t at = swg_source_find(source, name);
    ck_assert_msg(at != SIZE_MAX, "no tensor %s", name);
    const swg_tensor_desc *desc = swg_source_tensor(source, at);
    ck_assert_uint_eq(swg_tensor_rows(desc), rows);
    ck_assert_uint_eq(swg_tensor_cols(desc), columns);
    float row[64];
    for (size_t r = 0; r < rows; r++) {
        ck_ok(swg_source_read_f32(source, at, r, 1, row));
        for (size_t c = 0; c < columns; c++)
            ck_assert_float_eq(row[c], values[r * columns + c]);
    }
}

/* numbers(rows, columns) of make-hdf5-fixtures, transposed when `is_turned`. */
static void expect_numbers(swg_source *source, const char *name, size_t rows, size_t columns,
                           bool is_turned)
{
    float values[256];
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            values[is_turned ? c * rows + r : r * columns + c] =
                ((float)(r * columns + c) - 20) / 8;
    expect_floats(source, name, values, is_turned ? columns : rows, is_turned ? rows : columns);
}

START_TEST(datasets_by_path)
{
    swg_source *source = NULL;
    ck_ok(swg_source_open(FIXTURE("plain.h5"), NULL, &source));
    const float ascending[] = {0, 1, 2, 3, 4, 5}, bf16[] = {1, -2};
    expect_floats(source, "a/float16", ascending, 2, 3);
    expect_floats(source, "a/big", ascending, 2, 3);
    expect_floats(source, "bf16", bf16, 1, 2);
    int64_t big[4];
    ck_ok(swg_source_read(source, swg_source_find(source, "a/bigint"), 0, 0, 1, big));
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(big[i], i - 2);
    int32_t zipped[30];
    for (uint64_t r = 0; r < 20; r++) {
        ck_ok(swg_source_read(source, swg_source_find(source, "zipped"), 0, r, 1, zipped));
        for (int c = 0; c < 30; c++)
            ck_assert_int_eq(zipped[c], (int)r * 30 + c);
    }
    /* Any run of the 24 rows of [2, 3, 4, 5]. */
    const size_t cube = swg_source_find(source, "cube"), tied = swg_source_find(source, "tied");
    ck_assert_uint_eq(swg_source_same_as(source, tied), cube);
    for (uint64_t begin = 0; begin < 24; begin++)
        for (uint64_t n = 1; begin + n <= 24; n++) {
            float rows[120];
            ck_ok(swg_source_read_f32(source, cube, begin, n, rows));
            for (size_t i = 0; i < n * 5; i++)
                ck_assert_float_eq(rows[i], (float)(begin * 5 + i));
        }
    const swg_tensor_desc *boolean = swg_source_tensor(source, swg_source_find(source, "bool"));
    ck_assert_int_eq(boolean->scheme.dtype, SWG_BOOL);
    swg_source_close(&source);
}
END_TEST

/* Files of every structure that is read, whose values all count up. */
START_TEST(every_structure)
{
    static const struct {
        const char *path;
        size_t n_tensors;
    } files[] = {
        {FIXTURE("kind_symbol_table.h5"), 41},    {FIXTURE("kind_links.h5"), 62},
        {FIXTURE("kind_compact.h5"), 2},          {FIXTURE("kind_single.h5"), 3},
        {FIXTURE("kind_fixed_array.h5"), 3},      {FIXTURE("kind_btree2.h5"), 2},
        {FIXTURE("kind_extensible_array.h5"), 2},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        swg_source *source = NULL;
        ck_ok(swg_source_open(files[i].path, NULL, &source));
        ck_assert_uint_eq(swg_source_n_tensors(source), files[i].n_tensors);
        for (size_t t = 0; t < files[i].n_tensors; t++) {
            const swg_tensor_desc *desc = swg_source_tensor(source, t);
            const size_t rows = swg_tensor_rows(desc), columns = swg_tensor_cols(desc);
            float values[1100];
            ck_ok(swg_source_read_f32(source, t, 0, rows, values));
            for (size_t v = 0; v < rows * columns; v++)
                ck_assert_msg(values[v] == (float)v, "%s: %s[%zu] is %g", files[i].path, desc->name,
                              v, (double)values[v]);
        }
        swg_source_close(&source);
    }
}
END_TEST

START_TEST(keras_2_weights_without_configuration)
{
    swg_source *source = NULL;
    ck_ok(swg_source_open(FIXTURE("keras_weights.h5"), NULL, &source));
    ck_assert_ptr_nonnull(strstr(swg_source_config(source, NULL), "\"cell\": \"lstm\""));
    ck_assert_ptr_nonnull(strstr(swg_source_config(source, NULL), "2,\n    4\n"));
    expect_numbers(source, "embedding.weight", 7, 3, false);
    expect_numbers(source, "rnn.weight_ih_l0", 3, 8, true);
    expect_numbers(source, "rnn.weight_hh_l0", 2, 8, true);
    expect_numbers(source, "rnn.bias_ih_l0", 1, 8, false);
    expect_numbers(source, "rnn.weight_ih_l1", 2, 16, true);
    expect_numbers(source, "head.weight", 4, 7, true);
    ck_assert_uint_eq(swg_source_find(source, "rnn.bias_ih_l1"), SIZE_MAX);
    swg_source_close(&source);
}
END_TEST

START_TEST(keras_3_weights)
{
    swg_source *source = NULL;
    ck_ok(swg_source_open(FIXTURE("keras3.weights.h5"), NULL, &source));
    ck_assert_uint_eq(swg_source_n_tensors(source), 11);
    ck_assert_ptr_nonnull(strstr(swg_source_config(source, NULL), "\"gate_order\": \"zrn\""));
    expect_numbers(source, "rnn.weight_ih_l1", 2, 12, true);
    float bias[12];
    ck_ok(swg_source_read_f32(source, swg_source_find(source, "rnn.bias_hh_l1"), 0, 1, bias));
    for (int i = 0; i < 12; i++)
        ck_assert_float_eq(bias[i], ((float)(12 + i) - 20) / 8);
    swg_source_close(&source);
}
END_TEST

START_TEST(keras_models_of_other_kinds_are_carried)
{
    swg_source *source = NULL;
    ck_ok(swg_source_open(FIXTURE("keras_other.h5"), NULL, &source));
    ck_assert_uint_eq(swg_source_n_tensors(source), 1);
    ck_assert_str_eq(swg_source_tensor(source, 0)->name, "conv1d/conv1d/kernel:0");
    ck_assert_ptr_nonnull(strstr(swg_source_config(source, NULL), "\"Conv1D\""));
    swg_source_close(&source);
}
END_TEST

START_TEST(keras_fixtures)
{
    static const struct {
        const char *name;
        size_t n_tensors;
        uint64_t gates;
    } models[] = {{"fixtures/keras-lstm-tiny/model.h5", 6, 4},
                  {"fixtures/keras-gru-tiny/model.h5", 7, 3}};
    for (size_t i = 0; i < 2; i++) {
        const char *path = swg_test_need(models[i].name);
        if (!path)
            return;
        swg_source *source = NULL;
        swg_map map = {0};
        swg_h5_file *file = NULL;
        ck_ok(swg_source_open(path, NULL, &source));
        ck_assert_uint_eq(swg_source_n_tensors(source), models[i].n_tensors);
        ck_ok(swg_map_open(path, &map));
        ck_ok(swg_h5_open(path, &map, &file));
        const swg_h5_entry *kernel = swg_h5_find(file, "model_weights/dense/dense/kernel:0");
        ck_assert_ptr_nonnull(kernel);
        float stored[48 * 200], row[48];
        ck_ok(swg_h5_read_rows(file, kernel, 0, 48, stored));
        for (uint64_t r = 0; r < 200; r++) {
            ck_ok(swg_source_read_f32(source, swg_source_find(source, "head.weight"), r, 1, row));
            for (size_t c = 0; c < 48; c++)
                ck_assert_float_eq(row[c], stored[c * 200 + r]);
        }
        const size_t at = swg_source_find(source, "rnn.weight_hh_l0");
        ck_assert_uint_eq(swg_source_tensor(source, at)->shape[0], models[i].gates * 48);
        swg_h5_close(&file);
        swg_map_close(&map);
        swg_source_close(&source);
    }
}
END_TEST

/* --- Refused ---------------------------------------------------------------------------------- */

START_TEST(refused_files)
{
    static const struct {
        const char *path, *message;
        swg_status status;
    } cases[] = {
        {FIXTURE("bad_soft_link.h5"), "v is a soft link", SWG_UNSUPPORTED},
        {FIXTURE("bad_external_link.h5"), "v is a link into another file", SWG_UNSUPPORTED},
        {FIXTURE("bad_external_storage.h5"), "v is stored in another file", SWG_UNSUPPORTED},
        {FIXTURE("bad_virtual.h5"), "v is a virtual dataset", SWG_UNSUPPORTED},
        {FIXTURE("bad_filter.h5"), "v is stored through filter 32000", SWG_UNSUPPORTED},
        {FIXTURE("bad_huge_contiguous.h5"), "v declares 4398046511104 bytes", SWG_CORRUPT},
        {FIXTURE("bad_huge_chunked.h5"), "v declares 4194304 chunks", SWG_CORRUPT},
        {FIXTURE("bad_missing_chunk.h5"), "v declares 2 chunks, the file holds 1", SWG_CORRUPT},
        {FIXTURE("bad_cycle.h5"), "a/b/c leads to a group that was reached", SWG_CORRUPT},
        {FIXTURE("bad_text.h5"), "v holds no numbers", SWG_UNSUPPORTED},
        {FIXTURE("bad_layout.h5"), "\"state-dict-9\"", SWG_UNSUPPORTED},
        {FIXTURE("keras_contradiction.h5"), "layer lstm_1", SWG_CORRUPT},
        {FIXTURE("keras_missing.h5"), "lists the weight lstm/k:0", SWG_CORRUPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        swg_source *source = NULL;
        ck_status_is(cases[i].status, swg_source_open(cases[i].path, NULL, &source));
        ck_assert_msg(strstr(swg_error_message(), cases[i].message), "%s: %s", cases[i].path,
                      swg_error_message());
    }
}
END_TEST

/* Items of the loader checklist (docs/hostile-input.md), each by a few bytes of a valid file; those
 * that need a file of their own are above and in test_hdf5_library.c. */
START_TEST(checklist)
{
#define BYTES(text) (text), sizeof(text) - 1
    static const struct {
        const char *item, *message, *find; /* the first place of these bytes, */
        size_t find_length, at;            /* `at` bytes from it on, */
        const char *put;                   /* becomes this */
        size_t put_length;
    } cases[] = {
        {"L1", "n0 declares more than 2^64 bytes", BYTES("\1\1\1\0\0\0\0\0\2"), 8,
         BYTES("\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\x40")},
        {"L2", "n0 declares 8 bytes, the file holds 0", BYTES("\3\1\0\10\0\0\0\0\0\0"), 2,
         BYTES("\0\0\xff\xff\0\0\0\0")},
        {"L3", "damaged symbol table", BYTES("SNOD\1\0\4\0"), 6, BYTES("\xff\xff")},
        {"L3", "damaged header", BYTES("\1\0\5\0\1\0\0\0\0\1\0\0"), 8, BYTES("\xff\xff\xff")},
        {"L5", "the name n0 is there twice", BYTES("n1\0"), 1, BYTES("0")},
        {"L6", "not printable text", BYTES("n1\0"), 0, BYTES("\1")},
        {"L6", "not printable text", BYTES("n1\0"), 0, BYTES("\xff")},
        {"L15", "declares 85408 bytes, has 19872", BYTES("\xa0\x4d\0\0"), 2, BYTES("\1")},
    };
#undef BYTES
    const char *damaged = swg_test_path("damaged.h5");
    size_t length = 0;
    uint8_t *bytes = swg_test_read_file(FIXTURE("kind_symbol_table.h5"), &length);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t *place = memmem(bytes, length, cases[i].find, cases[i].find_length);
        ck_assert_msg(place != NULL, "case %zu, %s: nothing to damage", i, cases[i].item);
        place += cases[i].at;
        uint8_t kept[16];
        memcpy(kept, place, cases[i].put_length);
        memcpy(place, cases[i].put, cases[i].put_length);
        sample_put_file(damaged, bytes, length);
        memcpy(place, kept, cases[i].put_length);
        swg_source *source = NULL;
        ck_status_is(SWG_CORRUPT, swg_source_open(damaged, NULL, &source));
        ck_assert_msg(strstr(swg_error_message(), cases[i].message), "%s: %s", cases[i].item,
                      swg_error_message());
    }
    swg_free(bytes);
}
END_TEST

START_TEST(damaged_files)
{
    sample s;
    sample_init(&s);
    sample_add_small(&s);
    const char *path = swg_test_path("whole.h5");
    ck_ok(sample_write(&s, path, NULL));
    sample_deinit(&s);
    const struct {
        const char *path;
        size_t step;
    } files[] = {
        {path, 5},
        {FIXTURE("plain.h5"), 17},
        {FIXTURE("keras_weights.h5"), 29},
        {FIXTURE("keras3.weights.h5"), 37},
        {FIXTURE("kind_links.h5"), 61},
        {FIXTURE("kind_extensible_array.h5"), 23},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const damage_count count = damage_file_everywhere(files[i].path, files[i].step);
        printf("%s: %zu of %zu cuts and %zu of %zu flips refused\n", files[i].path,
               count.cuts_refused, count.cuts, count.flips_refused, count.flips);
        ck_assert_uint_eq(count.cuts_refused, count.cuts);
        ck_assert_uint_gt(count.flips_refused, 0);
    }
}
END_TEST

/* --- Failing machines ------------------------------------------------------------------------- */

static swg_status write_sample(void *context)
{
    const sample *s = context;
    return sample_write(s, swg_test_path("failing.h5"),
                        &(swg_sink_options){.size = sizeof(swg_sink_options), .force = true});
}

static swg_status read_sample(void *context)
{
    const sample *s = context;
    swg_source *source = NULL;
    SWG_TRY(swg_source_open(swg_test_path("failing.h5"), NULL, &source));
    const swg_status status = sample_compare(s, source);
    swg_source_close(&source);
    return status;
}

static swg_status read_keras(void *context)
{
    (void)context;
    return sample_use(FIXTURE("keras_weights.h5"), false);
}

static void nothing_is_left(void *context)
{
    (void)context;
    ck_assert(!swg_path_exists(swg_test_path("failing.h5")));
}

START_TEST(failing_writes_and_allocations)
{
    sample s;
    sample_init(&s);
    add_types(&s);
    swg_test_each_write_fails(write_sample, nothing_is_left, &s);
    swg_test_each_allocation_fails(write_sample, &s);
    swg_test_each_allocation_fails(read_sample, &s);
    swg_test_each_allocation_fails(read_keras, NULL);
    sample_deinit(&s);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("hdf5");
    TCase *cases = tcase_create("all");
    tcase_add_test(cases, written_and_read);
    tcase_add_test(cases, sizes_are_planned_and_threads_make_no_difference);
    tcase_add_test(cases, every_flipped_byte_is_found);
    tcase_add_test(cases, files_of_the_former_writer_are_read);
    tcase_add_test(cases, through_other_formats);
    tcase_add_test(cases, what_hdf5_cannot_hold);
    tcase_add_test(cases, datasets_by_path);
    tcase_add_test(cases, every_structure);
    tcase_add_test(cases, keras_2_weights_without_configuration);
    tcase_add_test(cases, keras_3_weights);
    tcase_add_test(cases, keras_models_of_other_kinds_are_carried);
    tcase_add_test(cases, keras_fixtures);
    tcase_add_test(cases, refused_files);
    tcase_add_test(cases, checklist);
    tcase_add_test(cases, damaged_files);
    tcase_add_test(cases, failing_writes_and_allocations);
    suite_add_tcase(suite, cases);
    return suite;
}
