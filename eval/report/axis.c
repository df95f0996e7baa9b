/* An axis of a figure: see axis.h. */
#include "eval/report/axis.h"

#include <math.h>

swg_axis swg_axis_fit(const double *values, size_t n, double from, double to)
{
    const double log_ratio = 3, margin = 0.06, largest = 1e30;
    double least = INFINITY, most = -INFINITY, positive = INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i]))
            continue;
        least = fmin(least, fmax(values[i], -largest));
        most = fmax(most, fmin(values[i], largest));
        if (values[i] > 0)
            positive = fmin(positive, fmax(values[i], 1 / largest));
    }
    swg_axis axis = {.from = from, .to = to, .least = 0, .most = 1};
    if (least > most)
        return axis;
    axis.is_log = most > log_ratio * positive;
    if (axis.is_log) {
        const double pad = pow(most / positive, margin);
        axis.has_zero = least <= 0;
        axis.least = positive / pad;
        axis.most = most * pad;
        if (axis.has_zero) { /* the first part of the length */
            axis.zero = from;
            axis.from = from + (to - from) / 14;
        }
        return axis;
    }
    double pad = (most - least) * margin;
    if (pad == 0)
        pad = most != 0 ? fabs(most) * margin : 1;
    axis.least = least >= 0 ? fmax(0, least - pad) : least - pad;
    axis.most = most + pad;
    return axis;
}

double swg_axis_at(const swg_axis *axis, double value)
{
    if (axis->is_log && value <= 0)
        return axis->has_zero ? axis->zero : axis->from;
    const double share = axis->is_log ? log(value / axis->least) / log(axis->most / axis->least)
                                      : (value - axis->least) / (axis->most - axis->least);
    return axis->from + fmin(fmax(share, 0), 1) * (axis->to - axis->from);
}

/* Multiples of a step of 1, 2 or 5 times a power of ten. */
static size_t linear_ticks(const swg_axis *axis, size_t most, double *ticks)
{
    const double rough = (axis->most - axis->least) / (double)most;
    double step = pow(10, floor(log10(rough)));
    step *= rough <= step ? 1 : rough <= 2 * step ? 2 : rough <= 5 * step ? 5 : 10;
    size_t n = 0;
    for (double k = ceil(axis->least / step - 1e-9); n < most && k * step <= axis->most; k++)
        ticks[n++] = k * step + 0.0; /* -0 becomes 0 */
    return n;
}

/* Powers of ten times the members of the largest set that gives at most `most`; every second, third
 * ... power where even these are too many. */
static size_t log_ticks(const swg_axis *axis, size_t most, double *ticks)
{
    static const double sets[][6] = {{1, 1.5, 2, 3, 5, 7}, {1, 2, 5}, {1, 3}, {1}};
    static const size_t sizes[] = {6, 3, 2, 1};
    const int first = (int)floor(log10(axis->least)), last = (int)ceil(log10(axis->most));
    for (size_t set = 0; set < sizeof sizes / sizeof *sizes; set++) {
        size_t n = 0;
        for (int power = first; power <= last && n <= most; power++)
            for (size_t i = 0; i < sizes[set]; i++) {
                const double value = sets[set][i] * pow(10, power);
                if (value < axis->least || value > axis->most)
                    continue;
                if (n < most)
                    ticks[n] = value;
                n++;
            }
        if (n >= 2 && n <= most)
            return n;
    }
    const int stride = (int)ceil((double)(last - first) / (double)most);
    size_t n = 0;
    for (int power = first; stride > 0 && power <= last && n < most; power += stride)
        if (pow(10, power) >= axis->least && pow(10, power) <= axis->most)
            ticks[n++] = pow(10, power);
    return n >= 2 ? n : linear_ticks(axis, most, ticks);
}

size_t swg_axis_ticks(const swg_axis *axis, size_t most, double *ticks)
{
    return axis->is_log ? log_ticks(axis, most, ticks) : linear_ticks(axis, most, ticks);
}
