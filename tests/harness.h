/* What every test program shares: main(), temporary folders, optional inputs, and loops that fail
 * the n-th allocation or write. A test file defines swg_test_suite(). */
#ifndef SWG_TESTS_HARNESS_H
#define SWG_TESTS_HARNESS_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

/* Defined by each test file: its cases. */
Suite *swg_test_suite(void);

/* Path of `name` under the shared inputs (../shared beside the checkout, or SWAGE_SHARED), in one
 * of the harness's buffers; NULL when it is absent. */
const char *swg_test_shared(const char *name);

/* The same for a test that cannot run without it, which is then counted as skipped, visibly:
 *     const char *model = swg_test_need("models/stories260K");
 *     if (!model) return; */
const char *swg_test_need(const char *name);

/* Count this test as skipped, once for all its reasons, which go to stdout; how many tests were.
 * The runner (from main) tells tests apart. */
void swg_test_skip(const char *reason);
void swg_test_set_runner(SRunner *running);
int swg_test_n_skipped(void);

/* This test program's own folder, removed at its end; `name` below it (buffer of the
 * harness's, valid until 8 calls later). */
const char *swg_test_path(const char *name);
void swg_test_remove_folder(void); /* main() does */

/* Fail with the recorded message unless `expression` is SWG_OK / is `wanted`. */
#define ck_ok(expression)                                                                          \
    do {                                                                                           \
        const swg_status ck_status = (expression);                                                 \
        ck_assert_msg(ck_status == SWG_OK, "%s: status %d: %s", #expression, (int)ck_status,       \
                      swg_error_message());                                                        \
    } while (0)
#define ck_status_is(wanted, expression)                                                           \
    do {                                                                                           \
        const swg_status ck_status = (expression);                                                 \
        ck_assert_msg(ck_status == (wanted), "%s: status %d, not %d: %s", #expression,             \
                      (int)ck_status, (int)(wanted), swg_error_message());                         \
    } while (0)

/* Run `work` with the 1st, 2nd, 3rd ... allocation (or write, sync, rename) failing, until it
 * succeeds with none left to fail. Each failing run must return SWG_NO_MEMORY (SWG_IO) with a
 * message; `after` (may be NULL) checks what is left over. At least one run must have failed. */
typedef swg_status swg_test_work(void *context);
void swg_test_each_allocation_fails(swg_test_work *work, void *context);
void swg_test_each_write_fails(swg_test_work *work, void (*after)(void *context), void *context);

/* Whole files, for comparing and damaging. The caller frees with swg_free. */
uint8_t *swg_test_read_file(const char *path, size_t *length);
void swg_test_write_file(const char *path, const void *data, size_t length);

/* Seed of this run's random cases: SWAGE_TEST_SEED or a fixed one; printed by main. */
uint64_t swg_test_seed(void);

#endif
