/* What sparse formats share: names, planes and rows of the stored elements. See sparse_pack.h. */
#include "runtime/base/sparse_pack.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/codes.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/base/weight_formats/weight_integers.h"

swg_scheme swg_sparse_dense(swg_scheme scheme)
{
    swg_scheme dense = swg_scheme_plain(scheme.dtype);
    if (swg_scheme_is_quantized(scheme)) /* cannot fail: the name of the scheme was parsed */
        swg_scheme_of_bits(scheme.bits, scheme.group, scheme.asymmetric, scheme.scale_type, &dense);
    return dense;
}

uint64_t swg_sparse_stored(swg_scheme held, const swg_tensor_desc *desc)
{
    const swg_weight_format *format = swg_weight_format_of(desc->scheme);
    if (!format->sparse || !swg_scheme_equal(held, desc->scheme))
        return 0;
    return format->is_counted ? desc->n_stored : desc->shape[0] * format->sparse->per_row(desc);
}

/* --- Names and planes ------------------------------------------------------------------------- */

bool swg_sparse_parse_payload(const char *text, size_t length, swg_scheme *out)
{
    if (swg_dtype_parse_word(text, length, &out->dtype))
        return swg_dtype_is_float(out->dtype);
    for (uint8_t bits = 1; bits <= SWG_CODE_MAX_BITS; bits++) {
        swg_scheme scheme = *out;
        scheme.bits = bits;
        if (swg_bits_are_known(bits) && swg_integers_parse(text, length, &scheme) &&
            swg_dtype_is_float(scheme.scale_type)) {
            *out = scheme;
            return true;
        }
    }
    return false;
}

void swg_sparse_print_payload(swg_scheme scheme, char *out, size_t size)
{
    char name[SWG_SCHEME_NAME_BYTES];
    if (swg_scheme_is_quantized(scheme))
        swg_integers_print(scheme, name);
    else
        swg_dtype_word(scheme.dtype, name);
    memcpy(out, name, strlen(name) < size ? strlen(name) + 1 : size);
}

swg_status swg_sparse_check(const swg_tensor_desc *desc)
{
    if (desc->rank != 2 || swg_tensor_elems(desc) == 0)
        return swg_error(SWG_CORRUPT, "sparse tensor %s is not a matrix", desc->name);
    if (swg_scheme_has_row_scales(desc->scheme))
        return swg_error(SWG_UNSUPPORTED, "sparse tensor %s cannot have 8-bit scales", desc->name);
    if (swg_scheme_has_row_scales(desc->scheme))
        return swg_error(SWG_UNSUPPORTED, "sparse tensor %s cannot have scales under row scales",
                         desc->name);
    if (swg_scheme_is_quantized(desc->scheme))
        return swg_integers_check(desc);
    if (!swg_dtype_is_float(desc->scheme.dtype))
        return swg_error(SWG_UNSUPPORTED, "sparse tensor %s cannot have elements of type %s",
                         desc->name, swg_dtype_name(desc->scheme.dtype));
    return SWG_OK;
}

size_t swg_sparse_payload_planes(const swg_tensor_desc *desc, uint64_t rows, uint64_t per_row,
                                 swg_plane out[3])
{
    const swg_scheme scheme = desc->scheme;
    if (!swg_scheme_is_quantized(scheme)) {
        out[0] = swg_plane_of(SWG_PLANE_VALUES, scheme.dtype, rows, per_row);
        return 1;
    }
    const uint64_t groups = swg_scheme_groups(scheme, (size_t)desc->shape[1]);
    out[0] = swg_plane_of(SWG_PLANE_CODES, SWG_U8, rows, swg_codes_bytes(scheme.bits, per_row));
    out[0].symbol_bits = scheme.bits;
    out[1] = swg_plane_of(SWG_PLANE_SCALES, scheme.scale_type, desc->shape[0], groups);
    if (!scheme.asymmetric)
        return 2;
    out[2] = swg_plane_of(SWG_PLANE_ZEROS, SWG_U8, desc->shape[0], groups);
    return 3;
}

/* --- Reading ---------------------------------------------------------------------------------- */

