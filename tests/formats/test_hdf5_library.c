/* The HDF5 reader against libhdf5, which writes files here in every way it supports and reads what
 * the project writes. The library is the reference for valid files only. */
#define H5_USE_110_API
#include <hdf5.h>
#include <stdio.h>
#include <string.h>

#include "formats/formats.h"
#include "tests/formats/sample.h"

/* --- Writing with the library ----------------------------------------------------------------- */

/* One way to store a dataset. */
typedef struct kind {
    const char *name;
    H5D_layout_t layout;
    int n_growing;   /* dimensions without bound, from the first on */
    bool is_bounded; /* may grow, to a bound */
    bool is_early;   /* storage allocated at once: chunks without an index */
} kind;

static const kind kinds[] = {
    {"compact", H5D_COMPACT, 0, false, false},
    {"contiguous", H5D_CONTIGUOUS, 0, false, false},
    {"chunked", H5D_CHUNKED, 0, false, false},
    {"bounded", H5D_CHUNKED, 0, true, false},
    {"early", H5D_CHUNKED, 0, true, true},
    {"growing", H5D_CHUNKED, 1, true, false},
    {"growing in two", H5D_CHUNKED, 2, false, false},
};

enum { N_KINDS = sizeof kinds / sizeof kinds[0], MOST_ELEMS = 4096 };

typedef enum filters { NONE, CHECKED, ZIPPED, N_FILTERS } filters;

static hid_t make_properties(const kind *k, filters f, int rank, const hsize_t *chunk)
{
    const hid_t dcpl = H5Pcreate(H5P_DATASET_CREATE);
    ck_assert_int_ge(H5Pset_layout(dcpl, k->layout), 0);
    if (k->is_early)
        ck_assert_int_ge(H5Pset_alloc_time(dcpl, H5D_ALLOC_TIME_EARLY), 0);
    if (k->layout != H5D_CHUNKED)
        return dcpl;
    ck_assert_int_ge(H5Pset_chunk(dcpl, rank, chunk), 0);
    if (f == ZIPPED)
        ck_assert_int_ge(H5Pset_deflate(dcpl, 6), 0);
    if (f != NONE) {
        ck_assert_int_ge(H5Pset_shuffle(dcpl), 0);
        ck_assert_int_ge(H5Pset_fletcher32(dcpl), 0);
    }
    return dcpl;
}

/* Big-endian floats that count up from 0. */
static void put(hid_t file, const char *path, const kind *k, filters f, int rank,
                const hsize_t *shape, const hsize_t *chunk)
{
    static float values[MOST_ELEMS];
    hsize_t most[4], n = 1;
    for (int i = 0; i < rank; i++) {
        most[i] = i < k->n_growing ? H5S_UNLIMITED : k->is_bounded ? 2 * shape[i] + 1 : shape[i];
        n *= shape[i];
    }
    ck_assert_uint_le(n, MOST_ELEMS);
    for (hsize_t i = 0; i < n; i++)
        values[i] = (float)i;
    const hid_t space = H5Screate_simple(rank, shape, k->layout == H5D_CHUNKED ? most : NULL);
    const hid_t dcpl = make_properties(k, f, rank, chunk), lcpl = H5Pcreate(H5P_LINK_CREATE);
    ck_assert_int_ge(H5Pset_create_intermediate_group(lcpl, 1), 0);
    const hid_t dataset = H5Dcreate2(file, path, H5T_IEEE_F32BE, space, lcpl, dcpl, H5P_DEFAULT);
    ck_assert_msg(dataset >= 0, "libhdf5 does not make %s", path);
    ck_assert_int_ge(H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), 0);
    H5Dclose(dataset);
    H5Pclose(lcpl);
    H5Pclose(dcpl);
    H5Sclose(space);
}

static hid_t make_file(const char *path, H5F_libver_t version)
{
    const hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
    ck_assert_int_ge(
        H5Pset_libver_bounds(fapl, version,
                             version == H5F_LIBVER_EARLIEST ? H5F_LIBVER_LATEST : version),
        0);
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, fapl);
    ck_assert(file >= 0);
    H5Pclose(fapl);
    return file;
}

/* --- Reading with the project ----------------------------------------------------------------- */

static void expect_counting(const char *path, size_t n_expected)
{
    static float values[MOST_ELEMS];
    swg_source *source = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    ck_assert_uint_eq(swg_source_n_tensors(source), n_expected);
    for (size_t t = 0; t < n_expected; t++) {
        const swg_tensor_desc *desc = swg_source_tensor(source, t);
        const uint64_t rows = swg_tensor_rows(desc), columns = swg_tensor_cols(desc);
        /* By halves: boxes that begin and end inside chunks. */
        ck_ok(swg_source_read_f32(source, t, 0, rows / 2, values));
        ck_ok(
            swg_source_read_f32(source, t, rows / 2, rows - rows / 2, values + rows / 2 * columns));
        for (uint64_t i = 0; i < rows * columns; i++)
            ck_assert_msg(values[i] == (float)i, "%s: element %llu is %g", desc->name,
                          (unsigned long long)i, (double)values[i]);
    }
    swg_source_close(&source);
}

