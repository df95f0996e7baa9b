/* Search for the scale and zero point of one group. See group_grid.h.
 *
 * Work happens in units of the scale: t = x / s, c = the nearest code inside a window [low, low +
 * max_code] that contains 0, r = t - c. One pass gives rr = sum(w r^2), rc = sum(w r c) and cc =
 * sum(w c^2), hence both the error at s, s^2 rr, and the least-squares scale for these codes,
 * s (1 + rc / cc), with its error s^2 (rr - rc^2 / cc). So a coarse grid of scales is enough: each
 * point represents the local minimum near it. The best few are refined with the scale rounded to
 * its stored type before codes are chosen.
 * A symmetric scheme has two windows: [-2^(b-1), 2^(b-1) - 1], and its mirror image, stored as a
 * negative scale. An asymmetric one has a window for every zero point. Levels of a codebook are
 * used as they are or mirrored, with c the nearest level. */
#include "quantize/group_grid.h"

#include <stdbool.h>
#include <string.h>

#include "runtime/base/numeric.h"

enum {
    LANES = 8,        /* partial sums; they make the order of summation fixed and vectorisable */
    GRID_POINTS = 32, /* scales tried */
    BEST = 4,         /* how many of these are refined */
    REFITS = 6,       /* most alternations of least-squares scale and new codes */
    MAX_WINDOWS = 6   /* zero points tried for one scale */
};

/* The grid starts at this multiple of the absmax scale: a wider one can happen to fit better. */
static const double widest = 1.1;
/* Clipping to less than this fraction of the range is not searched. */
static const double narrowest = 0.1;

/* --- One pass ------------------------------------------------------------------------------- */

typedef struct sums {
    double rr, rc, cc;
} sums;

/* Adding and subtracting 1.5 * 2^23 rounds |t| < 2^22 to the nearest integer, ties to even: what
 * rintf does, in instructions that every x86-64 can do four at a time. */
static const float rounder = 0x1.8p23f;

static inline __attribute__((always_inline)) void add_one(float x, float weight, bool is_weighted,
                                                          float scale, float low, float high,
                                                          float *rr, float *rc, float *cc)
{
    const float t = x / scale;
    float c = (t + rounder) - rounder;
    c = c > low ? c : low;
    c = c < high ? c : high;
    const float r = t - c;
    const float wr = is_weighted ? weight * r : r;
    const float wc = is_weighted ? weight * c : c;
    *rr += wr * r;
    *rc += wr * c;
    *cc += wc * c;
}

static inline __attribute__((always_inline)) sums pass(const float *restrict x,
                                                       const float *restrict w, bool is_weighted,
                                                       size_t n, float scale, float low, float high)
{
    float rr[LANES] = {0}, rc[LANES] = {0}, cc[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        /* Left alone at -O3, compilers unroll this loop before they see that it is a vector: half
         * the speed. */
#pragma GCC unroll 1
        for (size_t l = 0; l < LANES; l++)
            add_one(x[i + l], is_weighted ? w[i + l] : 1, is_weighted, scale, low, high, &rr[l],
                    &rc[l], &cc[l]);
    }
    for (size_t l = 0; i + l < n; l++)
        add_one(x[i + l], is_weighted ? w[i + l] : 1, is_weighted, scale, low, high, &rr[l], &rc[l],
                &cc[l]);
    sums out = {0};
    for (size_t l = 0; l < LANES; l++) {
        out.rr += (double)rr[l];
        out.rc += (double)rc[l];
        out.cc += (double)cc[l];
    }
    return out;
}

/* The same with c the nearest level of a codebook. */
static sums pass_levels(const float *restrict x, const float *restrict w, size_t n, float scale,
                        const swg_levels *levels)
{
    float rr[LANES] = {0}, rc[LANES] = {0}, cc[LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        const float t = x[i] / scale, c = levels->value[swg_level_of(levels, t)], r = t - c;
        const float weight = w ? w[i] : 1;
        rr[i % LANES] += weight * r * r;
        rc[i % LANES] += weight * r * c;
        cc[i % LANES] += weight * c * c;
    }
    sums out = {0};
    for (size_t l = 0; l < LANES; l++) {
        out.rr += (double)rr[l];
        out.rc += (double)rc[l];
        out.cc += (double)cc[l];
    }
    return out;
}

