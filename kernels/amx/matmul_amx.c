/* Quantized products of several tokens by tiles: the sums of kernels/simd16/matmul_body.h, 16
 * tokens times 16 rows of the weight at once.
 *
 * Columns are taken in blocks of whole groups. Of each block the codes of some panels are made
 * signed bytes with the zero point subtracted, and then all tokens pass (where a byte has no room
 * for that, the rest of the zero point times the sum of the activations is added to the integer
 * sums). Each group ends with a conversion to float, which takes longer than its products do;
 * totals are in registers for the groups of a block, and in y between blocks. Groups that are
 * longer than a block are summed for up to 4 tiles of tokens at a time. Exactness: same bytes. */
#include "kernels/amx/tiles.h"
#include "kernels/avx512/simd_avx512.h"
#include "kernels/simd16/panel_numbers.h"
#include "kernels/simd16/unroll.h"

#undef SWG_VARIANT
#define SWG_VARIANT(op) swg_##op##__amx
#include "kernels/variants.h"

/* For few tokens. */
#define SWG_LAYOUT(name, bits, number_bits, longest_group) swg_matmul swg_matmul_##name##__avx512;
#include "kernels/layouts.def"
#undef SWG_LAYOUT

enum {
    BLOCK_COLUMNS = 2048,
    BLOCK_GROUPS = BLOCK_COLUMNS / 32, /* the shortest group */
    BLOCK_PANELS = 4,
    FEW_COLUMNS = 128,         /* of a block for few tokens */
    FEWEST_TOKENS = 8,         /* fewer are multiplied faster without tiles */
    LONG_TILES = 4,            /* of tokens, of a group longer than a block */
    TOKEN_BYTES = 2048 * 1024, /* of codes of tokens that pass together: a second-level cache */
    STREAM_AHEAD = 4 * 1024,
    LINE = 64
};

/* Tiles: sums 0 to 3, then a whole chunk of columns of tokens and of the panel, then the last ones
 * of a row. */
enum { TOKENS = 4, PANEL = 5, LAST_TOKENS = 6, LAST_PANEL = 7 };

typedef struct product {
    const swg_packed *w;
    const swg_act *x;
    float *y;
    size_t y_stride;
    size_t chunk; /* columns that are multiplied at once: 64, or those of a shorter group */
    size_t last;  /* columns of a row's last, shorter chunk; 0 where there is none */
} product;

/* Some columns of a panel. */
typedef struct block {
    _Alignas(LINE) uint8_t numbers[BLOCK_COLUMNS * SWG_PANEL_ROWS]; /* as in layout w8, signed */
    _Alignas(LINE) float scales[BLOCK_GROUPS][SWG_PANEL_ROWS];
    _Alignas(LINE) int32_t corrections[BLOCK_GROUPS][SWG_PANEL_ROWS];
    bool corrects; /* some of them are not 0 */
    bool is_wide;  /* zero points beyond the codes make sums larger than the layout's bits do */
} block;

/* Where sums are on their way from tiles to registers: those of two groups in turn. */
typedef int32_t tile_sums[2][TILE_ROWS * SWG_PANEL_ROWS];

/* Columns of group g, with those that pad the last one. */
AMX_INLINE size_t group_columns(const swg_packed *w, size_t g)
{
    return g + 1 < w->n_groups ? w->group : w->k_padded - g * w->group;
}

/* --- Blocks of a panel --- */

/* Columns [0, n), a multiple of 8, less `offsets`, the same byte in all four of a row. */
AMX_INLINE void unpack(const uint8_t *codes, size_t n, v16i offsets, v16i codebook,
                       const swg_layout layout, uint8_t *numbers)
{
    for (size_t c = 0; c < n; c += SWG_COLUMN_STEP) {
        __builtin_prefetch(codes + c * (2 * code_bits(layout)) + STREAM_AHEAD);
        if (layout == SWG_LAYOUT_w8)
            __builtin_prefetch(codes + c * 16 + LINE + STREAM_AHEAD);
        UNROLL for (int half = 0; half < 2; half++)
            v16i_store(numbers + (c + 4 * (size_t)half) * SWG_PANEL_ROWS,
                       _mm512_sub_epi8(half_numbers(codes, c, half, codebook, layout), offsets));
    }
}

