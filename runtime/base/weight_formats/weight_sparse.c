/* sparse: matrices [n, k] of which only the elements other than 0 are stored, wherever they are.
 *   mask    n rows of k bits, packed as codes of one bit (codes.h); 1 = the element is stored
 *   index   n rows of one u64: how many elements of the rows up to and with this one are stored
 *   values  n_stored rows of one element, row after row; or, of integer codes,
 *   codes   n_stored / 8 rows of 8 codes (n_stored is rounded up to whole rows of them), with
 *   scales, zeros  as in the dense format
 * So the elements of row r are index[r-1] to index[r] (from 0 in the first row), and rows are read
 * at random. Names are "sparse-f16", "sparse-int4-g64-sym-f16" and the like. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/codes.h"
#include "runtime/base/mem.h"
#include "runtime/base/sparse_pack.h"

static const char prefix[] = "sparse-";
enum { CODES_PER_ROW = 8 };

static bool parse(const char *text, size_t length, swg_scheme *out)
{
    const size_t skipped = sizeof prefix - 1;
    return length > skipped && memcmp(text, prefix, skipped) == 0 &&
           swg_sparse_parse_payload(text + skipped, length - skipped, out);
}

static void print(swg_scheme scheme, char out[SWG_SCHEME_NAME_BYTES])
{
    memcpy(out, prefix, sizeof prefix);
    swg_sparse_print_payload(scheme, out + sizeof prefix - 1,
                             SWG_SCHEME_NAME_BYTES - sizeof prefix + 1);
}

static uint64_t stored_per_row(swg_scheme scheme)
{
    return swg_scheme_is_quantized(scheme) ? CODES_PER_ROW : 1;
}

static uint64_t per_row(const swg_tensor_desc *desc)
{
    return stored_per_row(desc->scheme);
}

static swg_status check(const swg_tensor_desc *desc)
{
    SWG_TRY(swg_sparse_check(desc));
    return desc->n_stored % per_row(desc) == 0
               ? SWG_OK
               : swg_error(SWG_CORRUPT, "tensor %s stores %llu codes, which is not a multiple of 8",
                           desc->name, (unsigned long long)desc->n_stored);
}

static size_t planes(const swg_tensor_desc *desc, swg_plane out[SWG_PLANE_KINDS])
{
    const uint64_t rows = desc->shape[0], cols = desc->shape[1], each = per_row(desc);
    out[0] = swg_plane_of(SWG_PLANE_MASK, SWG_U8, rows, swg_codes_bytes(1, cols));
    out[1] = swg_plane_of(SWG_PLANE_INDEX, SWG_U64, rows, 1);
    return 2 + swg_sparse_payload_planes(desc, desc->n_stored / each, each, out + 2);
}

static bool count(swg_scheme scheme, const bool *is_zero, uint64_t rows, uint64_t cols,
                  uint64_t *out)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < rows * cols; i++)
        n += !is_zero[i];
    *out = swg_round_up(n, stored_per_row(scheme));
    return true;
}

static void mark(const swg_tensor_desc *desc, const bool *is_zero, void *const to[SWG_PLANE_KINDS])
{
    const size_t rows = (size_t)desc->shape[0], cols = (size_t)desc->shape[1];
    const size_t mask_bytes = swg_codes_bytes(1, cols);
    uint64_t n = 0, *ends = to[SWG_PLANE_INDEX];
    memset(to[SWG_PLANE_MASK], 0, rows * mask_bytes);
    for (size_t r = 0; r < rows; r++) {
        uint8_t *mask = (uint8_t *)to[SWG_PLANE_MASK] + r * mask_bytes;
        for (size_t c = 0; c < cols; c++)
            if (!is_zero[r * cols + c]) {
                mask[c / 8] |= (uint8_t)(1u << c % 8);
                n++;
            }
        ends[r] = n;
    }
}

static swg_status locate(const swg_tensor_desc *desc, const swg_plane_reader *from,
                         uint64_t row_begin, uint64_t n_rows, swg_stored_rows *out)
{
    const size_t cols = (size_t)desc->shape[1], mask_bytes = swg_codes_bytes(1, cols);
    uint64_t *ends = NULL;
    uint8_t *mask = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW_UNINIT(ends, (size_t)n_rows + 1));
    SWG_GO(SWG_NEW_UNINIT(mask, (size_t)n_rows * mask_bytes));
    SWG_GO(swg_sparse_read_ends(desc, from, row_begin, n_rows, desc->shape[0], 1, cols, ends));
    SWG_GO(from->read(from->context, SWG_PLANE_MASK, row_begin, n_rows, mask));
    for (uint64_t r = 0; r < n_rows; r++) {
        uint64_t n = 0;
        for (size_t c = 0; c < cols; c++)
            n += out->is_stored[r * cols + c] = swg_codes_at(1, mask + r * mask_bytes, c);
        if (n != ends[r + 1] - ends[r])
            SWG_GO(swg_error(SWG_CORRUPT,
                             "the mask of row %llu of tensor %s does not have the %llu elements "
                             "that its index says",
                             (unsigned long long)(row_begin + r), desc->name,
                             (unsigned long long)(ends[r + 1] - ends[r])));
        out->first[r] = ends[r];
    }
    out->stride = 1;
    out->end = ends[n_rows];
done:
    swg_free(mask);
    swg_free(ends);
    return status;
}

static const swg_sparse_format sparse = {
    .per_row = per_row, .count = count, .mark = mark, .locate = locate};

const swg_weight_format swg_weight_format_sparse = {
    .is_counted = true,
    .stored_per_row = stored_per_row,
    .parse = parse,
    .print = print,
    .check = check,
    .planes = planes,
    .read_rows = swg_sparse_read_rows,
    .sparse = &sparse,
};
