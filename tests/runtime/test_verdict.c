/* The verdict about a checkpoint, without the command line: findings, allocations that fail; and
 * models of float64, which run like those of float32. */
#include <string.h>

#include "runtime/exec.h"
#include "runtime/verdict.h"
#include "tests/formats/tiny_llama.h"

enum { VOCAB = 7 };

static const tiny_llama shape = {.dim = 32,
                                 .hidden = 32,
                                 .vocab = VOCAB,
                                 .heads = 2,
                                 .kv_heads = 1,
                                 .spread = 0.3f,
                                 .scheme = {.dtype = SWG_F32}};
static const swg_sink_options replace = {.size = sizeof replace, .force = true};

static swg_status judge(void *path)
{
    swg_source *source = NULL;
    swg_verdict verdict;
    SWG_TRY(swg_source_open(path, NULL, &source));
    swg_status status = swg_verdict_make(source, &verdict);
    swg_source_close(&source);
    if (status == SWG_OK)
        ck_assert(verdict.runs);
    return status;
}

START_TEST(failing_allocations_are_survived)
{
    tiny_llama t = shape;
    sample s;
    char path[1024];
    snprintf(path, sizeof path, "%s", swg_test_path("verdict.swg"));
    tiny_llama_fill(&t, &s);
    tiny_llama_add_tokenizer(&s);
    ck_ok(sample_write(&s, path, &replace));
    sample_deinit(&s);
    swg_test_each_allocation_fails(judge, path);
}
END_TEST

START_TEST(remarks_do_not_prevent_running)
{
    tiny_llama t = shape;
    sample s;
    swg_source *source = NULL;
    swg_verdict verdict;
    tiny_llama_fill(&t, &s);
    for (size_t k = 0; k < s.n_tensors; k++) {
        char name[64];
        snprintf(name, sizeof name, "module._orig_mod.%s", s.names[k]);
        memcpy(s.names[k], name, sizeof name);
    }
    ck_ok(sample_write(&s, swg_test_path("wrapped.swg"), &replace));
    ck_ok(swg_source_open(swg_test_path("wrapped.swg"), NULL, &source));
    ck_assert_str_eq(swg_source_removed_prefix(source), "module._orig_mod.");
    ck_ok(swg_verdict_make(source, &verdict));
    ck_assert(verdict.runs);
    ck_assert_ptr_null(swg_verdict_obstacle(&verdict));
    ck_assert_str_eq(verdict.architecture, "llama");
    ck_assert_uint_eq(verdict.n_findings, 2);
    ck_assert_str_eq(verdict.findings[0].subject, "names");
    ck_assert(verdict.findings[0].is_change);
    ck_assert_str_eq(verdict.findings[1].subject, "tokenizer");
    ck_assert(!verdict.findings[1].is_change);
    swg_source_close(&source);
    sample_deinit(&s);
}
END_TEST

/* The same numbers in float64. */
static void widen(sample *s)
{
    for (size_t i = 0; i < s->n_tensors; i++) {
        swg_tensor_desc *desc = &s->tensors[i];
        const size_t n = (size_t)swg_tensor_elems(desc);
        const float *narrow = (const float *)(const void *)s->planes[i][SWG_PLANE_VALUES];
        double *wide = swg_malloc(n, sizeof *wide);
        ck_assert_ptr_nonnull(wide);
        for (size_t k = 0; k < n; k++)
            wide[k] = narrow[k];
        swg_free(s->planes[i][SWG_PLANE_VALUES]);
        s->planes[i][SWG_PLANE_VALUES] = (uint8_t *)wide;
        desc->scheme = swg_scheme_plain(SWG_F64);
    }
}

static void run_model(const sample *s, float logits[VOCAB])
{
    swg_source *source = NULL;
    swg_model *model = NULL;
    swg_exec *exec = NULL;
    const swg_exec_options how = {.size = sizeof how, .context = 1};
    ck_ok(sample_write(s, swg_test_path("numbers.swg"), &replace));
    ck_ok(swg_source_open(swg_test_path("numbers.swg"), NULL, &source));
    ck_ok(swg_model_load(source, NULL, &model));
    ck_ok(swg_exec_new(model, NULL, &how, &exec));
    ck_ok(swg_exec_run(exec, (int32_t[]){3}, 1, 0, logits));
    swg_exec_free(&exec);
    swg_model_free(&model);
    swg_source_close(&source);
}

START_TEST(float64_runs_as_float32)
{
    tiny_llama t = shape;
    sample s;
    float narrow[VOCAB], wide[VOCAB];
    tiny_llama_fill(&t, &s);
    run_model(&s, narrow);
    widen(&s);
    run_model(&s, wide);
    ck_assert_mem_eq(narrow, wide, sizeof narrow);
    sample_deinit(&s);
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("verdict");
    TCase *cases = tcase_create("verdict");
    tcase_add_test(cases, failing_allocations_are_survived);
    tcase_add_test(cases, remarks_do_not_prevent_running);
    tcase_add_test(cases, float64_runs_as_float32);
    suite_add_tcase(suite, cases);
    return suite;
}
