/* One token times a sparse panel, for vector sets that provide v16i_sparse_step (the codes of a
 * step as a vector, those that are not stored being the zero points): the panel is expanded in
 * registers, and each vector of codes multiplied at once. Sums are those of the dense products
 * (matmul_body.h). Exactness: same bytes. */

/* Scales of group g as floats. */
V16_INLINE v16 sparse_scales(const swg_sparse_panels *s, const uint8_t *panel, size_t g)
{
    const swg_packed *w = &s->dense;
    const uint8_t *scales = panel + s->scales_offset + g * SWG_PANEL_ROWS * w->scale_bytes;
    if (w->scheme.scale_type == SWG_F16)
        return v16_from_f16(scales);
    if (w->scheme.scale_type == SWG_BF16)
        return v16_from_bf16(scales);
    return v16_load((const float *)scales);
}

/* `bits` and `by_column` are constants in every caller. */
SPARSE_INLINE void matvec(const swg_sparse_panels *s, const uint8_t *panel, const swg_act *x,
                          size_t n_rows, float *y, const unsigned bits, const bool by_column)
{
    const swg_packed *w = &s->dense;
    const uint8_t *codes = panel + s->codes_offset;
    v16 total = v16_set1(0);
    for (size_t g = 0; g < w->n_groups; g++) {
        const size_t end = g + 1 < w->n_groups ? (g + 1) * w->group : w->k_padded;
        const sparse_zeros zeros = sparse_group_zeros(s, panel, g);
        const v16i zero_points = w->scheme.asymmetric
                                     ? v16i_from_u8(panel + s->zeros_offset + g * SWG_PANEL_ROWS)
                                     : v16i_set1(w->symmetric_zero);
        const v16i correction = v16i_sub(v16i_set1(v16i_code_bias(bits)), zero_points);
        v16i acc = v16i_mul(correction, v16i_set1(x->sums[g]));
        for (size_t c = g * w->group; c < end;) {
            const size_t stop = end - c > V16_CHUNK_COLUMNS ? c + V16_CHUNK_COLUMNS : end;
            /* Two sums: the latency of one would bound the loop. */
            const v16i none = v16i_set1(0);
            v16i even = v16i_dot_begin(acc, bits), odd = v16i_dot_begin(none, bits);
            for (; c < stop; c += SWG_COLUMN_STEP) {
                __builtin_prefetch(codes + STREAM_AHEAD);
                if (!by_column)
                    __builtin_prefetch(panel + c * 2 + STREAM_AHEAD);
                const v16i first =
                    v16i_sparse_step(step_mask(panel, c, by_column), &zeros, bits, &codes);
                even = v16i_dot_step(even, first, v16i_repeat4(x->codes + c), bits);
                const size_t next = c + SWG_STEP_COLUMNS;
                const v16i second =
                    v16i_sparse_step(step_mask(panel, next, by_column), &zeros, bits, &codes);
                odd = v16i_dot_step(odd, second, v16i_repeat4(x->codes + next), bits);
            }
            acc = v16i_add(v16i_dot_end(acc, even, bits), v16i_dot_end(none, odd, bits));
        }
        total = v16_fma(sparse_scales(s, panel, g),
                        v16_mul(v16_from_i32(acc), v16_set1(x->scales[g])), total);
    }
    v16_store_n(y, total, n_rows);
}

SPARSE_TARGET void SWG_VARIANT(matvec_sparse)(const swg_sparse_panels *s, const uint8_t *panel,
                                              const swg_act *x, size_t n_rows, float *y)
{
    if (s->dense.panel_bits == 8 && s->by_column)
        matvec(s, panel, x, n_rows, y, 8, true);
    else if (s->dense.panel_bits == 8)
        matvec(s, panel, x, n_rows, y, 8, false);
    else if (s->by_column)
        matvec(s, panel, x, n_rows, y, 4, true);
    else
        matvec(s, panel, x, n_rows, y, 4, false);
}
