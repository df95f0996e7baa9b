/* Order and rate. See schedule.h. */
#include "distill/schedule.h"

#include <math.h>

#include "runtime/base/rng.h"

void swg_schedule_shuffle(size_t *order, size_t n, uint64_t seed, uint64_t pass)
{
    swg_rng rng = swg_rng_seeded(seed * 0x9e3779b97f4a7c15u + pass);
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = n; i > 1; i--) {
        const size_t j = (size_t)(swg_rng_next(&rng) % i), last = order[i - 1];
        order[i - 1] = order[j];
        order[j] = last;
    }
}

double swg_schedule_rate(const swg_schedule *s, uint64_t step, double progress)
{
    const double cosine = (1 + cos(M_PI * progress)) / 2;
    const double rise = (double)(step + 1) < s->warm_up ? (double)(step + 1) / s->warm_up : 1;
    return s->rate * rise * (s->final_rate + (1 - s->final_rate) * cosine);
}
