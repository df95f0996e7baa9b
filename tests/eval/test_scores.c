/* Perplexity and pseudo-log-likelihood against plain computations from logits, one token at a time;
 * the same for any number of threads. */
#include <math.h>

#include "eval/perplexity.h"
#include "eval/window_records.h"
#include "eval/pll.h"
#include "eval/window_records.h"
#include "tests/eval/eval_fixtures.h"

/* -log softmax, written in a different way from the code under test: in long double, without a
 * maximum. */
static double plain_nll(const float *logits, size_t n, size_t target)
{
    long double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += expl((long double)logits[i]);
    return (double)(logl(sum) - (long double)logits[target]);
}

static void check_close(double got, double wanted, double bound)
{
    ck_assert_msg(fabs(got - wanted) <= bound * fmax(1, fabs(wanted)), "%.17g, not %.17g", got,
                  wanted);
}

START_TEST(likelihoods_of_rows)
{
    const float flat[] = {3, 3, 3, 3}, apart[] = {1000, 0, -1000}, broken[] = {0, NAN, 1},
                endless[] = {0, INFINITY, 1}, impossible[] = {0, -INFINITY, 1};
    double nll;
    ck_ok(swg_nll(flat, 4, 2, &nll));
    check_close(nll, log(4), 1e-15);
    ck_ok(swg_nll(apart, 3, 0, &nll)); /* exp(1000) alone would overflow */
    check_close(nll, 0, 1e-15);
    ck_ok(swg_nll(apart, 3, 2, &nll));
    check_close(nll, 2000, 1e-15);
    ck_ok(swg_nll(apart, 1, 0, &nll));
    check_close(nll, 0, 1e-15);
    ck_status_is(SWG_FAILED, swg_nll(broken, 3, 0, &nll));
    ck_status_is(SWG_FAILED, swg_nll(endless, 3, 0, &nll));
    ck_status_is(SWG_FAILED, swg_nll(impossible, 3, 1, &nll));
    ck_ok(swg_nll(impossible, 3, 0, &nll));
    check_close(nll, log1p(exp(1)), 1e-15);
}
END_TEST

/* Sums by window: 2 tokens with 1.0, 1 token with 3.0, 3 tokens with 2.0. */
static swg_status give_sum(void *context, swg_scoring *scoring, const swg_window *window,
                           swg_window_record *out)
{
    static const double sums[] = {1, 3, 2};
    size_t *next = context;
    out->nll = sums[(*next)++];
    return swg_scoring_advance(scoring, window->n_scored);
}

START_TEST(means_and_standard_errors)
{
    swg_window list[] = {{0, 3, 1, 2, 0}, {3, 2, 1, 1, 0}, {5, 4, 1, 3, 0}};
    swg_windows windows = {.windows = list, .n_windows = 3};
    swg_score score;
    size_t next = 0;
    const swg_window_scorer scorer = {.context = &next, .score = give_sum};
    ck_ok(swg_score_windows(&windows, &scorer, NULL, &score));
    check_close(score.mean_nll, 1, 1e-15);
    ck_assert_uint_eq(score.tokens_scored, 6);
    ck_assert_uint_eq(score.n_windows, 3);
    /* Residuals 1 - 2, 3 - 1, 2 - 3: squares 1 + 4 + 1; sqrt(6 * 3 / 2) / 6 = 1/2. */
    check_close(score.standard_error, 0.5, 1e-15);
    ck_assert(score.mean_nll_by_token == score.mean_nll);
    /* One token less for the weight of the last window: (1 + 3 + 2 * 2/3) / 5; residuals
     * 1 - 2m, 3 - m, 4/3 - 2m with the mean m = 16/15. */
    list[2].n_uncounted = 1;
    next = 0;
    ck_ok(swg_score_windows(&windows, &scorer, NULL, &score));
    check_close(score.mean_nll, 16.0 / 15, 1e-15);
    check_close(score.mean_nll_by_token, 1, 1e-15);
    check_close(score.perplexity, exp(16.0 / 15), 1e-15);
    ck_assert_uint_eq(score.tokens_scored, 6);
    check_close(score.standard_error, sqrt((17.0 * 17 + 29 * 29 + 12 * 12) / 225 * 1.5) / 5, 1e-14);
    windows.n_windows = 1;
    next = 0;
    ck_ok(swg_score_windows(&windows, &scorer, NULL, &score));
    ck_assert(isnan(score.standard_error)); /* one window does not tell */
}
END_TEST

