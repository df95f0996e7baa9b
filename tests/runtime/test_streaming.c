/* Models whose layers come and go, and whose weights are replaced: the logits are those of models
 * that were loaded whole, byte by byte, and memory is what was promised. */
#include <stdio.h>
#include <string.h>

#include "formats/reader.h"
#include "runtime/exec.h"
#include "runtime/model.h"
#include "tests/formats/tiny_llama.h"
#include "tests/runtime/arch_models.h"

enum { WIDEST = 64, MOST_OUTPUTS = ARCH_TOKENS * ARCH_VOCAB };

static swg_source *open_fixture(const char *name)
{
    char path[256];
    swg_source *source = NULL;
    snprintf(path, sizeof path, "tests/runtime/fixtures/%s", name);
    ck_ok(swg_source_open(path, NULL, &source));
    return source;
}

/* --- Layers come and go ----------------------------------------------------------------------- */

/* Part by part, with nothing in memory but the part that runs. */
static void run_streamed(swg_model *model, const int32_t *ids, float *logits)
{
    const size_t n_layers = (size_t)model->hparams.n_layers;
    float x[ARCH_TOKENS * WIDEST];
    swg_exec *exec = arch_exec(model, (swg_exec_options){.context = ARCH_TOKENS});
    ck_status_is(SWG_USAGE, swg_exec_begin(exec, 0, 0, ids, NULL, ARCH_TOKENS, x));
    ck_ok(swg_model_load_layer(model, n_layers));
    ck_ok(swg_exec_begin(exec, 0, 0, ids, NULL, ARCH_TOKENS, x));
    swg_model_release_layer(model, n_layers);
    for (size_t layer = 0; layer < n_layers; layer++) {
        float y[ARCH_TOKENS * WIDEST];
        ck_status_is(SWG_USAGE, swg_exec_layer(exec, layer, 0, 0, ARCH_TOKENS, x, y));
        ck_assert_ptr_nonnull(strstr(swg_error_message(), "not loaded"));
        ck_ok(swg_model_load_layer(model, layer));
        ck_assert(swg_model_has_layer(model, layer));
        ck_ok(swg_exec_layer(exec, layer, 0, 0, ARCH_TOKENS, x, y));
        swg_model_release_layer(model, layer);
        ck_assert(!swg_model_has_layer(model, layer));
        memcpy(x, y, sizeof x);
    }
    ck_ok(swg_model_load_layer(model, n_layers));
    ck_ok(swg_exec_end(exec, arch_rows(model, ARCH_TOKENS), x, logits));
    swg_exec_free(&exec);
}

START_TEST(streamed_layers_give_the_bytes_of_a_whole_model)
{
    swg_source *source = open_fixture(arch_names[_i]);
    swg_model *whole = NULL, *model = NULL;
    int32_t ids[ARCH_TOKENS];
    float logits[MOST_OUTPUTS];
    arch_ids(ids, ARCH_TOKENS, 0);
    ck_ok(swg_model_load(source, NULL, &whole));
    ck_ok(swg_model_open(source, NULL, &model));
    ck_assert_uint_eq(model->n_parameters, whole->n_parameters);
    ck_assert_uint_eq(swg_model_bytes_per_token(model), swg_model_bytes_per_token(whole));
    const size_t bytes = arch_rows(whole, ARCH_TOKENS) * (size_t)whole->hparams.n_outputs *
                         sizeof *logits;
    float *wanted = arch_logits(whole, ids, ARCH_TOKENS);
    run_streamed(model, ids, logits);
    ck_assert_mem_eq(logits, wanted, bytes);
    /* All of them again, in another order, as one model. */
    for (size_t layer = (size_t)model->hparams.n_layers + 1; layer-- > 0;)
        ck_ok(swg_model_load_layer(model, layer));
    float *again = arch_logits(model, ids, ARCH_TOKENS);
    ck_assert_mem_eq(again, wanted, bytes);
    swg_free(again);
    swg_free(wanted);
    swg_model_free(&model);
    swg_model_free(&whole);
    swg_source_close(&source);
}
END_TEST

