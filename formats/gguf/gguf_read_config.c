/* Hugging Face's config.json out of a GGUF's metadata. Keys come from the architecture's table;
 * sizes that GGUF leaves to its tensors (vocabulary, token types, whether the head is tied) are
 * taken from these. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/gguf/gguf.h"

enum { KEY_BYTES = 256 };

/* The value of "<architecture>.<key>", or NULL. */
static const swg_gguf_value *arch_value(const swg_gguf_header *header, const char *key)
{
    char full[KEY_BYTES];
    swg_gguf_text name;
    if (!swg_gguf_as_text(swg_gguf_find(header, "general.architecture"), &name))
        return NULL;
    const int length = snprintf(full, sizeof full, "%.*s.%s", (int)name.length, name.text, key);
    return length > 0 && length < KEY_BYTES ? swg_gguf_find(header, full) : NULL;
}

swg_status swg_gguf_arch_int(const char *path, const swg_gguf_header *header, const char *key,
                             int64_t *out)
{
    const swg_gguf_value *value = arch_value(header, key);
    int64_t number;
    if (!value)
        return SWG_OK;
    if (!swg_gguf_as_int(value, &number) || number < 1 || number > INT32_MAX)
        return swg_error(value->kind == SWG_GGUF_ARRAY ? SWG_UNSUPPORTED : SWG_CORRUPT,
                         "%s: %.*s is not an integer of at least 1%s", path, (int)value->key.length,
                         value->key.text, value->kind == SWG_GGUF_ARRAY ? " but one a layer" : "");
    *out = number;
    return SWG_OK;
}

static swg_status arch_float(const char *path, const swg_gguf_header *header, const char *key,
                             double *out)
{
    const swg_gguf_value *value = arch_value(header, key);
    double number;
    if (!value)
        return SWG_OK;
    if (!swg_gguf_as_float(value, &number) || !isfinite(number))
        return swg_error(SWG_CORRUPT, "%s: %.*s is not a finite number", path,
                         (int)value->key.length, value->key.text);
    *out = number;
    return SWG_OK;
}

const swg_gguf_tensor *swg_gguf_find_tensor(const swg_gguf_header *header, const char *name)
{
    for (size_t i = 0; i < header->n_tensors; i++)
        if (swg_gguf_text_is(header->tensors[i].name, name))
            return &header->tensors[i];
    return NULL;
}

/* A binary32 as the shortest decimal that reads back as it: 1e-05, not 9.999999747378752e-06. */
static void put_float(swg_json_writer *json, const char *key, double value)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        double back;
        if (sscanf(text, "%lf", &back) == 1 && (float)back == (float)value) {
            swg_json_double(json, key, back);
            return;
        }
    }
    swg_json_double(json, key, value);
}

static swg_status put_rows(const char *path, const swg_gguf_header *header,
                           const swg_gguf_arch *arch, swg_json_writer *json)
{
    for (size_t i = 0; i < arch->n_config; i++) {
        const swg_gguf_config_row *row = &arch->config[i];
        if ((row->flags & SWG_GGUF_WRITE_ONLY) || !arch_value(header, row->gguf))
            continue;
        int64_t integer = 0;
        double number = 0;
        if (row->kind == SWG_GGUF_CONFIG_INT) {
            SWG_TRY(swg_gguf_arch_int(path, header, row->gguf, &integer));
            swg_json_int(json, row->hf, integer);
        } else {
            SWG_TRY(arch_float(path, header, row->gguf, &number));
            put_float(json, row->hf, number);
        }
    }
    for (size_t i = 0; i < arch->n_fixed; i++)
        if (arch->fixed[i].value)
            swg_json_raw(json, arch->fixed[i].hf, arch->fixed[i].value,
                         strlen(arch->fixed[i].value));
    return SWG_OK;
}

/* --- Rotary embedding ------------------------------------------------------------------------- */

/* Rotating fewer dimensions than a head has is what no architecture here does. */
static swg_status check_rope_dimensions(const char *path, const swg_gguf_header *header,
                                        int64_t head_dim)
{
    int64_t dimensions = head_dim;
    SWG_TRY(swg_gguf_arch_int(path, header, "rope.dimension_count", &dimensions));
    if (dimensions == head_dim)
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED, "%s: rope.dimension_count is %lld, a head has %lld", path,
                     (long long)dimensions, (long long)head_dim);
}