swg_status swg_sparse_read_ends(const swg_tensor_desc *desc, const swg_plane_reader *from,
                                uint64_t row_begin, uint64_t n, uint64_t n_all, uint64_t unit,
                                uint64_t most, uint64_t *ends)
{
    const bool has_before = row_begin > 0;
    /* Codes fill whole bytes: up to 7 more are stored than there are elements. */
    const uint64_t stored = desc->n_stored / unit, slack = desc->scheme.bits && unit == 1 ? 7 : 0;
    ends[0] = 0;
    SWG_TRY(from->read(from->context, SWG_PLANE_INDEX, row_begin - has_before, n + has_before,
                       ends + !has_before));
    for (uint64_t r = 0; r < n; r++)
        if (ends[r] > ends[r + 1] || ends[r + 1] > stored || ends[r + 1] - ends[r] > most)
            return swg_error(SWG_CORRUPT,
                             "the index of tensor %s says %llu values before row %llu "
                             "and %llu after it, of %llu",
                             desc->name, (unsigned long long)ends[r],
                             (unsigned long long)(row_begin + r), (unsigned long long)ends[r + 1],
                             (unsigned long long)stored);
    if (row_begin + n == n_all && stored - ends[n] > slack)
        return swg_error(SWG_CORRUPT, "the index of tensor %s ends at %llu of %llu values",
                         desc->name, (unsigned long long)ends[n], (unsigned long long)stored);
    return SWG_OK;
}

/* A batch of rows being read. */
typedef struct batch {
    swg_stored_rows rows;
    uint64_t begin;  /* number of the first element in memory */
    uint8_t *codes;  /* [elements] */
    uint8_t *values; /* [elements] of the plain type */
    uint8_t *packed; /* rows of the plane of codes */
    uint8_t *scales, *zeros;
} batch;

static void batch_deinit(batch *b)
{
    swg_free(b->rows.is_stored);
    swg_free(b->rows.first);
    swg_free(b->codes);
    swg_free(b->values);
    swg_free(b->packed);
    swg_free(b->scales);
    swg_free(b->zeros);
}

static swg_status read_codes(const swg_tensor_desc *desc, const swg_plane_reader *from,
                             uint64_t row_begin, uint64_t n_rows, uint64_t plane_begin,
                             size_t plane_rows, size_t per_row, batch *b)
{
    const swg_scheme scheme = desc->scheme;
    const size_t groups = swg_scheme_groups(scheme, (size_t)desc->shape[1]);
    const size_t bytes = swg_codes_bytes(scheme.bits, per_row);
    const size_t scale_bytes = swg_dtype_bits(scheme.scale_type) / 8;
    SWG_TRY(SWG_NEW_UNINIT(b->codes, plane_rows * per_row));
    SWG_TRY(SWG_NEW_UNINIT(b->packed, plane_rows * bytes));
    SWG_TRY(from->read(from->context, SWG_PLANE_CODES, plane_begin, plane_rows, b->packed));
    for (size_t r = 0; r < plane_rows; r++)
        swg_codes_unpack_row(scheme.bits, b->packed + r * bytes, per_row, b->codes + r * per_row);
    SWG_TRY(SWG_NEW_UNINIT(b->scales, (size_t)n_rows * groups * scale_bytes));
    SWG_TRY(from->read(from->context, SWG_PLANE_SCALES, row_begin, n_rows, b->scales));
    if (!scheme.asymmetric)
        return SWG_OK;
    SWG_TRY(SWG_NEW_UNINIT(b->zeros, (size_t)n_rows * groups));
    return from->read(from->context, SWG_PLANE_ZEROS, row_begin, n_rows, b->zeros);
}

/* Find and read the elements of the rows. */
static swg_status batch_read(const swg_tensor_desc *desc, const swg_plane_reader *from,
                             uint64_t row_begin, uint64_t n_rows, batch *b)
{
    const swg_sparse_format *format = swg_weight_format_of(desc->scheme)->sparse;
    const size_t per_row = (size_t)format->per_row(desc);
    SWG_TRY(SWG_NEW(b->rows.is_stored, (size_t)(n_rows * desc->shape[1])));
    SWG_TRY(SWG_NEW(b->rows.first, (size_t)n_rows));
    SWG_TRY(format->locate(desc, from, row_begin, n_rows, &b->rows));
    const uint64_t plane_begin = b->rows.first[0] / per_row;
    const size_t plane_rows = swg_ceil_div((size_t)b->rows.end, per_row) - (size_t)plane_begin;
    b->begin = plane_begin * per_row;
    if (swg_scheme_is_quantized(desc->scheme))
        return read_codes(desc, from, row_begin, n_rows, plane_begin, plane_rows, per_row, b);
    const size_t elem_bytes = swg_dtype_bits(desc->scheme.dtype) / 8;
    SWG_TRY(SWG_NEW_UNINIT(b->values, plane_rows * per_row * elem_bytes));
    return from->read(from->context, SWG_PLANE_VALUES, plane_begin, plane_rows, b->values);
}