/* Six layers of 2.6 MB. */
static void write_six_layers(const char *path)
{
    tiny_llama t = {.dim = 256, .hidden = 512, .vocab = 64, .heads = 4, .kv_heads = 4, .layers = 6,
                    .scheme = swg_scheme_plain(SWG_F32), .seed = 3};
    sample s;
    tiny_llama_fill(&t, &s);
    ck_ok(sample_write(&s, path, NULL));
    sample_deinit(&s);
}

START_TEST(one_layer_at_a_time_needs_the_memory_of_one)
{
    enum { MIB = 1 << 20 };
    swg_source *source = NULL;
    swg_model *model = NULL;
    write_six_layers(swg_test_path("six.swg"));
    ck_ok(swg_source_open(swg_test_path("six.swg"), NULL, &source));
    ck_ok(swg_model_open(source, NULL, &model));
    ck_ok(swg_model_load_layer(model, 0)); /* the source makes its decompressors */
    swg_model_release_layer(model, 0);
    const uint64_t before = swg_mem_in_use();
    swg_mem_set_limit(before + 5 * MIB);
    for (size_t layer = 0; layer <= 6; layer++) {
        ck_ok(swg_model_load_layer(model, layer));
        ck_ok(swg_model_load_layer(model, layer)); /* changes nothing */
        if (layer < 6)
            ck_assert_uint_ge(swg_mem_in_use(), before + 2 * MIB);
        swg_model_release_layer(model, layer);
        swg_model_release_layer(model, layer);
        ck_assert_uint_eq(swg_mem_in_use(), before);
    }
    ck_ok(swg_model_load_layer(model, 0));
    ck_status_is(SWG_NO_MEMORY, swg_model_load_layer(model, 1));
    ck_assert(swg_model_has_layer(model, 0) && !swg_model_has_layer(model, 1));
    swg_mem_set_limit(0);
    ck_ok(swg_model_load_layer(model, 1));
    ck_status_is(SWG_USAGE, swg_model_load_layer(model, 7));
    swg_model_free(&model);
    swg_source_close(&source);
}
END_TEST

/* What a load reads and releases of a source. */
static const swg_reader *inner;
static size_t n_read, n_released, n_released_before_the_last_read;
static bool was_released[64]; /* by tensor */

static swg_status note_read(swg_source *source, const swg_stored_tensor *tensor,
                            const swg_plane *plane, uint64_t row_begin, uint64_t n_rows, void *out)
{
    ck_assert(!was_released[tensor - source->tensors]);
    n_read++;
    n_released_before_the_last_read = n_released;
    return inner->read(source, tensor, plane, row_begin, n_rows, out);
}

static void note_release(swg_source *source, const swg_stored_tensor *tensor)
{
    was_released[tensor - source->tensors] = true;
    n_released++;
}

/* Each layer's pages when all of them have been read, or the whole file stays in memory beside the
 * model. */
START_TEST(pages_are_released_layer_by_layer)
{
    swg_source *source = NULL;
    swg_model *model = NULL;
    write_six_layers(swg_test_path("pages.swg"));
    ck_ok(swg_source_open(swg_test_path("pages.swg"), NULL, &source));
    inner = source->reader;
    swg_reader noting = *inner;
    noting.read = note_read;
    noting.release = note_release;
    source->reader = &noting;
    ck_assert_uint_le(source->n_tensors, 64);
    ck_ok(swg_model_load(source, NULL, &model));
    ck_assert_uint_ge(n_read, source->n_tensors);
    ck_assert_uint_eq(n_released, source->n_tensors);
    for (size_t i = 0; i < source->n_tensors; i++)
        ck_assert_msg(was_released[i], "%s", source->tensors[i].desc.name);
    const size_t of_last_layer = source->n_tensors / 7 + 1;
    ck_assert_uint_ge(n_released_before_the_last_read, n_released - of_last_layer);
    source->reader = inner;
    swg_model_free(&model);
    swg_source_close(&source);
}
END_TEST

