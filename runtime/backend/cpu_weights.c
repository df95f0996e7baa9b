/* Storage of matrices on the CPU: quantized ones in the kernels' panels (kernels.h), plain ones row
 * by row in their own element type. Each is preceded by what is needed to use it:
 *
 *     memory -> cpu_matrix { kernels, packed } | padding to 64 bytes | panels, or n rows of values
 *
 * Of sparse formats of codes, whose panels differ in length, where each begins precedes them. Where
 * the kernels gain nothing from such panels, these are dense too. */
#include "runtime/backend/cpu_weights.h"

#include <string.h>

#include "runtime/base/sparse_pack.h"

typedef struct cpu_matrix {
    const swg_kernels *kernels;
    swg_packed packed; /* quantized schemes; without panels for sparse ones */
    swg_sparse_panels sparse;
    size_t *starts; /* [n_panels] of sparse panels, from values_of; NULL: panels are dense */
    size_t used;    /* bytes after values_of that are filled */
} cpu_matrix;

static bool is_sparse(const swg_weight *weight)
{
    return swg_weight_format_of(weight->scheme)->sparse != NULL;
}

bool swg_cpu_stays_sparse(const swg_weight *weight)
{
    const swg_kernels *kernels;
    return is_sparse(weight) && swg_kernels_best(&kernels) == SWG_OK &&
           swg_kernels_keep_sparse(kernels);
}

static swg_sparse_panels sparse_layout(const swg_weight *weight)
{
    const swg_scheme scheme = weight->scheme;
    const bool is_pairs = scheme.format == SWG_FORMAT_pairs;
    const bool is_blocks = scheme.block > 0 && scheme.block % SWG_PANEL_ROWS == 0;
    return swg_sparse_panels_layout(swg_sparse_dense(scheme), weight->n, weight->k,
                                    is_pairs    ? SWG_SPARSE_PAIRS
                                    : is_blocks ? SWG_SPARSE_COLUMNS
                                                : SWG_SPARSE_MASKS);
}

/* The dense panels of a quantized matrix. */
static swg_packed dense_layout(const swg_weight *weight)
{
    const swg_scheme scheme = weight->scheme;
    return swg_packed_layout(is_sparse(weight) ? swg_sparse_dense(scheme) : scheme, weight->n,
                             weight->k);
}

static size_t header_bytes(void)
{
    return swg_round_up(sizeof(cpu_matrix), SWG_ALIGNMENT);
}

static cpu_matrix *matrix_of(const swg_weight *weight)
{
    return weight->memory;
}

static void *values_of(const swg_weight *weight)
{
    return (uint8_t *)weight->memory + header_bytes();
}

static size_t row_bytes(const swg_weight *weight)
{
    return weight->k * swg_dtype_bits(weight->scheme.dtype) / 8;
}

static swg_status check(const swg_weight *weight)
{
    const swg_scheme scheme = weight->scheme;
    if (swg_scheme_is_plain(scheme))
        return swg_dtype_is_float(scheme.dtype)
                   ? SWG_OK
                   : swg_error(SWG_UNSUPPORTED, "weights of type %s cannot be computed with",
                               swg_dtype_name(scheme.dtype));
    const swg_layout layout = swg_layout_of(
        swg_scheme_is_quantized(scheme) && is_sparse(weight) ? swg_sparse_dense(scheme) : scheme);
    char name[SWG_SCHEME_NAME_BYTES];
    if (layout == SWG_LAYOUT_COUNT)
        return swg_error(SWG_UNSUPPORTED, "weights of format %s cannot be computed with",
                         swg_scheme_name(scheme, name));
    if (scheme.group != 0 && scheme.group < SWG_MIN_GROUP)
        return swg_error(SWG_UNSUPPORTED, "a quantization group of %u columns is shorter than %d",
                         scheme.group, SWG_MIN_GROUP);
    /* Longer groups could overflow the kernels' 32-bit sums. */
    const size_t longest = swg_layout_longest_group(layout);
    const size_t group = swg_scheme_group_length(scheme, weight->k);
    if (group > longest)
        return swg_error(SWG_UNSUPPORTED,
                         "a quantization group of %zu columns is longer than the %zu that sums of "
                         "%u-bit codes may have",
                         group, longest, scheme.bits);
    return SWG_OK;
}

static size_t bytes(const swg_weight *weight)
{
    if (swg_scheme_is_plain(weight->scheme))
        return header_bytes() + weight->n * row_bytes(weight);
    if (swg_cpu_stays_sparse(weight)) {
        const swg_sparse_panels sparse = sparse_layout(weight);
        return header_bytes() +
               swg_round_up(sparse.dense.n_panels * sizeof(size_t), SWG_ALIGNMENT) +
               swg_sparse_panels_bytes(&sparse, (size_t)weight->n_stored);
    }
    const swg_packed packed = dense_layout(weight);
    return header_bytes() + swg_packed_bytes(&packed);
}

