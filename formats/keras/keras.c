/* Keras models in HDF5 files and archives. A model is a list of layers, each with its weights in
 * Keras's own order (kernel, recurrent kernel, bias): from the attributes layer_names and
 * weight_names (Keras 2) or from the groups layers/<name>/vars (Keras 3,
 * keras/src/saving/saving_lib.py, which names layers after their classes). What it means is said by
 * model_config, or, in files of weights alone, by the layers' names and shapes. */
#include "formats/keras/keras.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/keras/keras_model.h"
#include "runtime/base/folder.h"
#include "runtime/base/json_writer.h"

static const char layers_group[] = "layers/";
static const char old_layers_group[] = "_layer_checkpoint_dependencies/"; /* Keras 2.12, 2.13 */
static const char whole_model[] = "model_weights";
static const size_t max_config_bytes = (size_t)16 << 20;

typedef struct reading {
    swg_source *source;
    const char *path; /* of the file */
    swg_h5_file *file;
    const swg_keras_archive *archive;
    swg_arena *arena;
    const char *root;  /* group of the layers: "model_weights" or "" (Keras 2) */
    const char *group; /* Keras 3: layers_group or old_layers_group; NULL for Keras 2 */
} reading;

/* --- Which layout ----------------------------------------------------------------------------- */

static bool has_texts(swg_h5_file *file, const char *object, const char *name)
{
    char first[64];
    snprintf(first, sizeof first, "%s0", name);
    return swg_h5_has_attribute(file, object, name) || swg_h5_has_attribute(file, object, first);
}

/* The group of a Keras 3 file, or NULL. */
static const char *find_group(const swg_h5_file *file)
{
    for (size_t i = 0; i < swg_h5_n_entries(file); i++) {
        const char *const path = swg_h5_entry_at(file, i)->path;
        if (strstr(path, "/vars/") == NULL)
            continue;
        if (strncmp(path, layers_group, sizeof layers_group - 1) == 0)
            return layers_group;
        if (strncmp(path, old_layers_group, sizeof old_layers_group - 1) == 0)
            return old_layers_group;
    }
    return NULL;
}

bool swg_keras_claims(swg_h5_file *file)
{
    return has_texts(file, "", "layer_names") || has_texts(file, whole_model, "layer_names") ||
           find_group(file) != NULL;
}

/* --- Keras 2 ---------------------------------------------------------------------------------- */

/* A list attribute, which Keras cuts into name0, name1 ... when it is long. */
static swg_status read_list(const reading *r, const char *object, const char *name,
                            const char *const **out, size_t *count)
{
    if (swg_h5_has_attribute(r->file, object, name))
        return swg_h5_read_texts(r->file, object, name, r->arena, out, count);
    const char **all = NULL;
    size_t total = 0, capacity = 0;
    swg_status status = SWG_OK;
    for (unsigned part = 0;; part++) {
        char numbered[64];
        const char *const *texts;
        size_t n_texts;
        snprintf(numbered, sizeof numbered, "%s%u", name, part);
        if (part > 0 && !swg_h5_has_attribute(r->file, object, numbered))
            break;
        SWG_GO(swg_h5_read_texts(r->file, object, numbered, r->arena, &texts, &n_texts));
        SWG_GO(swg_reserve((void **)&all, &capacity, total + n_texts, sizeof *all));
        for (size_t i = 0; i < n_texts; i++)
            all[total++] = texts[i];
    }
    const char **kept = swg_arena_calloc(r->arena, total, sizeof *kept);
    SWG_GO(kept ? SWG_OK : SWG_NO_MEMORY);
    for (size_t i = 0; i < total; i++)
        kept[i] = all[i];
    *out = kept;
    *count = total;
done:
    swg_free(all);
    return status;
}

/* "a/b" of the arena; just the other when one is empty. */
static const char *join(swg_arena *arena, const char *a, const char *b)
{
    const size_t bytes = strlen(a) + strlen(b) + 2;
    char *path = swg_arena_calloc(arena, bytes, 1);
    if (path)
        snprintf(path, bytes, "%s%s%s", a, *a && *b ? "/" : "", b);
    return path;
}

