/* The norm of gradients. See gradient_norm.h. */
#include "distill/gradient_norm.h"

#include "runtime/base/mem.h"

/* Elements of a gradient whose squares are one sum. */
enum { SUMMED_ELEMS = 1 << 16 };

typedef struct squares {
    const swg_adamw_numbers *numbers;
    const uint8_t *is_zero;
    double *sums; /* of SUMMED_ELEMS each */
} squares;

void swg_gradient_clear_zeros(const uint8_t *is_zero, float *gradient, size_t n)
{
    for (size_t i = 0; i < n; i++)
        gradient[i] = is_zero[i] ? 0 : gradient[i];
}

static swg_status sum_squares(void *context, size_t index)
{
    enum { LANES = 8 };
    const squares *s = context;
    const size_t begin = index * SUMMED_ELEMS, left = s->numbers->n - begin;
    const size_t n = left < SUMMED_ELEMS ? left : SUMMED_ELEMS;
    float *gradient = s->numbers->gradient + begin;
    double lanes[LANES] = {0};
    size_t i = 0;
    if (s->is_zero)
        swg_gradient_clear_zeros(s->is_zero + begin, gradient, n);
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lanes[l] += (double)gradient[i + l] * (double)gradient[i + l];
    for (; i < n; i++)
        lanes[0] += (double)gradient[i] * (double)gradient[i];
    for (size_t l = 1; l < LANES; l++)
        lanes[0] += lanes[l];
    s->sums[index] = lanes[0];
    return SWG_OK;
}

swg_status swg_gradient_add_square(const swg_adamw_numbers *numbers, const uint8_t *is_zero,
                                   swg_pool *pool, double *square)
{
    const size_t n = swg_ceil_div(numbers->n, SUMMED_ELEMS);
    squares s = {.numbers = numbers, .is_zero = is_zero};
    SWG_TRY(SWG_NEW(s.sums, n));
    const swg_status status = swg_pool_for(pool, n, sum_squares, &s);
    for (size_t i = 0; i < n; i++)
        *square += s.sums[i];
    swg_free(s.sums);
    return status;
}
