/* The task that finds the tensors or layers by which a model diverges from its base: see swaps.h.
 * Every swap is one run of both models in lockstep over the text. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/model_identity.h"
#include "eval/results.h"
#include "eval/swaps.h"
#include "eval/text_task.h"
#include "runtime/base/mem.h"

/* A small text does: divergences of tensors differ by factors. */
enum { DEFAULT_CONTEXT = 256, DEFAULT_TOKENS = 1024 };

/* Of the swaps of a layer, or of a kind; `first` is one of them. */
typedef struct sum {
    const swg_swap *first;
    double sensitivity;
    size_t n;
} sum;

typedef struct run_state {
    const swg_eval_input *in; /* with this task's defaults */
    swg_source *source, *base;
    swg_swaps *swaps;
    swg_windows windows;
    swg_exec *exec, *exec_ref;
    swg_divergence all, none; /* of the model, and of the host without any swap */
    swg_swap **sorted;        /* by sensitivity, the largest first */
    sum *sums;                /* [swaps] room for them */
    size_t n_read;            /* swaps that the file of records had */
} run_state;

static bool is_into_model(const run_state *r)
{
    return r->in->swap.direction == SWG_SWAP_INTO_MODEL;
}

/* --- Records ---------------------------------------------------------------------------------- */

static swg_status read_record(void *context, const swg_json *root, const char *where)
{
    run_state *r = context;
    const char *name;
    double kld, error;
    if (r->n_read == swg_swaps_count(r->swaps))
        return swg_error(SWG_CORRUPT, "%s: a record beyond the %zu swaps", where, r->n_read);
    swg_swap *swap = swg_swaps_at(r->swaps, r->n_read);
    if (!swg_json_as_string(swg_json_get(root, "name"), &name) || strcmp(name, swap->name) != 0)
        return swg_error(SWG_CORRUPT, "%s: \"name\" is missing or not %s, the next swap", where,
                         swap->name);
    if (!swg_json_as_double(swg_json_get(root, "kld"), &kld))
        return swg_error(SWG_CORRUPT, "%s: \"kld\" is missing or not a number", where);
    swap->kld = kld;
    swap->kld_standard_error =
        swg_json_as_double(swg_json_get(root, "kld_standard_error"), &error) ? error : NAN;
    r->n_read++;
    return SWG_OK;
}

static swg_status open_records(run_state *r)
{
    if (!r->in->records)
        return SWG_OK;
    swg_json_writer *head = &r->in->records->head;
    swg_eval_write_windows(r->in, &r->windows, head);
    swg_json_string(head, "swap", is_into_model(r) ? "into-model" : "into-ref");
    swg_json_string(head, "unit", r->in->swap.by_layer ? "layer" : "tensor");
    return swg_records_open(r->in->records, read_record, r);
}

static swg_status add_record(const run_state *r, const swg_swap *swap)
{
    swg_json_writer json = {.compact = true};
    if (!r->in->records)
        return SWG_OK;
    swg_json_begin_object(&json, NULL);
    swg_json_string(&json, "name", swap->name);
    swg_json_double(&json, "kld", swap->kld);
    swg_json_double(&json, "kld_standard_error", swap->kld_standard_error);
    swg_json_end_object(&json);
    return swg_records_append(r->in->records, &json);
}

/* --- Measuring -------------------------------------------------------------------------------- */

static swg_status diverge(run_state *r, swg_divergence *out)
{
    return swg_divergence_measure(r->exec, r->exec_ref, (size_t)r->in->loaded->model->hparams.vocab,
                                  r->in->loaded->pool, &r->windows, NULL, NULL, out);
}

static swg_status open_all(run_state *r)
{
    const swg_eval_input *in = r->in;
    swg_exec_options options = swg_exec_options_default();
    SWG_TRY(swg_eval_check_vocabularies(in));
    SWG_TRY(swg_source_open(in->swap.model_path, NULL, &r->source));
    SWG_TRY(swg_source_open(in->swap.ref_path, NULL, &r->base));
    SWG_TRY(swg_eval_windows(in, &r->windows));
    options.context = swg_windows_longest(&r->windows);
    options.activations = SWG_ACT_F32;
    SWG_TRY(swg_exec_new(in->loaded->model, in->loaded->pool, &options, &r->exec));
    SWG_TRY(swg_exec_new(in->ref->model, in->loaded->pool, &options, &r->exec_ref));
    SWG_TRY(swg_swaps_new(in->loaded->model, r->source, r->base, in->swap.direction,
                          in->swap.by_layer, &r->swaps));
    return open_records(r);
}

static swg_status measure_swap(run_state *r, size_t index)
{
    swg_divergence divergence;
    swg_swap *swap = swg_swaps_at(r->swaps, index);
    if (index >= r->n_read) {
        SWG_TRY(swg_swaps_apply(r->swaps, index));
        SWG_TRY(diverge(r, &divergence));
        SWG_TRY(swg_swaps_revert(r->swaps, index));
        swap->kld = divergence.kld_mean;
        swap->kld_standard_error = divergence.kld_standard_error;
        SWG_TRY(add_record(r, swap));
    }
    swap->sensitivity = is_into_model(r) ? r->all.kld_mean - swap->kld : swap->kld;
    return SWG_OK;
}

