/* Round to nearest: every group on its own, on a grid found for it. Blocks of rows are the items of
 * the thread pool; their size depends on the shape alone, and their statistics are added in order,
 * so that results do not depend on the number of threads. */
#include "quantize/rtn.h"

#include <string.h>

#include "quantize/methods.h"
#include "runtime/base/mem.h"

/* Weights per block: large enough to amortise a read, small enough to stay in cache (256 KiB). */
static const uint64_t block_elems = 64 * 1024;

typedef struct rtn {
    const swg_quantize_job *job;
    swg_find_grid *find_grid;
    swg_quant_planes planes;
    uint64_t rows_per_block;
    float *importance;      /* [cols]; NULL = all columns count the same */
    swg_quant_stats *stats; /* one per block */
} rtn;

/* Scratch of a block. */
typedef struct block {
    float *x;       /* [rows][cols] as read */
    float *target;  /* [cols] a row as it should be: as read, with zeros where the mask says so */
    uint8_t *codes; /* [cols] */
} block;

static swg_status quantize_row(const rtn *r, uint64_t row, const float *x, const block *b,
                               swg_quant_stats *stats)
{
    const swg_quantize_job *job = r->job;
    swg_grid_space space;
    memcpy(b->target, x, r->planes.cols * sizeof *x);
    swg_quantize_job_mask_row(job, row, b->target);
    swg_status status = swg_quantize_job_space(job, b->target, r->importance, &space);
    if (status != SWG_OK)
        return swg_error_context(status, "tensor %s, row %llu", job->name, (unsigned long long)row);
    for (size_t g = 0; g < r->planes.n_groups; g++) {
        const size_t begin = g * r->planes.group;
        const size_t left = r->planes.cols - begin;
        const size_t n = left < r->planes.group ? left : r->planes.group;
        swg_grid grid;
        status = r->find_grid(job, &space, b->target + begin,
                              r->importance ? r->importance + begin : NULL, n, &grid);
        if (status != SWG_OK)
            return swg_error_context(status, "tensor %s, row %llu, columns %zu to %zu", job->name,
                                     (unsigned long long)row, begin, begin + n - 1);
        swg_grid_encode(grid, b->target + begin, n, b->codes + begin);
        swg_quant_stats_measure(stats, grid, x + begin, b->codes + begin, n);
        swg_quant_planes_store_grid(&r->planes, row, g, grid);
        swg_quant_planes_update(&r->planes, job, row, g, grid, b->codes + begin);
    }
    swg_quant_planes_store_codes(&r->planes, row, b->codes);
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
    block b = {0};
    if (swg_is_interrupted())
        return swg_error(SWG_INTERRUPTED, "interrupted while quantizing tensor %s", r->job->name);
    SWG_GO(SWG_NEW_UNINIT(b.x, n_rows * cols)); /* no overflow: the matrix has been checked */
    SWG_GO(SWG_NEW_UNINIT(b.target, cols));
    SWG_GO(SWG_NEW_UNINIT(b.codes, cols));
    SWG_GO(r->job->read_rows(r->job->context, begin, n_rows, b.x));
    for (size_t i = 0; i < n_rows; i++)
        SWG_GO(quantize_row(r, begin + i, b.x + i * cols, &b, &r->stats[index]));
done:
    swg_free(b.codes);
    swg_free(b.target);
    swg_free(b.x);
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

swg_status swg_rtn_run(const swg_quantize_job *job, swg_find_grid *find_grid,
                       void *const planes[SWG_PLANE_KINDS], swg_quant_stats *stats)
{
    swg_status status = SWG_OK;
    rtn r = {.job = job,
             .find_grid = find_grid,
             .planes = swg_quant_planes_view(job, planes),
             .rows_per_block = rows_per_block(job)};
    const size_t n_blocks = (size_t)((job->rows - 1) / r.rows_per_block + 1);
    SWG_GO(swg_quantize_job_importance(job, &r.importance));
    SWG_GO(SWG_NEW(r.stats, n_blocks));
    SWG_GO(swg_pool_for(job->pool, n_blocks, quantize_block, &r));
    for (size_t i = 0; i < n_blocks; i++)
        swg_quant_stats_add(stats, &r.stats[i]);
done:
    swg_free(r.importance);
    swg_free(r.stats);
    return status;
}

static swg_status least_error(const swg_quantize_job *job, const swg_grid_space *space,
                              const float *x, const float *importance, size_t n, swg_grid *out)
{
    (void)job;
    return swg_grid_search(space, x, importance, n, out);
}

swg_status swg_quantize__rtn(const swg_quantize_job *job, void *const planes[SWG_PLANE_KINDS],
                             swg_quant_stats *stats)
{
    return swg_rtn_run(job, least_error, planes, stats);
}
