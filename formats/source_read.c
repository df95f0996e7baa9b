/* Numbers of a source: rows of planes as they are stored, views of what is mapped, and the floats
 * that they mean, as their formats define it. */
#include <math.h>
#include <string.h>

#include "formats/huggingface/conv1d.h"
#include "formats/reader.h"
#include "runtime/base/ggml/blocks.h"
#include "runtime/base/numeric.h"
#include "runtime/base/weight_format.h"

/* Raw bytes of a frame or read; the least that keeps zstd's tables amortised and a core's cache
 * unharmed (DESIGN: 256 KiB to 1 MiB). */
static const uint64_t frame_target_bytes = 512 << 10, frame_max_bytes = 1 << 20;
enum { FRAME_ROW_STEP = 16 };

uint64_t swg_plane_rows_per_frame(const swg_plane *plane)
{
    if (plane->bytes == 0)
        return 1;
    uint64_t rows = frame_target_bytes / plane->row_bytes;
    if (plane->row_bytes <= frame_max_bytes / FRAME_ROW_STEP)
        rows = rows < FRAME_ROW_STEP ? FRAME_ROW_STEP : rows - rows % FRAME_ROW_STEP;
    else if (rows == 0)
        rows = 1;
    return rows < plane->rows ? rows : plane->rows;
}

const swg_plane *swg_source_planes(const swg_source *source, size_t tensor, size_t *n)
{
    *n = source->tensors[tensor].n_planes;
    return source->tensors[tensor].planes;
}

static const swg_plane *find_plane(const swg_stored_tensor *tensor, swg_plane_kind kind)
{
    return swg_plane_find(tensor->planes, tensor->n_planes, kind);
}

uint64_t swg_source_rows_per_read(swg_source *source, size_t tensor, swg_plane_kind kind)
{
    const swg_stored_tensor *t = &source->tensors[tensor];
    const swg_plane *plane = find_plane(t, kind);
    if (!plane)
        return 1;
    return source->reader->rows_per_read ? source->reader->rows_per_read(t, plane)
                                         : swg_plane_rows_per_frame(plane);
}

void swg_source_read_mapped(const swg_stored_tensor *tensor, const swg_plane *plane,
                            uint64_t row_begin, uint64_t n_rows, void *out)
{
    const size_t bytes = (size_t)(n_rows * plane->row_bytes);
    if (bytes && tensor->is_transposed)
        swg_transposed_rows(tensor->map->data + tensor->offset, (size_t)tensor->desc.shape[1],
                            (size_t)tensor->desc.shape[0], plane->elem_bytes, (size_t)row_begin,
                            (size_t)n_rows, out);
    else if (bytes)
        memcpy(out, tensor->map->data + tensor->offset + row_begin * plane->row_bytes, bytes);
}

bool swg_plane_is_valid(const swg_plane *plane, const void *numbers, size_t count, size_t *bad)
{
    const swg_block_type *const type = swg_block_type_find(plane->ggml);
    if (type) {
        const bool is_valid = swg_blocks_are_finite(type, numbers, count / type->bytes, bad);
        *bad = is_valid ? *bad : *bad * type->bytes;
        return is_valid;
    }
    for (size_t i = 0; swg_plane_must_be_finite(plane) && i < count; i++)
        if (!isfinite(swg_float_load(plane->type, numbers, i))) {
            *bad = i;
            return false;
        }
    return true;
}

swg_status swg_source_read(swg_source *source, size_t tensor, swg_plane_kind kind,
                           uint64_t row_begin, uint64_t n_rows, void *out)
{
    const swg_stored_tensor *t = &source->tensors[tensor];
    const swg_plane *plane = find_plane(t, kind);
    if (!plane || row_begin > plane->rows || n_rows > plane->rows - row_begin)
        return swg_error(SWG_FAILED, "%s: tensor %s has no plane of %s with rows %llu to %llu",
                         source->path, t->desc.name, swg_plane_name(kind),
                         (unsigned long long)row_begin, (unsigned long long)(row_begin + n_rows));
    if (t->read)
        SWG_TRY(t->read(source, t, plane, row_begin, n_rows, out));
    else if (source->reader->read)
        SWG_TRY(source->reader->read(source, t, plane, row_begin, n_rows, out));
    else
        swg_source_read_mapped(t, plane, row_begin, n_rows, out);
    const size_t per_row = (size_t)(plane->row_bytes / plane->elem_bytes);
    size_t bad;
    if (!swg_plane_is_valid(plane, out, (size_t)n_rows * per_row, &bad))
        return swg_error(SWG_CORRUPT,
                         "%s: a number in row %llu of the %s of tensor %s is not finite",
                         source->path, (unsigned long long)(row_begin + bad / per_row),
                         swg_plane_name(kind), t->desc.name);
    return SWG_OK;
}

const void *swg_source_view(const swg_source *source, size_t tensor, swg_plane_kind kind)
{
    const swg_stored_tensor *t = &source->tensors[tensor];
    const swg_plane *plane = find_plane(t, kind);
    if (t->read || source->reader->read || !t->map || t->is_transposed || !plane ||
        kind != SWG_PLANE_VALUES || plane->bytes == 0 ||
        (uintptr_t)(t->map->data + t->offset) % plane->elem_bytes != 0)
        return NULL;
    return t->map->data + t->offset;
}

/* --- As floats -------------------------------------------------------------------------------- */

typedef struct stored_planes {
    swg_source *source;
    size_t tensor;
} stored_planes;

static swg_status read_stored(void *context, swg_plane_kind kind, uint64_t row_begin,
                              uint64_t n_rows, void *out)
{
    const stored_planes *from = context;
    return swg_source_read(from->source, from->tensor, kind, row_begin, n_rows, out);
}

swg_status swg_source_read_f32(swg_source *source, size_t tensor, uint64_t row_begin,
                               uint64_t n_rows, float *out)
{
    const swg_stored_tensor *t = &source->tensors[tensor];
    const uint64_t rows = swg_tensor_rows(&t->desc), cols = swg_tensor_cols(&t->desc);
    if (row_begin > rows || n_rows > rows - row_begin)
        return swg_error(SWG_FAILED, "%s: tensor %s has no rows %llu to %llu", source->path,
                         t->desc.name, (unsigned long long)row_begin,
                         (unsigned long long)(row_begin + n_rows));
    stored_planes planes = {.source = source, .tensor = tensor};
    const swg_plane_reader from = {.read = read_stored, .context = &planes};
    const swg_weight_format *format = swg_weight_format_of(t->desc.scheme);
    const uint64_t step = swg_source_rows_per_read(source, tensor, t->planes[0].kind);
    for (uint64_t done = 0; done < n_rows;) {
        /* Reads after the first start on a frame, and scratch stays as small as one. */
        const uint64_t row = row_begin + done, until = step - row % step;
        const uint64_t count = until < n_rows - done ? until : n_rows - done;
        SWG_TRY(format->read_rows(&t->desc, &from, row, count, out + done * cols));
        done += count;
    }
    return SWG_OK;
}