static int compare_swaps(const void *a, const void *b)
{
    const swg_swap *const *x = a, *const *y = b;
    if ((*x)->sensitivity != (*y)->sensitivity)
        return (*x)->sensitivity > (*y)->sensitivity ? -1 : 1;
    return strcmp((*x)->name, (*y)->name);
}

static swg_status measure_all(run_state *r)
{
    const size_t n = swg_swaps_count(r->swaps);
    SWG_TRY(diverge(r, &r->all));
    SWG_TRY(swg_swaps_begin(r->swaps));
    SWG_TRY(diverge(r, &r->none));
    SWG_TRY(SWG_NEW(r->sorted, n));
    SWG_TRY(SWG_NEW(r->sums, n));
    for (size_t i = 0; i < n; i++) {
        SWG_TRY(swg_progress_step(r->in->progress, "swapping", "swaps", i, n));
        SWG_TRY(measure_swap(r, i));
        r->sorted[i] = swg_swaps_at(r->swaps, i);
    }
    SWG_TRY(swg_progress_step(r->in->progress, "swapping", "swaps", n, n));
    qsort(r->sorted, n, sizeof *r->sorted, compare_swaps);
    return SWG_OK;
}

/* --- Report ----------------------------------------------------------------------------------- */

static bool are_alike(const swg_swap *a, const swg_swap *b, bool by_kind)
{
    return by_kind ? strcmp(a->kind, b->kind) == 0 : a->layer == b->layer;
}

static int compare_sums(const void *a, const void *b)
{
    const sum *x = a, *y = b;
    if (x->sensitivity != y->sensitivity)
        return x->sensitivity > y->sensitivity ? -1 : 1;
    return strcmp(x->first->name, y->first->name);
}

/* Sums by layer or kind into `sums` [swaps], the largest first; returns how many. */
static size_t make_sums(const run_state *r, bool by_kind, sum *sums)
{
    size_t n = 0;
    for (size_t i = 0; i < swg_swaps_count(r->swaps); i++) {
        size_t at = 0;
        while (at < n && !are_alike(sums[at].first, r->sorted[i], by_kind))
            at++;
        if (at == n)
            sums[n++] = (sum){.first = r->sorted[i]};
        sums[at].sensitivity += r->sorted[i]->sensitivity;
        sums[at].n++;
    }
    qsort(sums, n, sizeof *sums, compare_sums);
    return n;
}

static void json_sums(const run_state *r, bool by_kind, swg_json_writer *json)
{
    const size_t n = make_sums(r, by_kind, r->sums);
    swg_json_begin_array(json, by_kind ? "kinds" : "layers");
    for (size_t i = 0; i < n; i++) {
        swg_json_begin_object(json, NULL);
        if (by_kind)
            swg_json_string(json, "kind", r->sums[i].first->kind);
        else if (r->sums[i].first->layer >= 0)
            swg_json_int(json, "layer", r->sums[i].first->layer);
        else
            swg_json_null(json, "layer");
        swg_json_double(json, "sensitivity_kld", r->sums[i].sensitivity);
        swg_json_uint(json, "swaps", r->sums[i].n);
        swg_json_end_object(json);
    }
    swg_json_end_array(json);
}

static void report_json(const run_state *r, swg_json_writer *json)
{
    swg_json_string(json, "swap", is_into_model(r) ? "into-model" : "into-ref");
    swg_json_string(json, "unit", r->in->swap.by_layer ? "layer" : "tensor");
    swg_json_double(json, "kld_mean", r->all.kld_mean);
    swg_json_double(json, "kld_mean_standard_error", r->all.kld_standard_error);
    swg_json_double(json, "kld_without_swaps", r->none.kld_mean);
    swg_json_begin_array(json, "tensors");
    for (size_t i = 0; i < swg_swaps_count(r->swaps); i++) {
        const swg_swap *swap = r->sorted[i];
        swg_json_begin_object(json, NULL);
        swg_json_string(json, "name", swap->name);
        if (swap->layer >= 0)
            swg_json_int(json, "layer", swap->layer);
        swg_json_string(json, "kind", swap->kind);
        if (*swap->scheme)
            swg_json_string(json, "scheme", swap->scheme);
        swg_json_uint(json, "parameters", swap->parameters);
        swg_json_double(json, "sensitivity_kld", swap->sensitivity);
        swg_json_double(json, "kld", swap->kld);
        swg_json_double(json, "kld_standard_error", swap->kld_standard_error);
        swg_json_end_object(json);
    }
    swg_json_end_array(json);
    json_sums(r, false, json);
    json_sums(r, true, json);
}