static swg_status put_llama3(const char *path, const swg_gguf_header *header,
                             const swg_gguf_tensor *tensor, double base, int64_t head_dim,
                             swg_json_writer *json)
{
    enum { MAX_PAIRS = 1024 };
    float factors[MAX_PAIRS];
    swg_gguf_rope rope = {.base = base, .n_pairs = (size_t)head_dim / 2};
    bool is_known = tensor->type->id == SWG_GGUF_F32 && tensor->rank == 1 &&
                    tensor->shape[0] == rope.n_pairs && rope.n_pairs <= MAX_PAIRS;
    const swg_gguf_value *note = swg_gguf_find(header, SWG_GGUF_ROPE_NOTE);
    const bool is_noted = swg_gguf_is_array(note, SWG_GGUF_FLOAT32) && note->count == 4;
    float noted[4];
    if (is_noted)
        memcpy(noted, note->data, sizeof noted);
    if (is_known) {
        memcpy(factors, tensor->map->data + tensor->offset, tensor->bytes);
        is_known = swg_gguf_rope_recognize(factors, is_noted ? noted : NULL, &rope);
    }
    if (!is_known)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: the factors in rope_freqs.weight are not those of a known scaling of "
                         "rotary frequencies",
                         path);
    swg_json_begin_object(json, "rope_scaling");
    swg_json_string(json, "rope_type", "llama3");
    put_float(json, "factor", rope.factor);
    put_float(json, "low_freq_factor", rope.low_freq_factor);
    put_float(json, "high_freq_factor", rope.high_freq_factor);
    swg_json_int(json, "original_max_position_embeddings", rope.original_context);
    swg_json_end_object(json);
    return SWG_OK;
}

static swg_status put_scaling(const char *path, const swg_gguf_header *header,
                              swg_json_writer *json)
{
    swg_gguf_text type = {"linear", 6};
    double factor = 1;
    int64_t original = 0;
    const swg_gguf_value *value = arch_value(header, "rope.scaling.type");
    if (value && !swg_gguf_as_text(value, &type))
        return swg_error(SWG_CORRUPT, "%s: rope.scaling.type is not a string", path);
    SWG_TRY(arch_float(path, header, "rope.scaling.factor", &factor));
    if (factor == 1 || factor == 0 || swg_gguf_text_is(type, "none"))
        return SWG_OK;
    if (!swg_gguf_text_is(type, "linear") && !swg_gguf_text_is(type, "yarn"))
        return swg_error(SWG_UNSUPPORTED, "%s: rope.scaling.type \"%.*s\" is not known", path,
                         (int)type.length, type.text);
    SWG_TRY(swg_gguf_arch_int(path, header, "rope.scaling.original_context_length", &original));
    swg_json_begin_object(json, "rope_scaling");
    swg_json_string_n(json, "rope_type", type.text, type.length);
    put_float(json, "factor", factor);
    if (original)
        swg_json_int(json, "original_max_position_embeddings", original);
    swg_json_end_object(json);
    return SWG_OK;
}

/* Only for architectures with rotary embeddings. */
static swg_status put_rope(const char *path, const swg_gguf_header *header, swg_json_writer *json)
{
    int64_t width = 0, heads = 0;
    double base = 10000;
    SWG_TRY(swg_gguf_arch_int(path, header, "embedding_length", &width));
    SWG_TRY(swg_gguf_arch_int(path, header, "attention.head_count", &heads));
    SWG_TRY(arch_float(path, header, "rope.freq_base", &base));
    int64_t head_dim = heads ? width / heads : 0;
    SWG_TRY(swg_gguf_arch_int(path, header, "attention.key_length", &head_dim));
    if (head_dim)
        SWG_TRY(check_rope_dimensions(path, header, head_dim));
    const swg_gguf_tensor *factors = swg_gguf_find_tensor(header, "rope_freqs.weight");
    return factors ? put_llama3(path, header, factors, base, head_dim, json)
                   : put_scaling(path, header, json);
}

/* --- The rest --------------------------------------------------------------------------------- */

