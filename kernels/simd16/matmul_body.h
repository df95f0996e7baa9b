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
#include "kernels/simd16/panel_numbers.h"
#include "kernels/streams.h"
#include "kernels/variants.h"

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

/* Tokens are processed in blocks whose activations stay in the second-level cache while all panels
 * are read; each panel then comes from memory once per block. */
enum { BLOCK_BYTES = 192 * 1024, TILE_MAX_PANELS = 4, TILE_MAX_TOKENS = 6, LINE = 64 };

/* Panels that a single token may be multiplied by at once (kernels/streams.h). */
enum { LONE_PANELS = 2 };

typedef struct product {
    const swg_packed *w;
    const swg_act *x;
    float *y;
    size_t y_stride;
} product;

/* Prefetch the codes of 8 columns. */
V16_INLINE void prefetch_codes(const uint8_t *at, const swg_layout layout)
{
    __builtin_prefetch(at);
    if (code_bits(layout) == 8)
        __builtin_prefetch(at + 64);
}

/* The tile that is the first to read a panel waits for memory, and prefetches line by line in the
 * order of memory: the hardware's own prefetcher does not run far enough ahead to hide the latency
 * (docs/performance.md). This is how far ahead of the byte `at` of a panel: in the same panel, or
 * beyond its end at its place in the next tile. Beyond the last panel the hint does nothing. */
V16_INLINE size_t stream_distance(const swg_packed *w, size_t at, const int n_panels)
{
    const swg_streams *streams = &swg_streams_chosen;
    const size_t distance =
        n_panels == 1 ? streams->ahead : streams->ahead_of_all / (size_t)n_panels;
    const size_t skipped = at + distance < w->panel_bytes ? 0 : (size_t)n_panels - 1;
    return distance + skipped * w->panel_bytes;
}

/* What the integer sums of a tile are made from. */
typedef struct operands {
    const uint8_t *codes[TILE_MAX_PANELS]; /* column c is at codes + c * bytes of a column */
    const int8_t *a[TILE_MAX_TOKENS];
    size_t distance; /* from what is read to what is prefetched */
    v16i codebook;
} operands;

/* A tile of one token has second sums, for the odd halves, where one sum per panel would wait for
 * the latency of the arithmetic. */
V16_INLINE bool has_second_sums(const int n_panels, const int n_tokens)
{
    return V16_DOT_SUMS == 2 && n_tokens == 1 && n_panels <= LONE_PANELS;
}

/* The products of columns c .. c + 7. */
V16_INLINE void add_columns(const operands *s, size_t c, const bool streams,
                            const swg_layout layout, const int n_panels, const int n_tokens,
                            v16i part[TILE_MAX_PANELS][TILE_MAX_TOKENS], v16i second[LONE_PANELS])
{
    if (streams)
        UNROLL for (int p = 0; p < n_panels; p++)
            prefetch_codes(s->codes[p] + c * (2 * code_bits(layout)) + s->distance, layout);
    UNROLL for (int half = 0; half < 2; half++)
    {
        v16i numbers[TILE_MAX_PANELS];
        UNROLL for (int p = 0; p < n_panels; p++) numbers[p] =
            half_numbers(s->codes[p], c, half, s->codebook, layout);
        UNROLL for (int t = 0; t < n_tokens; t++)
        {
            const v16i act = v16i_repeat4(s->a[t] + c + 4 * half);
            UNROLL for (int p = 0; p < n_panels; p++)
            {
                v16i *sum =
                    has_second_sums(n_panels, n_tokens) && half == 1 ? &second[p] : &part[p][t];
                *sum = v16i_dot_step(*sum, numbers[p], act, number_bits(layout));
            }
        }
    }
}

/* Add the products of columns [begin, end), multiples of 8, to acc. */
V16_INLINE void tile_columns(const operands *s, size_t begin, size_t end, const bool streams,
                             const swg_layout layout, const int n_panels, const int n_tokens,
                             v16i acc[TILE_MAX_PANELS][TILE_MAX_TOKENS])
{
    const v16i none = v16i_set1(0);
    v16i part[TILE_MAX_PANELS][TILE_MAX_TOKENS];
    v16i second[LONE_PANELS];
    UNROLL for (int p = 0; p < LONE_PANELS; p++) second[p] =
        v16i_dot_begin(none, number_bits(layout));
    UNROLL for (int p = 0; p < n_panels; p++) UNROLL for (int t = 0; t < n_tokens; t++) part[p][t] =
        v16i_dot_begin(acc[p][t], number_bits(layout));
    size_t c = begin;
    /* Of one token the loop itself would take a third of the time; of pairs of panels with 8-bit
     * codes long rounds are no gain. */
    if (n_panels * code_bits(layout) <= 8 && n_tokens == 1)
        for (; end - c >= 4 * SWG_COLUMN_STEP; c += 4 * SWG_COLUMN_STEP)
            UNROLL for (size_t i = 0; i < 4; i++) add_columns(
                s, c + i * SWG_COLUMN_STEP, streams, layout, n_panels, n_tokens, part, second);
    for (; c < end; c += SWG_COLUMN_STEP)
        add_columns(s, c, streams, layout, n_panels, n_tokens, part, second);
    UNROLL for (int p = 0; p < n_panels; p++) UNROLL for (int t = 0; t < n_tokens; t++) acc[p][t] =
        v16i_dot_end(acc[p][t], part[p][t], number_bits(layout));
    if (has_second_sums(n_panels, n_tokens))
        UNROLL for (int p = 0; p < n_panels; p++) acc[p][0] =
            v16i_add(acc[p][0], v16i_dot_end(none, second[p], number_bits(layout)));
}

