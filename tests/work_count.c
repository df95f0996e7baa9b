/* See work_count.h. The linker's --wrap sends the calls of the library here. */
#include "tests/work_count.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

#include "runtime/base/mem.h"
#include "tests/harness.h"

static atomic_uint_fast64_t comparisons;

int __real_strcmp(const char *a, const char *b);
int __real_strncmp(const char *a, const char *b, size_t n);
int __real_memcmp(const void *a, const void *b, size_t n);
int __wrap_strcmp(const char *a, const char *b);
int __wrap_strncmp(const char *a, const char *b, size_t n);
int __wrap_memcmp(const void *a, const void *b, size_t n);

int __wrap_strcmp(const char *a, const char *b)
{
    atomic_fetch_add_explicit(&comparisons, 1, memory_order_relaxed);
    return __real_strcmp(a, b);
}

int __wrap_strncmp(const char *a, const char *b, size_t n)
{
    atomic_fetch_add_explicit(&comparisons, 1, memory_order_relaxed);
    return __real_strncmp(a, b, n);
}

int __wrap_memcmp(const void *a, const void *b, size_t n)
{
    atomic_fetch_add_explicit(&comparisons, 1, memory_order_relaxed);
    return __real_memcmp(a, b, n);
}

void swg_test_count_work(void)
{
    (void)swg_mem_fail_at(0, false);
    atomic_store(&comparisons, 0);
}

swg_test_work_count swg_test_counted_work(void)
{
    const uint64_t counted = atomic_load(&comparisons);
    return (swg_test_work_count){.comparisons = counted, .allocations = swg_mem_fail_at(0, false)};
}

void swg_test_compare_work(swg_test_work_count few, swg_test_work_count many, uint64_t times)
{
    printf("%llu and %llu comparisons, %llu and %llu allocations\n",
           (unsigned long long)few.comparisons, (unsigned long long)many.comparisons,
           (unsigned long long)few.allocations, (unsigned long long)many.allocations);
    ck_assert_uint_gt(few.comparisons, 0);
    ck_assert_uint_gt(few.allocations, 0);
    /* The extra half leaves room for the logarithm of sorting. */
    ck_assert_uint_lt(many.comparisons, times * few.comparisons * 3 / 2);
    ck_assert_uint_lt(many.allocations, times * few.allocations * 3 / 2);
}
