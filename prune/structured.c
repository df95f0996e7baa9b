/* Structured pruning of a checkpoint: see structured.h. While layers are chosen and refitted the
 * model runs at its old sizes, with zeros where something is gone; what is written is cut to size.
 */
#include "prune/structured_state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const swg_sides sides[SWG_ROLE_COUNT] = {
    [SWG_ROLE_EMBEDDING] = {SWG_AXIS_NONE, SWG_AXIS_HIDDEN},
    [SWG_ROLE_POSITION_EMBEDDING] = {SWG_AXIS_NONE, SWG_AXIS_HIDDEN},
    [SWG_ROLE_ATTENTION_NORM] = {SWG_AXIS_HIDDEN, SWG_AXIS_NONE},
    [SWG_ROLE_QUERY] = {SWG_AXIS_HEADS, SWG_AXIS_HIDDEN},
    [SWG_ROLE_KEY] = {SWG_AXIS_KV, SWG_AXIS_HIDDEN},
    [SWG_ROLE_VALUE] = {SWG_AXIS_KV, SWG_AXIS_HIDDEN},
    [SWG_ROLE_ATTENTION_OUTPUT] = {SWG_AXIS_HIDDEN, SWG_AXIS_HEADS},
    [SWG_ROLE_FFN_NORM] = {SWG_AXIS_HIDDEN, SWG_AXIS_NONE},
    [SWG_ROLE_FFN_GATE] = {SWG_AXIS_FFN, SWG_AXIS_HIDDEN},
    [SWG_ROLE_FFN_UP] = {SWG_AXIS_FFN, SWG_AXIS_HIDDEN},
    [SWG_ROLE_FFN_DOWN] = {SWG_AXIS_HIDDEN, SWG_AXIS_FFN},
    [SWG_ROLE_OUTPUT_NORM] = {SWG_AXIS_HIDDEN, SWG_AXIS_NONE},
    [SWG_ROLE_HEAD] = {SWG_AXIS_NONE, SWG_AXIS_HIDDEN},
};

size_t swg_axis_old(const swg_structured *s, swg_axis a)
{
    const size_t head_dim = (size_t)s->hparams.head_dim;
    return a == SWG_AXIS_HIDDEN  ? swg_structured_old(s, SWG_STRUCTURE_HIDDEN)
           : a == SWG_AXIS_HEADS ? swg_structured_old(s, SWG_STRUCTURE_HEADS) * head_dim
           : a == SWG_AXIS_KV    ? swg_structured_old(s, SWG_STRUCTURE_KV_GROUPS) * head_dim
                                 : swg_structured_old(s, SWG_STRUCTURE_FFN);
}

size_t swg_axis_new(const swg_structured *s, swg_axis a)
{
    const size_t head_dim = (size_t)s->hparams.head_dim;
    return a == SWG_AXIS_HIDDEN  ? swg_structured_new(s, SWG_STRUCTURE_HIDDEN)
           : a == SWG_AXIS_HEADS ? swg_structured_new(s, SWG_STRUCTURE_HEADS) * head_dim
           : a == SWG_AXIS_KV    ? swg_structured_new(s, SWG_STRUCTURE_KV_GROUPS) * head_dim
                                 : swg_structured_new(s, SWG_STRUCTURE_FFN);
}

bool swg_axis_is_cut(const swg_structured *s, swg_axis a)
{
    return a != SWG_AXIS_NONE && swg_axis_old(s, a) != swg_axis_new(s, a);
}

swg_sides swg_structured_sides(const swg_tensor_use *use)
{
    swg_sides found = {SWG_AXIS_NONE, SWG_AXIS_NONE};
    if (use->kind == SWG_USE_WEIGHT || use->kind == SWG_USE_BIAS)
        found = sides[use->role];
    if (use->kind == SWG_USE_BIAS)
        found.columns = SWG_AXIS_NONE;
    return found;
}

/* --- Opening ---------------------------------------------------------------------------------- */