START_TEST(models_without_a_source_load_nothing_again)
{
    swg_source *source = open_fixture("llama-biases");
    swg_model *model = NULL;
    const int32_t id = 1;
    float logits[ARCH_VOCAB];
    ck_ok(swg_model_load(source, NULL, &model));
    swg_source_close(&source);
    ck_ok(swg_model_load_layer(model, 0)); /* it is loaded */
    swg_model_release_layer(model, 0);
    ck_status_is(SWG_USAGE, swg_model_load_layer(model, 0));
    swg_exec *exec = arch_exec(model, (swg_exec_options){.context = 4});
    ck_status_is(SWG_USAGE, swg_exec_run(exec, &id, 1, 0, logits));
    swg_exec_free(&exec);
    swg_model_free(&model);
    const swg_model_options wrong = {.size = 1}, other = {.size = sizeof other, .backend = "abacus"};
    source = open_fixture("llama-biases");
    ck_status_is(SWG_USAGE, swg_model_open(source, &wrong, &model));
    ck_status_is(SWG_USAGE, swg_model_open(source, &other, &model));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "abacus"));
    swg_source_close(&source);
}
END_TEST

/* --- Replacing -------------------------------------------------------------------------------- */

static const swg_scheme schemes[] = {
    SWG_SCHEME_INT(4, .group = 32, .scale_type = SWG_F16),
    SWG_SCHEME_INT(4, .group = 64, .scale_type = SWG_F16, .asymmetric = true),
    SWG_SCHEME_INT(8, .scale_type = SWG_BF16),
    {.dtype = SWG_BF16},
    {.dtype = SWG_F32},
};

static void fill_llama(sample *s, tiny_llama *t, swg_scheme scheme, uint64_t seed)
{
    *t = (tiny_llama){.dim = 64, .hidden = 96, .vocab = ARCH_VOCAB, .heads = 4, .kv_heads = 2,
                      .layers = 2, .is_tied = true, .scheme = scheme, .seed = seed,
                      .more = ",\"attention_bias\":false"};
    tiny_llama_fill(t, s);
}

/* GPT-2 with a fused matrix of q, k and v. */
static void fill_gpt2(sample *s, swg_scheme scheme, uint64_t seed)
{
    static const char config[] =
        "{\"model_type\":\"gpt2\",\"n_embd\":64,\"n_layer\":2,\"n_head\":4,\"n_positions\":16,"
        "\"vocab_size\":29}";
    static const struct {
        const char *name;
        uint64_t rows, cols;
    } parts[] = {{"ln_1", 64, 0},       {"attn.c_attn", 192, 64}, {"attn.c_proj", 64, 64},
                 {"ln_2", 64, 0},       {"mlp.c_fc", 256, 64},    {"mlp.c_proj", 64, 256}};
    const swg_scheme f32 = swg_scheme_plain(SWG_F32);
    char name[64];
    sample_init(s);
    s->rng = swg_rng_seeded(seed);
    s->meta = (swg_sink_meta){.config = config, .config_length = strlen(config)};
    sample_add(s, "wte.weight", scheme, 2, ARCH_VOCAB, 64);
    sample_add(s, "wpe.weight", f32, 2, 16, 64);
    for (int layer = 0; layer < 2; layer++)
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
            const uint64_t cols = parts[i].cols;
            snprintf(name, sizeof name, "h.%d.%s.weight", layer, parts[i].name);
            sample_add(s, name, cols ? scheme : f32, cols ? 2 : 1, parts[i].rows, cols);
            snprintf(name, sizeof name, "h.%d.%s.bias", layer, parts[i].name);
            sample_add(s, name, f32, 1, parts[i].rows, 0);
        }
    sample_add(s, "ln_f.weight", f32, 1, 64, 0);
    sample_add(s, "ln_f.bias", f32, 1, 64, 0);
}

static swg_model *load_sample(const sample *s, const char *path, swg_source **source)
{
    const swg_sink_options force = {.size = sizeof force, .force = true};
    swg_model *model = NULL;
    ck_ok(sample_write(s, path, &force));
    ck_ok(swg_source_open(path, NULL, source));
    ck_ok(swg_model_open(*source, NULL, &model));
    for (size_t layer = 0; layer <= 2; layer++)
        ck_ok(swg_model_load_layer(model, layer));
    return model;
}

static bool is_bias(const char *name)
{
    return strstr(name, ".bias") != NULL;
}

/* Give the float model every tensor of the other checkpoint, and compare with loading that; an
 * execution that was there before sees the new weights. */