static swg_status place(swg_weight *weight, void *memory)
{
    cpu_matrix *matrix = memory;
    SWG_TRY(swg_kernels_best(&matrix->kernels));
    weight->memory = memory;
    if (is_sparse(weight))
        matrix->sparse = sparse_layout(weight);
    if (swg_cpu_stays_sparse(weight)) {
        matrix->packed = matrix->sparse.dense;
        matrix->starts = values_of(weight);
        matrix->used = swg_round_up(matrix->packed.n_panels * sizeof(size_t), SWG_ALIGNMENT);
        return SWG_OK;
    }
    if (!swg_scheme_is_plain(weight->scheme)) {
        matrix->packed = dense_layout(weight);
        matrix->packed.panels = values_of(weight);
    }
    return SWG_OK;
}

static void *direct(const swg_weight *weight, swg_plane_kind kind, uint64_t row)
{
    return kind == SWG_PLANE_VALUES ? (uint8_t *)values_of(weight) + row * row_bytes(weight) : NULL;
}

static swg_status store(const swg_weight *weight, swg_plane_kind kind, uint64_t row,
                        uint64_t n_rows, const void *rows)
{
    cpu_matrix *matrix = matrix_of(weight);
    const size_t begin = (size_t)row, count = (size_t)n_rows;
    switch (kind) {
    case SWG_PLANE_VALUES:
        memcpy(direct(weight, kind, row), rows, count * row_bytes(weight));
        return SWG_OK;
    case SWG_PLANE_CODES:
        matrix->kernels->pack_codes(&matrix->packed, begin, count, rows);
        return SWG_OK;
    case SWG_PLANE_SCALES:
        matrix->kernels->pack_scales(&matrix->packed, begin, count, rows);
        return SWG_OK;
    case SWG_PLANE_ROW_SCALES:
        matrix->kernels->pack_row_scales(&matrix->packed, begin, count, rows);
        return SWG_OK;
    case SWG_PLANE_ZEROS:
        matrix->kernels->pack_zeros(&matrix->packed, begin, count, rows);
        return SWG_OK;
    case SWG_PLANE_CODEBOOK: {
        const int8_t *numbers = rows;
        for (size_t i = 0; i < SWG_CODEBOOK_CODES; i++)
            matrix->packed.codebook[i] = (uint8_t)(numbers[i] + SWG_CODEBOOK_ZERO);
        return SWG_OK;
    }
    default:
        return swg_error(SWG_UNSUPPORTED, "a plane of %s cannot be computed with",
                         swg_plane_name(kind));
    }
}

/* Rows of a sparse format that begin a panel. */
typedef struct stored_rows {
    const bool *is_stored;
    const uint8_t *codes, *scales, *zeros;
    size_t n_rows;
} stored_rows;

/* The first panel of these rows at `out`; returns its bytes. */
static size_t pack_sparse(const cpu_matrix *matrix, const stored_rows *rows, uint8_t *out)
{
    const size_t n = rows->n_rows < SWG_PANEL_ROWS ? rows->n_rows : SWG_PANEL_ROWS;
    return swg_sparse_pack_panel(&matrix->sparse, n, rows->is_stored, rows->codes, rows->scales,
                                 rows->zeros, out);
}

static void next_panel(const swg_packed *w, stored_rows *rows)
{
    rows->is_stored += SWG_PANEL_ROWS * w->k;
    rows->codes += SWG_PANEL_ROWS * w->k;
    rows->scales += SWG_PANEL_ROWS * w->n_groups * w->scale_bytes;
    rows->zeros = rows->zeros ? rows->zeros + SWG_PANEL_ROWS * w->n_groups : NULL;
    rows->n_rows -= rows->n_rows < SWG_PANEL_ROWS ? rows->n_rows : SWG_PANEL_ROWS;
}

static void store_as_sparse(cpu_matrix *matrix, uint8_t *values, size_t panel, stored_rows *rows)
{
    for (; rows->n_rows > 0; panel++, next_panel(&matrix->packed, rows)) {
        matrix->starts[panel] = matrix->used;
        matrix->used += pack_sparse(matrix, rows, values + matrix->used);
    }
}

static swg_status store_as_dense(cpu_matrix *matrix, size_t panel, stored_rows *rows)
{
    const swg_packed *w = &matrix->packed;
    swg_sparse_panels one = matrix->sparse;
    one.dense.n_panels = 1;
    uint8_t *sparse;
    SWG_TRY(SWG_NEW(sparse, swg_sparse_panels_bytes(&one, SWG_PANEL_ROWS * w->k)));
    for (; rows->n_rows > 0; panel++, next_panel(w, rows)) {
        pack_sparse(matrix, rows, sparse);
        matrix->kernels->expand(&matrix->sparse, sparse, w->panels + panel * w->panel_bytes);
    }
    swg_free(sparse);
    return SWG_OK;
}

static swg_status store_sparse(const swg_weight *weight, uint64_t row, uint64_t n_rows,
                               const bool *is_stored, const uint8_t *codes, const void *scales,
                               const uint8_t *zeros)
{
    cpu_matrix *matrix = matrix_of(weight);
    const size_t panel = (size_t)row / SWG_PANEL_ROWS;
    stored_rows rows = {is_stored, codes, scales, zeros, (size_t)n_rows};
    if (!matrix->starts)
        return store_as_dense(matrix, panel, &rows);
    store_as_sparse(matrix, values_of(weight), panel, &rows);
    return SWG_OK;
}

