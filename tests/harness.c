/* See harness.h. */
#include "tests/harness.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/file.h"
#include "runtime/base/mem.h"

enum { PATH_BYTES = 1024, PATHS = 8, DEFAULT_SEED = 20240229 };

static char folder[PATH_BYTES];
static SRunner *runner;
static int n_skipped, skipped_after = -1; /* tests run before the one that was skipped last */

const char *swg_test_shared(const char *name)
{
    static char paths[PATHS][PATH_BYTES];
    static int next;
    char *path = paths[next++ % PATHS];
    const char *root = getenv("SWAGE_SHARED");
    snprintf(path, PATH_BYTES, "%s/%s", root ? root : "../shared", name);
    return swg_path_exists(path) ? path : NULL;
}

void swg_test_skip(const char *reason)
{
    printf("SKIP: %s\n", reason);
    const int n_run = runner ? srunner_ntests_run(runner) : 0;
    n_skipped += n_run != skipped_after;
    skipped_after = n_run;
}

const char *swg_test_need(const char *name)
{
    const char *path = swg_test_shared(name);
    if (!path) {
        char reason[PATH_BYTES];
        snprintf(reason, sizeof reason, "%s is absent", name);
        swg_test_skip(reason);
    }
    return path;
}

const char *swg_test_path(const char *name)
{
    static char paths[PATHS][PATH_BYTES];
    static int next;
    char *path = paths[next++ % PATHS];
    if (!folder[0]) {
        const char *base = getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%s/swage-test-XXXXXX", base ? base : "/tmp");
        if (!mkdtemp(folder)) {
            perror(folder);
            exit(EXIT_FAILURE);
        }
    }
    const int length = snprintf(path, PATH_BYTES, "%s/%s", folder, name);
    ck_assert_int_lt(length, PATH_BYTES);
    return path;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

uint64_t swg_test_seed(void)
{
    const char *text = getenv("SWAGE_TEST_SEED");
    return text ? strtoull(text, NULL, 10) : DEFAULT_SEED;
}

void swg_test_each_allocation_fails(swg_test_work *work, void *context)
{
    for (uint64_t n = 1;; n++) {
        swg_error_clear();
        swg_mem_fail_at(n, true);
        const swg_status status = work(context);
        const uint64_t made = swg_mem_fail_at(0, false);
        if (made < n) {
            ck_ok(status);
            ck_assert_uint_gt(n, 1);
            return;
        }
        ck_assert_msg(status == SWG_NO_MEMORY, "allocation %llu failing gave status %d: %s",
                      (unsigned long long)n, (int)status, swg_error_message());
        ck_assert_str_ne(swg_error_message(), "");
    }
}

void swg_test_each_write_fails(swg_test_work *work, void (*after)(void *context), void *context)
{
    for (uint64_t n = 1;; n++) {
        swg_error_clear();
        swg_file_fail_at(n);
        const swg_status status = work(context);
        const uint64_t made = swg_file_fail_at(0);
        if (made < n) {
            ck_ok(status);
            ck_assert_uint_gt(n, 1);
            return;
        }
        ck_assert_msg(status == SWG_IO, "write %llu failing gave status %d: %s",
                      (unsigned long long)n, (int)status, swg_error_message());
        ck_assert_str_ne(swg_error_message(), "");
        if (after)
            after(context);
    }
}

uint8_t *swg_test_read_file(const char *path, size_t *length)
{
    char *text = NULL;
    ck_ok(swg_file_read(path, SIZE_MAX, &text, length));
    return (uint8_t *)text;
}

void swg_test_write_file(const char *path, const void *data, size_t length)
{
    FILE *file = fopen(path, "wb");
    ck_assert_msg(file != NULL, "cannot create %s", path);
    ck_assert_uint_eq(fwrite(data, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
}

void swg_test_set_runner(SRunner *running)
{
    runner = running;
}

int swg_test_n_skipped(void)
{
    return n_skipped;
}

void swg_test_remove_folder(void)
{
    if (folder[0])
        nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
