/* A GGUF's architecture keys out of Hugging Face's config.json. What the architecture's table does
 * not carry is either implied by the architecture, and then has to have the implied value, or says
 * nothing about the numbers a model computes, and is left out. */
#include <stdio.h>
#include <string.h>

#include "formats/gguf/gguf.h"
#include "formats/gguf/gguf_write.h"

/* Keys that newer configurations keep in an object of their own. */
static const swg_json *find_key(const swg_json *config, const char *key)
{
    const swg_json *value = swg_json_get(config, key);
    return swg_json_is_null(value) ? swg_json_get(swg_json_get(config, "rope_parameters"), key)
                                   : value;
}

static swg_status missing(const swg_sink *sink, const char *key)
{
    return swg_error(SWG_UNSUPPORTED, "%s: config.json has no usable \"%s\", which a GGUF needs",
                     sink->path, key);
}

static swg_status put_row(const swg_sink *sink, const swg_json *config,
                          const swg_gguf_config_row *row, swg_gguf_values *values)
{
    char key[64];
    int64_t integer;
    double number;
    const swg_json *value = find_key(config, row->hf);
    uint32_t times = 1;
    snprintf(key, sizeof key, ".%s", row->gguf);
    if (swg_json_is_null(value) && row->or_hf) {
        value = find_key(config, row->or_hf);
        times = row->times;
    }
    if (row->flags & SWG_GGUF_READ_ONLY)
        return SWG_OK;
    if (swg_json_is_null(value))
        return row->flags & SWG_GGUF_REQUIRED ? missing(sink, row->hf) : SWG_OK;
    if (row->kind == SWG_GGUF_CONFIG_INT) {
        if (!swg_json_as_int(value, &integer) || integer < 1 || integer > INT32_MAX / times)
            return missing(sink, row->hf);
        swg_gguf_put_u32(values, key, (uint64_t)integer * times);
    } else {
        if (!swg_json_as_double(value, &number))
            return missing(sink, row->hf);
        swg_gguf_put_f32(values, key, number);
    }
    return SWG_OK;
}

/* Whether a value is the JSON text `wanted`, of which "x" and x without quotes exist here. */
static bool is_text(const swg_json *value, const char *wanted)
{
    const char *text;
    if (!swg_json_as_string(value, &text))
        return false;
    const size_t length = strlen(text);
    return strlen(wanted) == length + 2 && memcmp(wanted + 1, text, length) == 0;
}

static swg_status check_fixed(const swg_sink *sink, const swg_gguf_arch *arch,
                              const swg_json *config)
{
    for (size_t i = 0; i < arch->n_fixed; i++) {
        const swg_gguf_fixed_row *row = &arch->fixed[i];
        const swg_json *value = swg_json_get(config, row->hf);
        bool flag = false;
        if (swg_json_is_null(value) || (row->value && is_text(value, row->value)) ||
            (!row->value && swg_json_as_bool(value, &flag) && !flag))
            continue;
        return swg_error(SWG_UNSUPPORTED,
                         "%s: a GGUF of architecture %s cannot say that \"%s\" is anything but %s",
                         sink->path, arch->name, row->hf, row->value ? row->value : "absent");
    }
    return SWG_OK;
}

static int64_t int_of(const swg_json *config, const char *key, int64_t fallback)
{
    swg_json_as_int(swg_json_get(config, key), &fallback);
    return fallback;
}

/* No architecture here has a window over the past in engines. One that is switched off, or as long
 * as the context, leaves nothing out. */
