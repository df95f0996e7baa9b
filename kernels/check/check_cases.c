/* Inputs for the kernel checker: for every operation its buffers, sizes on the edges of vectors,
 * panels and groups, and values from its domain - zeros, ties, one outlier, tiny and large numbers,
 * full-range codes - and the call itself. */
#include "kernels/check/check_case.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/variants.h"

/* --- Sizes and values --- */

static size_t below(swg_rng *rng, size_t n)
{
    return (size_t)(swg_rng_next(rng) % n);
}

static const size_t edges[] = {1,  2,  3,  5,  7,  8,  9,  13, 15,  16,  17,  23,  31,  32,
                               33, 47, 48, 49, 63, 64, 65, 97, 127, 128, 129, 191, 255, 257};
enum { N_EDGES = sizeof edges / sizeof *edges };

/* Size number `index`: the edges in order, then random up to `largest`. */
static size_t size_number(swg_check_case *c, size_t index, size_t largest)
{
    return index < N_EDGES ? edges[index] : 1 + below(c->rng, largest);
}

/* A random edge, for the sizes that do not lead. */
static size_t any_edge(swg_check_case *c, size_t largest)
{
    size_t size;
    do
        size = edges[below(c->rng, N_EDGES)];
    while (size > largest);
    return size;
}

typedef enum flavour { NORMAL, ZEROS, TIES, OUTLIER, TINY, LARGE, FLAVOURS } flavour;
static const char *const flavour_names[FLAVOURS] = {"normal",  "zeros", "ties",
                                                    "outlier", "tiny",  "large"};

/* Values of the flavour; none beyond about 5 * large in magnitude, none NaN. */
static void fill_floats(swg_check_case *c, float *x, size_t n, flavour kind, float large)
{
    for (size_t i = 0; i < n; i++) {
        const float normal = swg_rng_normal(c->rng);
        switch (kind) {
        case ZEROS:
            x[i] = below(c->rng, 2) ? 0.0f : -0.0f;
            break;
        case TIES:
            x[i] = (float)((int)below(c->rng, 5) - 2) * 0.5f;
            break;
        case TINY:
            x[i] = normal * (below(c->rng, 2) ? 0x1p-140f : 0x1p-70f);
            break;
        case LARGE:
            x[i] = normal * large;
            break;
        default:
            x[i] = normal;
        }
    }
    if (kind == OUTLIER)
        x[below(c->rng, n)] = large;
}

static swg_status add_buffer(swg_check_case *c, const char *name, swg_check_role role, size_t bytes,
                             void *out)
{
    uint8_t *initial = swg_arena_calloc(&c->arena, bytes, 1);
    if (!initial)
        return SWG_NO_MEMORY;
    if (role != CHECK_IN)
        memset(initial, 0x5a, bytes);
    c->buffers[c->n_buffers++] = (swg_check_buffer){name, role, bytes, initial};
    memcpy(out, &initial, sizeof initial);
    return SWG_OK;
}

static flavour any_flavour(swg_check_case *c, size_t index)
{
    return index % 2 ? (flavour)below(c->rng, FLAVOURS) : NORMAL;
}

static void describe(swg_check_case *c, flavour kind)
{
    snprintf(c->text, sizeof c->text, "n %zu, %s%s", c->n, flavour_names[kind],
             c->in_place ? ", in place" : "");
}

/* --- One-dimensional operations --- */

enum { TIMED_ELEMENTS = 16384, TIMED_ROW = 2048 };

/* 0: x (16-bit floats), 1: y. */
static swg_status generate_conversion(swg_check_case *c, size_t index, bool for_timing)
{
    c->n = for_timing ? TIMED_ELEMENTS : size_number(c, index, 600);
    uint16_t *x;
    float *y;
    SWG_TRY(add_buffer(c, "x", CHECK_IN, c->n * 2, &x));
    SWG_TRY(add_buffer(c, "y", CHECK_OUT, c->n * 4, &y));
    for (size_t i = 0; i < c->n; i++) /* every pattern, infinities and NaN among them */
        x[i] = (uint16_t)swg_rng_next(c->rng);
    c->bytes = (double)c->n * 6;
    describe(c, NORMAL);
    return SWG_OK;
}

