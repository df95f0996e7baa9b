/* See fold.h. */
#include "quantize/fold.h"

#include <string.h>

#include "formats/overlay.h"
#include "runtime/base/mem.h"

/* Columns that a rotation of rows takes at a time. */
enum { PIECE = 64 };

swg_status swg_folds_init(swg_folds *out, swg_source *base)
{
    swg_folds folds = {.base = base};
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW(folds.rows, swg_source_n_tensors(base)));
    SWG_GO(SWG_NEW(folds.columns, swg_source_n_tensors(base)));
    *out = folds;
    folds = (swg_folds){0};
done:
    swg_folds_deinit(&folds);
    return status;
}

void swg_folds_deinit(swg_folds *folds)
{
    SWG_FREE(folds->rows);
    SWG_FREE(folds->columns);
}

/* A tensor as a matrix: a vector is a column. */
static uint64_t rows_of(const swg_tensor_desc *desc)
{
    return desc->rank == 1 ? desc->shape[0] : swg_tensor_rows(desc);
}

static uint64_t columns_of(const swg_tensor_desc *desc)
{
    return desc->rank == 1 ? 1 : swg_tensor_cols(desc);
}

static bool is_empty(const swg_fold *fold)
{
    return !fold->scale && !fold->rotation;
}

swg_status swg_folds_add(swg_folds *folds, size_t tensor, swg_fold_side side, swg_fold fold)
{
    const swg_tensor_desc *desc = swg_source_tensor(folds->base, tensor);
    const bool is_rows = side == SWG_FOLD_ROWS;
    swg_fold *place = is_rows ? &folds->rows[tensor] : &folds->columns[tensor];
    const uint64_t channels = is_rows ? rows_of(desc) : columns_of(desc);
    const size_t block = fold.rotation ? fold.rotation->n : 1;
    if (channels % block != 0 || !is_empty(place))
        return swg_error(SWG_USAGE, "%s: the %llu %s of %s cannot take a map of %zu%s",
                         swg_source_path(folds->base), (unsigned long long)channels,
                         is_rows ? "rows" : "columns", desc->name, block,
                         is_empty(place) ? "" : ": they have one already");
    *place = fold;
    return SWG_OK;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* x [n] becomes x M^T for a rotation: M^-1 = M^T applied to columns of weights, M to rows of
 * inputs. `scratch` holds one block. */
static void mix(const swg_rotation *q, float *x, size_t n, double *scratch)
{
    for (size_t begin = 0; begin < n; begin += q->n) {
        for (size_t i = 0; i < q->n; i++)
            scratch[i] = (double)x[begin + i];
        swg_rotation_apply(q, 1, scratch);
        for (size_t i = 0; i < q->n; i++)
            x[begin + i] = (float)scratch[i];
    }
}

static swg_status mix_columns(const swg_rotation *q, float *x, uint64_t n_rows, size_t n)
{
    double *scratch;
    SWG_TRY(SWG_NEW_UNINIT(scratch, q->n));
    for (uint64_t r = 0; r < n_rows; r++)
        mix(q, x + r * n, n, scratch);
    swg_free(scratch);
    return SWG_OK;
}

/* Rows [from, to) of M W, of a block w of rows, into out [to - from][n]. Columns are taken in
 * pieces that caches hold. */
static void mix_rows(const swg_rotation *q, const float *w, size_t from, size_t to, size_t n,
                     double *scratch, float *out)
{
    for (size_t c = 0, count; c < n; c += count) {
        count = n - c < PIECE ? n - c : PIECE;
        for (size_t i = 0; i < q->n; i++)
            for (size_t k = 0; k < count; k++)
                scratch[i * count + k] = (double)w[i * n + c + k];
        swg_rotation_apply(q, count, scratch);
        for (size_t i = from; i < to; i++)
            for (size_t k = 0; k < count; k++)
                out[(i - from) * n + c + k] = (float)scratch[i * count + k];
    }
}

static swg_status read_base(const swg_folds *folds, size_t tensor, uint64_t begin, uint64_t n_rows,
                            float *out)
{
    if (swg_source_tensor(folds->base, tensor)->rank == 1)
        return swg_source_read_f32(folds->base, tensor, 0, 1, out);
    return swg_source_read_f32(folds->base, tensor, begin, n_rows, out);
}

/* Rows through a rotation of rows, of which whole blocks are read and computed. */
static swg_status read_rotated_rows(const swg_folds *folds, size_t tensor, uint64_t begin,
                                    uint64_t n_rows, size_t n, float *out)
{
    const swg_rotation *q = folds->rows[tensor].rotation;
    const size_t b = q->n, longest = b * PIECE;
    float *w = NULL;
    double *scratch = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW_UNINIT(w, b * n));
    SWG_GO(SWG_NEW_UNINIT(scratch, longest));
    for (uint64_t at = begin; at < begin + n_rows;) {
        const uint64_t first = at / b * b, left = begin + n_rows - first;
        const size_t from = (size_t)(at - first), to = left < b ? (size_t)left : b;
        SWG_GO(read_base(folds, tensor, first, b, w));
        mix_rows(q, w, from, to, n, scratch, out + (at - begin) * n);
        at = first + to;
    }
done:
    swg_free(scratch);
    swg_free(w);
    return status;
}