/* --- The group ------------------------------------------------------------------------------ */

typedef struct group {
    const float *x, *importance; /* importance NULL = all 1 */
    size_t n;
    swg_scheme scheme;
    const swg_levels *levels; /* NULL = integers */
    float row_scale;
    float max_code;         /* 2^bits - 1 */
    float low, high;        /* least and largest weight, widened to contain 0 */
    size_t low_at, high_at; /* where they are */
    float extent;           /* symmetric: absmax; asymmetric: high - low */
    float steps;            /* units of the scale that span the extent without clipping */
    float reach;            /* no window reaches further from 0 (asymmetric: is wider) */
} group;

/* A scale with the low end of its window (of levels: 1, or -1 where they are mirrored), and what
 * they lose. */
typedef struct candidate {
    double error;
    float scale, low;
    sums s;
} candidate;

static candidate measure(const group *g, float scale, float low)
{
    const float high = low + g->max_code;
    candidate c = {.scale = scale, .low = low};
    if (g->levels)
        c.s = pass_levels(g->x, g->importance, g->n, scale * low, g->levels);
    else
        c.s = g->importance ? pass(g->x, g->importance, true, g->n, scale, low, high)
                            : pass(g->x, NULL, false, g->n, scale, low, high);
    c.error = c.s.rr * (double)scale * (double)scale;
    return c;
}

float swg_grid_stored_scale(swg_dtype type, float row_scale, float scale)
{
    switch (type) {
    case SWG_I8:
        if (row_scale == 0)
            return scale > 0 ? scale : 0x1p-149f;
        return fminf(fmaxf(rintf(scale / row_scale), 1), 127) * row_scale;
    case SWG_F16: {
        const float rounded = swg_f16_to_f32(swg_f32_to_f16(scale));
        return rounded > 65504.0f ? 0 : rounded < 0x1p-24f ? 0x1p-24f : rounded;
    }
    case SWG_BF16: {
        const float rounded = swg_bf16_to_f32(swg_f32_to_bf16(scale));
        return rounded < 0x1p-133f ? 0x1p-133f : rounded;
    }
    default:
        return scale > 0 ? scale : 0x1p-149f;
    }
}

/* Least and largest weight; refuses what cannot be quantized. */
static swg_status look(group *g)
{
    for (size_t i = 0; i < g->n; i++) {
        const float x = g->x[i];
        if (!(fabsf(x) <= SWG_GRID_MAX_WEIGHT)) {
            if (isfinite(x))
                return swg_error(SWG_UNSUPPORTED, "weight %zu of the group is %g, beyond +-%g", i,
                                 (double)x, (double)SWG_GRID_MAX_WEIGHT);
            return swg_error(SWG_CORRUPT, "weight %zu of the group is %s", i,
                             isnan(x) ? "not a number" : "infinite");
        }
        if (x < g->low) {
            g->low = x;
            g->low_at = i;
        }
        if (x > g->high) {
            g->high = x;
            g->high_at = i;
        }
    }
    const float half = (g->max_code + 1) / 2;
    g->extent = g->scheme.asymmetric ? g->high - g->low : fmaxf(-g->low, g->high);
    g->steps = g->scheme.asymmetric ? g->max_code : half - 1;
    g->reach = g->scheme.asymmetric ? g->max_code : half;
    if (g->levels) {
        const float below = -(float)g->levels->value[0];
        const float above = (float)g->levels->value[SWG_LEVELS - 1];
        g->steps = fmaxf(fminf(below, above), 1);
        g->reach = fmaxf(below, above);
    }
    return SWG_OK;
}

