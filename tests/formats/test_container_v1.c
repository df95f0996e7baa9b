/* Files that the first version of the container's writer made: they stay readable,
 * with the same numbers, when formats are added. The hashes were computed by another reader
 * (scripts/swg_numpy.py) when the files were made. */
#include <string.h>

#include "formats/formats.h"
#include "runtime/base/hash.h"
#include "runtime/base/mem.h"
#include "tests/harness.h"

static const struct {
    const char *path;
    size_t n_tensors;
    const char *scheme; /* that it has tensors of */
    const char *values; /* SHA-256 of all values as F32, tensor after tensor by name */
} files[] = {
    {"tests/formats/fixtures/v1-int4-asym-g32.swg", 21, "int4-g32-asym-f16",
     "1eacfe71f01021e2cd47f066aa4d26980bb756ad65bbf8618d77c6f947b2904f"},
    {"tests/formats/fixtures/v1-int8-sym-row.swg", 41, "int8-row-sym-bf16",
     "d4e002c514ca08916e2d6331f5984a883792269683ff3e6dc640880e0900f09d"},
};
enum { N_FILES = sizeof files / sizeof *files };

/* All values of a checkpoint as one array; the caller frees. */
static float *all_values(swg_source *source, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < swg_source_n_tensors(source); i++)
        *count += (size_t)swg_tensor_elems(swg_source_tensor(source, i));
    float *values;
    ck_ok(SWG_NEW_UNINIT(values, *count));
    size_t at = 0;
    for (size_t i = 0; i < swg_source_n_tensors(source); i++) {
        const swg_tensor_desc *desc = swg_source_tensor(source, i);
        ck_ok(swg_source_read_f32(source, i, 0, swg_tensor_rows(desc), values + at));
        at += (size_t)swg_tensor_elems(desc);
    }
    return values;
}

static size_t count_scheme(const swg_source *source, const char *name)
{
    size_t count = 0;
    char text[SWG_SCHEME_NAME_BYTES];
    for (size_t i = 0; i < swg_source_n_tensors(source); i++)
        count += strcmp(swg_scheme_name(swg_source_tensor(source, i)->scheme, text), name) == 0;
    return count;
}

START_TEST(files_of_version_1_keep_their_meaning)
{
    swg_source *source = NULL;
    char digits[SWG_SHA256_TEXT];
    ck_ok(swg_source_open(files[_i].path, NULL, &source));
    ck_assert_uint_eq(swg_source_n_tensors(source), files[_i].n_tensors);
    ck_assert_uint_gt(count_scheme(source, files[_i].scheme), 8);
    ck_ok(swg_source_verify(source, NULL, NULL, NULL, NULL));
    size_t count;
    float *values = all_values(source, &count);
    swg_sha256_text(values, count * sizeof *values, digits);
    ck_assert_str_eq(digits, files[_i].values);
    swg_free(values);
    swg_source_close(&source);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("container_v1");
    TCase *tcase = tcase_create("container_v1");
    tcase_add_loop_test(tcase, files_of_version_1_keep_their_meaning, 0, N_FILES);
    suite_add_tcase(suite, tcase);
    return suite;
}