START_TEST(interruptions_stop_a_scoring)
{
    swg_window list[] = {{0, 3, 1, 2, 0}, {3, 2, 1, 1, 0}, {5, 4, 1, 3, 0}};
    const swg_windows windows = {.windows = list, .n_windows = 3};
    swg_score score;
    size_t next = 0;
    const swg_window_scorer scorer = {.context = &next, .score = give_sum};
    swg_interrupt();
    ck_status_is(SWG_INTERRUPTED, swg_score_windows(&windows, &scorer, NULL, &score));
    ck_assert_uint_eq(next, 0);
}
END_TEST

/* --- Perplexity ------------------------------------------------------------------------------- */

/* Long enough for several pieces of a window where the model allows. */
static const char text[] =
    "thequickbrownfoxjumpsoverthelazydog\n\nsixtyzippersquicklypickedup\n\nab";

static swg_windows windows_of(swg_protocol protocol, const swg_session *loaded, size_t context)
{
    swg_windows windows = {0};
    swg_window_options options = swg_window_options_default();
    options.context = context;
    ck_ok(swg_windows_make(protocol, loaded->tokenizer, text, strlen(text), &options, &windows));
    return windows;
}

static swg_score perplexity_of(const swg_session *loaded, const swg_windows *windows)
{
    swg_exec *exec = NULL;
    swg_score score;
    const swg_exec_options options = {.size = sizeof options,
                                      .context = swg_windows_longest(windows)};
    ck_ok(swg_exec_new(loaded->model, loaded->pool, &options, &exec));
    ck_ok(swg_perplexity_measure(exec, loaded->model, loaded->pool, windows, NULL, NULL, &score));
    swg_exec_free(&exec);
    return score;
}

/* One token after the other, one call each. */
static double plain_sum(const swg_session *loaded, const int32_t *ids, const swg_window *window)
{
    swg_exec *exec = NULL;
    const size_t vocab = (size_t)loaded->model->hparams.vocab;
    float *logits = swg_calloc(vocab, sizeof *logits);
    const swg_exec_options options = {.size = sizeof options, .context = window->count};
    double sum = 0;
    ck_ok(swg_exec_new(loaded->model, NULL, &options, &exec));
    for (size_t i = 0; i + 1 < window->count; i++) {
        ck_ok(swg_exec_run(exec, ids + i, 1, 0, logits));
        if (i + 1 >= window->first_scored)
            sum += plain_nll(logits, vocab, (size_t)ids[i + 1]);
    }
    swg_exec_free(&exec);
    swg_free(logits);
    return sum;
}

static void check_perplexity(const swg_session *loaded, swg_protocol protocol, size_t context)
{
    swg_windows windows = windows_of(protocol, loaded, context);
    double total = 0;
    size_t scored = 0;
    for (size_t w = 0; w < windows.n_windows; w++) {
        const swg_window *window = &windows.windows[w];
        total += plain_sum(loaded, windows.ids + window->begin, window);
        scored += window->count - window->first_scored;
    }
    const swg_score score = perplexity_of(loaded, &windows);
    ck_assert_uint_eq(score.tokens_scored, scored);
    check_close(score.mean_nll, total / (double)scored, 1e-6);
    swg_windows_deinit(&windows);
}

/* The loop of the page that hf-stride is from, written anew: every window's loss is the mean over
 * its labels that are not masked, shifted by one as the model does it, and is weighted by the
 * number of such labels minus one. */
static void page_figures(const swg_session *loaded, const swg_ids *ids, size_t context,
                         size_t stride, double *by_page, double *by_token)
{
    const size_t n = ids->count;
    double page_sum = 0, sum = 0;
    size_t page_tokens = 0, tokens = 0;
    for (size_t begin = 0, last_end = 0; last_end < n; begin += stride) {
        const size_t end = begin + context < n ? begin + context : n;
        const size_t n_labels = end - last_end;
        double loss = 0;
        size_t n_losses = 0;
        for (size_t at = begin + 1; at < end; at++) {
            if (at < last_end)
                continue;
            const swg_window one = {begin, at - begin + 1, at - begin, 1, 0};
            loss += plain_sum(loaded, ids->data + begin, &one);
            n_losses++;
        }
        last_end = end;
        if (n_losses == 0)
            continue;
        page_sum += loss / (double)n_losses * (double)(n_labels - 1);
        page_tokens += n_labels - 1;
        sum += loss;
        tokens += n_losses;
    }
    *by_page = page_sum / (double)page_tokens;
    *by_token = sum / (double)tokens;
}

