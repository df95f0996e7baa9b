/* The grid of one group: the scale and zero point with the least loss, and their codes.
 *
 *     const swg_grid_space space = {.scheme = scheme, .search = SWG_SEARCH_MSE};
 *     swg_grid grid;
 *     SWG_TRY(swg_grid_search(&space, weights, NULL, n, &grid));
 *     swg_grid_encode(grid, weights, n, codes);                 // one unsigned code per byte
 *     value = swg_grid_value(grid, codes[i]);                   // what the runtime will compute
 *
 * A group is n >= 1 neighbouring weights of one row that share a scale. Every method that chooses
 * codes (round to nearest, column sweeps, learned rounding) takes its grids from here, optionally
 * weighted by the importance of each column (a diagonal of the Hessian, mean x^2 of the input).
 * All functions are pure, so they are safe from several threads, and their sums have one order:
 * the same group gives the same bytes on every machine. */
#ifndef SWG_QUANTIZE_GROUP_GRID_H
#define SWG_QUANTIZE_GROUP_GRID_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/base/tensor.h"

/* How scales are found.
 *   ABSMAX  no search. Symmetric: absmax / (2^(bits-1) - 1). Asymmetric: the range, widened to
 *           contain 0, over 2^bits - 1.
 *   MSE     least (weighted) squared error, never worse than ABSMAX. About 50 passes over the group
 *           for symmetric schemes and 100 for asymmetric ones; on one 2020s x86-64 core 20 and 10
 *           million weights per second. */
typedef enum swg_scale_search {
    SWG_SEARCH_MSE,
    SWG_SEARCH_ABSMAX,
    SWG_SEARCH_MATRIX /* one scale for the whole matrix, found with its codebook (codebook.h) */
} swg_scale_search;

/* The numbers that codes mean where they are not integers: a codebook, in ascending order, with the
 * code of the number nearest to any t at nearest[floor(2 t) + 256]: the middle between two integers
 * is a multiple of a half, and belongs to the upper one. */
enum { SWG_LEVELS = 16, SWG_LEVEL_STEPS = 512 };
typedef struct swg_levels {
    int8_t value[SWG_LEVELS];
    uint8_t nearest[SWG_LEVEL_STEPS];
    uint8_t zero; /* the code of the number nearest to 0 */
    float scale;  /* of all groups; 0 = each has its own */
} swg_levels;

/* `values` ascend strictly; the scale becomes 0. */
void swg_levels_init(swg_levels *out, const int8_t values[SWG_LEVELS]);

static inline uint8_t swg_level_of(const swg_levels *levels, float t)
{
    const float inside = t < -128 ? -128 : t > 127.5f ? 127.5f : t;
    return levels->nearest[(int)(2 * inside + 256)];
}

/* Which grids the groups of a row can have. */
typedef struct swg_grid_space {
    swg_scheme scheme;
    swg_scale_search search;
    const swg_levels *levels; /* of schemes with a codebook */
    float row_scale;          /* of schemes with 8-bit scales: what these are multiplied by; 0 = not
                                 known yet, any scale will do */
} swg_grid_space;

/* w = scale * (code - zero), code in [0, max_code], or scale * levels->value[code]. The scale is a
 * number of the scheme's scale type, so storing it loses nothing. It may be negative (schemes
 * without zero points: the codes reach further on one side, and the sign says which). A group of
 * zeros has scale 0 and the codes `zero`. */
typedef struct swg_grid {
    const swg_levels *levels; /* NULL = integers */
    float scale;
    float row_scale; /* the space's */
    uint8_t zero, max_code;
} swg_grid;

/* Weights of larger magnitude (2^126) are refused: no product with them stays finite. */
#define SWG_GRID_MAX_WEIGHT 0x1p126f

/* Find the grid of `x` [n]. `importance` [n] weighs each squared error (finite, >= 0; NULL = all
 * 1; all 0 counts as all 1). SWG_CORRUPT when a weight is NaN or infinite, naming its position in
 * the group; SWG_UNSUPPORTED when it is too large for the scale type, naming the remedy. */
swg_status swg_grid_search(const swg_grid_space *space, const float *x, const float *importance,
                           size_t n, swg_grid *out);

/* The nearest positive number of a scale type (I8: row_scale times an integer up to 127, or any
 * float while row_scale is 0); 0 when
 * `scale` is too large for a float type. */
float swg_grid_stored_scale(swg_dtype type, float row_scale, float scale);

/* The number that a code means, in units of the scale. */
static inline int swg_grid_number(swg_grid grid, uint8_t code)
{
    return grid.levels ? grid.levels->value[code] : (int)code - (int)grid.zero;
}

/* The nearest code, ties to the even multiple of the scale (of levels: upwards in units of the
 * scale); out-of-range values take the end. NaN is outside the contract. */
static inline uint8_t swg_grid_code(swg_grid grid, float x)
{
    if (grid.scale == 0)
        return grid.zero;
    if (grid.levels)
        return swg_level_of(grid.levels, x / grid.scale);
    const float code = rintf(x / grid.scale) + (float)grid.zero;
    return (uint8_t)(code < 0 ? 0 : code > (float)grid.max_code ? (float)grid.max_code : code);
}

static inline float swg_grid_value(swg_grid grid, uint8_t code)
{
    return (float)swg_grid_number(grid, code) * grid.scale;
}

void swg_grid_encode(swg_grid grid, const float *x, size_t n, uint8_t *codes);

/* Sum of importance * (value - x)^2 over the group, in double. `importance` may be NULL. */
double swg_grid_error(swg_grid grid, const float *x, const float *importance, size_t n);

#endif