static void text_sums(const run_state *r, bool by_kind, swg_strbuf *text)
{
    const size_t n = make_sums(r, by_kind, r->sums);
    swg_strbuf_printf(text, "\n%-12s  %s\n", "sum", by_kind ? "kind" : "layer");
    for (size_t i = 0; i < n; i++) {
        swg_strbuf_printf(text, "%12.6f  ", r->sums[i].sensitivity);
        if (by_kind)
            swg_strbuf_printf(text, "%s\n", r->sums[i].first->kind);
        else if (r->sums[i].first->layer >= 0)
            swg_strbuf_printf(text, "%lld\n", (long long)r->sums[i].first->layer);
        else
            swg_strbuf_puts(text, "outside of layers\n");
    }
}

static void report_text(const run_state *r, swg_strbuf *text)
{
    swg_strbuf_printf(
        text,
        "divergence    %.6f nats per token with all, %.6f with none (mean KL from the "
        "reference)\n\n%-12s  %s\n",
        is_into_model(r) ? r->none.kld_mean : r->all.kld_mean,
        is_into_model(r) ? 0.0 : r->none.kld_mean, is_into_model(r) ? "gain" : "cost",
        is_into_model(r) ? "restored to the reference's" : "compressed alone");
    for (size_t i = 0; i < swg_swaps_count(r->swaps); i++)
        swg_strbuf_printf(text, "%12.6f  %s%s%s\n", r->sorted[i]->sensitivity, r->sorted[i]->name,
                          *r->sorted[i]->scheme ? "  " : "", r->sorted[i]->scheme);
    if (!r->in->swap.by_layer)
        text_sums(r, false, text);
    if (!r->in->swap.by_layer)
        text_sums(r, true, text);
    swg_strbuf_puts(text, "\n");
}

/* A record for `swage report`, whose heat map shows sensitivity_kld. */
static swg_status append_result(const run_state *r)
{
    swg_status status = SWG_OK;
    swg_result result = swg_result_default();
    swg_result_tensor *tensors = NULL;
    swg_model_identity model, base;
    const size_t n = swg_swaps_count(r->swaps);
    if (!r->in->swap.results)
        return SWG_OK;
    SWG_TRY(swg_model_identify(r->in->swap.model_path, 0, &model));
    SWG_TRY(swg_model_identify(r->in->swap.ref_path, 0, &base));
    SWG_TRY(SWG_NEW(tensors, n));
    for (size_t i = 0; i < n; i++) {
        const swg_swap *swap = r->sorted[i];
        tensors[i] = swg_result_tensor_default();
        tensors[i].name = swap->name;
        tensors[i].layer = swap->layer;
        tensors[i].kind = swap->kind;
        tensors[i].scheme = *swap->scheme ? swap->scheme : NULL;
        tensors[i].parameters = (int64_t)swap->parameters;
        /* Within rounding, and where restoring harms, a gain may lie below 0. */
        tensors[i].sensitivity_kld = fmax(swap->sensitivity, 0);
    }
    result.id = result.model = r->in->swap.model_path;
    result.base_model = r->in->swap.ref_path;
    result.model_hash = model.hash;
    result.base_hash = base.hash;
    result.protocol = swg_protocol_name(r->in->protocol);
    result.context = (int64_t)r->in->context;
    result.tokens_scored = (int64_t)r->all.tokens_scored;
    result.kld_mean = fmax(r->all.kld_mean, 0);
    result.kld_mean_standard_error = r->all.kld_standard_error;
    result.perplexity = r->all.perplexity;
    result.perplexity_ref = r->all.perplexity_ref;
    result.tensors = tensors;
    result.n_tensors = n;
    status = swg_result_append(r->in->swap.results, &result);
    swg_free(tensors);
    return status;
}

static swg_status run(const swg_eval_input *given, swg_eval_report *out)
{
    swg_status status = SWG_OK;
    swg_eval_input in = *given;
    run_state r = {.in = &in};
    if (in.activations != SWG_ACT_F32)
        return swg_error(SWG_USAGE, "sensitivity is that of weights: it is measured with f32 "
                                    "activations only");
    if (in.kv_type != SWG_KV_F32)
        return swg_error(SWG_USAGE, "sensitivity is that of weights: it is measured with an f32 "
                                    "cache only");
    in.context = in.context ? in.context : DEFAULT_CONTEXT;
    in.max_tokens = in.max_tokens ? in.max_tokens : DEFAULT_TOKENS;
    SWG_GO(open_all(&r));
    SWG_GO(measure_all(&r));
    report_json(&r, &out->json);
    report_text(&r, &out->text);
    swg_eval_report_windows(&in, &r.windows, r.all.tokens_scored, out);
    SWG_GO(append_result(&r));
    out->kld_mean = r.all.kld_mean;
done:
    swg_free(r.sums);
    swg_free(r.sorted);
    swg_swaps_free(&r.swaps);
    swg_exec_free(&r.exec_ref);
    swg_exec_free(&r.exec);
    swg_windows_deinit(&r.windows);
    swg_source_close(&r.base);
    swg_source_close(&r.source);
    return status;
}

const swg_eval_task swg_eval_task_sensitivity = {.name = "sensitivity",
                                                 .output = SWG_OUTPUT_NEXT_TOKEN,
                                                 .source = SWG_EVAL_TEXT,
                                                 .needs_reference = true,
                                                 .has_records = true,
                                                 .run = run};
