/* Writing a Hugging Face folder of packed weights: the writer of safetensors gets the tensors that
 * a layout makes of each quantized weight, a configuration with quantization_config, and all else
 * as it is. */
#include <stdio.h>
#include <string.h>

#include "formats/huggingface/conv1d.h"
#include "formats/packed/packed.h"
#include "formats/writer.h"

static const char weight_ending[] = ".weight";
static const char file_ending[] = ".safetensors";

typedef struct packed_output {
    const swg_packed_layout *layout;
    swg_packed_model model;
    swg_tensor_desc *inner; /* what is written, in order */
    size_t n_inner;
    size_t *first; /* [n_tensors + 1]: where the tensors made of each begin in it */
    swg_sink_meta meta;
    swg_sink *sink;
    swg_strbuf config;
    swg_json_writer json; /* quantization_config */
} packed_output;

/* --- Checks ----------------------------------------------------------------------------------- */

static swg_status check_tensor(const swg_sink *sink, const swg_packed_layout *layout,
                               const swg_tensor_desc *desc)
{
    char scheme[SWG_SCHEME_NAME_BYTES];
    if (swg_scheme_is_plain(desc->scheme))
        return SWG_OK;
    const char *const why = layout->why_not(desc);
    if (!why)
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED,
                     "%s: %s cannot hold tensor %s, which is %s: %s; --dequantize-rest writes such "
                     "tensors as floats",
                     sink->path, layout->word, desc->name, swg_scheme_name(desc->scheme, scheme),
                     why);
}

/* All packed weights have one width and group, where the layout wants it. */
static swg_status check_mix(const swg_sink *sink, const swg_packed_layout *layout)
{
    const swg_tensor_desc *first = NULL;
    for (size_t i = 0; i < sink->n_tensors && !layout->may_mix; i++) {
        const swg_tensor_desc *desc = &sink->tensors[i];
        char a[SWG_SCHEME_NAME_BYTES], b[SWG_SCHEME_NAME_BYTES];
        if (swg_scheme_is_plain(desc->scheme))
            continue;
        first = first ? first : desc;
        if (first->scheme.bits != desc->scheme.bits || first->scheme.group != desc->scheme.group)
            return swg_error(
                SWG_UNSUPPORTED, "%s: %s has one group size for all weights; %s is %s and %s is %s",
                sink->path, layout->word, first->name, swg_scheme_name(first->scheme, a),
                desc->name, swg_scheme_name(desc->scheme, b));
    }
    return SWG_OK;
}

static swg_status check(const swg_sink *sink, const swg_packed_layout *layout)
{
    bool has_conv1d = false, has_packed = false;
    if (swg_path_ends_with(sink->path, file_ending, strlen(file_ending)))
        return swg_error(SWG_USAGE, "%s: %s is a folder; name one", sink->path, layout->word);
    SWG_TRY(swg_conv1d_in_config(sink->meta.config, sink->meta.config_length, &has_conv1d));
    if (has_conv1d)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: models with Conv1D layers (GPT-2) are not written as %s", sink->path,
                         layout->word);
    for (size_t i = 0; i < sink->n_tensors; i++) {
        SWG_TRY(check_tensor(sink, layout, &sink->tensors[i]));
        has_packed = has_packed || !swg_scheme_is_plain(sink->tensors[i].scheme);
    }
    if (!has_packed)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: %s holds linear weights of %s, and the output would have none; "
                         "quantize the model to such",
                         sink->path, layout->word, layout->holds);
    return check_mix(sink, layout);
}

/* --- What is written -------------------------------------------------------------------------- */

/* The scheme that most packed elements have. */
static swg_scheme usual_scheme(const swg_packed_model *model)
{
    uint64_t most = 0;
    swg_scheme usual = {0};
    for (size_t i = 0; i < model->n_tensors; i++) {
        uint64_t elems = 0;
        const swg_scheme scheme = model->tensors[i].scheme;
        if (!model->is_packed[i] || (most > 0 && swg_scheme_equal(scheme, usual)))
            continue;
        for (size_t k = 0; k < model->n_tensors; k++)
            if (model->is_packed[k] && swg_scheme_equal(model->tensors[k].scheme, scheme))
                elems += swg_tensor_elems(&model->tensors[k]);
        usual = elems > most ? scheme : usual;
        most = elems > most ? elems : most;
    }
    return usual;
}