static void replace_all(const sample *from, const sample *to)
{
    swg_source *a = NULL, *b = NULL;
    swg_model *model = load_sample(from, swg_test_path("from.swg"), &a);
    swg_model *other = load_sample(to, swg_test_path("to.swg"), &b);
    int32_t ids[4];
    float before[4 * ARCH_VOCAB], wanted[4 * ARCH_VOCAB], got[4 * ARCH_VOCAB];
    arch_ids(ids, 4, 0);
    swg_exec *exec = arch_exec(model, (swg_exec_options){.context = 4});
    swg_exec *reference = arch_exec(other, (swg_exec_options){.context = 4});
    ck_ok(swg_exec_run(exec, ids, 4, 0, before));
    for (size_t i = 0; i < to->n_tensors; i++)
        if (!is_bias(to->names[i]))
            ck_ok(swg_model_replace_tensor(model, &to->tensors[i],
                                           (const void *const *)to->planes[i]));
    swg_exec_reset(exec);
    ck_ok(swg_exec_run(exec, ids, 4, 0, got));
    ck_ok(swg_exec_run(reference, ids, 4, 0, wanted));
    ck_assert_mem_eq(got, wanted, sizeof wanted);
    ck_assert_uint_eq(swg_model_bytes_per_token(model), swg_model_bytes_per_token(other));
    /* Released and loaded again, matrices are those of the source; vectors too. */
    for (size_t layer = 0; layer <= 2; layer++) {
        swg_model_release_layer(model, layer);
        ck_ok(swg_model_load_layer(model, layer));
    }
    swg_exec_reset(exec);
    ck_ok(swg_exec_run(exec, ids, 4, 0, got));
    ck_assert_mem_eq(got, before, sizeof before);
    swg_exec_free(&exec);
    swg_exec_free(&reference);
    swg_model_free(&model);
    swg_model_free(&other);
    swg_source_close(&a);
    swg_source_close(&b);
}

START_TEST(replaced_tensors_are_those_of_the_other_checkpoint)
{
    sample from, to;
    tiny_llama t, u;
    fill_llama(&from, &t, swg_scheme_plain(SWG_F32), 1);
    fill_llama(&to, &u, schemes[_i], 2);
    replace_all(&from, &to);
    replace_all(&to, &from);
    sample_deinit(&from);
    sample_deinit(&to);
}
END_TEST

START_TEST(parts_of_a_fused_tensor_are_replaced_together)
{
    sample from, to;
    fill_gpt2(&from, swg_scheme_plain(SWG_F32), 1);
    fill_gpt2(&to, schemes[_i], 1);
    /* Biases are not replaced, so they have to be the same. */
    for (size_t i = 0; i < to.n_tensors; i++)
        if (is_bias(to.names[i]))
            memcpy(to.planes[i][0], from.planes[i][0], (size_t)swg_tensor_bytes(&to.tensors[i]));
    replace_all(&from, &to);
    sample_deinit(&from);
    sample_deinit(&to);
}
END_TEST

START_TEST(weights_know_where_they_come_from)
{
    swg_source *source = NULL;
    sample s;
    fill_gpt2(&s, swg_scheme_plain(SWG_F32), 1);
    swg_model *model = load_sample(&s, swg_test_path("gpt2.swg"), &source);
    const swg_weight *value = swg_model_weight(model, SWG_ROLE_VALUE, 1);
    ck_assert_int_eq(value->role, SWG_ROLE_VALUE);
    ck_assert_uint_eq(value->layer, 1);
    ck_assert_str_eq(value->tensor, "h.1.attn.c_attn.weight");
    ck_assert_uint_eq(value->first_row, 128);
    ck_assert_uint_eq(value->n, 64);
    const swg_weight *head = swg_model_weight(model, SWG_ROLE_HEAD, 0);
    ck_assert_ptr_eq(head, swg_model_weight(model, SWG_ROLE_EMBEDDING, 0));
    ck_assert_ptr_null(swg_model_weight(model, SWG_ROLE_FFN_GATE, 0));
    ck_assert_ptr_null(swg_model_weight(model, SWG_ROLE_EXPERT_UP, 0));
    swg_model_free(&model);
    swg_source_close(&source);
    sample_deinit(&s);
}
END_TEST