static const H5F_libver_t versions[] = {H5F_LIBVER_EARLIEST, H5F_LIBVER_V18, H5F_LIBVER_V110};
enum { N_VERSIONS = sizeof versions / sizeof versions[0] };

START_TEST(every_storage)
{
    static const struct {
        int rank;
        hsize_t shape[4], chunk[4];
    } shapes[] = {
        {1, {17}, {5}},
        {2, {40, 30}, {7, 4}},
        {2, {3, 1300}, {2, 1}}, /* more chunks than a page or a node holds */
        {2, {6, 7}, {6, 7}},    /* one chunk */
        {3, {5, 6, 7}, {2, 3, 2}},
        {4, {3, 4, 5, 6}, {1, 4, 2, 5}},
    };
    const char *path = swg_test_path("storage.h5");
    for (size_t v = 0; v < N_VERSIONS; v++) {
        size_t n = 0;
        const hid_t file = make_file(path, versions[v]);
        for (size_t k = 0; k < N_KINDS; k++)
            for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
                for (int f = NONE; f < N_FILTERS; f++) {
                    char name[64];
                    if (kinds[k].layout != H5D_CHUNKED && f != NONE)
                        continue;
                    snprintf(name, sizeof name, "%s/%zu.%d", kinds[k].name, s, f);
                    put(file, name, &kinds[k], (filters)f, shapes[s].rank, shapes[s].shape,
                        shapes[s].chunk);
                    n++;
                }
        ck_assert_int_ge(H5Fclose(file), 0);
        expect_counting(path, n);
    }
}
END_TEST

/* Groups of few and of many links, created and deleted. */
START_TEST(every_group)
{
    static const int sizes[] = {1, 8, 9, 100, 3000};
    const hsize_t shape[1] = {2};
    const char *path = swg_test_path("groups.h5");
    for (size_t v = 0; v < N_VERSIONS; v++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            const hid_t file = make_file(path, versions[v]);
            char name[128];
            size_t n = 0;
            for (int i = 0; i < sizes[s]; i++, n++) {
                snprintf(name, sizeof name, "group/%.*s%d", i % 90,
                         "a name that is longer than others, so that blocks of the heap are filled "
                         "unevenly, and then some",
                         i);
                put(file, name, &kinds[1], NONE, 1, shape, NULL);
                if (i % 5 == 4) {
                    ck_assert_int_ge(H5Ldelete(file, name, H5P_DEFAULT), 0);
                    n--;
                }
            }
            ck_assert_int_ge(H5Fclose(file), 0);
            expect_counting(path, n);
        }
}
END_TEST

/* --- Reading with the library ----------------------------------------------------------------- */

static void expect_text(hid_t file, const char *object, const char *name, const char *text)
{
    char found[64] = "";
    const hid_t attribute = H5Aopen_by_name(file, object, name, H5P_DEFAULT, H5P_DEFAULT);
    ck_assert_msg(attribute >= 0, "%s has no attribute %s", object, name);
    const hid_t type = H5Aget_type(attribute);
    ck_assert_uint_lt(H5Tget_size(type), sizeof found);
    ck_assert_int_ge(H5Aread(attribute, type, found), 0);
    ck_assert_str_eq(found, text);
    H5Tclose(type);
    H5Aclose(attribute);
}

START_TEST(library_reads_what_is_written)
{
    const char *path = swg_test_path("ours.h5");
    sample s;
    sample_init(&s);
    sample_add_small(&s);
    sample_add(&s, "large", swg_scheme_plain(SWG_F32), 2, 701, 1000);
    ck_ok(sample_write(&s, path, NULL));
    const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    ck_assert(file >= 0);
    expect_text(file, ".", "swage_layout", "state-dict-1");
    expect_text(file, "tensors/a.bf16", "dtype", "BF16");
    for (size_t t = 0; t < s.n_tensors; t++) {
        char name[256];
        snprintf(name, sizeof name, "tensors/%s", s.tensors[t].name);
        const hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
        ck_assert_msg(dataset >= 0, "libhdf5 does not open %s", name);
        const hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
        const size_t bytes = H5Tget_size(type) * (size_t)H5Sget_simple_extent_npoints(space);
        ck_assert_uint_eq(bytes, swg_tensor_bytes(&s.tensors[t]));
        uint8_t *data = swg_malloc(bytes, 1);
        ck_assert_int_ge(H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), 0);
        ck_assert_mem_eq(data, s.planes[t][0], bytes);
        swg_free(data);
        H5Sclose(space);
        H5Tclose(type);
        H5Dclose(dataset);
    }
    ck_assert_int_ge(H5Fclose(file), 0);
    sample_deinit(&s);
}
END_TEST

