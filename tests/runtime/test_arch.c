/* Architectures: every family and feature agrees with independent references, from its original
 * format and from .swg, however its text is cut into calls. fixtures/make.py made the small ones.
 */
#include "tests/runtime/reference.h"

static const char *const own[] = {
    "llama-linear",
    "llama-dynamic",
    "llama-llama3",
    "llama-biases",
    "mistral-window",
    "qwen2-window",
    "qwen3",
    "gpt2-bare",
    "gpt2-untied",
    "bert-sequence",
    "bert-token",
    "bert-span",
    "bert-masked",
    "rnn-lstm",
    "rnn-gru",
    "rnn-lstm-torch",
    "rnn-gru-update-first",
    "bert-model",
    "roberta-sequence",
    "roberta-masked",
    "roberta-span",
    "xlm-roberta-token",
    "distilbert-sequence",
    "distilbert-masked",
    "distilbert-span",
    "distilbert-model",
};
enum { N_OWN = sizeof own / sizeof own[0] };

static const char *const shared[] = {
    "fixtures/llama-tiny", "fixtures/llama-tiny-bf16-sharded",
    "fixtures/qwen2-tiny", "fixtures/gpt2-tiny",
    "fixtures/bert-tiny",  "models/stories260K",
    "models/novels-6m",
};
enum { N_SHARED = sizeof shared / sizeof shared[0] };

static const char *folder_of(const char *name, char out[256])
{
    snprintf(out, 256, "tests/runtime/fixtures/%s", name);
    return out;
}

/* Copy a checkpoint as it is to another format, chosen by the target's name. */
static void convert(const char *from, const char *to)
{
    enum { MOST = 512 };
    swg_source *source = NULL;
    swg_sink *sink = NULL;
    swg_sink_meta meta = {0};
    static swg_tensor_desc descs[MOST];
    const swg_sink_options options = {.size = sizeof options, .force = true};
    ck_ok(swg_source_open(from, NULL, &source));
    const size_t n = swg_source_n_tensors(source);
    ck_assert_uint_le(n, MOST);
    for (size_t i = 0; i < n; i++)
        descs[i] = *swg_source_tensor(source, i);
    ck_ok(swg_sink_meta_from_source(source, &meta));
    ck_ok(swg_sink_open(to, &options, &meta, descs, n, &sink));
    for (size_t i = 0; i < n; i++) {
        const size_t bytes = (size_t)swg_tensor_bytes(&descs[i]);
        uint8_t *plane = swg_calloc(bytes ? bytes : 1, 1);
        swg_plane planes[SWG_PLANE_KINDS];
        swg_tensor_planes(&descs[i], planes);
        ck_ok(swg_source_read(source, i, 0, 0, planes[0].rows, plane));
        ck_ok(swg_sink_write(sink, i, (const void *const[SWG_PLANE_KINDS]){plane}));
        swg_free(plane);
    }
    ck_ok(swg_sink_finish(&sink, NULL));
    swg_sink_meta_deinit(&meta);
    swg_source_close(&source);
}

/* Float32 implementations agree to 2e-4 by contract; the small fixtures do so to far less, which
 * tells the two kinds of GELU apart. */
static const double contract_bound = 2e-4, own_bound = 2e-5, least_change = 1e-4;

static void agree_in_all_formats(const char *path, const char *folder, double bound,
                                 const char *name)
{
    char what[256];
    agree_with_reference(path, folder, bound, name);
    convert(path, swg_test_path("model.swg"));
    snprintf(what, sizeof what, "%s as .swg", name);
    agree_with_reference(swg_test_path("model.swg"), folder, bound, what);
    convert(swg_test_path("model.swg"), swg_test_path("again"));
    snprintf(what, sizeof what, "%s as a folder again", name);
    agree_with_reference(swg_test_path("again"), folder, bound, what);
}

START_TEST(own_fixture_agrees)
{
    char folder[256];
    folder_of(own[_i], folder);
    agree_in_all_formats(folder, folder, own_bound, own[_i]);
}
END_TEST

START_TEST(shared_fixture_agrees)
{
    const char *found = swg_test_need(shared[_i]);
    if (!found)
        return;
    char folder[512], path[1024];
    snprintf(folder, sizeof folder, "%s", found);
    const bool is_llama2c = strstr(shared[_i], "stories260K") != NULL;
    snprintf(path, sizeof path, "%s%s", folder, is_llama2c ? "/stories260K.bin" : "");
    agree_in_all_formats(path, folder, contract_bound, shared[_i]);
}
END_TEST

