/* swg_sort_names against strcmp, on names that share much, nothing, everything. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/namesort.h"
#include "runtime/base/rng.h"
#include "tests/harness.h"

enum { MOST = 3000, NAME_BYTES = 700 };
static char names[MOST][NAME_BYTES];
static swg_name_item items[MOST];

static void sort_and_check(size_t count)
{
    static bool is_seen[MOST];
    memset(is_seen, 0, sizeof is_seen);
    for (size_t i = 0; i < count; i++)
        items[i] = (swg_name_item){.name = names[i], .of = names[i]};
    swg_sort_names(items, count);
    for (size_t i = 0; i < count; i++) {
        const size_t index = (size_t)((const char(*)[NAME_BYTES])items[i].of - names);
        ck_assert(items[i].name == items[i].of && !is_seen[index]);
        is_seen[index] = true;
        ck_assert(i == 0 || strcmp(items[i - 1].name, items[i].name) <= 0);
    }
}

START_TEST(names_are_sorted_as_strcmp_does)
{
    swg_rng rng = swg_rng_seeded(swg_test_seed());
    sort_and_check(0);
    for (size_t count = 1; count < 40; count++) {
        for (size_t i = 0; i < count; i++) {
            /* Bytes of few values, among them 0xff, so that prefixes and equals are common. */
            const size_t length = (size_t)(swg_rng_next(&rng) % 30);
            for (size_t k = 0; k < length; k++)
                names[i][k] = "a\xff"[swg_rng_next(&rng) % 2];
            names[i][length] = '\0';
        }
        sort_and_check(count);
    }
    for (size_t i = 0; i < MOST; i++)
        snprintf(names[i], NAME_BYTES, "model.layers.%zu.mlp.experts.%zu.w", i * 7 % 31, i);
    sort_and_check(MOST);
}
END_TEST

START_TEST(long_and_equal_names)
{
    for (size_t i = 0; i < 100; i++) {
        memset(names[i], 'x', NAME_BYTES);
        snprintf(names[i] + 640, 20, "%zu", i * 37 % 50);
    }
    sort_and_check(100);
    for (size_t i = 0; i < 100; i++)
        snprintf(names[i], NAME_BYTES, "%s", i % 2 ? "exactly8" : "exactly8exactly16bytes");
    sort_and_check(100);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("namesort");
    TCase *cases = tcase_create("namesort");
    tcase_add_test(cases, names_are_sorted_as_strcmp_does);
    tcase_add_test(cases, long_and_equal_names);
    suite_add_tcase(suite, cases);
    return suite;
}
