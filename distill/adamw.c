/* AdamW. See adamw.h. */
#include "distill/adamw.h"

#include <math.h>

#include "runtime/base/mem.h"

/* Elements of a work item. */
enum { ITEM_ELEMS = 1 << 16 };

typedef struct step {
    const swg_adamw *adamw;
    const swg_adamw_numbers *numbers;
    double rate, decay, scale, correction1, correction2;
} step;

static swg_status step_elems(void *context, size_t index)
{
    const step *s = context;
    const swg_adamw_numbers *x = s->numbers;
    const size_t begin = index * ITEM_ELEMS;
    const size_t end = begin + ITEM_ELEMS < x->n ? begin + ITEM_ELEMS : x->n;
    const float beta1 = (float)s->adamw->beta1, beta2 = (float)s->adamw->beta2;
    const float decay = (float)(s->rate * s->decay);
    for (size_t i = begin; i < end; i++) {
        const float g = x->gradient[i] * (float)s->scale;
        x->gradient[i] = 0;
        if (x->is_fixed && x->is_fixed[i])
            continue;
        x->moment1[i] = beta1 * x->moment1[i] + (1 - beta1) * g;
        x->moment2[i] = beta2 * x->moment2[i] + (1 - beta2) * g * g;
        const double size = sqrt((double)x->moment2[i] / s->correction2) + s->adamw->epsilon;
        const double move = s->rate * ((double)x->moment1[i] / s->correction1) / size;
        x->value[i] = x->value[i] * (1 - decay) - (float)move;
    }
    return SWG_OK;
}

swg_status swg_adamw_step(const swg_adamw *adamw, const swg_adamw_numbers *numbers,
                          uint64_t n_steps, double rate, double decay, double scale, swg_pool *pool)
{
    step s = {.adamw = adamw,
              .numbers = numbers,
              .rate = rate,
              .decay = decay,
              .scale = scale,
              .correction1 = 1 - pow(adamw->beta1, (double)n_steps),
              .correction2 = 1 - pow(adamw->beta2, (double)n_steps)};
    return swg_pool_for(pool, swg_ceil_div(numbers->n, ITEM_ELEMS), step_elems, &s);
}
