/* The table of allocations, what they share, and from ratios to rules. See allocate.h. */
#include "prune/allocate.h"

#include <stdio.h>
#include <string.h>

#include "quantize/method_words.h"
#include "runtime/base/mem.h"
#include "runtime/calibration.h"

enum { NO_TEXT = false, TEXT = true };

static const struct {
    const char *name;
    bool needs_text;
    swg_allocate_function *allocate;
} allocations[] = {
#define SWG_ALLOCATION(name, needs, meaning) {#name, needs, swg_allocate__##name},
#include "prune/allocations.def"
#undef SWG_ALLOCATION
};
enum { N_ALLOCATIONS = sizeof allocations / sizeof *allocations };

bool swg_allocation_needs_text(const char *name)
{
    for (size_t i = 0; name && i < N_ALLOCATIONS; i++)
        if (strcmp(allocations[i].name, name) == 0)
            return allocations[i].needs_text;
    return false;
}

/* --- Which matrices --------------------------------------------------------------------------- */

/* Check that what takes part shares one ratio; the number of zeros in total. */
static swg_status add_up(const swg_plan *plan, const char *name, double *total)
{
    const swg_plan_entry *first = NULL;
    *total = 0;
    for (size_t i = 0; i < plan->n_entries; i++) {
        const swg_plan_entry *entry = &plan->entries[i];
        const swg_sparsity sparsity = entry->sparsity;
        if (swg_sparsity_is_dense(sparsity))
            continue;
        if (sparsity.m)
            return swg_error(SWG_USAGE,
                             "tensor %s: pattern %u:%u leaves --allocate %s no ratio to choose",
                             entry->desc.name, sparsity.n, sparsity.m, name);
        first = first ? first : entry;
        if (sparsity.ratio != first->sparsity.ratio || sparsity.block != first->sparsity.block)
            return swg_error(
                SWG_USAGE, "--allocate %s spreads one ratio; tensors %s and %s have %g and %g",
                name, first->desc.name, entry->desc.name, first->sparsity.ratio, sparsity.ratio);
        *total += sparsity.ratio * (double)swg_tensor_elems(&entry->desc);
    }
    return SWG_OK;
}

static swg_status add_rules(const swg_plan *plan, const double *ratios, swg_recipe *recipe)
{
    for (size_t i = 0; i < plan->n_entries; i++) {
        const swg_plan_entry *entry = &plan->entries[i];
        swg_recipe_rule rule = {
            .tensors = &entry->desc.name,
            .n_tensors = 1,
            .setting = {.given = SWG_RECIPE_SPARSITY, .sparsity = entry->sparsity},
            .origin = "--allocate"};
        if (swg_sparsity_is_dense(entry->sparsity))
            continue;
        rule.setting.sparsity.ratio = ratios[i];
        SWG_TRY(swg_recipe_add_rule(recipe, &rule));
    }
    return SWG_OK;
}

swg_status swg_allocate_sparsity(const char *name, const swg_allocation_job *job,
                                 swg_recipe *recipe)
{
    const char *names[N_ALLOCATIONS];
    size_t found = 0;
    double total, *ratios = NULL;
    swg_status status = SWG_OK;
    for (size_t i = 0; i < N_ALLOCATIONS; i++)
        names[i] = allocations[i].name;
    SWG_TRY(swg_method_find("allocation", name, names, N_ALLOCATIONS, &found));
    if (allocations[found].needs_text && !job->text)
        return swg_error(SWG_USAGE,
                         "--allocate %s measures layers on a text: it needs --calibration FILE",
                         name);
    SWG_TRY(add_up(job->plan, name, &total));
    SWG_GO(SWG_NEW(ratios, job->plan->n_entries));
    SWG_GO(allocations[found].allocate(job, total, ratios));
    SWG_GO(add_rules(job->plan, ratios, recipe));
done:
    swg_free(ratios);
    return status;
}

/* --- Running the model ------------------------------------------------------------------------ */