/* Sides that are cut must be those of one weight, of the size that the configuration says. */
static swg_status check_side(const swg_structured *s, const swg_tensor_desc *desc, swg_axis a,
                             uint64_t size)
{
    if (!swg_axis_is_cut(s, a) || size == swg_axis_old(s, a))
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED,
                     "tensor %s has a side of %llu, not of the %zu channels that would be cut: "
                     "fused weights are not supported",
                     desc->name, (unsigned long long)size, swg_axis_old(s, a));
}

static swg_status check_tensor(const swg_structured *s, size_t i)
{
    const swg_tensor_desc *const desc = swg_source_tensor(s->source, i);
    const swg_sides of = swg_structured_sides(&s->uses[i]);
    if (s->uses[i].kind == SWG_USE_WEIGHT &&
        (!swg_scheme_is_plain(desc->scheme) || !swg_dtype_is_float(desc->scheme.dtype)))
        return swg_error(SWG_UNSUPPORTED,
                         "tensor %s is not stored as plain floats: structured pruning comes before "
                         "quantization",
                         desc->name);
    if (s->uses[i].kind == SWG_USE_BIAS && of.rows == SWG_AXIS_HIDDEN &&
        swg_axis_is_cut(s, SWG_AXIS_HIDDEN))
        return swg_error(SWG_UNSUPPORTED,
                         "--structured hidden: tensor %s adds to the residual stream, and biases "
                         "there are not supported",
                         desc->name);
    SWG_TRY(check_side(s, desc, of.rows, desc->shape[0]));
    return desc->rank > 1 ? check_side(s, desc, of.columns, desc->shape[1]) : SWG_OK;
}

/* "model.layers.7.mlp..." -> "model.layers.5.mlp...": the first part of the name that is the
 * layer's number. */
static swg_status rename_layer(swg_structured *s, const char *name, size_t old, size_t new,
                               const char **out)
{
    char from[32], to[32];
    const int length = snprintf(from, sizeof from, ".%zu.", old);
    snprintf(to, sizeof to, ".%zu.", new);
    const char *const at = strstr(name, from);
    swg_strbuf text = {0};
    if (at)
        swg_strbuf_printf(&text, "%.*s%s%s", (int)(at - name), name, to, at + length);
    else
        swg_strbuf_puts(&text, name);
    swg_status status = swg_strbuf_status(&text);
    if (status == SWG_OK) {
        *out = swg_arena_strndup(&s->names, text.text, text.length);
        status = *out ? SWG_OK : SWG_NO_MEMORY;
    }
    swg_strbuf_deinit(&text);
    return status;
}

/* The description of a tensor in the output, of a layer that is the new_layer-th there. */
static swg_status add_part(swg_structured *s, size_t tensor, size_t new_layer)
{
    const swg_tensor_use *const use = &s->uses[tensor];
    swg_structured_part *const p = &s->parts[s->n_parts];
    const swg_sides of = swg_structured_sides(use);
    *p = (swg_structured_part){
        .tensor = tensor, .use = *use, .desc = *swg_source_tensor(s->source, tensor)};
    if (use->is_per_layer)
        SWG_TRY(rename_layer(s, p->desc.name, use->layer, new_layer, &p->desc.name));
    if (swg_axis_is_cut(s, of.rows))
        p->desc.shape[0] = swg_axis_new(s, of.rows);
    if (swg_axis_is_cut(s, of.columns))
        p->desc.shape[1] = swg_axis_new(s, of.columns);
    s->descs[s->n_parts++] = p->desc;
    return SWG_OK;
}

/* All parts, layer by layer, then those outside layers. */
static swg_status list_parts(swg_structured *s)
{
    const size_t n = swg_source_n_tensors(s->source),
                 n_layers = swg_structured_old(s, SWG_STRUCTURE_LAYERS);
    size_t new_layer = 0;
    s->n_parts = 0;
    for (size_t layer = 0; layer < n_layers; layer++) {
        for (size_t i = 0; i < n && s->layer_kept[layer]; i++)
            if (s->uses[i].is_per_layer && s->uses[i].layer == layer)
                SWG_TRY(add_part(s, i, new_layer));
        new_layer += s->layer_kept[layer];
    }
    for (size_t i = 0; i < n; i++)
        if (!s->uses[i].is_per_layer && s->uses[i].kind != SWG_USE_IGNORED)
            SWG_TRY(add_part(s, i, 0));
    return SWG_OK;
}