/* What is subtracted from the numbers of a group, as much of the zero points as leaves a signed
 * byte. */
AMX_INLINE v16i group_offsets(const swg_packed *w, v16i zeros, const swg_layout layout)
{
    if (!w->scheme.asymmetric)
        return zeros;
    const v16i half = v16i_set1(128);
    return number_bits(layout) == 8 ? half : _mm512_min_epi32(zeros, half);
}

AMX_INLINE void fill_scales(const swg_packed *w, const uint8_t *panel, size_t g, size_t i,
                            v16i *offsets, const swg_layout layout, block *b)
{
    const v16i none = v16i_set1(0);
    const v16i zeros =
        v16i_sub(none, group_correction(w, panel + swg_packed_zeros_at(w, g), layout));
    *offsets = group_offsets(w, zeros, layout);
    const v16i correction = v16i_sub(*offsets, zeros);
    b->corrects |= _mm512_test_epi32_mask(correction, correction) != 0;
    b->is_wide |= number_bits(layout) == 4 && _mm512_cmpgt_epi32_mask(zeros, v16i_set1(15)) != 0;
    v16i_store(b->corrections[i], correction);
    const uint8_t *scales = panel + swg_packed_scales_at(w, g);
    __builtin_prefetch(scales + STREAM_AHEAD);
    v16_store(b->scales[i], group_scales(w, panel, scales));
}

/* Groups [begin, end) of a panel. */
AMX_INLINE void fill_block(const swg_packed *w, const uint8_t *panel, size_t begin, size_t end,
                           const swg_layout layout, block *b)
{
    const v16i codebook = v16i_repeat16(w->codebook);
    b->corrects = b->is_wide = false;
    for (size_t g = begin; g < end; g++) {
        v16i offsets;
        fill_scales(w, panel, g, g - begin, &offsets, layout, b);
        unpack(panel + swg_packed_codes_at(w, g) + g * w->group * w->column_bytes,
               group_columns(w, g), v16i_mul(offsets, v16i_set1(0x01010101)), codebook, layout,
               b->numbers + (g - begin) * w->group * SWG_PANEL_ROWS);
    }
}

/* --- Conversion --- */

/* `do_row` for each of `rows` tokens t; a whole tile of them is unrolled, so that an array by
 * token becomes registers. */
#define EACH_TOKEN(t, rows, do_row)                                                                \
    do {                                                                                           \
        if (__builtin_constant_p(rows) && (rows) == TILE_ROWS) {                                   \
            UNROLL for (size_t t = 0; t < TILE_ROWS; t++) do_row;                                  \
        } else {                                                                                   \
            for (size_t t = 0; t < (rows); t++)                                                    \
                do_row;                                                                            \
        }                                                                                          \
    } while (0)

/* Add to the sums what the numbers lack. */
AMX_INLINE void correct_sums(const product *job, const block *b, size_t i, size_t g, size_t token,
                             int32_t *sums, size_t rows)
{
    const size_t n_groups = job->w->n_groups;
    const int32_t *x_sums = job->x->sums + token * n_groups + g;
    const v16i correction = v16i_load(b->corrections[i]);
    for (size_t t = 0; t < rows; t++) {
        int32_t *sum = sums + t * SWG_PANEL_ROWS;
        v16i_store(sum,
                   v16i_add(v16i_load(sum), v16i_mul(correction, v16i_set1(x_sums[t * n_groups]))));
    }
}

/* Sums below 2^22 are converted by adding them to the bits of 1.5 * 2^23 and subtracting that: the
 * multiplier, which converts other integers, is what conversion waits for beside tiles. */
AMX_INLINE v16 sums_to_float(v16i sums, const bool is_small)
{
    if (!is_small)
        return v16_from_i32(sums);
    const v16 big = v16_set1(0x1.8p23f);
    return v16_sub(v16_from_bits(v16i_add(sums, _mm512_castps_si512(big))), big);
}

/* total + sums times the scales of the weight and of a token. */
AMX_INLINE v16 add_scaled(const int32_t *sums, v16 w_scales, float x_scale, const bool is_small,
                          v16 total)
{
    const v16 sum = sums_to_float(v16i_load(sums), is_small);
    return v16_fma(w_scales, v16_mul(sum, v16_set1(x_scale)), total);
}

