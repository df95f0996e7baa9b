/* The scalar set: the definition of every operation. Its peak loops do one multiply-add at a time.
 */
#include "kernels/isa_table.h"
#include "kernels/limits/peak_loop.h"
#include "kernels/variants.h"

#ifdef __x86_64__
#define FLOAT_REGISTER "x"
#else
#define FLOAT_REGISTER "w"
#endif
#define STEP(sum, factor, start) (sum) * (factor) + (start)
#define LOW(sum)                 (int32_t)(sum)
SWG_PEAK_LOOP(int8_peak, , uint32_t, (uint32_t)seed, 3, STEP, LOW, "r")
SWG_PEAK_LOOP(f32_peak, , float, (float)seed, 0.5f, STEP, LOW, FLOAT_REGISTER)

static bool is_available(void)
{
    return true;
}

const swg_isa_table swg_table__scalar = {
    .is_available = is_available,
    .kernels =
        {
#define SWG_OP(name, result, arguments) .name = swg_##name##__scalar,
#include "kernels/ops.def"
#undef SWG_OP
        },
    .peaks[SWG_PEAK_INT8] = {int8_peak, SWG_PEAK_SUMS * 2},
    .peaks[SWG_PEAK_F32] = {f32_peak, SWG_PEAK_SUMS * 2},
};
