/* Products of float matrices on processors that multiply tiles of bfloat16 numbers (AMX).
 *
 * A float, of 24 significant bits, is the sum of three bfloat16 numbers, of 8 each: its high,
 * middle and low part. The product of two floats is the sum of the products of their parts, of
 * which middle * low, low * middle and low * low are left out: together about 2^-25 of it at most.
 * Products of bfloat16 numbers are exact in float, and tiles sum them in float. Weights that have
 * fewer parts need fewer products: of BF16 weights the other parts are zeros, and the result is,
 * bit for bit, that of the same numbers stored as floats. Codes of quantized weights have one part;
 * their sums are multiplied by the scale group by group.
 *
 *     const swg_split *split = swg_linalg_split();   // linalg.h; NULL: use sgemm
 *     split->inputs(x, m, k, k, parts);              // once for all weights
 *     split->weights_f32(w, n, k, k, block);         // at most SWG_SPLIT_ROWS, SWG_SPLIT_COLUMNS
 *     split->multiply(parts, m, k, 0, block, y, y_stride, false);
 *
 * Precision. |error| <= k 2^-24 sum |x w|, the bound of sums in float in any order; in practice
 * smaller than that of a sum column by column, since the tile unit adds up 16 columns apart. Parts
 * and products below 2^-126 count as 0. An input or a weight that is NaN, infinite or beyond
 * 2^128 - 2^119, which has no nearest bfloat16 number, makes every sum that it is in NaN or
 * infinite. A token's result depends neither on the other tokens nor on their number.
 *
 * Like kernels, these functions do not allocate, check or fail, and are safe from several threads
 * on separate outputs. */
#ifndef SWG_KERNELS_SPLIT_H
#define SWG_KERNELS_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"
#include "runtime/base/mem.h"

/* A tile is 16 rows of 32 columns of one part; tiles are multiplied two by two. A block of weights
 * has at most so many rows and columns that it and the same columns of 256 inputs stay in a core's
 * cache (docs/performance.md). */
enum {
    SWG_SPLIT_PARTS = 3,
    SWG_SPLIT_STEP = 32, /* of rows, the inputs' and the weights', and of columns */
    SWG_SPLIT_TILE = 16 * SWG_SPLIT_STEP,
    SWG_SPLIT_ROWS = 128,
    SWG_SPLIT_COLUMNS = 640
};

/* Elements that `inputs` fills for m rows of k columns. Row t, a multiple of SWG_SPLIT_STEP, begins
 * at swg_split_elems(t, k). */
static inline size_t swg_split_elems(size_t m, size_t k)
{
    return swg_round_up(m, SWG_SPLIT_STEP) * swg_round_up(k, SWG_SPLIT_STEP) * SWG_SPLIT_PARTS;
}

typedef struct swg_split_block {
    _Alignas(64) uint16_t tiles[SWG_SPLIT_ROWS * SWG_SPLIT_COLUMNS * SWG_SPLIT_PARTS];
    _Alignas(64) float scales[SWG_SPLIT_COLUMNS / SWG_SPLIT_STEP][SWG_SPLIT_ROWS]; /* by group */
    size_t n, k;                                                                   /* weights */
    size_t group; /* columns that share a scale; 0: the tiles are the weights, without scales */
    size_t parts; /* that are not zero in all of them */
    size_t stored_parts;
} swg_split_block;

typedef struct swg_split {
    /* The parts of m rows of k floats, `stride` apart, to out [swg_split_elems(m, k)], aligned to
     * 64 bytes. Threads may share the work at multiples of SWG_SPLIT_STEP rows. */
    void (*inputs)(const float *x, size_t m, size_t k, size_t stride, uint16_t *out);

    /* n rows of k weights, `stride` apart, to the block. */
    void (*weights_f32)(const float *w, size_t n, size_t k, size_t stride, swg_split_block *block);
    void (*weights_bf16)(const uint16_t *w, size_t n, size_t k, size_t stride,
                         swg_split_block *block);

    /* Rows [row, row + n) and columns [column, column + k) of quantized weights (swg_split_takes).
     * `row` is a multiple of SWG_SPLIT_STEP; where groups are at most SWG_SPLIT_COLUMNS long,
     * `column` is the first of a group and the last group is whole or ends at w->k. The block has
     * the whole numbers, of one part, that scales are multiplied with. */
    void (*weights_packed)(const swg_packed *w, size_t row, size_t column, size_t n, size_t k,
                           swg_split_block *block);

    /* y[t * y_stride + r] = or, with `add`, += the sum over the block's columns of weight[r][c] *
     * input[t][column + c], for all rows r of the block and inputs t < m. The inputs have k
     * columns; `column` is a multiple of SWG_SPLIT_STEP. */
    void (*multiply)(const uint16_t *inputs, size_t m, size_t k, size_t column,
                     const swg_split_block *block, float *y, size_t y_stride, bool add);
} swg_split;

/* Whether weights_packed takes them: groups begin at multiples of SWG_SPLIT_STEP, and blocks have
 * whole ones, or columns of one. */
static inline bool swg_split_takes(const swg_packed *w)
{
    return w->n_groups == 1 || (w->group % SWG_SPLIT_STEP == 0 && w->group <= SWG_SPLIT_COLUMNS);
}

/* That of the instruction sets in `kernels` (from swg_kernels_best or _capped); NULL when none has
 * one. */
const swg_split *swg_kernels_split(const swg_kernels *kernels);

#endif
