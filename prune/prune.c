/* The table of methods, what a sparsity means for a shape, and pruning as a plan says. See
 * prune.h. */
#include "prune/prune.h"

#include <math.h>
#include <string.h>

#include "prune/refit.h"
#include "quantize/method_words.h"
#include "quantize/second_order.h"
#include "runtime/base/mem.h"
#include "runtime/base/notice.h"
#include "runtime/base/progress.h"
#include "runtime/base/sparse_pack.h"

enum { NO_STATS = false, STATS = true, SAME = false, REFIT = true };
enum { ROW = SWG_PRUNE_BY_ROW, MATRIX = SWG_PRUNE_BY_MATRIX };

static const struct {
    const char *name, *parameters;
    bool needs_stats, refits;
    swg_prune_scope scope;
    swg_prune_function *prune;
} methods[] = {
#define SWG_PRUNE_METHOD(name, needs, scope, rest, parameters, meaning)                            \
    {#name, parameters, needs, rest, (swg_prune_scope)scope, swg_prune__##name},
#include "prune/prune_methods.def"
#undef SWG_PRUNE_METHOD
};

const char *swg_prune_method_name(swg_prune_method method)
{
    return methods[method].name;
}

bool swg_prune_method_needs_stats(swg_prune_method method)
{
    return methods[method].needs_stats;
}

swg_prune_scope swg_prune_method_scope(swg_prune_method method)
{
    return methods[method].scope;
}

swg_status swg_prune_method_find(const char *name, swg_prune_method *out)
{
    const char *names[SWG_PRUNE_METHOD_COUNT];
    size_t found = 0;
    for (int i = 0; i < SWG_PRUNE_METHOD_COUNT; i++)
        names[i] = methods[i].name;
    if (name)
        SWG_TRY(swg_method_find("pruning method", name, names, SWG_PRUNE_METHOD_COUNT, &found));
    *out = (swg_prune_method)found;
    return SWG_OK;
}

swg_status swg_prune_method_check(swg_prune_method method, const swg_parameter *parameters,
                                  size_t n)
{
    return swg_method_check_parameters(methods[method].name, methods[method].parameters, parameters,
                                       n);
}

void swg_prune_note_damping(const char *name, double asked, double used)
{
    if (used > asked)
        swg_notice("tensor %s: the input statistics were factorized with a damping of %g instead "
                   "of %g; a longer calibration text would need less",
                   name, used, asked);
}

/* --- Shapes ----------------------------------------------------------------------------------- */

swg_status swg_sparsity_check(swg_sparsity sparsity, const char *name, uint64_t rows, uint64_t cols)
{
    if (!(sparsity.ratio >= 0 && sparsity.ratio < 1))
        return swg_error(SWG_USAGE,
                         "tensor %s: a sparsity of %g is not a fraction from 0 to less than 1",
                         name, sparsity.ratio);
    if (sparsity.m && (sparsity.n == 0 || sparsity.n >= sparsity.m))
        return swg_error(SWG_USAGE, "tensor %s: pattern %u:%u keeps none or all of %u weights",
                         name, sparsity.n, sparsity.m, sparsity.m);
    if (sparsity.m && cols % sparsity.m != 0)
        return swg_error(SWG_USAGE,
                         "tensor %s: pattern %u:%u does not divide its rows of %llu columns", name,
                         sparsity.n, sparsity.m, (unsigned long long)cols);
    if (sparsity.block && rows % sparsity.block != 0)
        return swg_error(SWG_USAGE, "tensor %s: blocks of %u rows do not divide its %llu rows",
                         name, sparsity.block, (unsigned long long)rows);
    return SWG_OK;
}

uint64_t swg_sparsity_zeros(swg_sparsity sparsity, swg_prune_scope scope, uint64_t rows,
                            uint64_t cols)
{
    if (sparsity.m)
        return rows * cols / sparsity.m * (uint64_t)(sparsity.m - sparsity.n);
    const uint64_t unit = sparsity.block ? sparsity.block : 1, n = rows / unit;
    const uint64_t count = scope == SWG_PRUNE_BY_ROW
                               ? n * (uint64_t)floor((double)cols * sparsity.ratio)
                               : (uint64_t)floor((double)n * (double)cols * sparsity.ratio);
    return count * unit;
}

/* --- One matrix ------------------------------------------------------------------------------- */

swg_status swg_prune_tensor(swg_prune_method method, const swg_prune_job *job, float *w,
                            bool *is_zero)
{
    SWG_TRY(swg_sparsity_check(job->sparsity, job->name, job->rows, job->cols));
    if (methods[method].needs_stats && !job->stats)
        return swg_error(SWG_FAILED, "tensor %s: method %s needs statistics of the layer's inputs",
                         job->name, methods[method].name);
    if (methods[method].needs_stats && job->stats->k != job->cols)
        return swg_error(SWG_FAILED, "tensor %s has %zu columns; the statistics are of %zu",
                         job->name, job->cols, job->stats->k);
    for (size_t i = 0; i < job->rows * job->cols; i++)
        if (!isfinite(w[i]))
            return swg_error(SWG_CORRUPT, "tensor %s: the weight of row %zu, column %zu is %s",
                             job->name, i / job->cols, i % job->cols,
                             isnan(w[i]) ? "NaN" : "infinite");
    if (swg_is_interrupted())
        return swg_error(SWG_INTERRUPTED, "interrupted while pruning tensor %s", job->name);
    return methods[method].prune(job, w, is_zero);
}

/* --- Checkpoints ------------------------------------------------------------------------------ */

/* Zeros of the source, by the mask of the job, in weights w that are a target and may have filled
 * them: 0 again, and the others refitted, so that they are the target of what is removed in
 * addition. */
static swg_status restore_zeros(const swg_quantize_job *from, float *w)
{
    enum { STEPS = 24 };
    const size_t rows = (size_t)from->rows, cols = (size_t)from->cols;
    swg_refit refit = {0};
    float *target = NULL;
    bool *is_zero = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW_UNINIT(target, rows * cols));
    SWG_GO(SWG_NEW_UNINIT(is_zero, rows * cols));
    memcpy(target, w, rows * cols * sizeof *w);
    for (size_t r = 0; r < rows; r++)
        swg_quantize_job_mask_row(from, r, w + r * cols);
    for (size_t i = 0; i < rows * cols; i++)
        is_zero[i] = w[i] == 0;
    SWG_GO(swg_refit_init(&refit, from->stats->hessian, cols, SWG_DAMPING_DEFAULT));
    SWG_GO(swg_refit_run(&refit, target, is_zero, rows, STEPS, from->pool, w));
done:
    swg_refit_deinit(&refit);
    swg_free(is_zero);
    swg_free(target);
    return status;
}