/* GGUF has a bias where there is a tensor; Llama's configuration switches them on. */
static void put_biases(const swg_gguf_header *header, swg_json_writer *json)
{
    if (swg_gguf_find_tensor(header, "blk.0.attn_output.bias"))
        swg_json_bool(json, "attention_bias", true);
    if (swg_gguf_find_tensor(header, "blk.0.ffn_down.bias"))
        swg_json_bool(json, "mlp_bias", true);
}

static swg_status put_vocabulary(const char *path, const swg_gguf_header *header,
                                 swg_json_writer *json)
{
    const swg_gguf_tensor *embedding = swg_gguf_find_tensor(header, "token_embd.weight");
    const swg_gguf_value *tokens = swg_gguf_find(header, "tokenizer.ggml.tokens");
    int64_t size = tokens ? (int64_t)tokens->count : 0;
    SWG_TRY(swg_gguf_arch_int(path, header, "vocab_size", &size));
    if (embedding && embedding->rank == 2) {
        if (arch_value(header, "vocab_size") && embedding->shape[0] != (uint64_t)size)
            return swg_error(SWG_CORRUPT, "%s: vocab_size is %lld, token_embd.weight has %llu rows",
                             path, (long long)size, (unsigned long long)embedding->shape[0]);
        size = (int64_t)embedding->shape[0];
        if (tokens && tokens->count > embedding->shape[0])
            return swg_error(
                SWG_CORRUPT, "%s: there are %llu tokens, token_embd.weight has %llu rows", path,
                (unsigned long long)tokens->count, (unsigned long long)embedding->shape[0]);
    }
    if (size)
        swg_json_int(json, "vocab_size", size);
    return SWG_OK;
}

/* The id of a token, or -1 where the key is absent. */
static swg_status token_id(const char *path, const swg_gguf_header *header, const char *key,
                           int64_t *id)
{
    const swg_gguf_value *value = swg_gguf_find(header, key);
    const swg_gguf_value *tokens = swg_gguf_find(header, "tokenizer.ggml.tokens");
    *id = -1;
    if (!value)
        return SWG_OK;
    if (!swg_gguf_as_int(value, id) || *id < 0 || *id > INT32_MAX ||
        (tokens && (uint64_t)*id >= tokens->count))
        return swg_error(SWG_CORRUPT, "%s: %s is not the id of a token", path, key);
    return SWG_OK;
}

/* "eos_token_id": the end of text alone, or a list with the other tokens that end a text. */
static swg_status put_ends(const char *path, const swg_gguf_header *header, swg_json_writer *json)
{
    static const char *const keys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    const swg_gguf_value *tokens = swg_gguf_find(header, "tokenizer.ggml.tokens");
    const swg_gguf_value *note = swg_gguf_find(header, SWG_GGUF_ENDS_NOTE);
    enum { N_KEYS = sizeof keys / sizeof *keys };
    int64_t ids[N_KEYS];
    for (size_t i = 0; i < N_KEYS; i++)
        SWG_TRY(token_id(path, header, keys[i], &ids[i]));
    if (note && !swg_gguf_is_array(note, SWG_GGUF_I32))
        return swg_error(SWG_CORRUPT, "%s: %s is not a list of ids", path, SWG_GGUF_ENDS_NOTE);
    const bool is_list =
        note || (ids[1] >= 0 && ids[1] != ids[0]) || (ids[2] >= 0 && ids[2] != ids[0]);
    if (ids[0] < 0 || !is_list) {
        if (ids[0] >= 0)
            swg_json_int(json, "eos_token_id", ids[0]);
        return SWG_OK;
    }
    swg_json_begin_array(json, "eos_token_id");
    for (size_t i = 0; i < (note ? 1 : N_KEYS); i++)
        if (ids[i] >= 0 && (i == 0 || ids[i] != ids[0]) && (i < 2 || ids[2] != ids[1]))
            swg_json_int(json, NULL, ids[i]);
    for (uint64_t i = 0; note && i < note->count; i++) {
        const uint64_t id = swg_get_le(note->data + 4 * i, 4);
        if (id > INT32_MAX || (tokens && id >= tokens->count))
            return swg_error(SWG_CORRUPT, "%s: %s has %llu, which is not the id of a token", path,
                             SWG_GGUF_ENDS_NOTE, (unsigned long long)id);
        swg_json_int(json, NULL, (int64_t)id);
    }
    swg_json_end_array(json);
    return SWG_OK;
}

