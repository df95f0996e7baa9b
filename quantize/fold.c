/* See fold.h. */
#include "quantize/fold.h"

#include <string.h>

#include "formats/overlay.h"
#include "runtime/base/mem.h"

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

swg_status swg_folds_add(swg_folds *folds, size_t tensor, swg_fold_side side, size_t block,
                         const float *map)
{
    const swg_tensor_desc *desc = swg_source_tensor(folds->base, tensor);
    const bool is_rows = side == SWG_FOLD_ROWS;
    swg_fold *fold = is_rows ? &folds->rows[tensor] : &folds->columns[tensor];
    const uint64_t channels = is_rows ? rows_of(desc) : columns_of(desc);
    if (channels % block != 0 || block > SWG_FOLD_MAX_BLOCK || fold->block)
        return swg_error(SWG_USAGE, "%s: the %llu %s of %s cannot take a map of %zu%s",
                         swg_source_path(folds->base), (unsigned long long)channels,
                         is_rows ? "rows" : "columns", desc->name, block,
                         fold->block ? ": they have one already" : "");
    *fold = (swg_fold){.block = block, .map = map};
    return SWG_OK;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* x [n] becomes x M^T for a map of matrices: M^-1 = M^T applied to columns of weights, M to rows of
 * inputs. */
static void mix(const swg_fold *fold, float *x, size_t n)
{
    const size_t b = fold->block;
    double sums[SWG_FOLD_MAX_BLOCK];
    for (size_t begin = 0; begin < n; begin += b) {
        for (size_t i = 0; i < b; i++) {
            sums[i] = 0;
            for (size_t j = 0; j < b; j++)
                sums[i] += (double)x[begin + j] * (double)fold->map[i * b + j];
        }
        for (size_t i = 0; i < b; i++)
            x[begin + i] = (float)sums[i];
    }
}

/* Row `row` of M W into out [n]; w holds the rows of its block. */
static void fold_row(const swg_fold *fold, const float *w, uint64_t row, size_t n, float *out)
{
    const size_t b = fold->block;
    for (size_t c = 0; c < n; c++) {
        double sum = 0;
        for (size_t j = 0; j < b; j++)
            sum += (double)fold->map[(row % b) * b + j] * (double)w[j * n + c];
        out[c] = (float)sum;
    }
}

static swg_status read_base(const swg_folds *folds, size_t tensor, uint64_t begin, uint64_t n_rows,
                            float *out)
{
    if (swg_source_tensor(folds->base, tensor)->rank == 1)
        return swg_source_read_f32(folds->base, tensor, 0, 1, out);
    return swg_source_read_f32(folds->base, tensor, begin, n_rows, out);
}

/* The rows through the map of rows. Rows of a vector are always all read: it is one row of the
 * file. */
static swg_status read_mapped_rows(const swg_folds *folds, size_t tensor, uint64_t begin,
                                   uint64_t n_rows, size_t n, float *out)
{
    const swg_fold *fold = &folds->rows[tensor];
    if (fold->block <= 1) {
        SWG_TRY(read_base(folds, tensor, begin, n_rows, out));
        for (uint64_t r = 0; fold->block && r < n_rows; r++)
            for (size_t c = 0; c < n; c++)
                out[r * n + c] *= fold->map[begin + r];
        return SWG_OK;
    }
    const uint64_t b = fold->block, first = begin / b * b;
    const uint64_t last = (begin + n_rows + b - 1) / b * b;
    float *w;
    SWG_TRY(SWG_NEW_UNINIT(w, (size_t)(last - first) * n));
    const swg_status status = read_base(folds, tensor, first, last - first, w);
    for (uint64_t r = begin; status == SWG_OK && r < begin + n_rows; r++)
        fold_row(fold, w + (r / b * b - first) * n, r, n, out + (r - begin) * n);
    swg_free(w);
    return status;
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
    for (uint64_t r = 0; columns->block > 1 && r < n_rows; r++)
        mix(columns, out + r * n, n);
    for (uint64_t r = 0; columns->block == 1 && r < n_rows; r++)
        for (size_t c = 0; c < n; c++)
            out[r * n + c] /= columns->map[c];
    return SWG_OK;
}

swg_status swg_folds_open(const swg_folds *folds, swg_source **out)
{
    const size_t n = swg_source_n_tensors(folds->base);
    bool *replaces;
    SWG_TRY(SWG_NEW(replaces, n));
    for (size_t i = 0; i < n; i++)
        replaces[i] = folds->rows[i].block || folds->columns[i].block;
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

void swg_folds_stats(const swg_folds *folds, size_t tensor, const swg_layer_stats *in,
                     float *hessian, double *mean_square, swg_layer_stats *out)
{
    const swg_fold *fold = &folds->columns[tensor];
    const size_t k = in->k;
    *out = *in;
    if (fold->block == 0)
        return;
    if (in->hessian != hessian)
        memcpy(hessian, in->hessian, k * k * sizeof *hessian);
    if (fold->block == 1) {
        for (size_t i = 0; i < k; i++)
            for (size_t j = 0; j < k; j++)
                hessian[i * k + j] *= fold->map[i] * fold->map[j];
    } else {
        for (int pass = 0; pass < 2; pass++) { /* H M^T, then M (H M^T) = ((H M^T)^T M^T)^T */
            for (size_t i = 0; i < k; i++)
                mix(fold, hessian + i * k, k);
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
}
