/* pairs: matrices [n, k] with exactly two stored elements in every four columns of a row (2:4).
 *   positions  n rows of k / 2 numbers of two bits (codes.h): the columns of the two among the
 *              four, ascending
 *   values     n rows of k / 2 elements; or, of integer codes,
 *   codes      n rows of k / 2 codes, with
 *   scales, zeros  as in the dense format
 * k is a multiple of 4. Names are "2of4-f16", "2of4-int4-g64-sym-f16" and the like. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/codes.h"
#include "runtime/base/mem.h"
#include "runtime/base/sparse_pack.h"

static const char prefix[] = "2of4-";
enum { QUAD = 4, KEPT = 2, POSITION_BITS = 2 };

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

static swg_status check(const swg_tensor_desc *desc)
{
    SWG_TRY(swg_sparse_check(desc));
    return desc->shape[1] % QUAD == 0
               ? SWG_OK
               : swg_error(SWG_CORRUPT, "tensor %s has %llu columns, which is not a multiple of 4",
                           desc->name, (unsigned long long)desc->shape[1]);
}

static uint64_t per_row(const swg_tensor_desc *desc)
{
    return desc->shape[1] / QUAD * KEPT;
}

static size_t planes(const swg_tensor_desc *desc, swg_plane out[SWG_PLANE_KINDS])
{
    const uint64_t rows = desc->shape[0];
    out[0] = swg_plane_of(SWG_PLANE_POSITIONS, SWG_U8, rows,
                          swg_codes_bytes(POSITION_BITS, (size_t)per_row(desc)));
    return 1 + swg_sparse_payload_planes(desc, rows, per_row(desc), out + 1);
}

static bool count(swg_scheme scheme, const bool *is_zero, uint64_t rows, uint64_t cols,
                  uint64_t *out)
{
    (void)scheme;
    for (uint64_t i = 0; i < rows * cols; i += QUAD)
        if (is_zero[i] + is_zero[i + 1] + is_zero[i + 2] + is_zero[i + 3] != QUAD - KEPT)
            return false;
    *out = 0; /* it follows from the shape */
    return true;
}

static void mark(const swg_tensor_desc *desc, const bool *is_zero, void *const to[SWG_PLANE_KINDS])
{
    const size_t rows = (size_t)desc->shape[0], cols = (size_t)desc->shape[1];
    const size_t bytes = swg_codes_bytes(POSITION_BITS, cols / QUAD * KEPT);
    memset(to[SWG_PLANE_POSITIONS], 0, rows * bytes);
    for (size_t r = 0; r < rows; r++) {
        uint8_t *row = (uint8_t *)to[SWG_PLANE_POSITIONS] + r * bytes;
        for (size_t c = 0, at = 0; c < cols; c++)
            if (!is_zero[r * cols + c]) {
                row[at / 4] |= (uint8_t)(c % QUAD << at % 4 * POSITION_BITS);
                at++;
            }
    }
}

static swg_status locate(const swg_tensor_desc *desc, const swg_plane_reader *from,
                         uint64_t row_begin, uint64_t n_rows, swg_stored_rows *out)
{
    const size_t cols = (size_t)desc->shape[1], kept = (size_t)per_row(desc);
    const size_t bytes = swg_codes_bytes(POSITION_BITS, kept);
    uint8_t *positions = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW_UNINIT(positions, (size_t)n_rows * bytes));
    SWG_GO(from->read(from->context, SWG_PLANE_POSITIONS, row_begin, n_rows, positions));
    for (size_t r = 0; r < n_rows; r++) {
        for (size_t i = 0; i < kept; i += KEPT) {
            const uint8_t a = swg_codes_at(POSITION_BITS, positions + r * bytes, i);
            const uint8_t b = swg_codes_at(POSITION_BITS, positions + r * bytes, i + 1);
            if (a >= b)
                SWG_GO(swg_error(SWG_CORRUPT,
                                 "the positions %u and %u of tensor %s, row %llu, do not ascend", a,
                                 b, desc->name, (unsigned long long)(row_begin + r)));
            bool *quad = out->is_stored + r * cols + i / KEPT * QUAD;
            quad[a] = quad[b] = true;
        }
        out->first[r] = (row_begin + r) * kept;
    }
    out->stride = 1;
    out->end = (row_begin + n_rows) * kept;
done:
    swg_free(positions);
    return status;
}

static const swg_sparse_format sparse = {
    .per_row = per_row, .count = count, .mark = mark, .locate = locate};

const swg_weight_format swg_weight_format_pairs = {
    .parse = parse,
    .print = print,
    .check = check,
    .planes = planes,
    .read_rows = swg_sparse_read_rows,
    .sparse = &sparse,
};