static void spread_row(const swg_tensor_desc *desc, const batch *b, size_t row, float *out)
{
    const swg_scheme scheme = desc->scheme;
    const size_t cols = (size_t)desc->shape[1], group = swg_scheme_group_length(scheme, cols);
    const size_t groups = swg_scheme_groups(scheme, cols);
    const bool *is_stored = b->rows.is_stored + row * cols;
    uint64_t at = b->rows.first[row] - b->begin;
    for (size_t c = 0; c < cols; c++) {
        out[c] = 0;
        if (!is_stored[c])
            continue;
        if (scheme.bits) {
            const size_t g = row * groups + c / group;
            const int32_t zero =
                b->zeros ? b->zeros[g] : (int32_t)swg_scheme_symmetric_zero(scheme);
            out[c] = (float)(b->codes[at] - zero) * swg_float_load(scheme.scale_type, b->scales, g);
        } else {
            out[c] = swg_float_load(scheme.dtype, b->values, (size_t)at);
        }
        at += b->rows.stride;
    }
}

swg_status swg_sparse_read_rows(const swg_tensor_desc *desc, const swg_plane_reader *from,
                                uint64_t row_begin, uint64_t n_rows, float *out)
{
    batch b = {0};
    const swg_status status = batch_read(desc, from, row_begin, n_rows, &b);
    for (size_t r = 0; status == SWG_OK && r < n_rows; r++)
        spread_row(desc, &b, r, out + r * desc->shape[1]);
    batch_deinit(&b);
    return status;
}

swg_status swg_sparse_read_codes(const swg_tensor_desc *desc, const swg_plane_reader *from,
                                 uint64_t row_begin, uint64_t n_rows, bool *is_stored,
                                 uint8_t *codes)
{
    batch b = {0};
    const size_t cols = (size_t)desc->shape[1];
    const swg_status status = batch_read(desc, from, row_begin, n_rows, &b);
    for (size_t r = 0; status == SWG_OK && r < n_rows; r++) {
        uint64_t at = b.rows.first[r] - b.begin;
        for (size_t i = r * cols; i < (r + 1) * cols; i++) {
            is_stored[i] = b.rows.is_stored[i];
            if (is_stored[i]) {
                codes[i] = b.codes[at];
                at += b.rows.stride;
            }
        }
    }
    batch_deinit(&b);
    return status;
}

/* --- Packing ---------------------------------------------------------------------------------- */

typedef struct memory_planes {
    swg_plane shapes[SWG_PLANE_KINDS];
    size_t n;
    void *const *data;
} memory_planes;

static swg_status read_memory(void *context, swg_plane_kind kind, uint64_t row_begin,
                              uint64_t n_rows, void *out)
{
    const memory_planes *m = context;
    const swg_plane *plane = swg_plane_find(m->shapes, m->n, kind);
    memcpy(out, (const uint8_t *)m->data[kind] + row_begin * plane->row_bytes,
           (size_t)(n_rows * plane->row_bytes));
    return SWG_OK;
}

/* The codes of one dense row, in the order of the sequence. */
static void gather_codes(const swg_tensor_desc *desc, const void *dense_codes,
                         const swg_stored_rows *rows, size_t row, uint8_t *scratch,
                         uint8_t *sequence)
{
    const size_t cols = (size_t)desc->shape[1];
    const unsigned bits = desc->scheme.bits;
    uint64_t at = rows->first[row];
    swg_codes_unpack_row(bits, (const uint8_t *)dense_codes + row * swg_codes_bytes(bits, cols),
                         cols, scratch);
    for (size_t c = 0; c < cols; c++)
        if (rows->is_stored[row * cols + c]) {
            sequence[at] = scratch[c];
            at += rows->stride;
        }
}