/* 0: x, in and out, 1: y. */
static swg_status generate_add(swg_check_case *c, size_t index, bool for_timing)
{
    c->n = for_timing ? TIMED_ELEMENTS : size_number(c, index, 600);
    const flavour kind = for_timing ? NORMAL : any_flavour(c, index);
    float *x, *y;
    SWG_TRY(add_buffer(c, "x", CHECK_OUT, c->n * 4, &x));
    SWG_TRY(add_buffer(c, "y", CHECK_IN, c->n * 4, &y));
    fill_floats(c, x, c->n, kind, 0x1p120f);
    fill_floats(c, y, c->n, kind, 0x1p120f);
    c->ops = (double)c->n;
    c->bytes = (double)c->n * 12;
    describe(c, kind);
    return SWG_OK;
}

/* rmsnorm and silu_mul. 0: y, which holds x (the gate) when in place, 1: weight (up),
 * 2: x (the gate), absent in place. */
static swg_status generate_binary(swg_check_case *c, size_t index, bool for_timing)
{
    c->n = for_timing ? TIMED_ROW : size_number(c, index, 600);
    const flavour kind = for_timing ? NORMAL : any_flavour(c, index);
    const float large = c->op == SWG_OP_rmsnorm ? 0x1p40f : 120;
    c->in_place = index % 3 == 0;
    c->eps = index % 5 ? 1e-5f : 1e-6f;
    float *y, *weight, *x;
    SWG_TRY(add_buffer(c, "y", CHECK_OUT, c->n * 4, &y));
    SWG_TRY(add_buffer(c, "weight", CHECK_IN, c->n * 4, &weight));
    x = y;
    if (!c->in_place)
        SWG_TRY(add_buffer(c, "x", CHECK_IN, c->n * 4, &x));
    fill_floats(c, x, c->n, kind, large);
    fill_floats(c, weight, c->n, NORMAL, 1);
    c->ops = (double)c->n * 4;
    c->bytes = (double)c->n * 12;
    describe(c, kind);
    return SWG_OK;
}

/* softmax and the activation functions. 0: x. */
static swg_status generate_softmax(swg_check_case *c, size_t index, bool for_timing)
{
    c->n = for_timing ? TIMED_ROW : size_number(c, index, 600);
    const flavour kind = for_timing ? NORMAL : any_flavour(c, index);
    float *x;
    SWG_TRY(add_buffer(c, "x", CHECK_OUT, c->n * 4, &x));
    fill_floats(c, x, c->n, kind, 40);
    c->bytes = (double)c->n * 8;
    describe(c, kind);
    return SWG_OK;
}

/* 0: y, which holds x when in place, 1: weight, 2: bias, 3: x, absent in place. */
static swg_status generate_layernorm(swg_check_case *c, size_t index, bool for_timing)
{
    c->n = for_timing ? TIMED_ROW : size_number(c, index, 600);
    const flavour kind = for_timing ? NORMAL : any_flavour(c, index);
    c->in_place = index % 3 == 0;
    c->eps = index % 5 ? 1e-5f : 1e-12f;
    float *y, *weight, *bias, *x;
    SWG_TRY(add_buffer(c, "y", CHECK_OUT, c->n * 4, &y));
    SWG_TRY(add_buffer(c, "weight", CHECK_IN, c->n * 4, &weight));
    SWG_TRY(add_buffer(c, "bias", CHECK_IN, c->n * 4, &bias));
    x = y;
    if (!c->in_place)
        SWG_TRY(add_buffer(c, "x", CHECK_IN, c->n * 4, &x));
    fill_floats(c, x, c->n, kind, 0x1p40f);
    fill_floats(c, weight, c->n, NORMAL, 1);
    fill_floats(c, bias, c->n, NORMAL, 1);
    c->ops = (double)c->n * 7;
    c->bytes = (double)c->n * 16;
    describe(c, kind);
    return SWG_OK;
}

