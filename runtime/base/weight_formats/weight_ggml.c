/* ggml: numbers in ggml's blocks (ggml/blocks.h), as GGUF files store them. One plane holds the
 * blocks of each row, which must be whole, in order. A scheme is one block type; its name is that
 * type's
 * ("q4_k"). Values cannot be computed with as they are: they are expanded to floats. */
#include <stdio.h>

#include "runtime/base/ggml/blocks.h"
#include "runtime/base/mem.h"
#include "runtime/base/weight_format.h"

static bool parse(const char *text, size_t length, swg_scheme *out)
{
    const swg_block_type *const type = swg_block_type_named(text, length);
    if (type)
        *out = swg_scheme_ggml(type->id, type->bits);
    return type != NULL;
}

static void print(swg_scheme scheme, char out[SWG_SCHEME_NAME_BYTES])
{
    snprintf(out, SWG_SCHEME_NAME_BYTES, "%s", swg_block_type_find(scheme.ggml)->name);
}

static swg_status check(const swg_tensor_desc *desc)
{
    const swg_block_type *const type = swg_block_type_find(desc->scheme.ggml);
    if (desc->rank == 0 || swg_tensor_cols(desc) % type->elems != 0)
        return swg_error(SWG_CORRUPT,
                         "tensor %s has rows of %llu elements, which are not whole blocks of %u "
                         "(%s)",
                         desc->name, (unsigned long long)swg_tensor_cols(desc), type->elems,
                         type->name);
    return SWG_OK;
}

static size_t planes(const swg_tensor_desc *desc, swg_plane out[SWG_PLANE_KINDS])
{
    const swg_block_type *const type = swg_block_type_find(desc->scheme.ggml);
    out[0] = swg_plane_of(SWG_PLANE_GGML, SWG_U8, swg_tensor_rows(desc),
                          swg_tensor_cols(desc) / type->elems * type->bytes);
    out[0].ggml = type->id;
    return 1;
}

static swg_status read_rows(const swg_tensor_desc *desc, const swg_plane_reader *from,
                            uint64_t row_begin, uint64_t n_rows, float *out)
{
    const swg_block_type *const type = swg_block_type_find(desc->scheme.ggml);
    const size_t n_blocks = (size_t)(n_rows * (swg_tensor_cols(desc) / type->elems));
    uint8_t *blocks;
    SWG_TRY(SWG_NEW_UNINIT(blocks, n_blocks * type->bytes));
    const swg_status status = from->read(from->context, SWG_PLANE_GGML, row_begin, n_rows, blocks);
    for (size_t b = 0; status == SWG_OK && b < n_blocks; b++)
        type->decode(blocks + b * type->bytes, out + b * type->elems);
    swg_free(blocks);
    return status;
}

const swg_weight_format swg_weight_format_ggml = {
    .parse = parse,
    .print = print,
    .check = check,
    .planes = planes,
    .read_rows = read_rows,
};
