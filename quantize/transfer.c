/* One tensor from a source to a sink. See transfer.h. */
#include "quantize/transfer.h"

#include <inttypes.h>
#include <string.h>

#include "quantize/journal.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/base/sparse_pack.h"

/* The planes of one form of a tensor, in memory. */
typedef struct form {
    swg_plane layout[SWG_PLANE_KINDS];
    size_t n;
    void *planes[SWG_PLANE_KINDS]; /* by kind */
} form;

/* A tensor in transfer. */
typedef struct transfer {
    swg_source *source;
    size_t index; /* in the source and in the plan */
    const swg_plan_entry *entry;
    const swg_layer_stats *stats;
    const swg_shifted_target *target;
    swg_tensor_desc dense; /* entry->desc, in the scheme that it is computed as */
    form stored, computed; /* as entry->desc says; as `dense` says, where that is not the same */
    float *weights;        /* [rows][cols] of a pruned matrix */
    bool *is_zero;         /* [rows][cols], removed */
    uint8_t *mask;         /* the same as swg_quantize_job.mask */
    bool is_refit;         /* the other weights make up for those removed */
} transfer;

static const void *const *constant(void *const *planes)
{
    return (const void *const *)planes;
}

/* The source's weights, or what they are to become in place of them. */
static swg_status read_wanted(void *context, uint64_t row_begin, uint64_t n_rows, float *out)
{
    const transfer *t = context;
    SWG_TRY(swg_source_read_f32(t->source, t->index, row_begin, n_rows, out));
    if (!t->target)
        return SWG_OK;
    return swg_shifted_target_apply(t->target, swg_tensor_rows(&t->dense), row_begin, n_rows, out);
}

/* A block of t->weights, always as many rows: products may round differently for another number. */
enum { ROWS = 64 };
static swg_status read_block(void *context, size_t index)
{
    transfer *t = context;
    const uint64_t row = (uint64_t)index * ROWS, left = swg_tensor_rows(&t->dense) - row;
    return read_wanted(t, row, left < ROWS ? left : ROWS,
                       t->weights + row * swg_tensor_cols(&t->dense));
}

static swg_status read_pruned(void *context, uint64_t row_begin, uint64_t n_rows, float *out)
{
    const transfer *t = context;
    const size_t cols = (size_t)swg_tensor_cols(&t->dense);
    memcpy(out, t->weights + row_begin * cols, n_rows * cols * sizeof *out);
    return SWG_OK;
}

static swg_status form_init(form *f, const swg_tensor_desc *desc)
{
    f->n = swg_tensor_planes(desc, f->layout);
    for (size_t i = 0; i < f->n; i++) {
        uint8_t *plane;
        SWG_TRY(SWG_NEW_UNINIT(plane, f->layout[i].bytes));
        f->planes[f->layout[i].kind] = plane;
    }
    return SWG_OK;
}

static void form_deinit(form *f)
{
    for (size_t i = 0; i < f->n; i++)
        SWG_FREE(f->planes[f->layout[i].kind]);
}

static void transfer_deinit(transfer *t)
{
    form_deinit(&t->stored);
    form_deinit(&t->computed);
    swg_free(t->weights);
    swg_free(t->is_zero);
    swg_free(t->mask);
}

/* --- Pruning ---------------------------------------------------------------------------------- */

/* The removed weights as a mask of bits, 1 = it stays. */
static swg_status make_mask(transfer *t, size_t rows, size_t cols)
{
    const size_t row_bytes = (cols + 7) / 8;
    SWG_FREE(t->mask); /* a part of it */
    SWG_TRY(SWG_NEW(t->mask, rows * row_bytes));
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            if (!t->is_zero[r * cols + c] && t->weights[r * cols + c] != 0)
                t->mask[r * row_bytes + c / 8] |= (uint8_t)(1u << c % 8);
    return SWG_OK;
}

/* A codebook of given numbers may have no 0. */
static bool can_have_zeros(const transfer *t)
{
    return !t->entry->codebook || memchr(t->entry->codebook, 0, SWG_LEVELS);
}

/* Zeros of a pruned source stay zeros: where there is a target, which would fill them, as a mask.
 */
static swg_status keep_zeros(transfer *t)
{
    const size_t rows = (size_t)swg_tensor_rows(&t->dense);
    const size_t cols = (size_t)swg_tensor_cols(&t->dense), row_bytes = (cols + 7) / 8;
    size_t n_zeros = 0;
    float *row = NULL;
    swg_status status = SWG_OK;
    if (!t->target || !can_have_zeros(t))
        return SWG_OK;
    SWG_TRY(SWG_NEW(t->mask, rows * row_bytes));
    SWG_GO(SWG_NEW_UNINIT(row, cols));
    for (size_t r = 0; r < rows; r++) {
        SWG_GO(swg_source_read_f32(t->source, t->index, r, 1, row));
        for (size_t c = 0; c < cols; c++)
            if (row[c] != 0)
                t->mask[r * row_bytes + c / 8] |= (uint8_t)(1u << c % 8);
            else
                n_zeros++;
    }
done:
    swg_free(row);
    if (n_zeros == 0)
        SWG_FREE(t->mask);
    return status;
}

