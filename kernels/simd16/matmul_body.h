/* Quantized products, for every vector set: included by matmul_<isa>.c after its simd16 primitives.
 *
 *     y[t][r] = fold over groups g:  acc = fma(w_scale[r][g],
 *                   float(sum_c code[r][c] a[t][c] - zero[r][g] sum[t][g]) * x_scale[t][g], acc)
 *
 * A lane is a row, so a panel of 16 rows is one vector (drawing in kernels.h) and four activations
 * of a token, repeated in every lane, are the other operand. A tile of P panels x T tokens keeps
 * its P * T integer and P * T float sums in registers; every code vector serves T tokens and every
 * activation vector P panels. The integer sum of a group starts at -zero * sum, so zero points cost
 * one multiplication per group. Rows at and beyond n are computed from the padding and not stored.
 * Exactness: same bytes. Outside the contract: groups longer than the layout allows. */
#include "kernels/variants.h"

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

/* Tokens are processed in blocks whose activations stay in the second-level cache while all panels
 * are read; each panel then comes from memory once per block. */
enum { BLOCK_BYTES = 192 * 1024, TILE_MAX_PANELS = 4, TILE_MAX_TOKENS = 6 };

/* The tile that is the first to read a panel waits for memory: so many bytes of codes are
 * prefetched ahead there, of all panels of the tile together. 4 KiB to 32 KiB were tried
 * (docs/performance.md). The hardware's own prefetcher does not run far enough ahead to hide the
 * latency of memory. */
enum { STREAM_AHEAD = 16 * 1024 };

typedef struct product {
    const swg_packed *w;
    const swg_act *x;
    float *y;
    size_t y_stride;
} product;

/* Bits of a code in the panel, and of the number that is multiplied. */
V16_INLINE unsigned code_bits(const swg_layout layout)
{
    return layout == SWG_LAYOUT_w8 ? 8 : 4;
}

V16_INLINE unsigned number_bits(const swg_layout layout)
{
    return layout == SWG_LAYOUT_w4 ? 4 : 8;
}

/* Scales of group g of a panel as floats. */
V16_INLINE v16 group_scales(const swg_packed *w, const uint8_t *panel, size_t g)
{
    const uint8_t *scales = panel + w->scales_offset + g * SWG_PANEL_ROWS * w->scale_bytes;
    if (w->scheme.scale_type == SWG_F16)
        return v16_from_f16(scales);
    if (w->scheme.scale_type == SWG_BF16)
        return v16_from_bf16(scales);
    if (w->scheme.scale_type == SWG_I8)
        return v16_mul(v16_from_i32(v16i_from_i8((const int8_t *)scales)),
                       v16_load((const float *)(panel + w->row_scales_offset)));
    return v16_load((const float *)scales);
}

/* (bias - zero) of group g, the factor of the sum of the activations. */
V16_INLINE v16i group_correction(const swg_packed *w, const uint8_t *panel, size_t g,
                                 const swg_layout layout)
{
    const v16i zeros = w->scheme.asymmetric
                           ? v16i_from_u8(panel + w->zeros_offset + g * SWG_PANEL_ROWS)
                           : v16i_set1(w->symmetric_zero);
    return v16i_sub(v16i_set1(v16i_code_bias(number_bits(layout))), zeros);
}

/* The numbers of columns c + 4 * half + (0 .. 3): the codes, or what they mean. */
V16_INLINE v16i half_numbers(const uint8_t *panel, size_t c, int half, v16i codebook,
                             const swg_layout layout)
{
    if (layout == SWG_LAYOUT_w8)
        return v16i_load(panel + (c + 4 * (size_t)half) * SWG_PANEL_ROWS);
    const v16i both = v16i_load(panel + c * SWG_PANEL_ROWS / 2);
    const v16i codes = v16i_and(half ? v16i_shift_right(both, 4) : both, v16i_set1(0x0f0f0f0f));
    return layout == SWG_LAYOUT_c4 ? v16i_look_up(codebook, codes) : codes;
}

/* Prefetch the codes of 8 columns. */
V16_INLINE void prefetch_codes(const uint8_t *at, const swg_layout layout)
{
    __builtin_prefetch(at);
    if (code_bits(layout) == 8)
        __builtin_prefetch(at + 64);
}

/* The panel whose column c is to be prefetched while columns from c on of `panel` are read: itself,
 * STREAM_AHEAD / n_panels further on, or beyond its end its place in the next tile. Beyond the last
 * panel the hint does nothing. */
V16_INLINE const uint8_t *panel_ahead(const swg_packed *w, const uint8_t *panel, size_t c,
                                      const swg_layout layout, const int n_panels)
{
    const size_t distance = STREAM_AHEAD / (size_t)n_panels;
    const size_t at = c * SWG_PANEL_ROWS * code_bits(layout) / 8 + distance;
    const size_t skipped = at < w->panel_bytes ? 0 : (size_t)n_panels - 1;
    return panel + distance + skipped * w->panel_bytes;
}

