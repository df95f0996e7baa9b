/* See memory_source.h. A tensor's numbers are in the source's arena, found by its `detail`. */
#include "formats/memory_source.h"

#include <string.h>

#include "formats/reader.h"

static swg_status read_plane(swg_source *source, const swg_stored_tensor *tensor,
                             const swg_plane *plane, uint64_t row_begin, uint64_t n_rows, void *out)
{
    (void)source;
    memcpy(out, (const uint8_t *)tensor->detail + row_begin * plane->row_bytes,
           (size_t)(n_rows * plane->row_bytes));
    return SWG_OK;
}

static const swg_reader reader = {.name = "memory", .read = read_plane};

swg_status swg_memory_source_new(const char *name, const char *config, size_t length,
                                 swg_source **out)
{
    swg_source *source = NULL;
    SWG_TRY(SWG_NEW(source, 1));
    pthread_mutex_init(&source->mutex, NULL);
    source->reader = &reader;
    source->provenance = "[]";
    source->removed_prefix = "";
    source->left_out = "";
    source->path = swg_arena_strndup(&source->arena, name, strlen(name));
    const swg_status status =
        source->path ? swg_source_set_config(source, config, length) : SWG_NO_MEMORY;
    if (status == SWG_OK) {
        *out = source;
        source = NULL;
    }
    swg_source_close(&source);
    return status;
}

swg_status swg_memory_source_add(swg_source *source, const char *name, uint32_t rank,
                                 const uint64_t *shape, float **values)
{
    swg_stored_tensor *tensor;
    SWG_TRY(swg_source_add_tensor(source, name, strlen(name), swg_scheme_plain(SWG_F32), rank,
                                  shape, &tensor));
    float *memory = swg_arena_calloc(&source->arena, (size_t)swg_tensor_elems(&tensor->desc),
                                     sizeof *memory);
    if (!memory)
        return SWG_NO_MEMORY;
    tensor->detail = memory;
    *values = memory;
    return SWG_OK;
}

swg_status swg_memory_source_add_file(swg_source *source, swg_file_view file)
{
    return swg_source_add_file_copy(source, file);
}

float *swg_memory_source_values(swg_source *source, size_t index)
{
    return (float *)source->tensors[index].detail;
}

swg_status swg_memory_source_finish(swg_source *source)
{
    return swg_source_sort_tensors(source);
}
