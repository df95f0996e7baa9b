/* The thread pool. */
#include "tests/harness.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/thread.h"

static const size_t thread_counts[] = {1, 2, 5};
enum { N_COUNTS = 3, N_ITEMS = 1000, N_SHORT_JOBS = 10000 };

typedef struct tally {
    atomic_int runs[N_ITEMS];
    atomic_int strangers; /* calls with an invalid thread or count */
    size_t n_threads;
} tally;

static void count_thread(void *context, size_t thread, size_t n_threads)
{
    tally *t = context;
    if (thread >= n_threads || n_threads != t->n_threads)
        atomic_fetch_add(&t->strangers, 1);
    else
        atomic_fetch_add(&t->runs[thread], 1);
}

START_TEST(every_thread_runs_once_a_job)
{
    for (size_t c = 0; c < N_COUNTS; c++) {
        swg_pool *pool = NULL;
        ck_ok(swg_pool_new(thread_counts[c], &pool));
        ck_assert_uint_eq(swg_pool_threads(pool), thread_counts[c]);
        static tally t;
        memset(&t, 0, sizeof t);
        t.n_threads = thread_counts[c];
        for (int round = 1; round <= 200; round++) {
            swg_pool_run(pool, count_thread, &t);
            for (size_t thread = 0; thread < thread_counts[c]; thread++)
                ck_assert_int_eq(atomic_load(&t.runs[thread]), round);
        }
        ck_assert_int_eq(atomic_load(&t.strangers), 0);
        swg_pool_free(&pool);
        ck_assert_ptr_null(pool);
        swg_pool_free(&pool);
    }
}
END_TEST

START_TEST(no_pool_means_the_caller)
{
    static tally t;
    t.n_threads = 1;
    swg_pool_run(NULL, count_thread, &t);
    ck_assert_int_eq(atomic_load(&t.runs[0]), 1);
    ck_assert_uint_eq(swg_pool_threads(NULL), 1);
}
END_TEST

/* Plain memory written before a job and read after it: the pool must order both. */
static void add_one(void *context, size_t thread, size_t n_threads)
{
    (void)n_threads;
    ((uint64_t *)context)[thread * 8]++;
}

START_TEST(ten_thousand_short_jobs_are_all_done)
{
    for (size_t c = 0; c < N_COUNTS; c++) {
        swg_pool *pool = NULL;
        uint64_t counters[5 * 8] = {0};
        ck_ok(swg_pool_new(thread_counts[c], &pool));
        for (uint64_t i = 1; i <= N_SHORT_JOBS; i++) {
            swg_pool_run(pool, add_one, counters);
            for (size_t t = 0; t < thread_counts[c]; t++)
                if (counters[t * 8] != i)
                    ck_abort_msg("thread %zu made %llu of %llu jobs", t,
                                 (unsigned long long)counters[t * 8], (unsigned long long)i);
        }
        swg_pool_free(&pool);
    }
}
END_TEST

static swg_status count_item(void *context, size_t index)
{
    atomic_fetch_add(&((tally *)context)->runs[index], 1);
    return SWG_OK;
}

START_TEST(every_item_is_done_once)
{
    static const size_t item_counts[] = {0, 1, 2, 7, N_ITEMS};
    for (size_t c = 0; c < N_COUNTS; c++) {
        swg_pool *pool = NULL;
        ck_ok(swg_pool_new(thread_counts[c], &pool));
        for (size_t n = 0; n < sizeof item_counts / sizeof item_counts[0]; n++) {
            static tally t;
            memset(&t, 0, sizeof t);
            ck_ok(swg_pool_for(pool, item_counts[n], count_item, &t));
            for (size_t i = 0; i < N_ITEMS; i++)
                if (atomic_load(&t.runs[i]) != (i < item_counts[n]))
                    ck_abort_msg("item %zu of %zu was done %d times", i, item_counts[n],
                                 atomic_load(&t.runs[i]));
        }
        swg_pool_free(&pool);
    }
    static tally alone;
    ck_ok(swg_pool_for(NULL, 3, count_item, &alone));
    ck_assert_int_eq(atomic_load(&alone.runs[2]), 1);
}
END_TEST

/* Items from 100 on fail, each with its own sentence. */
static swg_status fail_from_100(void *context, size_t index)
{
    SWG_TRY(count_item(context, index));
    return index < 100 ? SWG_OK
                       : swg_error(index == 100 ? SWG_CORRUPT : SWG_LIMIT, "item %zu", index);
}

START_TEST(the_lowest_failing_item_is_reported)
{
    for (size_t c = 0; c < N_COUNTS; c++) {
        swg_pool *pool = NULL;
        ck_ok(swg_pool_new(thread_counts[c], &pool));
        for (int round = 0; round < 50; round++) {
            static tally t;
            memset(&t, 0, sizeof t);
            swg_error_clear();
            ck_status_is(SWG_CORRUPT, swg_pool_for(pool, N_ITEMS, fail_from_100, &t));
            ck_assert_str_eq(swg_error_message(), "item 100");
            int before = 0;
            for (size_t i = 0; i < 100; i++)
                before += atomic_load(&t.runs[i]);
            ck_assert_int_eq(before, 100);
        }
        swg_pool_free(&pool);
    }
}
END_TEST

static swg_status start_and_stop(void *context)
{
    (void)context;
    swg_pool *pool = NULL;
    SWG_TRY(swg_pool_new(4, &pool));
    swg_pool_free(&pool);
    return SWG_OK;
}

START_TEST(each_failing_allocation_is_reported)
{
    swg_test_each_allocation_fails(start_and_stop, NULL);
}
END_TEST

START_TEST(thread_counts_have_a_limit)
{
    swg_pool *pool = NULL;
    ck_status_is(SWG_LIMIT, swg_pool_new(1025, &pool));
    ck_status_is(SWG_LIMIT, swg_pool_new(SIZE_MAX, &pool));
    ck_assert_ptr_null(pool);
    ck_ok(swg_pool_new(0, &pool));
    ck_assert_uint_ge(swg_pool_threads(pool), 1);
    swg_pool_free(&pool);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("thread");
    TCase *cases = tcase_create("thread");
    tcase_add_test(cases, every_thread_runs_once_a_job);
    tcase_add_test(cases, no_pool_means_the_caller);
    tcase_add_test(cases, ten_thousand_short_jobs_are_all_done);
    tcase_add_test(cases, every_item_is_done_once);
    tcase_add_test(cases, the_lowest_failing_item_is_reported);
    tcase_add_test(cases, each_failing_allocation_is_reported);
    tcase_add_test(cases, thread_counts_have_a_limit);
    suite_add_tcase(suite, cases);
    return suite;
}
