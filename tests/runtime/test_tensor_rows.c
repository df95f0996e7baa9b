/* What tensor rows can say: fused matrices of unequal parts, vectors that are changed on their way
 * in, weights of experts in tensors of their own or stacked in one. The architectures are made up
 * here: rows of their own, Llama's forward pass where there is one to run. */
#include <stdio.h>
#include <string.h>

#include "runtime/arch/tensor_rows.h"
#include "runtime/backend/backend.h"
#include "runtime/exec.h"
#include "tests/formats/tiny_llama.h"

extern const swg_arch swg_arch_llama;

enum { DIM = 32, HIDDEN = 48, VOCAB = 29, TOKENS = 4 };

/* --- Fused and changed ------------------------------------------------------------------------ */

#define LAYER "model.layers.{L}."

/* Phi-3's names: q, k, v in one matrix, gate and up in another; norms as Gemma's, 1 + w. */
static const swg_tensor_row fused_rows[] = {
    {SWG_ROW_TABLE(EMBEDDING, "model.embed_tokens.weight", VOCAB, D_MODEL, 0)},
    {SWG_ROW_VECTOR(ATTENTION_NORM, LAYER "input_layernorm.weight", D_MODEL, 0),
     .transform = SWG_TRANSFORM_PLUS_ONE},
    {SWG_ROW_LINEAR(QUERY, LAYER "self_attn.qkv_proj.weight", QUERY, D_MODEL, 0)},
    {SWG_ROW_LINEAR(KEY, LAYER "self_attn.qkv_proj.weight", KV, D_MODEL, 0)},
    {SWG_ROW_LINEAR(VALUE, LAYER "self_attn.qkv_proj.weight", KV, D_MODEL, 0)},
    {SWG_ROW_LINEAR(ATTENTION_OUTPUT, LAYER "self_attn.o_proj.weight", D_MODEL, QUERY, 0)},
    {SWG_ROW_VECTOR(FFN_NORM, LAYER "post_attention_layernorm.weight", D_MODEL, 0),
     .transform = SWG_TRANSFORM_PLUS_ONE},
    {SWG_ROW_LINEAR(FFN_GATE, LAYER "mlp.gate_up_proj.weight", D_FF, D_MODEL, 0)},
    {SWG_ROW_LINEAR(FFN_UP, LAYER "mlp.gate_up_proj.weight", D_FF, D_MODEL, 0)},
    {SWG_ROW_LINEAR(FFN_DOWN, LAYER "mlp.down_proj.weight", D_MODEL, D_FF, 0)},
    {SWG_ROW_VECTOR(OUTPUT_NORM, "model.norm.weight", D_MODEL, 0),
     .transform = SWG_TRANSFORM_PLUS_ONE},
    {SWG_ROW_TABLE(HEAD, "lm_head.weight", VOCAB, D_MODEL, SWG_TENSOR_TIED)},
};

static swg_arch arch_of_rows(const swg_tensor_row *rows, size_t n)
{
    swg_arch arch = swg_arch_llama;
    arch.name = "made-up";
    arch.tensors = rows;
    arch.n_tensors = n;
    return arch;
}

static size_t index_of(const sample *s, const char *name)
{
    for (size_t i = 0; i < s->n_tensors; i++)
        if (strcmp(s->names[i], name) == 0)
            return i;
    ck_abort_msg("no tensor %s", name);
    return 0;
}

/* Put the rows of several tensors of `from`, one after another, into one of `to`. */
static void add_fused(const sample *from, sample *to, unsigned layer, const char *name,
                      const char *const *parts)
{
    char text[64];
    size_t at[3], n = 0;
    uint64_t rows = 0;
    for (; parts[n]; n++) {
        snprintf(text, sizeof text, "model.layers.%u.%s", layer, parts[n]);
        at[n] = index_of(from, text);
        rows += from->tensors[at[n]].shape[0];
    }
    const swg_tensor_desc *first = &from->tensors[at[0]];
    snprintf(text, sizeof text, "model.layers.%u.%s", layer, name);
    sample_add(to, text, first->scheme, 2, rows, first->shape[1]);
    swg_plane planes[SWG_PLANE_KINDS];
    const size_t n_planes = swg_tensor_planes(first, planes);
    for (size_t p = 0; p < n_planes; p++) {
        uint8_t *out = to->planes[to->n_tensors - 1][planes[p].kind];
        for (size_t i = 0; i < n; i++) {
            const size_t bytes =
                (size_t)(from->tensors[at[i]].shape[0] * planes[p].row_bytes);
            memcpy(out, from->planes[at[i]][planes[p].kind], bytes);
            out += bytes;
        }
    }
}

