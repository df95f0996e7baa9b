/* Several sequences in one execution: computed together they give the bytes that each gives alone,
 * and they can be cut and continued. */
#include <string.h>

#include "tests/harness.h"
#include "tests/runtime/arch_models.h"

enum { N_TEXTS = 3 };
static const size_t lengths[N_TEXTS] = {5, 15, 9};

typedef struct texts {
    swg_model *model;
    size_t columns;
    int32_t ids[N_TEXTS][ARCH_TOKENS];
    float *alone[N_TEXTS]; /* logits */
} texts;

static texts make_texts(const char *name)
{
    texts t = {.model = arch_model(name, arch_int4)};
    t.columns = (size_t)t.model->hparams.n_outputs;
    for (size_t i = 0; i < N_TEXTS; i++) {
        arch_ids(t.ids[i], lengths[i], i);
        t.alone[i] = arch_logits(t.model, t.ids[i], lengths[i]);
    }
    return t;
}

static void free_texts(texts *t)
{
    for (size_t i = 0; i < N_TEXTS; i++)
        swg_free(t->alone[i]);
    swg_model_free(&t->model);
}

/* The tokens [from, to) of text i in its sequence, all logits wanted. */
static swg_piece piece_of(const texts *t, size_t i, size_t from, size_t to)
{
    return (swg_piece){.sequence = i, .ids = t->ids[i] + from, .n = to - from};
}

/* Run the pieces and compare each row with what the text gives alone, from these tokens on. */
static void step_and_compare(const texts *t, swg_exec *exec, const swg_piece *pieces, size_t n)
{
    float *logits = swg_calloc(N_TEXTS * ARCH_TOKENS * t->columns, sizeof *logits);
    ck_ok(swg_exec_step(exec, pieces, n, logits));
    const float *at = logits;
    for (size_t i = 0; i < n; i++) {
        const size_t text = pieces[i].sequence;
        const size_t first = (size_t)(pieces[i].ids - t->ids[text]) + pieces[i].first_logits;
        const size_t rows = arch_rows(t->model, pieces[i].n - pieces[i].first_logits);
        ck_assert_msg(
            memcmp(at, t->alone[text] + first * t->columns, rows * t->columns * sizeof *at) == 0,
            "text %zu differs from what it gives alone", text);
        at += rows * t->columns;
    }
    swg_free(logits);
}

START_TEST(sequences_do_not_disturb_each_other)
{
    texts t = make_texts(arch_names[_i]);
    for (size_t chunk = 4; chunk <= 40; chunk += 12) {
        swg_exec *exec = arch_exec(
            t.model,
            (swg_exec_options){.context = ARCH_TOKENS, .chunk = chunk, .sequences = N_TEXTS + 1});
        const swg_piece whole[] = {piece_of(&t, 2, 0, 9), piece_of(&t, 0, 0, 5),
                                   piece_of(&t, 1, 0, 15)};
        step_and_compare(&t, exec, whole, 3);
        const size_t moved = t.model->hparams.is_encoder ? 0 : lengths[1];
        ck_assert_uint_eq(swg_exec_position_of(exec, 1), moved);
        ck_assert_uint_eq(swg_exec_position_of(exec, 3), 0);
        swg_exec_free(&exec);
    }
    free_texts(&t);
}
END_TEST

/* As a server would: prompts come while others decode, sequences end and others take their place.
 */
START_TEST(prompts_and_single_tokens_mix)
{
    texts t = make_texts(arch_names[_i]);
    if (!t.model->hparams.is_encoder) {
        swg_exec *exec =
            arch_exec(t.model, (swg_exec_options){.context = ARCH_TOKENS, .sequences = N_TEXTS});
        step_and_compare(&t, exec, (const swg_piece[]){piece_of(&t, 1, 0, 6)}, 1);
        step_and_compare(&t, exec,
                         (const swg_piece[]){piece_of(&t, 0, 0, 4), piece_of(&t, 1, 6, 7)}, 2);
        swg_piece last = piece_of(&t, 1, 7, 15);
        last.first_logits = 6;
        step_and_compare(
            &t, exec, (const swg_piece[]){piece_of(&t, 0, 4, 5), last, piece_of(&t, 2, 0, 1)}, 3);
        ck_ok(swg_exec_truncate(exec, 0, 0));
        step_and_compare(&t, exec,
                         (const swg_piece[]){piece_of(&t, 2, 1, 9), piece_of(&t, 0, 0, 5)}, 2);
        swg_exec_free(&exec);
    }
    free_texts(&t);
}
END_TEST

