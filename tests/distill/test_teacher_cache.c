/* Cached predictions of a teacher: what is read is what it predicts, training on them is training
 * on the teacher, and files that are damaged, of something else or that cannot be written are
 * refused. */
#include <math.h>
#include <string.h>

#include "distill/distill.h"
#include "quantize/checkpoint.h"
#include "runtime/base/file.h"
#include "runtime/base/hash.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"
#include "runtime/exec.h"
#include "tests/harness.h"

enum { WINDOW = 6, WINDOWS = 7, VOCAB = 29, K = 5 };
static const char fixture[] = "tests/runtime/fixtures/qwen3";
static const double temperature = 2;

static int32_t ids[WINDOWS * WINDOW];

static swg_teacher_cache_subject subject_of(size_t k)
{
    swg_rng rng = swg_rng_seeded(4);
    for (size_t i = 0; i < WINDOWS * WINDOW; i++)
        ids[i] = (int32_t)(swg_rng_next(&rng) % VOCAB);
    return (swg_teacher_cache_subject){.ids = ids,
                                       .n_windows = WINDOWS,
                                       .window = WINDOW,
                                       .vocab = VOCAB,
                                       .k = k,
                                       .temperature = temperature,
                                       .identity = "a teacher and a text"};
}

static swg_model *new_teacher(void)
{
    size_t length;
    swg_model *model = NULL;
    char *config = (char *)swg_test_read_file("tests/runtime/fixtures/qwen3/config.json", &length);
    ck_ok(swg_model_random(config, length, swg_scheme_plain(SWG_F32), 3, NULL, &model));
    swg_free(config);
    return model;
}

static const swg_teacher_cache_work alone = {.batch = 2};

/* A cache of K tokens in a file of the test's folder. */
static const char *make(const swg_model *teacher, const swg_teacher_cache_subject *subject)
{
    const char *path = swg_test_path("cache");
    ck_ok(swg_teacher_cache_make(path, subject, teacher, &alone));
    return path;
}

/* Logits of a window by the model itself. */
static void run_window(const swg_model *model, size_t window, float logits[WINDOW * VOCAB])
{
    swg_exec_options how = swg_exec_options_default();
    swg_exec *exec;
    how.context = how.chunk = WINDOW;
    how.activations = SWG_ACT_F32;
    ck_ok(swg_exec_new(model, NULL, &how, &exec));
    ck_ok(swg_exec_run(exec, ids + window * WINDOW, WINDOW, 0, logits));
    swg_exec_free(&exec);
}

/* Softmax of a row at a temperature, in double. */
static void predict(const float *logits, double t, double p[VOCAB])
{
    double sum = 0;
    for (size_t i = 0; i < VOCAB; i++)
        sum += p[i] = exp((double)logits[i] / t);
    for (size_t i = 0; i < VOCAB; i++)
        p[i] /= sum;
}

static void expect_top(const swg_top_k *top, size_t k, const double p[VOCAB])
{
    double rest = 1, least = 1;
    ck_assert_uint_eq(top->k, k);
    for (size_t i = 0; i < k; i++) {
        const double wanted = p[top->ids[i]];
        ck_assert_double_eq_tol((double)top->p[i], wanted, 0.003 * wanted + 1e-6);
        ck_assert(i == 0 || top->ids[i] > top->ids[i - 1]);
        rest -= wanted;
        least = wanted < least ? wanted : least;
    }
    size_t n_larger = 0;
    for (size_t i = 0; i < VOCAB; i++)
        n_larger += p[i] > least;
    ck_assert_uint_eq(n_larger, k - 1); /* they are the likeliest */
    ck_assert_double_eq_tol((double)top->rest, rest, 0.003);
}

START_TEST(predictions_are_the_teachers)
{
    static const size_t ks[] = {1, K, VOCAB};
    const swg_teacher_cache_subject subject = subject_of(ks[_i]);
    swg_model *teacher = new_teacher();
    swg_teacher_cache *cache;
    ck_ok(swg_teacher_cache_open(make(teacher, &subject), &subject, &cache));
    for (size_t w = 0; w < WINDOWS; w++) {
        float logits[WINDOW * VOCAB], p[VOCAB];
        int32_t tokens[VOCAB];
        swg_top_k top;
        run_window(teacher, w, logits);
        for (size_t t = 0; t < WINDOW; t++) {
            double wanted[VOCAB];
            predict(logits + t * VOCAB, temperature, wanted);
            swg_teacher_cache_top(cache, w, t, temperature, tokens, p, &top);
            expect_top(&top, subject.k, wanted);
            predict(logits + t * VOCAB, 1, wanted);
            swg_teacher_cache_top(cache, w, t, 1, tokens, p, &top);
            expect_top(&top, subject.k, wanted);
            const bool is_last = t + 1 == WINDOW;
            const double nll = is_last ? 0 : -log(wanted[ids[w * WINDOW + t + 1]]);
            ck_assert_double_eq_tol(swg_teacher_cache_nll(cache, w, t), nll, 1e-4);
        }
    }
    swg_teacher_cache_free(&cache);
    swg_model_free(&teacher);
}
END_TEST

