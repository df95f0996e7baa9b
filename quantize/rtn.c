/* Round to nearest: every group on its own, on the grid that loses least. Blocks of rows are the
 * items of the thread pool; their size depends on the shape alone, and their statistics are added
 * in order, so that results do not depend on the number of threads. */
#include "quantize/methods.h"
#include "runtime/base/mem.h"

/* Weights a block: large enough to amortise a read, small enough to stay in cache (256 KiB). */
static const uint64_t block_elems = 64 * 1024;

typedef struct rtn {
    const swg_quantize_job *job;
    swg_quant_planes planes;
    uint64_t rows_per_block;
    swg_quant_stats *stats; /* one a block */
} rtn;

static swg_status quantize_row(const rtn *r, uint64_t row, const float *x, uint8_t *codes,
                               swg_quant_stats *stats)
{
    const swg_quantize_job *job = r->job;
    for (size_t g = 0; g < r->planes.n_groups; g++) {
        const size_t begin = g * r->planes.group;
        const size_t left = r->planes.cols - begin;
        const size_t n = left < r->planes.group ? left : r->planes.group;
        swg_grid grid;
        const swg_status status =
            swg_grid_search(job->scheme, job->search, x + begin,
                            job->importance ? job->importance + begin : NULL, n, &grid);
        if (status != SWG_OK)
            return swg_error_context(status, "tensor %s, row %llu, columns %zu to %zu", job->name,
                                     (unsigned long long)row, begin, begin + n - 1);
        swg_grid_encode(grid, x + begin, n, codes + begin);
        swg_quant_stats_measure(stats, grid, x + begin, codes + begin, n);
        swg_quant_planes_store_grid(&r->planes, row, g, grid);
    }
    swg_quant_planes_store_codes(&r->planes, row, codes);
    return SWG_OK;
}

static swg_status quantize_block(void *context, size_t index)
{
    const rtn *r = context;
    const size_t cols = r->planes.cols;
    const uint64_t begin = index * r->rows_per_block;
    const uint64_t left = r->job->rows - begin;
    const size_t n_rows = (size_t)(left < r->rows_per_block ? left : r->rows_per_block);
    swg_status status = SWG_OK;
    float *x = NULL;
    uint8_t *codes = NULL;
    if (swg_is_interrupted())
        return swg_error(SWG_INTERRUPTED, "interrupted while quantizing tensor %s", r->job->name);
    SWG_GO(SWG_NEW_UNINIT(x, n_rows * cols)); /* no overflow: the matrix passed its check */
    SWG_GO(SWG_NEW_UNINIT(codes, cols));
    SWG_GO(r->job->read_rows(r->job->context, begin, n_rows, x));
    for (size_t i = 0; i < n_rows; i++)
        SWG_GO(quantize_row(r, begin + i, x + i * cols, codes, &r->stats[index]));
done:
    swg_free(codes);
    swg_free(x);
    return status;
}

/* About block_elems weights, in steps that the reader likes when that is not much more. */
static uint64_t rows_per_block(const swg_quantize_job *job)
{
    const uint64_t step = job->rows_per_read;
    if (step && step * job->cols <= 4 * block_elems)
        return step * (block_elems / (step * job->cols) + 1);
    return block_elems / job->cols + 1;
}

swg_status swg_quantize__rtn(const swg_quantize_job *job, void *const planes[SWG_PLANE_KINDS],
                             swg_quant_stats *stats)
{
    rtn r = {.job = job,
             .planes = swg_quant_planes_view(job, planes),
             .rows_per_block = rows_per_block(job)};
    const size_t n_blocks = (size_t)((job->rows - 1) / r.rows_per_block + 1);
    SWG_TRY(SWG_NEW(r.stats, n_blocks));
    const swg_status status = swg_pool_for(job->pool, n_blocks, quantize_block, &r);
    if (status == SWG_OK)
        for (size_t i = 0; i < n_blocks; i++)
            swg_quant_stats_add(stats, &r.stats[i]);
    swg_free(r.stats);
    return status;
}