/* lstm_cell and gru_cell of n units. 0: h, 1: the input's share of the gates, 2: the state's,
 * 3: c (LSTM alone). row_begin is the place of a GRU's update gate. */
static swg_status generate_cell(swg_check_case *c, size_t index, bool for_timing)
{
    const bool is_lstm = c->op == SWG_OP_lstm_cell;
    const size_t n_gates = is_lstm ? 4 : 3;
    c->n = for_timing ? TIMED_ROW : size_number(c, index, 200);
    c->row_begin = index % 2;
    const flavour kind = for_timing ? NORMAL : any_flavour(c, index);
    float *h, *x, *s, *cell;
    SWG_TRY(add_buffer(c, "h", CHECK_OUT, c->n * 4, &h));
    SWG_TRY(add_buffer(c, "x", CHECK_IN, n_gates * c->n * 4, &x));
    SWG_TRY(add_buffer(c, "s", CHECK_IN, n_gates * c->n * 4, &s));
    fill_floats(c, h, c->n, NORMAL, 1);
    fill_floats(c, x, n_gates * c->n, kind, 30);
    fill_floats(c, s, n_gates * c->n, kind, 30);
    if (is_lstm) {
        SWG_TRY(add_buffer(c, "c", CHECK_OUT, c->n * 4, &cell));
        fill_floats(c, cell, c->n, kind, 10);
    }
    c->ops = (double)(n_gates * c->n * 20);
    c->bytes = (double)(2 * (n_gates + 2) * c->n * 4);
    describe(c, kind);
    return SWG_OK;
}

/* 0: x [2 n], 1: cosines [n], 2: sines [n]. */
static swg_status generate_rope(swg_check_case *c, size_t index, bool for_timing)
{
    c->n = for_timing ? 64 : size_number(c, index, 200);
    const flavour kind = for_timing ? NORMAL : any_flavour(c, index);
    float *x, *cosine, *sine;
    SWG_TRY(add_buffer(c, "x", CHECK_OUT, c->n * 8, &x));
    SWG_TRY(add_buffer(c, "cosine", CHECK_IN, c->n * 4, &cosine));
    SWG_TRY(add_buffer(c, "sine", CHECK_IN, c->n * 4, &sine));
    fill_floats(c, x, 2 * c->n, kind, 0x1p100f);
    for (size_t i = 0; i < c->n; i++) {
        const double angle = 100 * swg_rng_uniform(c->rng);
        cosine[i] = (float)cos(angle);
        sine[i] = (float)sin(angle);
    }
    c->ops = (double)c->n * 6;
    c->bytes = (double)c->n * 24;
    describe(c, kind);
    return SWG_OK;
}

/* 0: x [k], 1: codes, 2: scales, 3: sums. */
static swg_status generate_quantize_act(swg_check_case *c, size_t index, bool for_timing)
{
    static const size_t groups[] = {32, 64, 128, 256, 0};
    c->n = for_timing ? TIMED_ROW : size_number(c, index, 1000);
    c->k = c->n;
    c->group = groups[for_timing ? 1 : index % 5];
    c->group = c->group ? c->group : c->k;
    const flavour kind = for_timing ? NORMAL : any_flavour(c, index);
    const size_t n_groups = swg_ceil_div(c->k, c->group);
    float *x, *scales;
    int8_t *codes;
    int32_t *sums;
    SWG_TRY(add_buffer(c, "x", CHECK_IN, c->k * 4, &x));
    SWG_TRY(add_buffer(c, "codes", CHECK_OUT, swg_round_up(c->k, SWG_COLUMN_STEP), &codes));
    SWG_TRY(add_buffer(c, "scales", CHECK_OUT, n_groups * 4, &scales));
    SWG_TRY(add_buffer(c, "sums", CHECK_OUT, n_groups * 4, &sums));
    fill_floats(c, x, c->k, kind, 0x1p120f);
    c->bytes = (double)c->k * 5;
    snprintf(c->text, sizeof c->text, "k %zu, group %zu, %s", c->k, c->group, flavour_names[kind]);
    return SWG_OK;
}