/* Every feature shows in its fixture's logits: without it they differ, so agreement means that it
 * is computed. */
static const struct {
    const char *fixture, *from, *to;
} features[] = {
    {"llama-linear", "\"factor\": 2.5", "\"factor\": 1"},
    {"llama-dynamic", "\"factor\": 2.0", "\"factor\": 1"},
    {"llama-llama3", "\"factor\": 8.0", "\"factor\": 1"},
    {"llama-llama3", "\"high_freq_factor\": 4.0", "\"high_freq_factor\": 40"},
    {"llama-linear", "\"rope_theta\": 100.0", "\"rope_theta\": 1000"},
    {"mistral-window", "\"sliding_window\": 5", "\"sliding_window\": null"},
    {"mistral-window", "\"sliding_window\": 5", "\"sliding_window\": 6"},
    {"qwen2-window", "\"use_sliding_window\": true", "\"use_sliding_window\": false"},
    {"qwen2-window", "\"max_window_layers\": 1", "\"max_window_layers\": 0"},
    {"qwen3", "\"sliding_attention\"", "\"full_attention\""},
    {"qwen3", "\"head_dim\"", "\"partial_rotary_factor\": 0.6, \"head_dim\""},
    {"gpt2-bare", "\"activation_function\": \"gelu\"", "\"activation_function\": \"gelu_new\""},
    {"bert-sequence", "\"hidden_act\": \"gelu_new\"", "\"hidden_act\": \"gelu\""},
    {"rnn-gru-update-first", "\"zrn\"", "\"rzn\""},
};

START_TEST(every_feature_shows)
{
    char folder[256], path[512];
    size_t length;
    reference wanted;
    read_reference(folder_of(features[_i].fixture, folder), &wanted);
    convert(folder, swg_test_path("edited"));
    snprintf(path, sizeof path, "%s/config.json", folder);
    char *config = (char *)swg_test_read_file(path, &length);
    char *at = memmem(config, length, features[_i].from, strlen(features[_i].from));
    ck_assert_msg(at != NULL, "%s has no %s", path, features[_i].from);
    char edited[4096];
    const int n = snprintf(edited, sizeof edited, "%.*s%s%.*s", (int)(at - config), config,
                           features[_i].to, (int)(config + length - at - strlen(features[_i].from)),
                           at + strlen(features[_i].from));
    snprintf(path, sizeof path, "%s/config.json", swg_test_path("edited"));
    swg_test_write_file(path, edited, (size_t)n);
    swg_model *model = load_model(swg_test_path("edited"), NULL);
    float *got = run_typed(model, NULL, NULL, wanted.ids, wanted.types, wanted.n);
    const double change = largest_difference(got, wanted.logits, wanted.n_logits);
    ck_assert_msg(change > least_change, "%s with %s: change of only %g", features[_i].fixture,
                  features[_i].to, change);
    swg_free(got);
    swg_free(config);
    swg_free(wanted.logits);
    swg_model_free(&model);
}
END_TEST

/* A GPT-2 file that went through .swg has its old bytes: Conv1D weights were transposed twice. */
START_TEST(conv1d_weights_survive_the_round_trip)
{
    char folder[256], path[512];
    folder_of("gpt2-untied", folder);
    convert(folder, swg_test_path("turned.swg"));
    convert(swg_test_path("turned.swg"), swg_test_path("back"));
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    swg_source *a = NULL, *b = NULL;
    ck_ok(swg_source_open(folder, NULL, &a));
    ck_ok(swg_source_open(swg_test_path("turned.swg"), NULL, &b));
    const size_t in = swg_source_find(a, "transformer.h.0.mlp.c_fc.weight");
    ck_assert_uint_eq(swg_source_tensor(a, in)->shape[0], 48);
    ck_assert_uint_eq(swg_source_tensor(a, in)->shape[1], 12);
    ck_assert_uint_eq(swg_source_tensor(b, in)->shape[0], 48);
    swg_source_close(&a);
    swg_source_close(&b);
    size_t bytes, bytes_back;
    uint8_t *before = swg_test_read_file(path, &bytes);
    char back[512];
    snprintf(back, sizeof back, "%s/model.safetensors", swg_test_path("back"));
    uint8_t *after = swg_test_read_file(back, &bytes_back);
    /* The headers may order tensors differently; the bytes of one tensor are found again. */
    ck_assert_ptr_nonnull(memmem(after, bytes_back, before + bytes - 12 * 48 * 2, 64));
    swg_free(before);
    swg_free(after);
}
END_TEST