START_TEST(what_does_not_fit_is_not_taken)
{
    swg_source *source = NULL;
    sample s;
    tiny_llama t;
    fill_llama(&s, &t, swg_scheme_plain(SWG_F32), 1);
    swg_model *model = load_sample(&s, swg_test_path("one.swg"), &source);
    const swg_weight *key = swg_model_weight(model, SWG_ROLE_KEY, 0);
    const swg_weight *norm = swg_model_weight(model, SWG_ROLE_OUTPUT_NORM, 0);
    static float values[64 * 64];
    const void *const planes[SWG_PLANE_KINDS] = {values};
    swg_tensor_desc desc = {.rank = 2, .shape = {64, 64}};
    ck_status_is(SWG_USAGE, swg_model_replace(model, key, &desc, planes));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "[32, 64]"));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "[64, 64]"));
    ck_status_is(SWG_USAGE, swg_model_replace(model, norm, &desc, planes));
    desc.shape[0] = 32;
    desc.scheme.dtype = SWG_I32;
    ck_status_is(SWG_UNSUPPORTED, swg_model_replace(model, key, &desc, planes));
    ck_assert_int_eq(key->scheme.dtype, SWG_F32);
    desc.scheme.dtype = SWG_F32;
    desc.name = "model.layers.7.self_attn.k_proj.weight";
    ck_status_is(SWG_USAGE, swg_model_replace_tensor(model, &desc, planes));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "model.layers.7."));
    ck_ok(swg_model_replace(model, key, &desc, planes));
    const void *memory = key->memory;
    ck_ok(swg_model_replace(model, key, &desc, planes)); /* the first one's memory is given back */
    ck_assert_ptr_nonnull(memory);
    swg_model_release_layer(model, 0);
    ck_status_is(SWG_USAGE, swg_model_replace(model, key, &desc, planes));
    swg_model_free(&model);
    swg_source_close(&source);
    sample_deinit(&s);
}
END_TEST

/* Open, load, replace, release: every allocation on the way fails once. */
static swg_status stream_and_replace(void *context)
{
    const sample *s = context;
    swg_source *source = NULL;
    swg_model *model = NULL;
    swg_pool *pool = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_pool_new(2, &pool));
    SWG_GO(swg_source_open(swg_test_path("streamed.swg"), NULL, &source));
    const swg_model_options options = {.size = sizeof options, .pool = pool};
    SWG_GO(swg_model_open(source, &options, &model));
    for (size_t layer = 0; layer <= 2; layer++)
        SWG_GO(swg_model_load_layer(model, layer));
    for (size_t i = 0; i < s->n_tensors; i++)
        SWG_GO(swg_model_replace_tensor(model, &s->tensors[i],
                                        (const void *const *)s->planes[i]));
    swg_model_release_layer(model, 1);
    SWG_GO(swg_model_load_layer(model, 1));
done:
    swg_model_free(&model);
    swg_source_close(&source);
    swg_pool_free(&pool);
    return status;
}

START_TEST(failing_allocations_are_survived)
{
    sample from, to;
    tiny_llama t, u;
    fill_llama(&from, &t, swg_scheme_plain(SWG_F32), 1);
    fill_llama(&to, &u, schemes[1], 2);
    ck_ok(sample_write(&from, swg_test_path("streamed.swg"), NULL));
    swg_test_each_allocation_fails(stream_and_replace, &to);
    sample_deinit(&from);
    sample_deinit(&to);
}
END_TEST

Suite *swg_test_suite(void)
{
    enum { N_SCHEMES = sizeof schemes / sizeof schemes[0] };
    Suite *suite = suite_create("streaming");
    TCase *cases = tcase_create("layers");
    tcase_add_loop_test(cases, streamed_layers_give_the_bytes_of_a_whole_model, 0, N_ARCH_NAMES);
    tcase_add_test(cases, one_layer_at_a_time_needs_the_memory_of_one);
    tcase_add_test(cases, pages_are_released_layer_by_layer);
    tcase_add_test(cases, models_without_a_source_load_nothing_again);
    tcase_add_loop_test(cases, replaced_tensors_are_those_of_the_other_checkpoint, 0, N_SCHEMES);
    tcase_add_loop_test(cases, parts_of_a_fused_tensor_are_replaced_together, 0, N_SCHEMES);
    tcase_add_test(cases, weights_know_where_they_come_from);
    tcase_add_test(cases, what_does_not_fit_is_not_taken);
    tcase_add_test(cases, failing_allocations_are_survived);
    suite_add_tcase(suite, cases);
    return suite;
}
