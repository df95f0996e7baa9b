/* The measured limits: present, consistent with each other, and true to the instruction set used.
 */
#include "tests/harness.h"

#include <math.h>
#include <stdio.h>

#include "kernels/isa_table.h"
#include "kernels/limits/limits.h"
#include "runtime/base/mem.h"
#include "runtime/base/thread.h"

START_TEST(dram_limit_is_measured)
{
    swg_pool *pool;
    swg_dram_limit limit;
    ck_ok(swg_pool_new(2, &pool));
    ck_ok(swg_limits_dram_read(pool, (size_t)64 << 20, &limit));
    ck_assert(limit.bytes_per_s > 0 && isfinite(limit.bytes_per_s));
    ck_assert_uint_eq(limit.buffer_bytes, (size_t)64 << 20);
    ck_assert(limit.streams == 1 || limit.streams == 2 || limit.streams == 4);
    printf("read %.1f GB/s, alternating every %zu bytes, %zu streams\n", limit.bytes_per_s / 1e9,
           limit.turn_bytes, limit.streams);
    swg_pool_free(&pool);
}
END_TEST

static swg_status small_read(void *context)
{
    (void)context;
    swg_dram_limit limit;
    return swg_limits_dram_read(NULL, (size_t)4 << 20, &limit);
}

START_TEST(dram_limit_survives_failing_allocations)
{
    swg_test_each_allocation_fails(small_read, NULL);
}
END_TEST

START_TEST(peaks_are_measured)
{
    for (int cap = 0; cap < SWG_ISA_COUNT; cap++) {
        const swg_compute_limit int8 = swg_limits_int8_peak(NULL, (swg_isa)cap);
        const swg_compute_limit f32 = swg_limits_f32_peak(NULL, (swg_isa)cap);
        ck_assert(int8.ops_per_s > 0 && isfinite(int8.ops_per_s));
        ck_assert(f32.ops_per_s > 0 && isfinite(f32.ops_per_s));
        ck_assert_int_le(int8.isa, cap);
        ck_assert(swg_isa_is_available(int8.isa));
        /* Sets without a peak loop of their own are measured with the next lower. */
        if (swg_isa_is_available((swg_isa)cap) &&
            swg_isa_table_of((swg_isa)cap)->peaks[SWG_PEAK_INT8].run)
            ck_assert_int_eq(int8.isa, cap);
        printf("%s: int8 %.1f, f32 %.1f GOP/s\n", swg_isa_name(int8.isa), int8.ops_per_s / 1e9,
               f32.ops_per_s / 1e9);
    }
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("limits");
    TCase *limits = tcase_create("limits");
    tcase_add_test(limits, dram_limit_is_measured);
    tcase_add_test(limits, dram_limit_survives_failing_allocations);
    tcase_add_test(limits, peaks_are_measured);
    suite_add_tcase(suite, limits);
    return suite;
}
