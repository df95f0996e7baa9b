/* An axis of a figure: from values to pixels, and the ticks between. */
#ifndef SWG_EVAL_REPORT_AXIS_H
#define SWG_EVAL_REPORT_AXIS_H

#include <stdbool.h>
#include <stddef.h>

enum { SWG_AXIS_MAX_TICKS = 16 };

typedef struct swg_axis {
    double least, most; /* values at `from` and `to` */
    double from, to;    /* pixels; `to` may be the smaller one */
    double zero;        /* pixel of values that a logarithmic axis cannot hold, if has_zero */
    bool is_log;
    bool has_zero;
} swg_axis;

/* An axis over the finite ones of `values` [n], from pixel `from` to `to`: logarithmic where the
 * positive values span more than a factor of 3, with a place of its own for zeros (and below);
 * linear otherwise. */
swg_axis swg_axis_fit(const double *values, size_t n, double from, double to);

/* The pixel of a value, at most at the ends of the axis. */
double swg_axis_at(const swg_axis *axis, double value);

/* Round values, ascending, at most `most` (>= 2, <= SWG_AXIS_MAX_TICKS) of them, to `ticks`; their
 * number. */
size_t swg_axis_ticks(const swg_axis *axis, size_t most, double *ticks);

#endif
