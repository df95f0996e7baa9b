/* pack_codes, pack_scales, pack_zeros and dequantize: planes into panels and panels into floats. */
#include "kernels/check/case_weights.h"
#include "runtime/base/numeric.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Packing. 0: panels, 1: the plane's rows. */
static swg_status generate_pack(swg_check_case *c, size_t index, bool for_timing)
{
    const size_t n = for_timing ? 512 : swg_check_edge(c, 65);
    const size_t k = for_timing ? CHECK_TIMED_ROW : swg_check_size(c, index, 500);
    c->w = swg_packed_layout(swg_check_any_scheme(c, index, for_timing), n, k);
    uint8_t *panels, *plane;
    swg_check_planes planes;
    SWG_TRY(swg_check_make_planes(c, false, &planes));
    c->row_begin = for_timing ? 0 : swg_check_below(c->rng, c->w.n_panels) * SWG_PANEL_ROWS;
    c->n_rows = n - c->row_begin;
    if (!for_timing && c->n_rows > SWG_PANEL_ROWS && swg_check_below(c->rng, 2))
        c->n_rows = c->n_rows / SWG_PANEL_ROWS * SWG_PANEL_ROWS;
    size_t row_bytes = c->w.code_row_bytes;
    const void *source = planes.codes;
    if (c->op == SWG_OP_pack_scales) {
        row_bytes = c->w.n_groups * swg_dtype_bits(c->w.scheme.scale_type) / 8;
        source = planes.scales;
    } else if (c->op == SWG_OP_pack_row_scales) {
        row_bytes = sizeof(uint16_t);
        source = planes.row_scales;
    } else if (c->op == SWG_OP_pack_zeros) {
        row_bytes = c->w.n_groups;
        source = planes.zeros;
    }
    SWG_TRY(swg_check_add_buffer(c, "panels", CHECK_OUT, swg_packed_bytes(&c->w), &panels));
    SWG_TRY(swg_check_add_buffer(c, "plane", CHECK_IN, c->n_rows * row_bytes, &plane));
    memset(panels, 0, swg_packed_bytes(&c->w));
    memcpy(plane, (const uint8_t *)source + c->row_begin * row_bytes, c->n_rows * row_bytes);
    c->bytes = (double)c->n_rows * (double)row_bytes * 2;
    char more[64];
    snprintf(more, sizeof more, ", rows %zu to %zu", c->row_begin, c->row_begin + c->n_rows);
    swg_check_describe_weights(c, more);
    return SWG_OK;
}

static void invoke_pack_codes(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    swg_packed w = c->w;
    w.panels = at[0];
    kernels->pack_codes(&w, c->row_begin, c->n_rows, at[1]);
}

static void invoke_pack_scales(const swg_check_case *c, const swg_kernels *kernels,
                               void *const at[])
{
    swg_packed w = c->w;
    w.panels = at[0];
    kernels->pack_scales(&w, c->row_begin, c->n_rows, at[1]);
}

static void invoke_pack_row_scales(const swg_check_case *c, const swg_kernels *kernels,
                                   void *const at[])
{
    swg_packed w = c->w;
    w.panels = at[0];
    kernels->pack_row_scales(&w, c->row_begin, c->n_rows, at[1]);
}

static void invoke_pack_zeros(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    swg_packed w = c->w;
    w.panels = at[0];
    kernels->pack_zeros(&w, c->row_begin, c->n_rows, at[1]);
}