START_TEST(strides_give_the_figures_of_their_page)
{
    static const struct {
        size_t context, stride;
    } cuts[] = {{16, 8}, {16, 5}, {16, 16}, {10, 1}, {64, 32}};
    swg_session loaded = micro_loaded(1);
    swg_ids ids = {0};
    ck_ok(swg_tokenizer_encode(loaded.tokenizer, text, strlen(text), NULL, &ids));
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        swg_windows windows = {0};
        swg_window_options options = swg_window_options_default();
        options.context = cuts[i].context;
        options.stride = cuts[i].stride;
        double by_page, by_token;
        ck_ok(swg_windows_make(SWG_PROTOCOL_hf_stride, loaded.tokenizer, text, strlen(text),
                               &options, &windows));
        page_figures(&loaded, &ids, cuts[i].context, cuts[i].stride, &by_page, &by_token);
        const swg_score score = perplexity_of(&loaded, &windows);
        check_close(score.mean_nll, by_page, 1e-6);
        check_close(score.mean_nll_by_token, by_token, 1e-6);
        ck_assert((cuts[i].stride == cuts[i].context) ==
                  (score.mean_nll_by_token == score.mean_nll));
        swg_windows_deinit(&windows);
    }
    swg_ids_deinit(&ids);
    swg_session_close(&loaded);
}
END_TEST

START_TEST(perplexity_is_what_single_tokens_say)
{
    swg_session loaded = micro_loaded(1);
    check_perplexity(&loaded, SWG_PROTOCOL_gptq, 16);
    check_perplexity(&loaded, SWG_PROTOCOL_gptq, 64);
    check_perplexity(&loaded, SWG_PROTOCOL_llama_cpp, 10);
    check_perplexity(&loaded, SWG_PROTOCOL_llama_cpp, 33);
    check_perplexity(&loaded, SWG_PROTOCOL_per_doc, 64);
    swg_session_close(&loaded);
}
END_TEST

/* A recurrent model's state is forgotten between windows as a cache is. */
START_TEST(perplexity_of_recurrent_models)
{
    char path[256];
    fixture_path(_i ? "rnn-gru" : "rnn-lstm", path);
    swg_session loaded = toy_loaded(path, "s", 1);
    static const char words[] = "thequickbrown\n\nfoxjumpsover\n\na";
    swg_windows windows = {0};
    ck_ok(swg_windows_make(SWG_PROTOCOL_per_doc, loaded.tokenizer, words, strlen(words),
                           &(swg_window_options){.size = sizeof(swg_window_options), .context = 32},
                           &windows));
    double total = 0;
    for (size_t w = 0; w < windows.n_windows; w++)
        total += plain_sum(&loaded, windows.ids + windows.windows[w].begin, &windows.windows[w]);
    const swg_score score = perplexity_of(&loaded, &windows);
    check_close(score.mean_nll, total / 26, 1e-6);
    ck_assert_uint_eq(score.tokens_scored, 26);
    swg_windows_deinit(&windows);
    swg_session_close(&loaded);
}
END_TEST

/* --- Pseudo-log-likelihood -------------------------------------------------------------------- */

static const char masked_text[] = "thequickbrownfoxjumpsovertheyadog\n\nsix\n\na";

static swg_session masked_loaded(size_t n_threads)
{
    char path[256];
    fixture_path("bert-masked", path);
    return toy_loaded(path, "cs", n_threads);
}

static swg_score pll_of(const swg_session *loaded, const swg_windows *windows,
                        swg_act_precision activations)
{
    swg_exec *exec = NULL;
    swg_score score;
    const swg_exec_options options = {.size = sizeof options,
                                      .context = swg_windows_longest(windows),
                                      .activations = activations};
    ck_ok(swg_exec_new(loaded->model, loaded->pool, &options, &exec));
    ck_ok(swg_pll_measure(exec, loaded->model, TOY_MASK, windows, NULL, NULL, &score));
    swg_exec_free(&exec);
    return score;
}

static swg_windows masked_windows(const swg_session *loaded)
{
    swg_windows windows = {0};
    ck_ok(swg_windows_make(
        SWG_PROTOCOL_pll, loaded->tokenizer, masked_text, strlen(masked_text),
        &(swg_window_options){.size = sizeof(swg_window_options), .context = 14, .max_tokens = 0},
        &windows));
    return windows;
}