static swg_status check_window(const swg_sink *sink, const swg_gguf_arch *arch,
                               const swg_json *config)
{
    const char *model_type = "";
    swg_json_as_string(swg_json_get(config, "model_type"), &model_type);
    const swg_gguf_model_type *type = swg_gguf_model_type_of(arch, model_type);
    const swg_json *value = swg_json_get(config, "sliding_window");
    int64_t window = type && !value ? type->usual_window : 0;
    bool is_on = !type || !type->window_switch;
    if (!is_on)
        swg_json_as_bool(swg_json_get(config, type->window_switch), &is_on);
    swg_json_as_int(value, &window);
    if (!is_on || window <= 0 || window >= int_of(config, "max_position_embeddings", INT32_MAX))
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED,
                     "%s: llama.cpp has no window over the past for architecture %s, and "
                     "\"sliding_window\" is %lld, less than the context",
                     sink->path, arch->name, (long long)window);
}

/* --- Rotary embedding ------------------------------------------------------------------------- */

static int64_t head_dim_of(const swg_json *config)
{
    const int64_t heads = int_of(config, "num_attention_heads", 0);
    const int64_t width = int_of(config, "hidden_size", 0);
    return int_of(config, "head_dim", heads > 0 ? width / heads : 0);
}

/* The object that describes scaling, and its type; NULL when there is none. */
static const swg_json *scaling_of(const swg_json *config, const char **type)
{
    const swg_json *scaling = swg_json_get(config, "rope_scaling");
    if (swg_json_is_null(scaling))
        scaling = swg_json_get(config, "rope_parameters");
    *type = "default";
    if (!swg_json_as_string(swg_json_get(scaling, "rope_type"), type))
        swg_json_as_string(swg_json_get(scaling, "type"), type);
    return swg_json_is_null(scaling) || strcmp(*type, "default") == 0 ? NULL : scaling;
}

bool swg_gguf_config_rope(const swg_json *config, swg_gguf_rope *out)
{
    const char *type;
    const swg_json *scaling = scaling_of(config, &type);
    *out = (swg_gguf_rope){.base = 10000, .n_pairs = (size_t)head_dim_of(config) / 2};
    if (!scaling || strcmp(type, "llama3") != 0)
        return false;
    swg_json_as_double(find_key(config, "rope_theta"), &out->base);
    return swg_json_as_double(swg_json_get(scaling, "factor"), &out->factor) &&
           swg_json_as_double(swg_json_get(scaling, "low_freq_factor"), &out->low_freq_factor) &&
           swg_json_as_double(swg_json_get(scaling, "high_freq_factor"), &out->high_freq_factor) &&
           swg_json_as_int(swg_json_get(scaling, "original_max_position_embeddings"),
                           &out->original_context);
}

/* Engines read the factors alone; the way back needs what they were made of. */
static void put_note(const swg_gguf_rope *rope, swg_gguf_values *values)
{
    const float note[] = {(float)rope->factor, (float)rope->low_freq_factor,
                          (float)rope->high_freq_factor, (float)rope->original_context};
    swg_gguf_put_array(values, SWG_GGUF_ROPE_NOTE, SWG_GGUF_FLOAT32, sizeof note / sizeof *note);
    swg_strbuf_append(&values->out, note, sizeof note);
}

static swg_status put_rope(const swg_sink *sink, const swg_gguf_arch *arch, const swg_json *config,
                           swg_gguf_values *values)
{
    const char *type;
    const swg_json *scaling = scaling_of(config, &type);
    swg_gguf_rope rope;
    const int64_t head_dim = head_dim_of(config);
    double rotated = 1;
    if (head_dim < 1)
        return missing(sink, "head_dim");
    if (swg_json_as_double(find_key(config, "partial_rotary_factor"), &rotated) && rotated != 1)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: heads that are rotated in part (partial_rotary_factor %g) cannot be "
                         "written to a GGUF of architecture %s",
                         sink->path, rotated, arch->name);
    swg_gguf_put_u32(values, ".rope.dimension_count", (uint64_t)head_dim);
    if (!scaling)
        return SWG_OK;
    if (arch->has_rope_factors && swg_gguf_config_rope(config, &rope)) {
        put_note(&rope, values);
        return SWG_OK;
    }
    double factor;
    if (strcmp(type, "linear") != 0 ||
        !swg_json_as_double(swg_json_get(scaling, "factor"), &factor))
        return swg_error(SWG_UNSUPPORTED,
                         "%s: rope_scaling of type \"%.40s\" cannot be written to a GGUF of "
                         "architecture %s",
                         sink->path, type, arch->name);
    swg_gguf_put_text(values, ".rope.scaling.type", type, strlen(type));
    swg_gguf_put_f32(values, ".rope.scaling.factor", factor);
    return SWG_OK;
}

