/* Products of plain weights and a few tokens: the definition.
 *
 *     y[t][r] = sum over c of w[r][c] x[t][c],   64 lanes, folded in halves
 *
 * Exactness: same bytes. */
#include "kernels/variants.h"

#include "kernels/scalar/lanes.h"
#include "runtime/base/numeric.h"

static float dot(swg_dtype dtype, const void *w, size_t first, size_t k, const float *x)
{
    float lanes[SWG_WIDE_LANES] = {0};
    for (size_t c = 0; c < k; c++) {
        float *lane = &lanes[c % SWG_WIDE_LANES];
        *lane = fmaf(x[c], swg_float_load(dtype, w, first + c), *lane);
    }
    return swg_fold_n_lanes(lanes, SWG_WIDE_LANES);
}

#define MATVEC(name, dtype)                                                                        \
    void swg_matvec_##name##__scalar(const void *w, size_t n, size_t k, const float *x, size_t m,  \
                                     size_t x_stride, float *y, size_t y_stride)                   \
    {                                                                                              \
        for (size_t t = 0; t < m; t++)                                                             \
            for (size_t r = 0; r < n; r++)                                                         \
                y[t * y_stride + r] = dot(dtype, w, r * k, k, x + t * x_stride);                   \
    }
MATVEC(f32, SWG_F32)
MATVEC(f16, SWG_F16)
MATVEC(bf16, SWG_BF16)