static swg_status pack_codes(const swg_tensor_desc *desc, const void *const *from,
                             const swg_stored_rows *rows, const memory_planes *to)
{
    swg_status status = SWG_OK;
    uint8_t *scratch = NULL, *sequence = NULL;
    const swg_plane *codes = swg_plane_find(to->shapes, to->n, SWG_PLANE_CODES);
    const size_t n_rows = (size_t)desc->shape[0], plane_rows = (size_t)codes->rows;
    const size_t per_row = (size_t)swg_weight_format_of(desc->scheme)->sparse->per_row(desc);
    SWG_GO(SWG_NEW_UNINIT(scratch, (size_t)desc->shape[1]));
    SWG_GO(SWG_NEW(sequence, plane_rows * per_row));
    for (size_t r = 0; r < n_rows; r++)
        gather_codes(desc, from[SWG_PLANE_CODES], rows, r, scratch, sequence);
    for (size_t r = 0; r < plane_rows; r++)
        swg_codes_pack_row(desc->scheme.bits, sequence + r * per_row, per_row,
                           (uint8_t *)to->data[SWG_PLANE_CODES] + r * codes->row_bytes);
    for (size_t p = 0; p < to->n; p++)
        if (to->shapes[p].kind == SWG_PLANE_SCALES || to->shapes[p].kind == SWG_PLANE_ZEROS)
            memcpy(to->data[to->shapes[p].kind], from[to->shapes[p].kind],
                   (size_t)to->shapes[p].bytes);
done:
    swg_free(sequence);
    swg_free(scratch);
    return status;
}

static void pack_values(const swg_tensor_desc *desc, const void *const *from,
                        const swg_stored_rows *rows, void *to)
{
    const size_t n_rows = (size_t)desc->shape[0], cols = (size_t)desc->shape[1];
    const size_t bytes = swg_dtype_bits(desc->scheme.dtype) / 8;
    for (size_t r = 0; r < n_rows; r++) {
        uint64_t at = rows->first[r];
        for (size_t c = 0; c < cols; c++)
            if (rows->is_stored[r * cols + c]) {
                memcpy((uint8_t *)to + at * bytes,
                       (const uint8_t *)from[SWG_PLANE_VALUES] + (r * cols + c) * bytes, bytes);
                at += rows->stride;
            }
    }
}

swg_status swg_sparse_pack(const swg_tensor_desc *desc, swg_scheme dense,
                           const void *const from[SWG_PLANE_KINDS], const bool *is_zero,
                           void *const planes[SWG_PLANE_KINDS])
{
    const swg_sparse_format *format = swg_weight_format_of(desc->scheme)->sparse;
    const uint64_t rows = desc->shape[0], cols = desc->shape[1];
    swg_status status = SWG_OK;
    memory_planes to = {.data = planes};
    const swg_plane_reader reader = {.read = read_memory, .context = &to};
    swg_stored_rows stored = {0};
    uint64_t count = 0;
    if (!swg_scheme_equal(dense, swg_sparse_dense(desc->scheme)))
        return swg_error(SWG_FAILED, "tensor %s is packed from another scheme", desc->name);
    if (!format->count(desc->scheme, is_zero, rows, cols, &count) ||
        count != (swg_weight_format_of(desc->scheme)->is_counted ? desc->n_stored : 0))
        return swg_error(SWG_FAILED,
                         "the zeros of tensor %s do not have the planned pattern: %llu elements "
                         "are to be stored, not %llu",
                         desc->name, (unsigned long long)count, (unsigned long long)desc->n_stored);
    to.n = swg_tensor_planes(desc, to.shapes);
    format->mark(desc, is_zero, planes);
    SWG_GO(SWG_NEW(stored.is_stored, (size_t)(rows * cols)));
    SWG_GO(SWG_NEW(stored.first, (size_t)rows));
    SWG_GO(format->locate(desc, &reader, 0, rows, &stored));
    if (swg_scheme_is_quantized(desc->scheme))
        SWG_GO(pack_codes(desc, from, &stored, &to));
    else
        pack_values(desc, from, &stored, planes[SWG_PLANE_VALUES]);
done:
    swg_free(stored.is_stored);
    swg_free(stored.first);
    return status;
}
