/* Names of a classifier's labels, from the configuration's "id2label". */
#include <stdio.h>
#include <string.h>

#include "formats/json/json.h"
#include "runtime/model_build.h"

/* The label of class `index`: the member of id2label with that key. */
static swg_status copy_label(swg_model *model, const swg_json *map, size_t index, const char **out)
{
    char key[32];
    const char *text;
    snprintf(key, sizeof key, "%zu", index);
    if (!swg_json_as_string(swg_json_get(map, key), &text))
        return swg_error(SWG_CORRUPT,
                         "config.json: \"id2label\" has %zu members, but none with the key \"%s\" "
                         "and a string",
                         swg_json_count(map), key);
    *out = swg_arena_strndup(&model->small, text, strlen(text));
    return *out ? SWG_OK : SWG_NO_MEMORY;
}

swg_status swg_model_read_labels(swg_model *model, const char *config, size_t length)
{
    swg_status status = SWG_OK;
    swg_json_doc *doc = NULL;
    const size_t count = (size_t)model->hparams.n_labels;
    if (count == 0)
        return SWG_OK;
    SWG_GO(swg_json_parse(config, length, "config.json", &doc));
    const swg_json *map = swg_json_get(swg_json_root(doc), "id2label");
    if (!map || swg_json_kind_of(map) != SWG_JSON_OBJECT)
        goto done;
    const char **labels = swg_arena_calloc(&model->small, count, sizeof *labels);
    if (!labels)
        SWG_GO(SWG_NO_MEMORY);
    for (size_t i = 0; i < count; i++)
        SWG_GO(copy_label(model, map, i, &labels[i]));
    model->labels = labels;
done:
    swg_json_free(&doc);
    return status;
}
