/* Some of a checkpoint's layers: see layer_subset.h. A tensor's row in the architecture's table
 * says which layer it belongs to and what it is called in another. */
#include "runtime/layer_subset.h"

#include <string.h>

#include "formats/json/json.h"
#include "formats/json/json_copy.h"
#include "formats/memory_source.h"
#include "runtime/arch/tensor_rows.h"
#include "runtime/base/mem.h"

typedef struct subset {
    swg_source *from, *to;
    const size_t *layers; /* [n] */
    size_t n;
    const swg_arch *arch;
    swg_hparams hparams; /* of `from` */
    const char *prefix;  /* of its tensors' names */
} subset;

/* --- The configuration ------------------------------------------------------------------------ */

static bool lists_key(const char *keys, const char *key)
{
    const size_t length = strlen(key);
    for (const char *at = keys; at;) {
        if (strncmp(at, key, length) == 0 && (at[length] == '|' || at[length] == '\0'))
            return true;
        at = strchr(at, '|');
        at = at ? at + 1 : NULL;
    }
    return false;
}

/* The row of the architecture's table that reads the key, or NULL. */
static const swg_hparam_row *row_of_key(const swg_arch *arch, const char *key)
{
    for (size_t i = 0; i < arch->n_hparams; i++)
        if (lists_key(arch->hparams[i].key, key))
            return &arch->hparams[i];
    return NULL;
}

static swg_status copy_member(const subset *s, const swg_json *value, swg_json_writer *json)
{
    const char *key = swg_json_key(value);
    const swg_hparam_row *row = row_of_key(s->arch, key);
    const bool is_list = row && (row->kind == SWG_HPARAM_LAYERS || row->kind == SWG_HPARAM_UNITS) &&
                         swg_json_kind_of(value) == SWG_JSON_ARRAY;
    if (row && row->offset == offsetof(swg_hparams, n_layers)) {
        swg_json_uint(json, key, s->n);
        return SWG_OK;
    }
    if (!is_list)
        return swg_json_copy(value, json, key);
    swg_json_begin_array(json, key);
    for (size_t i = 0; i < s->n; i++) {
        const swg_json *item = swg_json_at(value, s->layers[i]);
        if (item)
            SWG_TRY(swg_json_copy(item, json, NULL));
    }
    swg_json_end_array(json);
    return SWG_OK;
}

/* Layers may differ by their place: what the new configuration says must be what they had. */
static swg_status check_config(const subset *s, const char *config, size_t length)
{
    const swg_arch *arch;
    swg_hparams h;
    SWG_TRY(swg_hparams_read(config, length, &arch, &h));
    for (size_t i = 0; i < s->n; i++) {
        const size_t had = swg_hparams_window(&s->hparams, s->layers[i]);
        const size_t has = swg_hparams_window(&h, i);
        if (had != has)
            return swg_error(SWG_UNSUPPORTED,
                             "layer %zu attends to %zu positions (0 = all); as layer %zu of %zu it "
                             "would attend to %zu",
                             s->layers[i], had, i, s->n, has);
    }
    return SWG_OK;
}

static swg_status make_config(subset *s, const char *config, size_t length)
{
    swg_status status = SWG_OK;
    swg_json_doc *doc = NULL;
    swg_json_writer json = {0};
    SWG_GO(swg_json_parse(config, length, "config.json", &doc));
    swg_json_begin_object(&json, NULL);
    for (const swg_json *v = swg_json_first(swg_json_root(doc)); v; v = swg_json_next(v))
        SWG_GO(copy_member(s, v, &json));
    swg_json_end_object(&json);
    SWG_GO(swg_strbuf_status(&json.out));
    SWG_GO(check_config(s, json.out.text, json.out.length));
    SWG_GO(swg_memory_source_new("the student", json.out.text, json.out.length, &s->to));
done:
    swg_json_deinit(&json);
    swg_json_free(&doc);
    return status;
}