/* Parts and configuration for the layers that stay. */
static swg_status describe(swg_structured *s)
{
    size_t length;
    const char *const config = swg_source_config(s->source, &length);
    swg_json_deinit(&s->config);
    s->config = (swg_json_writer){0};
    SWG_TRY(list_parts(s));
    return swg_structured_config(config, length, s->arch, &s->hparams, &s->after, s->layer_kept,
                                 &s->config);
}

static swg_status open_source(swg_structured *s, const swg_structured_request *request)
{
    size_t length;
    const size_t n = swg_source_n_tensors(s->source);
    const char *const config = swg_source_config(s->source, &length);
    swg_tensor_desc *inputs = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_hparams_read(config, length, &s->arch, &s->hparams));
    SWG_GO(swg_structured_shape_make(s->arch, &s->hparams, request, &s->before, &s->after));
    SWG_GO(swg_quantize_source_descs(s->source, &inputs));
    SWG_GO(swg_quantize_source_uses(s->source, inputs, &s->uses));
    SWG_GO(s->uses ? SWG_OK
                   : swg_error(SWG_UNSUPPORTED, "the tensors of %s do not fit its configuration",
                               swg_source_path(s->source)));
    for (size_t i = 0; i < n; i++)
        SWG_GO(check_tensor(s, i));
    const size_t n_layers = swg_structured_old(s, SWG_STRUCTURE_LAYERS);
    SWG_GO(SWG_NEW(s->layers, n_layers));
    SWG_GO(SWG_NEW(s->layer_kept, n_layers));
    SWG_GO(SWG_NEW(s->parts, n));
    SWG_GO(SWG_NEW(s->descs, n));
    for (size_t i = 0; i < n_layers; i++) {
        s->layer_kept[i] = i < swg_structured_new(s, SWG_STRUCTURE_LAYERS);
        s->layers[i] = (swg_structured_layer){.turn = NAN, .heads_error = NAN, .ffn_error = NAN};
    }
    status = describe(s);
done:
    swg_free(inputs);
    return status;
}

swg_status swg_structured_open(swg_source *source, const swg_structured_request *request,
                               swg_structured **out)
{
    swg_structured *s = NULL;
    SWG_TRY(SWG_NEW(s, 1));
    s->source = source;
    const swg_status status = open_source(s, request);
    if (status == SWG_OK) {
        *out = s;
        s = NULL;
    }
    swg_structured_free(&s);
    return status;
}

void swg_structured_end(swg_structured *s)
{
    swg_calibration_free(&s->calibration);
    swg_paired_calibration_free(&s->pair);
    swg_model_free(&s->original);
    swg_model_free(&s->model);
}

void swg_structured_free(swg_structured **structured)
{
    swg_structured *s = *structured;
    if (!s)
        return;
    swg_structured_end(s);
    for (size_t i = 0; i < s->n_parts; i++)
        swg_free(s->parts[i].values);
    for (size_t a = 0; a < SWG_AXIS_COUNT; a++)
        swg_free(s->kept[a]);
    swg_free(s->parts);
    swg_free(s->descs);
    swg_free(s->uses);
    swg_free(s->layers);
    swg_free(s->layer_kept);
    swg_json_deinit(&s->config);
    swg_arena_deinit(&s->names);
    swg_free(s);
    *structured = NULL;
}

const swg_structured_shape *swg_structured_before(const swg_structured *s)
{
    return &s->before;
}

const swg_structured_shape *swg_structured_after(const swg_structured *s)
{
    return &s->after;
}

const swg_structured_layer *swg_structured_layers(const swg_structured *s)
{
    return s->layers;
}

const swg_tensor_desc *swg_structured_descs(const swg_structured *s, size_t *n)
{
    *n = s->n_parts;
    return s->descs;
}