/* --- Training --------------------------------------------------------------------------------- */

/* Train a student a little; its divergence at the end as it was judged. */
static swg_distill_result train(const swg_model *teacher, const swg_teacher_cache *cache,
                                swg_pool *pool)
{
    swg_source *source;
    swg_tensor_desc *descs;
    swg_plan plan;
    swg_trainer *trainer;
    swg_distill_result result;
    ck_ok(swg_source_open(fixture, NULL, &source));
    ck_ok(swg_quantize_source_descs(source, &descs));
    ck_ok(swg_plan_make_plain(descs, swg_source_n_tensors(source), &plan));
    swg_trainer_options how = swg_trainer_options_default();
    how.window = WINDOW;
    how.pool = pool;
    ck_ok(swg_trainer_new(source, &plan, &how, &trainer));
    swg_distill_options o = swg_distill_options_default();
    o.ids = ids;
    o.n_windows = WINDOWS;
    o.window = WINDOW;
    o.held_out = 2;
    o.steps = 20;
    o.batch = 2;
    o.rate = 0.01;
    o.judge_every = 5;
    o.temperature = temperature;
    o.cache = cache;
    o.pool = pool;
    ck_ok(swg_distill(trainer, teacher, &o, &result));
    swg_trainer_free(&trainer);
    swg_plan_deinit(&plan);
    swg_free(descs);
    swg_source_close(&source);
    return result;
}

START_TEST(training_on_it_is_training_on_the_teacher)
{
    swg_teacher_cache_subject subject = subject_of(VOCAB);
    swg_model *teacher = new_teacher();
    swg_teacher_cache *all, *some;
    swg_pool *pool;
    ck_ok(swg_pool_new(2, &pool));
    ck_ok(swg_teacher_cache_open(make(teacher, &subject), &subject, &all));
    const swg_distill_result direct = train(teacher, NULL, NULL), cached = train(NULL, all, NULL);
    ck_assert_double_eq_tol(cached.first.kld, direct.first.kld, 0.005 * direct.first.kld);
    ck_assert_double_eq_tol(cached.best.kld, direct.best.kld, 0.02 * direct.best.kld);
    ck_assert_double_eq_tol(cached.first.nll_teacher, direct.first.nll_teacher, 1e-4);
    swg_teacher_cache_free(&all);
    subject.k = K; /* what is not told apart diverges less */
    ck_ok(swg_teacher_cache_open(make(teacher, &subject), &subject, &some));
    const swg_distill_result one = train(NULL, some, NULL), two = train(NULL, some, pool);
    ck_assert_double_lt(one.first.kld, direct.first.kld);
    ck_assert_double_lt(one.best.kld, one.first.kld);
    ck_assert_double_eq(one.best.kld, two.best.kld);
    swg_teacher_cache_free(&some);
    swg_model_free(&teacher);
    swg_pool_free(&pool);
}
END_TEST

/* --- Damage ----------------------------------------------------------------------------------- */

/* Replace bytes of a file, counted from its end, and set the hash at the end right. */
static void change(const char *path, size_t from_end, const void *bytes, size_t n)
{
    size_t length;
    char *file = (char *)swg_test_read_file(path, &length);
    memcpy(file + length - SWG_HASH128_TEXT - from_end, bytes, n);
    swg_hash128_text(file, length - SWG_HASH128_TEXT, file + length - SWG_HASH128_TEXT);
    swg_test_write_file(path, file, length);
    swg_free(file);
}

static void expect_refusal(const char *path, const swg_teacher_cache_subject *subject,
                           swg_status status, const char *word)
{
    swg_teacher_cache *cache = NULL;
    ck_status_is(status, swg_teacher_cache_open(path, subject, &cache));
    ck_assert_msg(strstr(swg_error_message(), word), "%s: no %s", swg_error_message(), word);
}

/* A record of K tokens: three floats, ids and halves. */
enum { RECORD = 12 + 4 * K };

