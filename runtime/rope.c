/* Rotary frequencies. See rope.h.
 *
 *     plain    theta^(-2 i / d), d rotated elements of a head             (Su et al. 2021)
 *     linear   plain / factor                                             (Chen et al. 2023)
 *     dynamic  plain with theta * (factor * L / P - (factor - 1))^(d / (d - 2)) once the text has L
 *              positions, more than the P of training ("NTK-aware" scaling)
 *     llama3   wavelengths above P / low_factor are divided by factor, those below P / high_factor
 *              are kept, between them the two are mixed linearly in 1 / wavelength */
#include "runtime/rope.h"

#include <math.h>

size_t swg_rope_tables(const swg_hparams *h)
{
    if (h->rope.theta == 0)
        return 0;
    return h->rope.local_theta > 0 ? 2 : 1;
}

size_t swg_rope_table_of(const swg_hparams *h, size_t layer)
{
    return h->rope.local_theta > 0 && swg_hparams_window(h, layer) > 0 ? 1 : 0;
}

static double llama3(const swg_hparams *h, double frequency)
{
    const double positions = (double)h->rope.original_positions;
    const double turns = positions * frequency / (2 * M_PI);
    if (turns < h->rope.low_factor)
        return frequency / h->rope.factor;
    if (turns > h->rope.high_factor)
        return frequency;
    const double kept = (turns - h->rope.low_factor) / (h->rope.high_factor - h->rope.low_factor);
    return (1 - kept) * frequency / h->rope.factor + kept * frequency;
}

double swg_rope_frequency(const swg_hparams *h, size_t table, size_t pair, size_t length)
{
    const double dim = (double)h->rope.dim;
    double theta = h->rope.theta;
    if (table == 1)
        return pow(h->rope.local_theta, -2.0 * (double)pair / dim);
    if (h->rope.scaling == SWG_ROPE_DYNAMIC && length > (size_t)h->max_positions) {
        const double stretch = (double)length / (double)h->max_positions;
        theta *= pow(h->rope.factor * stretch - (h->rope.factor - 1), dim / (dim - 2));
    }
    const double frequency = pow(theta, -2.0 * (double)pair / dim);
    if (h->rope.scaling == SWG_ROPE_LINEAR)
        return frequency / h->rope.factor;
    return h->rope.scaling == SWG_ROPE_LLAMA3 ? llama3(h, frequency) : frequency;
}
