/* Training that cannot go on or cannot save: a failed write leaves the state that was saved before,
 * and a loss that is not a number ends training with a sentence and the weights that were there. */
#include <math.h>
#include <string.h>

#include "distill/distill.h"
#include "formats/memory_source.h"
#include "quantize/checkpoint.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/initial_weights.h"
#include "tests/harness.h"

enum { WINDOW = 5, WINDOWS = 4 };
static const char config[] =
    "{\"model_type\": \"llama\", \"vocab_size\": 7, \"hidden_size\": 8, \"intermediate_size\": 8, "
    "\"num_attention_heads\": 2, \"num_key_value_heads\": 1, \"num_hidden_layers\": 1, "
    "\"max_position_embeddings\": 8, \"rms_norm_eps\": 1e-5}";
static const int32_t ids[WINDOWS * WINDOW] = {1, 4, 2, 6, 3, 5, 0, 0, 2, 1,
                                              3, 3, 6, 1, 0, 2, 5, 4, 4, 1};

/* A model and its trainer. */
typedef struct student {
    swg_source *source;
    swg_tensor_desc *descs;
    swg_plan plan;
    swg_trainer *trainer;
} student;

/* `broken`: one weight of the embedding is not a number. */
static void open_student(student *s, bool broken)
{
    ck_ok(swg_initial_weights(config, sizeof config - 1, NULL, 0, 3, &s->source));
    if (broken) {
        const size_t at = swg_source_find(s->source, "model.embed_tokens.weight");
        ck_assert(at != SIZE_MAX);
        swg_memory_source_values(s->source, at)[8] = NAN; /* of token 1 */
    }
    ck_ok(swg_quantize_source_descs(s->source, &s->descs));
    ck_ok(swg_plan_make_plain(s->descs, swg_source_n_tensors(s->source), &s->plan));
    swg_trainer_options how = swg_trainer_options_default();
    how.window = WINDOW;
    ck_ok(swg_trainer_new(s->source, &s->plan, &how, &s->trainer));
}

static void close_student(student *s)
{
    swg_trainer_free(&s->trainer);
    swg_plan_deinit(&s->plan);
    swg_free(s->descs);
    swg_source_close(&s->source);
}

static swg_distill_options few_steps(void)
{
    swg_distill_options o = swg_distill_options_default();
    o.ids = ids;
    o.n_windows = WINDOWS;
    o.window = WINDOW;
    o.held_out = 1;
    o.batch = 1;
    o.steps = 3;
    o.weights[SWG_LOSS_kl] = 0;
    o.weights[SWG_LOSS_ce] = 1;
    return o;
}

/* Train and save after every step. */
static swg_status train_and_save(void *context)
{
    student *s = context;
    swg_distill_result result;
    swg_distill_options o = few_steps();
    o.state = swg_test_path("state");
    o.identity = "settings";
    o.save_every = 1;
    return swg_distill(s->trainer, NULL, &o, &result);
}

/* What is there is a whole state. */
static void expect_whole(void *context)
{
    const char *path = swg_test_path("state");
    swg_state_reader *reader = NULL;
    (void)context;
    if (!swg_path_exists(path))
        return;
    ck_ok(swg_state_open(path, &swg_state_of_training, &reader));
    ck_ok(swg_state_expect_text(reader, "settings", "settings"));
    swg_state_close(&reader);
}

START_TEST(failed_writes_leave_a_whole_state)
{
    student s = {0};
    open_student(&s, false);
    ck_ok(train_and_save(&s));
    ck_assert(swg_path_exists(swg_test_path("state")));
    swg_test_each_write_fails(train_and_save, expect_whole, &s);
    close_student(&s);
}
END_TEST

START_TEST(a_loss_that_is_not_a_number_ends_training)
{
    student s = {0};
    swg_distill_result result;
    const swg_distill_options o = few_steps();
    open_student(&s, true);
    ck_status_is(SWG_FAILED, swg_distill(s.trainer, NULL, &o, &result));
    ck_assert_msg(strstr(swg_error_message(), "step") && strstr(swg_error_message(), "rate"), "%s",
                  swg_error_message());
    ck_assert_uint_eq(result.best.step, 0); /* no weights are better than those it began with */
    close_student(&s);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("saving");
    TCase *cases = tcase_create("saving");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, failed_writes_leave_a_whole_state);
    tcase_add_test(cases, a_loss_that_is_not_a_number_ends_training);
    suite_add_tcase(suite, cases);
    return suite;
}