/* Add the products of columns [begin, end), multiples of 8, to acc. Where `streams`, the same
 * columns of `ahead` are prefetched. */
V16_INLINE void tile_columns(const uint8_t *const panel[TILE_MAX_PANELS],
                             const uint8_t *const ahead[TILE_MAX_PANELS], bool streams,
                             const int8_t *const a[TILE_MAX_TOKENS], size_t begin, size_t end,
                             v16i codebook, const swg_layout layout, const int n_panels,
                             const int n_tokens, v16i acc[TILE_MAX_PANELS][TILE_MAX_TOKENS])
{
    v16i part[TILE_MAX_PANELS][TILE_MAX_TOKENS];
    UNROLL for (int p = 0; p < n_panels; p++) UNROLL for (int t = 0; t < n_tokens; t++) part[p][t] =
        v16i_dot_begin(acc[p][t], number_bits(layout));
    for (size_t c = begin; c < end; c += SWG_COLUMN_STEP) {
        if (streams)
            UNROLL for (int p = 0; p < n_panels; p++)
                prefetch_codes(ahead[p] + c * SWG_PANEL_ROWS * code_bits(layout) / 8, layout);
        UNROLL for (int half = 0; half < 2; half++)
        {
            v16i numbers[TILE_MAX_PANELS];
            UNROLL for (int p = 0; p < n_panels; p++) numbers[p] =
                half_numbers(panel[p], c, half, codebook, layout);
            UNROLL for (int t = 0; t < n_tokens; t++)
            {
                const v16i act = v16i_repeat4(a[t] + c + 4 * half);
                UNROLL for (int p = 0; p < n_panels; p++) part[p][t] =
                    v16i_dot_step(part[p][t], numbers[p], act, number_bits(layout));
            }
        }
    }
    UNROLL for (int p = 0; p < n_panels; p++) UNROLL for (int t = 0; t < n_tokens; t++) acc[p][t] =
        v16i_dot_end(acc[p][t], part[p][t], number_bits(layout));
}

/* One tile: panels first_panel + (0 .. n_panels), tokens first_token + (0 .. n_tokens). `streams`:
 * these panels have not been read before. The last three arguments are compile-time constants in
 * every caller, so that everything is unrolled into registers. */
V16_INLINE void tile(const product *job, size_t first_panel, size_t first_token, bool streams,
                     const swg_layout layout, const int n_panels, const int n_tokens)
{
    const swg_packed *w = job->w;
    const swg_act *x = job->x;
    const uint8_t *panel[TILE_MAX_PANELS], *ahead[TILE_MAX_PANELS];
    const int8_t *a[TILE_MAX_TOKENS];
    v16 total[TILE_MAX_PANELS][TILE_MAX_TOKENS];
    UNROLL for (int t = 0; t < n_tokens; t++) a[t] =
        x->codes + (first_token + (size_t)t) * x->stride;
    UNROLL for (int p = 0; p < n_panels; p++)
    {
        panel[p] = w->panels + (first_panel + (size_t)p) * w->panel_bytes;
        UNROLL for (int t = 0; t < n_tokens; t++) total[p][t] = v16_set1(0);
    }
    const v16i codebook = v16i_repeat16(w->codebook); /* unused but in c4 */
    const float *x_scales = x->scales + first_token * w->n_groups;
    const int32_t *x_sums = x->sums + first_token * w->n_groups;
    for (size_t g = 0; g < w->n_groups; g++) {
        const size_t begin = g * w->group;
        const size_t end = g + 1 < w->n_groups ? begin + w->group : w->k_padded;
        v16i acc[TILE_MAX_PANELS][TILE_MAX_TOKENS];
        UNROLL for (int p = 0; p < n_panels; p++)
        {
            ahead[p] = panel_ahead(w, panel[p], begin, layout, n_panels);
            const v16i correction = group_correction(w, panel[p], g, layout);
            UNROLL for (int t = 0; t < n_tokens; t++) acc[p][t] =
                v16i_mul(correction, v16i_set1(x_sums[(size_t)t * w->n_groups + g]));
        }
        size_t c = begin;
        for (; end - c > V16_CHUNK_COLUMNS; c += V16_CHUNK_COLUMNS)
            tile_columns(panel, ahead, streams, a, c, c + V16_CHUNK_COLUMNS, codebook, layout,
                         n_panels, n_tokens, acc);
        tile_columns(panel, ahead, streams, a, c, end, codebook, layout, n_panels, n_tokens, acc);
        UNROLL for (int p = 0; p < n_panels; p++)
        {
            const v16 scales = group_scales(w, panel[p], g);
            UNROLL for (int t = 0; t < n_tokens; t++)
            {
                const v16 x_scale = v16_set1(x_scales[(size_t)t * w->n_groups + g]);
                total[p][t] =
                    v16_fma(scales, v16_mul(v16_from_i32(acc[p][t]), x_scale), total[p][t]);
            }
        }
    }
    UNROLL for (int p = 0; p < n_panels; p++)
    {
        const size_t row = (first_panel + (size_t)p) * SWG_PANEL_ROWS;
        const size_t n_rows = w->n - row < SWG_PANEL_ROWS ? w->n - row : SWG_PANEL_ROWS;
        UNROLL for (int t = 0; t < n_tokens; t++) v16_store_n(
            job->y + (first_token + (size_t)t) * job->y_stride + row, total[p][t], n_rows);
    }
}