static void copy_tensor(const sample *from, sample *to, size_t i)
{
    const swg_tensor_desc *desc = &from->tensors[i];
    swg_plane planes[SWG_PLANE_KINDS];
    const size_t n_planes = swg_tensor_planes(desc, planes);
    sample_add(to, desc->name, desc->scheme, desc->rank, desc->shape[0], desc->shape[1]);
    for (size_t p = 0; p < n_planes; p++)
        memcpy(to->planes[to->n_tensors - 1][planes[p].kind], from->planes[i][planes[p].kind],
               (size_t)planes[p].bytes);
}

/* The same model under the fused names. Norms are numbers of few bits, so that 1 + (w - 1) = w. */
static void fuse(sample *from, sample *to)
{
    static const char *const qkv[] = {"self_attn.q_proj.weight", "self_attn.k_proj.weight",
                                      "self_attn.v_proj.weight", NULL};
    static const char *const gate_up[] = {"mlp.gate_proj.weight", "mlp.up_proj.weight", NULL};
    sample_init(to);
    to->meta = from->meta;
    for (unsigned layer = 0; layer < 2; layer++) {
        add_fused(from, to, layer, "self_attn.qkv_proj.weight", qkv);
        add_fused(from, to, layer, "mlp.gate_up_proj.weight", gate_up);
    }
    for (size_t i = 0; i < from->n_tensors; i++) {
        const char *name = from->names[i];
        if (from->tensors[i].rank == 1)
            for (size_t j = 0; j < from->tensors[i].shape[0]; j++)
                ((float *)from->planes[i][0])[j] = 1.0f + (float)(j % 7) / 64;
        if (!strstr(name, "q_proj") && !strstr(name, "k_proj") && !strstr(name, "v_proj") &&
            !strstr(name, "gate_proj") && !strstr(name, "up_proj")) {
            copy_tensor(from, to, i);
            float *values = (float *)to->planes[to->n_tensors - 1][0];
            for (size_t j = 0; from->tensors[i].rank == 1 && j < from->tensors[i].shape[0]; j++)
                values[j] -= 1.0f;
        }
    }
}

static swg_status load(const sample *s, const char *path, const swg_arch *arch, swg_model **out)
{
    const swg_arch *const archs[] = {arch, NULL};
    const swg_model_options options = {.size = sizeof options, .archs = arch ? archs : NULL};
    const swg_sink_options force = {.size = sizeof force, .force = true};
    swg_source *source = NULL;
    ck_ok(sample_write(s, path, &force));
    ck_ok(swg_source_open(path, NULL, &source));
    const swg_status status = swg_model_load(source, &options, out);
    swg_source_close(&source);
    return status;
}

static void run(const swg_model *model, float logits[TOKENS * VOCAB])
{
    const int32_t ids[TOKENS] = {3, 1, 4, 1};
    const swg_exec_options options = {.size = sizeof options, .context = TOKENS};
    swg_exec *exec = NULL;
    ck_ok(swg_exec_new(model, NULL, &options, &exec));
    ck_ok(swg_exec_run(exec, ids, TOKENS, 0, logits));
    swg_exec_free(&exec);
}

static const swg_scheme schemes[] = {
    {.dtype = SWG_F32},
    SWG_SCHEME_INT(4, .group = 32, .scale_type = SWG_F16, .asymmetric = true),
    SWG_SCHEME_INT(8, .scale_type = SWG_F16)};

