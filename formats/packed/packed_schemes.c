/* See packed_schemes.h. Unknown keys are errors to compressed-tensors
 * (quantization/quant_scheme.py), so there are none. */
#include "formats/packed/packed_schemes.h"

#include <stdio.h>
#include <string.h>

#include "formats/packed/packed_codes.h"

static bool is_same(swg_scheme a, swg_scheme b)
{
    return a.bits == b.bits && a.group == b.group && a.asymmetric == b.asymmetric;
}

/* Whether an earlier packed tensor has the scheme. */
static bool was_seen(const swg_packed_model *model, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (model->is_packed[i] && is_same(model->tensors[i].scheme, model->tensors[index].scheme))
            return true;
    return false;
}

static void put_module(const swg_tensor_desc *desc, swg_json_writer *json)
{
    swg_json_string_n(json, NULL, desc->name, strlen(desc->name) - strlen(".weight"));
}

static void put_arguments(swg_scheme scheme, bool is_activation, swg_json_writer *json)
{
    const char *const strategy = is_activation ? "token" : scheme.group ? "group" : "channel";
    swg_json_uint(json, "num_bits", is_activation ? 8 : scheme.bits);
    swg_json_string(json, "type", "int");
    swg_json_bool(json, "symmetric", is_activation || !scheme.asymmetric);
    swg_json_string(json, "strategy", strategy);
    if (!is_activation && scheme.group)
        swg_json_uint(json, "group_size", scheme.group);
    else
        swg_json_null(json, "group_size");
    swg_json_null(json, "block_structure");
    swg_json_bool(json, "dynamic", is_activation);
    swg_json_null(json, "actorder");
    swg_json_null(json, "observer");
    swg_json_begin_object(json, "observer_kwargs");
    swg_json_end_object(json);
}

/* The group of the weights that have the scheme of tensor `index`. */
static void put_group(const swg_packed_model *model, size_t index, size_t number, bool is_only,
                      const char *format, bool rounds_activations, swg_json_writer *json)
{
    const swg_scheme scheme = model->tensors[index].scheme;
    char key[32];
    snprintf(key, sizeof key, "group_%zu", number);
    swg_json_begin_object(json, key);
    swg_json_begin_array(json, "targets");
    if (is_only)
        swg_json_string(json, NULL, "Linear");
    for (size_t i = index; i < model->n_tensors && !is_only; i++)
        if (model->is_packed[i] && is_same(model->tensors[i].scheme, scheme))
            put_module(&model->tensors[i], json);
    swg_json_end_array(json);
    swg_json_string(json, "format", format);
    swg_json_begin_object(json, "weights");
    put_arguments(scheme, false, json);
    swg_json_end_object(json);
    if (rounds_activations) {
        swg_json_begin_object(json, "input_activations");
        put_arguments(scheme, true, json);
        swg_json_end_object(json);
    } else {
        swg_json_null(json, "input_activations");
    }
    swg_json_null(json, "output_activations");
    swg_json_end_object(json);
}

/* The head, which may be tied and have no tensor, and linear layers of floats. */
static void put_ignored(const swg_packed_model *model, swg_json_writer *json)
{
    swg_json_begin_array(json, "ignore");
    swg_json_string(json, NULL, "lm_head");
    for (size_t i = 0; i < model->n_tensors; i++) {
        swg_tensor_desc coded = model->tensors[i];
        coded.scheme = model->scheme;
        if (!model->is_packed[i] && !swg_packed_why_not(&coded))
            put_module(&coded, json);
    }
    swg_json_end_array(json);
}

void swg_packed_put_schemes(const swg_packed_model *model, const char *format,
                            bool rounds_activations, swg_json_writer *json)
{
    size_t n_schemes = 0, number = 0;
    for (size_t i = 0; i < model->n_tensors; i++)
        n_schemes += model->is_packed[i] && !was_seen(model, i);
    swg_json_string(json, "quant_method", "compressed-tensors");
    swg_json_string(json, "format", format);
    swg_json_string(json, "quantization_status", "compressed");
    swg_json_begin_object(json, "config_groups");
    for (size_t i = 0; i < model->n_tensors; i++)
        if (model->is_packed[i] && !was_seen(model, i))
            put_group(model, i, number++, n_schemes == 1, format, rounds_activations, json);
    swg_json_end_object(json);
    put_ignored(model, json);
    swg_json_null(json, "kv_cache_scheme");
    swg_json_null(json, "global_compression_ratio");
}

bool swg_packed_schemes_are(const swg_json *config, const char *format)
{
    const char *method = "", *own = "";
    swg_json_as_string(swg_json_get(config, "quant_method"), &method);
    swg_json_as_string(swg_json_get(config, "format"), &own);
    return strcmp(method, "compressed-tensors") == 0 && strcmp(own, format) == 0;
}
