/* The panel layout of a scheme, and its sizes and offsets: see kernels.h. */
#include "kernels/kernels.h"

#include "runtime/base/codes.h"
#include "runtime/base/mem.h"
#include "runtime/base/weight_format.h"

static const struct {
    unsigned bits, number_bits;
    size_t longest_group;
} layouts[SWG_LAYOUT_COUNT] = {
#define SWG_LAYOUT(name, bits, number_bits, longest_group) {bits, number_bits, longest_group},
#include "kernels/layouts.def"
#undef SWG_LAYOUT
};

swg_layout swg_layout_of(swg_scheme scheme)
{
    const bool is_looked_up = swg_scheme_has_codebook(scheme);
    if (!is_looked_up && !swg_weight_format_of(scheme)->is_integer)
        return SWG_LAYOUT_COUNT;
    for (int i = 0; i < SWG_LAYOUT_COUNT; i++)
        if (scheme.bits <= layouts[i].bits &&
            is_looked_up == (layouts[i].number_bits > layouts[i].bits))
            return (swg_layout)i;
    return SWG_LAYOUT_COUNT;
}

size_t swg_layout_longest_group(swg_layout layout)
{
    return layouts[layout].longest_group;
}

swg_matmul *swg_kernels_matmul(const swg_kernels *kernels, swg_layout layout)
{
    switch (layout) {
#define SWG_LAYOUT(name, bits, number_bits, longest_group)                                         \
    case SWG_LAYOUT_##name:                                                                        \
        return kernels->matmul_##name;
#include "kernels/layouts.def"
#undef SWG_LAYOUT
    case SWG_LAYOUT_COUNT:
        break;
    }
    return NULL;
}

/* Bytes of the scales and zeros of a block of n groups. */
static size_t extra_bytes(const swg_packed *w, size_t n)
{
    const size_t scales = SWG_PANEL_ROWS * n * w->scale_bytes;
    const size_t zeros = w->scheme.asymmetric ? SWG_PANEL_ROWS * n : 0;
    return swg_round_up(scales, SWG_ALIGNMENT) + swg_round_up(zeros, SWG_ALIGNMENT);
}

/* The fewest groups, as a power of two, whose scales and zeros are whole lines. */
static unsigned block_shift(const swg_packed *w)
{
    const size_t least = w->scheme.asymmetric ? 1 : w->scale_bytes;
    return least == 1 ? 2 : least == 2 ? 1 : 0;
}

swg_packed swg_packed_layout(swg_scheme scheme, size_t n, size_t k)
{
    swg_packed w = {.scheme = scheme, .layout = swg_layout_of(scheme), .n = n, .k = k};
    w.panel_bits = layouts[w.layout].bits;
    w.symmetric_zero = w.panel_bits < layouts[w.layout].number_bits
                           ? SWG_CODEBOOK_ZERO
                           : (int32_t)swg_scheme_symmetric_zero(scheme);
    w.code_row_bytes = swg_codes_bytes(scheme.bits, k);
    w.k_padded = swg_round_up(k, SWG_COLUMN_STEP);
    w.group = swg_scheme_group_length(scheme, k);
    w.n_groups = swg_scheme_groups(scheme, k);
    w.n_panels = swg_ceil_div(n, SWG_PANEL_ROWS);
    w.scale_bytes = swg_dtype_bits(scheme.scale_type) / 8;
    w.column_bytes = SWG_PANEL_ROWS * w.panel_bits / 8;
    w.block_shift = block_shift(&w);
    w.block_extra = extra_bytes(&w, (size_t)1 << w.block_shift);
    const size_t last_groups = w.n_groups & (((size_t)1 << w.block_shift) - 1);
    w.row_scales_offset = w.k_padded * w.column_bytes + swg_packed_codes_at(&w, w.n_groups) +
                          extra_bytes(&w, last_groups);
    w.panel_bytes =
        w.row_scales_offset +
        (swg_scheme_has_row_scales(scheme) ? SWG_PANEL_ROWS * sizeof(float) : 0); /* 64 bytes */
    return w;
}

size_t swg_packed_bytes(const swg_packed *w)
{
    return w->n_panels * w->panel_bytes;
}