/* Add integer sums [rows][16] of group g, number i of the block, of the tokens from `token` on to
 * the totals. */
AMX_INLINE void add_sums(const product *job, const block *b, size_t i, size_t g, size_t token,
                         int32_t *sums, size_t rows, const bool is_small, v16 *totals)
{
    const size_t n_groups = job->w->n_groups;
    const float *x_scales = job->x->scales + token * n_groups + g;
    const v16 w_scales = v16_load(b->scales[i]);
    if (!is_small && b->corrects)
        correct_sums(job, b, i, g, token, sums, rows);
    EACH_TOKEN(t, rows,
               totals[t] = add_scaled(sums + t * SWG_PANEL_ROWS, w_scales, x_scales[t * n_groups],
                                      is_small, totals[t]));
}

/* Load the totals of a tile from y, or begin at 0; and store them. */
AMX_INLINE void load_totals(const product *job, size_t panel, size_t token, bool begins,
                            size_t rows, v16 *totals)
{
    const size_t row = panel * SWG_PANEL_ROWS, left = job->w->n - row;
    const float *y = job->y + token * job->y_stride + row;
    EACH_TOKEN(t, rows, totals[t] = begins ? v16_set1(0) : v16_load_n(y + t * job->y_stride, left));
}

AMX_INLINE void store_totals(const product *job, size_t panel, size_t token, size_t rows,
                             const v16 *totals)
{
    const size_t row = panel * SWG_PANEL_ROWS, left = job->w->n - row;
    float *y = job->y + token * job->y_stride + row;
    EACH_TOKEN(t, rows, v16_store_n(y + t * job->y_stride, totals[t], left));
}

/* --- Products --- */

AMX_INLINE void set_shapes(const product *job, size_t rows)
{
    tile_shapes shapes = {0};
    for (int i = 0; i < LONG_TILES; i++)
        tile_set_shape(&shapes, i, rows, TILE_BYTES);
    tile_set_shape(&shapes, TOKENS, rows, job->chunk);
    tile_set_shape(&shapes, PANEL, job->chunk / 4, TILE_BYTES);
    if (job->last) {
        tile_set_shape(&shapes, LAST_TOKENS, rows, job->last);
        tile_set_shape(&shapes, LAST_PANEL, job->last / 4, TILE_BYTES);
    }
    tiles_begin(&shapes);
}

/* The operands of the products of columns c and on of some numbers of a panel and the tokens'
 * codes. The numbers of tiles are written into instructions, so that what follows can't be
 * functions. */
#define LOAD_OPERANDS(A, B, job, codes, numbers, c)                                                \
    do {                                                                                           \
        _tile_loadd(A, (codes) + (c), (job)->x->stride);                                           \
        _tile_loadd(B, (numbers) + (c)*SWG_PANEL_ROWS, TILE_BYTES);                                \
    } while (0)

/* SUMS += the products of columns [from, n), from being a multiple of a chunk. */
#define ADD_PRODUCTS(SUMS, job, codes, numbers, from, n)                                           \
    do {                                                                                           \
        size_t c_ = from;                                                                          \
        for (; (n)-c_ >= (job)->chunk; c_ += (job)->chunk) {                                       \
            LOAD_OPERANDS(4, 5, job, codes, numbers, c_);                                          \
            _tile_dpbssd(SUMS, 4, 5);                                                              \
        }                                                                                          \
        if (c_ < (n)) {                                                                            \
            LOAD_OPERANDS(6, 7, job, codes, numbers, c_);                                          \
            _tile_dpbssd(SUMS, 6, 7);                                                              \
        }                                                                                          \
    } while (0)

/* Where the tokens' codes and the numbers of a panel for group i of a block begin. */
typedef struct tile_place {
    const product *job;
    const block *b;
    int32_t (*sums)[TILE_ROWS * SWG_PANEL_ROWS];
    const int8_t *codes;
    size_t token, first; /* the block's first group */
} tile_place;

AMX_INLINE const int8_t *codes_of(const tile_place *at, size_t i)
{
    return at->codes + i * at->job->w->group;
}