/* Token by token, in odd pieces and at once. Dynamic RoPE scaling is the documented exception. */
START_TEST(pieces_change_nothing)
{
    char folder[256];
    reference wanted;
    swg_model *model = load_model(folder_of(own[_i], folder), NULL);
    read_reference(folder, &wanted);
    static const size_t pieces[] = {1, 5};
    const bool is_exception =
        model->hparams.is_encoder || model->hparams.rope.scaling == SWG_ROPE_DYNAMIC;
    for (size_t p = 0; p < 2 && !is_exception; p++) {
        swg_exec *exec = NULL;
        const swg_exec_options options = {.size = sizeof options, .context = wanted.n};
        const size_t vocab = (size_t)model->hparams.n_outputs;
        float *got = swg_calloc(wanted.n * vocab, sizeof *got);
        ck_ok(swg_exec_new(model, NULL, &options, &exec));
        for (int round = 0; round < 2; round++) { /* again after a reset */
            for (size_t at = 0; at < wanted.n; at += pieces[p]) {
                const size_t n = wanted.n - at < pieces[p] ? wanted.n - at : pieces[p];
                ck_ok(swg_exec_run(exec, wanted.ids + at, n, 0, got + at * vocab));
            }
            ck_assert_double_le(largest_difference(got, wanted.logits, wanted.n_logits), own_bound);
            swg_exec_reset(exec);
        }
        swg_free(got);
        swg_exec_free(&exec);
    }
    swg_free(wanted.logits);
    swg_model_free(&model);
}
END_TEST

/* Beyond the positions of training the angles depend on the length; a shorter text after a longer
 * one must not see the longer one's. */
START_TEST(dynamic_rope_forgets_longer_texts)
{
    char folder[256];
    reference wanted;
    swg_model *model = load_model(folder_of("llama-dynamic", folder), NULL);
    read_reference(folder, &wanted);
    const size_t vocab = (size_t)model->hparams.n_outputs, n_short = 10;
    swg_exec *exec = NULL;
    const swg_exec_options options = {.size = sizeof options, .context = wanted.n};
    float *logits = swg_calloc(wanted.n * vocab, sizeof *logits);
    float *fresh = run_all(model, NULL, NULL, wanted.ids, n_short);
    ck_ok(swg_exec_new(model, NULL, &options, &exec));
    ck_ok(swg_exec_run(exec, wanted.ids, wanted.n, 0, logits));
    ck_assert_double_gt(largest_difference(logits, fresh, n_short * vocab), 1e-3);
    swg_exec_reset(exec);
    ck_ok(swg_exec_run(exec, wanted.ids, n_short, 0, logits));
    ck_assert_double_le(largest_difference(logits, fresh, n_short * vocab), 1e-5);
    swg_exec_free(&exec);
    swg_free(logits);
    swg_free(fresh);
    swg_free(wanted.logits);
    swg_model_free(&model);
}
END_TEST

/* A model of every architecture can be made up in any scheme, and runs on several threads. */
START_TEST(random_models_run_quantized)
{
    static const swg_scheme schemes[] = {
        SWG_SCHEME_INT(4, .group = 32, .scale_type = SWG_F16),
        SWG_SCHEME_INT(8, .scale_type = SWG_F32, .asymmetric = true)};
    char path[512], folder[256];
    size_t length;
    snprintf(path, sizeof path, "%s/config.json", folder_of(own[_i], folder));
    char *config = (char *)swg_test_read_file(path, &length);
    swg_pool *pool = NULL;
    ck_ok(swg_pool_new(3, &pool));
    for (size_t s = 0; s < 2; s++) {
        swg_model *model = NULL;
        const int32_t ids[] = {3, 1, 4, 1, 5};
        const swg_model_options options = {.size = sizeof options, .pool = pool};
        ck_ok(swg_model_random(config, length, schemes[s], 5, &options, &model));
        float *one = run_all(model, NULL, NULL, ids, 5);
        float *many = run_all(model, pool, NULL, ids, 5);
        const size_t n = output_rows(model, 5) * (size_t)model->hparams.n_outputs;
        ck_assert_mem_eq(one, many, n * sizeof *one);
        for (size_t i = 0; i < n; i++)
            ck_assert(isfinite(one[i]));
        swg_free(one);
        swg_free(many);
        swg_model_free(&model);
    }
    swg_pool_free(&pool);
    swg_free(config);
}
END_TEST

