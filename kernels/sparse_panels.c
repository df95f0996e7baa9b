/* Sparse panels: sizes, packing, and single rows. See kernels.h; expanding whole panels is an
 * operation. */
#include <string.h>

#include "kernels/sparse_walk.h"
#include "runtime/base/mem.h"
#include "runtime/base/numeric.h"

const uint8_t swg_pair_positions[8][2] = {{0, 1}, {0, 2}, {0, 3}, {1, 2},
                                          {1, 3}, {2, 3}, {0, 1}, {0, 1}};

swg_sparse_panels swg_sparse_panels_layout(swg_scheme dense, size_t n, size_t k,
                                           swg_sparse_kind kind)
{
    return (swg_sparse_panels){.dense = swg_packed_layout(dense, n, k), .kind = kind};
}

size_t swg_sparse_panels_bytes(const swg_sparse_panels *s, size_t n_stored)
{
    const swg_packed *w = &s->dense;
    size_t panel = w->n_groups * swg_sparse_head_bytes(s) + SWG_SPARSE_SLACK + SWG_ALIGNMENT;
    for (size_t g = 0; g < w->n_groups; g++) {
        const size_t columns = swg_sparse_group_columns(s, g);
        const size_t spans = swg_ceil_div(columns, swg_sparse_span_columns(s));
        if (s->kind == SWG_SPARSE_PAIRS)
            panel += spans * (SWG_PAIR_NUMBERS_BYTES + swg_pair_codes_bytes(w->panel_bits));
        else
            panel += spans * SWG_SPAN_LENGTH_BYTES + swg_sparse_masks_bytes(columns, s->kind);
    }
    if (s->kind == SWG_SPARSE_PAIRS)
        return w->n_panels * panel;
    /* Every step may waste half a byte. */
    const size_t steps = w->k_padded / SWG_STEP_COLUMNS;
    return w->n_panels * (panel + steps / 2 + 1) + swg_ceil_div(n_stored * w->panel_bits, 8);
}

/* The rows of a panel that is packed. */
typedef struct panel_rows {
    const bool *is_stored; /* [n_rows][k] */
    const uint8_t *codes;  /* [n_rows][k] */
    const uint8_t *zeros;  /* [n_rows][n_groups], or NULL */
    size_t n_rows;
} panel_rows;

static bool stores(const swg_sparse_panels *s, const panel_rows *rows, size_t r, size_t c)
{
    return r < rows->n_rows && c < s->dense.k && rows->is_stored[r * s->dense.k + c];
}

/* Write code number i of a sequence whose bytes were zero. */
static void put_code(uint8_t *codes, size_t i, unsigned code, unsigned bits)
{
    if (bits == 8)
        codes[i] = (uint8_t)code;
    else
        codes[i / 2] |= (uint8_t)(code << i % 2 * 4);
}

/* The step at column c: its codes at `to`. Returns their bytes; its bits are in *mask. */
static size_t pack_step(const swg_sparse_panels *s, const panel_rows *rows, size_t c,
                        uint64_t *mask, uint8_t *to)
{
    const size_t k = s->dense.k;
    const unsigned bits = s->dense.panel_bits;
    size_t n = 0;
    *mask = 0;
    memset(to, 0, SWG_STEP_CODES * bits / 8);
    for (size_t r = 0; r < rows->n_rows; r++)
        for (size_t i = 0; i < SWG_STEP_COLUMNS; i++) {
            if (!stores(s, rows, r, c + i))
                continue;
            *mask |= UINT64_C(1) << (r * SWG_STEP_COLUMNS + i);
            put_code(to, n++, rows->codes[r * k + c + i], bits);
        }
    return swg_ceil_div(n * bits, 8);
}