const char *swg_structured_config_text(const swg_structured *s, size_t *length)
{
    *length = s->config.out.length;
    return swg_strbuf_text(&s->config.out);
}

/* --- Running the model ------------------------------------------------------------------------ */

/* Open the source's model, and load what is outside of its layers if `begins`: it will embed. */
static swg_status open_model(const swg_structured *s, bool begins, swg_model **out)
{
    swg_model_options options = swg_model_options_default();
    options.pool = s->means->pool;
    options.backend = s->means->text->device;
    SWG_TRY(swg_model_open(s->source, &options, out));
    return begins ? swg_model_load_layer(*out, (size_t)(*out)->hparams.n_layers) : SWG_OK;
}

static swg_calibration_options calibration_options(const swg_structured *s)
{
    swg_calibration_options options = swg_calibration_options_default();
    options.pool = s->means->pool;
    options.progress = s->means->progress;
    return options;
}

swg_status swg_structured_begin_model(swg_structured *s, const swg_structured_means *means)
{
    s->means = means;
    return open_model(s, true, &s->model);
}

swg_status swg_structured_begin_calibration(swg_structured *s)
{
    const swg_calibration_text *const text = s->means->text;
    const swg_calibration_options options = calibration_options(s);
    return swg_calibration_new(s->model, text->ids, text->n_windows, text->window, &options,
                               &s->calibration);
}

swg_status swg_structured_begin_pair(swg_structured *s)
{
    const swg_calibration_text *const text = s->means->text;
    const swg_calibration_options options = calibration_options(s);
    SWG_TRY(open_model(s, swg_structured_loses(s, SWG_STRUCTURE_HIDDEN), &s->original));
    return swg_paired_calibration_new(s->original, s->model, text->ids, text->n_windows,
                                      text->window, &options, &s->pair);
}

/* --- Layers ----------------------------------------------------------------------------------- */

/* Mean over the rows of 1 - cos(before, after); NaN when a row is not finite. */
static double turn_of(const float *before, const float *after, size_t n_rows, size_t columns)
{
    double sum = 0;
    for (size_t r = 0; r < n_rows; r++) {
        double product = 0, a2 = 0, b2 = 0;
        for (size_t c = 0; c < columns; c++) {
            const double a = (double)before[r * columns + c], b = (double)after[r * columns + c];
            product += a * b;
            a2 += a * a;
            b2 += b * b;
        }
        if (!isfinite(a2) || !isfinite(b2))
            return NAN;
        sum += a2 > 0 && b2 > 0 ? 1 - product / sqrt(a2 * b2) : 0;
    }
    return sum / (double)n_rows;
}

static swg_status measure_turns(swg_structured *s)
{
    const size_t n_layers = swg_structured_old(s, SWG_STRUCTURE_LAYERS);
    size_t n_rows, columns;
    float *before = NULL;
    swg_status status = SWG_OK;
    const float *rows = swg_calibration_rows(s->calibration, &n_rows, &columns);
    SWG_GO(SWG_NEW_UNINIT(before, n_rows * columns));
    for (size_t layer = 0; layer < n_layers; layer++) {
        memcpy(before, rows, n_rows * columns * sizeof *rows);
        SWG_GO(swg_model_load_layer(s->model, layer));
        SWG_GO(swg_calibration_advance(s->calibration, layer));
        swg_model_release_layer(s->model, layer);
        rows = swg_calibration_rows(s->calibration, &n_rows, &columns);
        s->layers[layer].turn = turn_of(before, rows, n_rows, columns);
        if (isnan(s->layers[layer].turn))
            SWG_GO(swg_error(SWG_FAILED,
                             "what layer %zu gives is not finite on the calibration text; `swage "
                             "verify` names tensors that hold NaN or infinity",
                             layer));
    }
done:
    swg_free(before);
    return status;
}

