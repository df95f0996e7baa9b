/* A search's choice while it is quantized: what is written stays, what is open follows the bytes
 * that came out. */
#include <string.h>

#include "quantize/search.h"
#include "tests/harness.h"

enum { ITEMS = 4, CANDIDATES = 3, OUTSIDE = 3 };

/* Each candidate takes half of the bytes of the one before, at four times the loss. */
typedef struct problem {
    swg_search_item items[ITEMS];
    swg_candidate candidates[CANDIDATES];
    double loss[ITEMS * CANDIDATES], bytes[ITEMS * CANDIDATES];
    size_t choice[ITEMS];
    bool is_open[ITEMS];
    swg_tensor_report reports[ITEMS];
    swg_search search;
} problem;

static void make_problem(problem *p)
{
    static const double loss[] = {1, 4, 16}, bytes[] = {400, 200, 100};
    *p = (problem){0};
    for (size_t i = 0; i < ITEMS; i++) {
        p->items[i] =
            (swg_search_item){.name = "w", .entry = i, .is_outside = i == OUTSIDE, .correction = 1};
        memcpy(p->loss + i * CANDIDATES, loss, sizeof loss);
        memcpy(p->bytes + i * CANDIDATES, bytes, sizeof bytes);
    }
    p->search = (swg_search){.items = p->items,
                             .candidates = p->candidates,
                             .n_items = ITEMS,
                             .n_candidates = CANDIDATES,
                             .loss = p->loss,
                             .bytes = p->bytes,
                             .choice = p->choice,
                             .is_open = p->is_open};
    swg_search_begin(&p->search);
}

static void write_item(problem *p, size_t item, uint64_t stored_bytes)
{
    p->reports[item].stats.elems = 1;
    p->reports[item].stored_bytes = stored_bytes;
    swg_search_settle(&p->search, p->reports);
}

START_TEST(estimates_follow_what_is_written)
{
    problem p;
    make_problem(&p);
    write_item(&p, 0, 440);
    ck_assert_double_eq_tol(p.bytes[0], 440, 1e-9);
    ck_assert_double_eq_tol(p.bytes[1], 220, 1e-9);
    ck_assert_double_eq_tol(p.bytes[1 * CANDIDATES], 440, 1e-9); /* open, in a layer */
    ck_assert_double_eq_tol(p.bytes[OUTSIDE * CANDIDATES], 400, 1e-9);
    write_item(&p, 1, 400); /* 840 for 800 that were expected */
    ck_assert_double_eq_tol(p.bytes[1 * CANDIDATES], 400, 1e-9);
    ck_assert_double_eq_tol(p.bytes[2 * CANDIDATES], 420, 1e-9);
    ck_assert_double_eq_tol(p.bytes[0], 440, 1e-9); /* settled before */
    ck_assert_double_eq_tol(p.items[2].correction, 1.05, 1e-9);
    write_item(&p, OUTSIDE, 0); /* stored with an equal one */
    ck_assert_double_eq_tol(p.bytes[OUTSIDE * CANDIDATES], 400, 1e-9);
    ck_assert(p.is_open[2] && !p.is_open[OUTSIDE]);
}
END_TEST

START_TEST(the_rest_is_chosen_within_what_is_left)
{
    problem p;
    bool is_within;
    make_problem(&p);
    ck_ok(swg_search_fit_open(&p.search, 800, &is_within));
    ck_assert(is_within);
    for (size_t i = 0; i < ITEMS; i++)
        ck_assert_uint_eq(p.choice[i], 1);
    write_item(&p, 0, 500); /* more than twice as much as expected */
    ck_ok(swg_search_fit_open(&p.search, 1100, &is_within));
    ck_assert(is_within);
    ck_assert_uint_eq(p.choice[0], 1); /* written */
    ck_assert(swg_search_bytes(&p.search) <= 1100);
    ck_assert_uint_eq(p.choice[OUTSIDE], 2); /* 100, and 250 each of the others */
    ck_assert_uint_eq(p.choice[1], 2);
    ck_assert_uint_eq(p.choice[2], 2);
    ck_ok(swg_search_fit_open(&p.search, 900, &is_within));
    ck_assert(!is_within);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("search");
    TCase *tcase = tcase_create("quantizing");
    tcase_add_test(tcase, estimates_follow_what_is_written);
    tcase_add_test(tcase, the_rest_is_chosen_within_what_is_left);
    suite_add_tcase(suite, tcase);
    return suite;
}