START_TEST(damage_is_found)
{
    const swg_teacher_cache_subject subject = subject_of(K);
    swg_model *teacher = new_teacher();
    size_t length;
    static const uint16_t far = VOCAB, zero = 0, above = 0x3c00, infinite = 0x7c00;
    static const float negative = -1, nan_ = NAN;
    const char *path = make(teacher, &subject);
    change(path, RECORD - 12 - 2 * (K - 1), &far, sizeof far);
    expect_refusal(path, &subject, SWG_CORRUPT, "position 5 of window 6");
    path = make(teacher, &subject);
    change(path, RECORD - 12 - 2 * (K - 1), &zero, sizeof zero); /* not ascending */
    expect_refusal(path, &subject, SWG_CORRUPT, "ascending");
    path = make(teacher, &subject);
    change(path, 2, &above, sizeof above); /* a probability of e */
    expect_refusal(path, &subject, SWG_CORRUPT, "logarithm");
    change(path, 2, &infinite, sizeof infinite);
    expect_refusal(path, &subject, SWG_CORRUPT, "logarithm");
    path = make(teacher, &subject);
    change(path, RECORD, &negative, sizeof negative);
    expect_refusal(path, &subject, SWG_CORRUPT, "sum");
    change(path, RECORD, &nan_, sizeof nan_);
    expect_refusal(path, &subject, SWG_CORRUPT, "sum");
    /* Fewer records with a right hash, half a file, a flipped bit, another kind of file. */
    path = make(teacher, &subject);
    char *file = (char *)swg_test_read_file(path, &length);
    swg_hash128_text(file, length - SWG_HASH128_TEXT - RECORD,
                     file + length - SWG_HASH128_TEXT - RECORD);
    swg_test_write_file(path, file, length - RECORD);
    expect_refusal(path, &subject, SWG_CORRUPT, "7 windows of 6");
    swg_test_write_file(path, file, length / 2);
    expect_refusal(path, &subject, SWG_CORRUPT, "hash");
    swg_test_write_file(path, file, 20);
    expect_refusal(path, &subject, SWG_CORRUPT, "not a cache");
    swg_free(file);
    swg_state_writer *writer;
    ck_ok(swg_state_create(path, &swg_state_of_training, &writer));
    ck_ok(swg_state_commit(&writer));
    expect_refusal(path, &subject, SWG_CORRUPT, "not a cache");
    swg_model_free(&teacher);
}
END_TEST

START_TEST(of_something_else)
{
    const swg_teacher_cache_subject subject = subject_of(K);
    swg_teacher_cache_subject other = subject;
    swg_model *teacher = new_teacher();
    const char *path = make(teacher, &subject);
    other.identity = "another text";
    expect_refusal(path, &other, SWG_USAGE, "another text");
    other.vocab = VOCAB + 1;
    ck_status_is(SWG_USAGE, swg_teacher_cache_make(path, &other, teacher, &alone));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "30 tokens and the teacher 29"));
    swg_model_free(&teacher);
}
END_TEST

/* --- Failures --------------------------------------------------------------------------------- */

typedef struct failing {
    swg_teacher_cache_subject subject;
    swg_model *teacher;
    const char *path;
} failing;

static swg_status make_and_open(void *context)
{
    const failing *f = context;
    swg_teacher_cache *cache = NULL;
    SWG_TRY(swg_teacher_cache_make(f->path, &f->subject, f->teacher, &alone));
    const swg_status status = swg_teacher_cache_open(f->path, &f->subject, &cache);
    swg_teacher_cache_free(&cache);
    return status;
}

/* What was there before a write failed is there afterwards. */
static void expect_whole(void *context)
{
    const failing *f = context;
    swg_teacher_cache *cache = NULL;
    ck_ok(swg_teacher_cache_open(f->path, &f->subject, &cache));
    swg_teacher_cache_free(&cache);
}

START_TEST(failures_leave_the_old_file)
{
    failing f = {.subject = subject_of(K), .teacher = new_teacher()};
    f.path = make(f.teacher, &f.subject);
    if (_i)
        swg_test_each_write_fails(make_and_open, expect_whole, &f);
    else
        swg_test_each_allocation_fails(make_and_open, &f);
    swg_model_free(&f.teacher);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("teacher_cache");
    TCase *cases = tcase_create("teacher_cache");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, predictions_are_the_teachers, 0, 3);
    tcase_add_test(cases, training_on_it_is_training_on_the_teacher);
    tcase_add_test(cases, damage_is_found);
    tcase_add_test(cases, of_something_else);
    tcase_add_loop_test(cases, failures_leave_the_old_file, 0, 2);
    suite_add_tcase(suite, cases);
    return suite;
}
