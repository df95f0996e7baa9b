/* Products with inputs rounded to bfloat16, exact otherwise: what GPU kernels that widen quantized
 * weights to bfloat16 compute. */
#include "runtime/backend/cpu_act.h"
#include "runtime/base/numeric.h"

static void round_bfloats(const float *x, size_t n, float *rounded)
{
    for (size_t i = 0; i < n; i++)
        rounded[i] = swg_bf16_to_f32(swg_f32_to_bf16(x[i]));
}

static void prepare(swg_cpu_product *product)
{
    swg_cpu_round_input(product, round_bfloats);
}

const swg_cpu_act swg_cpu_act_bf16 = {
    .init = swg_cpu_rounded_init,
    .prepare = prepare,
    .unit_rows = SWG_TILE_ROWS,
    .unit_step = 1,
    .compute = swg_cpu_compute_tiles,
};
