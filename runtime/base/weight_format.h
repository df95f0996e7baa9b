/* What a weight format is made of: one `const swg_weight_format swg_weight_format_<name>` in a file
 * of its own, and one row in weight_formats.def. Everything else - container, readers, writers,
 * quantization, kernels, options of commands - asks this table, so no other code has to know a
 * format. */
#ifndef SWG_RUNTIME_BASE_WEIGHT_FORMAT_H
#define SWG_RUNTIME_BASE_WEIGHT_FORMAT_H

#include "runtime/base/tensor.h"

/* Where rows of planes come from: rows [row_begin, row_begin + n_rows) of the plane of that kind to
 * `out` (n_rows * row_bytes). */
typedef struct swg_plane_reader {
    swg_status (*read)(void *context, swg_plane_kind kind, uint64_t row_begin, uint64_t n_rows,
                       void *out);
    void *context;
} swg_plane_reader;

/* The default parameters of quantization. */
typedef struct swg_usual_parameters {
    uint32_t group;
    uint32_t least_table_group; /* of embeddings and heads: at least this, or the whole row */
    swg_dtype scale_type;
} swg_usual_parameters;

typedef struct swg_weight_format {
    uint8_t code_bits; /* of its codes; 0 = it stores values as they are */
    /* The codes are integers, w = scale * (code - zero), a group of columns sharing scale and zero:
     * what quantization methods produce and the kernels' panels hold. */
    bool is_integer;
    /* The codes are places in a codebook of int8 numbers, one plane of a single row for the whole
     * matrix: w = scale * codebook[code], a group of columns sharing the scale. Likewise. */
    bool has_codebook;
    /* The rows of its planes depend on how many elements are stored (swg_tensor_desc.n_stored);
     * files say them. Of such formats: the elements in one row of their plane of values or codes.
     */
    bool is_counted;
    uint64_t (*stored_per_row)(swg_scheme scheme);
    swg_usual_parameters usual; /* of formats of codes */

    /* The scheme that a name means; false when it is not a name of this format's. `out` comes with
     * format and bits filled in. print and parse are inverses. */
    bool (*parse)(const char *text, size_t length, swg_scheme *out);
    void (*print)(swg_scheme scheme, char out[SWG_SCHEME_NAME_BYTES]);

    /* Refuse descriptions that the format cannot have. Rank, shape and products are checked. */
    swg_status (*check)(const swg_tensor_desc *desc);

    /* The planes in storage order; returns how many. */
    size_t (*planes)(const swg_tensor_desc *desc, swg_plane out[SWG_PLANE_KINDS]);

    /* Rows [row_begin, row_begin + n_rows) as floats [n_rows][cols]: the definition of what the
     * planes mean. SWG_UNSUPPORTED for element types that cannot be computed with, SWG_CORRUPT for
     * planes that contradict each other, SWG_NO_MEMORY, or the reader's status. */
    swg_status (*read_rows)(const swg_tensor_desc *desc, const swg_plane_reader *from,
                            uint64_t row_begin, uint64_t n_rows, float *out);

    /* Formats that leave elements out; NULL for others. See sparse_pack.h. */
    const struct swg_sparse_format *sparse;
} swg_weight_format;

#define SWG_WEIGHT_FORMAT(name) extern const swg_weight_format swg_weight_format_##name;
#include "runtime/base/weight_formats.def"

const swg_weight_format *swg_weight_format_of(swg_scheme scheme);

/* Rows of a tensor whose planes are in memory, by kind (NULL where it has none), as floats. */
swg_status swg_tensor_rows_f32(const swg_tensor_desc *desc,
                               const void *const planes[SWG_PLANE_KINDS], uint64_t row_begin,
                               uint64_t n_rows, float *out);

#endif