/* --- Weights --- */

static const swg_scheme timed_scheme = {.bits = 4, .dtype = SWG_F16, .group = 64};

static swg_scheme any_scheme(swg_check_case *c, size_t index, bool for_timing)
{
    static const uint32_t groups[] = {32, 64, 128, 256, 0};
    static const swg_dtype types[] = {SWG_F16, SWG_BF16, SWG_F32};
    swg_scheme scheme = timed_scheme;
    if (!for_timing)
        scheme = (swg_scheme){.bits = below(c->rng, 2) ? 8 : 4,
                              .asymmetric = below(c->rng, 2),
                              .dtype = types[below(c->rng, 3)],
                              .group = groups[index % 5]};
    if (c->op == SWG_OP_matmul_w4)
        scheme.bits = 4;
    if (c->op == SWG_OP_matmul_w8)
        scheme.bits = 8;
    if (c->op == SWG_OP_pack_zeros)
        scheme.asymmetric = true;
    return scheme;
}

static void describe_weights(swg_check_case *c, const char *more)
{
    char name[SWG_SCHEME_NAME_BYTES];
    snprintf(c->text, sizeof c->text, "n %zu, k %zu, %s%s", c->w.n, c->w.k,
             swg_scheme_name(c->w.scheme, name), more);
}

/* Random canonical planes of all rows. All bytes of codes are valid; `full` makes them the largest.
 */
static swg_status make_planes(swg_check_case *c, bool full, uint8_t **codes, void **scales,
                              uint8_t **zeros)
{
    const swg_packed *w = &c->w;
    const size_t row_bytes = (w->k * w->scheme.bits + 7) / 8, n_scales = w->n * w->n_groups;
    *codes = swg_arena_calloc(&c->arena, w->n, row_bytes);
    *scales = swg_arena_calloc(&c->arena, n_scales, 4);
    *zeros = swg_arena_calloc(&c->arena, n_scales, 1);
    if (!*codes || !*scales || !*zeros)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < w->n * row_bytes; i++)
        (*codes)[i] = full ? 0xff : (uint8_t)swg_rng_next(c->rng);
    for (size_t i = 0; i < n_scales; i++) {
        const float magnitude = (float)exp(4 * swg_rng_uniform(c->rng) - 6);
        swg_float_store(w->scheme.dtype, *scales, i, below(c->rng, 8) ? magnitude : 0);
        (*zeros)[i] = (uint8_t)(full ? 0 : below(c->rng, (size_t)1 << w->scheme.bits));
    }
    return SWG_OK;
}

/* Packing. 0: panels, 1: the plane's rows. */
static swg_status generate_pack(swg_check_case *c, size_t index, bool for_timing)
{
    const size_t n = for_timing ? 512 : any_edge(c, 65);
    const size_t k = for_timing ? TIMED_ROW : size_number(c, index, 500);
    c->w = swg_packed_layout(any_scheme(c, index, for_timing), n, k);
    uint8_t *panels, *codes, *zeros, *plane;
    void *scales;
    SWG_TRY(make_planes(c, false, &codes, &scales, &zeros));
    c->row_begin = for_timing ? 0 : below(c->rng, c->w.n_panels) * SWG_PANEL_ROWS;
    c->n_rows = n - c->row_begin;
    if (!for_timing && c->n_rows > SWG_PANEL_ROWS && below(c->rng, 2))
        c->n_rows = c->n_rows / SWG_PANEL_ROWS * SWG_PANEL_ROWS;
    size_t row_bytes = (k * c->w.scheme.bits + 7) / 8;
    const void *source = codes;
    if (c->op == SWG_OP_pack_scales) {
        row_bytes = c->w.n_groups * swg_dtype_bits(c->w.scheme.dtype) / 8;
        source = scales;
    } else if (c->op == SWG_OP_pack_zeros) {
        row_bytes = c->w.n_groups;
        source = zeros;
    }
    SWG_TRY(add_buffer(c, "panels", CHECK_OUT, swg_packed_bytes(&c->w), &panels));
    SWG_TRY(add_buffer(c, "plane", CHECK_IN, c->n_rows * row_bytes, &plane));
    memset(panels, 0, swg_packed_bytes(&c->w));
    memcpy(plane, (const uint8_t *)source + c->row_begin * row_bytes, c->n_rows * row_bytes);
    c->bytes = (double)c->n_rows * (double)row_bytes * 2;
    char more[64];
    snprintf(more, sizeof more, ", rows %zu to %zu", c->row_begin, c->row_begin + c->n_rows);
    describe_weights(c, more);
    return SWG_OK;
}

