/* sparse: matrices [n, k] of F32, F16 or BF16 of which only the elements other than 0 are stored.
 *   mask    n rows of k bits, packed as codes of one bit (codes.h); 1 = the element is stored
 *   index   n rows of one u64: how many elements of the rows up to and with this one are stored
 *   values  n_stored rows of one element, row after row
 * So the values of row r are index[r-1] to index[r] (from 0 in the first row), and rows are read at
 * random. An element that is not stored is +0. Names are "sparse-f16" and the like. */
#include <string.h>

#include "runtime/base/codes.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/base/weight_format.h"

static const char prefix[] = "sparse-";

static bool parse(const char *text, size_t length, swg_scheme *out)
{
    const size_t skipped = sizeof prefix - 1;
    return length > skipped && memcmp(text, prefix, skipped) == 0 &&
           swg_dtype_parse_word(text + skipped, length - skipped, &out->dtype) &&
           swg_dtype_is_float(out->dtype);
}

static void print(swg_scheme scheme, char out[SWG_SCHEME_NAME_BYTES])
{
    memcpy(out, prefix, sizeof prefix);
    swg_dtype_word(scheme.dtype, out + sizeof prefix - 1);
}

static swg_status check(const swg_tensor_desc *desc)
{
    if (desc->rank != 2 || swg_tensor_elems(desc) == 0)
        return swg_error(SWG_CORRUPT, "sparse tensor %s is not a matrix", desc->name);
    if (!swg_dtype_is_float(desc->scheme.dtype))
        return swg_error(SWG_UNSUPPORTED, "sparse tensor %s cannot have elements of type %s",
                         desc->name, swg_dtype_name(desc->scheme.dtype));
    return SWG_OK;
}

static size_t planes(const swg_tensor_desc *desc, swg_plane out[SWG_PLANE_KINDS])
{
    const uint64_t rows = desc->shape[0], cols = desc->shape[1];
    out[0] = swg_plane_of(SWG_PLANE_MASK, SWG_U8, rows, swg_codes_bytes(1, cols));
    out[1] = swg_plane_of(SWG_PLANE_INDEX, SWG_U64, rows, 1);
    out[2] = swg_plane_of(SWG_PLANE_VALUES, desc->scheme.dtype, desc->n_stored, 1);
    return 3;
}

/* Spread the values of one row, which begin at element `at` of `values` and of which there must be
 * `count`; false when the mask says another number. */
static bool spread_row(swg_dtype dtype, size_t cols, const uint8_t *mask, const void *values,
                       size_t at, uint64_t count, float *out)
{
    uint64_t used = 0;
    for (size_t c = 0; c < cols; c++) {
        const bool is_stored = swg_codes_at(1, mask, c);
        if (is_stored && used == count)
            return false;
        out[c] = is_stored ? swg_float_load(dtype, values, at + used) : 0.0f;
        used += is_stored;
    }
    return used == count;
}

/* Where the values of rows [row_begin, row_begin + n_rows) begin and end: ends [n_rows + 1]. */
static swg_status read_ends(const swg_tensor_desc *desc, const swg_plane_reader *from,
                            uint64_t row_begin, uint64_t n_rows, uint64_t *ends)
{
    const bool has_before = row_begin > 0;
    ends[0] = 0;
    SWG_TRY(from->read(from->context, SWG_PLANE_INDEX, row_begin - has_before, n_rows + has_before,
                       ends + !has_before));
    for (uint64_t r = 0; r < n_rows; r++)
        if (ends[r] > ends[r + 1] || ends[r + 1] > desc->n_stored ||
            ends[r + 1] - ends[r] > desc->shape[1])
            return swg_error(SWG_CORRUPT,
                             "the index of tensor %s says %llu values before row %llu "
                             "and %llu after it, of %llu",
                             desc->name, (unsigned long long)ends[r],
                             (unsigned long long)(row_begin + r), (unsigned long long)ends[r + 1],
                             (unsigned long long)desc->n_stored);
    if (row_begin + n_rows == desc->shape[0] && ends[n_rows] != desc->n_stored)
        return swg_error(SWG_CORRUPT, "the index of tensor %s ends at %llu of %llu values",
                         desc->name, (unsigned long long)ends[n_rows],
                         (unsigned long long)desc->n_stored);
    return SWG_OK;
}

static swg_status read_rows(const swg_tensor_desc *desc, const swg_plane_reader *from,
                            uint64_t row_begin, uint64_t n_rows, float *out)
{
    const swg_dtype dtype = desc->scheme.dtype;
    const size_t cols = (size_t)desc->shape[1], mask_bytes = swg_codes_bytes(1, cols);
    uint64_t *ends = NULL;
    uint8_t *mask = NULL;
    float *values = NULL; /* room for the widest type */
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW_UNINIT(ends, (size_t)n_rows + 1));
    SWG_GO(SWG_NEW_UNINIT(mask, (size_t)n_rows * mask_bytes));
    SWG_GO(read_ends(desc, from, row_begin, n_rows, ends));
    SWG_GO(SWG_NEW_UNINIT(values, (size_t)(ends[n_rows] - ends[0])));
    SWG_GO(from->read(from->context, SWG_PLANE_MASK, row_begin, n_rows, mask));
    SWG_GO(from->read(from->context, SWG_PLANE_VALUES, ends[0], ends[n_rows] - ends[0], values));
    for (uint64_t r = 0; r < n_rows; r++)
        if (!spread_row(dtype, cols, mask + r * mask_bytes, values, (size_t)(ends[r] - ends[0]),
                        ends[r + 1] - ends[r], out + r * cols))
            SWG_GO(swg_error(SWG_CORRUPT,
                             "the mask of row %llu of tensor %s does not have the %llu elements "
                             "that its index says",
                             (unsigned long long)(row_begin + r), desc->name,
                             (unsigned long long)(ends[r + 1] - ends[r])));
done:
    swg_free(values);
    swg_free(mask);
    swg_free(ends);
    return status;
}

const swg_weight_format swg_weight_format_sparse = {
    .is_counted = true,
    .parse = parse,
    .print = print,
    .check = check,
    .planes = planes,
    .read_rows = read_rows,
};