/* 4 query heads over 1 key head: q has 32 rows, k and v have 8 each, which ends within a panel. */
START_TEST(parts_of_unequal_size_are_taken_apart)
{
    tiny_llama t = {.dim = DIM, .hidden = HIDDEN, .vocab = VOCAB, .heads = 4, .kv_heads = 1,
                    .layers = 2, .is_tied = true, .scheme = schemes[_i], .seed = 5};
    const swg_arch arch = arch_of_rows(fused_rows, sizeof fused_rows / sizeof fused_rows[0]);
    sample apart, fused;
    swg_model *model = NULL;
    float wanted[TOKENS * VOCAB], got[TOKENS * VOCAB];
    tiny_llama_fill(&t, &apart);
    fuse(&apart, &fused);
    ck_ok(load(&apart, swg_test_path("apart.swg"), NULL, &model));
    run(model, wanted);
    swg_model_free(&model);
    ck_ok(load(&fused, swg_test_path("fused.swg"), &arch, &model));
    ck_assert_uint_eq(swg_model_weight(model, SWG_ROLE_KEY, 1)->first_row, 32);
    ck_assert_uint_eq(swg_model_weight(model, SWG_ROLE_VALUE, 1)->first_row, 40);
    ck_assert_uint_eq(swg_model_weight(model, SWG_ROLE_FFN_UP, 0)->first_row, HIDDEN);
    run(model, got);
    ck_assert_mem_eq(got, wanted, sizeof wanted);
    /* A replaced norm is changed as a loaded one is. */
    const size_t norm = index_of(&fused, "model.norm.weight");
    ck_ok(swg_model_replace_tensor(model, &fused.tensors[norm],
                                   (const void *const *)fused.planes[norm]));
    run(model, got);
    ck_assert_mem_eq(got, wanted, sizeof wanted);
    swg_model_free(&model);
    /* One row less than the parts have together. */
    fused.tensors[0].shape[0]--;
    ck_status_is(SWG_CORRUPT, load(&fused, swg_test_path("short.swg"), &arch, &model));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "[47, 32]; config.json implies [48, 32]"));
    sample_deinit(&apart);
    sample_deinit(&fused);
}
END_TEST

/* --- Experts ---------------------------------------------------------------------------------- */

enum { LAYERS = 2, EXPERTS = 3, ACTIVE = 2 };

#define EXPERT(name) LAYER "experts.{E}." name ".weight|" LAYER "experts." name

static const swg_tensor_row expert_rows[] = {
    {SWG_ROW_TABLE(EMBEDDING, "embed.weight", VOCAB, D_MODEL, 0)},
    {SWG_ROW(ROUTER, LAYER "router.weight", EXPERTS, D_MODEL, 0)},
    {SWG_ROW_LINEAR(EXPERT_GATE, EXPERT("gate_up"), D_FF, D_MODEL, 0)},
    {SWG_ROW_LINEAR(EXPERT_UP, EXPERT("gate_up"), D_FF, D_MODEL, 0)},
    {SWG_ROW_LINEAR(EXPERT_DOWN, EXPERT("down"), D_MODEL, D_FF, SWG_BIAS_MAY)},
    {SWG_ROW_VECTOR(OUTPUT_NORM, "norm.weight", D_MODEL, 0)},
};

static const swg_hparam_row expert_hparams[] = {
    SWG_HPARAM(INT, "num_hidden_layers", n_layers, 1, SWG_MAX_LAYERS),
    SWG_HPARAM(INT, "hidden_size", d_model, 1, 1 << 20),
    SWG_HPARAM(INT, "intermediate_size", d_ff, 1, 1 << 20),
    SWG_HPARAM(INT, "vocab_size", vocab, 1, 1 << 20),
    SWG_HPARAM(INT, "num_experts", experts.count, 1, 1024),
    SWG_HPARAM(INT, "num_experts_per_tok", experts.active, 1, 1024),
};

static swg_status check_nothing(swg_hparams *h)
{
    (void)h;
    return SWG_OK;
}

static swg_arch expert_arch(void)
{
    static const char *const types[] = {"experts", NULL};
    static const swg_required_row nothing[] = {{NULL, NULL}};
    swg_arch arch = arch_of_rows(expert_rows, sizeof expert_rows / sizeof expert_rows[0]);
    arch.model_types = types;
    arch.hparams = expert_hparams;
    arch.n_hparams = sizeof expert_hparams / sizeof expert_hparams[0];
    arch.required = nothing;
    arch.check = check_nothing;
    return arch;
}

/* [n_experts, rows, cols], or a tensor per expert. */
static void add_experts(sample *s, bool is_stacked, unsigned layer, const char *name,
                        uint64_t rows, uint64_t cols)
{
    const swg_scheme f32 = swg_scheme_plain(SWG_F32);
    char text[64];
    for (unsigned e = 0; !is_stacked && e < EXPERTS; e++) {
        snprintf(text, sizeof text, "model.layers.%u.experts.%u.%s.weight", layer, e, name);
        sample_add(s, text, f32, 2, rows, cols);
    }
    if (!is_stacked)
        return;
    snprintf(text, sizeof text, "model.layers.%u.experts.%s", layer, name);
    sample_add(s, text, f32, 2, EXPERTS * rows, cols);
    swg_tensor_desc *desc = &s->tensors[s->n_tensors - 1];
    desc->rank = 3;
    desc->shape[0] = EXPERTS;
    desc->shape[1] = rows;
    desc->shape[2] = cols;
}

