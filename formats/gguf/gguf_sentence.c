/* How an encoder pools, in GGUF: <architecture>.pooling_type, as engines read it, and the files of
 * a sentence-transformers folder verbatim under keys of this project's own, so that what GGUF
 * cannot say (normalization, prompts, the longest text) is not lost. */
#include <stdio.h>
#include <string.h>

#include "formats/gguf/gguf.h"
#include "formats/gguf/gguf_write.h"

static const char note_prefix[] = "swage.file.";
static const char modules_name[] = "modules.json";
static const char pooling_name[] = "1_Pooling/config.json";
static const char *const names[] = {modules_name, pooling_name, "2_Normalize/config.json",
                                    "sentence_bert_config.json",
                                    "config_sentence_transformers.json"};
enum { N_NAMES = sizeof names / sizeof *names, KEY_BYTES = 96 };

/* llama.cpp's numbers, with sentence-transformers' keys. */
static const struct {
    int64_t type;
    const char *key, *word; /* the word of newer files' "pooling_mode" */
} poolings[] = {{1, "pooling_mode_mean_tokens", "mean"},
                {2, "pooling_mode_cls_token", "cls"},
                {3, "pooling_mode_lasttoken", "lasttoken"}};
enum { N_POOLINGS = sizeof poolings / sizeof *poolings };

/* --- Writing ---------------------------------------------------------------------------------- */

/* The number of the one pooling that the file asks for; 0 when GGUF has none for it. */
static int64_t pooling_type(const swg_json *root)
{
    static const char prefix[] = "pooling_mode_";
    int64_t found = 0;
    size_t n_asked = 0;
    const char *word = "";
    swg_json_as_string(swg_json_get(root, "pooling_mode"), &word);
    for (size_t i = 0; i < N_POOLINGS; i++)
        if (strcmp(poolings[i].word, word) == 0)
            return poolings[i].type;
    for (const swg_json *member = swg_json_first(root); member; member = swg_json_next(member)) {
        const char *key = swg_json_key(member);
        bool is_on = false;
        if (!key || strncmp(key, prefix, sizeof prefix - 1) != 0 ||
            !swg_json_as_bool(member, &is_on) || !is_on)
            continue;
        n_asked++;
        for (size_t i = 0; i < N_POOLINGS; i++)
            if (strcmp(poolings[i].key, key) == 0)
                found = poolings[i].type;
    }
    return n_asked == 1 ? found : 0;
}

static swg_status put_pooling(const swg_sink *sink, const swg_file_view *file,
                              swg_gguf_values *values)
{
    swg_json_doc *doc = NULL;
    const swg_status status = swg_json_parse(file->data, file->length, pooling_name, &doc);
    if (status != SWG_OK)
        return swg_error_context(status, "%s", sink->path);
    const int64_t type = pooling_type(swg_json_root(doc));
    swg_json_free(&doc);
    if (type == 0)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: a GGUF's pooling is mean, cls or lasttoken, one of them; %s asks for "
                         "another",
                         sink->path, pooling_name);
    swg_gguf_put_u32(values, ".pooling_type", (uint64_t)type);
    return SWG_OK;
}

swg_status swg_gguf_put_sentence(const swg_sink *sink, swg_gguf_values *values)
{
    for (size_t i = 0; i < sink->meta.n_files; i++) {
        const swg_file_view *file = &sink->meta.files[i];
        for (size_t n = 0; n < N_NAMES; n++) {
            char key[KEY_BYTES];
            if (strcmp(names[n], file->name) != 0)
                continue;
            snprintf(key, sizeof key, "%s%s", note_prefix, file->name);
            swg_gguf_put_text(values, key, file->data, file->length);
            if (names[n] == pooling_name)
                SWG_TRY(put_pooling(sink, file, values));
        }
    }
    return SWG_OK;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static swg_status add_noted(swg_source *source, const swg_gguf_header *header, bool *found)
{
    for (size_t n = 0; n < N_NAMES; n++) {
        char key[KEY_BYTES];
        swg_gguf_text text;
        snprintf(key, sizeof key, "%s%s", note_prefix, names[n]);
        const swg_gguf_value *value = swg_gguf_find(header, key);
        if (!value)
            continue;
        if (!swg_gguf_as_text(value, &text))
            return swg_error(SWG_CORRUPT, "%s: %s is not a string", source->path, key);
        SWG_TRY(
            swg_source_add_file_copy(source, (swg_file_view){names[n], text.text, text.length}));
        *found = true;
    }
    return SWG_OK;
}

static swg_status add_made(swg_source *source, const char *key)
{
    static const char modules[] = "[{\"idx\": 0, \"name\": \"0\", \"path\": \"\", "
                                  "\"type\": \"sentence_transformers.models.Transformer\"}, "
                                  "{\"idx\": 1, \"name\": \"1\", \"path\": \"1_Pooling\", "
                                  "\"type\": \"sentence_transformers.models.Pooling\"}]\n";
    char pooling[128];
    const int length = snprintf(pooling, sizeof pooling, "{\"%s\": true}\n", key);
    SWG_TRY(swg_source_add_file_copy(source,
                                     (swg_file_view){modules_name, modules, sizeof modules - 1}));
    return swg_source_add_file_copy(source, (swg_file_view){pooling_name, pooling, (size_t)length});
}

swg_status swg_gguf_add_sentence(swg_source *source, const swg_gguf_header *header,
                                 const swg_gguf_arch *arch)
{
    bool is_noted = false;
    int64_t type = 0;
    char key[KEY_BYTES];
    if (!arch || !arch->encoder)
        return SWG_OK;
    SWG_TRY(add_noted(source, header, &is_noted));
    snprintf(key, sizeof key, "%s.pooling_type", arch->name);
    const swg_gguf_value *value = swg_gguf_find(header, key);
    if (is_noted || !value)
        return SWG_OK;
    if (!swg_gguf_as_int(value, &type))
        return swg_error(SWG_CORRUPT, "%s: %s is not a number", source->path, key);
    for (size_t i = 0; i < N_POOLINGS; i++)
        if (poolings[i].type == type)
            return add_made(source, poolings[i].key);
    return SWG_OK;
}