static swg_status put_token_ids(const char *path, const swg_gguf_header *header,
                                swg_json_writer *json)
{
    static const char *const ids[][2] = {{"tokenizer.ggml.bos_token_id", "bos_token_id"},
                                         {"tokenizer.ggml.padding_token_id", "pad_token_id"}};
    /* Engines call BERT's [CLS] bos; Hugging Face does not. */
    const bool is_cls = swg_gguf_find(header, "tokenizer.ggml.cls_token_id") != NULL;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        int64_t id;
        SWG_TRY(token_id(path, header, ids[i][0], &id));
        if (id >= 0 && !(i == 0 && is_cls))
            swg_json_int(json, ids[i][1], id);
    }
    return put_ends(path, header, json);
}

/* Labels give the classifier's size. */
static swg_status put_labels(const char *path, const swg_gguf_header *header,
                             const swg_gguf_encoder *encoder, swg_json_writer *json)
{
    const swg_gguf_tensor *types = swg_gguf_find_tensor(header, encoder->gguf_types);
    const swg_gguf_tensor *head = swg_gguf_find_tensor(header, encoder->gguf_head);
    const swg_gguf_value *labels = arch_value(header, "classifier.output_labels");
    if (types && types->rank == 2)
        swg_json_uint(json, "type_vocab_size", types->shape[0]);
    if (!head || head->rank != 2)
        return SWG_OK;
    if (labels && (!swg_gguf_is_array(labels, SWG_GGUF_STRING) || labels->count != head->shape[0]))
        return swg_error(SWG_CORRUPT, "%s: classifier.output_labels are not %llu strings", path,
                         (unsigned long long)head->shape[0]);
    if (head->shape[0] > 1 << 20)
        return swg_error(SWG_CORRUPT, "%s: %s has %llu rows", path, encoder->gguf_head,
                         (unsigned long long)head->shape[0]);
    size_t at = 0;
    swg_json_begin_object(json, "id2label");
    for (uint64_t i = 0; i < head->shape[0]; i++) {
        char key[24], fallback[32];
        snprintf(key, sizeof key, "%llu", (unsigned long long)i);
        snprintf(fallback, sizeof fallback, "LABEL_%llu", (unsigned long long)i);
        swg_gguf_text label = {fallback, strlen(fallback)};
        if (labels)
            swg_gguf_next_text(labels, &at, &label);
        swg_json_string_n(json, key, label.text, label.length);
    }
    swg_json_end_object(json);
    return SWG_OK;
}

static swg_status put_unknown(const swg_gguf_header *header, swg_json_writer *json)
{
    swg_gguf_text name;
    if (swg_gguf_as_text(swg_gguf_find(header, "general.architecture"), &name))
        swg_json_string_n(json, "model_type", name.text, name.length);
    return SWG_OK;
}

swg_status swg_gguf_config(const char *path, const swg_gguf_header *header,
                           const swg_gguf_arch *arch, swg_json_writer *json)
{
    swg_json_begin_object(json, NULL);
    if (!arch) {
        SWG_TRY(put_unknown(header, json));
    } else {
        const swg_gguf_encoder *encoder = arch->encoder;
        const bool is_headless = encoder && !swg_gguf_find_tensor(header, encoder->gguf_head);
        swg_json_begin_array(json, "architectures");
        swg_json_string(json, NULL, is_headless ? encoder->headless_class : arch->hf_class);
        swg_json_end_array(json);
        swg_json_string(json, "model_type", arch->model_types[0].name);
        SWG_TRY(put_rows(path, header, arch, json));
        if (arch->has_rope) {
            SWG_TRY(put_rope(path, header, json));
            put_biases(header, json);
        }
        SWG_TRY(put_vocabulary(path, header, json));
        if (encoder)
            SWG_TRY(put_labels(path, header, encoder, json));
        else if (header->n_tensors)
            swg_json_bool(json, "tie_word_embeddings",
                          !swg_gguf_find_tensor(header, "output.weight"));
    }
    SWG_TRY(put_token_ids(path, header, json));
    swg_json_end_object(json);
    return swg_strbuf_status(&json->out);
}
