/* blocks: matrices [n, k] of which blocks of R rows of one column are stored or left out as a
 * whole; n is a multiple of R (2 to 64).
 *   mask    n / R rows of k bits, packed as codes of one bit (codes.h); 1 = the block is stored
 *   index   n / R rows of one u64: how many blocks of the rows up to and with this one are stored
 *   values  a row of R elements for every stored block, ascending rows first; or, of integer codes,
 *   codes   a row of R codes for every block, with
 *   scales, zeros  as in the dense format
 * n_stored counts elements. Names are "block16x1-f16", "block16x1-int4-g64-sym-f16" and the like.
 */
#include <stdio.h>
#include <string.h>

#include "runtime/base/codes.h"
#include "runtime/base/mem.h"
#include "runtime/base/sparse_pack.h"

enum { LEAST_ROWS = 2, MOST_ROWS = 64 };

static bool parse(const char *text, size_t length, swg_scheme *out)
{
    unsigned block = 0;
    int end = 0;
    char head[24] = "";
    memcpy(head, text, length < sizeof head - 1 ? length : sizeof head - 1);
    if (sscanf(head, "block%2ux1-%n", &block, &end) != 1 || end == 0 || block < LEAST_ROWS ||
        block > MOST_ROWS)
        return false;
    out->block = (uint8_t)block;
    return (size_t)end < length && swg_sparse_parse_payload(text + end, length - (size_t)end, out);
}

static void print(swg_scheme scheme, char out[SWG_SCHEME_NAME_BYTES])
{
    const size_t used = (size_t)snprintf(out, SWG_SCHEME_NAME_BYTES, "block%ux1-", scheme.block);
    swg_sparse_print_payload(scheme, out + used, SWG_SCHEME_NAME_BYTES - used);
}

static uint64_t stored_per_row(swg_scheme scheme)
{
    return scheme.block;
}

static uint64_t per_row(const swg_tensor_desc *desc)
{
    return desc->scheme.block;
}

static swg_status check(const swg_tensor_desc *desc)
{
    const uint64_t block = desc->scheme.block;
    SWG_TRY(swg_sparse_check(desc));
    if (block < LEAST_ROWS || block > MOST_ROWS || desc->shape[0] % block != 0 ||
        desc->n_stored % block != 0)
        return swg_error(SWG_CORRUPT,
                         "tensor %s of %llu rows with %llu stored elements is not made of blocks "
                         "of %llu rows",
                         desc->name, (unsigned long long)desc->shape[0],
                         (unsigned long long)desc->n_stored, (unsigned long long)block);
    return SWG_OK;
}

static size_t planes(const swg_tensor_desc *desc, swg_plane out[SWG_PLANE_KINDS])
{
    const uint64_t block = desc->scheme.block, rows = desc->shape[0] / block;
    out[0] = swg_plane_of(SWG_PLANE_MASK, SWG_U8, rows, swg_codes_bytes(1, (size_t)desc->shape[1]));
    out[1] = swg_plane_of(SWG_PLANE_INDEX, SWG_U64, rows, 1);
    return 2 + swg_sparse_payload_planes(desc, desc->n_stored / block, block, out + 2);
}

static bool count(swg_scheme scheme, const bool *is_zero, uint64_t rows, uint64_t cols,
                  uint64_t *out)
{
    uint64_t n = 0;
    for (uint64_t r = 0; r < rows; r++)
        for (uint64_t c = 0; c < cols; c++) {
            const uint64_t first = r - r % scheme.block;
            if (is_zero[r * cols + c] != is_zero[first * cols + c])
                return false;
            n += !is_zero[r * cols + c];
        }
    *out = n;
    return true;
}

static void mark(const swg_tensor_desc *desc, const bool *is_zero, void *const to[SWG_PLANE_KINDS])
{
    const size_t block = desc->scheme.block, rows = (size_t)desc->shape[0] / block;
    const size_t cols = (size_t)desc->shape[1], mask_bytes = swg_codes_bytes(1, cols);
    uint64_t n = 0, *ends = to[SWG_PLANE_INDEX];
    memset(to[SWG_PLANE_MASK], 0, rows * mask_bytes);
    for (size_t r = 0; r < rows; r++) {
        uint8_t *mask = (uint8_t *)to[SWG_PLANE_MASK] + r * mask_bytes;
        for (size_t c = 0; c < cols; c++)
            if (!is_zero[r * block * cols + c]) {
                mask[c / 8] |= (uint8_t)(1u << c % 8);
                n++;
            }
        ends[r] = n;
    }
}

/* The rows of one row of blocks: those of [row_begin, row_begin + n_rows) that are in it. */
static swg_status locate_blocks(const swg_tensor_desc *desc, const uint8_t *mask, uint64_t begin,
                                uint64_t end, uint64_t block_row, uint64_t row_begin,
                                uint64_t n_rows, swg_stored_rows *out)
{
    const size_t cols = (size_t)desc->shape[1];
    const uint64_t block = desc->scheme.block;
    uint64_t n = 0;
    for (size_t c = 0; c < cols; c++)
        n += swg_codes_at(1, mask, c);
    if (n != end - begin)
        return swg_error(SWG_CORRUPT,
                         "the mask of row %llu of blocks of tensor %s does not have the %llu "
                         "blocks that its index says",
                         (unsigned long long)block_row, desc->name,
                         (unsigned long long)(end - begin));
    for (uint64_t lane = 0; lane < block; lane++) {
        const uint64_t row = block_row * block + lane;
        if (row < row_begin || row >= row_begin + n_rows)
            continue;
        for (size_t c = 0; c < cols; c++)
            out->is_stored[(row - row_begin) * cols + c] = swg_codes_at(1, mask, c);
        out->first[row - row_begin] = begin * block + lane;
    }
    return SWG_OK;
}

static swg_status locate(const swg_tensor_desc *desc, const swg_plane_reader *from,
                         uint64_t row_begin, uint64_t n_rows, swg_stored_rows *out)
{
    const size_t cols = (size_t)desc->shape[1], mask_bytes = swg_codes_bytes(1, cols);
    const uint64_t block = desc->scheme.block, first = row_begin / block;
    const uint64_t n = (row_begin + n_rows - 1) / block + 1 - first;
    uint64_t *ends = NULL;
    uint8_t *mask = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW_UNINIT(ends, (size_t)n + 1));
    SWG_GO(SWG_NEW_UNINIT(mask, (size_t)n * mask_bytes));
    SWG_GO(swg_sparse_read_ends(desc, from, first, n, desc->shape[0] / block, block, cols, ends));
    SWG_GO(from->read(from->context, SWG_PLANE_MASK, first, n, mask));
    for (uint64_t b = 0; b < n; b++)
        SWG_GO(locate_blocks(desc, mask + b * mask_bytes, ends[b], ends[b + 1], first + b,
                             row_begin, n_rows, out));
    out->stride = block;
    out->end = ends[n] * block;
done:
    swg_free(mask);
    swg_free(ends);
    return status;
}

static const swg_sparse_format sparse = {
    .per_row = per_row, .count = count, .mark = mark, .locate = locate};

const swg_weight_format swg_weight_format_blocks = {
    .is_counted = true,
    .stored_per_row = stored_per_row,
    .parse = parse,
    .print = print,
    .check = check,
    .planes = planes,
    .read_rows = swg_sparse_read_rows,
    .sparse = &sparse,
};