START_TEST(a_cut_sequence_continues)
{
    texts t = make_texts(arch_names[_i]);
    if (!t.model->hparams.is_encoder) {
        const bool recurs = t.model->hparams.recurrent.units[0] > 0;
        swg_exec *exec =
            arch_exec(t.model, (swg_exec_options){.context = ARCH_TOKENS, .sequences = N_TEXTS});
        step_and_compare(&t, exec, (const swg_piece[]){piece_of(&t, 1, 0, 15)}, 1);
        for (size_t cut = 15; cut-- > 0; cut -= cut < 4 ? cut : 4) {
            const swg_status status = swg_exec_truncate(exec, 1, cut);
            ck_assert_int_eq(status, recurs && cut > 0 ? SWG_UNSUPPORTED : SWG_OK);
            if (status != SWG_OK)
                continue;
            ck_assert_uint_eq(swg_exec_position_of(exec, 1), cut);
            step_and_compare(&t, exec, (const swg_piece[]){piece_of(&t, 1, cut, 15)}, 1);
        }
        ck_status_is(SWG_USAGE, swg_exec_truncate(exec, 1, 16));
        ck_status_is(SWG_USAGE, swg_exec_truncate(exec, N_TEXTS, 0));
        ck_ok(swg_exec_truncate(exec, 1, 15));
        swg_exec_free(&exec);
    }
    free_texts(&t);
}
END_TEST

START_TEST(impossible_steps_move_nothing)
{
    texts t = make_texts("qwen3");
    swg_exec *exec =
        arch_exec(t.model, (swg_exec_options){.context = ARCH_TOKENS, .sequences = N_TEXTS});
    float logits[2 * ARCH_TOKENS * ARCH_VOCAB];
    swg_piece pieces[] = {piece_of(&t, 0, 0, 5), piece_of(&t, 1, 0, 15)};
    pieces[1].sequence = N_TEXTS;
    ck_status_is(SWG_USAGE, swg_exec_step(exec, pieces, 2, logits));
    pieces[1].sequence = 0;
    ck_status_is(SWG_USAGE, swg_exec_step(exec, pieces, 2, logits));
    pieces[1] = (swg_piece){.sequence = 1, .ids = t.ids[1]};
    ck_status_is(SWG_USAGE, swg_exec_step(exec, pieces, 2, logits));
    t.ids[2][0] = ARCH_VOCAB;
    ck_status_is(SWG_CORRUPT,
                 swg_exec_step(exec, (const swg_piece[]){piece_of(&t, 2, 0, 1)}, 1, logits));
    for (size_t i = 0; i < N_TEXTS; i++)
        ck_assert_uint_eq(swg_exec_position_of(exec, i), 0);
    step_and_compare(&t, exec, pieces, 1);
    pieces[1] = piece_of(&t, 0, 0, 15);
    ck_status_is(SWG_LIMIT, swg_exec_step(exec, pieces + 1, 1, logits));
    ck_assert_uint_eq(swg_exec_position_of(exec, 0), 5);
    swg_exec_free(&exec);
    free_texts(&t);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("sequences");
    TCase *cases = tcase_create("steps");
    tcase_add_loop_test(cases, sequences_do_not_disturb_each_other, 0, N_ARCH_NAMES);
    tcase_add_loop_test(cases, prompts_and_single_tokens_mix, 0, N_ARCH_NAMES);
    tcase_add_loop_test(cases, a_cut_sequence_continues, 0, N_ARCH_NAMES);
    tcase_add_test(cases, impossible_steps_move_nothing);
    suite_add_tcase(suite, cases);
    return suite;
}