/* --- Refused ---------------------------------------------------------------------------------- */

static void expect_refusal(const char *path, swg_status expected, const char *message)
{
    float values[16];
    swg_source *source = NULL;
    swg_status status = swg_source_open(path, NULL, &source);
    if (status == SWG_OK)
        status = swg_source_read_f32(source, 0, 0, 1, values);
    ck_assert_msg(status == expected && strstr(swg_error_message(), message), "status %d: %s",
                  (int)status, swg_error_message());
    swg_source_close(&source);
}

/* Items of the loader checklist (docs/hostile-input.md) that need a file of their own. */
START_TEST(checklist)
{
    const char *path = swg_test_path("refused.h5");
    const hsize_t shape[5] = {1, 2, 1, 2, 2}, eight[1] = {8};

    hid_t file = make_file(path, H5F_LIBVER_V110); /* L4: more dimensions than are carried */
    const hid_t space = H5Screate_simple(5, shape, NULL);
    H5Dclose(H5Dcreate2(file, "w", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
    H5Fclose(file);
    expect_refusal(path, SWG_UNSUPPORTED, "w has rank 5");

    file = make_file(path, H5F_LIBVER_V110); /* L7: a number where a text is expected */
    put(file, "w", &kinds[1], NONE, 1, eight, NULL);
    const hid_t scalar = H5Screate(H5S_SCALAR);
    H5Aclose(H5Acreate2(file, "swage_layout", H5T_STD_I32LE, scalar, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(scalar);
    H5Fclose(file);
    expect_refusal(path, SWG_CORRUPT, "attribute swage_layout of the file is not a text");

    file = make_file(path, H5F_LIBVER_V110); /* L14: a chunk that decodes to less than it is */
    put(file, "w", &kinds[2], ZIPPED, 1, eight, eight);
    const hid_t dataset = H5Dopen2(file, "w", H5P_DEFAULT);
    const unsigned char zipped[] = {0x78, 0x9c, 0x03, 0x00, 0x00, 0x00, 0x00, 0x01}; /* nothing */
    const hsize_t origin[1] = {0};
    const uint32_t only_deflate = 6; /* shuffle and fletcher32 were not applied */
    ck_assert_int_ge(
        H5Dwrite_chunk(dataset, H5P_DEFAULT, only_deflate, origin, sizeof zipped, zipped), 0);
    H5Dclose(dataset);
    H5Fclose(file);
    expect_refusal(path, SWG_CORRUPT, "is damaged: its checksum or its size is wrong");
}
END_TEST

/* Many names of one dataset: a small file that would make a reader copy a long text for each. */
START_TEST(names_do_not_multiply)
{
    enum { N_NAMES = 3000, TEXT_BYTES = 60000 };
    static char text[TEXT_BYTES];
    const char *path = swg_test_path("names.h5");
    const hsize_t two[1] = {2};
    const uint8_t numbers[2] = {0, 0};
    memset(text, 'x', sizeof text);
    const hid_t file = make_file(path, H5F_LIBVER_EARLIEST);
    const hid_t space = H5Screate_simple(1, two, NULL), scalar = H5Screate(H5S_SCALAR);
    const hid_t dataset =
        H5Dcreate2(file, "w", H5T_STD_U8LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    ck_assert_int_ge(H5Dwrite(dataset, H5T_STD_U8LE, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers), 0);
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, sizeof text);
    const hid_t attribute = H5Acreate2(dataset, "dtype", type, scalar, H5P_DEFAULT, H5P_DEFAULT);
    ck_assert_int_ge(H5Awrite(attribute, type, text), 0);
    for (int i = 0; i < N_NAMES; i++) {
        char name[32];
        snprintf(name, sizeof name, "w%d", i);
        ck_assert_int_ge(H5Lcreate_hard(file, "w", file, name, H5P_DEFAULT, H5P_DEFAULT), 0);
    }
    H5Aclose(attribute);
    H5Tclose(type);
    H5Dclose(dataset);
    H5Sclose(scalar);
    H5Sclose(space);
    ck_assert_int_ge(H5Fclose(file), 0);
    expect_refusal(path, SWG_CORRUPT, "are more than a file of");
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("hdf5_library");
    TCase *cases = tcase_create("all");
    tcase_add_test(cases, every_storage);
    tcase_add_test(cases, every_group);
    tcase_add_test(cases, checklist);
    tcase_add_test(cases, names_do_not_multiply);
    tcase_add_test(cases, library_reads_what_is_written);
    suite_add_tcase(suite, cases);
    return suite;
}
