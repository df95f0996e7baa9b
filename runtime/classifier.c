/* Classifiers made of other models: see classifier.h. The new model is made whole, with random
 * weights, and what the source has is copied over them. */
#include "runtime/classifier.h"

#include <stdio.h>
#include <string.h>

#include "formats/huggingface/carried_names.h"
#include "formats/json/json.h"
#include "formats/json/json_copy.h"
#include "formats/memory_source.h"
#include "runtime/arch/tensor_rows.h"
#include "runtime/base/mem.h"
#include "runtime/initial_weights.h"

typedef struct making {
    swg_source *from, *to;
    const swg_label_names *labels;
    bool keeps_head;
    uint64_t seed;
    const swg_arch *arch;
    swg_hparams hparams; /* of the classifier */
    const char *prefix;  /* of the names in `from` */
} making;

size_t swg_label_find(const swg_label_names *labels, const char *name)
{
    for (size_t i = 0; i < labels->n; i++)
        if (strcmp(labels->names[i], name) == 0)
            return i;
    return SIZE_MAX;
}

/* --- The configuration ------------------------------------------------------------------------ */

/* What the classifier replaces. */
static bool is_of_head(const char *key)
{
    static const char *const keys[] = {"architectures", "id2label", "label2id", "num_labels",
                                       "problem_type"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

/* "BertModel" and "BertForMaskedLM" become "BertForSequenceClassification"; a configuration without
 * "architectures" is of the family that its type names. */
static swg_status write_class(const making *m, const swg_json *root, swg_json_writer *json)
{
    const char *name = "", *type = "";
    char text[128];
    const swg_json *list = swg_json_get(root, "architectures");
    (void)swg_json_as_string(list ? swg_json_first(list) : NULL, &name);
    (void)swg_json_as_string(swg_json_get(root, "model_type"), &type);
    const char *end = strstr(name, "For");
    end = end ? end : strstr(name, "Model");
    if (end)
        snprintf(text, sizeof text, "%.*sForSequenceClassification", (int)(end - name), name);
    else
        snprintf(text, sizeof text, "%c%.60sForSequenceClassification",
                 *type >= 'a' && *type <= 'z' ? *type - 'a' + 'A' : 'X', *type ? type + 1 : "");
    swg_json_begin_array(json, "architectures");
    swg_json_string(json, NULL, text);
    swg_json_end_array(json);
    swg_json_begin_object(json, "id2label");
    for (size_t i = 0; i < m->labels->n; i++) {
        char key[32];
        snprintf(key, sizeof key, "%zu", i);
        swg_json_string(json, key, m->labels->names[i]);
    }
    swg_json_end_object(json);
    swg_json_begin_object(json, "label2id");
    for (size_t i = 0; i < m->labels->n; i++)
        swg_json_uint(json, m->labels->names[i], i);
    swg_json_end_object(json);
    swg_json_string(json, "problem_type", "single_label_classification");
    return SWG_OK;
}

static swg_status write_config(const making *m, const char *config, size_t length,
                               swg_json_writer *json)
{
    swg_status status = SWG_OK;
    swg_json_doc *doc = NULL;
    SWG_GO(swg_json_parse(config, length, "config.json", &doc));
    const swg_json *root = swg_json_root(doc);
    swg_json_begin_object(json, NULL);
    for (const swg_json *v = swg_json_first(root); v; v = swg_json_next(v))
        if (!is_of_head(swg_json_key(v)))
            SWG_GO(swg_json_copy(v, json, swg_json_key(v)));
    SWG_GO(write_class(m, root, json));
    swg_json_end_object(json);
    SWG_GO(swg_strbuf_status(&json->out));
done:
    swg_json_free(&doc);
    return status;
}

static swg_status read_config(making *m, const char *config, size_t length)
{
    const swg_status status = swg_hparams_read(config, length, &m->arch, &m->hparams);
    if (status == SWG_UNSUPPORTED ||
        (status == SWG_OK && (m->hparams.task != SWG_OUTPUT_SEQUENCE_CLASS)))
        return swg_error(SWG_UNSUPPORTED,
                         "%s: this architecture has no classifiers of texts; BERT, its descendants "
                         "and recurrent models have",
                         swg_source_path(m->from));
    return status;
}

/* --- Weights ---------------------------------------------------------------------------------- */

static bool has_tensor(const void *context, const char *name)
{
    return swg_source_find(context, name) != SIZE_MAX;
}

/* The new model's tensor of that name under the first pattern, or SIZE_MAX. */
static size_t place_of(const making *m, const swg_named_row *named)
{
    char name[SWG_TENSOR_NAME_BYTES];
    const char *prefix = m->arch->prefixes ? m->arch->prefixes[0] : "";
    swg_named_row_name(named, named->row->pattern, prefix, named->layer, name);
    return swg_source_find(m->to, name);
}

static swg_status check_shape(const making *m, const swg_tensor_desc *from,
                              const swg_tensor_desc *to)
{
    char has[SWG_SHAPE_TEXT_BYTES], implied[SWG_SHAPE_TEXT_BYTES];
    bool is_same = from->rank == to->rank;
    for (uint32_t i = 0; is_same && i < from->rank; i++)
        is_same = from->shape[i] == to->shape[i];
    return is_same
               ? SWG_OK
               : swg_error(SWG_CORRUPT, "%s: tensor %s has shape %s; config.json implies %s",
                           swg_source_path(m->from), from->name, swg_tensor_shape_text(from, has),
                           swg_tensor_shape_text(to, implied));
}

/* Weights first, whose new biases become 0: the source may have none. Then biases. */
static swg_status copy_tensor(const making *m, size_t index, bool biases)
{
    const swg_tensor_desc *desc = swg_source_tensor(m->from, index);
    swg_named_row named;
    if (!swg_tensor_row_find(m->arch, &m->hparams, m->prefix, desc->name, &named) ||
        named.is_bias != biases || (named.row->role == SWG_ROLE_CLASSIFIER && !m->keeps_head))
        return SWG_OK;
    const size_t place = place_of(m, &named);
    if (place == SIZE_MAX)
        return SWG_OK;
    SWG_TRY(check_shape(m, desc, swg_source_tensor(m->to, place)));
    SWG_TRY(swg_source_read_f32(m->from, index, 0, swg_tensor_rows(desc),
                                swg_memory_source_values(m->to, place)));
    named.is_bias = true;
    const size_t bias = biases ? SIZE_MAX : place_of(m, &named);
    if (bias != SIZE_MAX)
        memset(swg_memory_source_values(m->to, bias), 0,
               (size_t)swg_tensor_elems(swg_source_tensor(m->to, bias)) * sizeof(float));
    return SWG_OK;
}

static swg_status copy_tensors(const making *m)
{
    for (int biases = 0; biases < 2; biases++)
        for (size_t i = 0; i < swg_source_n_tensors(m->from); i++)
            SWG_TRY(copy_tensor(m, i, biases));
    return SWG_OK;
}

/* --- The whole -------------------------------------------------------------------------------- */

swg_status swg_classifier_new(swg_source *source, const swg_label_names *labels, bool keeps_head,
                              uint64_t seed, swg_source **out)
{
    swg_status status = SWG_OK;
    making m = {.from = source, .labels = labels, .keeps_head = keeps_head, .seed = seed};
    swg_json_writer json = {0};
    swg_file_view *files = NULL;
    size_t length, n_files = 0;
    const char *config = swg_source_config(source, &length);
    SWG_GO(write_config(&m, config, length, &json));
    SWG_GO(read_config(&m, json.out.text, json.out.length));
    SWG_GO(SWG_NEW(files, swg_source_n_files(source) + 1));
    for (size_t i = 0; i < swg_source_n_files(source); i++)
        if (swg_folder_file_kind_of(swg_source_file_name(source, i)) != SWG_FILE_SENTENCE)
            SWG_GO(swg_source_file(source, i, &files[n_files++]));
    SWG_GO(swg_initial_weights(json.out.text, json.out.length, files, n_files, seed, &m.to));
    m.prefix = swg_arch_choose_prefix(m.arch, has_tensor, source);
    SWG_GO(copy_tensors(&m));
    *out = m.to;
    m.to = NULL;
done:
    swg_free(files);
    swg_json_deinit(&json);
    swg_source_close(&m.to);
    return status;
}
