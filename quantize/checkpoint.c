/* Tensor by tensor from a source to a sink. See checkpoint.h. */
#include "quantize/checkpoint.h"

#include "quantize/calibrated.h"
#include "quantize/second_order.h"
#include "quantize/transfer.h"
#include "quantize/transforms.h"
#include "formats/huggingface/quantization_config.h"
#include "runtime/base/mem.h"

swg_quantize_options swg_quantize_options_default(void)
{
    return (swg_quantize_options){.size = sizeof(swg_quantize_options)};
}

swg_status swg_quantize_check_plan(const swg_plan *plan, bool is_calibrated, bool may_prune)
{
    for (size_t i = 0; i < plan->n_entries; i++) {
        const swg_plan_entry *entry = &plan->entries[i];
        if (!swg_sparsity_is_dense(entry->sparsity) && !may_prune)
            return swg_error(SWG_UNSUPPORTED,
                             "tensor %s: the recipe asks for sparsity, and quantize stores dense "
                             "matrices only; `swage prune` takes such recipes",
                             entry->desc.name);
        if (entry->is_quantized && !is_calibrated &&
            (swg_quant_method_needs_stats(entry->method) ||
             swg_quant_method_needs_sensitivity(entry->method)))
            return swg_error(SWG_USAGE,
                             "tensor %s: method %s chooses codes by what the weights are "
                             "multiplied with: it needs a text, --calibration FILE",
                             entry->desc.name, swg_quant_method_name(entry->method));
    }
    return SWG_OK;
}

/* The most windows of the calibration text that sensitivity is measured on: a mean over thousands
 * of tokens, at about three times the cost of reading them. */
enum { SENSITIVITY_WINDOWS = 16 };

swg_status swg_quantize_measure_sensitivity(swg_source *source, const swg_plan *plan,
                                            const swg_calibration_text *text,
                                            const swg_sensitivity_options *options,
                                            swg_sensitivity **out)
{
    const size_t windows =
        text->n_windows < SENSITIVITY_WINDOWS ? text->n_windows : SENSITIVITY_WINDOWS;
    bool is_needed = !plan;
    for (size_t i = 0; plan && i < plan->n_entries; i++)
        is_needed |= plan->entries[i].is_quantized &&
                     swg_quant_method_needs_sensitivity(plan->entries[i].method);
    *out = NULL;
    return is_needed
               ? swg_sensitivity_measure(source, text->ids, windows, text->window, options, out)
               : SWG_OK;
}

static swg_status write_tensors(swg_source *source, const swg_plan *plan,
                                const swg_quantize_options *options, swg_sink *sink,
                                swg_tensor_report *reports)
{
    uint64_t done_bytes = 0;
    if (options->calibration)
        return swg_quantize_calibrated(source, plan, options, sink, reports);
    for (size_t place = 0; place < plan->n_entries; place++) {
        const size_t i = plan->order[place];
        SWG_TRY(swg_progress_step(options->progress, "quantizing", "B", done_bytes, plan->bytes));
        swg_transfer_means means = {0};
        if (options->statistics && swg_plan_entry_changes(&plan->entries[i]) &&
            !swg_transfer_is_finished(&plan->entries[i], options->journal))
            SWG_TRY(
                swg_model_stats_get(options->statistics, plan->entries[i].desc.name, &means.stats));
        if (options->transforms)
            SWG_TRY(swg_transforms_adapt(options->transforms, plan->entries[i].desc.name,
                                         &means.stats));
        SWG_TRY(swg_transfer_tensor(source, plan, place, options, means, sink, &reports[i]));
        done_bytes += reports[i].stats.bytes;
    }
    return swg_progress_step(options->progress, "quantizing", "B", done_bytes, plan->bytes);
}

swg_status swg_quantize_checkpoint(swg_source *source, const swg_plan *plan,
                                   const swg_quantize_options *options, swg_sink *sink,
                                   swg_tensor_report *reports)
{
    SWG_TRY(swg_options_check("swg_quantize_options", options->size, sizeof *options));
    SWG_TRY(swg_quantize_check_plan(plan, options->calibration || options->statistics,
                                    options->pruner != NULL));
    swg_quantize_options all = *options;
    swg_shared_factor factor = {0};
    all.factor = options->factor ? options->factor : &factor;
    const swg_status status = write_tensors(source, plan, &all, sink, reports);
    swg_shared_factor_deinit(&factor);
    return status;
}

swg_status swg_quantize_source_descs(const swg_source *source, swg_tensor_desc **out)
{
    const size_t n = swg_source_n_tensors(source);
    swg_tensor_desc *descs;
    SWG_TRY(SWG_NEW(descs, n));
    for (size_t i = 0; i < n; i++)
        descs[i] = *swg_source_tensor(source, i);
    *out = descs;
    return SWG_OK;
}

swg_status swg_quantize_source_uses(const swg_source *source, const swg_tensor_desc *tensors,
                                    swg_tensor_use **out)
{
    size_t length;
    const size_t n = swg_source_n_tensors(source);
    const char *config = swg_source_config(source, &length);
    swg_tensor_use *uses;
    SWG_TRY(swg_foreign_quantization_refuse(source));
    SWG_TRY(SWG_NEW(uses, n));
    const swg_status status = swg_tensor_uses(config, length, tensors, n, uses);
    if (status != SWG_OK)
        SWG_FREE(uses);
    if (status == SWG_NO_MEMORY)
        return status;
    *out = uses;
    return SWG_OK;
}

swg_status swg_quantize_output_descs(const swg_plan *plan, swg_tensor_desc **out)
{
    swg_tensor_desc *descs;
    SWG_TRY(SWG_NEW(descs, plan->n_entries));
    for (size_t place = 0; place < plan->n_entries; place++)
        descs[place] = plan->entries[plan->order[place]].desc;
    *out = descs;
    return SWG_OK;
}

uint64_t swg_quantize_peak_bytes(const swg_plan *plan, size_t n_threads)
{
    /* A thread holds a block of floats (1 MiB) or a frame and its compressed form (3 MiB); the
     * rest is the process itself, configuration, tokenizer and directory. */
    const uint64_t per_thread = UINT64_C(4) << 20, base = UINT64_C(24) << 20;
    return plan->largest_bytes + n_threads * per_thread + base;
}
