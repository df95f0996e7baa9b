/* From what commands print with --json to a record: see cmd_sweep_steps.h. */
#include <stdio.h>
#include <string.h>

#include "eval/cmd_sweep_steps.h"
#include "eval/results_keys.h"
#include "eval/tensor_place.h"
#include "formats/json/json_copy.h"
#include "runtime/base/file.h"

static swg_status object_text(const swg_json *value, swg_arena *arena, const char **out)
{
    swg_json_writer json = {.compact = true};
    swg_status status = swg_json_copy(value, &json, NULL);
    if (status == SWG_OK)
        status = swg_strbuf_status(&json.out);
    if (status == SWG_OK) {
        *out = swg_arena_strndup(arena, json.out.text, json.out.length);
        status = *out ? SWG_OK : SWG_NO_MEMORY;
    }
    swg_json_deinit(&json);
    return status;
}

/* Values of another kind than the key's are passed over: commands may use a name for other things.
 */
static swg_status set_value(const swg_result_key *key, const swg_json *value, swg_arena *arena,
                            void *record)
{
    void *const field = (char *)record + key->offset;
    const char *text;
    int64_t count;
    double number;
    switch (key->kind) {
    case SWG_RESULT_IS_TEXT:
        if (!swg_json_as_string(value, &text))
            return SWG_OK;
        text = swg_arena_strndup(arena, text, strlen(text));
        *(const char **)field = text;
        return text ? SWG_OK : SWG_NO_MEMORY;
    case SWG_RESULT_IS_JSON:
        return swg_json_kind_of(value) == SWG_JSON_OBJECT ? object_text(value, arena, field)
                                                          : SWG_OK;
    case SWG_RESULT_IS_COUNT:
        if (swg_json_as_int(value, &count) && count >= 0)
            *(int64_t *)field = count;
        return SWG_OK;
    case SWG_RESULT_IS_NUMBER:
        /* A divergence of nothing is within rounding of 0, and may lie below it. */
        if (swg_json_as_double(value, &number))
            *(double *)field = number < key->least ? key->least : number;
        return SWG_OK;
    }
    return SWG_OK;
}

static const char *renamed_to(const char *const *renamed, const char *name)
{
    for (; renamed && renamed[0]; renamed += 2)
        if (strcmp(renamed[0], name) == 0)
            return renamed[1];
    return name;
}

static swg_status add_tensor(const swg_json *value, swg_arena *arena, swg_result_tensor *out)
{
    int64_t zeros, parameters = 1, side;
    *out = swg_result_tensor_default();
    for (const swg_json *v = swg_json_first(value); v; v = swg_json_next(v)) {
        const swg_result_key *const key =
            swg_result_key_find(swg_result_tensor_keys, swg_n_result_tensor_keys, swg_json_key(v));
        if (key)
            SWG_TRY(set_value(key, v, arena, out));
    }
    if (out->name && out->layer < 0) {
        char kind[SWG_TENSOR_KIND_BYTES];
        out->layer = swg_tensor_place(out->name, kind);
        out->kind = swg_arena_strndup(arena, kind, strlen(kind));
        if (!out->kind)
            return SWG_NO_MEMORY;
    }
    const swg_json *const shape = swg_json_get(value, "shape");
    for (const swg_json *v = swg_json_first(shape); v; v = swg_json_next(v))
        parameters *= swg_json_as_int(v, &side) ? side : 0;
    if (!shape || parameters <= 0)
        return SWG_OK;
    out->parameters = parameters;
    if (out->stored_bytes >= 0)
        out->bits_per_weight = 8.0 * (double)out->stored_bytes / (double)parameters;
    if (swg_json_as_int(swg_json_get(value, "zeros"), &zeros))
        out->sparsity = (double)zeros / (double)parameters;
    return SWG_OK;
}

static swg_status add_tensors(const swg_json *list, swg_arena *arena, swg_result *record)
{
    const size_t n = swg_json_count(list);
    size_t i = 0;
    if (n == 0 || swg_json_kind_of(list) != SWG_JSON_ARRAY)
        return SWG_OK;
    swg_result_tensor *const tensors = swg_arena_calloc(arena, n, sizeof *tensors);
    if (!tensors)
        return SWG_NO_MEMORY;
    for (const swg_json *v = swg_json_first(list); v; v = swg_json_next(v))
        SWG_TRY(add_tensor(v, arena, &tensors[i++]));
    record->tensors = tensors;
    record->n_tensors = n;
    return SWG_OK;
}

/* The share of zeros that swage prune reports as two counts. */
static void add_sparsity(const swg_json *root, swg_result *record)
{
    int64_t zeros, weights;
    if (swg_json_as_int(swg_json_get(root, "pruned_zeros"), &zeros) &&
        swg_json_as_int(swg_json_get(root, "pruned_weights"), &weights) && weights > 0)
        record->sparsity = (double)zeros / (double)weights;
}

swg_status swg_sweep_record_add(const char *path, const char *const *renamed, swg_arena *arena,
                                swg_result *record)
{
    enum { MOST_BYTES = 1 << 30 };
    char *text = NULL;
    size_t length = 0;
    swg_json_doc *document = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_file_read(path, MOST_BYTES, &text, &length));
    SWG_GO(swg_json_parse(text, length, path, &document));
    const swg_json *const root = swg_json_root(document);
    for (const swg_json *v = swg_json_first(root); v; v = swg_json_next(v)) {
        const char *const name = renamed_to(renamed, swg_json_key(v));
        const swg_result_key *const key =
            name ? swg_result_key_find(swg_result_keys, swg_n_result_keys, name) : NULL;
        if (key)
            SWG_GO(set_value(key, v, arena, record));
    }
    add_sparsity(root, record);
    SWG_GO(add_tensors(swg_json_get(root, "tensors"), arena, record));
done:
    swg_json_free(&document);
    swg_free(text);
    return status;
}