/* One text and one execution per mask; the texts are cut by hand. */
START_TEST(pll_is_what_single_masks_say)
{
    static const char *const pieces[] = {"thequickbro", "wnfoxjumpso", "vertheyadog", "six", "a"};
    swg_session loaded = masked_loaded(1);
    float logits[16 * 29];
    double total = 0;
    size_t scored = 0;
    for (size_t p = 0; p < 5; p++) {
        const size_t n = strlen(pieces[p]);
        for (size_t masked = 0; masked < n; masked++, scored++) {
            int32_t ids[16] = {TOY_CLS};
            for (size_t i = 0; i < n; i++)
                ids[1 + i] = i == masked ? TOY_MASK : TOY_A + (pieces[p][i] - 'a');
            ids[n + 1] = TOY_SEP;
            swg_exec *exec = NULL;
            ck_ok(swg_exec_new(loaded.model, NULL, NULL, &exec));
            ck_ok(swg_exec_encode(exec, ids, NULL, n + 2, logits));
            total += plain_nll(logits + (1 + masked) * 29, 29,
                               (size_t)(TOY_A + (pieces[p][masked] - 'a')));
            swg_exec_free(&exec);
        }
    }
    swg_windows windows = masked_windows(&loaded);
    ck_assert_uint_eq(windows.n_windows, 5);
    const swg_score score = pll_of(&loaded, &windows, SWG_ACT_F32);
    ck_assert_uint_eq(score.tokens_scored, scored);
    check_close(score.mean_nll, total / (double)scored, 1e-6);
    swg_windows_deinit(&windows);
    swg_session_close(&loaded);
}
END_TEST

/* --- Threads and memory ----------------------------------------------------------------------- */

static const size_t thread_counts[] = {2, 5};

START_TEST(threads_change_no_score)
{
    swg_session one = micro_loaded(1), many = micro_loaded(thread_counts[_i]);
    swg_windows windows = windows_of(SWG_PROTOCOL_gptq, &one, 16);
    const swg_score a = perplexity_of(&one, &windows), b = perplexity_of(&many, &windows);
    ck_assert(a.mean_nll == b.mean_nll && a.standard_error == b.standard_error);
    swg_windows_deinit(&windows);
    swg_session_close(&one);
    swg_session_close(&many);

    one = masked_loaded(1), many = masked_loaded(thread_counts[_i]);
    windows = masked_windows(&one);
    const swg_score c = pll_of(&one, &windows, SWG_ACT_INT8);
    const swg_score d = pll_of(&many, &windows, SWG_ACT_INT8);
    ck_assert(c.mean_nll == d.mean_nll && c.standard_error == d.standard_error);
    swg_windows_deinit(&windows);
    swg_session_close(&one);
    swg_session_close(&many);
}
END_TEST

typedef struct attempt {
    swg_session loaded;
    swg_windows windows;
    bool is_masked;
} attempt;

static swg_status try_measuring(void *context)
{
    const attempt *a = context;
    swg_status status = SWG_OK;
    swg_exec *exec = NULL;
    swg_score score;
    const swg_exec_options options = {.size = sizeof options,
                                      .context = swg_windows_longest(&a->windows)};
    SWG_GO(swg_exec_new(a->loaded.model, NULL, &options, &exec));
    SWG_GO(
        a->is_masked
            ? swg_pll_measure(exec, a->loaded.model, TOY_MASK, &a->windows, NULL, NULL, &score)
            : swg_perplexity_measure(exec, a->loaded.model, NULL, &a->windows, NULL, NULL, &score));
done:
    swg_exec_free(&exec);
    return status;
}

START_TEST(allocations_may_fail)
{
    attempt a = {.is_masked = _i == 1};
    a.loaded = a.is_masked ? masked_loaded(1) : micro_loaded(1);
    a.windows =
        a.is_masked ? masked_windows(&a.loaded) : windows_of(SWG_PROTOCOL_gptq, &a.loaded, 16);
    swg_test_each_allocation_fails(try_measuring, &a);
    swg_windows_deinit(&a.windows);
    swg_session_close(&a.loaded);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("scores");
    TCase *tests = tcase_create("scores");
    tcase_add_test(tests, likelihoods_of_rows);
    tcase_add_test(tests, means_and_standard_errors);
    tcase_add_test(tests, perplexity_is_what_single_tokens_say);
    tcase_add_test(tests, strides_give_the_figures_of_their_page);
    tcase_add_loop_test(tests, perplexity_of_recurrent_models, 0, 2);
    tcase_add_test(tests, pll_is_what_single_masks_say);
    tcase_add_loop_test(tests, threads_change_no_score, 0, 2);
    tcase_add_loop_test(tests, allocations_may_fail, 0, 2);
    tcase_add_test(tests, interruptions_stop_a_scoring); /* last: they stop all that follows */
    suite_add_tcase(suite, tests);
    return suite;
}