/* Large enough that every operation is shared out. */
static const char *const wide[] = {
    "{\"model_type\": \"gpt2\", \"n_embd\": 96, \"n_layer\": 2, \"n_head\": 4, \"n_positions\": "
    "192,"
    " \"vocab_size\": 200}",
    "{\"model_type\": \"bert\", \"architectures\": [\"BertForMaskedLM\"], \"hidden_size\": 96,"
    " \"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"intermediate_size\": 200,"
    " \"vocab_size\": 200, \"max_position_embeddings\": 192}",
    ("{\"model_type\": \"mistral\", \"hidden_size\": 96, \"intermediate_size\": 200,"
     " \"num_hidden_layers\": 2, \"num_attention_heads\": 6, \"num_key_value_heads\": 2,"
     " \"vocab_size\": 200, \"sliding_window\": 40}"),
    "{\"model_type\": \"rnn\", \"cell\": \"gru\", \"embedding_size\": 90, \"num_hidden_layers\": 2,"
    " \"hidden_size\": [160, 300], \"vocab_size\": 200}",
};

START_TEST(threads_change_nothing)
{
    enum { N = 190 };
    const swg_scheme scheme = SWG_SCHEME_INT(8, .group = 32, .scale_type = SWG_F16);
    int32_t ids[N];
    swg_pool *pool = NULL;
    swg_model *model = NULL;
    for (size_t i = 0; i < N; i++)
        ids[i] = (int32_t)(i * i % 199);
    ck_ok(swg_pool_new(4, &pool));
    const swg_model_options options = {.size = sizeof options, .pool = pool};
    ck_ok(swg_model_random(wide[_i], strlen(wide[_i]), scheme, 3, &options, &model));
    float *one = run_all(model, NULL, NULL, ids, N), *many = run_all(model, pool, NULL, ids, N);
    ck_assert_mem_eq(one, many, N * 200 * sizeof *one);
    swg_free(one);
    swg_free(many);
    swg_model_free(&model);
    swg_pool_free(&pool);
}
END_TEST

START_TEST(encoders_and_limits_are_refused_clearly)
{
    char folder[256];
    swg_exec *exec = NULL;
    const int32_t ids[] = {1, 2, 3}, types[] = {0, 1, 2};
    float logits[16];
    swg_model *bert = load_model(folder_of("bert-sequence", folder), NULL);
    const swg_exec_options long_text = {.size = sizeof long_text, .context = 25};
    ck_status_is(SWG_UNSUPPORTED, swg_exec_new(bert, NULL, &long_text, &exec));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "at most 24"));
    ck_ok(swg_exec_new(bert, NULL, NULL, &exec));
    ck_status_is(SWG_UNSUPPORTED, swg_exec_run(exec, ids, 3, 0, logits));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "encoder"));
    ck_status_is(SWG_CORRUPT, swg_exec_encode(exec, ids, types, 3, logits));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "token type 2"));
    ck_status_is(SWG_CORRUPT, swg_exec_encode(exec, (const int32_t[]){29}, NULL, 1, logits));
    ck_ok(swg_exec_encode(exec, ids, NULL, 3, logits));
    swg_exec_free(&exec);
    ck_assert_str_eq(bert->labels[3], "wild");
    swg_model_free(&bert);

    swg_model *gpt2 = load_model(folder_of("gpt2-bare", folder), NULL);
    const swg_exec_options too_long = {.size = sizeof too_long, .context = 21};
    ck_status_is(SWG_UNSUPPORTED, swg_exec_new(gpt2, NULL, &too_long, &exec));
    ck_ok(swg_exec_new(gpt2, NULL, NULL, &exec));
    ck_status_is(SWG_UNSUPPORTED, swg_exec_encode(exec, ids, NULL, 3, logits));
    swg_exec_free(&exec);
    swg_model_free(&gpt2);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("arch");
    TCase *cases = tcase_create("agreement");
    tcase_add_loop_test(cases, own_fixture_agrees, 0, N_OWN);
    tcase_add_loop_test(cases, shared_fixture_agrees, 0, N_SHARED);
    tcase_add_loop_test(cases, every_feature_shows, 0, sizeof features / sizeof features[0]);
    tcase_add_test(cases, conv1d_weights_survive_the_round_trip);
    tcase_add_loop_test(cases, pieces_change_nothing, 0, N_OWN);
    tcase_add_test(cases, dynamic_rope_forgets_longer_texts);
    tcase_add_loop_test(cases, random_models_run_quantized, 0, N_OWN);
    tcase_add_loop_test(cases, threads_change_nothing, 0, sizeof wide / sizeof wide[0]);
    tcase_add_test(cases, encoders_and_limits_are_refused_clearly);
    suite_add_tcase(suite, cases);
    return suite;
}
