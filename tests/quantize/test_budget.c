/* Dividing a budget: against all choices where they can be counted, and at the ends. */
#include <math.h>
#include <stdint.h>

#include "quantize/budget.h"
#include "quantize/candidate.h"
#include "runtime/base/rng.h"
#include "tests/harness.h"

enum { ITEMS = 6, CANDIDATES = 4 };

/* The least cost within the limit, of all CANDIDATES^ITEMS choices. */
static double least_cost(const swg_allocation *a, double limit)
{
    double least = INFINITY;
    for (size_t code = 0; code < (size_t)pow(CANDIDATES, ITEMS); code++) {
        size_t choice[ITEMS], rest = code;
        for (size_t i = 0; i < ITEMS; i++, rest /= CANDIDATES)
            choice[i] = rest % CANDIDATES;
        if (swg_allocation_sum(a, a->sizes, choice) <= limit)
            least = fmin(least, swg_allocation_sum(a, a->costs, choice));
    }
    return least;
}

START_TEST(is_close_to_the_best_of_all_choices)
{
    swg_rng rng = swg_rng_seeded(swg_test_seed() + (uint64_t)_i);
    double costs[ITEMS * CANDIDATES], sizes[ITEMS * CANDIDATES], largest_step = 0;
    for (size_t i = 0; i < ITEMS; i++) {
        const double scale = exp(2 * (double)swg_rng_normal(&rng));
        for (size_t c = 0; c < CANDIDATES; c++) {
            sizes[i * CANDIDATES + c] = 100.0 * (double)(c + 2) + (double)(i * 7 % 5);
            costs[i * CANDIDATES + c] = scale * pow(0.25, (double)c);
        }
        largest_step = fmax(largest_step, scale * 0.75);
    }
    const swg_allocation a = {
        .n_items = ITEMS, .n_candidates = CANDIDATES, .costs = costs, .sizes = sizes};
    size_t choice[ITEMS];
    for (double limit = 1250; limit < 3200; limit += 90) {
        ck_assert(swg_allocate(&a, limit, choice));
        ck_assert_double_le(swg_allocation_sum(&a, sizes, choice), limit);
        const double cost = swg_allocation_sum(&a, costs, choice), least = least_cost(&a, limit);
        ck_assert_double_ge(cost, least);
        ck_assert_double_le(cost, 1.35 * least);
    }
    ck_assert(swg_allocate(&a, 1e9, choice));
    for (size_t i = 0; i < ITEMS; i++)
        ck_assert_uint_eq(choice[i], CANDIDATES - 1);
}
END_TEST

START_TEST(tells_what_is_least)
{
    const double costs[] = {1, 5, 2, 9}, sizes[] = {10, 4, 20, 6};
    const swg_allocation a = {.n_items = 2, .n_candidates = 2, .costs = costs, .sizes = sizes};
    size_t choice[2];
    ck_assert(!swg_allocate(&a, 9.5, choice));
    ck_assert_double_eq(swg_allocation_sum(&a, sizes, choice), 10);
    ck_assert(swg_allocate(&a, 10, choice));
    ck_assert_double_eq(swg_allocation_sum(&a, costs, choice), 14);
}
END_TEST

START_TEST(huffman_codes_are_counted)
{
    const uint64_t even[] = {5, 5, 5, 5}, steep[] = {8, 4, 2, 1, 1}, one[] = {0, 9, 0},
                   none[] = {0};
    ck_assert_double_eq(swg_huffman_bits(even, 4), 40);
    ck_assert_double_eq(swg_huffman_bits(steep, 5), 8 + 2 * 4 + 3 * 2 + 4 + 4);
    ck_assert_double_eq(swg_huffman_bits(one, 3), 0);
    ck_assert_double_eq(swg_huffman_bits(none, 1), 0);
    const uint64_t fibonacci[] = {1, 1, 2, 3, 5, 8}; /* the deepest tree */
    ck_assert_double_eq(swg_huffman_bits(fibonacci, 6), 2 + 4 + 7 + 12 + 20);
}
END_TEST

/* A repair leaves the fixed item alone, also where its steps would be the best. */
START_TEST(a_repair_keeps_the_fixed_item)
{
    static const double costs[] = {4, 2, 0, 8, 4, 0}, sizes[] = {1, 2, 4, 1, 2, 4};
    const swg_allocation a = {.n_items = 2, .n_candidates = 3, .costs = costs, .sizes = sizes};
    size_t choice[] = {1, 2};
    ck_assert(swg_allocation_repair(&a, 4, 0, choice));
    ck_assert_uint_eq(choice[0], 1);
    ck_assert_uint_eq(choice[1], 1);
    ck_assert(swg_allocation_repair(&a, 6, 0, choice)); /* and up again */
    ck_assert_uint_eq(choice[0], 1);
    ck_assert_uint_eq(choice[1], 2);
    choice[0] = 2;
    ck_assert(!swg_allocation_repair(&a, 4, 0, choice));
    ck_assert(swg_allocation_repair(&a, 4, SIZE_MAX, choice));
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("budget");
    TCase *tcase = tcase_create("allocation");
    tcase_add_loop_test(tcase, is_close_to_the_best_of_all_choices, 0, 8);
    tcase_add_test(tcase, tells_what_is_least);
    tcase_add_test(tcase, huffman_codes_are_counted);
    tcase_add_test(tcase, a_repair_keeps_the_fixed_item);
    suite_add_tcase(suite, tcase);
    return suite;
}