static swg_status list_weights(const reading *r, const char *group, swg_keras_layer *layer)
{
    const char *const *names;
    size_t count;
    SWG_TRY(read_list(r, group, "weight_names", &names, &count));
    layer->weights = swg_arena_calloc(r->arena, count, sizeof(swg_h5_entry *));
    if (!layer->weights)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const char *const path = join(r->arena, group, names[i]);
        if (!path)
            return SWG_NO_MEMORY;
        layer->weights[i] = swg_h5_find(r->file, path);
        if (!layer->weights[i])
            return swg_error(SWG_CORRUPT,
                             "%s: layer %.200s lists the weight %.200s, which is absent",
                             r->source->path, layer->name, names[i]);
    }
    layer->n_weights = count;
    return SWG_OK;
}

static swg_status list_layers(const reading *r, swg_keras_model *model)
{
    const char *const *names;
    size_t count;
    SWG_TRY(read_list(r, r->root, "layer_names", &names, &count));
    model->layers = swg_arena_calloc(r->arena, count, sizeof *model->layers);
    if (!model->layers)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        swg_keras_layer *layer = &model->layers[i];
        layer->name = names[i];
        const char *const group = join(r->arena, r->root, names[i]);
        if (!group)
            return SWG_NO_MEMORY;
        SWG_TRY(list_weights(r, group, layer));
        model->n_layers++;
    }
    return SWG_OK;
}

/* --- Keras 3 ---------------------------------------------------------------------------------- */

/* layers/<name>/[cell/|layer/]vars/<i>: the name's length after the group; i in *index. "layer" is
 * what TimeDistributed wraps. False for what is deeper: layers inside layers. */
static bool parse_variable(const char *path, const char *group, size_t *name_length, size_t *index)
{
    const size_t prefix = strlen(group);
    if (strncmp(path, group, prefix) != 0)
        return false;
    const char *const name = path + prefix, *slash = strchr(name, '/');
    if (!slash)
        return false;
    *name_length = (size_t)(slash - name);
    if (strncmp(slash, "/cell/", 6) == 0)
        slash += 5;
    else if (strncmp(slash, "/layer/", 7) == 0)
        slash += 6;
    if (strncmp(slash, "/vars/", 6) != 0)
        return false;
    char *end;
    *index = strtoul(slash + 6, &end, 10);
    return end > slash + 6 && *end == '\0';
}

static swg_keras_layer *find_layer(swg_keras_model *model, const char *name, size_t length)
{
    /* Entries come in the order of their names: the same layer's are together. */
    swg_keras_layer *last = model->n_layers ? &model->layers[model->n_layers - 1] : NULL;
    return last && strlen(last->name) == length && strncmp(last->name, name, length) == 0 ? last
                                                                                          : NULL;
}

/* Layers in the order of their numbers, as far as names tell: embeddings first, dense ones last. */
static int compare_layers(const void *a, const void *b)
{
    const swg_keras_layer *left = a, *right = b;
    const int by_kind = (int)left->kind - (int)right->kind;
    return by_kind ? by_kind : left->number < right->number ? -1 : left->number > right->number;
}

static swg_status list_variables(const reading *r, swg_keras_model *model)
{
    enum { MOST_WEIGHTS = 3 };
    const size_t n_entries = swg_h5_n_entries(r->file);
    model->layers = swg_arena_calloc(r->arena, n_entries, sizeof *model->layers);
    if (!model->layers)
        return SWG_NO_MEMORY;
    model->is_simple = true;
    for (size_t i = 0; i < n_entries; i++) {
        const swg_h5_entry *entry = swg_h5_entry_at(r->file, i);
        size_t length, index;
        if (strncmp(entry->path, r->group, strlen(r->group)) != 0 ||
            strstr(entry->path, "/seed_generator/"))
            continue; /* the optimizer's; the state of random numbers, of no use after training */
        if (!parse_variable(entry->path, r->group, &length, &index) || index >= MOST_WEIGHTS) {
            model->is_simple = false;
            model->inner = model->inner ? model->inner : entry->path;
            continue;
        }
        const char *const name = entry->path + strlen(r->group);
        swg_keras_layer *layer = find_layer(model, name, length);
        if (!layer) {
            layer = &model->layers[model->n_layers++];
            layer->name = swg_arena_strndup(r->arena, name, length);
            layer->weights = swg_arena_calloc(r->arena, MOST_WEIGHTS, sizeof(swg_h5_entry *));
            if (!layer->name || !layer->weights)
                return SWG_NO_MEMORY;
        }
        if (index != layer->n_weights) /* a hole, or a seed beside the weights */
            model->is_simple = false;
        else
            layer->weights[layer->n_weights++] = entry;
    }
    for (size_t i = 0; i < model->n_layers; i++)
        swg_keras_guess_kind(&model->layers[i]);
    qsort(model->layers, model->n_layers, sizeof *model->layers, compare_layers);
    return SWG_OK;
}

