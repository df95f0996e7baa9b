/* Schemes: how the numbers of one tensor are stored. A scheme is a weight format (a row of
 * weight_formats.def) with its parameters; its name is what files store:
 *
 *     "f32", "bf16", "i64"                        plain elements
 *     "int4-g64-sym-f16", "int8-row-asym-f32"     integer codes: bits, group, zero points, scales
 *     "codebook4-g64-f16"                         codes that mean numbers of a codebook
 *     "sparse-f16"                                the elements other than 0, and where they are
 *     "sparse-int4-g64-sym-f16"                   the same of codes; "2of4-..." and "block16x1-..."
 *                                                 where zeros follow a pattern
 *     "q4_k", "iq2_xs"                            blocks of a GGUF, as they are there */
#ifndef SWG_RUNTIME_BASE_SCHEME_H
#define SWG_RUNTIME_BASE_SCHEME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/dtype.h"
#include "runtime/base/status.h"

typedef enum swg_weight_format_id {
#define SWG_WEIGHT_FORMAT(name) SWG_FORMAT_##name,
#include "runtime/base/weight_formats.def"
    SWG_FORMAT_COUNT
} swg_weight_format_id;

/* Parameters that a format does not have are 0. */
typedef struct swg_scheme {
    uint8_t format;       /* swg_weight_format_id */
    uint8_t bits;         /* of a code; 0 = the format has no codes */
    bool asymmetric;      /* a zero point per group is stored */
    swg_dtype dtype;      /* of elements that are stored as they are */
    swg_dtype scale_type; /* of the scales: F16, BF16 or F32; I8 = integers, each to be multiplied
                             by its row's BF16 scale */
    uint32_t group;       /* columns that share a scale; 0 = the whole row */
    uint8_t block;        /* rows that are stored or left out together; 0 = no blocks */
    uint8_t ggml;         /* number of the type of ggml's blocks (ggml/blocks.h); 0 = none */
} swg_scheme;

static inline swg_scheme swg_scheme_plain(swg_dtype dtype)
{
    return (swg_scheme){.format = SWG_FORMAT_plain, .dtype = dtype};
}

/* Blocks of that type of ggml's (ggml/blocks.h), whose codes have that many bits. */
static inline swg_scheme swg_scheme_ggml(unsigned type, unsigned bits)
{
    return (swg_scheme){.format = SWG_FORMAT_ggml, .bits = (uint8_t)bits, .ggml = (uint8_t)type};
}

/* Initializer of a scheme of integer codes, for a constant width that has a format; the other
 * arguments are fields: SWG_SCHEME_INT(4, .group = 64, .scale_type = SWG_F16). */
#define SWG_SCHEME_INT(width, ...) {.format = SWG_FORMAT_int##width, .bits = width, __VA_ARGS__}

/* The scheme of integer codes of that width. SWG_UNSUPPORTED, naming the supported widths, when no
 * format has it. */
swg_status swg_scheme_of_bits(unsigned bits, uint32_t group, bool asymmetric, swg_dtype scale_type,
                              swg_scheme *out);

/* The same of codes that mean numbers of a codebook; such schemes have no zero points. */
swg_status swg_scheme_of_codebook(unsigned bits, uint32_t group, swg_dtype scale_type,
                                  swg_scheme *out);

/* Columns in the shortest quantization group. */
enum { SWG_MIN_GROUP = 32 };

/* Whether there is a format of integer codes of that width. */
bool swg_bits_are_known(unsigned bits);

bool swg_scheme_equal(swg_scheme a, swg_scheme b);

/* Whether scales are integers under a scale per row. */
static inline bool swg_scheme_has_row_scales(swg_scheme scheme)
{
    return scheme.scale_type == SWG_I8;
}

/* Whether scales can be of that type. */
static inline bool swg_scale_type_is_known(swg_dtype type)
{
    return swg_dtype_is_float(type) || type == SWG_I8;
}

/* Whether codes mean numbers of a codebook rather than integers. */
bool swg_scheme_has_codebook(swg_scheme scheme);

/* The scheme in which the values are computed with: codes and plain elements as they are,
 * but F64 as F32; the values of other formats are expanded to plain elements of their type, or F32.
 */
swg_scheme swg_scheme_expanded(swg_scheme scheme);

/* One plane of elements of `dtype`, nothing else. */
static inline bool swg_scheme_is_plain(swg_scheme scheme)
{
    return scheme.format == SWG_FORMAT_plain;
}
/* Values were rounded to codes. */
static inline bool swg_scheme_is_quantized(swg_scheme scheme)
{
    return scheme.bits != 0;
}

/* Integer codes with scales, w = scale * (code - zero): the formats of integer codes. */
bool swg_scheme_is_integer(swg_scheme scheme);

/* The implied zero point of symmetric codes: 2^(bits-1). */
static inline uint32_t swg_scheme_symmetric_zero(swg_scheme scheme)
{
    return 1u << (scheme.bits - 1);
}

/* The number of groups in a row of k columns, and the length of a group (the whole row for group
 * 0). */
size_t swg_scheme_groups(swg_scheme scheme, size_t k);
size_t swg_scheme_group_length(swg_scheme scheme, size_t k);

/* A scheme's name; `out` is a buffer of SWG_SCHEME_NAME_BYTES and is returned. Parsing accepts
 * exactly what writing produces. SWG_UNSUPPORTED, naming the text, otherwise. */
enum { SWG_SCHEME_NAME_BYTES = 48 };
const char *swg_scheme_name(swg_scheme scheme, char out[SWG_SCHEME_NAME_BYTES]);
swg_status swg_scheme_parse(const char *text, size_t length, swg_scheme *out);

#endif