/* Windows worth trying at a scale: their low ends. Returns how many. */
static size_t windows(const group *g, float scale, float out[MAX_WINDOWS])
{
    if (g->levels) {
        out[0] = 1;
        out[1] = -1;
        return 2;
    }
    if (!g->scheme.asymmetric) {
        const float half = (g->max_code + 1) / 2;
        out[0] = -half;
        out[1] = 1 - half;
        /* No weight reaches the code that only one of them has: their losses are equal. */
        return g->extent / scale < half - 0.5f ? 1 : 2;
    }
    /* The window either starts at the least weight or ends at the largest, or lies between. */
    const float starts = rintf(-g->low / scale), ends = g->max_code - rintf(g->high / scale);
    const float first = fmaxf(fminf(starts, ends), 0);
    const float last = fminf(fmaxf(starts, ends), g->max_code);
    const float count = fminf(last - first + 1, MAX_WINDOWS);
    for (int i = 0; i < (int)count; i++)
        out[i] = -rintf(count > 1 ? first + (last - first) * (float)i / (count - 1) : first);
    return (size_t)count;
}

/* The window of the unsearched grid. */
static float plain_low(const group *g, float scale)
{
    if (g->levels)
        return 1;
    if (!g->scheme.asymmetric)
        return -(g->max_code + 1) / 2;
    return -fminf(rintf(-g->low / scale), g->max_code);
}

/* No scale below this can lose less than `error`: clipping the extreme weights alone costs more.
 * With the extent clipped by d in all, that is at least w d^2, where one weight is clipped, and
 * d^2 / (1/w_low + 1/w_high) where the loss can be shared between both ends. */
static double least_scale(const group *g, double error)
{
    const double w_low = g->importance ? (double)g->importance[g->low_at] : 1;
    const double w_high = g->importance ? (double)g->importance[g->high_at] : 1;
    double resistance; /* 1 / w */
    if (g->scheme.asymmetric)
        resistance = (g->low < 0 ? 1 / w_low : 0) + (g->high > 0 ? 1 / w_high : 0);
    else
        resistance = 1 / (-g->low > g->high ? w_low : w_high);
    const double clipped = sqrt(error * resistance); /* infinite when w is 0 */
    const double floor = (double)g->extent * narrowest / (double)g->steps;
    return fmax(((double)g->extent - clipped) / (double)g->reach, floor);
}

/* Keep the BEST candidates by the error after refitting, best first. */
static void keep(candidate best[BEST], size_t *count, candidate c)
{
    size_t at = *count;
    while (at > 0 && c.error < best[at - 1].error)
        at--;
    if (at == BEST)
        return;
    if (*count < BEST)
        ++*count;
    memmove(best + at + 1, best + at, (*count - 1 - at) * sizeof *best);
    best[at] = c;
}

/* The least-squares scale of a candidate's codes, with its error. */
static candidate refitted(candidate c)
{
    if (c.s.cc > 0) {
        c.error = (c.s.rr - c.s.rc * c.s.rc / c.s.cc) * (double)c.scale * (double)c.scale;
        c.scale = (float)((double)c.scale * (1 + c.s.rc / c.s.cc));
    }
    return c;
}

/* Refine: store the scale, choose codes, refit, as long as that helps. */
static void refine(const group *g, candidate start, candidate *best)
{
    for (int i = 0; i < REFITS; i++) {
        const float scale = swg_grid_stored_scale(g->scheme.scale_type, g->row_scale, start.scale);
        if (scale == 0 || (scale == best->scale && start.low == best->low))
            return;
        const candidate next = measure(g, scale, start.low);
        if (next.error < best->error)
            *best = next;
        else if (i > 0)
            return;
        start = refitted(next);
    }
}