AMX_INLINE const uint8_t *numbers_of(const tile_place *at, size_t i)
{
    return at->b->numbers + i * at->job->w->group * SWG_PANEL_ROWS;
}

/* The products of a whole group i, whose first operands are loaded. */
#define WHOLE_GROUP(SUMS, at, i)                                                                   \
    do {                                                                                           \
        _tile_zero(SUMS);                                                                          \
        _tile_dpbssd(SUMS, 4, 5);                                                                  \
        ADD_PRODUCTS(SUMS, (at)->job, codes_of(at, i), numbers_of(at, i), (at)->job->chunk,        \
                     (at)->job->w->group);                                                         \
    } while (0)

/* One step: the products of group i, the loads of i + 1, the stores of i - 1 and the conversion of
 * i - 2, of n groups. A step waits for none of its parts. */
#define STEP(SUMS, OTHER, at, i, n, rows, is_small, totals)                                        \
    do {                                                                                           \
        if ((i) < (n))                                                                             \
            WHOLE_GROUP(SUMS, at, i);                                                              \
        if ((i) + 1 < (n))                                                                         \
            LOAD_OPERANDS(4, 5, (at)->job, codes_of(at, (i) + 1), numbers_of(at, (i) + 1), 0);     \
        if ((i) >= 1 && (i) <= (n))                                                                \
            _tile_stored(OTHER, (at)->sums[OTHER], TILE_BYTES);                                    \
        if ((i) >= 2)                                                                              \
            add_sums((at)->job, (at)->b, (i)-2, (at)->first + (i)-2, (at)->token,                  \
                     (at)->sums[SUMS], rows, is_small, totals);                                    \
    } while (0)

/* All groups of a block, [begin, end), for a tile of tokens. */
AMX_INLINE void tile_groups(const product *job, const block *b, size_t panel, size_t token,
                            size_t begin, size_t end, const size_t rows, const bool is_small)
{
    const swg_packed *w = job->w;
    _Alignas(LINE) tile_sums sums;
    const tile_place at = {
        job, b, sums, job->x->codes + token * job->x->stride + begin * w->group, token, begin};
    const bool has_short = end == w->n_groups && group_columns(w, end - 1) != w->group;
    const size_t n = end - begin - has_short;
    v16 totals[TILE_ROWS];
    load_totals(job, panel, token, begin == 0, rows, totals);
    if (n > 0) {
        LOAD_OPERANDS(4, 5, job, codes_of(&at, 0), numbers_of(&at, 0), 0);
        for (size_t i = 0; i < n + 2; i += 2) {
            STEP(0, 1, &at, i, n, rows, is_small, totals);
            if (i + 1 < n + 2)
                STEP(1, 0, &at, i + 1, n, rows, is_small, totals);
        }
    }
    if (has_short) {
        _tile_zero(0);
        ADD_PRODUCTS(0, job, codes_of(&at, n), numbers_of(&at, n), 0, group_columns(w, end - 1));
        _tile_stored(0, sums[0], TILE_BYTES);
        add_sums(job, b, n, end - 1, token, sums[0], rows, is_small, totals);
    }
    store_totals(job, panel, token, rows, totals);
}

/* Whether the sums of all groups of a block are below 2^22. */
AMX_INLINE bool has_small_sums(const swg_packed *w, const block *b, const swg_layout layout)
{
    const size_t largest = number_bits(layout) == 8 ? 128 : 15;
    return !b->corrects && !b->is_wide && largest * 127 * w->group < (size_t)1 << 22;
}

/* Groups [g, g_end) of n_panels panels for a tile of tokens: the tokens' codes stay in the
 * first-level cache, and rows of y are written in order. */
AMX_INLINE void tile_panels(const product *job, const block *blocks, size_t panel, size_t n_panels,
                            size_t token, size_t g, size_t g_end, const size_t rows,
                            const swg_layout layout)
{
    for (size_t p = 0; p < n_panels; p++)
        if (has_small_sums(job->w, &blocks[p], layout))
            tile_groups(job, &blocks[p], panel + p, token, g, g_end, rows, true);
        else
            tile_groups(job, &blocks[p], panel + p, token, g, g_end, rows, false);
}