/* Buffer 0: whole packed weights. */
static swg_status add_weights(swg_check_case *c, bool full)
{
    uint8_t *panels, *codes, *zeros;
    void *scales;
    SWG_TRY(make_planes(c, full, &codes, &scales, &zeros));
    SWG_TRY(add_buffer(c, "panels", CHECK_IN, swg_packed_bytes(&c->w), &panels));
    c->w.panels = panels;
    swg_pack_codes__scalar(&c->w, 0, c->w.n, codes);
    swg_pack_scales__scalar(&c->w, 0, c->w.n, scales);
    if (c->w.scheme.asymmetric)
        swg_pack_zeros__scalar(&c->w, 0, c->w.n, zeros);
    return SWG_OK;
}

/* 0: panels, 1: out. */
static swg_status generate_dequantize(swg_check_case *c, size_t index, bool for_timing)
{
    const size_t n = for_timing ? 64 : any_edge(c, 49);
    const size_t k = for_timing ? TIMED_ROW : size_number(c, index, 500);
    c->w = swg_packed_layout(any_scheme(c, index, for_timing), n, k);
    c->row_begin = for_timing ? 0 : below(c->rng, n);
    c->n_rows = for_timing ? n : 1 + below(c->rng, n - c->row_begin);
    float *out;
    SWG_TRY(add_weights(c, false));
    SWG_TRY(add_buffer(c, "out", CHECK_OUT, c->n_rows * k * 4, &out));
    c->ops = (double)(c->n_rows * k) * 2;
    c->bytes = (double)(c->n_rows * k) * (4 + c->w.scheme.bits / 8.0);
    char more[64];
    snprintf(more, sizeof more, ", rows %zu to %zu", c->row_begin, c->row_begin + c->n_rows);
    describe_weights(c, more);
    return SWG_OK;
}

/* Sizes of product `index`: tokens 1 to 20 in turn, panels around the tiles; every 40th the longest
 * whole-row group, with the largest codes, where sums come closest to 32 bits. */
static void product_sizes(swg_check_case *c, size_t index, bool for_timing, size_t *n, size_t *k,
                          bool *full)
{
    if (!for_timing)
        c->m = 1 + index % 20;
    *n = for_timing ? 512 : any_edge(c, 97);
    *k = for_timing ? TIMED_ROW : size_number(c, index / 2, 600);
    *full = !for_timing && index % 8 == 7;
    if (!for_timing && index % 40 == 39) {
        c->m = 1 + index / 40 % 8;
        *n = 2;
        *k = SWG_MAX_GROUP_8BIT;
    }
}

