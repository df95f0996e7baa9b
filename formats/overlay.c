/* See overlay.h. Tensors keep their places, so a place means the same in both sources. */
#include "formats/overlay.h"

#include <string.h>

#include "formats/reader.h"

typedef struct overlay_state {
    swg_source *base;
    swg_overlay overlay;
    bool *replaces;
} overlay_state;

static swg_status read_plane(swg_source *source, const swg_stored_tensor *tensor,
                             const swg_plane *plane, uint64_t row_begin, uint64_t n_rows, void *out)
{
    const overlay_state *s = source->state;
    const size_t place = (size_t)(tensor - source->tensors);
    if (s->replaces[place])
        return s->overlay.read_rows(s->overlay.context, place, row_begin, n_rows, out);
    return swg_source_read(s->base, place, plane->kind, row_begin, n_rows, out);
}

static void release(swg_source *source, const swg_stored_tensor *tensor)
{
    const overlay_state *s = source->state;
    swg_source_release(s->base, (size_t)(tensor - source->tensors));
}

static const swg_reader reader = {.name = "overlay", .read = read_plane, .release = release};

static swg_status add_tensor(swg_source *source, const swg_source *base, size_t place)
{
    const overlay_state *s = source->state;
    const swg_stored_tensor *from = &base->tensors[place];
    swg_stored_tensor *tensor;
    const swg_scheme scheme =
        s->replaces[place] ? (swg_scheme){.dtype = SWG_F32} : from->desc.scheme;
    SWG_TRY(swg_source_add_tensor(source, from->desc.name, strlen(from->desc.name), scheme,
                                  from->desc.rank, from->desc.shape, &tensor));
    tensor->same_as = s->replaces[place] ? place : from->same_as;
    if (s->replaces[place])
        return SWG_OK;
    tensor->desc.n_stored = from->desc.n_stored;
    return swg_source_set_planes(source, tensor);
}

static swg_status fill(swg_source *source, swg_source *base, const swg_overlay *overlay)
{
    overlay_state *s = swg_arena_calloc(&source->arena, 1, sizeof *s);
    if (!s)
        return SWG_NO_MEMORY;
    source->state = s;
    *s = (overlay_state){.base = base, .overlay = *overlay};
    s->replaces = swg_arena_calloc(&source->arena, base->n_tensors, sizeof *s->replaces);
    source->path = swg_arena_strndup(&source->arena, base->path, strlen(base->path));
    if ((base->n_tensors && !s->replaces) || !source->path)
        return SWG_NO_MEMORY;
    memcpy(s->replaces, overlay->replaces, base->n_tensors * sizeof *s->replaces);
    for (size_t i = 0; i < base->n_tensors; i++)
        SWG_TRY(add_tensor(source, base, i));
    return swg_source_set_config(source, base->config, base->config_length);
}

swg_status swg_source_overlay(swg_source *base, const swg_overlay *overlay, swg_source **out)
{
    swg_source *source = NULL;
    SWG_TRY(SWG_NEW(source, 1));
    pthread_mutex_init(&source->mutex, NULL);
    source->reader = &reader;
    source->provenance = "[]";
    source->removed_prefix = "";
    const swg_status status = fill(source, base, overlay);
    if (status == SWG_OK) {
        *out = source;
        source = NULL;
    }
    swg_source_close(&source);
    return status;
}