/* Groups [g, g_end) of n_panels panels, up to BLOCK_PANELS, for tokens [begin, end). */
AMX_INLINE void panels_tokens(const product *job, size_t panel, size_t n_panels, size_t g,
                              size_t g_end, size_t begin, size_t end, const swg_layout layout)
{
    const swg_packed *w = job->w;
    const size_t whole = begin + (end - begin) / TILE_ROWS * TILE_ROWS;
    block blocks[BLOCK_PANELS];
    for (size_t p = 0; p < n_panels; p++)
        fill_block(w, w->panels + (panel + p) * w->panel_bytes, g, g_end, layout, &blocks[p]);
    if (begin < whole)
        set_shapes(job, TILE_ROWS);
    for (size_t token = begin; token < whole; token += TILE_ROWS)
        tile_panels(job, blocks, panel, n_panels, token, g, g_end, TILE_ROWS, layout);
    if (whole < end) {
        set_shapes(job, end - whole);
        tile_panels(job, blocks, panel, n_panels, whole, g, g_end, end - whole, layout);
    }
}

/* Block by block of the columns, so that the tokens' codes of a block, and y, stay in the
 * second-level cache while all panels pass. */
AMX_INLINE void blocks_tokens(const product *job, size_t panel_begin, size_t panel_end,
                              size_t begin, size_t end, const swg_layout layout)
{
    const size_t n_groups = job->w->n_groups, groups = BLOCK_COLUMNS / job->w->group;
    for (size_t g = 0; g < n_groups; g += groups) {
        const size_t g_end = n_groups - g < groups ? n_groups : g + groups;
        for (size_t p = panel_begin; p < panel_end; p += BLOCK_PANELS) {
            const size_t n_panels = panel_end - p < BLOCK_PANELS ? panel_end - p : BLOCK_PANELS;
            panels_tokens(job, p, n_panels, g, g_end, begin, end, layout);
        }
    }
}

/* Up to a tile of tokens, for which codes are read once and in order: short blocks of one panel
 * after the other. */
AMX_INLINE void few_tokens(const product *job, size_t panel_begin, size_t panel_end,
                           const swg_layout layout)
{
    const swg_packed *w = job->w;
    const size_t n_groups = w->n_groups;
    const size_t groups = w->group < FEW_COLUMNS ? FEW_COLUMNS / w->group : 1;
    block b;
    set_shapes(job, job->x->m);
    for (size_t p = panel_begin; p < panel_end; p++)
        for (size_t g = 0; g < n_groups; g += groups) {
            const size_t g_end = n_groups - g < groups ? n_groups : g + groups;
            fill_block(w, w->panels + p * w->panel_bytes, g, g_end, layout, &b);
            tile_panels(job, &b, p, 1, 0, g, g_end, job->x->m, layout);
        }
}

/* --- Groups longer than a block --- */

/* Add the products of columns [column, column + n) of a group to the sums of each tile. */
AMX_INLINE void add_to_tiles(const product *job, const block *b, size_t token, size_t column,
                             size_t n, size_t n_tiles)
{
    const int8_t *codes = job->x->codes + token * job->x->stride + column;
    const size_t tile = TILE_ROWS * job->x->stride;
    ADD_PRODUCTS(0, job, codes, b->numbers, 0, n);
    if (n_tiles > 1)
        ADD_PRODUCTS(1, job, codes + tile, b->numbers, 0, n);
    if (n_tiles > 2)
        ADD_PRODUCTS(2, job, codes + 2 * tile, b->numbers, 0, n);
    if (n_tiles > 3)
        ADD_PRODUCTS(3, job, codes + 3 * tile, b->numbers, 0, n);
}

AMX_INLINE void zero_tiles(void)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

AMX_INLINE void store_tiles(int32_t sums[LONG_TILES][TILE_ROWS * SWG_PANEL_ROWS], size_t n_tiles)
{
    _tile_stored(0, sums[0], TILE_BYTES);
    if (n_tiles > 1)
        _tile_stored(1, sums[1], TILE_BYTES);
    if (n_tiles > 2)
        _tile_stored(2, sums[2], TILE_BYTES);
    if (n_tiles > 3)
        _tile_stored(3, sums[3], TILE_BYTES);
}

