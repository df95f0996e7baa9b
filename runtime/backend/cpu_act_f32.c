/* Products with exact inputs: rows of the weight are converted to float, tile by tile, and
 * multiplied by BLAS (cpu_split.c: faster, where the processor can), or for a few inputs by the
 * kernel of plain weights. Plain weights are always computed with exact inputs, and for a few of
 * them as they are stored, which reads memory once.
 * The bytes are then those of the same weights in any format. */
#include "kernels/linalg.h"
#include "runtime/backend/cpu_act.h"

/* A line of outputs: threads that compute neighbouring units do not write to the same one. */
enum { PLAIN_ROWS = 16 };

void swg_cpu_compute_tiles(const swg_cpu_product *product, size_t which, size_t begin, size_t end)
{
    if (swg_cpu_is_split(product)) {
        swg_cpu_compute_split(product, which, begin, end);
        return;
    }
    const swg_weight *weight = product->weights[which];
    const swg_value x = product->x, y = product->y[which];
    const swg_cpu *cpu = swg_cpu_of(product->exec);
    const swg_cpu_thread *thread = &cpu->threads[swg_pool_thread_index()];
    for (size_t tile = begin; tile < end; tile++) {
        const size_t row = tile * SWG_TILE_ROWS, left = weight->n - row;
        const size_t n_rows = left < SWG_TILE_ROWS ? left : SWG_TILE_ROWS;
        const float *rows = swg_cpu_rows_f32(weight, row, n_rows, thread->panels, thread->tile);
        float *out = swg_cpu_row(y, 0) + row;
        if (x.rows <= SWG_PLAIN_TOKENS)
            cpu->kernels->matvec_f32(rows, n_rows, weight->k, x.data, x.rows, x.columns, out,
                                     y.columns);
        else
            swg_sgemm_nt(x.rows, n_rows, weight->k, x.data, x.columns, rows, weight->k, out,
                         y.columns);
    }
}

static void compute_plain(const swg_cpu_product *product, size_t which, size_t begin, size_t end)
{
    const swg_weight *weight = product->weights[which];
    const swg_value x = product->x, y = product->y[which];
    const size_t row = begin * PLAIN_ROWS, row_end = end * PLAIN_ROWS;
    swg_cpu_matvec(weight, row, (row_end < weight->n ? row_end : weight->n) - row, x.data, x.rows,
                   swg_cpu_row(y, 0) + row, y.columns);
}

const swg_cpu_act swg_cpu_act_plain = {
    .unit_rows = PLAIN_ROWS,
    .unit_step = 1,
    .compute = compute_plain,
};

const swg_cpu_act swg_cpu_act_f32 = {
    .prepare = swg_cpu_split_input,
    .unit_rows = SWG_TILE_ROWS,
    .unit_step = 1,
    .compute = swg_cpu_compute_tiles,
};