static swg_status prune(transfer *t, const swg_quantize_options *options, swg_tensor_report *report)
{
    const size_t rows = (size_t)swg_tensor_rows(&t->dense);
    const size_t cols = (size_t)swg_tensor_cols(&t->dense);
    const swg_quantize_job job = {.name = t->dense.name,
                                  .rows = rows,
                                  .cols = cols,
                                  .stats = t->stats,
                                  .mask = t->mask,
                                  .pool = options->pool};
    SWG_TRY(SWG_NEW_UNINIT(t->weights, rows * cols));
    SWG_TRY(SWG_NEW(t->is_zero, rows * cols));
    SWG_TRY(swg_pool_for(options->pool, (rows - 1) / ROWS + 1, read_block, t));
    SWG_TRY(options->pruner->prune(t->entry, &job, t->weights, t->is_zero, &t->is_refit));
    for (size_t i = 0; i < rows * cols; i++)
        report->n_pruned += t->is_zero[i];
    return make_mask(t, rows, cols);
}

/* --- Codes ------------------------------------------------------------------------------------ */

/* The method that the plan asks for, or round to nearest where it needs statistics and the weights
 * have no input (a table whose rows are only looked up). */
static swg_quant_method method_of(const transfer *t)
{
    return swg_quant_method_needs_stats(t->entry->method) && !t->stats ? SWG_QUANT_rtn
                                                                       : t->entry->method;
}

/* A method that minimises the layer's output error starts from the weights as they were before
 * pruning, so that what it does makes up for the zeros too. Where pruning has done that, the
 * weights that it left are the best start: from the least squares solution for those zeros, the
 * output error differs from that of the original weights by a constant. */
static swg_status quantize(transfer *t, const swg_quantize_options *options,
                           void *const planes[SWG_PLANE_KINDS], swg_tensor_report *report)
{
    const swg_tensor_desc *desc = &t->dense;
    size_t n;
    const swg_plane_kind first = swg_source_planes(t->source, t->index, &n)->kind;
    report->method = method_of(t);
    const bool is_planned = report->method == t->entry->method;
    const bool takes_pruned =
        t->weights && (t->is_refit || !swg_quant_method_needs_stats(report->method));
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
        .sensitivity =
            options->sensitivity ? swg_sensitivity_find(options->sensitivity, desc->name) : NULL,
        .mask = t->mask,
        .read_rows = takes_pruned ? read_pruned : read_wanted,
        .context = t,
        .rows_per_read = swg_source_rows_per_read(t->source, t->index, first),
        .factor = options->factor,
        .pool = options->pool,
    };
    return swg_quantize_tensor(report->method, &job, planes, &report->stats);
}

/* The same, unless the journal has it. */
static swg_status quantize_once(transfer *t, const swg_quantize_options *options,
                                void *const planes[SWG_PLANE_KINDS], swg_tensor_report *report)
{
    swg_journal *journal = swg_sparsity_is_dense(t->entry->sparsity) ? options->journal : NULL;
    swg_plane layout[SWG_PLANE_KINDS];
    const size_t n = swg_tensor_planes(&t->dense, layout);
    swg_tensor_report finished;
    swg_strbuf setting = {0};
    swg_status status = SWG_OK;
    if (!journal)
        return quantize(t, options, planes, report);
    SWG_GO(swg_transfer_setting(t->entry, &setting));
    if (swg_journal_take(journal, t->dense.name, setting.text, layout, n, planes, &finished)) {
        report->method = finished.method;
        report->stats = finished.stats;
        goto done;
    }
    SWG_GO(quantize(t, options, planes, report));
    SWG_GO(swg_journal_add(journal, t->dense.name, setting.text, layout, n, planes, report));
done:
    swg_strbuf_deinit(&setting);
    return status;
}

/* Pruned weights in their element type. */
static void store_floats(const transfer *t, void *const planes[SWG_PLANE_KINDS])
{
    const size_t n = (size_t)swg_tensor_elems(&t->dense);
    for (size_t i = 0; i < n; i++)
        swg_float_store(t->dense.scheme.dtype, planes[SWG_PLANE_VALUES], i, t->weights[i]);
}

