/* .keras archives: logits equal Keras's own, what is not supported is named with layer and setting,
 * and archives that lie or are damaged are refused. */
#include <math.h>
#include <string.h>

#include "runtime/exec.h"
#include "tests/formats/sample.h"

enum { VOCAB = 11, N_IDS = 8 };
static const int32_t ids[N_IDS] = {3, 1, 4, 1, 5, 9, 2, 6};

static const char *fixture(const char *name, const char *ending)
{
    static char path[256];
    snprintf(path, sizeof path, "tests/runtime/keras/%s%s", name, ending);
    return path;
}

static void run_model(const char *path, float logits[N_IDS * VOCAB])
{
    swg_source *source = NULL;
    swg_model *model = NULL;
    swg_exec *exec = NULL;
    const swg_exec_options how = {.size = sizeof how, .context = N_IDS};
    ck_ok(swg_source_open(path, NULL, &source));
    ck_ok(swg_model_load(source, NULL, &model));
    ck_ok(swg_exec_new(model, NULL, &how, &exec));
    ck_ok(swg_exec_run(exec, ids, N_IDS, 0, logits));
    swg_exec_free(&exec);
    swg_model_free(&model);
    swg_source_close(&source);
}

static const char *const models[] = {"gru_before", "gru_after", "lstm_timed"};

START_TEST(archives_compute_what_keras_does)
{
    float logits[N_IDS * VOCAB];
    size_t length;
    const char *name = models[_i];
    uint8_t *wanted = swg_test_read_file(fixture(name, ".f32"), &length);
    ck_assert_uint_eq(length, sizeof logits);
    run_model(fixture(name, ".keras"), logits);
    for (size_t i = 0; i < N_IDS * VOCAB; i++) {
        float keras;
        memcpy(&keras, wanted + i * sizeof keras, sizeof keras);
        ck_assert_msg(fabsf(logits[i] - keras) < 2e-6f, "%s: logit %zu is %g, not %g", name, i,
                      (double)logits[i], (double)keras);
    }
    swg_free(wanted);
}
END_TEST

/* Where the last recurrent layer gives its last state alone, the head is over labels. */
START_TEST(classifiers_compute_what_keras_does)
{
    enum { LABELS = 3 };
    swg_source *source = NULL;
    swg_model *model = NULL;
    swg_exec *exec = NULL;
    const swg_exec_options how = {.size = sizeof how, .context = N_IDS, .chunk = N_IDS};
    float logits[LABELS], keras[LABELS];
    size_t length;
    uint8_t *wanted = swg_test_read_file(fixture("classes", ".f32"), &length);
    ck_assert_uint_eq(length, sizeof keras);
    memcpy(keras, wanted, sizeof keras);
    swg_free(wanted);
    ck_ok(swg_source_open(fixture("classes", ".keras"), NULL, &source));
    ck_ok(swg_model_load(source, NULL, &model));
    ck_assert_int_eq(model->hparams.n_outputs, LABELS);
    ck_ok(swg_exec_new(model, NULL, &how, &exec));
    ck_ok(swg_exec_encode(exec, ids, NULL, N_IDS, logits));
    for (size_t i = 0; i < LABELS; i++)
        ck_assert_float_eq_tol(logits[i], keras[i], 2e-6f);
    swg_exec_free(&exec);
    swg_model_free(&model);
    swg_source_close(&source);
}
END_TEST

/* The container keeps what the archive said. */
START_TEST(a_container_of_an_archive_runs_alike)
{
    float before[N_IDS * VOCAB], after[N_IDS * VOCAB];
    swg_source *source = NULL;
    swg_sink_meta meta;
    swg_sink *sink = NULL;
    swg_tensor_desc descs[16];
    run_model(fixture("gru_before", ".keras"), before);
    ck_ok(swg_source_open(fixture("gru_before", ".keras"), NULL, &source));
    const size_t n = swg_source_n_tensors(source);
    ck_assert_uint_le(n, 16);
    for (size_t i = 0; i < n; i++)
        descs[i] = *swg_source_tensor(source, i);
    ck_ok(swg_sink_meta_from_source(source, &meta));
    ck_ok(swg_sink_open(swg_test_path("gru.swg"), NULL, &meta, descs, n, &sink));
    for (size_t i = 0; i < n; i++) {
        float values[256];
        ck_assert_uint_le(swg_tensor_elems(&descs[i]), 256);
        ck_ok(swg_source_read_f32(source, i, 0, swg_tensor_rows(&descs[i]), values));
        const void *planes[SWG_PLANE_KINDS] = {[SWG_PLANE_VALUES] = values};
        ck_ok(swg_sink_write(sink, i, planes));
    }
    ck_ok(swg_sink_finish(&sink, NULL));
    swg_sink_meta_deinit(&meta);
    swg_source_close(&source);
    run_model(swg_test_path("gru.swg"), after);
    ck_assert_mem_eq(before, after, sizeof before);
}
END_TEST