/* Prefetch the scales and zeros of a block, from `at` on. */
V16_INLINE void prefetch_extra(const swg_packed *w, const uint8_t *at)
{
    for (size_t i = 0; i < w->block_extra; i += LINE)
        __builtin_prefetch(at + i);
}

/* The sums of group g begin with the products of its zero points; x_sums are the first token's. */
V16_INLINE void begin_sums(const swg_packed *w, const uint8_t *const panel[TILE_MAX_PANELS],
                           size_t zeros, const int32_t *x_sums, const swg_layout layout,
                           const int n_panels, const int n_tokens,
                           v16i acc[TILE_MAX_PANELS][TILE_MAX_TOKENS])
{
    UNROLL for (int p = 0; p < n_panels; p++)
    {
        const v16i correction = group_correction(w, panel[p] + zeros, layout);
        UNROLL for (int t = 0; t < n_tokens; t++)
        {
            if (p > 0 && !w->scheme.asymmetric) /* the same for all panels */
                acc[p][t] = acc[0][t];
            else
                acc[p][t] = v16i_mul(correction, v16i_set1(x_sums[(size_t)t * w->n_groups]));
        }
    }
}

/* Add the products of group g to the totals. Its scales and zeros are `scales` and `zeros` bytes
 * into each panel. */
V16_INLINE void add_group(const product *job, const uint8_t *const panel[TILE_MAX_PANELS],
                          size_t first_token, size_t g, size_t scales, size_t zeros,
                          const operands *s, const bool streams, const swg_layout layout,
                          const int n_panels, const int n_tokens,
                          v16 total[TILE_MAX_PANELS][TILE_MAX_TOKENS])
{
    const swg_packed *w = job->w;
    const float *x_scales = job->x->scales + first_token * w->n_groups + g;
    const int32_t *x_sums = job->x->sums + first_token * w->n_groups + g;
    const size_t begin = g * w->group;
    const size_t end = g + 1 < w->n_groups ? begin + w->group : w->k_padded;
    v16i acc[TILE_MAX_PANELS][TILE_MAX_TOKENS];
    begin_sums(w, panel, zeros, x_sums, layout, n_panels, n_tokens, acc);
    size_t c = begin;
    for (; end - c > V16_CHUNK_COLUMNS; c += V16_CHUNK_COLUMNS)
        tile_columns(s, c, c + V16_CHUNK_COLUMNS, streams, layout, n_panels, n_tokens, acc);
    tile_columns(s, c, end, streams, layout, n_panels, n_tokens, acc);
    UNROLL for (int p = 0; p < n_panels; p++)
    {
        const v16 w_scales = group_scales(w, panel[p], panel[p] + scales);
        UNROLL for (int t = 0; t < n_tokens; t++)
        {
            const v16 x_scale = v16_set1(x_scales[(size_t)t * w->n_groups]);
            total[p][t] = v16_fma(w_scales, v16_mul(v16_from_i32(acc[p][t]), x_scale), total[p][t]);
        }
    }
}

/* One tile: panels first_panel + (0 .. n_panels), tokens first_token + (0 .. n_tokens). `streams`:
 * these panels have not been read before. All but the first three arguments are compile-time
 * constants in every caller, so that everything is unrolled into registers. */
V16_INLINE void tile(const product *job, size_t first_panel, size_t first_token, const bool streams,
                     const swg_layout layout, const int n_panels, const int n_tokens)
{
    const swg_packed *w = job->w;
    const uint8_t *panel[TILE_MAX_PANELS];
    v16 total[TILE_MAX_PANELS][TILE_MAX_TOKENS];
    operands s = {.codebook = v16i_repeat16(w->codebook)}; /* unused but in c4 */
    UNROLL for (int t = 0; t < n_tokens; t++) s.a[t] =
        job->x->codes + (first_token + (size_t)t) * job->x->stride;
    UNROLL for (int p = 0; p < n_panels; p++)
    {
        panel[p] = w->panels + (first_panel + (size_t)p) * w->panel_bytes;
        UNROLL for (int t = 0; t < n_tokens; t++) total[p][t] = v16_set1(0);
    }
    const size_t last_in_block = ((size_t)1 << w->block_shift) - 1;
    size_t scales = 0, zeros = 0;
    for (size_t g = 0; g < w->n_groups; g++) {
        if ((g & last_in_block) == 0) {
            const size_t codes = swg_packed_codes_at(w, g);
            scales = swg_packed_scales_at(w, g);
            zeros = swg_packed_zeros_at(w, g);
            s.distance = stream_distance(w, codes + g * w->group * w->column_bytes, n_panels);
            UNROLL for (int p = 0; p < n_panels; p++)
            {
                s.codes[p] = panel[p] + codes;
                if (streams)
                    prefetch_extra(w, panel[p] + scales + s.distance);
            }
        }
        add_group(job, panel, first_token, g, scales, zeros, &s, streams, layout, n_panels,
                  n_tokens, total);
        scales += SWG_PANEL_ROWS * w->scale_bytes;
        zeros += SWG_PANEL_ROWS;
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
                        const bool streams, const swg_layout layout, const int n_panels,
                        const int max_tokens)
{
    if (n_tokens == 1)
        tile(job, panel, token, true, layout, n_panels, 1);
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
        if (m == 1 && swg_streams_chosen.in_pairs)
            for (; panel_end - p >= LONE_PANELS; p += LONE_PANELS)
                panel_tokens(job, p, token, end, layout, LONE_PANELS, 1);
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