/* --- Tensors ---------------------------------------------------------------------------------- */

static bool has_tensor(const void *context, const char *name)
{
    return swg_source_find(context, name) != SIZE_MAX;
}

static swg_status copy_tensor(const subset *s, size_t index, const char *name)
{
    const swg_tensor_desc *desc = swg_source_tensor(s->from, index);
    float *values;
    SWG_TRY(swg_memory_source_add(s->to, name, desc->rank, desc->shape, &values));
    return swg_source_read_f32(s->from, index, 0, swg_tensor_rows(desc), values);
}

/* Copy a tensor that is the weight or the bias of a row, to each of its new places. */
static swg_status copy_used(const subset *s, size_t index)
{
    swg_named_row named;
    char name[SWG_TENSOR_NAME_BYTES];
    if (!swg_tensor_row_find(s->arch, &s->hparams, s->prefix,
                             swg_source_tensor(s->from, index)->name, &named))
        return SWG_OK;
    const bool is_in_layers = swg_role_scope_of(named.row->role) != SWG_PER_MODEL;
    for (size_t i = 0; i < (is_in_layers ? s->n : 1); i++) {
        if (is_in_layers && s->layers[i] != named.layer)
            continue;
        swg_named_row_name(&named, named.pattern, s->prefix, i, name);
        SWG_TRY(copy_tensor(s, index, name));
    }
    return SWG_OK;
}

static swg_status copy_all(const subset *s)
{
    for (size_t i = 0; i < swg_source_n_tensors(s->from); i++)
        SWG_TRY(copy_used(s, i));
    for (size_t i = 0; i < swg_source_n_files(s->from); i++) {
        swg_file_view file;
        SWG_TRY(swg_source_file(s->from, i, &file));
        SWG_TRY(swg_memory_source_add_file(s->to, file));
    }
    return swg_memory_source_finish(s->to);
}

/* --- The whole -------------------------------------------------------------------------------- */

static swg_status check_layers(const subset *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->layers[i] >= (size_t)s->hparams.n_layers)
            return swg_error(SWG_USAGE, "layer %zu of %s, which has %lld (the first is 0)",
                             s->layers[i], swg_source_path(s->from),
                             (long long)s->hparams.n_layers);
        if (i > 0 && s->layers[i] <= s->layers[i - 1])
            return swg_error(SWG_USAGE, "the chosen layers must rise: %zu follows %zu",
                             s->layers[i], s->layers[i - 1]);
    }
    return SWG_OK;
}

static swg_status check_memory(const subset *s)
{
    const double machine = (double)swg_machine_memory_bytes();
    double bytes = 0;
    for (size_t i = 0; i < swg_source_n_tensors(s->from); i++)
        bytes += 4 * (double)swg_tensor_elems(swg_source_tensor(s->from, i));
    bytes *= (double)s->n / (double)s->hparams.n_layers;
    return machine > 0 && bytes > machine
               ? swg_error(SWG_LIMIT, "%zu layers take %.1f GB; the machine has %.1f GB of memory",
                           s->n, 1e-9 * bytes, 1e-9 * machine)
               : SWG_OK;
}

swg_status swg_layer_subset(swg_source *source, const size_t *layers, size_t n, swg_source **out)
{
    swg_status status = SWG_OK;
    subset s = {.from = source, .layers = layers, .n = n};
    size_t length;
    const char *config = swg_source_config(source, &length);
    SWG_GO(swg_hparams_read(config, length, &s.arch, &s.hparams));
    SWG_GO(check_layers(&s));
    SWG_GO(check_memory(&s));
    s.prefix = swg_arch_choose_prefix(s.arch, has_tensor, source);
    SWG_GO(make_config(&s, config, length));
    SWG_GO(copy_all(&s));
    *out = s.to;
    s.to = NULL;
done:
    swg_source_close(&s.to);
    return status;
}