/* 0: panels, 1: activation codes, 2: their scales, 3: their sums, 4: y. */
static swg_status generate_matmul(swg_check_case *c, size_t index, bool for_timing)
{
    size_t n, k;
    bool full;
    product_sizes(c, index, for_timing, &n, &k, &full);
    swg_scheme scheme = any_scheme(c, index, for_timing);
    if (k == SWG_MAX_GROUP_8BIT)
        scheme.group = 0;
    c->w = swg_packed_layout(scheme, n, k);
    SWG_TRY(add_weights(c, full));
    c->stride = swg_round_up(k, 64) + 64 * (index % 2);
    c->panel_begin = for_timing ? 0 : below(c->rng, c->w.n_panels);
    c->panel_end = c->w.n_panels;
    if (!for_timing && c->panel_end - c->panel_begin > 1 && below(c->rng, 3) == 0)
        c->panel_end--;
    c->y_stride = n + index % 3;
    int8_t *codes;
    float *scales, *y;
    int32_t *sums;
    SWG_TRY(add_buffer(c, "codes", CHECK_IN, (c->m - 1) * c->stride + c->w.k_padded, &codes));
    SWG_TRY(add_buffer(c, "scales", CHECK_IN, c->m * c->w.n_groups * 4, &scales));
    SWG_TRY(add_buffer(c, "sums", CHECK_IN, c->m * c->w.n_groups * 4, &sums));
    SWG_TRY(add_buffer(c, "y", CHECK_OUT, ((c->m - 1) * c->y_stride + n) * 4, &y));
    float *x = swg_arena_calloc(&c->arena, k, sizeof *x);
    if (!x)
        return SWG_NO_MEMORY;
    for (size_t t = 0; t < c->m; t++) {
        fill_floats(c, x, k, full ? ZEROS : any_flavour(c, index), 1000);
        for (size_t i = 0; full && i < k; i++)
            x[i] = t % 2 ? 1 : -1;
        swg_quantize_act__scalar(x, k, c->w.group, codes + t * c->stride,
                                 scales + t * c->w.n_groups, sums + t * c->w.n_groups);
    }
    c->ops = 2.0 * (double)c->m * (double)n * (double)k;
    c->bytes = (double)swg_packed_bytes(&c->w);
    char more[96];
    snprintf(more, sizeof more, ", m %zu, panels %zu to %zu%s", c->m, c->panel_begin, c->panel_end,
             full ? ", largest codes" : "");
    describe_weights(c, more);
    return SWG_OK;
}

/* --- Attention --- */

/* Key ranges: all the same, causal, a window, or anything. */
static void key_ranges(swg_check_case *c, size_t index, size_t n_keys)
{
    for (size_t i = 0; i < c->m; i++) {
        c->key_begin[i] = 0;
        c->key_end[i] = (uint32_t)n_keys;
        const size_t causal = n_keys > c->m ? n_keys - c->m + i + 1 : 1 + i * n_keys / c->m;
        if (index % 4 == 1 || index % 4 == 2)
            c->key_end[i] = (uint32_t)(causal < n_keys ? causal : n_keys);
        if (index % 4 == 2)
            c->key_begin[i] = c->key_end[i] > 21 ? c->key_end[i] - 21 : 0;
        if (index % 4 == 3) {
            c->key_begin[i] = (uint32_t)below(c->rng, n_keys);
            c->key_end[i] = c->key_begin[i] + 1 + (uint32_t)below(c->rng, n_keys - c->key_begin[i]);
        }
    }
}

/* Cut the keys into runs: one, or several of different lengths, even of a single key. */
static void key_runs(swg_check_case *c, size_t n_runs)
{
    c->n_runs = n_runs < c->k ? n_runs : c->k;
    c->run_first[0] = 0;
    for (size_t run = 1; run < c->n_runs; run++) { /* every run has a key at least */
        const size_t least = c->run_first[run - 1] + 1, most = c->k - (c->n_runs - run);
        c->run_first[run] = least + below(c->rng, most - least + 1);
    }
    c->run_first[c->n_runs] = c->k;
}

/* 0: out [m][head_dim], holds q when in place, 1: k, 2: v, 3: scratch, 4: q, absent in place.
 * n is head_dim, k the number of keys. */