/* A span of masks or columns at column c. Returns where the next begins. */
static uint8_t *pack_masks(const swg_sparse_panels *s, const panel_rows *rows, size_t c,
                           size_t columns, uint8_t *span)
{
    uint8_t *const masks = span + SWG_SPAN_LENGTH_BYTES;
    uint8_t *const codes = masks + swg_sparse_masks_bytes(columns, s->kind), *to = codes;
    memset(masks, 0, (size_t)(codes - masks));
    for (size_t at = 0; at < columns; at += SWG_STEP_COLUMNS) {
        uint64_t mask;
        to += pack_step(s, rows, c + at, &mask, to);
        if (s->kind == SWG_SPARSE_COLUMNS)
            masks[at / 8] |= (uint8_t)((mask & 15) << at % 8); /* row 0 speaks for all */
        else
            memcpy(masks + at / SWG_STEP_COLUMNS * sizeof mask, &mask, sizeof mask);
    }
    const uint16_t length = (uint16_t)(to - codes);
    memcpy(span, &length, sizeof length);
    return to;
}

/* The number of the pair that stores all that row r stores in the step at column c. */
static unsigned pair_of(const swg_sparse_panels *s, const panel_rows *rows, size_t r, size_t c)
{
    unsigned number = 0, stored = 0;
    for (size_t i = 0; i < SWG_STEP_COLUMNS; i++)
        stored |= (unsigned)stores(s, rows, r, c + i) << i;
    while (stored & ~(1u << swg_pair_positions[number][0] | 1u << swg_pair_positions[number][1]))
        number++;
    return number;
}

/* A span of pairs at column c of group g. Columns and rows beyond the matrix, and steps that store
 * less than two codes, have zero points in their place. */
static uint8_t *pack_pairs(const swg_sparse_panels *s, const panel_rows *rows, size_t c, size_t end,
                           size_t g, uint8_t *span)
{
    const swg_packed *w = &s->dense;
    const unsigned bits = w->panel_bits;
    uint8_t *const codes = span + SWG_PAIR_NUMBERS_BYTES;
    memset(span, 0, SWG_PAIR_NUMBERS_BYTES + swg_pair_codes_bytes(bits));
    for (size_t r = 0; r < SWG_PANEL_ROWS; r++) {
        uint64_t numbers = 0;
        unsigned zero = (unsigned)w->symmetric_zero;
        if (w->scheme.asymmetric)
            zero = r < rows->n_rows ? rows->zeros[r * w->n_groups + g] : 0;
        for (size_t at = 0; at < SWG_PAIRS_SPAN; at += SWG_STEP_COLUMNS) {
            const unsigned number = c + at < end ? pair_of(s, rows, r, c + at) : 0;
            numbers |= (uint64_t)number << (at / 8 * 12 + r % 2 * 6 + at / 4 % 2 * 3);
            for (size_t i = 0; i < 2; i++) {
                const size_t column = c + at + swg_pair_positions[number][i];
                const bool is_stored = c + at < end && stores(s, rows, r, column);
                put_code(codes, swg_pair_code_at(r, at, i, bits),
                         is_stored ? rows->codes[r * w->k + column] : zero, bits);
            }
        }
        for (size_t i = 0; i < 6; i++)
            span[r / 2 * 6 + i] |= (uint8_t)(numbers >> 8 * i);
    }
    return codes + swg_pair_codes_bytes(bits);
}

/* The scales and zeros of group g. Returns where its spans begin. */
static uint8_t *pack_head(const swg_sparse_panels *s, const panel_rows *rows, size_t g,
                          const uint8_t *scales, uint8_t *head)
{
    const swg_packed *w = &s->dense;
    const size_t each = w->scale_bytes, bytes = swg_sparse_head_bytes(s);
    memset(head, 0, bytes);
    for (size_t r = 0; r < rows->n_rows; r++) {
        memcpy(head + r * each, scales + (r * w->n_groups + g) * each, each);
        if (rows->zeros)
            head[SWG_PANEL_ROWS * each + r] = rows->zeros[r * w->n_groups + g];
    }
    return head + bytes;
}