static void fill_experts(sample *s, bool is_stacked)
{
    static const char config[] =
        "{\"model_type\": \"experts\", \"num_hidden_layers\": 2, \"hidden_size\": 32,"
        " \"intermediate_size\": 48, \"vocab_size\": 29, \"num_experts\": 3,"
        " \"num_experts_per_tok\": 2}";
    const swg_scheme f32 = swg_scheme_plain(SWG_F32);
    char text[64];
    sample_init(s);
    s->meta = (swg_sink_meta){.config = config, .config_length = strlen(config)};
    sample_add(s, "embed.weight", f32, 2, VOCAB, DIM);
    sample_add(s, "norm.weight", f32, 1, DIM, 0);
    for (unsigned layer = 0; layer < LAYERS; layer++) {
        snprintf(text, sizeof text, "model.layers.%u.router.weight", layer);
        sample_add(s, text, f32, 2, EXPERTS, DIM);
        add_experts(s, is_stacked, layer, "gate_up", 2 * HIDDEN, DIM);
        add_experts(s, is_stacked, layer, "down", DIM, HIDDEN);
    }
}

/* Row `row` of a weight is the row of that tensor of the checkpoint. */
static void check_row(const swg_model *model, const sample *s, swg_role role, size_t layer,
                      size_t expert, size_t row, bool is_stacked)
{
    const swg_weight *weight = swg_model_expert(model, role, layer, expert);
    ck_assert_ptr_nonnull(weight);
    ck_assert_uint_eq(weight->layer, layer);
    ck_assert_uint_eq(weight->expert, expert);
    const bool is_down = role == SWG_ROLE_EXPERT_DOWN;
    const size_t rows_of_one = is_down ? DIM : 2 * HIDDEN;
    const size_t first = (is_stacked ? expert * rows_of_one : 0) +
                         (role == SWG_ROLE_EXPERT_UP ? HIDDEN : 0);
    ck_assert_uint_eq(weight->first_row, first);
    const float *wanted = (const float *)s->planes[index_of(s, weight->tensor)][0];
    float got[HIDDEN];
    model->backend->weights->row_f32(weight, row, got);
    ck_assert_mem_eq(got, wanted + (first + row) * weight->k, weight->k * sizeof *got);
}

START_TEST(experts_are_found_stacked_or_apart)
{
    const bool is_stacked = _i == 1;
    const swg_arch arch = expert_arch();
    sample s;
    swg_model *model = NULL;
    fill_experts(&s, is_stacked);
    ck_ok(load(&s, swg_test_path("experts.swg"), &arch, &model));
    for (size_t layer = 0; layer < LAYERS; layer++)
        for (size_t e = 0; e < EXPERTS; e++) {
            check_row(model, &s, SWG_ROLE_EXPERT_GATE, layer, e, HIDDEN - 1, is_stacked);
            check_row(model, &s, SWG_ROLE_EXPERT_UP, layer, e, 0, is_stacked);
            check_row(model, &s, SWG_ROLE_EXPERT_DOWN, layer, e, DIM - 1, is_stacked);
        }
    /* A token computes with the router and with two of three experts. */
    const uint64_t of_expert = 3 * (uint64_t)DIM * HIDDEN, of_router = EXPERTS * DIM;
    ck_assert_uint_eq(swg_model_ops_per_token(model),
                      2 * LAYERS * (of_router + ACTIVE * of_expert));
    ck_assert_uint_eq(model->n_parameters, VOCAB * DIM + DIM +
                                               LAYERS * (of_router + EXPERTS * of_expert));
    /* A tensor replaces the weights of all experts that it has. */
    const size_t down = index_of(&s, swg_model_expert(model, SWG_ROLE_EXPERT_DOWN, 1, 2)->tensor);
    ((float *)s.planes[down][0])[0] = 7.5f;
    ck_ok(swg_model_replace_tensor(model, &s.tensors[down], (const void *const *)s.planes[down]));
    for (size_t e = 0; e < EXPERTS; e++)
        if (is_stacked || e == 2)
            check_row(model, &s, SWG_ROLE_EXPERT_DOWN, 1, e, 0, is_stacked);
    swg_model_free(&model);
    sample_deinit(&s);
}
END_TEST

