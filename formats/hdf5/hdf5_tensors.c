/* The list of tensors of an HDF5 file, and its way into the source. */
#include "formats/hdf5/hdf5_tensors.h"

#include <stdlib.h>
#include <string.h>

swg_status swg_h5_tensors_add(swg_source *source, swg_h5_tensors *tensors, const char *name,
                              const swg_h5_entry *entry, swg_h5_view view, uint64_t row)
{
    if (!entry->is_numeric)
        return swg_error(SWG_UNSUPPORTED, "%s: %.300s holds no numbers of a known type",
                         source->path, entry->path);
    if (entry->rank > SWG_MAX_RANK)
        return swg_error(SWG_UNSUPPORTED, "%s: %.300s has rank %u; at most %d is supported",
                         source->path, entry->path, entry->rank, SWG_MAX_RANK);
    if (view != SWG_H5_WHOLE &&
        (entry->rank != 2 || (view == SWG_H5_ONE_ROW && row >= entry->shape[0])))
        return swg_error(SWG_CORRUPT, "%s: %.300s is not the matrix that is expected there",
                         source->path, entry->path);
    SWG_TRY(swg_reserve((void **)&tensors->list, &tensors->capacity, tensors->count + 1,
                        sizeof *tensors->list));
    swg_h5_tensor *tensor = &tensors->list[tensors->count];
    *tensor = (swg_h5_tensor){
        .entry = entry, .view = view, .row = row, .dtype = entry->dtype, .rank = entry->rank};
    memcpy(tensor->shape, entry->shape, sizeof tensor->shape);
    if (view == SWG_H5_TRANSPOSED) {
        tensor->shape[0] = entry->shape[1];
        tensor->shape[1] = entry->shape[0];
    } else if (view == SWG_H5_ONE_ROW) {
        tensor->rank = 1;
        tensor->shape[0] = entry->shape[1];
    }
    tensor->name = swg_arena_strndup(&source->arena, name, strlen(name));
    if (!tensor->name)
        return SWG_NO_MEMORY;
    tensors->count++;
    return SWG_OK;
}

static int compare_places(const void *a, const void *b, void *context)
{
    const swg_h5_tensor *list = context;
    const size_t left = *(const size_t *)a, right = *(const size_t *)b;
    const uint64_t one = list[left].entry->address, other = list[right].entry->address;
    if (one != other)
        return one < other ? -1 : 1;
    return left < right ? -1 : left > right;
}

static bool is_same_view(const swg_h5_tensor *a, const swg_h5_tensor *b)
{
    return a->entry->address == b->entry->address && a->view == b->view && a->row == b->row &&
           a->dtype == b->dtype;
}

swg_status swg_h5_tensors_into_source(swg_source *source, const swg_h5_tensors *tensors)
{
    const size_t count = tensors->count;
    swg_status status = SWG_OK;
    size_t *order = NULL;
    swg_h5_tensor *kept = swg_arena_calloc(&source->arena, count, sizeof *kept);
    SWG_GO(kept ? SWG_OK : SWG_NO_MEMORY);
    SWG_GO(SWG_NEW(order, count));
    for (size_t i = 0; i < count; i++) {
        const swg_h5_tensor *from = &tensors->list[i];
        swg_stored_tensor *stored;
        kept[i] = *from;
        order[i] = i;
        SWG_GO(swg_source_add_tensor(source, from->name, strlen(from->name),
                                     swg_scheme_plain(from->dtype), from->rank, from->shape,
                                     &stored));
        stored->detail = &kept[i];
    }
    qsort_r(order, count, sizeof *order, compare_places, kept);
    for (size_t i = 1; i < count; i++)
        if (is_same_view(&kept[order[i - 1]], &kept[order[i]]))
            source->tensors[order[i]].same_as = source->tensors[order[i - 1]].same_as;
done:
    swg_free(order);
    return status;
}
