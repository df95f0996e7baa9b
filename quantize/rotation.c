/* See rotation.h. The factors of Q are symmetric and act on one digit each of a channel's number,
 * written in the prime factors of n. */
#include "quantize/rotation.h"

#include <math.h>

swg_status swg_rotation_make(size_t n, swg_rng *rng, swg_arena *arena, swg_rotation *out)
{
    float *signs = swg_arena_calloc(arena, n, sizeof *signs);
    if (!signs)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        signs[i] = swg_rng_next(rng) & 1 ? -1 : 1;
    *out = (swg_rotation){.n = n, .signs = signs};
    return SWG_OK;
}

/* Element [i, j] of an orthogonal matrix of p rows without zeros, p 2 or odd: 2 rows of Hadamard's,
 * or I - (2/p) 1 1^T. */
static double factor_element(size_t p, size_t i, size_t j)
{
    if (p == 2)
        return i == 1 && j == 1 ? -sqrt(0.5) : sqrt(0.5);
    return (i == j) - 2.0 / (double)p;
}

double swg_rotation_element(const swg_rotation *q, size_t i, size_t j)
{
    double element = (double)q->signs[j];
    size_t left = q->n;
    for (size_t p = 2; left > 1; p++)
        for (; left % p == 0; left /= p, i /= p, j /= p)
            element *= factor_element(p, i % p, j % p);
    return element;
}

/* The factor of p on rows begin, begin + stride ... of x [][columns]. */
static void apply_factor(size_t p, size_t stride, size_t columns, double *x)
{
    const double half = sqrt(0.5);
    for (size_t c = 0; c < columns && p == 2; c++) {
        const double a = x[c], b = x[stride * columns + c];
        x[c] = (a + b) * half;
        x[stride * columns + c] = (a - b) * half;
    }
    for (size_t c = 0; c < columns && p > 2; c++) {
        double sum = 0;
        for (size_t i = 0; i < p; i++)
            sum += x[i * stride * columns + c];
        for (size_t i = 0; i < p; i++)
            x[i * stride * columns + c] -= 2 * sum / (double)p;
    }
}

void swg_rotation_apply(const swg_rotation *q, size_t columns, double *x)
{
    size_t left = q->n, stride = 1;
    for (size_t i = 0; i < q->n; i++)
        for (size_t c = 0; c < columns; c++)
            x[i * columns + c] *= (double)q->signs[i];
    for (size_t p = 2; left > 1; p++)
        for (; left % p == 0; left /= p, stride *= p)
            for (size_t begin = 0; begin < q->n; begin += stride * p)
                for (size_t i = 0; i < stride; i++)
                    apply_factor(p, stride, columns, x + (begin + i) * columns);
}