static swg_status generate_attention(swg_check_case *c, size_t index, bool for_timing)
{
    static const size_t heads[] = {64, 32, 128, 16, 80, 96, 1, 7, 8, 17, 48, 65, 4, 33};
    c->n = for_timing ? 64 : heads[index % (sizeof heads / sizeof *heads)];
    c->k = for_timing ? 512 : size_number(c, index, 200);
    c->m = for_timing ? 16 : 1 + below(c->rng, 13);
    c->stride = c->n + (for_timing ? 0 : 3 * (index % 2));
    c->in_place = index % 3 == 0;
    c->scale = 1 / sqrtf((float)c->n);
    key_ranges(c, for_timing ? 0 : index, c->k);
    key_runs(c, for_timing ? 1 : 1 + index / 2 % SWG_CHECK_RUNS);
    float *out, *k, *v, *scores, *q;
    const size_t kv_bytes = ((c->k - 1) * c->stride + c->n) * 4;
    SWG_TRY(add_buffer(c, "out", CHECK_OUT, c->m * c->n * 4, &out));
    SWG_TRY(add_buffer(c, "k", CHECK_IN, kv_bytes, &k));
    SWG_TRY(add_buffer(c, "v", CHECK_IN, kv_bytes, &v));
    SWG_TRY(add_buffer(c, "scores", CHECK_SCRATCH, 8 * swg_round_up(c->k, 16) * 4, &scores));
    q = out;
    if (!c->in_place)
        SWG_TRY(add_buffer(c, "q", CHECK_IN, c->m * c->n * 4, &q));
    const flavour kind = for_timing ? NORMAL : any_flavour(c, index);
    fill_floats(c, q, c->m * c->n, kind, 20);
    fill_floats(c, k, kv_bytes / 4, NORMAL, 1);
    fill_floats(c, v, kv_bytes / 4, kind == LARGE ? NORMAL : kind, 1000);
    c->ops = 4.0 * (double)c->m * (double)c->n * (double)c->k;
    c->bytes = 2.0 * (double)kv_bytes;
    snprintf(c->text, sizeof c->text,
             "head_dim %zu, %zu queries, %zu keys, runs %zu, ranges %zu, %s%s", c->n, c->m, c->k,
             c->n_runs, index % 4, flavour_names[kind], c->in_place ? ", in place" : "");
    return SWG_OK;
}

swg_status swg_check_generate(swg_check_case *c, size_t index, bool for_timing)
{
    switch (c->op) {
    case SWG_OP_pack_codes:
    case SWG_OP_pack_scales:
    case SWG_OP_pack_zeros:
        return generate_pack(c, index, for_timing);
    case SWG_OP_dequantize:
        return generate_dequantize(c, index, for_timing);
    case SWG_OP_quantize_act:
        return generate_quantize_act(c, index, for_timing);
    case SWG_OP_matmul_w4:
    case SWG_OP_matmul_w8:
        return generate_matmul(c, index, for_timing);
    case SWG_OP_f16_to_f32:
    case SWG_OP_bf16_to_f32:
        return generate_conversion(c, index, for_timing);
    case SWG_OP_add:
        return generate_add(c, index, for_timing);
    case SWG_OP_rmsnorm:
    case SWG_OP_silu_mul:
        return generate_binary(c, index, for_timing);
    case SWG_OP_layernorm:
        return generate_layernorm(c, index, for_timing);
    case SWG_OP_lstm_cell:
    case SWG_OP_gru_cell:
        return generate_cell(c, index, for_timing);
    case SWG_OP_gelu:
    case SWG_OP_gelu_tanh:
    case SWG_OP_tanh:
    case SWG_OP_softmax:
        return generate_softmax(c, index, for_timing);
    case SWG_OP_rope_half:
    case SWG_OP_rope_interleaved:
        return generate_rope(c, index, for_timing);
    case SWG_OP_attention:
        return generate_attention(c, index, for_timing);
    case SWG_OP_COUNT:
        break;
    }
    return swg_error(SWG_UNSUPPORTED, "operation %d has no inputs to check it with", (int)c->op);
}

static void invoke_matmul(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    swg_packed w = c->w;
    w.panels = at[0];
    const swg_act x = {.m = c->m,
                       .k = w.k,
                       .group = w.group,
                       .n_groups = w.n_groups,
                       .stride = c->stride,
                       .codes = at[1],
                       .scales = at[2],
                       .sums = at[3]};
    (c->op == SWG_OP_matmul_w4 ? kernels->matmul_w4 : kernels->matmul_w8)(
        &w, c->panel_begin, c->panel_end, &x, at[4], c->y_stride);
}

