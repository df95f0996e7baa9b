/* Products with inputs rounded to IEEE half, exact otherwise: what GPU kernels that widen quantized
 * weights to half (W4A16) compute. Inputs beyond 65,504 become infinite, as they do there. */
#include "runtime/backend/cpu_act.h"
#include "runtime/base/numeric.h"

static void round_halves(const float *x, size_t n, float *rounded)
{
    for (size_t i = 0; i < n; i++)
        rounded[i] = swg_f16_to_f32(swg_f32_to_f16(x[i]));
}

static void prepare(swg_cpu_product *product)
{
    swg_cpu_round_input(product, round_halves);
}

const swg_cpu_act swg_cpu_act_f16 = {
    .init = swg_cpu_rounded_init,
    .prepare = prepare,
    .unit_rows = SWG_TILE_ROWS,
    .unit_step = 1,
    .compute = swg_cpu_compute_tiles,
};