/* tile() with a constant number of tokens; n_tokens <= max_tokens, which is a constant too. */
V16_INLINE void tile_of(const product *job, size_t panel, size_t token, size_t n_tokens,
                        bool streams, const swg_layout layout, const int n_panels,
                        const int max_tokens)
{
    if (n_tokens == 1)
        tile(job, panel, token, streams, layout, n_panels, 1);
    else if (n_tokens == 2 && max_tokens >= 2)
        tile(job, panel, token, streams, layout, n_panels, 2);
    else if (n_tokens == 3 && max_tokens >= 3)
        tile(job, panel, token, streams, layout, n_panels, 3);
    else if (n_tokens == 4 && max_tokens >= 4)
        tile(job, panel, token, streams, layout, n_panels, 4);
    else if (n_tokens == 5 && max_tokens >= 5)
        tile(job, panel, token, streams, layout, n_panels, 5);
    else if (n_tokens == 6 && max_tokens >= 6)
        tile(job, panel, token, streams, layout, n_panels, 6);
}

/* All tokens [begin, end) of a group of panels, in tiles of nearly equal size: 7 tokens are 4 + 3,
 * not 6 + 1. */
V16_INLINE void panel_tokens(const product *job, size_t panel, size_t begin, size_t end,
                             const swg_layout layout, const int n_panels, const int max_tokens)
{
    for (size_t token = begin; token < end;) {
        const size_t left = end - token, step = (size_t)max_tokens;
        const size_t n_tiles = (left + step - 1) / step;
        const size_t n_tokens = (left + n_tiles - 1) / n_tiles;
        tile_of(job, panel, token, n_tokens, token == begin, layout, n_panels, max_tokens);
        token += n_tokens;
    }
}

V16_INLINE void matmul(const product *job, size_t panel_begin, size_t panel_end,
                       const swg_layout layout)
{
    const size_t m = job->x->m, stride = job->x->stride;
    const size_t fit = BLOCK_BYTES / stride / V16_TALL_TOKENS * V16_TALL_TOKENS;
    const size_t block = fit ? fit : V16_TALL_TOKENS;
    for (size_t token = 0; token < m; token += block) {
        const size_t end = m - token < block ? m : token + block;
        size_t p = panel_begin;
        if (m > 1 && m <= V16_WIDE_TOKENS)
            for (; panel_end - p >= V16_WIDE_PANELS; p += V16_WIDE_PANELS)
                panel_tokens(job, p, token, end, layout, V16_WIDE_PANELS, V16_WIDE_TOKENS);
        if (m > 1 && V16_TALL_PANELS > 1)
            for (; panel_end - p >= V16_TALL_PANELS; p += V16_TALL_PANELS)
                panel_tokens(job, p, token, end, layout, V16_TALL_PANELS, V16_TALL_TOKENS);
        for (; p < panel_end; p++)
            panel_tokens(job, p, token, end, layout, 1, V16_TALL_TOKENS);
    }
}

V16_TARGET void SWG_VARIANT(matmul_w4)(const swg_packed *w, size_t panel_begin, size_t panel_end,
                                       const swg_act *x, float *y, size_t y_stride)
{
    const product job = {w, x, y, y_stride};
    matmul(&job, panel_begin, panel_end, SWG_LAYOUT_w4);
}

V16_TARGET void SWG_VARIANT(matmul_w8)(const swg_packed *w, size_t panel_begin, size_t panel_end,
                                       const swg_act *x, float *y, size_t y_stride)
{
    const product job = {w, x, y, y_stride};
    matmul(&job, panel_begin, panel_end, SWG_LAYOUT_w8);
}

V16_TARGET void SWG_VARIANT(matmul_c4)(const swg_packed *w, size_t panel_begin, size_t panel_end,
                                       const swg_act *x, float *y, size_t y_stride)
{
    const product job = {w, x, y, y_stride};
    matmul(&job, panel_begin, panel_end, SWG_LAYOUT_c4);
}
