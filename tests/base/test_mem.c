/* Memory: checked sizes, the heap's failures, growing arrays, arenas, page regions. */
#include "tests/harness.h"

#include <string.h>

#include "runtime/base/mem.h"

START_TEST(checked_arithmetic_refuses_overflow_and_leaves_the_output)
{
    size_t out = 7;
    ck_assert(swg_size_add(SIZE_MAX - 1, 1, &out));
    ck_assert_uint_eq(out, SIZE_MAX);
    ck_assert(!swg_size_add(SIZE_MAX, 1, &out));
    ck_assert_uint_eq(out, SIZE_MAX);
    ck_assert(swg_size_mul(SIZE_MAX / 3, 3, &out));
    ck_assert(!swg_size_mul(SIZE_MAX / 2 + 1, 2, &out));
    ck_assert(swg_size_mul(SIZE_MAX, 0, &out));
    ck_assert_uint_eq(out, 0);
    uint64_t wide = 5;
    ck_assert(!swg_u64_mul(UINT64_C(1) << 32, UINT64_C(1) << 32, &wide));
    ck_assert(!swg_u64_add(UINT64_MAX, UINT64_MAX, &wide));
    ck_assert_uint_eq(wide, 5);
    ck_assert(swg_u64_mul(UINT64_C(1) << 31, UINT64_C(1) << 32, &wide));
    ck_assert_uint_eq(wide, UINT64_C(1) << 63);
    ck_assert(swg_u64_add(UINT64_MAX, 0, &wide));
    ck_assert_uint_eq(wide, UINT64_MAX);
}
END_TEST

START_TEST(rounding_helpers)
{
    ck_assert_uint_eq(swg_round_up(0, 64), 0);
    ck_assert_uint_eq(swg_round_up(1, 64), 64);
    ck_assert_uint_eq(swg_round_up(64, 64), 64);
    ck_assert_uint_eq(swg_ceil_div(0, 3), 0);
    ck_assert_uint_eq(swg_ceil_div(7, 3), 3);
    ck_assert_uint_eq(swg_ceil_div(9, 3), 3);
}
END_TEST

static bool all_are(const unsigned char *bytes, size_t count, unsigned value)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != value)
            return false;
    return true;
}

static bool is_aligned(const void *block)
{
    return (uintptr_t)block % SWG_ALIGNMENT == 0;
}

START_TEST(blocks_are_aligned_and_zeroed)
{
    for (size_t count = 0; count < 300; count += 7) {
        unsigned char *block = swg_calloc(count, 3);
        ck_assert_ptr_nonnull(block);
        ck_assert(is_aligned(block));
        ck_assert(all_are(block, count * 3, 0));
        swg_free(block);
        block = swg_malloc(count, 1);
        ck_assert(block && is_aligned(block));
        SWG_FREE(block);
        ck_assert_ptr_null(block);
    }
    swg_free(NULL);
}
END_TEST

START_TEST(impossible_sizes_are_refused_with_a_sentence)
{
    static const struct {
        size_t count, size;
    } rows[] = {{SIZE_MAX, 2},
                {SIZE_MAX, 1},
                {PTRDIFF_MAX, 1},
                {SIZE_MAX / 2 + 1, 2},
                {SIZE_MAX - 63, 1} /* no room for an arena chunk's header */};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        void *blocks[3];
        swg_arena arena = {0};
        for (size_t way = 0; way < 4; way++) {
            swg_error_clear();
            blocks[0] = way == 0   ? swg_malloc(rows[i].count, rows[i].size)
                        : way == 1 ? swg_calloc(rows[i].count, rows[i].size)
                        : way == 2 ? swg_realloc(NULL, rows[i].count, rows[i].size)
                                   : swg_arena_calloc(&arena, rows[i].count, rows[i].size);
            ck_assert_ptr_null(blocks[0]);
            ck_assert_msg(*swg_error_message(), "row %zu, way %zu: no sentence", i, way);
        }
        swg_arena_deinit(&arena);
    }
    swg_pages pages = {0};
    ck_status_is(SWG_NO_MEMORY, swg_pages_init(&pages, SIZE_MAX));
    ck_status_is(SWG_NO_MEMORY, swg_pages_init(&pages, SIZE_MAX - (4u << 20)));
    /* The system would grant this, and kill the process that uses it. */
    const uint64_t machine = swg_machine_memory_bytes();
    ck_assert_uint_gt(machine, (uint64_t)64 << 20);
    ck_status_is(SWG_NO_MEMORY, swg_pages_init(&pages, (size_t)machine + (4u << 20)));
    ck_assert_ptr_null(pages.data);
}
END_TEST

