/* Random numbers. */
#ifndef SWG_RUNTIME_BASE_RNG_H
#define SWG_RUNTIME_BASE_RNG_H

#include <stdint.h>

/* A small fast generator (xoshiro256++, Blackman and Vigna 2019) seeded through splitmix64: the
 * same seed gives the same numbers on every machine. */
typedef struct swg_rng {
    uint64_t state[4];
} swg_rng;

swg_rng swg_rng_seeded(uint64_t seed);
uint64_t swg_rng_next(swg_rng *rng);
double swg_rng_uniform(swg_rng *rng); /* [0, 1), 53 bits */
float swg_rng_normal(swg_rng *rng);   /* mean 0, standard deviation 1 (Box-Muller) */

#endif
