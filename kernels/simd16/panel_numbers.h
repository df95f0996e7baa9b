/* What is in a panel (kernels.h), as vectors of its 16 rows: included after simd16 primitives. */
#ifndef SWG_KERNELS_SIMD16_PANEL_NUMBERS_H
#define SWG_KERNELS_SIMD16_PANEL_NUMBERS_H

#include "kernels/kernels.h"

/* Bits of a code in the panel, and of the number that is multiplied. */
V16_INLINE unsigned code_bits(const swg_layout layout)
{
    return layout == SWG_LAYOUT_w8 ? 8 : 4;
}

V16_INLINE unsigned number_bits(const swg_layout layout)
{
    return layout == SWG_LAYOUT_w4 ? 4 : 8;
}

/* Scales of a group of a panel as floats. */
V16_INLINE v16 group_scales(const swg_packed *w, const uint8_t *panel, const uint8_t *scales)
{
    if (w->scheme.scale_type == SWG_F16)
        return v16_from_f16(scales);
    if (w->scheme.scale_type == SWG_BF16)
        return v16_from_bf16(scales);
    if (w->scheme.scale_type == SWG_I8)
        return v16_mul(v16_from_i32(v16i_from_i8((const int8_t *)scales)),
                       v16_load((const float *)(panel + w->row_scales_offset)));
    return v16_load((const float *)scales);
}

/* (bias - zero) of a group, the factor of the sum of the activations. */
V16_INLINE v16i group_correction(const swg_packed *w, const uint8_t *zeros, const swg_layout layout)
{
    const v16i zero_points =
        w->scheme.asymmetric ? v16i_from_u8(zeros) : v16i_set1(w->symmetric_zero);
    return v16i_sub(v16i_set1(v16i_code_bias(number_bits(layout))), zero_points);
}

/* The numbers of columns c + 4 * half + (0 .. 3): the codes, or what they mean. */
V16_INLINE v16i half_numbers(const uint8_t *codes_at, size_t c, int half, v16i codebook,
                             const swg_layout layout)
{
    if (layout == SWG_LAYOUT_w8)
        return v16i_load(codes_at + (c + 4 * (size_t)half) * SWG_PANEL_ROWS);
    const v16i both = v16i_load(codes_at + c * (SWG_PANEL_ROWS / 2));
    const v16i codes = v16i_and(half ? v16i_shift_right(both, 4) : both, v16i_set1(0x0f0f0f0f));
    return layout == SWG_LAYOUT_c4 ? v16i_look_up(codebook, codes) : codes;
}

#endif
