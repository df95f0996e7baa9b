/* Quantized products: the definition.
 *
 *     y[t][r] = fold over groups g:  acc = fma(w_scale[r][g],
 *                   float(sum_c code[r][c] a[t][c] - zero[r][g] sum[t][g]) * x_scale[t][g], acc)
 *
 * Integer sums are exact: a group of 8-bit codes is no longer than its layout allows, so that
 * neither sum reaches 2^31. Exactness: same bytes. */
#include "kernels/variants.h"

#include <math.h>

#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"

void swg_quantize_act__scalar(const float *x, size_t k, size_t group, int8_t *codes, float *scales,
                              int32_t *sums)
{
    for (size_t begin = 0, g = 0; begin < k; begin += group, g++) {
        const size_t end = begin + group < k ? begin + group : k;
        float absmax = 0;
        for (size_t c = begin; c < end; c++)
            absmax = fabsf(x[c]) > absmax ? fabsf(x[c]) : absmax;
        const float inverse = absmax < SWG_ACT_MIN ? 0 : 127 / absmax;
        int32_t sum = 0;
        for (size_t c = begin; c < end; c++) {
            codes[c] = (int8_t)rintf(x[c] * inverse);
            sum += codes[c];
        }
        scales[g] = absmax < SWG_ACT_MIN ? 0 : absmax / 127;
        sums[g] = sum;
    }
    for (size_t c = k; c < swg_round_up(k, SWG_COLUMN_STEP); c++)
        codes[c] = 0;
}

/* sum_c code[r][c] a[c] over the columns [begin, end), multiples of 8: walks the lanes of row r. */
static int32_t dot_w4(const swg_packed *w, const uint8_t *panel, size_t r, const int8_t *a,
                      size_t begin, size_t end)
{
    (void)w;
    int32_t dot = 0;
    for (size_t c = begin; c < end; c += 8)
        for (size_t i = 0; i < 4; i++) {
            const uint8_t byte = panel[c * 8 + r * 4 + i];
            dot += (byte & 15) * a[c + i] + (byte >> 4) * a[c + 4 + i];
        }
    return dot;
}

static int32_t dot_w8(const swg_packed *w, const uint8_t *panel, size_t r, const int8_t *a,
                      size_t begin, size_t end)
{
    (void)w;
    int32_t dot = 0;
    for (size_t c = begin; c < end; c += 4)
        for (size_t i = 0; i < 4; i++)
            dot += panel[c * 16 + r * 4 + i] * a[c + i];
    return dot;
}

/* The same of the numbers that the codes mean. */
static int32_t dot_c4(const swg_packed *w, const uint8_t *panel, size_t r, const int8_t *a,
                      size_t begin, size_t end)
{
    int32_t dot = 0;
    for (size_t c = begin; c < end; c += 8)
        for (size_t i = 0; i < 4; i++) {
            const uint8_t byte = panel[c * 8 + r * 4 + i];
            dot += w->codebook[byte & 15] * a[c + i] + w->codebook[byte >> 4] * a[c + 4 + i];
        }
    return dot;
}

typedef int32_t dot_function(const swg_packed *w, const uint8_t *panel, size_t r, const int8_t *a,
                             size_t begin, size_t end);

/* One output: row r of a panel times token t. */
static float panel_row_dot(const swg_packed *w, dot_function *dot, const uint8_t *panel, size_t r,
                           const swg_act *x, size_t t)
{
    float acc = 0;
    for (size_t g = 0; g < w->n_groups; g++) {
        const size_t begin = g * w->group;
        const size_t end = begin + w->group < w->k_padded ? begin + w->group : w->k_padded;
        const size_t padded_end = swg_round_up(end, SWG_COLUMN_STEP);
        const int8_t *a = x->codes + t * x->stride;
        const int32_t sum = dot(w, panel + swg_packed_codes_at(w, g), r, a, begin, padded_end);
        const int32_t zero =
            w->scheme.asymmetric ? panel[swg_packed_zeros_at(w, g) + r] : w->symmetric_zero;
        const float scale = swg_scale_load(w->scheme, panel + swg_packed_scales_at(w, g), r,
                                           swg_packed_row_scale(w, panel, r));
        const size_t tg = t * w->n_groups + g;
        acc = fmaf(scale, (float)(sum - zero * x->sums[tg]) * x->scales[tg], acc);
    }
    return acc;
}

static void matmul(const swg_packed *w, dot_function *dot, size_t panel_begin, size_t panel_end,
                   const swg_act *x, float *y, size_t y_stride)
{
    for (size_t p = panel_begin; p < panel_end; p++)
        for (size_t r = 0; r < SWG_PANEL_ROWS && p * SWG_PANEL_ROWS + r < w->n; r++)
            for (size_t t = 0; t < x->m; t++)
                y[t * y_stride + p * SWG_PANEL_ROWS + r] =
                    panel_row_dot(w, dot, w->panels + p * w->panel_bytes, r, x, t);
}

void swg_matmul_w4__scalar(const swg_packed *w, size_t panel_begin, size_t panel_end,
                           const swg_act *x, float *y, size_t y_stride)
{
    matmul(w, dot_w4, panel_begin, panel_end, x, y, y_stride);
}

void swg_matmul_w8__scalar(const swg_packed *w, size_t panel_begin, size_t panel_end,
                           const swg_act *x, float *y, size_t y_stride)
{
    matmul(w, dot_w8, panel_begin, panel_end, x, y, y_stride);
}

void swg_matmul_c4__scalar(const swg_packed *w, size_t panel_begin, size_t panel_end,
                           const swg_act *x, float *y, size_t y_stride)
{
    matmul(w, dot_c4, panel_begin, panel_end, x, y, y_stride);
}
