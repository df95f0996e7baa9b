/* Products with inputs rounded to IEEE half, exact otherwise: what GPU kernels that widen quantized
 * weights to half (W4A16) compute. Inputs beyond 65,504 become infinite, as they do there. */
#include "runtime/backend/cpu_act.h"
#include "runtime/base/numeric.h"

static swg_status init(swg_exec *exec, size_t k)
{
    swg_cpu *cpu = swg_cpu_of(exec);
    cpu->act_state = swg_arena_calloc(&cpu->arena, exec->options.chunk * k, sizeof(float));
    return cpu->act_state ? SWG_OK : SWG_NO_MEMORY;
}

static void round_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const swg_cpu_product *product = context;
    const size_t columns = product->x.columns;
    const float *x = swg_cpu_row(product->x, 0);
    float *rounded = swg_cpu_of(exec)->act_state;
    for (size_t i = begin * columns; i < end * columns; i++)
        rounded[i] = swg_f16_to_f32(swg_f32_to_f16(x[i]));
}

static void prepare(swg_cpu_product *product)
{
    const size_t rows = product->x.rows;
    swg_cpu_over_rows(product->exec, rows, rows * product->x.columns, round_rows, product);
    product->x.data = swg_cpu_of(product->exec)->act_state;
}

const swg_cpu_act swg_cpu_act_f16 = {
    .init = init,
    .prepare = prepare,
    .unit_rows = SWG_TILE_ROWS,
    .unit_step = 1,
    .compute = swg_cpu_compute_tiles,
};
