/* Rotary position embedding: the definition. A pair (a, b) is rotated by an angle:
 *     a' = fma(a, cos, -(b * sin)),  b' = fma(a, sin, b * cos)
 * Exactness: same bytes. */
#include "kernels/variants.h"

#include <math.h>

static void rotate(float *a, float *b, float cosine, float sine)
{
    const float a0 = *a, b0 = *b;
    *a = fmaf(a0, cosine, -(b0 * sine));
    *b = fmaf(a0, sine, b0 * cosine);
}

void swg_rope_half__scalar(float *x, const float *cosine, const float *sine, size_t n_pairs)
{
    for (size_t i = 0; i < n_pairs; i++)
        rotate(&x[i], &x[i + n_pairs], cosine[i], sine[i]);
}

void swg_rope_interleaved__scalar(float *x, const float *cosine, const float *sine, size_t n_pairs)
{
    for (size_t i = 0; i < n_pairs; i++)
        rotate(&x[2 * i], &x[2 * i + 1], cosine[i], sine[i]);
}
