/* AdamW. See adamw.h. */
#include "distill/adamw.h"

#include <math.h>

#include "runtime/base/mem.h"

/* Elements of a work item. */
enum { ITEM_ELEMS = 1 << 16 };

typedef struct step {
    const swg_adamw_numbers *numbers;
    float beta1, beta2, epsilon;
    float rate, size; /* of a move: rate m / (root of v times size + epsilon) */
    float keep;       /* what decay leaves of a value */
    float scale;      /* of the gradient */
} step;

/* Without branches, so that the compiler can take several elements at a time. */
static swg_status step_elems(void *context, size_t index)
{
    const step s = *(const step *)context;
    const swg_adamw_numbers *x = s.numbers;
    const size_t begin = index * ITEM_ELEMS, left = x->n - begin;
    const size_t n = left < ITEM_ELEMS ? left : ITEM_ELEMS;
    float *restrict value = x->value + begin, *restrict gradient = x->gradient + begin;
    float *restrict moment1 = x->moment1 + begin, *restrict moment2 = x->moment2 + begin;
    for (size_t i = 0; i < n; i++) {
        const float g = gradient[i] * s.scale;
        const float m = s.beta1 * moment1[i] + (1 - s.beta1) * g;
        const float v = s.beta2 * moment2[i] + (1 - s.beta2) * g * g;
        gradient[i] = 0;
        moment1[i] = m;
        moment2[i] = v;
        value[i] = value[i] * s.keep - s.rate * m / (sqrtf(v) * s.size + s.epsilon);
    }
    return SWG_OK;
}

swg_status swg_adamw_step(const swg_adamw *adamw, const swg_adamw_numbers *numbers,
                          uint64_t n_steps, double rate, double decay, double scale, swg_pool *pool)
{
    const double correction1 = 1 - pow(adamw->beta1, (double)n_steps);
    const double correction2 = 1 - pow(adamw->beta2, (double)n_steps);
    step s = {.numbers = numbers,
              .beta1 = (float)adamw->beta1,
              .beta2 = (float)adamw->beta2,
              .epsilon = (float)adamw->epsilon,
              .rate = (float)(rate / correction1),
              .size = (float)(1 / sqrt(correction2)),
              .keep = (float)(1 - rate * decay),
              .scale = (float)scale};
    return swg_pool_for(pool, swg_ceil_div(numbers->n, ITEM_ELEMS), step_elems, &s);
}