/* The rows through the map of rows. Rows of a vector are always all read: it is one row of the
 * file. */
static swg_status read_mapped_rows(const swg_folds *folds, size_t tensor, uint64_t begin,
                                   uint64_t n_rows, size_t n, float *out)
{
    const swg_fold *fold = &folds->rows[tensor];
    const bool is_vector = swg_source_tensor(folds->base, tensor)->rank == 1;
    if (fold->rotation && !is_vector)
        return read_rotated_rows(folds, tensor, begin, n_rows, n, out);
    SWG_TRY(read_base(folds, tensor, begin, n_rows, out));
    if (fold->rotation)
        return mix_columns(fold->rotation, out, 1, (size_t)n_rows);
    for (uint64_t r = 0; fold->scale && r < n_rows; r++)
        for (size_t c = 0; c < n; c++)
            out[r * n + c] *= fold->scale[begin + r];
    return SWG_OK;
}

static swg_status read_rows(void *context, size_t tensor, uint64_t row_begin, uint64_t n_rows,
                            float *out)
{
    const swg_folds *folds = context;
    const swg_tensor_desc *desc = swg_source_tensor(folds->base, tensor);
    const swg_fold *columns = &folds->columns[tensor];
    const size_t n = (size_t)columns_of(desc);
    if (desc->rank == 1)
        return read_mapped_rows(folds, tensor, 0, desc->shape[0], 1, out);
    SWG_TRY(read_mapped_rows(folds, tensor, row_begin, n_rows, n, out));
    for (uint64_t r = 0; columns->scale && r < n_rows; r++)
        for (size_t c = 0; c < n; c++)
            out[r * n + c] /= columns->scale[c];
    return columns->rotation ? mix_columns(columns->rotation, out, n_rows, n) : SWG_OK;
}

swg_status swg_folds_open(const swg_folds *folds, swg_source **out)
{
    const size_t n = swg_source_n_tensors(folds->base);
    bool *replaces;
    SWG_TRY(SWG_NEW(replaces, n));
    for (size_t i = 0; i < n; i++)
        replaces[i] = !is_empty(&folds->rows[i]) || !is_empty(&folds->columns[i]);
    const swg_overlay overlay = {
        .context = (void *)folds, .replaces = replaces, .read_rows = read_rows};
    const swg_status status = swg_source_overlay(folds->base, &overlay, out);
    swg_free(replaces);
    return status;
}

/* --- Statistics ------------------------------------------------------------------------------- */

static void transpose(float *h, size_t k)
{
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < i; j++) {
            const float kept = h[i * k + j];
            h[i * k + j] = h[j * k + i];
            h[j * k + i] = kept;
        }
}

swg_status swg_folds_stats(const swg_folds *folds, size_t tensor, const swg_layer_stats *in,
                           float *hessian, double *mean_square, swg_layer_stats *out)
{
    const swg_fold *fold = &folds->columns[tensor];
    const size_t k = in->k;
    *out = *in;
    if (is_empty(fold))
        return SWG_OK;
    if (in->hessian != hessian)
        memcpy(hessian, in->hessian, k * k * sizeof *hessian);
    for (size_t i = 0; fold->scale && i < k; i++)
        for (size_t j = 0; j < k; j++)
            hessian[i * k + j] *= fold->scale[i] * fold->scale[j];
    if (fold->rotation) {
        for (int pass = 0; pass < 2; pass++) { /* H M^T, then M (H M^T) = ((H M^T)^T M^T)^T */
            SWG_TRY(mix_columns(fold->rotation, hessian, k, k));
            transpose(hessian, k);
        }
        for (size_t i = 0; i < k; i++) /* the two orders of rounding agree again */
            for (size_t j = 0; j < i; j++)
                hessian[j * k + i] = hessian[i * k + j];
    }
    for (size_t i = 0; i < k; i++)
        mean_square[i] = (double)hessian[i * k + i] / (double)in->n_tokens;
    out->hessian = hessian;
    out->mean_square = mean_square;
    out->mean_abs = NULL;
    return SWG_OK;
}
