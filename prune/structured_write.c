/* Structured pruning, layer by layer, beside the original model: choose and refit
 * (structured_select.h), every weight towards what makes up for what is cut before it
 * (shifted_target.h), let the model run on with the result at its old sizes, and write the tensors
 * cut to their new ones. */
#include <math.h>
#include <string.h>

#include "prune/structured_select.h"
#include "prune/structured_state.h"
#include "quantize/shifted_target.h"
#include "runtime/base/numeric.h"

/* --- Values ----------------------------------------------------------------------------------- */

static swg_structured_part *find_part(swg_structured *s, swg_role role, size_t layer)
{
    for (size_t i = 0; i < s->n_parts; i++) {
        const swg_tensor_use *const use = &s->parts[i].use;
        if (use->kind == SWG_USE_WEIGHT && use->role == role &&
            (!use->is_per_layer || use->layer == layer))
            return &s->parts[i];
    }
    return NULL;
}

/* Let `values` be in part->values. */
static swg_status need_values(swg_structured *s, swg_structured_part *part)
{
    return part->values ? SWG_OK : swg_structured_read(s, part->tensor, &part->values);
}

/* Give values at the old sizes to the running model. */
static swg_status replace(swg_structured *s, const swg_structured_part *part, const float *values)
{
    const void *planes[SWG_PLANE_KINDS] = {[SWG_PLANE_VALUES] = values};
    swg_tensor_desc desc = *swg_structured_input(s, part);
    desc.scheme = swg_scheme_plain(SWG_F32);
    return swg_model_replace_tensor(s->model, &desc, planes);
}

/* What stays of `n` units of `width` channels each. */
static void set_kept(swg_structured *s, swg_axis axis, const bool *is_removed, size_t n,
                     size_t width)
{
    for (size_t i = 0; i < n * width; i++)
        s->kept[axis][i] = !is_removed[i / width];
}

/* --- Heads and feed-forward channels ---------------------------------------------------------- */

/* A weight of the layer at hand whose input has been observed, and the statistics of that. */
typedef struct observed {
    swg_structured_part *part;
    size_t layer;
    const swg_layer_stats *stats;
} observed;

/* Choose among the columns of a weight; columns that are `gone` already [k] (NULL: none) have no
 * part in it. */
static swg_status choose(swg_structured *s, const observed *r, swg_structure_job *job,
                         const bool *gone, bool *is_removed, double *error)
{
    float *masked = NULL;
    swg_status status = SWG_OK;
    job->name = r->part->desc.name;
    job->n = swg_tensor_rows(swg_structured_input(s, r->part));
    job->k = r->stats->k;
    job->hessian = r->stats->hessian;
    job->refit = s->means->refit;
    job->damping = s->means->damping;
    job->pool = s->means->pool;
    if (gone) {
        SWG_GO(SWG_NEW_UNINIT(masked, job->k * job->k));
        for (size_t i = 0; i < job->k; i++)
            for (size_t j = 0; j < job->k; j++)
                masked[i * job->k + j] = gone[i] || gone[j] ? 0 : r->stats->hessian[i * job->k + j];
        job->hessian = masked;
    }
    status = swg_structure_choose(job, r->part->values, is_removed, error);
done:
    swg_free(masked);
    return status;
}

/* Whole kv groups of a layer: is_removed [groups]. */
static swg_status cut_groups(swg_structured *s, const observed *r, bool *is_removed)
{
    const size_t head_dim = (size_t)s->hparams.head_dim;
    const size_t groups = swg_structured_old(s, SWG_STRUCTURE_KV_GROUPS);
    const size_t per_group = swg_structured_old(s, SWG_STRUCTURE_HEADS) / groups;
    swg_structure_job job = {.block = per_group * head_dim,
                             .family = groups,
                             .remove_each =
                                 groups - swg_structured_new(s, SWG_STRUCTURE_KV_GROUPS)};
    SWG_TRY(choose(s, r, &job, NULL, is_removed, &s->layers[r->layer].heads_error));
    set_kept(s, SWG_AXIS_KV, is_removed, groups, head_dim);
    set_kept(s, SWG_AXIS_HEADS, is_removed, groups, per_group * head_dim);
    return SWG_OK;
}

