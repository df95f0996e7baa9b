/* Random numbers: see rng.h. */
#include "runtime/base/rng.h"

#include <math.h>

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t rotate_left(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

swg_rng swg_rng_seeded(uint64_t seed)
{
    swg_rng rng;
    for (int i = 0; i < 4; i++)
        rng.state[i] = splitmix(&seed);
    return rng;
}

uint64_t swg_rng_next(swg_rng *rng)
{
    uint64_t *s = rng->state;
    const uint64_t result = rotate_left(s[0] + s[3], 23) + s[0];
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

double swg_rng_uniform(swg_rng *rng)
{
    return (double)(swg_rng_next(rng) >> 11) * 0x1p-53;
}

float swg_rng_normal(swg_rng *rng)
{
    const double u = 1.0 - swg_rng_uniform(rng); /* (0, 1]: the logarithm stays finite */
    const double v = swg_rng_uniform(rng);
    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}