static swg_status choose_layers(swg_structured *s, const swg_structured_means *means)
{
    const size_t n_layers = swg_structured_old(s, SWG_STRUCTURE_LAYERS);
    SWG_TRY(swg_structured_begin_model(s, means));
    SWG_TRY(swg_structured_begin_calibration(s));
    SWG_TRY(measure_turns(s));
    swg_structured_end(s);
    for (size_t i = 0; i < n_layers; i++)
        s->layer_kept[i] = true;
    for (size_t gone = swg_structured_new(s, SWG_STRUCTURE_LAYERS); gone < n_layers; gone++) {
        size_t least = SIZE_MAX;
        for (size_t i = 0; i < n_layers; i++)
            if (s->layer_kept[i] &&
                (least == SIZE_MAX || s->layers[i].turn < s->layers[least].turn))
                least = i;
        s->layer_kept[least] = false;
    }
    return SWG_OK;
}

/* --- Hidden channels -------------------------------------------------------------------------- */

swg_status swg_structured_read(const swg_structured *s, size_t tensor, float **out)
{
    const swg_tensor_desc *const desc = swg_source_tensor(s->source, tensor);
    SWG_TRY(SWG_NEW_UNINIT(*out, swg_tensor_elems(desc)));
    SWG_TRY(swg_source_read_f32(s->source, tensor, 0, swg_tensor_rows(desc), *out));
    swg_source_release(s->source, tensor);
    return SWG_OK;
}

/* Add each channel's share of a weight's outputs. */
static swg_status add_shares(const swg_structured *s, size_t tensor, const swg_layer_stats *stats,
                             double *shares)
{
    const swg_tensor_desc *const desc = swg_source_tensor(s->source, tensor);
    const size_t rows = swg_tensor_rows(desc), columns = swg_tensor_cols(desc);
    float *w = NULL;
    double *own = NULL, sum = 0;
    swg_status status = SWG_OK;
    SWG_GO(swg_structured_read(s, tensor, &w));
    SWG_GO(SWG_NEW(own, columns));
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            own[c] += (double)w[r * columns + c] * (double)w[r * columns + c];
    for (size_t c = 0; c < columns; c++)
        sum += own[c] *= stats->mean_square[c];
    for (size_t c = 0; c < columns && sum > 0; c++)
        shares[c] += own[c] / sum;
done:
    swg_free(w);
    swg_free(own);
    return status;
}

static swg_status choose_hidden(swg_structured *s, const swg_structured_means *means)
{
    const size_t n = swg_structured_old(s, SWG_STRUCTURE_HIDDEN);
    double *shares = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW(shares, n));
    SWG_GO(SWG_NEW_UNINIT(s->kept[SWG_AXIS_HIDDEN], n));
    for (size_t i = 0; i < s->n_parts; i++) {
        const swg_layer_stats *stats = NULL;
        if (swg_structured_sides(&s->parts[i].use).columns != SWG_AXIS_HIDDEN)
            continue;
        SWG_GO(swg_model_stats_get(means->stats,
                                   swg_source_tensor(s->source, s->parts[i].tensor)->name, &stats));
        if (stats)
            SWG_GO(add_shares(s, s->parts[i].tensor, stats, shares));
    }
    for (size_t i = 0; i < n; i++)
        s->kept[SWG_AXIS_HIDDEN][i] = true;
    for (size_t gone = swg_structured_new(s, SWG_STRUCTURE_HIDDEN); gone < n; gone++) {
        size_t least = SIZE_MAX;
        for (size_t i = 0; i < n; i++)
            if (s->kept[SWG_AXIS_HIDDEN][i] && (least == SIZE_MAX || shares[i] < shares[least]))
                least = i;
        s->kept[SWG_AXIS_HIDDEN][least] = false;
    }
done:
    swg_free(shares);
    return status;
}

swg_status swg_structured_choose(swg_structured *s, const swg_structured_means *means)
{
    if (swg_structured_loses(s, SWG_STRUCTURE_LAYERS))
        SWG_TRY(choose_layers(s, means));
    for (size_t i = 0; i < swg_structured_old(s, SWG_STRUCTURE_LAYERS); i++)
        s->layers[i].is_kept = s->layer_kept[i];
    SWG_TRY(describe(s));
    return swg_structured_loses(s, SWG_STRUCTURE_HIDDEN) ? choose_hidden(s, means) : SWG_OK;
}
