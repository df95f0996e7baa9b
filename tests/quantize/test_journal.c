/* The journal of finished matrices: what was added comes back, after reopening too; a cut anywhere
 * loses the last record at most; damage, another key and another setting are noticed. */
#include <string.h>

#include "quantize/journal.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "tests/harness.h"

static const swg_tensor_desc desc = {
    .name = "w", .scheme = {.dtype = SWG_F32}, .rank = 2, .shape = {3, 5}};

/* Add or take matrices named "0", "1" ...: each has values of its own. */
static void fill(float values[15], size_t index)
{
    for (size_t i = 0; i < 15; i++)
        values[i] = (float)(index * 100 + i);
}

static swg_status add(swg_journal *j, size_t index)
{
    const char name[] = {(char)('0' + index), '\0'};
    const swg_tensor_report report = {.stats = {.elems = 15, .noise = (double)index}};
    float values[15];
    swg_plane layout[SWG_PLANE_KINDS];
    void *planes[SWG_PLANE_KINDS] = {[SWG_PLANE_VALUES] = values};
    fill(values, index);
    return swg_journal_add(j, name, "setting", layout, swg_tensor_planes(&desc, layout), planes,
                           &report);
}

static bool take(swg_journal *j, size_t index, const char *setting)
{
    const char name[] = {(char)('0' + index), '\0'};
    swg_tensor_report report;
    float values[15], expected[15];
    swg_plane layout[SWG_PLANE_KINDS];
    void *planes[SWG_PLANE_KINDS] = {[SWG_PLANE_VALUES] = values};
    if (!swg_journal_take(j, name, setting, layout, swg_tensor_planes(&desc, layout), planes,
                          &report))
        return false;
    fill(expected, index);
    ck_assert_mem_eq(values, expected, sizeof values);
    ck_assert_double_eq(report.stats.noise, (double)index);
    return true;
}

enum { N = 4 };

static swg_journal *open_journal(const char *path, const char *key)
{
    swg_journal *j = NULL;
    ck_ok(swg_journal_open(path, key, &j));
    return j;
}

static void make(const char *path)
{
    swg_journal *j = open_journal(path, "key");
    for (size_t i = 0; i < N; i++)
        ck_ok(add(j, i));
    swg_journal_close(&j);
}

START_TEST(what_was_added_comes_back)
{
    const char *path = swg_test_path("journal");
    make(path);
    swg_journal *j = open_journal(path, "key"), *second = NULL;
    ck_assert_uint_eq(swg_journal_n_found(j), N);
    for (size_t i = 0; i < N; i++)
        ck_assert(take(j, i, "setting"));
    ck_assert(!take(j, 0, "another setting"));
    ck_assert(!take(j, N, "setting"));
    ck_status_is(SWG_FAILED, swg_journal_open(path, "key", &second)); /* in use */
    swg_journal_close(&j);
    j = open_journal(path, "another key");
    ck_assert_uint_eq(swg_journal_n_found(j), 0);
    swg_journal_close(&j);
    ck_assert(!swg_path_exists(path)); /* an empty journal is not kept */
}
END_TEST

START_TEST(a_journal_in_use_stays_where_it_is)
{
    const char *path = swg_test_path("used");
    swg_journal *j = open_journal(path, "key"), *second = NULL;
    ck_status_is(SWG_FAILED, swg_journal_open(path, "key", &second));
    ck_assert(swg_path_exists(path));
    ck_status_is(SWG_FAILED, swg_journal_open(path, "key", &second)); /* nor does a third get it */
    ck_ok(add(j, 0));
    swg_journal_close(&j);
    j = open_journal(path, "key");
    ck_assert_uint_eq(swg_journal_n_found(j), 1);
    swg_journal_finish(&j);
}
END_TEST

START_TEST(a_cut_loses_one_record)
{
    const char *path = swg_test_path("cut");
    size_t length;
    make(path);
    uint8_t *file = swg_test_read_file(path, &length);
    const size_t record = (length - 64) / N;
    for (size_t kept = 0; kept <= length; kept += 7) {
        swg_test_write_file(path, file, kept);
        swg_journal *j = open_journal(path, "key");
        const size_t whole = kept < 64 ? 0 : (kept - 64) / record;
        ck_assert_uint_eq(swg_journal_n_found(j), whole);
        for (size_t i = 0; i < N; i++)
            ck_assert_int_eq(take(j, i, "setting"), i < whole);
        ck_ok(add(j, 7)); /* it can be continued */
        ck_assert(take(j, 7, "setting"));
        swg_journal_finish(&j);
    }
    swg_free(file);
}
END_TEST

START_TEST(a_damaged_byte_is_noticed)
{
    const char *path = swg_test_path("damaged");
    size_t length;
    make(path);
    uint8_t *file = swg_test_read_file(path, &length);
    const size_t record = (length - 64) / N;
    for (size_t at = 64; at < 64 + record; at++) {
        file[at] ^= 16;
        swg_test_write_file(path, file, length);
        file[at] ^= 16;
        swg_journal *j = open_journal(path, "key");
        ck_assert_msg(!take(j, 0, "setting"), "byte %zu", at);
        swg_journal_close(&j);
    }
    swg_free(file);
}
END_TEST

static swg_status write_and_read(void *context)
{
    swg_journal *j = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_journal_open(context, "key", &j));
    SWG_GO(add(j, 1));
    swg_journal_close(&j);
    SWG_GO(swg_journal_open(context, "key", &j));
    ck_assert(take(j, 1, "setting"));
done:
    swg_journal_finish(&j);
    return status;
}

START_TEST(each_allocation_may_fail)
{
    char *path = swg_strdup(swg_test_path("small"));
    swg_test_each_allocation_fails(write_and_read, path);
    swg_free(path);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("journal");
    TCase *tcase = tcase_create("journal");
    tcase_add_test(tcase, what_was_added_comes_back);
    tcase_add_test(tcase, a_journal_in_use_stays_where_it_is);
    tcase_add_test(tcase, a_cut_loses_one_record);
    tcase_add_test(tcase, a_damaged_byte_is_noticed);
    tcase_add_test(tcase, each_allocation_may_fail);
    suite_add_tcase(suite, tcase);
    return suite;
}
