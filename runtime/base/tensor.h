/* What a tensor is: element type, storage scheme, name and shape; and how many bytes its planes
 * take. Description only; where the bytes are is formats.h's (files) and model.h's (memory) matter.
 *
 * A tensor is stored as planes. A plain tensor has one: its values. A quantized matrix [n, k] has
 *   codes   n rows of ceil(k * bits / 8) bytes; unsigned codes, 4-bit: low nibble = even column
 *   scales  n rows of n_groups elements of the scale type
 *   zeros   n rows of n_groups bytes, asymmetric schemes only
 * and means  w[r][c] = scale[r][g] * (code[r][c] - zero[r][g]),  g = c / group,
 * with zero = 2^(bits-1) for symmetric schemes. The last group of a row may be short. */
#ifndef SWG_RUNTIME_BASE_TENSOR_H
#define SWG_RUNTIME_BASE_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

typedef enum swg_dtype {
#define SWG_DTYPE(name, bits, text) SWG_##name,
#include "runtime/base/dtype.def"
#undef SWG_DTYPE
    SWG_DTYPE_COUNT
} swg_dtype;

unsigned swg_dtype_bits(swg_dtype dtype);
const char *swg_dtype_name(swg_dtype dtype); /* as safetensors spells it: "BF16" */

/* Whether weights of that type can be computed with: F32, F16 or BF16. */
static inline bool swg_dtype_is_float(swg_dtype dtype)
{
    return dtype == SWG_F32 || dtype == SWG_F16 || dtype == SWG_BF16;
}

/* The type of that safetensors name (case-sensitive, `length` bytes); false when unknown. */
bool swg_dtype_parse(const char *text, size_t length, swg_dtype *out);

/* Columns of the shortest quantization groups. */
enum { SWG_MIN_GROUP = 32 };

/* How the numbers of one tensor are stored. */
typedef struct swg_scheme {
    uint8_t bits;    /* of a code: 4 or 8; 0 = plain elements of `dtype` */
    bool asymmetric; /* a zero point per group is stored */
    swg_dtype dtype; /* plain: element type; quantized: type of the scales (F16, BF16, F32) */
    uint32_t group;  /* columns that share a scale; 0 = the whole row */
} swg_scheme;

static inline swg_scheme swg_scheme_plain(swg_dtype dtype)
{
    return (swg_scheme){.dtype = dtype};
}
static inline bool swg_scheme_is_quantized(swg_scheme scheme)
{
    return scheme.bits != 0;
}
bool swg_scheme_equal(swg_scheme a, swg_scheme b);

/* The zero point that symmetric codes mean: 2^(bits-1). */
static inline uint32_t swg_scheme_symmetric_zero(swg_scheme scheme)
{
    return 1u << (scheme.bits - 1);
}

/* Groups in a row of k columns, and the length of one group (the row's for group 0). */
size_t swg_scheme_groups(swg_scheme scheme, size_t k);
size_t swg_scheme_group_length(swg_scheme scheme, size_t k);

/* One row of a quantized matrix as numbers: out[c] = (float)(code - zero) * scale. `codes` and
 * `zeros` (NULL = symmetric) are the row's own; its scales begin at element `first_scale`. */
void swg_scheme_dequantize_row(swg_scheme scheme, size_t cols, const uint8_t *codes,
                               const void *scales, size_t first_scale, const uint8_t *zeros,
                               float *out);

/* Scheme names are what files store: "f32", "bf16", "i64", or "int4-g64-sym-f16",
 * "int8-row-asym-f32". Parsing accepts exactly what writing produces: bits 4 or 8, group 32, 64,
 * 128, 256 or row, scales f16, bf16 or f32. Returns SWG_UNSUPPORTED, naming the text, otherwise.
 * `out` of swg_scheme_name is a buffer of SWG_SCHEME_NAME_BYTES. */
enum { SWG_SCHEME_NAME_BYTES = 48 };
const char *swg_scheme_name(swg_scheme scheme, char out[SWG_SCHEME_NAME_BYTES]);
swg_status swg_scheme_parse(const char *text, size_t length, swg_scheme *out);

enum { SWG_MAX_RANK = 4, SWG_MAX_NAME = 512 };

/* A tensor in a checkpoint. `name` belongs to whoever owns the description. */
typedef struct swg_tensor_desc {
    const char *name;
    swg_scheme scheme;
    uint32_t rank;                /* 0 (a scalar) to SWG_MAX_RANK */
    uint64_t shape[SWG_MAX_RANK]; /* slowest dimension first */
} swg_tensor_desc;

/* Number of elements; rows (product of all dimensions but the last; 1 below rank 2) and columns
 * (the last dimension; 1 for a scalar). Only for descriptions that swg_tensor_desc_check passed. */
uint64_t swg_tensor_elems(const swg_tensor_desc *desc);
uint64_t swg_tensor_rows(const swg_tensor_desc *desc);
uint64_t swg_tensor_cols(const swg_tensor_desc *desc);

typedef enum swg_plane_kind {
    SWG_PLANE_VALUES,
    SWG_PLANE_CODES,
    SWG_PLANE_SCALES,
    SWG_PLANE_ZEROS,
    SWG_PLANE_KINDS
} swg_plane_kind;

enum { SWG_MAX_PLANES = 3 };

/* One plane: rows of equal length, nothing between them. */
typedef struct swg_plane {
    swg_plane_kind kind;
    uint64_t rows, row_bytes, bytes; /* bytes = rows * row_bytes; a plain tensor whose rows are not
                                        whole bytes counts as one row */
    uint32_t elem_bytes;             /* width of one number, for byte-splitting; 1 = bytes */
} swg_plane;

const char *swg_plane_name(swg_plane_kind kind); /* "values", "codes", "scales", "zeros" */

/* Check a description from outside once: rank, name (1 to SWG_MAX_NAME bytes of UTF-8 without
 * control characters), that a quantized tensor is a matrix with k >= 1, and that no product of
 * sizes overflows 2^62 bytes. SWG_CORRUPT or SWG_UNSUPPORTED with a sentence otherwise. */
swg_status swg_tensor_desc_check(const swg_tensor_desc *desc);

/* The planes of a checked description, in storage order; returns how many (1 to
 * SWG_MAX_PLANES). */
size_t swg_tensor_planes(const swg_tensor_desc *desc, swg_plane out[SWG_MAX_PLANES]);

/* The shape as "[3, 5]"; "[]" is a scalar. Returns `out`. */
enum { SWG_SHAPE_TEXT_BYTES = 22 * SWG_MAX_RANK + 3 };
const char *swg_tensor_shape_text(const swg_tensor_desc *desc, char out[SWG_SHAPE_TEXT_BYTES]);

/* Bytes of all planes together. */
uint64_t swg_tensor_bytes(const swg_tensor_desc *desc);

/* Whether `length` bytes are valid UTF-8 without control characters (names in files). */
bool swg_name_is_printable(const char *text, size_t length);

#endif