size_t swg_sparse_pack_panel(const swg_sparse_panels *s, size_t n_rows, const bool *is_stored,
                             const uint8_t *codes, const void *scales, const uint8_t *zeros,
                             uint8_t *out)
{
    const panel_rows rows = {
        .is_stored = is_stored, .codes = codes, .zeros = zeros, .n_rows = n_rows};
    const size_t step = swg_sparse_span_columns(s);
    uint8_t *at = out;
    for (size_t g = 0; g < s->dense.n_groups; g++) {
        const size_t begin = g * s->dense.group, end = begin + swg_sparse_group_columns(s, g);
        at = pack_head(s, &rows, g, scales, at);
        for (size_t c = begin; c < end; c += step)
            at = s->kind == SWG_SPARSE_PAIRS
                     ? pack_pairs(s, &rows, c, end, g, at)
                     : pack_masks(s, &rows, c, end - c < step ? end - c : step, at);
    }
    memset(at, 0, SWG_SPARSE_SLACK);
    return swg_round_up((size_t)(at - out) + SWG_SPARSE_SLACK, SWG_ALIGNMENT);
}

/* The codes of the step at column c of a span of pairs. */
static void read_pairs(const swg_sparse_walk *at, size_t c, unsigned bits,
                       int codes[SWG_STEP_CODES])
{
    for (size_t i = 0; i < SWG_STEP_CODES; i++)
        codes[i] = SWG_NOT_STORED;
    for (size_t r = 0; r < SWG_PANEL_ROWS; r++) {
        const uint8_t *pair = swg_pair_positions[swg_pair_number(at->marks, r, c)];
        for (size_t i = 0; i < 2; i++)
            codes[r * SWG_STEP_COLUMNS + pair[i]] =
                (int)swg_sparse_code(at->codes, swg_pair_code_at(r, c, i, bits), bits);
    }
}

void swg_sparse_walk_step(swg_sparse_walk *at, const swg_sparse_panels *s, size_t c,
                          int codes[SWG_STEP_CODES])
{
    const swg_packed *w = &s->dense;
    const unsigned bits = w->panel_bits;
    const size_t g = c / w->group < w->n_groups ? c / w->group : w->n_groups - 1;
    const size_t in_group = c - g * w->group, step = swg_sparse_span_columns(s);
    const size_t left = swg_sparse_group_columns(s, g) - in_group;
    if (in_group == 0)
        swg_sparse_walk_group(at, s);
    if (in_group % step == 0)
        swg_sparse_walk_span(at, left < step ? left : step, s->kind, bits);
    if (s->kind == SWG_SPARSE_PAIRS) {
        read_pairs(at, in_group % step, bits, codes);
        return;
    }
    const uint64_t mask = swg_sparse_span_mask(at->marks, in_group % step, s->kind);
    size_t n = 0;
    for (size_t i = 0; i < SWG_STEP_CODES; i++)
        codes[i] = mask >> i & 1 ? (int)swg_sparse_code(at->codes, n++, bits) : SWG_NOT_STORED;
    at->codes += swg_ceil_div(n * bits, 8);
}

void swg_sparse_rows_f32(const swg_sparse_panels *s, const uint8_t *panel, size_t first, size_t n,
                         float *out)
{
    const swg_packed *w = &s->dense;
    swg_sparse_walk at = swg_sparse_walk_begin(panel);
    const uint8_t *group = NULL;
    float scales[SWG_PANEL_ROWS];
    int codes[SWG_STEP_CODES];
    for (size_t c = 0; c < w->k; c += SWG_STEP_COLUMNS) {
        swg_sparse_walk_step(&at, s, c, codes);
        for (size_t r = 0; at.scales != group && r < n; r++)
            scales[r] = swg_float_load(w->scheme.scale_type, at.scales, first + r);
        group = at.scales;
        for (size_t r = 0; r < n; r++) {
            const int zero = w->scheme.asymmetric ? at.zeros[first + r] : w->symmetric_zero;
            for (size_t i = 0; i < SWG_STEP_COLUMNS && c + i < w->k; i++) {
                const int code = codes[(first + r) * SWG_STEP_COLUMNS + i];
                out[r * w->k + c + i] =
                    code == SWG_NOT_STORED ? 0 : (float)(code - zero) * scales[r];
            }
        }
    }
}
