/* What a folder holds besides its checkpoint, so that nothing is dropped silently, or instead of
 * one, so that the refusal says what to give. */
#include <stdlib.h>
#include <string.h>

#include "formats/reader.h"
#include "runtime/base/folder.h"
#include "runtime/base/strbuf.h"
#include "runtime/base/utf8.h"

enum { MOST_NAMED = 10, MOST_BYTES = 48 /* of a name */ };

typedef struct listing {
    swg_source *source;
    char **names;
    size_t count, capacity;
} listing;

/* Whether an input is this entry of the source's folder, or lies in it. */
static bool is_used(const swg_source *source, const char *name)
{
    const size_t length = strlen(name), folder = strlen(source->path);
    bool found = false;
    for (size_t i = 0; i < source->n_inputs && !found; i++) {
        const char *rest = source->inputs[i];
        if (strncmp(rest, source->path, folder) != 0)
            continue;
        rest += folder;
        rest += strspn(rest, "/");
        found = strncmp(rest, name, length) == 0 && (rest[length] == '\0' || rest[length] == '/');
    }
    return found;
}

static swg_status list_name(void *context, const char *name, bool is_folder)
{
    listing *l = context;
    if (name[0] == '.' || is_used(l->source, name))
        return SWG_OK;
    const size_t length = strlen(name);
    SWG_TRY(swg_reserve((void **)&l->names, &l->capacity, l->count + 1, sizeof *l->names));
    char *copy = swg_name_is_printable(name, length) ? swg_malloc(length + 2, 1)
                                                     : swg_strdup("(not printable)");
    if (!copy)
        return SWG_NO_MEMORY;
    if (swg_name_is_printable(name, length)) {
        memcpy(copy, name, length + 1);
        if (is_folder)
            memcpy(copy + length, "/", 2);
    }
    l->names[l->count++] = copy;
    return SWG_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

swg_status swg_source_list_left_out(swg_source *source)
{
    swg_status status = SWG_OK;
    listing l = {.source = source};
    swg_strbuf text = {0};
    SWG_GO(swg_folder_visit(source->path, list_name, &l));
    if (l.count)
        qsort(l.names, l.count, sizeof *l.names, compare_names);
    const size_t n = l.count > MOST_NAMED ? (size_t)MOST_NAMED : l.count;
    for (size_t i = 0; i < n; i++)
        swg_strbuf_printf(&text, "%s%.*s", i == 0 ? "" : i + 1 < l.count ? ", " : " and ",
                          MOST_BYTES, l.names[i]);
    if (l.count > n)
        swg_strbuf_printf(&text, " and %zu more", l.count - n);
    SWG_GO(swg_strbuf_status(&text));
    source->left_out = swg_arena_strndup(&source->arena, swg_strbuf_text(&text), text.length);
    SWG_GO(source->left_out ? SWG_OK : SWG_NO_MEMORY);
done:
    for (size_t i = 0; i < l.count; i++)
        swg_free(l.names[i]);
    swg_free(l.names);
    swg_strbuf_deinit(&text);
    return status;
}

/* --- Folders without a checkpoint --------------------------------------------------------------
 */

/* The names that say what a folder is, and the first by name of the files that can be given. */
typedef struct folder_content {
    bool is_adapter, is_cache;
    char file[MOST_BYTES + 1];
} folder_content;

static bool is_weights(const char *name)
{
    static const char *const endings[] = {".safetensors", ".gguf",  ".swg", ".h5",
                                          ".hdf5",        ".keras", ".bin", ".pt"};
    const size_t length = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t n = strlen(endings[i]);
        if (length > n && strcmp(name + length - n, endings[i]) == 0)
            return length <= MOST_BYTES && swg_name_is_printable(name, length);
    }
    return false;
}

static swg_status note_name(void *context, const char *name, bool is_folder)
{
    folder_content *c = context;
    c->is_adapter = c->is_adapter || strcmp(name, "adapter_config.json") == 0;
    c->is_cache = c->is_cache || (is_folder && strcmp(name, "snapshots") == 0);
    if (!is_folder && is_weights(name) && (!c->file[0] || strcmp(name, c->file) < 0))
        memcpy(c->file, name, strlen(name) + 1);
    return SWG_OK;
}

swg_status swg_folder_refuse(const char *path, const char *known)
{
    folder_content c = {0};
    SWG_TRY(swg_folder_visit(path, note_name, &c));
    if (c.is_adapter)
        return swg_error(SWG_UNSUPPORTED,
                         "%s holds an adapter (PEFT), not a model; merge it into its base model "
                         "first, with peft's merge_and_unload",
                         path);
    if (c.is_cache)
        return swg_error(SWG_UNSUPPORTED,
                         "%s is a model's folder in Hugging Face's cache; give the folder below "
                         "its snapshots/",
                         path);
    if (c.file[0])
        return swg_error(SWG_UNSUPPORTED,
                         "%s has no file by which a model's folder is known, such as "
                         "model.safetensors; if %s is the model, give %s/%s",
                         path, c.file, path, c.file);
    return swg_error(SWG_UNSUPPORTED, "%s holds no checkpoint of a known format (%s)", path, known);
}
