/* Recognising a Keras recurrent model of language or of classes of texts, and turning it into the
 * project's convention: kernels [in, gates * units] become [gates * units, in], the two rows of a
 * GRU's bias two vectors. Only what the recurrent architecture computes is recognised
 * (keras_settings.c); of anything else the first layer and setting in its way are named. */
#include "formats/keras/keras_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/json/json.h"
#include "formats/keras/keras_settings.h"
#include "runtime/base/json_writer.h"
#include "runtime/base/utf8.h"

/* --- Kinds ------------------------------------------------------------------------------------ */

static const struct {
    const char *class_name, *layer_name;
    swg_keras_kind kind;
} kinds[] = {
    {"InputLayer", "input_layer", SWG_KERAS_IDENTITY},
    {"Dropout", "dropout", SWG_KERAS_IDENTITY},
    {"SpatialDropout1D", "spatial_dropout1d", SWG_KERAS_IDENTITY},
    {"Embedding", "embedding", SWG_KERAS_EMBEDDING},
    {"LSTM", "lstm", SWG_KERAS_LSTM},
    {"GRU", "gru", SWG_KERAS_GRU},
    {"Dense", "dense", SWG_KERAS_DENSE},
    {"TimeDistributed", "time_distributed", SWG_KERAS_DENSE}, /* of a dense layer: see unwrap */
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

void swg_keras_guess_kind(swg_keras_layer *layer)
{
    layer->kind = SWG_KERAS_OTHER;
    for (size_t i = 0; i < N_KINDS; i++) {
        const size_t length = strlen(kinds[i].layer_name);
        if (strncmp(layer->name, kinds[i].layer_name, length) != 0)
            continue;
        const char *const rest = layer->name + length;
        char *end = (char *)rest;
        if (*rest == '_')
            layer->number = strtoul(rest + 1, &end, 10);
        if (*end == '\0' && (*rest == '\0' || end > rest + 1))
            layer->kind = kinds[i].kind;
    }
}

static swg_keras_kind kind_of_class(const char *class_name)
{
    for (size_t i = 0; i < N_KINDS; i++)
        if (strcmp(kinds[i].class_name, class_name) == 0)
            return kinds[i].kind;
    return SWG_KERAS_OTHER;
}

/* --- The configuration ------------------------------------------------------------------------ */

/* Whether a GRU resets the state before its product with the recurrent kernel (the older form). */
static bool resets_before(swg_keras_kind kind, const swg_json *config)
{
    bool after = false;
    (void)swg_json_as_bool(swg_json_get(config, "reset_after"), &after);
    return kind == SWG_KERAS_GRU && !after;
}

/* Whether a recurrent layer gives the state after the last token alone. */
static bool gives_last(swg_keras_kind kind, const swg_json *config)
{
    bool all = false;
    (void)swg_json_as_bool(swg_json_get(config, "return_sequences"), &all);
    return (kind == SWG_KERAS_LSTM || kind == SWG_KERAS_GRU) && !all;
}

static const swg_json *find_layers(const swg_json *root)
{
    const swg_json *config = swg_json_get(root, "config");
    const swg_json *layers = config && swg_json_kind_of(config) == SWG_JSON_ARRAY
                                 ? config
                                 : swg_json_get(config, "layers");
    return layers && swg_json_kind_of(layers) == SWG_JSON_ARRAY ? layers : NULL;
}

/* The layer with weights that the configuration means: by its name, or, in files that name layers
 * after classes, the next of its kind. */
static swg_keras_layer *match_layer(swg_keras_model *model, swg_keras_kind kind, const char *name,
                                    bool by_class, size_t nth)
{
    for (size_t i = 0; i < model->n_layers; i++) {
        swg_keras_layer *layer = &model->layers[i];
        if (by_class ? layer->kind == kind && nth-- == 0 : name && strcmp(layer->name, name) == 0)
            return layer;
    }
    return NULL;
}

/* What TimeDistributed wraps: a dense layer applies to every step anyway. */
static const swg_json *unwrap(const swg_json *item, const char **class_name)
{
    const swg_json *inner = swg_json_get(swg_json_get(item, "config"), "layer");
    if (strcmp(*class_name, "TimeDistributed") != 0 ||
        !swg_json_as_string(swg_json_get(inner, "class_name"), class_name))
        return swg_json_get(item, "config");
    return swg_json_get(inner, "config");
}

/* A pass from the end of the text to its beginning knows what a language model has to predict. */
static void say_bidirectional(const char *shown, const swg_json *config,
                              char reason[SWG_KERAS_REASON_BYTES])
{
    const char *mode = "concat", *inner = "?";
    (void)swg_json_as_string(swg_json_get(config, "merge_mode"), &mode);
    (void)swg_json_as_string(swg_json_get(swg_json_get(config, "layer"), "class_name"), &inner);
    snprintf(
        reason, SWG_KERAS_REASON_BYTES,
        "layer %.80s: Bidirectional of %.40s (\"merge_mode\" %.20s) reads the text from its end "
        "too; supported are LSTM and GRU layers that read it forwards",
        shown, swg_name_is_printable(inner, strlen(inner)) ? inner : "?",
        swg_name_is_printable(mode, strlen(mode)) ? mode : "?");
}

/* Layers of the configuration in its order into `ordered`; a reason when one is not plain. */
static swg_status order_layers(const swg_source *source, swg_keras_model *model,
                               const swg_json *list, bool by_class, swg_keras_layer *ordered,
                               size_t *count, char reason[SWG_KERAS_REASON_BYTES])
{
    size_t seen[SWG_KERAS_OTHER + 1] = {0};
    *count = 0;
    for (const swg_json *item = swg_json_first(list); item; item = swg_json_next(item)) {
        const char *class_name = "", *name = NULL;
        (void)swg_json_as_string(swg_json_get(item, "class_name"), &class_name);
        (void)swg_json_as_string(swg_json_get(swg_json_get(item, "config"), "name"), &name);
        const char *shown = name && swg_name_is_printable(name, strlen(name)) ? name : "(unnamed)";
        const swg_json *config = unwrap(item, &class_name);
        const swg_keras_kind kind = kind_of_class(class_name);
        if (strcmp(class_name, "Bidirectional") == 0) {
            say_bidirectional(shown, swg_json_get(item, "config"), reason);
            return SWG_OK;
        }
        if (kind == SWG_KERAS_OTHER) {
            snprintf(reason, SWG_KERAS_REASON_BYTES,
                     "layer %.80s: layers of class %.60s are not supported", shown,
                     swg_name_is_printable(class_name, strlen(class_name)) ? class_name : "?");
            return SWG_OK;
        }
        if (!swg_keras_settings_are_plain(kind, shown, config, reason))
            return SWG_OK;
        if (kind == SWG_KERAS_IDENTITY)
            continue;
        swg_keras_layer *layer = match_layer(model, kind, name, by_class, seen[kind]++);
        if (!layer && model->inner) {
            snprintf(reason, SWG_KERAS_REASON_BYTES,
                     "layer %.80s: its weights are inside another layer", shown);
            return SWG_OK;
        }
        if (!layer)
            return swg_error(SWG_CORRUPT,
                             "%s: the configuration has a layer %.200s without weights",
                             source->path, name ? name : class_name);
        layer->kind = kind;
        ordered[*count] = *layer;
        ordered[*count].resets_before = resets_before(kind, config);
        ordered[(*count)++].gives_last = gives_last(kind, config);
    }
    if (*count == 0)
        snprintf(reason, SWG_KERAS_REASON_BYTES, "its configuration lists no layers with weights");
    return SWG_OK;
}

/* --- Shapes ----------------------------------------------------------------------------------- */

/* Of a classifier of texts. */
enum { MOST_LABELS = 1 << 16 };

typedef struct sizes {
    uint64_t vocab, embedding;
    uint64_t labels; /* of a classifier; 0 = a language model */
    uint64_t *units; /* of each recurrent layer */
    size_t n_recurrent;
    swg_keras_kind cell;
    bool resets_before;
} sizes;

static bool has_shape(const swg_h5_entry *entry, uint32_t rank, uint64_t rows, uint64_t columns)
{
    return entry->is_numeric && entry->rank == rank && entry->shape[0] == rows &&
           (rank < 2 || entry->shape[1] == columns);
}

static bool fits_recurrent(const swg_keras_layer *layer, uint64_t below, uint64_t *units)
{
    const uint64_t gates = layer->kind == SWG_KERAS_LSTM ? 4 : 3;
    if (layer->n_weights < 2 || layer->n_weights > 3 || layer->weights[1]->rank != 2)
        return false;
    const uint64_t u = layer->weights[1]->shape[0];
    *units = u;
    if (u == 0 || u > UINT32_MAX || !has_shape(layer->weights[0], 2, below, gates * u) ||
        !has_shape(layer->weights[1], 2, u, gates * u))
        return false;
    if (layer->n_weights == 2)
        return true;
    return layer->kind == SWG_KERAS_LSTM || layer->resets_before
               ? has_shape(layer->weights[2], 1, gates * u, 0)
               : has_shape(layer->weights[2], 2, 2, gates * u);
}

/* The head: over the vocabulary, or over labels if the layer below gives its last state alone. */
static bool measure_head(const swg_keras_layer *head, bool is_classifier, uint64_t below,
                         sizes *out)
{
    if (head->kind != SWG_KERAS_DENSE || head->n_weights < 1 || head->n_weights > 2 ||
        head->weights[0]->rank != 2)
        return false;
    const uint64_t n = is_classifier ? head->weights[0]->shape[1] : out->vocab;
    out->labels = is_classifier ? n : 0;
    return n > 0 && n <= (is_classifier ? MOST_LABELS : UINT64_MAX) &&
           has_shape(head->weights[0], 2, below, n) &&
           (head->n_weights == 1 || has_shape(head->weights[1], 1, n, 0));
}

/* Whether the layers are an embedding, recurrent layers of one kind and a head over the same
 * vocabulary or over labels; the first that does not fit otherwise. */
static bool measure(const swg_keras_layer *layers, size_t count, sizes *out, const char **misfit)
{
    *misfit = count ? layers[0].name : "the model";
    if (count < 3 || layers[0].kind != SWG_KERAS_EMBEDDING || layers[0].n_weights != 1 ||
        layers[0].weights[0]->rank != 2)
        return false;
    out->vocab = layers[0].weights[0]->shape[0];
    uint64_t below = out->embedding = layers[0].weights[0]->shape[1];
    if (!has_shape(layers[0].weights[0], 2, out->vocab, out->embedding))
        return false;
    out->cell = layers[1].kind;
    out->resets_before = layers[1].resets_before;
    for (size_t i = 1; i + 1 < count; i++) {
        *misfit = layers[i].name;
        if ((layers[i].kind != SWG_KERAS_LSTM && layers[i].kind != SWG_KERAS_GRU) ||
            layers[i].kind != out->cell || layers[i].resets_before != out->resets_before ||
            (layers[i].gives_last && i + 2 < count) ||
            !fits_recurrent(&layers[i], below, &out->units[i - 1]))
            return false;
        below = out->units[i - 1];
        out->n_recurrent++;
    }
    *misfit = layers[count - 1].name;
    return measure_head(&layers[count - 1], layers[count - 2].gives_last, below, out);
}

/* Whether only sizes are wrong: the kinds are those of a model that is recognised. */
static bool has_right_kinds(const swg_keras_layer *layers, size_t count)
{
    if (count < 3 || layers[0].kind != SWG_KERAS_EMBEDDING ||
        layers[count - 1].kind != SWG_KERAS_DENSE)
        return false;
    for (size_t i = 1; i + 1 < count; i++)
        if (layers[i].kind != layers[1].kind ||
            (layers[i].kind != SWG_KERAS_LSTM && layers[i].kind != SWG_KERAS_GRU))
            return false;
    /* A head of another size than the vocabulary is another kind of model, not a damaged one. */
    const swg_keras_layer *head = &layers[count - 1];
    return head->n_weights > 0 && layers[0].n_weights > 0 && head->weights[0]->rank == 2 &&
           (layers[count - 2].gives_last ||
            head->weights[0]->shape[1] == layers[0].weights[0]->shape[0]);
}

/* --- Presentation ----------------------------------------------------------------------------- */

static swg_status add_recurrent(swg_source *source, const swg_keras_layer *layer, size_t index,
                                swg_h5_tensors *tensors)
{
    char name[64];
    snprintf(name, sizeof name, "rnn.weight_ih_l%zu", index);
    SWG_TRY(swg_h5_tensors_add(source, tensors, name, layer->weights[0], SWG_H5_TRANSPOSED, 0));
    snprintf(name, sizeof name, "rnn.weight_hh_l%zu", index);
    SWG_TRY(swg_h5_tensors_add(source, tensors, name, layer->weights[1], SWG_H5_TRANSPOSED, 0));
    if (layer->n_weights == 2)
        return SWG_OK;
    const bool is_gru = layer->kind == SWG_KERAS_GRU && !layer->resets_before;
    snprintf(name, sizeof name, "rnn.bias_ih_l%zu", index);
    SWG_TRY(swg_h5_tensors_add(source, tensors, name, layer->weights[2],
                               is_gru ? SWG_H5_ONE_ROW : SWG_H5_WHOLE, 0));
    snprintf(name, sizeof name, "rnn.bias_hh_l%zu", index);
    return is_gru ? swg_h5_tensors_add(source, tensors, name, layer->weights[2], SWG_H5_ONE_ROW, 1)
                  : SWG_OK;
}

static swg_status add_layers(swg_source *source, const swg_keras_layer *layers, size_t count,
                             bool is_classifier, swg_h5_tensors *tensors)
{
    const swg_keras_layer *head = &layers[count - 1];
    const char *const weight = is_classifier ? "classifier.weight" : "head.weight";
    const char *const bias = is_classifier ? "classifier.bias" : "head.bias";
    SWG_TRY(swg_h5_tensors_add(source, tensors, "embedding.weight", layers[0].weights[0],
                               SWG_H5_WHOLE, 0));
    for (size_t i = 1; i + 1 < count; i++)
        SWG_TRY(add_recurrent(source, &layers[i], i - 1, tensors));
    SWG_TRY(swg_h5_tensors_add(source, tensors, weight, head->weights[0], SWG_H5_TRANSPOSED, 0));
    return head->n_weights == 2
               ? swg_h5_tensors_add(source, tensors, bias, head->weights[1], SWG_H5_WHOLE, 0)
               : SWG_OK;
}

/* Keras has no names for labels. */
static void write_labels(uint64_t n, swg_json_writer *json)
{
    swg_json_begin_array(json, "architectures");
    swg_json_string(json, NULL, "RnnForSequenceClassification");
    swg_json_end_array(json);
    swg_json_begin_object(json, "id2label");
    for (uint64_t i = 0; i < n; i++) {
        char key[24], name[40];
        snprintf(key, sizeof key, "%llu", (unsigned long long)i);
        snprintf(name, sizeof name, "LABEL_%llu", (unsigned long long)i);
        swg_json_string(json, key, name);
    }
    swg_json_end_object(json);
}

static swg_status write_config(swg_source *source, const sizes *s)
{
    swg_json_writer json = {0};
    swg_json_begin_object(&json, NULL);
    swg_json_string(&json, "model_type", "rnn");
    swg_json_string(&json, "cell", s->cell == SWG_KERAS_LSTM ? "lstm" : "gru");
    if (s->cell == SWG_KERAS_GRU)
        swg_json_string(&json, "gate_order", "zrn"); /* update, reset, new */
    if (s->resets_before)
        swg_json_bool(&json, "reset_after", false);
    swg_json_uint(&json, "vocab_size", s->vocab);
    swg_json_uint(&json, "embedding_size", s->embedding);
    swg_json_uint(&json, "num_hidden_layers", s->n_recurrent);
    if (s->n_recurrent == 1) {
        swg_json_uint(&json, "hidden_size", s->units[0]);
    } else {
        swg_json_begin_array(&json, "hidden_size");
        for (size_t i = 0; i < s->n_recurrent; i++)
            swg_json_uint(&json, NULL, s->units[i]);
        swg_json_end_array(&json);
    }
    swg_json_bool(&json, "tie_word_embeddings", false);
    if (s->labels)
        write_labels(s->labels, &json);
    swg_json_end_object(&json);
    swg_status status = swg_strbuf_status(&json.out);
    if (status == SWG_OK)
        status = swg_source_set_config(source, json.out.text, json.out.length);
    swg_json_deinit(&json);
    return status;
}

/* By names alone; layers without weights are none. */
static size_t guess_layers(swg_keras_model *model, swg_keras_layer *ordered)
{
    size_t count = 0;
    for (size_t i = 0; i < model->n_layers; i++) {
        swg_keras_guess_kind(&model->layers[i]);
        swg_keras_layer *layer = &model->layers[i];
        /* One row of biases has no room for the second that reset_after needs. */
        layer->resets_before =
            layer->kind == SWG_KERAS_GRU && layer->n_weights == 3 && layer->weights[2]->rank == 1;
        if (layer->n_weights > 0)
            ordered[count++] = *layer;
    }
    return count;
}

/* A reason for layers that are plain each, but not such a model together. */
static void say_misfit(const char *misfit, char reason[SWG_KERAS_REASON_BYTES])
{
    snprintf(reason, SWG_KERAS_REASON_BYTES,
             "layer %.80s does not fit: supported are an embedding, LSTM or GRU layers of one form "
             "and a dense head over the embedding's vocabulary, or over labels where the last of "
             "these layers alone has \"return_sequences\" false",
             swg_name_is_printable(misfit, strlen(misfit)) ? misfit : "(unnamed)");
}

swg_status swg_keras_present_recurrent(swg_source *source, swg_keras_model *model,
                                       const char *config, size_t config_length, bool by_class,
                                       swg_h5_tensors *tensors, bool *is_recurrent,
                                       char reason[SWG_KERAS_REASON_BYTES])
{
    swg_status status = SWG_OK;
    swg_json_doc *doc = NULL;
    swg_keras_layer *ordered = NULL;
    sizes s = {0};
    size_t count = 0;
    const char *misfit;
    *reason = '\0';
    if (config) {
        status = swg_json_parse(config, config_length, "its Keras configuration", &doc);
        if (status != SWG_OK)
            SWG_GO(swg_error_context(status, "%s", source->path));
    }
    const swg_json *list = doc ? find_layers(swg_json_root(doc)) : NULL;
    const size_t most = model->n_layers + swg_json_count(list);
    SWG_GO(SWG_NEW(ordered, most));
    SWG_GO(SWG_NEW(s.units, most));
    if (list)
        SWG_GO(order_layers(source, model, list, by_class, ordered, &count, reason));
    else if (!config)
        count = guess_layers(model, ordered);
    if (!*reason && !model->is_simple)
        snprintf(reason, SWG_KERAS_REASON_BYTES, "layers inside layers are not supported%s%.200s",
                 model->inner ? ": " : "", model->inner ? model->inner : "");
    if (*reason)
        goto done;
    if (!measure(ordered, count, &s, &misfit)) {
        if (config && has_right_kinds(ordered, count))
            SWG_GO(swg_error(SWG_CORRUPT,
                             "%s: the weights of layer %.200s have other shapes than "
                             "the layers around it want",
                             source->path, misfit));
        say_misfit(misfit, reason);
        goto done;
    }
    SWG_GO(add_layers(source, ordered, count, s.labels > 0, tensors));
    SWG_GO(write_config(source, &s));
    *is_recurrent = true;
done:
    swg_free(s.units);
    swg_free(ordered);
    swg_json_free(&doc);
    return status;
}