static const struct {
    const char *name, *says;
} refused[] = {
    {"bidirectional", "layer bidirectional: Bidirectional of LSTM (\"merge_mode\" concat)"},
    {"inner", "layers of class Sequential"},
    {"masked", "\"mask_zero\" is true; supported is false"},
    {"relu", "\"activation\" is relu; supported is tanh"},
    {"convolution", "layers of class Conv1D"},
};

START_TEST(other_models_are_refused_by_layer_and_setting)
{
    swg_source *source = NULL;
    swg_model *model = NULL;
    ck_ok(swg_source_open(fixture(refused[_i].name, ".keras"), NULL, &source));
    ck_assert_uint_gt(swg_source_n_tensors(source), 0);
    ck_status_is(SWG_UNSUPPORTED, swg_model_load(source, NULL, &model));
    ck_assert_msg(strstr(swg_error_message(), refused[_i].says) != NULL, "%s", swg_error_message());
    swg_source_close(&source);
}
END_TEST

START_TEST(a_bomb_is_not_inflated)
{
    swg_source *source = NULL;
    ck_status_is(SWG_LIMIT, swg_source_open(fixture("bomb", ".keras"), NULL, &source));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "entry model.weights.h5 has 8388608 bytes"));
}
END_TEST

/* Every byte in turn: an archive with a changed byte is refused, or it reads as before (a time, a
 * comment). */
START_TEST(damaged_archives_are_refused)
{
    size_t length, n_refused = 0;
    uint8_t *bytes = swg_test_read_file(fixture("gru_after", ".keras"), &length);
    for (size_t i = 0; i < length; i++) {
        bytes[i] ^= 0x41;
        const swg_status status = sample_use_bytes("damaged.keras", bytes, length);
        ck_assert_msg(status == SWG_OK || status == SWG_CORRUPT || status == SWG_UNSUPPORTED ||
                          status == SWG_LIMIT || status == SWG_NO_MEMORY,
                      "byte %zu: %s", i, swg_error_message());
        n_refused += status != SWG_OK;
        bytes[i] ^= 0x41;
    }
    ck_assert_uint_gt(n_refused, length * 9 / 10);
    for (size_t cut = 1; cut < length; cut += 7)
        ck_assert_int_ne(sample_use_bytes("cut.keras", bytes, length - cut), SWG_OK);
    swg_free(bytes);
}
END_TEST

static swg_status read_archive(void *path)
{
    return sample_use(path, false);
}

START_TEST(failing_allocations_are_survived)
{
    char path[256];
    snprintf(path, sizeof path, "%s", fixture("lstm_timed", ".keras"));
    swg_test_each_allocation_fails(read_archive, path);
    snprintf(path, sizeof path, "%s", fixture("bidirectional", ".keras"));
    swg_test_each_allocation_fails(read_archive, path);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("keras");
    TCase *cases = tcase_create("archives");
    tcase_add_loop_test(cases, archives_compute_what_keras_does, 0, sizeof models / sizeof *models);
    tcase_add_test(cases, classifiers_compute_what_keras_does);
    tcase_add_test(cases, a_container_of_an_archive_runs_alike);
    tcase_add_loop_test(cases, other_models_are_refused_by_layer_and_setting, 0,
                        sizeof refused / sizeof *refused);
    tcase_add_test(cases, a_bomb_is_not_inflated);
    tcase_add_test(cases, damaged_archives_are_refused);
    tcase_add_test(cases, failing_allocations_are_survived);
    suite_add_tcase(suite, cases);
    return suite;
}