static swg_status add_parts(swg_sink *sink, packed_output *output, const swg_tensor_desc *desc)
{
    swg_packed_part parts[SWG_PACKED_PARTS];
    const size_t n = output->layout->parts(desc, parts);
    const size_t base = strlen(desc->name) - strlen(weight_ending);
    for (size_t p = 0; p < n; p++) {
        char *const name =
            swg_arena_calloc(&sink->arena, base + strlen(parts[p].ending) + 1, sizeof *name);
        if (!name)
            return SWG_NO_MEMORY;
        memcpy(name, desc->name, base);
        strcpy(name + base, parts[p].ending);
        output->inner[output->n_inner++] =
            (swg_tensor_desc){.name = name,
                              .scheme = swg_scheme_plain(parts[p].dtype),
                              .rank = parts[p].rank,
                              .shape = {parts[p].shape[0], parts[p].shape[1]}};
    }
    return SWG_OK;
}

static swg_status make_tensors(swg_sink *sink, packed_output *output)
{
    const size_t n = sink->n_tensors;
    bool *const is_packed = swg_arena_calloc(&sink->arena, n, sizeof *is_packed);
    output->inner = swg_arena_calloc(&sink->arena, SWG_PACKED_PARTS * n, sizeof *output->inner);
    output->first = swg_arena_calloc(&sink->arena, n + 1, sizeof *output->first);
    if (!is_packed || !output->inner || !output->first)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        is_packed[i] = !swg_scheme_is_plain(sink->tensors[i].scheme);
        output->first[i] = output->n_inner;
        if (is_packed[i])
            SWG_TRY(add_parts(sink, output, &sink->tensors[i]));
        else
            output->inner[output->n_inner++] = sink->tensors[i];
    }
    output->first[n] = output->n_inner;
    output->model =
        (swg_packed_model){.tensors = sink->tensors, .n_tensors = n, .is_packed = is_packed};
    output->model.scheme = usual_scheme(&output->model);
    return SWG_OK;
}

/* The configuration, an object, with one more member. */
static swg_status make_config(swg_sink *sink, packed_output *output)
{
    const char *const config = sink->meta.config;
    size_t length = sink->meta.config_length;
    swg_json_doc *doc = NULL;
    SWG_TRY(swg_json_parse(config, length, "config.json", &doc));
    const bool is_taken = swg_json_get(swg_json_root(doc), "quantization_config") != NULL;
    const bool is_empty = swg_json_count(swg_json_root(doc)) == 0;
    swg_json_free(&doc);
    if (is_taken)
        return swg_error(SWG_UNSUPPORTED, "%s: config.json has a quantization_config already",
                         sink->path);
    swg_json_begin_object(&output->json, NULL);
    output->layout->put_config(&output->model, &output->json);
    swg_json_end_object(&output->json);
    SWG_TRY(swg_strbuf_status(&output->json.out));
    while (config[length - 1] != '}')
        length--;
    length--;
    while (length > 0 && strchr(" \n\r\t", config[length - 1]))
        length--;
    swg_strbuf_append(&output->config, config, length);
    swg_strbuf_printf(&output->config, "%s\n  \"quantization_config\": %s\n}\n",
                      is_empty ? "" : ",", swg_strbuf_text(&output->json.out));
    return swg_strbuf_status(&output->config);
}

static swg_status make_meta(swg_sink *sink, packed_output *output)
{
    const char *const more = output->layout->config_file;
    output->meta = sink->meta;
    output->meta.config = swg_strbuf_text(&output->config);
    output->meta.config_length = output->config.length;
    if (!more)
        return SWG_OK;
    swg_file_view *const files =
        swg_arena_calloc(&sink->arena, sink->meta.n_files + 1, sizeof *files);
    if (!files)
        return SWG_NO_MEMORY;
    size_t n = 0;
    for (size_t i = 0; i < sink->meta.n_files; i++)
        if (strcmp(sink->meta.files[i].name, more) != 0)
            files[n++] = sink->meta.files[i];
    files[n++] = (swg_file_view){more, swg_strbuf_text(&output->json.out), output->json.out.length};
    output->meta.files = files;
    output->meta.n_files = n;
    return SWG_OK;
}

