/* Tensor by tensor from a source to a sink. See checkpoint.h. */
#include "quantize/checkpoint.h"

#include <inttypes.h>

#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"

/* A tensor on its way. */
typedef struct transfer {
    swg_source *source;
    size_t index; /* in the source and in the plan */
    size_t place; /* in the plan's order and in the sink */
    const swg_plan_entry *entry;
    swg_plane layout[SWG_PLANE_KINDS];
    size_t n_planes;
    void *planes[SWG_PLANE_KINDS]; /* by kind */
} transfer;

static swg_status read_rows(void *context, uint64_t row_begin, uint64_t n_rows, float *out)
{
    const transfer *t = context;
    return swg_source_read_f32(t->source, t->index, row_begin, n_rows, out);
}

static swg_status transfer_init(transfer *t)
{
    t->n_planes = swg_tensor_planes(&t->entry->desc, t->layout);
    for (size_t i = 0; i < t->n_planes; i++) {
        uint8_t *plane;
        SWG_TRY(SWG_NEW_UNINIT(plane, t->layout[i].bytes));
        t->planes[t->layout[i].kind] = plane;
    }
    return SWG_OK;
}

static void transfer_deinit(transfer *t)
{
    for (size_t i = 0; i < t->n_planes; i++)
        SWG_FREE(t->planes[i]);
}

static swg_status quantize(transfer *t, const swg_quantize_options *options, swg_quant_stats *stats)
{
    size_t n;
    const swg_plane_kind first = swg_source_planes(t->source, t->index, &n)->kind;
    const swg_tensor_desc *desc = &t->entry->desc;
    const swg_quantize_job job = {
        .name = desc->name,
        .rows = swg_tensor_rows(desc),
        .cols = swg_tensor_cols(desc),
        .scheme = desc->scheme,
        .search = t->entry->search,
        .parameters = t->entry->parameters,
        .n_parameters = t->entry->n_parameters,
        .read_rows = read_rows,
        .context = t,
        .rows_per_read = swg_source_rows_per_read(t->source, t->index, first),
        .pool = options->pool,
    };
    return swg_quantize_tensor(t->entry->method, &job, t->planes, stats);
}

static swg_status copy(transfer *t)
{
    for (size_t i = 0; i < t->n_planes; i++)
        SWG_TRY(swg_source_read(t->source, t->index, t->layout[i].kind, 0, t->layout[i].rows,
                                t->planes[t->layout[i].kind]));
    return SWG_OK;
}

/* NaN and infinity poison every result computed from them, so they are reported rather than copied
 * silently. */
static swg_status check_kept(const transfer *t, bool keep_nonfinite, uint64_t *n_nonfinite)
{
    const swg_tensor_desc *desc = &t->entry->desc;
    uint64_t first = 0;
    if (swg_scheme_is_quantized(desc->scheme))
        return SWG_OK; /* codes; scales are checked where they are read */
    *n_nonfinite =
        swg_count_nonfinite(desc->scheme.dtype, t->planes[SWG_PLANE_VALUES], swg_tensor_elems(desc), &first);
    if (*n_nonfinite == 0 || keep_nonfinite)
        return SWG_OK;
    return swg_error(SWG_CORRUPT,
                     "%s: %" PRIu64 " of the numbers of tensor %s are not finite, the first at "
                     "element %" PRIu64 "; --nonfinite keep stores them anyway",
                     swg_source_path(t->source), *n_nonfinite, desc->name, first);
}

static swg_status pass_tensor(transfer *t, const swg_quantize_options *options, swg_sink *sink,
                              swg_tensor_report *report)
{
    const swg_tensor_desc *desc = &t->entry->desc;
    swg_status status = SWG_OK;
    *report = (swg_tensor_report){
        .stats = {.elems = swg_tensor_elems(desc), .bytes = swg_tensor_bytes(desc)}};
    SWG_GO(transfer_init(t));
    SWG_GO(t->entry->is_quantized ? quantize(t, options, &report->stats) : copy(t));
    if (!t->entry->is_quantized)
        SWG_GO(check_kept(t, options->keep_nonfinite, &report->n_nonfinite));
    swg_source_release(t->source, t->index);
    SWG_GO(swg_sink_write(sink, t->place, (const void *const *)t->planes));
    report->stored_bytes = swg_sink_stored_bytes(sink, t->place);
done:
    transfer_deinit(t);
    return status;
}

swg_quantize_options swg_quantize_options_default(void)
{
    return (swg_quantize_options){.size = sizeof(swg_quantize_options)};
}

swg_status swg_quantize_check_plan(const swg_plan *plan)
{
    for (size_t i = 0; i < plan->n_entries; i++) {
        const swg_plan_entry *entry = &plan->entries[i];
        if (!swg_sparsity_is_dense(entry->sparsity))
            return swg_error(SWG_UNSUPPORTED,
                             "tensor %s: the recipe asks for sparsity, and quantize stores dense "
                             "matrices only",
                             entry->desc.name);
        if (entry->is_quantized && swg_quant_method_needs_stats(entry->method))
            return swg_error(SWG_UNSUPPORTED,
                             "tensor %s: method %s needs statistics of the layer's inputs, and "
                             "none were collected",
                             entry->desc.name, swg_quant_method_name(entry->method));
    }
    return SWG_OK;
}

swg_status swg_quantize_checkpoint(swg_source *source, const swg_plan *plan,
                                   const swg_quantize_options *options, swg_sink *sink,
                                   swg_tensor_report *reports)
{
    uint64_t done_bytes = 0;
    SWG_TRY(swg_quantize_check_plan(plan));
    for (size_t place = 0; place < plan->n_entries; place++) {
        const size_t i = plan->order[place];
        transfer t = {.source = source, .index = i, .place = place, .entry = &plan->entries[i]};
        SWG_TRY(swg_progress_step(options->progress, "quantizing", "B", done_bytes, plan->bytes));
        SWG_TRY(pass_tensor(&t, options, sink, &reports[i]));
        done_bytes += reports[i].stats.bytes;
    }
    return swg_progress_step(options->progress, "quantizing", "B", done_bytes, plan->bytes);
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
