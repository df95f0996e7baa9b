/* See untied.h. Tensors stay sorted by name, so places after the head move by one. */
#include "formats/untied.h"

#include <string.h>

#include "formats/json/json.h"
#include "formats/json/json_copy.h"
#include "formats/reader.h"

static const char tie_key[] = "tie_word_embeddings";

typedef struct untied_state {
    swg_source *base;
    size_t *places; /* [n_tensors] in the base */
} untied_state;

static size_t place_of(const swg_source *source, const swg_stored_tensor *tensor)
{
    const untied_state *s = source->state;
    return s->places[tensor - source->tensors];
}

static swg_status read_plane(swg_source *source, const swg_stored_tensor *tensor,
                             const swg_plane *plane, uint64_t row_begin, uint64_t n_rows, void *out)
{
    const untied_state *s = source->state;
    return swg_source_read(s->base, place_of(source, tensor), plane->kind, row_begin, n_rows, out);
}

static void release(swg_source *source, const swg_stored_tensor *tensor)
{
    const untied_state *s = source->state;
    swg_source_release(s->base, place_of(source, tensor));
}

static const swg_reader reader = {.name = "untied", .read = read_plane, .release = release};

/* One more tensor with the numbers of that one. */
static swg_status add_tensor(swg_source *source, const char *name, size_t place)
{
    const untied_state *s = source->state;
    const swg_tensor_desc *from = &s->base->tensors[place].desc;
    swg_stored_tensor *tensor;
    const size_t at = source->n_tensors;
    SWG_TRY(swg_source_add_tensor(source, name, strlen(name), from->scheme, from->rank, from->shape,
                                  &tensor));
    s->places[at] = place;
    tensor->same_as = at;
    tensor->desc.n_stored = from->n_stored;
    return swg_source_set_planes(source, tensor);
}

static swg_status add_tensors(swg_source *source, size_t embedding, const char *head)
{
    const swg_source *base = ((const untied_state *)source->state)->base;
    size_t n_before = 0; /* tensors before the head */
    if (swg_source_find(base, head) != SIZE_MAX)
        return swg_error(SWG_USAGE, "%s has a tensor %s", base->path, head);
    while (n_before < base->n_tensors && strcmp(base->tensors[n_before].desc.name, head) < 0)
        n_before++;
    for (size_t i = 0; i <= base->n_tensors; i++) {
        if (i == n_before)
            SWG_TRY(add_tensor(source, head, embedding));
        if (i == base->n_tensors)
            break;
        const size_t same = base->tensors[i].same_as;
        SWG_TRY(add_tensor(source, base->tensors[i].desc.name, i));
        source->tensors[source->n_tensors - 1].same_as = same + (same >= n_before);
    }
    return SWG_OK;
}

static swg_status set_config(swg_source *source, const swg_source *base)
{
    swg_json_doc *document = NULL;
    swg_json_writer json = {0};
    swg_status status = SWG_OK;
    SWG_GO(swg_json_parse(base->config, base->config_length, "config.json", &document));
    swg_json_begin_object(&json, NULL);
    for (const swg_json *v = swg_json_first(swg_json_root(document)); v; v = swg_json_next(v))
        if (strcmp(swg_json_key(v), tie_key) != 0)
            SWG_GO(swg_json_copy(v, &json, swg_json_key(v)));
    swg_json_bool(&json, tie_key, false);
    swg_json_end_object(&json);
    SWG_GO(swg_strbuf_status(&json.out));
    status = swg_source_set_config(source, json.out.text, json.out.length);
done:
    swg_json_deinit(&json);
    swg_json_free(&document);
    return status;
}

static swg_status fill(swg_source *source, swg_source *base, size_t embedding, const char *head)
{
    untied_state *s = swg_arena_calloc(&source->arena, 1, sizeof *s);
    if (!s)
        return SWG_NO_MEMORY;
    source->state = s;
    s->base = base;
    s->places = swg_arena_calloc(&source->arena, base->n_tensors + 1, sizeof *s->places);
    source->path = swg_arena_strndup(&source->arena, base->path, strlen(base->path));
    if (!s->places || !source->path)
        return SWG_NO_MEMORY;
    SWG_TRY(add_tensors(source, embedding, head));
    return set_config(source, base);
}

swg_status swg_source_untie(swg_source *base, size_t embedding, const char *head, swg_source **out)
{
    swg_source *source = NULL;
    SWG_TRY(SWG_NEW(source, 1));
    pthread_mutex_init(&source->mutex, NULL);
    source->reader = &reader;
    source->provenance = "[]";
    source->removed_prefix = "";
    const swg_status status = fill(source, base, embedding, head);
    if (status == SWG_OK) {
        *out = source;
        source = NULL;
    }
    swg_source_close(&source);
    return status;
}