static swg_status make_output(swg_sink *sink, const swg_packed_layout *layout,
                              swg_sink_options *options)
{
    packed_output *output = swg_arena_calloc(&sink->arena, 1, sizeof *output);
    if (!output)
        return SWG_NO_MEMORY;
    sink->state = output;
    output->layout = layout;
    SWG_TRY(make_tensors(sink, output));
    SWG_TRY(make_config(sink, output));
    *options = swg_sink_options_default();
    options->format = "safetensors";
    options->force = sink->force;
    options->pool = sink->pool;
    options->max_shard_bytes = sink->max_shard_bytes;
    return make_meta(sink, output);
}

/* --- Writing ---------------------------------------------------------------------------------- */

static swg_status open_output(swg_sink *sink, const swg_packed_layout *layout)
{
    swg_sink_options options;
    SWG_TRY(make_output(sink, layout, &options));
    packed_output *output = sink->state;
    return swg_sink_open(sink->path, &options, &output->meta, output->inner, output->n_inner,
                         &output->sink);
}

static swg_status write_part(const swg_sink *sink, size_t tensor,
                             const void *const planes[SWG_PLANE_KINDS], size_t part)
{
    const packed_output *output = sink->state;
    const size_t index = output->first[tensor] + part;
    const void *views[SWG_PLANE_KINDS] = {0};
    uint8_t *bytes;
    swg_status status = SWG_OK;
    SWG_TRY(SWG_NEW_UNINIT(bytes, (size_t)swg_tensor_bytes(&output->inner[index])));
    SWG_GO(output->layout->fill(sink->path, &sink->tensors[tensor], planes, part, bytes));
    views[SWG_PLANE_VALUES] = bytes;
    SWG_GO(swg_sink_write(output->sink, index, views));
done:
    swg_free(bytes);
    return status;
}

static swg_status write_tensor(swg_sink *sink, size_t tensor,
                               const void *const planes[SWG_PLANE_KINDS], uint64_t *stored_bytes)
{
    const packed_output *output = sink->state;
    const size_t first = output->first[tensor], n = output->first[tensor + 1] - first;
    if (!output->model.is_packed[tensor])
        SWG_TRY(swg_sink_write(output->sink, first, planes));
    for (size_t p = 0; output->model.is_packed[tensor] && p < n; p++)
        SWG_TRY(write_part(sink, tensor, planes, p));
    *stored_bytes = 0;
    for (size_t i = first; i < first + n; i++)
        *stored_bytes += swg_sink_stored_bytes(output->sink, i);
    return SWG_OK;
}

static swg_status finish(swg_sink *sink, uint64_t *bytes)
{
    packed_output *output = sink->state;
    return swg_sink_finish(&output->sink, bytes);
}

static void close_output(swg_sink *sink)
{
    packed_output *output = sink->state;
    swg_sink_abort(&output->sink);
    swg_strbuf_deinit(&output->config);
    swg_json_deinit(&output->json);
}

static swg_status plan(swg_sink *sink, const swg_packed_layout *layout, uint64_t *bytes,
                       bool *is_exact)
{
    swg_sink_options options;
    SWG_TRY(make_output(sink, layout, &options));
    const packed_output *output = sink->state;
    return swg_sink_plan_bytes(sink->path, &options, &output->meta, output->inner, output->n_inner,
                               bytes, is_exact);
}

/* A writer for each layout. */
#define SWG_PACKED_LAYOUT(name)                                                                    \
    static swg_status check_##name(const swg_sink *sink)                                           \
    {                                                                                              \
        return check(sink, &swg_packed_##name);                                                    \
    }                                                                                              \
    static swg_status open_##name(swg_sink *sink)                                                  \
    {                                                                                              \
        return open_output(sink, &swg_packed_##name);                                              \
    }                                                                                              \
    static swg_status plan_##name(swg_sink *sink, uint64_t *bytes, bool *is_exact)                 \
    {                                                                                              \
        return plan(sink, &swg_packed_##name, bytes, is_exact);                                    \
    }                                                                                              \
    static bool holds_##name(const swg_tensor_desc *desc)                                          \
    {                                                                                              \
        return swg_scheme_is_plain(desc->scheme) || !swg_packed_##name.why_not(desc);              \
    }                                                                                              \
    const swg_writer swg_writer_packed_##name = {.check = check_##name,                            \
                                                 .open = open_##name,                              \
                                                 .write = write_tensor,                            \
                                                 .finish = finish,                                 \
                                                 .close = close_output,                            \
                                                 .plan = plan_##name,                              \
                                                 .holds = holds_##name,                            \
                                                 .can_shard = true,                                \
                                                 .translates_config = true};
#include "formats/packed/packed_layouts.def"
