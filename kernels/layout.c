/* Sizes and offsets of the packed weight panels: see kernels.h. */
#include "kernels/kernels.h"

#include "runtime/base/mem.h"

swg_packed swg_packed_layout(swg_scheme scheme, size_t n, size_t k)
{
    swg_packed w = {.scheme = scheme, .n = n, .k = k};
    w.k_padded = swg_round_up(k, SWG_COLUMN_STEP);
    w.group = swg_scheme_group_length(scheme, k);
    w.n_groups = swg_scheme_groups(scheme, k);
    w.n_panels = swg_ceil_div(n, SWG_PANEL_ROWS);
    w.scale_bytes = swg_dtype_bits(scheme.scale_type) / 8;
    const size_t code_bytes = SWG_PANEL_ROWS * w.k_padded * scheme.bits / 8;
    const size_t scale_plane = SWG_PANEL_ROWS * w.n_groups * w.scale_bytes;
    const size_t zero_plane = scheme.asymmetric ? SWG_PANEL_ROWS * w.n_groups : 0;
    w.scales_offset = swg_round_up(code_bytes, SWG_ALIGNMENT);
    w.zeros_offset = swg_round_up(w.scales_offset + scale_plane, SWG_ALIGNMENT);
    w.panel_bytes = swg_round_up(w.zeros_offset + zero_plane, SWG_ALIGNMENT);
    return w;
}

size_t swg_packed_bytes(const swg_packed *w)
{
    return w->n_panels * w->panel_bytes;
}