static candidate search_grid(const group *g, candidate plain)
{
    candidate best[BEST];
    size_t n_best = 0;
    const double from = (double)g->extent / (double)g->steps * widest;
    const double to = least_scale(g, plain.error);
    /* Scales from / (1 + i step)^2: between equal differences, right for 8 bits, and equal ratios,
     * right for strong clipping, and without functions that libraries round differently. */
    const double step = (sqrt(from / to) - 1) / (GRID_POINTS - 1);
    for (int i = 0; i < GRID_POINTS; i++) {
        const double shrink = 1 + i * step;
        const float scale = fmaxf((float)(from / (shrink * shrink)), 0x1p-149f);
        float lows[MAX_WINDOWS];
        const size_t n_lows = windows(g, scale, lows);
        for (size_t j = 0; j < n_lows; j++)
            keep(best, &n_best, refitted(measure(g, scale, lows[j])));
    }
    candidate found = plain;
    for (size_t i = 0; i < n_best; i++)
        refine(g, best[i], &found);
    return found;
}

/* --- Public --------------------------------------------------------------------------------- */

static bool has_weight(const float *importance, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (importance[i] > 0)
            return true;
    return false;
}

/* The grid of a candidate. */
static swg_grid grid_of(const group *g, candidate c)
{
    const uint8_t middle = (uint8_t)swg_scheme_symmetric_zero(g->scheme);
    if (g->levels)
        return (swg_grid){.levels = g->levels,
                          .scale = c.scale * c.low,
                          .row_scale = g->row_scale,
                          .zero = g->levels->zero,
                          .max_code = SWG_LEVELS - 1};
    const bool is_mirrored = !g->scheme.asymmetric && c.low > -(float)middle;
    return (swg_grid){.scale = is_mirrored ? -c.scale : c.scale,
                      .row_scale = g->row_scale,
                      .zero = g->scheme.asymmetric ? (uint8_t)-c.low : middle,
                      .max_code = (uint8_t)g->max_code};
}

swg_status swg_grid_search(const swg_grid_space *space, const float *x, const float *importance,
                           size_t n, swg_grid *out)
{
    group g = {.x = x,
               .n = n,
               .importance = importance && has_weight(importance, n) ? importance : NULL,
               .scheme = space->scheme,
               .levels = space->levels,
               .row_scale = space->row_scale,
               .max_code = (float)((1u << space->scheme.bits) - 1)};
    SWG_TRY(look(&g));
    /* All zero: the codes that mean 0, whatever the scale. */
    candidate c = {.low = g.levels ? 1 : -(float)swg_scheme_symmetric_zero(g.scheme)};
    if (g.levels && g.levels->scale != 0) {
        c.scale = g.levels->scale;
    } else if (g.extent > 0) {
        const float scale =
            swg_grid_stored_scale(g.scheme.scale_type, g.row_scale, g.extent / g.steps);
        if (scale == 0)
            return swg_error(
                SWG_UNSUPPORTED,
                "the group's weights reach %g, which needs a scale beyond F16's 65504; "
                "use scales of type bf16 or f32",
                (double)fmaxf(-g.low, g.high));
        c = measure(&g, scale, plain_low(&g, scale));
        if (space->search == SWG_SEARCH_MSE)
            c = search_grid(&g, c);
    }
    *out = grid_of(&g, c);
    return SWG_OK;
}

void swg_levels_init(swg_levels *out, const int8_t values[SWG_LEVELS])
{
    memcpy(out->value, values, sizeof out->value);
    out->scale = 0;
    uint8_t code = 0;
    for (int step = 0; step < SWG_LEVEL_STEPS; step++) {
        /* Twice the middle between two levels is their sum. */
        while (code + 1 < SWG_LEVELS && step - 256 >= values[code] + values[code + 1])
            code++;
        out->nearest[step] = code;
    }
    out->zero = swg_level_of(out, 0);
}

void swg_grid_encode(swg_grid grid, const float *x, size_t n, uint8_t *codes)
{
    for (size_t i = 0; i < n; i++)
        codes[i] = swg_grid_code(grid, x[i]);
}

double swg_grid_error(swg_grid grid, const float *x, const float *importance, size_t n)
{
    double error = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)swg_grid_value(grid, swg_grid_code(grid, x[i])) - (double)x[i];
        error += (importance ? (double)importance[i] : 1) * d * d;
    }
    return error;
}
