/* One tensor from a source to a sink. See transfer.h. */
#include "quantize/transfer.h"

#include <inttypes.h>

#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"

/* A tensor in transfer. */
typedef struct transfer {
    swg_source *source;
    size_t index; /* in the source and in the plan */
    const swg_plan_entry *entry;
    const swg_layer_stats *stats;
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
        SWG_FREE(t->planes[t->layout[i].kind]);
}

/* The method that the plan asks for, or round to nearest where it needs statistics and the weights
 * have no input (a table whose rows are only looked up). */
static swg_quant_method method_of(const transfer *t)
{
    return swg_quant_method_needs_stats(t->entry->method) && !t->stats ? SWG_QUANT_rtn
                                                                       : t->entry->method;
}

static swg_status quantize(transfer *t, const swg_quantize_options *options,
                           swg_tensor_report *report)
{
    const swg_tensor_desc *desc = &t->entry->desc;
    size_t n;
    const swg_plane_kind first = swg_source_planes(t->source, t->index, &n)->kind;
    report->method = method_of(t);
    const bool is_planned = report->method == t->entry->method;
    const swg_quantize_job job = {
        .name = desc->name,
        .rows = swg_tensor_rows(desc),
        .cols = swg_tensor_cols(desc),
        .scheme = desc->scheme,
        .codebook = t->entry->codebook,
        .search = t->entry->search,
        .parameters = is_planned ? t->entry->parameters : NULL,
        .n_parameters = is_planned ? t->entry->n_parameters : 0,
        .stats = t->stats,
        .read_rows = read_rows,
        .context = t,
        .rows_per_read = swg_source_rows_per_read(t->source, t->index, first),
        .pool = options->pool,
    };
    return swg_quantize_tensor(report->method, &job, t->planes, &report->stats);
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
    const swg_plane *values = swg_plane_find(t->layout, t->n_planes, SWG_PLANE_VALUES);
    uint64_t first = 0;
    if (!values)
        return SWG_OK; /* codes; scales are checked where they are read */
    /* Sparse formats store fewer values than the tensor has elements. */
    *n_nonfinite = swg_count_nonfinite(values->type, t->planes[SWG_PLANE_VALUES],
                                       values->bytes * 8 / swg_dtype_bits(values->type), &first);
    if (*n_nonfinite == 0 || keep_nonfinite)
        return SWG_OK;
    return swg_error(SWG_CORRUPT,
                     "%s: %" PRIu64 " values of tensor %s are not finite, the first at "
                     "stored element %" PRIu64 "; --nonfinite keep stores them anyway",
                     swg_source_path(t->source), *n_nonfinite, desc->name, first);
}

static swg_status pass(transfer *t, const swg_quantize_options *options, swg_model *model,
                       swg_sink *sink, size_t place, swg_tensor_report *report)
{
    const swg_tensor_desc *desc = &t->entry->desc;
    SWG_TRY(transfer_init(t));
    SWG_TRY(t->entry->is_quantized ? quantize(t, options, report) : copy(t));
    if (!t->entry->is_quantized)
        SWG_TRY(check_kept(t, options->keep_nonfinite, &report->n_nonfinite));
    swg_source_release(t->source, t->index);
    if (model && t->entry->is_quantized)
        SWG_TRY(swg_model_replace_tensor(model, desc, (const void *const *)t->planes));
    SWG_TRY(swg_sink_write(sink, place, (const void *const *)t->planes));
    report->stored_bytes = swg_sink_stored_bytes(sink, place);
    return SWG_OK;
}

swg_status swg_transfer_tensor(swg_source *source, const swg_plan *plan, size_t place,
                               const swg_quantize_options *options, const swg_layer_stats *stats,
                               swg_model *model, swg_sink *sink, swg_tensor_report *report)
{
    const size_t index = plan->order[place];
    transfer t = {.source = source, .index = index, .entry = &plan->entries[index], .stats = stats};
    const swg_tensor_desc *desc = &t.entry->desc;
    *report = (swg_tensor_report){
        .stats = {.elems = swg_tensor_elems(desc), .bytes = swg_tensor_bytes(desc)}};
    const swg_status status = pass(&t, options, model, sink, place, report);
    transfer_deinit(&t);
    return status;
}