/* Query heads of the groups that are left, as many of each. */
static swg_status cut_queries(swg_structured *s, const observed *r, bool *is_removed)
{
    const size_t head_dim = (size_t)s->hparams.head_dim;
    const size_t heads = swg_structured_old(s, SWG_STRUCTURE_HEADS);
    const size_t per_group = heads / swg_structured_old(s, SWG_STRUCTURE_KV_GROUPS);
    const size_t left =
        swg_structured_new(s, SWG_STRUCTURE_HEADS) / swg_structured_new(s, SWG_STRUCTURE_KV_GROUPS);
    swg_structure_job job = {
        .block = head_dim, .family = per_group, .remove_each = per_group - left};
    bool *gone = NULL;
    double error = 0;
    swg_status status = SWG_OK;
    if (left == per_group)
        return SWG_OK;
    SWG_GO(SWG_NEW(gone, heads * head_dim));
    for (size_t i = 0; i < heads * head_dim; i++)
        gone[i] = !s->kept[SWG_AXIS_HEADS][i];
    SWG_GO(choose(s, r, &job, gone, is_removed, &error));
    for (size_t i = 0; i < heads * head_dim; i++)
        s->kept[SWG_AXIS_HEADS][i] &= !is_removed[i / head_dim];
    const double before = s->layers[r->layer].heads_error;
    s->layers[r->layer].heads_error = isnan(before) ? error : hypot(before, error);
done:
    swg_free(gone);
    return status;
}

static swg_status cut_heads(swg_structured *s, const observed *r)
{
    const size_t heads = swg_structured_old(s, SWG_STRUCTURE_HEADS);
    bool *is_removed = NULL;
    swg_status status = SWG_OK;
    if (!swg_structured_loses(s, SWG_STRUCTURE_HEADS))
        return SWG_OK;
    memset(s->kept[SWG_AXIS_HEADS], true, swg_axis_old(s, SWG_AXIS_HEADS));
    memset(s->kept[SWG_AXIS_KV], true, swg_axis_old(s, SWG_AXIS_KV));
    SWG_GO(SWG_NEW(is_removed, heads));
    if (swg_structured_loses(s, SWG_STRUCTURE_KV_GROUPS))
        SWG_GO(cut_groups(s, r, is_removed));
    status = cut_queries(s, r, is_removed);
done:
    swg_free(is_removed);
    return status;
}

static swg_status cut_ffn(swg_structured *s, const observed *r)
{
    const size_t n = swg_structured_old(s, SWG_STRUCTURE_FFN);
    swg_structure_job job = {
        .block = 1, .family = n, .remove_each = n - swg_structured_new(s, SWG_STRUCTURE_FFN)};
    bool *is_removed = NULL;
    if (job.remove_each == 0)
        return SWG_OK;
    SWG_TRY(SWG_NEW(is_removed, n));
    const swg_status status = choose(s, r, &job, NULL, is_removed, &s->layers[r->layer].ffn_error);
    set_kept(s, SWG_AXIS_FFN, is_removed, n, 1);
    swg_free(is_removed);
    return status;
}

/* --- Hidden channels -------------------------------------------------------------------------- */

/* The weight that reads what a norm gives. */
static swg_role reader_of(swg_role norm)
{
    return norm == SWG_ROLE_ATTENTION_NORM ? SWG_ROLE_QUERY
           : norm == SWG_ROLE_FFN_NORM     ? SWG_ROLE_FFN_UP
                                           : SWG_ROLE_HEAD;
}

/* Statistics that the whole model gave to a part's tensor; NULL = none. */
static swg_status stats_of(swg_structured *s, const swg_structured_part *part,
                           const swg_layer_stats **out)
{
    return swg_model_stats_get(s->means->stats, swg_structured_input(s, part)->name, out);
}

/* The mean square of the channels that stay, in units of the mean square of all: what the norm will
 * divide by has changed by its root, and the gain makes up for that. */
