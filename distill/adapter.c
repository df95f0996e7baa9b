/* Low-rank adapters. See adapter.h. */
#include "distill/adapter.h"

#include <math.h>
#include <string.h>

#include "kernels/linalg.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"
#include "runtime/base/rng.h"

/* Rows of a matrix that are merged as one work item. */
enum { MERGED_ROWS = 64 };

static swg_status make_numbers(swg_adamw_numbers *numbers, size_t n)
{
    numbers->n = n;
    SWG_TRY(SWG_NEW(numbers->value, n));
    SWG_TRY(SWG_NEW(numbers->gradient, n));
    SWG_TRY(SWG_NEW(numbers->moment1, n));
    return SWG_NEW(numbers->moment2, n);
}

static void free_numbers(swg_adamw_numbers *numbers)
{
    swg_free(numbers->value);
    swg_free(numbers->gradient);
    swg_free(numbers->moment1);
    swg_free(numbers->moment2);
}

swg_status swg_adapter_new(size_t rows, size_t cols, const swg_adapter_options *options,
                           uint64_t stream, swg_adapter **out)
{
    const size_t most = rows < cols ? rows : cols;
    const double rank = (double)options->rank;
    swg_adapter *adapter = NULL;
    swg_rng rng = swg_rng_seeded(options->seed + stream);
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW(adapter, 1));
    adapter->rows = rows;
    adapter->cols = cols;
    adapter->rank = options->rank < most ? options->rank : most;
    adapter->scale = (float)(options->alpha > 0 ? options->alpha / rank : 2);
    SWG_GO(make_numbers(&adapter->a, adapter->rank * cols));
    SWG_GO(make_numbers(&adapter->b, rows * adapter->rank));
    for (size_t i = 0; i < adapter->a.n; i++)
        adapter->a.value[i] = (float)swg_rng_normal(&rng) / sqrtf((float)cols);
    *out = adapter;
    adapter = NULL;
done:
    swg_adapter_free(&adapter);
    return status;
}

void swg_adapter_free(swg_adapter **adapter)
{
    if (!*adapter)
        return;
    free_numbers(&(*adapter)->a);
    free_numbers(&(*adapter)->b);
    SWG_FREE(*adapter);
}

swg_status swg_adapter_add(swg_adapter *adapter, size_t first_row, size_t n_rows, const float *x,
                           const float *dy, size_t n)
{
    const swg_linalg *la = swg_linalg_get();
    const size_t rank = adapter->rank, cols = adapter->cols, at = first_row * rank;
    const float s = adapter->scale, *a = adapter->a.value, *b = adapter->b.value + at;
    float *inner; /* [n][rank] */
    SWG_TRY(SWG_NEW_UNINIT(inner, n * rank));
    la->sgemm(false, false, n, rank, n_rows, 1, dy, n_rows, b, rank, 0, inner, rank);
    la->sgemm(true, false, rank, cols, n, s, inner, rank, x, cols, 1, adapter->a.gradient, cols);
    la->sgemm(false, true, n, rank, cols, 1, x, cols, a, cols, 0, inner, rank);
    la->sgemm(true, false, n_rows, rank, n, s, dy, n_rows, inner, rank, 1, adapter->b.gradient + at,
              rank);
    swg_free(inner);
    return SWG_OK;
}

void swg_adapter_project(swg_adapter *adapter, const float *dw)
{
    const swg_linalg *la = swg_linalg_get();
    const size_t rows = adapter->rows, cols = adapter->cols, rank = adapter->rank;
    la->sgemm(true, false, rank, cols, rows, adapter->scale, adapter->b.value, rank, dw, cols, 1,
              adapter->a.gradient, cols);
    la->sgemm(false, true, rows, rank, cols, adapter->scale, dw, cols, adapter->a.value, cols, 1,
              adapter->b.gradient, rank);
}

typedef struct merging {
    const swg_adapter *adapter;
    const float *w;
    const uint8_t *is_zero;
    float *out;
} merging;

static swg_status merge_rows(void *context, size_t index)
{
    const merging *m = context;
    const swg_adapter *ad = m->adapter;
    const size_t row = index * MERGED_ROWS, left = ad->rows - row;
    const size_t n = left < MERGED_ROWS ? left : MERGED_ROWS, at = row * ad->cols;
    memcpy(m->out + at, m->w + at, n * ad->cols * sizeof *m->out);
    swg_linalg_get()->sgemm(false, false, n, ad->cols, ad->rank, ad->scale,
                            ad->b.value + row * ad->rank, ad->rank, ad->a.value, ad->cols, 1,
                            m->out + at, ad->cols);
    for (size_t i = at; m->is_zero && i < at + n * ad->cols; i++)
        if (m->is_zero[i])
            m->out[i] = 0;
    return SWG_OK;
}

swg_status swg_adapter_merge(const swg_adapter *adapter, const float *w, const uint8_t *is_zero,
                             float *out, swg_pool *pool)
{
    merging m = {.adapter = adapter, .w = w, .is_zero = is_zero, .out = out};
    return swg_pool_for(pool, swg_ceil_div(adapter->rows, MERGED_ROWS), merge_rows, &m);
}