static swg_status prune_entry(const swg_plan_entry *entry, const swg_quantize_job *from, float *w,
                              bool *is_zero, bool *is_refit)
{
    swg_prune_method method;
    SWG_TRY(swg_prune_method_find(entry->prune, &method));
    if (methods[method].needs_stats && !from->stats)
        return swg_error(SWG_UNSUPPORTED,
                         "tensor %s has no input that statistics could be collected of; prune it "
                         "with the method magnitude",
                         from->name);
    const swg_prune_job job = {.name = from->name,
                               .rows = (size_t)from->rows,
                               .cols = (size_t)from->cols,
                               .sparsity = entry->sparsity,
                               .parameters = entry->prune_parameters,
                               .n_parameters = entry->n_prune_parameters,
                               .stats = from->stats,
                               .pool = from->pool};
    if (from->mask)
        SWG_TRY(restore_zeros(from, w));
    *is_refit = methods[method].refits;
    return swg_prune_tensor(method, &job, w, is_zero);
}

const swg_pruner swg_pruner_by_table = {.prune = prune_entry};

swg_status swg_prune_check_plan(const swg_plan *plan, bool is_calibrated)
{
    for (size_t i = 0; i < plan->n_entries; i++) {
        const swg_plan_entry *entry = &plan->entries[i];
        swg_prune_method method;
        if (swg_sparsity_is_dense(entry->sparsity))
            continue;
        SWG_TRY(swg_prune_method_find(entry->prune, &method));
        SWG_TRY(swg_prune_method_check(method, entry->prune_parameters, entry->n_prune_parameters));
        SWG_TRY(swg_sparsity_check(entry->sparsity, entry->desc.name, entry->desc.shape[0],
                                   entry->desc.shape[1]));
        if (methods[method].needs_stats && !is_calibrated)
            return swg_error(SWG_USAGE,
                             "tensor %s: method %s chooses zeros by what the weights are "
                             "multiplied with: it needs a text, --calibration FILE",
                             entry->desc.name, methods[method].name);
    }
    return SWG_OK;
}

/* --- Storage ---------------------------------------------------------------------------------- */

/* The description of the matrix in a sparse format; false where that cannot have its zeros. */
static bool describe(const swg_plan_entry *entry, swg_weight_format_id format, uint64_t n_zeros,
                     swg_tensor_desc *out)
{
    const swg_sparsity sparsity = entry->sparsity;
    *out = entry->desc;
    out->scheme = entry->dense;
    out->scheme.format = (uint8_t)format;
    if (format == SWG_FORMAT_pairs && !(sparsity.n == 2 && sparsity.m == 4))
        return false;
    if (format == SWG_FORMAT_blocks && !sparsity.block)
        return false;
    out->scheme.block = format == SWG_FORMAT_blocks ? sparsity.block : 0;
    const swg_weight_format *of = swg_weight_format_of(out->scheme);
    const uint64_t kept = swg_tensor_elems(&entry->desc) - n_zeros;
    if (!swg_scheme_equal(swg_sparse_dense(out->scheme), entry->dense))
        return false; /* codes of a codebook are stored dense */
    if (of->is_counted)
        out->n_stored = swg_round_up(kept, of->stored_per_row(out->scheme));
    return swg_tensor_desc_check(out) == SWG_OK;
}

swg_status swg_prune_choose_storage(swg_plan *plan)
{
    static const swg_weight_format_id formats[] = {SWG_FORMAT_pairs, SWG_FORMAT_blocks,
                                                   SWG_FORMAT_sparse};
    for (size_t i = 0; i < plan->n_entries; i++) {
        const swg_plan_entry *entry = &plan->entries[i];
        swg_tensor_desc best = entry->desc, desc;
        swg_prune_method method;
        if (swg_sparsity_is_dense(entry->sparsity))
            continue;
        SWG_TRY(swg_prune_method_find(entry->prune, &method));
        const uint64_t n_zeros = swg_sparsity_zeros(entry->sparsity, methods[method].scope,
                                                    best.shape[0], best.shape[1]);
        for (size_t f = 0; f < sizeof formats / sizeof *formats; f++)
            if (describe(entry, formats[f], n_zeros, &desc) &&
                swg_tensor_bytes(&desc) < swg_tensor_bytes(&best))
                best = desc;
        SWG_TRY(swg_plan_store_as(plan, i, best.scheme, best.n_stored));
    }
    return SWG_OK;
}
