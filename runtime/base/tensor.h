/* What a tensor is: name, scheme and shape; and which planes it is stored as. Description only;
 * formats.h (files) and model.h (memory) say where the bytes are.
 *
 * A tensor is stored as planes, at most one of each kind. A plain tensor has one: its values. A
 * matrix [n, k] of integer codes has
 *   codes   n rows of k packed codes (codes.h)
 *   scales  n rows of n_groups elements of the scale type; I8: integers, with
 *   row scales  n rows of one BF16, by which a row's integers are multiplied: the product, exact in
 *               float, is the scale
 *   zeros   n rows of n_groups bytes, asymmetric schemes only
 * and means  w[r][c] = scale[r][g] * (code[r][c] - zero[r][g]),  g = c / group,
 * with zero = 2^(bits-1) for symmetric schemes. The last group of a row may be short. A matrix of
 * codes that mean numbers of a codebook has instead of zeros
 *   codebook  one row of 2^bits int8 numbers, for the whole matrix
 * and means  w[r][c] = scale[r][g] * codebook[code[r][c]].
 * The other formats are described in their files (weight_formats.def). */
#ifndef SWG_RUNTIME_BASE_TENSOR_H
#define SWG_RUNTIME_BASE_TENSOR_H

#include "runtime/base/scheme.h"

enum { SWG_MAX_RANK = 4, SWG_MAX_NAME = 512 };

/* A tensor in a checkpoint. `name` belongs to the owner of the description. */
typedef struct swg_tensor_desc {
    const char *name;
    swg_scheme scheme;
    uint32_t rank;                /* 0 (a scalar) to SWG_MAX_RANK */
    uint64_t shape[SWG_MAX_RANK]; /* slowest dimension first */
    uint64_t n_stored; /* elements stored, for formats that leave some out; 0 for formats whose
                          planes follow from scheme and shape */
} swg_tensor_desc;

/* Number of elements; rows (product of all dimensions but the last; 1 below rank 2) and columns
 * (the last dimension; 1 for a scalar). Only for descriptions that have passed
 * swg_tensor_desc_check. */
uint64_t swg_tensor_elems(const swg_tensor_desc *desc);
uint64_t swg_tensor_rows(const swg_tensor_desc *desc);
uint64_t swg_tensor_cols(const swg_tensor_desc *desc);

typedef enum swg_plane_kind {
#define SWG_PLANE_KIND(name, text, is_finite) SWG_PLANE_##name,
#include "runtime/base/plane_kinds.def"
#undef SWG_PLANE_KIND
    SWG_PLANE_KINDS
} swg_plane_kind;

/* One plane: rows of equal length without gaps. Its rows need not be those of the tensor: packed
 * values have one row each, a codebook has a single row. */
typedef struct swg_plane {
    swg_plane_kind kind;
    swg_dtype type;                  /* of its numbers */
    uint64_t rows, row_bytes, bytes; /* bytes = rows * row_bytes; a plain tensor whose rows are not
                                        whole bytes counts as one row */
    uint32_t elem_bytes;             /* width of one number, for byte-splitting; 1 = bytes */
    uint32_t symbol_bits;            /* of packed codes their width, else 8 */
    uint32_t ggml;                   /* of ggml's blocks the number of their type, else 0 */
} swg_plane;

const char *swg_plane_name(swg_plane_kind kind); /* "values", "codes", "scales", "zeros", ... */

/* Whether the numbers of a plane must be finite. */
bool swg_plane_must_be_finite(const swg_plane *plane);

/* Whether such a plane has a single row, which belongs to all rows of the matrix. */
static inline bool swg_plane_is_shared(swg_plane_kind kind)
{
    return kind == SWG_PLANE_CODEBOOK;
}

/* A plane of `rows` rows of `row_elems` numbers each; for the authors of formats. */
swg_plane swg_plane_of(swg_plane_kind kind, swg_dtype type, uint64_t rows, uint64_t row_elems);

/* Check a description from outside once: rank, name (1 to SWG_MAX_NAME bytes of UTF-8 without
 * control characters), what its format requires (quantized tensors are matrices with k >= 1), and
 * that no product of sizes reaches 2^62 bytes. SWG_CORRUPT or SWG_UNSUPPORTED with a sentence
 * otherwise. */
swg_status swg_tensor_desc_check(const swg_tensor_desc *desc);

/* The planes of a checked description, in storage order; returns how many (1 to
 * SWG_PLANE_KINDS). */
size_t swg_tensor_planes(const swg_tensor_desc *desc, swg_plane out[SWG_PLANE_KINDS]);

/* Scale number `at` of a plane of scales, given the scale of its row, which only schemes with row
 * scales use; and that scale, 1 where `row_scales` is NULL. */
float swg_scale_load(swg_scheme scheme, const void *scales, size_t at, float row_scale);
float swg_row_scale_load(const void *row_scales, size_t row);

/* The plane of that kind among `n`; NULL when there is none. */
const swg_plane *swg_plane_find(const swg_plane *planes, size_t n, swg_plane_kind kind);

/* The shape as "[3, 5]"; "[]" is a scalar. Returns `out`. */
enum { SWG_SHAPE_TEXT_BYTES = 22 * SWG_MAX_RANK + 3 };
const char *swg_tensor_shape_text(const swg_tensor_desc *desc, char out[SWG_SHAPE_TEXT_BYTES]);

/* Bytes of all planes together. */
uint64_t swg_tensor_bytes(const swg_tensor_desc *desc);

#endif