START_TEST(realloc_keeps_the_bytes)
{
    unsigned char *block = swg_malloc(10, 1);
    memcpy(block, "0123456789", 10);
    block = swg_realloc(block, 100000, 1);
    ck_assert_ptr_nonnull(block);
    ck_assert_mem_eq(block, "0123456789", 10);
    block = swg_realloc(block, 0, 1);
    ck_assert_ptr_nonnull(block);
    swg_free(block);
}
END_TEST

START_TEST(strings_are_copied)
{
    char *copy = swg_strdup("weights");
    ck_assert_str_eq(copy, "weights");
    swg_free(copy);
    copy = swg_strndup("weights", 3);
    ck_assert_str_eq(copy, "wei");
    swg_free(copy);
    copy = swg_strndup("", 0);
    ck_assert_str_eq(copy, "");
    swg_free(copy);
}
END_TEST

START_TEST(reserve_grows_and_keeps)
{
    uint32_t *array = NULL;
    size_t capacity = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        ck_ok(swg_reserve((void **)&array, &capacity, i + 1, sizeof *array));
        ck_assert_uint_gt(capacity, i);
        array[i] = i;
    }
    for (uint32_t i = 0; i < 1000; i++)
        ck_assert_uint_eq(array[i], i);
    uint32_t *const before = array;
    const size_t old = capacity;
    ck_status_is(SWG_NO_MEMORY, swg_reserve((void **)&array, &capacity, SIZE_MAX, sizeof *array));
    ck_status_is(SWG_NO_MEMORY,
                 swg_reserve((void **)&array, &capacity, SIZE_MAX / 8, sizeof *array));
    ck_assert_ptr_eq(array, before);
    ck_assert_uint_eq(capacity, old);
    swg_free(array);
}
END_TEST

START_TEST(arena_blocks_are_aligned_zeroed_and_apart)
{
    swg_arena arena = {0};
    unsigned char *blocks[400];
    size_t sizes[400];
    for (size_t i = 0; i < 400; i++) {
        sizes[i] = i % 50 == 49 ? 200000 : i * 13 % 1000; /* some above a chunk's size */
        blocks[i] = swg_arena_calloc(&arena, sizes[i], 1);
        ck_assert(blocks[i] && is_aligned(blocks[i]));
        ck_assert(all_are(blocks[i], sizes[i], 0));
        memset(blocks[i], (int)(i % 255 + 1), sizes[i]);
    }
    for (size_t i = 0; i < 400; i++)
        ck_assert(all_are(blocks[i], sizes[i], (unsigned)(i % 255 + 1)));
    const char *copy = swg_arena_strndup(&arena, "name.of.tensor", 7);
    ck_assert_str_eq(copy, "name.of");
    swg_arena_deinit(&arena);
    ck_assert_ptr_null(arena.chunks);
    swg_arena_deinit(&arena);
}
END_TEST

START_TEST(pages_are_zeroed_and_aligned_to_huge_pages)
{
    static const size_t sizes[] = {0, 1, 4096, (2u << 20) - 1, 2u << 20, (2u << 20) + 1, 7u << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        swg_pages pages = {0};
        ck_ok(swg_pages_init(&pages, sizes[i]));
        ck_assert_ptr_nonnull(pages.data);
        ck_assert_uint_eq((uintptr_t)pages.data % (2u << 20), 0);
        ck_assert_uint_eq(pages.bytes, sizes[i]);
        ck_assert_uint_ge(pages.mapped_bytes, sizes[i]);
        unsigned char *data = pages.data;
        if (sizes[i]) {
            ck_assert_uint_eq(data[0] | data[sizes[i] - 1], 0);
            data[0] = data[sizes[i] - 1] = 1;
        }
        swg_pages_deinit(&pages);
        ck_assert_ptr_null(pages.data);
        swg_pages_deinit(&pages);
    }
}
END_TEST

/* The end of a region is on a whole huge page where that wastes up to an eighth. */
START_TEST(pages_round_up_where_little_is_wasted)
{
    static const struct {
        size_t bytes, mapped;
    } cases[] = {{15u << 17, 2u << 20}, {3u << 20, 3u << 20}, {31u << 20, 32u << 20}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        swg_pages pages = {0};
        ck_ok(swg_pages_init(&pages, cases[i].bytes));
        ck_assert_uint_eq(pages.mapped_bytes, cases[i].mapped);
        swg_pages_deinit(&pages);
    }
}
END_TEST