typedef struct visit_run {
    const swg_allocation_job *job;
    swg_model *model;
    swg_calibration *calibration;
    swg_allocation_visitor *visit;
    void *context;
    bool *is_seen; /* [n_entries] */
} visit_run;

/* The first weight of the layer that comes from the tensor and was observed. */
static const swg_layer_stats *stats_of(const visit_run *run, const char *tensor, size_t layer)
{
    for (size_t i = 0; i < run->model->n_weights; i++) {
        const swg_weight *weight = &run->model->weights[i];
        if (weight->n == 0 || !weight->tensor || weight->layer != layer ||
            strcmp(weight->tensor, tensor) != 0)
            continue;
        const swg_layer_stats *stats = swg_calibration_stats(run->calibration, weight);
        if (stats)
            return stats;
    }
    return NULL;
}

static swg_status visit_layer(visit_run *run, size_t layer)
{
    const swg_plan *plan = run->job->plan;
    for (size_t i = 0; i < plan->n_entries; i++) {
        const swg_tensor_desc *desc = &plan->entries[i].desc;
        if (swg_sparsity_is_dense(plan->entries[i].sparsity))
            continue;
        const swg_layer_stats *stats = stats_of(run, desc->name, layer);
        float *w;
        if (!stats)
            continue;
        SWG_TRY(SWG_NEW_UNINIT(w, (size_t)swg_tensor_elems(desc)));
        swg_status status = swg_source_read_f32(run->job->source, i, 0, desc->shape[0], w);
        if (status == SWG_OK)
            status = run->visit(run->context, i, layer, w, stats);
        swg_free(w);
        swg_source_release(run->job->source, i);
        SWG_TRY(status);
        run->is_seen[i] = true;
    }
    return SWG_OK;
}

static swg_status walk(visit_run *run, bool needs_hessians)
{
    const swg_allocation_job *job = run->job;
    swg_model_options model_options = swg_model_options_default();
    model_options.pool = job->pool;
    model_options.backend = job->text->device;
    SWG_TRY(swg_model_open(job->source, &model_options, &run->model));
    const size_t n_layers = (size_t)run->model->hparams.n_layers;
    SWG_TRY(swg_model_load_layer(run->model, n_layers));
    swg_calibration_options options = swg_calibration_options_default();
    options.pool = job->pool;
    options.no_hessians = !needs_hessians;
    SWG_TRY(swg_calibration_new(run->model, job->text->ids, job->text->n_windows, job->text->window,
                                &options, &run->calibration));
    for (size_t layer = 0; layer < n_layers; layer++) {
        SWG_TRY(swg_progress_step(job->progress, "measuring layers", "layers", layer, n_layers));
        SWG_TRY(swg_model_load_layer(run->model, layer));
        SWG_TRY(swg_calibration_observe(run->calibration, layer));
        SWG_TRY(visit_layer(run, layer));
        SWG_TRY(swg_calibration_advance(run->calibration, layer));
        swg_model_release_layer(run->model, layer);
    }
    for (size_t i = 0; i < job->plan->n_entries; i++)
        if (!swg_sparsity_is_dense(job->plan->entries[i].sparsity) && !run->is_seen[i])
            return swg_error(SWG_UNSUPPORTED,
                             "tensor %s is not a weight of a layer, and what pruning it costs "
                             "cannot be measured",
                             job->plan->entries[i].desc.name);
    return SWG_OK;
}

swg_status swg_allocation_visit(const swg_allocation_job *job, bool needs_hessians,
                                swg_allocation_visitor *visit, void *context)
{
    visit_run run = {.job = job, .visit = visit, .context = context};
    SWG_TRY(SWG_NEW(run.is_seen, job->plan->n_entries));
    const swg_status status = walk(&run, needs_hessians);
    swg_free(run.is_seen);
    swg_calibration_free(&run.calibration);
    swg_model_free(&run.model);
    return status;
}