static swg_status gain_of(swg_structured *s, const swg_structured_part *norm, double *out)
{
    const size_t n = swg_structured_old(s, SWG_STRUCTURE_HIDDEN);
    const swg_layer_stats *stats = NULL;
    double sum = 0;
    swg_structured_part *reader = find_part(s, reader_of(norm->use.role), norm->use.layer);
    if (!reader)
        reader = find_part(s, SWG_ROLE_EMBEDDING, 0); /* a tied head */
    *out = 1;
    if (reader)
        SWG_TRY(stats_of(s, reader, &stats));
    for (size_t i = 0; stats && i < n; i++) {
        const double g = (double)norm->values[i];
        if (s->kept[SWG_AXIS_HIDDEN][i] && g != 0)
            sum += stats->mean_square[i] / (g * g);
    }
    if (sum > 0)
        *out = sqrt(sum / (double)swg_structured_new(s, SWG_STRUCTURE_HIDDEN));
    return SWG_OK;
}

/* A norm of the smaller model; the running one divides by the mean over all channels, of which
 * those that are gone are 0. */
static swg_status cut_norm(swg_structured *s, swg_structured_part *part)
{
    const size_t n = swg_structured_old(s, SWG_STRUCTURE_HIDDEN);
    const double share = (double)swg_structured_new(s, SWG_STRUCTURE_HIDDEN) / (double)n;
    double gain = 1;
    float *running = NULL;
    swg_status status = SWG_OK;
    SWG_GO(gain_of(s, part, &gain));
    SWG_GO(SWG_NEW(running, n));
    for (size_t i = 0; i < n; i++) {
        part->values[i] = (float)((double)part->values[i] * gain);
        if (s->kept[SWG_AXIS_HIDDEN][i])
            running[i] = (float)((double)part->values[i] * sqrt(share));
    }
    status = replace(s, part, running);
done:
    swg_free(running);
    return status;
}