static swg_status allocate_in_every_way(void *context)
{
    (void)context;
    swg_status status = SWG_OK;
    swg_arena arena = {0};
    swg_pages pages = {0};
    char *copy = NULL;
    int *array = NULL, *rows = NULL;
    size_t capacity = 0;
    SWG_GO((copy = swg_strdup("text")) ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(SWG_NEW(rows, 100));
    SWG_GO(swg_reserve((void **)&array, &capacity, 20, sizeof *array));
    SWG_GO(swg_arena_calloc(&arena, 10, 10) ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(swg_arena_strndup(&arena, "text", 4) ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(swg_pages_init(&pages, 100));
done:
    swg_pages_deinit(&pages);
    swg_arena_deinit(&arena);
    swg_free(array);
    swg_free(rows);
    swg_free(copy);
    return status;
}

START_TEST(each_failing_allocation_is_reported)
{
    swg_test_each_allocation_fails(allocate_in_every_way, NULL);
}
END_TEST

START_TEST(a_single_failure_can_be_asked_for)
{
    swg_mem_fail_at(2, false);
    void *a = swg_malloc(1, 1), *b = swg_malloc(1, 1), *c = swg_malloc(1, 1);
    ck_assert_uint_eq(swg_mem_fail_at(0, false), 3);
    ck_assert(a && !b && c);
    swg_free(a);
    swg_free(c);
}
END_TEST

START_TEST(a_limit_counts_what_is_in_use)
{
    enum { MIB = 1 << 20 };
    const uint64_t before = swg_mem_in_use();
    swg_mem_set_limit(before + 4 * MIB);
    void *a = swg_malloc(3 * MIB, 1);
    ck_assert_ptr_nonnull(a);
    ck_assert_uint_ge(swg_mem_in_use(), before + 3 * MIB);
    swg_error_clear();
    ck_assert_ptr_null(swg_malloc(2 * MIB, 1));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "of the limit of"));
    ck_assert_ptr_null(swg_realloc(a, 5 * MIB, 1));
    swg_pages pages = {0};
    ck_status_is(SWG_NO_MEMORY, swg_pages_init(&pages, 2u << 20));
    /* Memory that is given back may be allocated again. */
    swg_free(a);
    ck_assert_uint_eq(swg_mem_in_use(), before);
    ck_ok(swg_pages_init(&pages, 2u << 20));
    ck_assert_uint_ge(swg_mem_in_use(), before + 2 * MIB);
    a = swg_malloc(1, 1);
    a = swg_realloc(a, MIB, 1);
    ck_assert_ptr_nonnull(a);
    swg_free(a);
    swg_pages_deinit(&pages);
    ck_assert_uint_eq(swg_mem_in_use(), before);
    swg_mem_set_limit(0);
    a = swg_malloc(64 * MIB, 1);
    ck_assert_ptr_nonnull(a);
    swg_free(a);
}
END_TEST

START_TEST(peak_memory_is_known)
{
    ck_assert_uint_gt(swg_peak_rss_bytes(), 100000);
    ck_assert_uint_gt(swg_rss_bytes(), 100000);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("mem");
    TCase *cases = tcase_create("mem");
    tcase_add_test(cases, checked_arithmetic_refuses_overflow_and_leaves_the_output);
    tcase_add_test(cases, rounding_helpers);
    tcase_add_test(cases, blocks_are_aligned_and_zeroed);
    tcase_add_test(cases, impossible_sizes_are_refused_with_a_sentence);
    tcase_add_test(cases, realloc_keeps_the_bytes);
    tcase_add_test(cases, strings_are_copied);
    tcase_add_test(cases, reserve_grows_and_keeps);
    tcase_add_test(cases, arena_blocks_are_aligned_zeroed_and_apart);
    tcase_add_test(cases, pages_are_zeroed_and_aligned_to_huge_pages);
    tcase_add_test(cases, pages_round_up_where_little_is_wasted);
    tcase_add_test(cases, each_failing_allocation_is_reported);
    tcase_add_test(cases, a_single_failure_can_be_asked_for);
    tcase_add_test(cases, a_limit_counts_what_is_in_use);
    tcase_add_test(cases, peak_memory_is_known);
    suite_add_tcase(suite, cases);
    return suite;
}