/* --- BERT ------------------------------------------------------------------------------------- */

static const swg_tensor_desc *find_tensor(const swg_sink *sink, const char *name)
{
    for (size_t i = 0; i < sink->n_tensors; i++)
        if (strcmp(sink->tensors[i].name, name) == 0)
            return &sink->tensors[i];
    return NULL;
}

/* llama.cpp takes the classifier's size from its labels, and 1 where there are none. */
static swg_status put_labels(const swg_sink *sink, const swg_json *config, uint64_t n,
                             swg_gguf_values *values)
{
    const swg_json *labels = swg_json_get(config, "id2label");
    if (!swg_json_is_null(labels) && swg_json_count(labels) != n)
        return swg_error(SWG_CORRUPT, "%s: id2label has %zu labels, classifier.weight %llu rows",
                         sink->path, swg_json_count(labels), (unsigned long long)n);
    swg_gguf_put_array(values, ".classifier.output_labels", SWG_GGUF_STRING, n);
    for (uint64_t i = 0; i < n; i++) {
        char key[24], fallback[32];
        snprintf(key, sizeof key, "%llu", (unsigned long long)i);
        snprintf(fallback, sizeof fallback, "LABEL_%llu", (unsigned long long)i);
        const char *label = fallback;
        swg_json_as_string(swg_json_get(labels, key), &label);
        swg_gguf_append_text(&values->out, label, strlen(label));
    }
    return SWG_OK;
}

/* Whether Hugging Face's name is among the tensors, with or without the architecture's prefix. */
static bool has_tensor(const swg_sink *sink, const swg_gguf_arch *arch, const char *name)
{
    char prefixed[SWG_MAX_NAME];
    snprintf(prefixed, sizeof prefixed, "%s%s", arch->prefix, name);
    return find_tensor(sink, prefixed) || find_tensor(sink, name);
}

static swg_status put_encoder(const swg_sink *sink, const swg_gguf_arch *arch,
                              const swg_json *config, swg_gguf_values *values)
{
    enum { POOLING_RANK = 4 };
    const swg_tensor_desc *head = find_tensor(sink, arch->encoder->hf_head);
    swg_gguf_put_bool(values, ".attention.causal", false);
    swg_gguf_put_u32(values, "tokenizer.ggml.token_type_count",
                     (uint64_t)int_of(config, "type_vocab_size", 2));
    if (!head || head->rank != 2)
        return swg_gguf_put_sentence(sink, values);
    if (!has_tensor(sink, arch, arch->encoder->hf_pooler))
        return swg_error(SWG_UNSUPPORTED,
                         "%s: a GGUF of architecture %s cannot have a classifier without a pooler",
                         sink->path, arch->name);
    swg_gguf_put_u32(values, ".pooling_type", POOLING_RANK);
    return put_labels(sink, config, head->shape[0], values);
}

swg_status swg_gguf_put_config(const swg_sink *sink, const swg_gguf_arch *arch,
                               const swg_json *config, uint64_t vocab_size, swg_gguf_values *values)
{
    SWG_TRY(check_fixed(sink, arch, config));
    SWG_TRY(check_window(sink, arch, config));
    for (size_t i = 0; i < arch->n_config; i++)
        SWG_TRY(put_row(sink, config, &arch->config[i], values));
    swg_gguf_put_u32(values, ".vocab_size", vocab_size);
    if (arch->has_rope)
        SWG_TRY(put_rope(sink, arch, config, values));
    return arch->encoder ? put_encoder(sink, arch, config, values) : SWG_OK;
}
