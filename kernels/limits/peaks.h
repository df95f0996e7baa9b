/* The loops behind limits.h: arithmetic on registers only, one pair an instruction set. */
#ifndef SWG_KERNELS_LIMITS_PEAKS_H
#define SWG_KERNELS_LIMITS_PEAKS_H

#include <stdint.h>

#include "kernels/kernels.h"

/* Do `rounds` rounds; the result depends on all of them and on `seed`. */
typedef int32_t swg_peak_loop(int32_t rounds, int32_t seed);

typedef struct swg_peak {
    swg_peak_loop *int8_loop, *f32_loop;
    double int8_ops, f32_ops; /* of a round; a multiply-add = 2 */
} swg_peak;

extern const swg_peak swg_peaks[SWG_ISA_COUNT];

#endif
