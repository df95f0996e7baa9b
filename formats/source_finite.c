/* Looking for NaN and infinity among the numbers of a checkpoint: every plane of values is read
 * once, tensors in parallel. Scales and the like are checked wherever they are read. */
#include <stdlib.h>

#include "formats/reader.h"
#include "runtime/base/numeric.h"

typedef struct search {
    swg_source *source;
    const swg_progress *progress;
    swg_nonfinite *found; /* [n_tensors]; count = 0: none */
    size_t n_done;
} search;

static void note(swg_nonfinite *found, const swg_plane *plane, uint64_t first_row, uint64_t count,
                 uint64_t first)
{
    const uint64_t per_row = plane->row_bytes / plane->elem_bytes;
    if (found->count == 0) {
        found->row = first_row + first / per_row;
        found->column = first % per_row;
    }
    found->count += count;
}

static swg_status search_plane(swg_source *source, size_t tensor, const swg_plane *plane,
                               swg_nonfinite *found)
{
    const uint64_t step = swg_source_rows_per_read(source, tensor, plane->kind);
    swg_status status = SWG_OK;
    uint8_t *rows;
    SWG_TRY(SWG_NEW_UNINIT(rows, (size_t)(step * plane->row_bytes)));
    for (uint64_t row = 0; row < plane->rows && status == SWG_OK; row += step) {
        const uint64_t left = plane->rows - row, n = step < left ? step : left;
        uint64_t first = 0;
        SWG_GO(swg_source_read(source, tensor, plane->kind, row, n, rows));
        const uint64_t count = swg_count_nonfinite(
            plane->type, rows, n * (plane->row_bytes / plane->elem_bytes), &first);
        if (count)
            note(found, plane, row, count, first);
    }
done:
    swg_free(rows);
    return status;
}

static swg_status search_tensor(void *context, size_t tensor)
{
    search *s = context;
    const swg_stored_tensor *t = &s->source->tensors[tensor];
    const swg_plane *values = swg_plane_find(t->planes, t->n_planes, SWG_PLANE_VALUES);
    if (values && values->bytes > 0 && values->elem_bytes > 0 && t->same_as == tensor)
        SWG_TRY(search_plane(s->source, tensor, values, &s->found[tensor]));
    swg_source_release(s->source, tensor);
    const size_t n_done = __atomic_add_fetch(&s->n_done, 1, __ATOMIC_RELAXED);
    return swg_pool_thread_index() == 0 ? swg_progress_step(s->progress, "looking for NaN",
                                                            "tensors", n_done, s->source->n_tensors)
                                        : SWG_OK;
}

swg_status swg_source_find_nonfinite(swg_source *source, swg_pool *pool,
                                     const swg_progress *progress, swg_nonfinite_callback *found,
                                     void *context, size_t *n_tensors)
{
    swg_status status = SWG_OK;
    search s = {.source = source, .progress = progress};
    size_t n = 0;
    SWG_GO(SWG_NEW(s.found, source->n_tensors));
    SWG_GO(swg_pool_for(pool, source->n_tensors, search_tensor, &s));
    for (size_t i = 0; i < source->n_tensors; i++)
        if (s.found[i].count) {
            s.found[i].name = source->tensors[i].desc.name;
            n++;
            if (found)
                found(context, &s.found[i]);
        }
    if (n_tensors)
        *n_tensors = n;
done:
    swg_free(s.found);
    return status;
}
