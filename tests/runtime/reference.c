/* See reference.h. */
#include "tests/runtime/reference.h"

swg_model *load_model(const char *path, swg_pool *pool)
{
    swg_source *source = NULL;
    swg_model *model = NULL;
    ck_ok(swg_source_open(path, NULL, &source));
    const swg_model_options options = {.size = sizeof options, .pool = pool};
    ck_ok(swg_model_load(source, &options, &model));
    swg_source_close(&source);
    return model;
}

size_t output_rows(const swg_model *model, size_t n)
{
    return model->hparams.one_output ? 1 : n;
}

float *run_typed(const swg_model *model, swg_pool *pool, const swg_exec_options *given,
                 const int32_t *ids, const int32_t *types, size_t n)
{
    swg_exec *exec = NULL;
    swg_exec_options options = given ? *given : swg_exec_options_default();
    if (options.context == 0)
        options.context = n;
    const size_t columns = (size_t)model->hparams.n_outputs;
    float *logits = swg_calloc(output_rows(model, n) * columns, sizeof *logits);
    ck_assert_ptr_nonnull(logits);
    ck_ok(swg_exec_new(model, pool, &options, &exec));
    if (model->hparams.is_encoder)
        ck_ok(swg_exec_encode(exec, ids, types, n, logits));
    else
        ck_ok(swg_exec_run(exec, ids, n, 0, logits));
    swg_exec_free(&exec);
    return logits;
}

float *run_all(const swg_model *model, swg_pool *pool, const swg_exec_options *options,
               const int32_t *ids, size_t n)
{
    return run_typed(model, pool, options, ids, NULL, n);
}

static size_t read_numbers(const swg_json *list, int32_t *out)
{
    size_t n = 0;
    for (const swg_json *v = swg_json_first(list); v; v = swg_json_next(v)) {
        int64_t id = -1;
        ck_assert(swg_json_as_int(v, &id) && n < MAX_REFERENCE_IDS);
        out[n++] = (int32_t)id;
    }
    return n;
}

void read_reference(const char *folder, reference *out)
{
    char path[1024];
    size_t length;
    snprintf(path, sizeof path, "%s/reference.json", folder);
    char *text = (char *)swg_test_read_file(path, &length);
    swg_json_doc *doc = NULL;
    ck_ok(swg_json_parse(text, length, path, &doc));
    const swg_json *root = swg_json_root(doc);
    *out = (reference){.mean_nll = NAN};
    out->n = read_numbers(swg_json_get(root, "input_ids"), out->ids);
    const swg_json *types = swg_json_get(root, "token_type_ids");
    ck_assert(!types || read_numbers(types, out->types) == out->n);
    swg_json_as_double(swg_json_get(root, "mean_nll"), &out->mean_nll);
    swg_json_free(&doc);
    swg_free(text);
    snprintf(path, sizeof path, "%s/reference_logits.f32", folder);
    out->logits = (float *)swg_test_read_file(path, &length);
    out->n_logits = length / sizeof(float);
}

static double mean_nll_of(const float *logits, const int32_t *ids, size_t n, size_t vocab)
{
    double sum = 0;
    for (size_t t = 0; t + 1 < n; t++) {
        double total = 0;
        for (size_t i = 0; i < vocab; i++)
            total += exp((double)logits[t * vocab + i]);
        sum += log(total) - (double)logits[t * vocab + (size_t)ids[t + 1]];
    }
    return sum / (double)(n - 1);
}

double largest_difference(const float *a, const float *b, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++)
        worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
    return worst;
}

void agree_with_reference(const char *path, const char *folder, double bound, const char *what)
{
    reference wanted;
    read_reference(folder, &wanted);
    swg_model *model = load_model(path, NULL);
    const size_t columns = (size_t)model->hparams.n_outputs;
    const size_t rows = output_rows(model, wanted.n);
    ck_assert_uint_eq(wanted.n_logits, rows * columns);
    float *got = run_typed(model, NULL, NULL, wanted.ids, wanted.types, wanted.n);
    const double worst = largest_difference(got, wanted.logits, wanted.n_logits);
    printf("%s: largest difference of %zu x %zu logits %.3g\n", what, rows, columns, worst);
    ck_assert_double_le(worst, bound);
    if (!isnan(wanted.mean_nll)) {
        const double nll = mean_nll_of(got, wanted.ids, wanted.n, columns);
        ck_assert_double_le(fabs(nll - wanted.mean_nll), 1e-5 * wanted.mean_nll);
    }
    swg_free(got);
    swg_free(wanted.logits);
    swg_model_free(&model);
}
