/* Progress reports and interruption. */
#include "tests/harness.h"

#include <string.h>

#include "runtime/base/progress.h"

typedef struct report {
    const char *label, *unit;
    uint64_t done, total;
    int count;
} report;

static void record(void *context, const char *label, const char *unit, uint64_t done,
                   uint64_t total)
{
    report *r = context;
    *r = (report){label, unit, done, total, r->count + 1};
}

START_TEST(steps_are_shown)
{
    report r = {0};
    const swg_progress progress = {.show = record, .context = &r}, silent = {0};
    ck_ok(swg_progress_step(&progress, "reading", "B", 3, 9));
    ck_assert_str_eq(r.label, "reading");
    ck_assert_str_eq(r.unit, "B");
    ck_assert_uint_eq(r.done, 3);
    ck_assert_uint_eq(r.total, 9);
    ck_assert_int_eq(r.count, 1);
    ck_ok(swg_progress_step(NULL, "reading", "B", 1, 2));
    ck_ok(swg_progress_step(&silent, "reading", "B", 1, 2));
}
END_TEST

/* Last: an interruption lasts for the rest of the process. */
START_TEST(an_interruption_stops_the_next_step)
{
    report r = {0};
    const swg_progress progress = {.show = record, .context = &r};
    ck_assert(!swg_is_interrupted());
    swg_interrupt();
    ck_assert(swg_is_interrupted());
    ck_status_is(SWG_INTERRUPTED, swg_progress_step(&progress, "packing w", "B", 1, 2));
    ck_assert_str_eq(swg_error_message(), "interrupted while packing w");
    ck_assert_int_eq(r.count, 1);
    ck_status_is(SWG_INTERRUPTED, swg_progress_step(NULL, "reading", "B", 1, 2));
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("progress");
    TCase *cases = tcase_create("progress");
    tcase_add_test(cases, steps_are_shown);
    tcase_add_test(cases, an_interruption_stops_the_next_step);
    suite_add_tcase(suite, cases);
    return suite;
}
