/* Layer by layer from a source to a sink. See calibrated.h. */
#include "quantize/calibrated.h"

#include <stdlib.h>
#include <string.h>

#include "quantize/transfer.h"
#include "runtime/base/mem.h"
#include "runtime/calibration.h"
#include "runtime/paired_calibration.h"

/* --- Order ------------------------------------------------------------------------------------ */

/* When a tensor is processed: its layer, one after the last for other quantized matrices, or later.
 */
static size_t turn_of(const swg_plan_entry *entry, const swg_tensor_use *use)
{
    if (!swg_plan_entry_changes(entry) || use->kind != SWG_USE_WEIGHT)
        return SIZE_MAX;
    return use->is_per_layer ? use->layer : SIZE_MAX - 1;
}

typedef struct turn {
    size_t turn, place, entry;
} turn;

static int compare_turns(const void *a, const void *b)
{
    const turn *x = a, *y = b;
    if (x->turn != y->turn)
        return x->turn < y->turn ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

swg_status swg_quantize_order_by_layers(const swg_tensor_use *uses, swg_plan *plan)
{
    const size_t n = plan->n_entries;
    turn *turns;
    if (!uses)
        return swg_error(SWG_UNSUPPORTED,
                         "calibration runs the model, and its architecture is not one "
                         "that swage can run");
    SWG_TRY(SWG_NEW(turns, n));
    for (size_t place = 0; place < n; place++) {
        const size_t i = plan->order[place];
        turns[place] = (turn){turn_of(&plan->entries[i], &uses[i]), place, i};
    }
    qsort(turns, n, sizeof *turns, compare_turns);
    for (size_t place = 0; place < n; place++)
        plan->order[place] = turns[place].entry;
    swg_free(turns);
    return SWG_OK;
}

/* --- Work ------------------------------------------------------------------------------------- */

typedef struct run {
    swg_source *source;
    const swg_plan *plan;
    const swg_quantize_options *options;
    swg_sink *sink;
    swg_tensor_report *reports;
    swg_model *model;
    swg_calibration *calibration; /* or, with the original beside: */
    swg_model *original;
    swg_paired_calibration *pair;
    const swg_paired_input *head; /* once the layers are done */
    bool *is_written;             /* [n_entries], by place */
    bool reads_nothing;           /* the journal has everything that would need the text */
    uint64_t done_bytes;
} run;

/* Whether the weight has that input. */
static bool has_input(const swg_weight *weight, const swg_paired_input *in)
{
    for (size_t i = 0; in && i < in->n_weights; i++)
        if (in->weights[i] == weight)
            return true;
    return false;
}

/* Statistics of the weight's input; NULL when there are none (any more, or, beside the original, of
 * a layer's). */
static const swg_layer_stats *stats_of(const run *r, const swg_weight *weight)
{
    if (r->calibration)
        return swg_calibration_stats(r->calibration, weight);
    return has_input(weight, r->head) ? &r->head->stats : NULL;
}

/* A weight that comes from the tensor: the first with statistics, else any. NULL when the tensor is
 * not a weight (a bias, a norm, a buffer). */
static const swg_weight *weight_of(const run *r, const char *tensor)
{
    const swg_weight *found = NULL;
    for (size_t i = 0; i < r->model->n_weights; i++) {
        const swg_weight *weight = &r->model->weights[i];
        if (weight->n == 0 || !weight->tensor || strcmp(weight->tensor, tensor) != 0)
            continue;
        found = weight;
        if (stats_of(r, weight))
            break;
    }
    return found;
}

/* Whether the weight is part of that layer; `layer` = n_layers: of no layer. */
static bool is_in_layer(const run *r, const swg_weight *weight, size_t layer)
{
    const bool is_outside = swg_role_scope_of(weight->role) == SWG_PER_MODEL;
    return is_outside ? layer == (size_t)r->model->hparams.n_layers : weight->layer == layer;
}

static swg_status write_tensor(run *r, size_t place, swg_transfer_means means)
{
    swg_tensor_report *report = &r->reports[r->plan->order[place]];
    SWG_TRY(
        swg_progress_step(r->options->progress, "quantizing", "B", r->done_bytes, r->plan->bytes));
    SWG_TRY(swg_transfer_tensor(r->source, r->plan, place, r->options, means, r->sink, report));
    r->is_written[place] = true;
    r->done_bytes += report->stats.bytes;
    return SWG_OK;
}

/* Quantize the matrices of a layer that was just observed. */
static swg_status quantize_layer(run *r, size_t layer)
{
    for (size_t place = 0; place < r->plan->n_entries; place++) {
        const swg_plan_entry *entry = &r->plan->entries[r->plan->order[place]];
        const swg_weight *weight =
            swg_plan_entry_changes(entry) ? weight_of(r, entry->desc.name) : NULL;
        if (r->is_written[place] || !weight || !is_in_layer(r, weight, layer))
            continue;
        const swg_transfer_means means = {.stats = stats_of(r, weight),
                                          .model = r->reads_nothing ? NULL : r->model};
        SWG_TRY(write_tensor(r, place, means));
    }
    return SWG_OK;
}

/* Whether the journal has all matrices of the layer that are still to be written. */
static bool is_finished(const run *r, size_t layer)
{
    for (size_t place = 0; place < r->plan->n_entries; place++) {
        const swg_plan_entry *entry = &r->plan->entries[r->plan->order[place]];
        const swg_weight *weight =
            swg_plan_entry_changes(entry) ? weight_of(r, entry->desc.name) : NULL;
        if (!r->is_written[place] && weight && is_in_layer(r, weight, layer) &&
            !swg_transfer_is_finished(entry, r->options->journal))
            return false;
    }
    return true;
}

static bool are_all_finished(const run *r)
{
    for (size_t layer = 0; layer <= (size_t)r->model->hparams.n_layers; layer++)
        if (!is_finished(r, layer))
            return false;
    return true;
}

/* Statistics of the layer's inputs, if a matrix is still to be quantized by them. */
static swg_status observe(run *r, size_t layer)
{
    return is_finished(r, layer) ? SWG_OK : swg_calibration_observe(r->calibration, layer);
}

/* Let the plan change, and with it what the output expects. */
static swg_status steer(run *r)
{
    const swg_steering *steering = r->options->steering;
    if (!steering)
        return SWG_OK;
    SWG_TRY(steering->steer(steering->context));
    for (size_t place = 0; place < r->plan->n_entries; place++) {
        const swg_plan_entry *entry = &r->plan->entries[r->plan->order[place]];
        if (entry->is_quantized && !r->is_written[place])
            SWG_TRY(swg_sink_change_scheme(r->sink, place, entry->desc.scheme));
    }
    return SWG_OK;
}

static swg_status walk_layers(run *r)
{
    const size_t n_layers = (size_t)r->model->hparams.n_layers;
    for (size_t layer = 0; layer < n_layers; layer++) {
        SWG_TRY(steer(r));
        SWG_TRY(swg_model_load_layer(r->model, layer));
        SWG_TRY(observe(r, layer));
        SWG_TRY(quantize_layer(r, layer));
        SWG_TRY(swg_calibration_advance(r->calibration, layer));
        swg_model_release_layer(r->model, layer);
    }
    SWG_TRY(steer(r));
    SWG_TRY(observe(r, n_layers));
    return quantize_layer(r, n_layers);
}

/* The matrices that have inputs, without running anything. */
static swg_status walk_journal(run *r)
{
    for (size_t layer = 0; layer <= (size_t)r->model->hparams.n_layers; layer++)
        SWG_TRY(quantize_layer(r, layer));
    return SWG_OK;
}

/* --- Beside the original ---------------------------------------------------------------------- */

/* Quantize the matrices that share an input. */
static swg_status quantize_sharers(run *r, const swg_paired_input *in,
                                   const swg_shifted_target *target)
{
    for (size_t place = 0; place < r->plan->n_entries; place++) {
        const swg_plan_entry *entry = &r->plan->entries[r->plan->order[place]];
        bool shares = false;
        for (size_t i = 0; i < in->n_weights; i++)
            shares |= strcmp(in->weights[i]->tensor, entry->desc.name) == 0;
        if (r->is_written[place] || !shares || !swg_plan_entry_changes(entry))
            continue;
        const swg_transfer_means means = {.stats = &in->stats, .target = target, .model = r->model};
        SWG_TRY(write_tensor(r, place, means));
    }
    return SWG_OK;
}

static swg_status quantize_input(run *r, const swg_paired_input *in)
{
    swg_shifted_target target = {0};
    if (!in->stats.input_shift && !in->stats.stream_shift)
        return quantize_sharers(r, in, NULL);
    SWG_TRY(swg_shifted_target_init(&target, &in->stats));
    const swg_status status = quantize_sharers(r, in, &target);
    swg_shifted_target_deinit(&target);
    return status;
}

static swg_status quantize_inputs(run *r, size_t layer)
{
    const swg_paired_input *in;
    if (is_finished(r, layer))
        return quantize_layer(r, layer); /* takes them from the journal */
    for (size_t i = 0;; i++) {
        SWG_TRY(swg_paired_calibration_observe(r->pair, layer, i, &in));
        if (!in)
            return SWG_OK;
        if (in->is_last)
            swg_model_release_layer(r->original, layer); /* its memory before that of factors */
        SWG_TRY(quantize_input(r, in));
    }
}

/* Matrices outside layers, in their order, of which the head alone has an input. They keep their
 * target: a tied one is looked up, too, and rows that are looked up have no input that could have
 * changed. */
static swg_status quantize_outside(run *r)
{
    const size_t n_layers = (size_t)r->model->hparams.n_layers;
    SWG_TRY(steer(r));
    if (!is_finished(r, n_layers))
        SWG_TRY(swg_paired_calibration_observe(r->pair, n_layers, 0, &r->head));
    return quantize_layer(r, n_layers);
}

static swg_status walk_pair(run *r)
{
    const size_t n_layers = (size_t)r->model->hparams.n_layers;
    for (size_t layer = 0; layer < n_layers; layer++) {
        SWG_TRY(steer(r));
        SWG_TRY(swg_model_load_layer(r->model, layer));
        SWG_TRY(swg_model_load_layer(r->original, layer));
        SWG_TRY(quantize_inputs(r, layer));
        SWG_TRY(swg_paired_calibration_advance(r->pair, layer));
        swg_model_release_layer(r->original, layer);
        swg_model_release_layer(r->model, layer);
    }
    return quantize_outside(r);
}

/* --- The whole -------------------------------------------------------------------------------- */

static swg_status begin(run *r)
{
    const swg_calibration_text *text = r->options->calibration;
    swg_model_options model_options = swg_model_options_default();
    model_options.pool = r->options->pool;
    model_options.backend = text->device;
    SWG_TRY(swg_model_open(r->source, &model_options, &r->model));
    SWG_TRY(swg_model_load_layer(r->model, (size_t)r->model->hparams.n_layers));
    swg_calibration_options options = swg_calibration_options_default();
    options.pool = r->options->pool;
    SWG_TRY(SWG_NEW(r->is_written, r->plan->n_entries));
    r->reads_nothing = !r->options->steering && are_all_finished(r);
    if (r->reads_nothing)
        return SWG_OK;
    if (r->options->is_paired) {
        SWG_TRY(swg_model_open(r->source, &model_options, &r->original));
        return swg_paired_calibration_new(r->original, r->model, text->ids, text->n_windows,
                                          text->window, &options, &r->pair);
    }
    return swg_calibration_new(r->model, text->ids, text->n_windows, text->window, &options,
                               &r->calibration);
}

swg_status swg_quantize_calibrated(swg_source *source, const swg_plan *plan,
                                   const swg_quantize_options *options, swg_sink *sink,
                                   swg_tensor_report *reports)
{
    swg_status status = SWG_OK;
    run r = {.source = source, .plan = plan, .options = options, .sink = sink, .reports = reports};
    SWG_GO(begin(&r));
    SWG_GO(r.reads_nothing ? walk_journal(&r) : r.pair ? walk_pair(&r) : walk_layers(&r));
    for (size_t place = 0; place < plan->n_entries;
         place++) /* vectors, and tensors that no weight uses */
        if (!r.is_written[place])
            SWG_GO(write_tensor(&r, place, (swg_transfer_means){0}));
    status = swg_progress_step(options->progress, "quantizing", "B", r.done_bytes, plan->bytes);
done:
    swg_paired_calibration_free(&r.pair);
    swg_calibration_free(&r.calibration);
    swg_model_free(&r.original);
    swg_model_free(&r.model);
    swg_free(r.is_written);
    return status;
}
