/* Numbers of a source: rows of planes as they are stored, views of what is mapped, and floats.
 * Dequantizing here is the reference way, one value at a time. */
#include <math.h>
#include <string.h>

#include "formats/huggingface/conv1d.h"
#include "formats/reader.h"
#include "runtime/base/numeric.h"

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

uint64_t swg_source_rows_per_read(swg_source *source, size_t tensor, size_t plane)
{
    const swg_stored_tensor *t = &source->tensors[tensor];
    if (source->reader->rows_per_read)
        return source->reader->rows_per_read(t, plane);
    swg_plane planes[SWG_MAX_PLANES];
    swg_tensor_planes(&t->desc, planes);
    return swg_plane_rows_per_frame(&planes[plane]);
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

bool swg_scales_are_finite(swg_dtype dtype, const void *scales, size_t count, size_t *bad)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(swg_float_load(dtype, scales, i))) {
            *bad = i;
            return false;
        }
    return true;
}

swg_status swg_source_read(swg_source *source, size_t tensor, size_t plane, uint64_t row_begin,
                           uint64_t n_rows, void *out)
{
    const swg_stored_tensor *t = &source->tensors[tensor];
    swg_plane planes[SWG_MAX_PLANES];
    const size_t n_planes = swg_tensor_planes(&t->desc, planes);
    if (plane >= n_planes || row_begin > planes[plane].rows ||
        n_rows > planes[plane].rows - row_begin)
        return swg_error(SWG_FAILED, "%s: tensor %s has no plane %zu or no rows %llu to %llu",
                         source->path, t->desc.name, plane, (unsigned long long)row_begin,
                         (unsigned long long)(row_begin + n_rows));
    if (source->reader->read)
        SWG_TRY(source->reader->read(source, t, plane, row_begin, n_rows, out));
    else
        swg_source_read_mapped(t, &planes[plane], row_begin, n_rows, out);
    if (planes[plane].kind != SWG_PLANE_SCALES)
        return SWG_OK;
    const size_t per_row = (size_t)(planes[plane].row_bytes / planes[plane].elem_bytes);
    size_t bad;
    if (!swg_scales_are_finite(t->desc.scheme.dtype, out, (size_t)n_rows * per_row, &bad))
        return swg_error(SWG_CORRUPT, "%s: a scale in row %llu of tensor %s is not finite",
                         source->path, (unsigned long long)(row_begin + bad / per_row),
                         t->desc.name);
    return SWG_OK;
}

const void *swg_source_view(const swg_source *source, size_t tensor, size_t plane)
{
    const swg_stored_tensor *t = &source->tensors[tensor];
    swg_plane planes[SWG_MAX_PLANES];
    const size_t n_planes = swg_tensor_planes(&t->desc, planes);
    if (source->reader->read || !t->map || t->is_transposed || plane >= n_planes ||
        planes[plane].kind != SWG_PLANE_VALUES || planes[plane].bytes == 0 ||
        (uintptr_t)(t->map->data + t->offset) % planes[plane].elem_bytes != 0)
        return NULL;
    return t->map->data + t->offset;
}

static swg_status read_plain_f32(swg_source *source, size_t tensor, uint64_t row_begin,
                                 uint64_t n_rows, float *out)
{
    const swg_tensor_desc *desc = &source->tensors[tensor].desc;
    const swg_dtype dtype = desc->scheme.dtype;
    if (dtype == SWG_F32)
        return swg_source_read(source, tensor, 0, row_begin, n_rows, out);
    const size_t cols = (size_t)swg_tensor_cols(desc);
    if (cols == 0)
        return SWG_OK;
    const uint64_t step = swg_source_rows_per_read(source, tensor, 0);
    uint16_t *halves;
    SWG_TRY(SWG_NEW_UNINIT(halves, (size_t)(step < n_rows ? step : n_rows) * cols));
    swg_status status = SWG_OK;
    for (uint64_t done = 0; done < n_rows;) {
        /* Reads after the first start on a frame. */
        const uint64_t row = row_begin + done, until = step - row % step;
        const uint64_t rows = until < n_rows - done ? until : n_rows - done;
        SWG_GO(swg_source_read(source, tensor, 0, row, rows, halves));
        for (size_t i = 0; i < rows * cols; i++)
            out[done * cols + i] = swg_float_load(dtype, halves, i);
        done += rows;
    }
done:
    swg_free(halves);
    return status;
}

static swg_status read_quantized_f32(swg_source *source, size_t tensor, uint64_t row_begin,
                                     uint64_t n_rows, float *out)
{
    const swg_tensor_desc *desc = &source->tensors[tensor].desc;
    const size_t cols = (size_t)swg_tensor_cols(desc);
    const size_t groups = swg_scheme_groups(desc->scheme, cols);
    swg_plane planes[SWG_MAX_PLANES];
    const size_t n_planes = swg_tensor_planes(desc, planes);
    uint8_t *data[SWG_MAX_PLANES] = {0};
    swg_status status = SWG_OK;
    for (size_t p = 0; p < n_planes; p++) {
        SWG_GO(SWG_NEW_UNINIT(data[p], (size_t)(n_rows * planes[p].row_bytes)));
        SWG_GO(swg_source_read(source, tensor, p, row_begin, n_rows, data[p]));
    }
    for (size_t r = 0; r < n_rows; r++)
        swg_scheme_dequantize_row(desc->scheme, cols, data[0] + r * planes[0].row_bytes, data[1],
                                  r * groups, n_planes > 2 ? data[2] + r * groups : NULL,
                                  out + r * cols);
done:
    for (size_t p = 0; p < n_planes; p++)
        swg_free(data[p]);
    return status;
}

swg_status swg_source_read_f32(swg_source *source, size_t tensor, uint64_t row_begin,
                               uint64_t n_rows, float *out)
{
    const swg_tensor_desc *desc = &source->tensors[tensor].desc;
    const uint64_t rows = swg_tensor_rows(desc);
    if (row_begin > rows || n_rows > rows - row_begin)
        return swg_error(SWG_FAILED, "%s: tensor %s has no rows %llu to %llu", source->path,
                         desc->name, (unsigned long long)row_begin,
                         (unsigned long long)(row_begin + n_rows));
    if (swg_scheme_is_quantized(desc->scheme))
        return read_quantized_f32(source, tensor, row_begin, n_rows, out);
    const swg_dtype dtype = desc->scheme.dtype;
    if (dtype != SWG_F32 && dtype != SWG_F16 && dtype != SWG_BF16)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: tensor %s holds %s; only F32, F16 and BF16 are read "
                         "as numbers",
                         source->path, desc->name, swg_dtype_name(dtype));
    return read_plain_f32(source, tensor, row_begin, n_rows, out);
}