/* Group g of a panel for n_tiles tiles of `rows` tokens each. */
AMX_INLINE void long_group(const product *job, size_t panel, size_t g, size_t token, size_t n_tiles,
                           size_t rows, const swg_layout layout, block *b)
{
    const swg_packed *w = job->w;
    const uint8_t *data = w->panels + panel * w->panel_bytes;
    const size_t begin = g * w->group, end = begin + group_columns(w, g);
    const uint8_t *codes = data + swg_packed_codes_at(w, g);
    _Alignas(LINE) int32_t sums[LONG_TILES][TILE_ROWS * SWG_PANEL_ROWS];
    v16 totals[TILE_ROWS];
    v16i offsets;
    b->corrects = b->is_wide = false;
    fill_scales(w, data, g, 0, &offsets, layout, b);
    zero_tiles();
    for (size_t c = begin; c < end; c += BLOCK_COLUMNS) {
        const size_t n = end - c < BLOCK_COLUMNS ? end - c : BLOCK_COLUMNS;
        unpack(codes + c * w->column_bytes, n, v16i_mul(offsets, v16i_set1(0x01010101)),
               v16i_repeat16(w->codebook), layout, b->numbers);
        add_to_tiles(job, b, token, c, n, n_tiles);
    }
    store_tiles(sums, n_tiles);
    for (size_t i = 0; i < n_tiles; i++) {
        const size_t first = token + i * TILE_ROWS;
        load_totals(job, panel, first, g == 0, rows, totals);
        add_sums(job, b, 0, g, first, sums[i], rows, false, totals);
        store_totals(job, panel, first, rows, totals);
    }
}

AMX_INLINE void panel_long(const product *job, size_t panel, size_t begin, size_t end,
                           const swg_layout layout)
{
    block b;
    for (size_t token = begin; token < end;) {
        const size_t tiles = (end - token) / TILE_ROWS;
        const size_t n_tiles = tiles == 0 ? 1 : tiles < LONG_TILES ? tiles : LONG_TILES;
        const size_t rows = tiles == 0 ? end - token : TILE_ROWS;
        set_shapes(job, rows);
        for (size_t g = 0; g < job->w->n_groups; g++)
            long_group(job, panel, g, token, n_tiles, rows, layout, &b);
        token += n_tiles * rows;
    }
}

/* --- Whole products --- */

AMX_INLINE void matmul(const swg_packed *w, size_t panel_begin, size_t panel_end, const swg_act *x,
                       float *y, size_t y_stride, const swg_layout layout)
{
    const size_t columns = group_columns(w, 0);
    const size_t chunk = columns < TILE_BYTES ? columns : TILE_BYTES;
    const product job = {w, x, y, y_stride, chunk, group_columns(w, w->n_groups - 1) % chunk};
    if (x->m <= TILE_ROWS && w->group <= BLOCK_COLUMNS) {
        few_tokens(&job, panel_begin, panel_end, layout);
        _tile_release();
        return;
    }
    const size_t fit = TOKEN_BYTES / x->stride / TILE_ROWS * TILE_ROWS;
    const size_t step = fit ? fit : TILE_ROWS;
    for (size_t token = 0; token < x->m; token += step) {
        const size_t end = x->m - token < step ? x->m : token + step;
        if (w->group <= BLOCK_COLUMNS)
            blocks_tokens(&job, panel_begin, panel_end, token, end, layout);
        else
            for (size_t p = panel_begin; p < panel_end; p++)
                panel_long(&job, p, token, end, layout);
    }
    _tile_release();
}

#define SWG_LAYOUT(name, bits, number_bits, longest_group)                                         \
    AMX_TARGET void SWG_VARIANT(matmul_##name)(const swg_packed *w, size_t panel_begin,            \
                                               size_t panel_end, const swg_act *x, float *y,       \
                                               size_t y_stride)                                    \
    {                                                                                              \
        if (x->m < FEWEST_TOKENS)                                                                  \
            swg_matmul_##name##__avx512(w, panel_begin, panel_end, x, y, y_stride);                \
        else                                                                                       \
            matmul(w, panel_begin, panel_end, x, y, y_stride, SWG_LAYOUT_##name);                  \
    }
#include "kernels/layouts.def"
#undef SWG_LAYOUT