START_TEST(experts_that_do_not_fit_are_refused)
{
    const swg_arch arch = expert_arch();
    sample s;
    swg_model *model = NULL;
    fill_experts(&s, false);
    sample_remove(&s, index_of(&s, "model.layers.1.experts.2.down.weight"));
    ck_status_is(SWG_CORRUPT, load(&s, swg_test_path("missing.swg"), &arch, &model));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "model.layers.1.experts.2.down.weight"));
    sample_deinit(&s);
    fill_experts(&s, true);
    s.tensors[index_of(&s, "model.layers.1.experts.down")].shape[0]--;
    ck_status_is(SWG_CORRUPT, load(&s, swg_test_path("few.swg"), &arch, &model));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "[2, 32, 48]; config.json implies [3, 32, "));
    sample_deinit(&s);
    fill_experts(&s, false);
    sample_add(&s, "model.layers.0.experts.3.down.weight", swg_scheme_plain(SWG_F32), 2, DIM,
               HIDDEN);
    ck_status_is(SWG_UNSUPPORTED, load(&s, swg_test_path("many.swg"), &arch, &model));
    ck_assert_ptr_nonnull(strstr(swg_error_message(), "experts.3.down"));
    sample_deinit(&s);
}
END_TEST

/* --- Names and order -------------------------------------------------------------------------- */

START_TEST(patterns_name_and_match)
{
    char name[SWG_TENSOR_NAME_BYTES];
    uint64_t layer, expert;
    const char *pattern = "{P}h.{L}.e.{E}.w|other.{L}";
    const char *next = swg_tensor_row_name(pattern, "model.", 12, 7, name);
    ck_assert_str_eq(name, "model.h.12.e.7.w");
    ck_assert_str_eq(next, "other.{L}");
    ck_assert_ptr_null(swg_tensor_row_name(next, "", 3, 0, name));
    ck_assert_str_eq(name, "other.3");
    ck_assert(swg_tensor_row_matches(pattern, "model.", "model.h.12.e.7.w", &layer, &expert));
    ck_assert_uint_eq(layer, 12);
    ck_assert_uint_eq(expert, 7);
    static const char *const wrong[] = {"model.h.12.e.7.w|", "model.h.12.e..w", "h.12.e.7.w",
                                        "model.h.12.e.07.w", "model.h.12.e.7", "other.3", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(!swg_tensor_row_matches(pattern, "model.", wrong[i], &layer, &expert), "%s",
                      wrong[i]);
    ck_assert(swg_tensor_pattern_is_stacked(SWG_ROLE_EXPERT_UP, "a.{L}|a.{E}"));
    ck_assert(!swg_tensor_pattern_is_stacked(SWG_ROLE_EXPERT_UP, "a.{E}|a.{L}"));
    ck_assert(!swg_tensor_pattern_is_stacked(SWG_ROLE_QUERY, "a.{L}"));
}
END_TEST

/* The whole order of a model with experts: layer by layer, expert by expert. */
START_TEST(weights_are_visited_layer_by_layer_and_expert_by_expert)
{
    const swg_arch arch = expert_arch();
    const swg_hparams h = {.n_layers = LAYERS, .experts.count = EXPERTS};
    size_t last = swg_tensor_row_order(&arch, &h, &arch.tensors[0], 0, 0);
    for (size_t layer = 0; layer < LAYERS; layer++) {
        const size_t router = swg_tensor_row_order(&arch, &h, &arch.tensors[1], layer, 0);
        ck_assert_uint_gt(router, last);
        last = router;
        for (size_t e = 0; e < EXPERTS; e++)
            for (size_t i = 2; i < 5; i++) {
                const size_t at = swg_tensor_row_order(&arch, &h, &arch.tensors[i], layer, e);
                ck_assert_uint_gt(at, last);
                last = at;
            }
    }
    ck_assert_uint_gt(swg_tensor_row_order(&arch, &h, &arch.tensors[5], 0, 0), last);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("tensor_rows");
    TCase *cases = tcase_create("rows");
    tcase_add_loop_test(cases, parts_of_unequal_size_are_taken_apart, 0,
                        sizeof schemes / sizeof schemes[0]);
    tcase_add_loop_test(cases, experts_are_found_stacked_or_apart, 0, 2);
    tcase_add_test(cases, experts_that_do_not_fit_are_refused);
    tcase_add_test(cases, patterns_name_and_match);
    tcase_add_test(cases, weights_are_visited_layer_by_layer_and_expert_by_expert);
    suite_add_tcase(suite, cases);
    return suite;
}