static void invoke_attention(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    float *out[SWG_CHECK_QUERIES];
    const float *q[SWG_CHECK_QUERIES];
    for (size_t i = 0; i < c->m; i++) {
        out[i] = (float *)at[0] + i * c->n;
        q[i] = c->in_place ? out[i] : (const float *)at[4] + i * c->n;
    }
    swg_kv_run runs[SWG_CHECK_RUNS];
    for (size_t run = 0; run < c->n_runs; run++) {
        const size_t first = c->run_first[run];
        const size_t offset = swg_check_key_place(c, first) * c->stride;
        runs[run] = (swg_kv_run){.k = (const float *)at[1] + offset,
                                 .v = (const float *)at[2] + offset,
                                 .n = c->run_first[run + 1] - first};
    }
    const swg_attention a = {.n_queries = c->m,
                             .head_dim = c->n,
                             .q = q,
                             .out = out,
                             .key_begin = c->key_begin,
                             .key_end = c->key_end,
                             .runs = runs,
                             .n_runs = c->n_runs,
                             .kv_stride = c->stride,
                             .scale = c->scale,
                             .scores = at[3],
                             .scores_stride = swg_round_up(c->k, 16)};
    kernels->attention(&a);
}

void swg_check_invoke(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    swg_packed w = c->w;
    w.panels = at[0];
    const void *first = c->in_place ? at[0] : at[2];
    switch (c->op) {
    case SWG_OP_pack_codes:
        kernels->pack_codes(&w, c->row_begin, c->n_rows, at[1]);
        break;
    case SWG_OP_pack_scales:
        kernels->pack_scales(&w, c->row_begin, c->n_rows, at[1]);
        break;
    case SWG_OP_pack_zeros:
        kernels->pack_zeros(&w, c->row_begin, c->n_rows, at[1]);
        break;
    case SWG_OP_dequantize:
        kernels->dequantize(&w, c->row_begin, c->n_rows, at[1]);
        break;
    case SWG_OP_quantize_act:
        kernels->quantize_act(at[0], c->k, c->group, at[1], at[2], at[3]);
        break;
    case SWG_OP_matmul_w4:
    case SWG_OP_matmul_w8:
        invoke_matmul(c, kernels, at);
        break;
    case SWG_OP_f16_to_f32:
        kernels->f16_to_f32(at[0], c->n, at[1]);
        break;
    case SWG_OP_bf16_to_f32:
        kernels->bf16_to_f32(at[0], c->n, at[1]);
        break;
    case SWG_OP_add:
        kernels->add(at[0], at[1], c->n);
        break;
    case SWG_OP_rmsnorm:
        kernels->rmsnorm(first, at[1], c->n, c->eps, at[0]);
        break;
    case SWG_OP_softmax:
        kernels->softmax(at[0], c->n);
        break;
    case SWG_OP_rope_half:
        kernels->rope_half(at[0], at[1], at[2], c->n);
        break;
    case SWG_OP_rope_interleaved:
        kernels->rope_interleaved(at[0], at[1], at[2], c->n);
        break;
    case SWG_OP_silu_mul:
        kernels->silu_mul(first, at[1], c->n, at[0]);
        break;
    case SWG_OP_layernorm:
        kernels->layernorm(c->in_place ? at[0] : at[3], at[1], at[2], c->n, c->eps, at[0]);
        break;
    case SWG_OP_gelu:
        kernels->gelu(at[0], c->n);
        break;
    case SWG_OP_gelu_tanh:
        kernels->gelu_tanh(at[0], c->n);
        break;
    case SWG_OP_tanh:
        kernels->tanh(at[0], c->n);
        break;
    case SWG_OP_lstm_cell:
        kernels->lstm_cell(at[1], at[2], c->n, at[3], at[0]);
        break;
    case SWG_OP_gru_cell:
        kernels->gru_cell(at[1], at[2], c->n, c->row_begin, 1 - c->row_begin, at[0]);
        break;
    case SWG_OP_attention:
        invoke_attention(c, kernels, at);
        break;
    case SWG_OP_COUNT:
        break;
    }
}