static bool check_pack(const swg_check_case *c, void *const at[], char *failure)
{
    const uint8_t *panels = at[0];
    const swg_packed *w = &c->w;
    const uint8_t *plane = swg_check_initial(c, 1);
    const size_t row_bytes = (w->k * w->scheme.bits + 7) / 8;
    const size_t columns = c->op == SWG_OP_pack_codes        ? w->k_padded
                           : c->op == SWG_OP_pack_row_scales ? 1
                                                             : w->n_groups;
    for (size_t i = 0; i < c->n_rows; i++)
        for (size_t j = 0; j < columns; j++) {
            const size_t row = c->row_begin + i, number = i * w->n_groups + j;
            double got, wanted = 0;
            if (c->op == SWG_OP_pack_row_scales) {
                got = swg_check_panel_row_scale(w, panels, row);
                wanted = swg_float_load(SWG_BF16, plane, i);
            } else if (c->op == SWG_OP_pack_scales) {
                got = swg_check_panel_own_scale(w, panels, row, j);
                wanted = swg_scale_load(w->scheme, plane, number, 1);
            } else if (c->op == SWG_OP_pack_zeros) {
                got = swg_check_panel_zero(w, panels, row, j);
                wanted = plane[number];
            } else {
                got = swg_check_panel_code(w, panels, row, j);
                for (size_t b = 0; b < w->scheme.bits && j < w->k; b++) {
                    const size_t bit = j * w->scheme.bits + b;
                    wanted += (plane[i * row_bytes + bit / 8] >> bit % 8 & 1) << b;
                }
            }
            if (!swg_check_near(got, wanted, 0, "panels: row x columns", i * columns + j, failure))
                return false;
        }
    return true;
}

/* 0: panels, 1: out. */
static swg_status generate_dequantize(swg_check_case *c, size_t index, bool for_timing)
{
    const size_t n = for_timing ? 64 : swg_check_edge(c, 49);
    const size_t k = for_timing ? CHECK_TIMED_ROW : swg_check_size(c, index, 500);
    c->w = swg_packed_layout(swg_check_any_scheme(c, index, for_timing), n, k);
    c->row_begin = for_timing ? 0 : swg_check_below(c->rng, n);
    c->n_rows = for_timing ? n : 1 + swg_check_below(c->rng, n - c->row_begin);
    float *out;
    SWG_TRY(swg_check_add_weights(c, false));
    SWG_TRY(swg_check_add_buffer(c, "out", CHECK_OUT, c->n_rows * k * 4, &out));
    c->ops = (double)(c->n_rows * k) * 2;
    c->bytes = (double)(c->n_rows * k) * (4 + c->w.scheme.bits / 8.0);
    char more[64];
    snprintf(more, sizeof more, ", rows %zu to %zu", c->row_begin, c->row_begin + c->n_rows);
    swg_check_describe_weights(c, more);
    return SWG_OK;
}

static void invoke_dequantize(const swg_check_case *c, const swg_kernels *kernels, void *const at[])
{
    swg_packed w = c->w;
    w.panels = at[0];
    kernels->dequantize(&w, c->row_begin, c->n_rows, at[1]);
}

static bool check_dequantize(const swg_check_case *c, void *const at[], char *failure)
{
    const float *out = at[1];
    const swg_packed *w = &c->w;
    const uint8_t *panels = swg_check_initial(c, 0);
    for (size_t i = 0; i < c->n_rows; i++)
        for (size_t j = 0; j < w->k; j++) {
            const size_t row = c->row_begin + i, g = j / w->group;
            const double wanted = (swg_check_panel_number(w, panels, row, j) -
                                   swg_check_panel_zero(w, panels, row, g)) *
                                  swg_check_panel_scale(w, panels, row, g);
            if (!swg_check_near(out[i * w->k + j], wanted, CHECK_EPS * fabs(wanted), "out",
                                i * w->k + j, failure))
                return false;
        }
    return true;
}

const swg_op_check swg_check__pack_codes = {generate_pack, invoke_pack_codes, check_pack};
const swg_op_check swg_check__pack_scales = {generate_pack, invoke_pack_scales, check_pack};
const swg_op_check swg_check__pack_row_scales = {generate_pack, invoke_pack_row_scales, check_pack};
const swg_op_check swg_check__pack_zeros = {generate_pack, invoke_pack_zeros, check_pack};
const swg_op_check swg_check__dequantize = {generate_dequantize, invoke_dequantize,
                                            check_dequantize};