/* Rows and columns of hidden channels that are gone become 0. */
static void clear_hidden(const swg_structured *s, swg_structured_part *part)
{
    const swg_sides of = swg_structured_sides(&part->use);
    const swg_tensor_desc *const desc = swg_structured_input(s, part);
    const size_t rows = swg_tensor_rows(desc), columns = swg_tensor_cols(desc);
    const bool *const kept = s->kept[SWG_AXIS_HIDDEN];
    for (size_t r = 0; kept && r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            if ((of.rows == SWG_AXIS_HIDDEN && !kept[r]) ||
                (of.columns == SWG_AXIS_HIDDEN && !kept[c]))
                part->values[r * columns + c] = 0;
}

/* A weight that reads the residual stream: refitted where its input is known, else cut. */
static swg_status cut_reader(swg_structured *s, swg_structured_part *part)
{
    const swg_tensor_desc *const desc = swg_structured_input(s, part);
    const size_t rows = swg_tensor_rows(desc), columns = swg_tensor_cols(desc);
    const bool *const kept = s->kept[SWG_AXIS_HIDDEN];
    const swg_layer_stats *stats = NULL;
    bool *is_removed = NULL;
    double error;
    swg_status status = SWG_OK;
    SWG_GO(stats_of(s, part, &stats));
    const bool is_table =
        part->use.role == SWG_ROLE_EMBEDDING; /* tied or not, rows are looked up */
    if (stats && s->means->refit && !is_table) {
        swg_structure_job job = {.name = desc->name,
                                 .n = rows,
                                 .k = columns,
                                 .hessian = stats->hessian,
                                 .block = 1,
                                 .refit = true,
                                 .damping = s->means->damping,
                                 .pool = s->means->pool};
        SWG_GO(SWG_NEW(is_removed, columns));
        for (size_t i = 0; i < columns; i++)
            is_removed[i] = !kept[i];
        SWG_GO(swg_structure_remove(&job, part->values, is_removed, &error));
    }
    clear_hidden(s, part);
    status = replace(s, part, part->values);
done:
    swg_free(is_removed);
    return status;
}

/* A weight that writes to the residual stream. */
static swg_status cut_writer(swg_structured *s, swg_structured_part *part)
{
    clear_hidden(s, part);
    return replace(s, part, part->values);
}

/* All tensors of a layer, or outside layers, that have to do with hidden channels. */
static swg_status cut_hidden(swg_structured *s, bool in_layer, size_t layer)
{
    if (!swg_structured_loses(s, SWG_STRUCTURE_HIDDEN))
        return SWG_OK;
    for (size_t i = 0; i < s->n_parts; i++) {
        swg_structured_part *const part = &s->parts[i];
        const swg_sides of = swg_structured_sides(&part->use);
        if (part->use.is_per_layer != in_layer || (in_layer && part->use.layer != layer) ||
            (of.rows != SWG_AXIS_HIDDEN && of.columns != SWG_AXIS_HIDDEN))
            continue;
        SWG_TRY(need_values(s, part));
        SWG_TRY(of.columns == SWG_AXIS_HIDDEN             ? cut_reader(s, part)
                : swg_structured_input(s, part)->rank > 1 ? cut_writer(s, part)
                                                          : cut_norm(s, part));
    }
    return SWG_OK;
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* What stays of a side that is cut; NULL = all. */
static const bool *kept_of(const swg_structured *s, swg_axis axis)
{
    return swg_axis_is_cut(s, axis) ? s->kept[axis] : NULL;
}

/* The tensor at its new size, in its element type. */
static swg_status write_cut(const swg_structured *s, size_t place, const float *values,
                            swg_sink *sink)
{
    const swg_structured_part *const part = &s->parts[place];
    const swg_tensor_desc *const desc = swg_structured_input(s, part);
    const swg_sides of = swg_structured_sides(&part->use);
    const bool *const rows = kept_of(s, of.rows), *const columns = kept_of(s, of.columns);
    const size_t n = desc->shape[0], k = desc->rank > 1 ? desc->shape[1] : 1;
    void *planes[SWG_PLANE_KINDS] = {0};
    uint8_t *out = NULL;
    size_t at = 0;
    SWG_TRY(SWG_NEW_UNINIT(out, swg_tensor_bytes(&part->desc)));
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < k && (!rows || rows[r]); c++)
            if (!columns || columns[c])
                swg_float_store(part->desc.scheme.dtype, out, at++, values[r * k + c]);
    planes[SWG_PLANE_VALUES] = out;
    const swg_status status = swg_sink_write(sink, place, (const void *const *)planes);
    swg_free(out);
    return status;
}

/* A tensor that stays as it is. */
static swg_status copy(const swg_structured *s, size_t place, swg_sink *sink)
{
    const size_t tensor = s->parts[place].tensor;
    void *planes[SWG_PLANE_KINDS] = {0};
    size_t n;
    const swg_plane *const layout = swg_source_planes(s->source, tensor, &n);
    swg_status status = SWG_OK;
    for (size_t i = 0; i < n; i++) {
        uint8_t *plane;
        SWG_GO(SWG_NEW_UNINIT(plane, layout[i].bytes));
        planes[layout[i].kind] = plane;
        SWG_GO(swg_source_read(s->source, tensor, layout[i].kind, 0, layout[i].rows, plane));
    }
    status = swg_sink_write(sink, place, (const void *const *)planes);
done:
    for (size_t i = 0; i < SWG_PLANE_KINDS; i++)
        swg_free(planes[i]);
    return status;
}

static swg_status write_part(swg_structured *s, size_t place, swg_sink *sink)
{
    swg_structured_part *const part = &s->parts[place];
    const swg_sides of = swg_structured_sides(&part->use);
    if (!part->values && !swg_axis_is_cut(s, of.rows) && !swg_axis_is_cut(s, of.columns))
        return copy(s, place, sink);
    SWG_TRY(need_values(s, part));
    const swg_status status = write_cut(s, place, part->values, sink);
    SWG_FREE(part->values);
    swg_source_release(s->source, part->tensor);
    return status;
}

static swg_status write_parts(swg_structured *s, bool in_layer, size_t layer, swg_sink *sink)
{
    for (size_t i = 0; i < s->n_parts; i++)
        if (s->parts[i].use.is_per_layer == in_layer &&
            (!in_layer || s->parts[i].use.layer == layer))
            SWG_TRY(write_part(s, i, sink));
    return SWG_OK;
}

/* --- The whole -------------------------------------------------------------------------------- */

/* A weight becomes the one that makes up best for what is cut before it, on the inputs that it will
 * really get; what is cut of itself goes, and the rest makes up for that too. */
static swg_status cut_weight(swg_structured *s, const observed *r, const swg_shifted_target *target)
{
    swg_structured_part *const part = r->part;
    const size_t rows = swg_tensor_rows(swg_structured_input(s, part));
    SWG_TRY(need_values(s, part));
    if (target)
        SWG_TRY(swg_shifted_target_apply(target, rows, 0, rows, part->values));
    if (part->use.role == SWG_ROLE_ATTENTION_OUTPUT)
        SWG_TRY(cut_heads(s, r));
    if (part->use.role == SWG_ROLE_FFN_DOWN)
        SWG_TRY(cut_ffn(s, r));
    clear_hidden(s, part);
    return replace(s, part, part->values);
}

static bool is_part_of(const swg_structured *s, const swg_structured_part *part,
                       const swg_paired_input *in)
{
    bool found = false;
    for (size_t i = 0; i < in->n_weights; i++)
        found |= strcmp(in->weights[i]->tensor, swg_structured_input(s, part)->name) == 0;
    return found;
}

/* The tensors of the weights that share an input. */
static swg_status cut_input(swg_structured *s, size_t layer, const swg_paired_input *in)
{
    const bool has_target = s->means->refit && (in->stats.input_shift || in->stats.stream_shift);
    swg_shifted_target target = {0};
    swg_status status = SWG_OK;
    if (has_target)
        SWG_GO(swg_shifted_target_init(&target, &in->stats));
    for (size_t i = 0; i < s->n_parts; i++) {
        const observed r = {.part = &s->parts[i], .layer = layer, .stats = &in->stats};
        if (is_part_of(s, r.part, in))
            SWG_GO(cut_weight(s, &r, has_target ? &target : NULL));
    }
done:
    swg_shifted_target_deinit(&target);
    return status;
}

static swg_status walk_layer(swg_structured *s, size_t layer, swg_sink *sink)
{
    const swg_paired_input *in;
    SWG_TRY(swg_model_load_layer(s->model, layer));
    SWG_TRY(cut_hidden(s, true, layer));
    for (size_t i = 0;; i++) {
        SWG_TRY(swg_paired_calibration_observe(s->pair, layer, i, &in));
        if (!in)
            break;
        if (in->is_last)
            swg_model_release_layer(s->original, layer);
        SWG_TRY(cut_input(s, layer, in));
    }
    SWG_TRY(swg_paired_calibration_advance(s->pair, layer));
    SWG_TRY(write_parts(s, true, layer, sink));
    swg_model_release_layer(s->model, layer);
    return SWG_OK;
}

static swg_status walk(swg_structured *s, const swg_structured_means *means, swg_sink *sink)
{
    static const swg_axis per_layer[] = {SWG_AXIS_HEADS, SWG_AXIS_KV, SWG_AXIS_FFN};
    SWG_TRY(swg_structured_begin_model(s, means));
    for (size_t i = 0; i < sizeof per_layer / sizeof *per_layer; i++)
        SWG_TRY(SWG_NEW(s->kept[per_layer[i]], swg_axis_old(s, per_layer[i])));
    SWG_TRY(cut_hidden(s, false, 0));
    SWG_TRY(swg_structured_begin_pair(s));
    for (size_t layer = 0; layer < swg_structured_old(s, SWG_STRUCTURE_LAYERS); layer++) {
        SWG_TRY(swg_model_load_layer(s->original, layer));
        SWG_TRY(s->layer_kept[layer] ? walk_layer(s, layer, sink)
                                     : swg_paired_calibration_skip(s->pair, layer));
        swg_model_release_layer(s->original, layer);
    }
    return write_parts(s, false, 0, sink);
}

swg_status swg_structured_write(swg_structured *s, const swg_structured_means *means,
                                swg_sink *sink)
{
    const swg_status status = walk(s, means, sink);
    swg_structured_end(s);
    return status;
}