static swg_status compress(transfer *t, const swg_quantize_options *options, swg_model *model,
                           swg_tensor_report *report)
{
    const bool is_packed = !swg_scheme_equal(t->dense.scheme, t->entry->desc.scheme);
    form *dense = is_packed ? &t->computed : &t->stored;
    if (is_packed)
        SWG_TRY(form_init(&t->computed, &t->dense));
    SWG_TRY(keep_zeros(t));
    if (!swg_sparsity_is_dense(t->entry->sparsity))
        SWG_TRY(prune(t, options, report));
    if (t->entry->is_quantized)
        SWG_TRY(quantize_once(t, options, dense->planes, report));
    else
        store_floats(t, dense->planes);
    if (model)
        SWG_TRY(swg_model_replace_tensor(model, &t->dense, constant(dense->planes)));
    if (is_packed)
        SWG_TRY(swg_sparse_pack(&t->entry->desc, t->dense.scheme, constant(dense->planes),
                                t->is_zero, t->stored.planes));
    report->stats.bytes = swg_tensor_bytes(&t->entry->desc);
    return SWG_OK;
}

/* --- The tensor ------------------------------------------------------------------------------- */

static swg_status copy(transfer *t)
{
    for (size_t i = 0; i < t->stored.n; i++)
        SWG_TRY(swg_source_read(t->source, t->index, t->stored.layout[i].kind, 0,
                                t->stored.layout[i].rows,
                                t->stored.planes[t->stored.layout[i].kind]));
    return SWG_OK;
}

/* NaN and infinity poison every result computed from them, so they are reported rather than copied
 * silently. */
static swg_status check_kept(const transfer *t, bool keep_nonfinite, uint64_t *n_nonfinite)
{
    const swg_tensor_desc *desc = &t->entry->desc;
    const swg_plane *values = swg_plane_find(t->stored.layout, t->stored.n, SWG_PLANE_VALUES);
    uint64_t first = 0;
    if (!values)
        return SWG_OK; /* codes; scales are checked where they are read */
    /* Sparse formats store fewer values than the tensor has elements. */
    *n_nonfinite = swg_count_nonfinite(values->type, t->stored.planes[SWG_PLANE_VALUES],
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
    SWG_TRY(form_init(&t->stored, &t->entry->desc));
    if (swg_plan_entry_changes(t->entry)) {
        SWG_TRY(compress(t, options, model, report));
    } else {
        SWG_TRY(copy(t));
        SWG_TRY(check_kept(t, options->keep_nonfinite, &report->n_nonfinite));
    }
    swg_source_release(t->source, t->index);
    SWG_TRY(swg_sink_write(sink, place, constant(t->stored.planes)));
    report->stored_bytes = swg_sink_stored_bytes(sink, place);
    return SWG_OK;
}

swg_status swg_transfer_setting(const swg_plan_entry *entry, swg_strbuf *out)
{
    char scheme[SWG_SCHEME_NAME_BYTES];
    swg_strbuf_printf(out, "%s %s search %d", swg_scheme_name(entry->dense, scheme),
                      swg_quant_method_name(entry->method), (int)entry->search);
    for (size_t i = 0; entry->codebook && i < SWG_LEVELS; i++)
        swg_strbuf_printf(out, " %d", entry->codebook[i]);
    for (size_t i = 0; i < entry->n_parameters; i++) {
        const swg_parameter *p = &entry->parameters[i];
        if (p->word)
            swg_strbuf_printf(out, " %s \"%s\"", p->name, p->word);
        else
            swg_strbuf_printf(out, " %s %.17g", p->name, p->number);
    }
    return swg_strbuf_status(out);
}

bool swg_transfer_is_finished(const swg_plan_entry *entry, swg_journal *journal)
{
    swg_strbuf setting = {0};
    const bool is_finished = journal && swg_sparsity_is_dense(entry->sparsity) &&
                             swg_transfer_setting(entry, &setting) == SWG_OK &&
                             swg_journal_has(journal, entry->desc.name, setting.text);
    swg_strbuf_deinit(&setting);
    return is_finished;
}

swg_status swg_transfer_tensor(swg_source *source, const swg_plan *plan, size_t place,
                               const swg_quantize_options *options, swg_transfer_means means,
                               swg_sink *sink, swg_tensor_report *report)
{
    const size_t index = plan->order[place];
    transfer t = {.source = source,
                  .index = index,
                  .entry = &plan->entries[index],
                  .stats = means.stats,
                  .target = means.target};
    t.dense = t.entry->desc;
    if (swg_plan_entry_changes(t.entry)) {
        t.dense.scheme = t.entry->dense;
        t.dense.n_stored = 0;
    }
    *report = (swg_tensor_report){.stats = {.elems = swg_tensor_elems(&t.entry->desc),
                                            .bytes = swg_tensor_bytes(&t.entry->desc)}};
    const swg_status status = pass(&t, options, means.model, sink, place, report);
    transfer_deinit(&t);
    return status;
}