/* An unpacked .keras archive has config.json beside the weights. */
static swg_status read_beside(const reading *r, const char **text, size_t *length)
{
    swg_status status = SWG_OK;
    bool is_there = false;
    char *path = NULL, *content = NULL, *folder = swg_path_dirname(r->path);
    SWG_GO(folder ? SWG_OK : SWG_NO_MEMORY);
    path = swg_path_join(folder, "config.json");
    SWG_GO(path ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(swg_path_find(path, &is_there));
    if (!is_there)
        goto done;
    SWG_GO(swg_file_read(path, max_config_bytes, &content, length));
    if (!strstr(content, "\"class_name\""))
        goto done;
    SWG_GO(swg_source_add_input(r->source, path));
    *text = swg_arena_strndup(r->arena, content, *length);
    SWG_GO(*text ? SWG_OK : SWG_NO_MEMORY);
done:
    swg_free(content);
    swg_free(path);
    swg_free(folder);
    return status;
}

/* --- Any model -------------------------------------------------------------------------------- */

/* Datasets of the layers under their own names; the optimizer's are left. */
static swg_status add_verbatim(const reading *r, swg_h5_tensors *tensors)
{
    const char *const under = r->group ? r->group : *r->root ? "model_weights/" : "";
    const size_t cut = r->group ? 0 : strlen(under);
    for (size_t i = 0; i < swg_h5_n_entries(r->file); i++) {
        const swg_h5_entry *entry = swg_h5_entry_at(r->file, i);
        if (strncmp(entry->path, under, strlen(under)) == 0)
            SWG_TRY(
                swg_h5_tensors_add(r->source, tensors, entry->path + cut, entry, SWG_H5_WHOLE, 0));
    }
    return SWG_OK;
}

static swg_status set_verbatim_config(const reading *r, const char *text, size_t length,
                                      const char *reason)
{
    swg_json_writer json = {.compact = true};
    swg_json_begin_object(&json, NULL);
    swg_json_string(&json, "model_type", "keras");
    if (*reason)
        swg_json_string(&json, "unsupported_reason", reason);
    if (text)
        swg_json_raw(&json, "keras_config", text, length);
    swg_json_end_object(&json);
    swg_status status = swg_strbuf_status(&json.out);
    if (status == SWG_OK)
        status = swg_source_set_config(r->source, json.out.text, json.out.length);
    swg_json_deinit(&json);
    return status;
}

/* model_config of a whole model, the archive's, or the file beside; *text stays NULL when there is
 * neither. */
static swg_status find_config(const reading *r, const char **text, size_t *length)
{
    const char *const *texts;
    size_t count;
    if (r->archive->config) {
        *text = r->archive->config;
        *length = r->archive->config_length;
        return SWG_OK;
    }
    if (r->group)
        return read_beside(r, text, length);
    if (!swg_h5_has_attribute(r->file, "", "model_config"))
        return SWG_OK;
    SWG_TRY(swg_h5_read_texts(r->file, "", "model_config", r->arena, &texts, &count));
    if (count != 1)
        return swg_error(SWG_CORRUPT, "%s: model_config is %zu texts, not one", r->source->path,
                         count);
    *text = texts[0];
    *length = strlen(*text);
    return SWG_OK;
}

swg_status swg_keras_open(swg_source *source, const char *path, swg_h5_file *file,
                          const swg_keras_archive *archive, swg_h5_tensors *tensors)
{
    reading r = {.source = source,
                 .path = path,
                 .file = file,
                 .archive = archive,
                 .arena = &source->arena,
                 .root = ""};
    swg_keras_model model = {.is_simple = true};
    const char *text = NULL;
    size_t length = 0;
    bool is_recurrent = false;
    if (has_texts(file, whole_model, "layer_names"))
        r.root = whole_model;
    else if (!has_texts(file, "", "layer_names"))
        r.group = find_group(file);
    SWG_TRY(r.group ? list_variables(&r, &model) : list_layers(&r, &model));
    SWG_TRY(find_config(&r, &text, &length));
    char reason[SWG_KERAS_REASON_BYTES];
    SWG_TRY(swg_keras_present_recurrent(source, &model, text, length, r.group != NULL, tensors,
                                        &is_recurrent, reason));
    if (is_recurrent)
        return SWG_OK;
    SWG_TRY(set_verbatim_config(&r, text, length, reason));
    return add_verbatim(&r, tensors);
}