static const uint8_t *sparse_panel(const swg_weight *weight, size_t panel)
{
    return (const uint8_t *)values_of(weight) + matrix_of(weight)->starts[panel];
}

bool swg_cpu_is_sparse(const swg_weight *weight)
{
    return !swg_scheme_is_plain(weight->scheme) && matrix_of(weight)->starts;
}

void swg_cpu_matvec_sparse(const swg_weight *weight, size_t panel, const swg_act *x, float *y,
                           size_t y_stride)
{
    const cpu_matrix *matrix = matrix_of(weight);
    const size_t left = matrix->packed.n - panel * SWG_PANEL_ROWS;
    matrix->kernels->matvec_sparse(&matrix->sparse, sparse_panel(weight, panel), x,
                                   left < SWG_PANEL_ROWS ? left : SWG_PANEL_ROWS, y, y_stride);
}

swg_packed swg_cpu_expand(const swg_weight *weight, size_t begin, size_t count, uint8_t *panels)
{
    const cpu_matrix *matrix = matrix_of(weight);
    swg_packed view = matrix->packed;
    const size_t left = view.n - begin * SWG_PANEL_ROWS, rows = count * SWG_PANEL_ROWS;
    for (size_t p = 0; p < count; p++)
        matrix->kernels->expand(&matrix->sparse, sparse_panel(weight, begin + p),
                                panels + p * view.panel_bytes);
    view.panels = panels;
    view.n_panels = count;
    view.n = left < rows ? left : rows;
    return view;
}

const void *swg_cpu_values(const swg_weight *weight, size_t row)
{
    return direct(weight, SWG_PLANE_VALUES, row);
}

const swg_packed *swg_cpu_packed(const swg_weight *weight)
{
    return &matrix_of(weight)->packed;
}

bool swg_cpu_is_f32(const swg_weight *weight)
{
    return swg_scheme_is_plain(weight->scheme) && weight->scheme.dtype == SWG_F32;
}

/* Expanding a whole panel and converting its rows takes a fraction of the time of walking through
 * its masks bit by bit, which needs no memory. */
static void sparse_rows(const swg_weight *weight, size_t row, size_t n_rows, uint8_t *panels,
                        float *out)
{
    const cpu_matrix *matrix = matrix_of(weight);
    for (size_t r = 0, n; r < n_rows; r += n) {
        const size_t panel = (row + r) / SWG_PANEL_ROWS, first = (row + r) % SWG_PANEL_ROWS;
        const size_t left = SWG_PANEL_ROWS - first;
        n = n_rows - r < left ? n_rows - r : left;
        if (panels) {
            const swg_packed view = swg_cpu_expand(weight, panel, 1, panels);
            matrix->kernels->dequantize(&view, first, n, out + r * weight->k);
        } else {
            swg_sparse_rows_f32(&matrix->sparse, sparse_panel(weight, panel), first, n,
                                out + r * weight->k);
        }
    }
}

const float *swg_cpu_rows_f32(const swg_weight *weight, size_t row, size_t n_rows, uint8_t *panels,
                              float *scratch)
{
    const cpu_matrix *matrix = matrix_of(weight);
    if (swg_cpu_is_sparse(weight)) {
        sparse_rows(weight, row, n_rows, panels, scratch);
        return scratch;
    }
    if (!swg_scheme_is_plain(weight->scheme)) {
        matrix->kernels->dequantize(&matrix->packed, row, n_rows, scratch);
        return scratch;
    }
    const void *values = direct(weight, SWG_PLANE_VALUES, row);
    if (swg_cpu_is_f32(weight))
        return values;
    if (weight->scheme.dtype == SWG_F16)
        matrix->kernels->f16_to_f32(values, n_rows * weight->k, scratch);
    else
        matrix->kernels->bf16_to_f32(values, n_rows * weight->k, scratch);
    return scratch;
}

void swg_cpu_matvec(const swg_weight *weight, size_t row, size_t n_rows, const float *x, size_t m,
                    float *y, size_t y_stride)
{
    swg_kernels_matvec(matrix_of(weight)->kernels, weight->scheme.dtype)(
        direct(weight, SWG_PLANE_VALUES, row), n_rows, weight->k, x, m, weight->k, y, y_stride);
}

static void row_f32(const swg_weight *weight, size_t row, float *out)
{
    const float *values = swg_cpu_rows_f32(weight, row, 1, NULL, out);
    if (values != out)
        memcpy(out, values, weight->k * sizeof *out);
}

const swg_backend_weights swg_cpu_weights = {
    .memory_new = swg_pages_init,
    .memory_free = swg_pages_deinit,
    .row_step = SWG_PANEL_ROWS,
    .check = check,
    .bytes = bytes,
    .place = place,
    .direct = direct,
    .store = store,
    .store_sparse = store_sparse,
    .row_f32 = row_f32,
};
