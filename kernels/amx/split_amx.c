/* split.h with tiles of AMX: inputs, and products.
 *
 * Four tiles of sums, of two tiles of inputs times two of weights, hide the latency of each other,
 * and every product of parts is 4 products of tiles on 4 loads at most. The sums of a group of
 * quantized weights are multiplied by its scales in vectors. */
#include "kernels/amx/split_amx.h"

enum { TILE = SPLIT_TILE, STEP = SPLIT_STEP, PARTS = SPLIT_PARTS, PAIR = SPLIT_PAIR };

AMX_TARGET static void split_inputs(const float *x, size_t m, size_t k, size_t stride,
                                    uint16_t *out)
{
    for (size_t row = 0; row < swg_round_up(m, PAIR); row += TILE_ROWS)
        for (size_t c = 0; c < k; c += STEP, out += PARTS * TILE)
            split_rows(x + row * stride + c, split_rows_left(m, row), k - c, stride, out);
}

/* Tiles of 32 rows: those of the second 16 are `distance` elements after the first's. */
typedef struct operand {
    const uint16_t *at;
    size_t distance, step;
} operand;

/* Products of parts i of the inputs and j of the weights, i + j < PARTS. */
AMX_INLINE void add_step(operand a, operand b, const size_t parts)
{
    UNROLL for (size_t j = 0; j < parts; j++)
    {
        _tile_loadd(6, b.at + j * TILE, TILE_BYTES);
        _tile_loadd(7, b.at + b.distance + j * TILE, TILE_BYTES);
        UNROLL for (size_t i = 0; i < PARTS - j; i++)
        {
            _tile_loadd(4, a.at + i * TILE, TILE_BYTES);
            _tile_loadd(5, a.at + a.distance + i * TILE, TILE_BYTES);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
}

/* sums [PAIR][PAIR] of the first `steps` steps. */
AMX_INLINE void add_steps(operand a, operand b, size_t steps, const size_t parts, float *sums)
{
    enum { ROW = PAIR * sizeof(float) };
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t s = 0; s < steps; s++, a.at += a.step, b.at += b.step)
        add_step(a, b, parts);
    _tile_stored(0, sums, ROW);
    _tile_stored(1, sums + TILE_ROWS, ROW);
    _tile_stored(2, sums + TILE_ROWS * PAIR, ROW);
    _tile_stored(3, sums + TILE_ROWS * PAIR + TILE_ROWS, ROW);
}

/* totals = or += sums of a group times the scales of its 32 rows. */
AMX_INLINE void add_scaled(const float *sums, const float *scales, bool add, float *totals)
{
    const __m512 scale0 = _mm512_load_ps(scales), scale1 = _mm512_load_ps(scales + TILE_ROWS);
    for (size_t i = 0; i < PAIR * PAIR; i += PAIR) {
        const __m512 sum0 = _mm512_load_ps(sums + i), sum1 = _mm512_load_ps(sums + i + TILE_ROWS);
        _mm512_store_ps(totals + i, add ? _mm512_fmadd_ps(sum0, scale0, _mm512_load_ps(totals + i))
                                        : _mm512_mul_ps(sum0, scale0));
        _mm512_store_ps(totals + i + TILE_ROWS,
                        add ? _mm512_fmadd_ps(sum1, scale1, _mm512_load_ps(totals + i + TILE_ROWS))
                            : _mm512_mul_ps(sum1, scale1));
    }
}

/* totals [PAIR][PAIR] of rows [row, row + PAIR) of a block with scales. */
AMX_INLINE void add_groups(operand a, operand b, const swg_split_block *block, size_t row,
                           float *totals)
{
    _Alignas(64) float sums[PAIR * PAIR];
    const size_t group_steps = swg_ceil_div(block->group, STEP);
    for (size_t g = 0, left = swg_ceil_div(block->k, STEP); left > 0; g++) {
        const size_t steps = left < group_steps ? left : group_steps;
        add_steps(a, b, steps, 1, sums);
        add_scaled(sums, block->scales[g] + row, g > 0, totals);
        a.at += steps * a.step;
        b.at += steps * b.step;
        left -= steps;
    }
}

AMX_TARGET static void compute_pair(operand a, operand b, const swg_split_block *block, size_t row,
                                    float *totals)
{
    const size_t steps = swg_ceil_div(block->k, STEP);
    if (block->group)
        add_groups(a, b, block, row, totals);
    else if (block->parts == 1)
        add_steps(a, b, steps, 1, totals);
    else if (block->parts == 2)
        add_steps(a, b, steps, 2, totals);
    else
        add_steps(a, b, steps, 3, totals);
}

/* The first m rows and n columns of the totals to y. */
AMX_INLINE void write_totals(const float *totals, size_t m, size_t n, float *y, size_t y_stride,
                             bool add)
{
    const __mmask16 left = split_first(n), right = n > TILE_ROWS ? split_first(n - TILE_ROWS) : 0;
    for (size_t t = 0; t < m; t++, totals += PAIR, y += y_stride) {
        __m512 total0 = _mm512_load_ps(totals), total1 = _mm512_load_ps(totals + TILE_ROWS);
        if (add) {
            total0 = _mm512_add_ps(_mm512_maskz_loadu_ps(left, y), total0);
            total1 = _mm512_add_ps(_mm512_maskz_loadu_ps(right, y + TILE_ROWS), total1);
        }
        _mm512_mask_storeu_ps(y, left, total0);
        _mm512_mask_storeu_ps(y + TILE_ROWS, right, total1);
    }
}

AMX_TARGET static void multiply(const uint16_t *inputs, size_t m, size_t k, size_t column,
                                const swg_split_block *block, float *y, size_t y_stride, bool add)
{
    _Alignas(64) float totals[PAIR * PAIR];
    const size_t steps = swg_ceil_div(block->k, STEP), n = block->n;
    operand a = {.distance = swg_ceil_div(k, STEP) * PARTS * TILE, .step = PARTS * TILE};
    operand b = {.distance = steps * block->stored_parts * TILE,
                 .step = block->stored_parts * TILE};
    tiles_begin_whole();
    for (size_t r = 0; r < n; r += PAIR)
        for (size_t t = 0; t < m; t += PAIR) {
            a.at = inputs + t / TILE_ROWS * a.distance + column / STEP * a.step;
            b.at = block->tiles + r / TILE_ROWS * b.distance;
            compute_pair(a, b, block, r, totals);
            write_totals(totals, m - t < PAIR ? m - t : PAIR, n - r < PAIR ? n - r : PAIR,
                         y + t * y_stride + r, y_stride, add);
        }
    _tile_release();
}

const swg_split swg_split__amx = {
    .inputs = split_inputs,
    .weights_f32 = swg_split_weights_f32__amx,
    .weights_bf16 = swg_split_weights_bf16__amx,
    .weights_packed = swg_split_weights_packed__amx,
    .multiply = multiply,
};
