/* One token times a sparse panel, for vector sets that provide v16i_sparse_step (the codes of a
 * step as a vector, those that are not stored being the zero points): the panel is expanded in
 * registers, and each vector of codes multiplied at once. Memory and the expansion keep pace with
 * each other, so everything else is kept out of the loop: pointers walk, four steps are unrolled,
 * and what differs between schemes is a constant. Sums are those of the dense products
 * (matmul_body.h). Exactness: same bytes. */

typedef struct sparse_place {
    swg_sparse_walk walk;         /* its masks are those of the next columns */
    const int8_t *a;              /* the activation of the next column */
    const int8_t *span_end, *end; /* the activations after the span's, after all */
} sparse_place;

/* A group's 16 scales as floats. */
V16_INLINE v16 sparse_scales(const uint8_t *scales, swg_dtype type)
{
    if (type == SWG_F16)
        return v16_from_f16(scales);
    if (type == SWG_BF16)
        return v16_from_bf16(scales);
    return v16_load((const float *)scales);
}

/* The next span; its masks are prefetched here, codes where they are used. */
SPARSE_INLINE void next_span(sparse_place *at, const bool by_column)
{
    const size_t left = (size_t)(at->end - at->a);
    const size_t columns = left < SWG_SPAN_COLUMNS ? left : SWG_SPAN_COLUMNS;
    swg_sparse_walk_span(&at->walk, columns, by_column);
    at->span_end = at->a + columns;
    __builtin_prefetch(at->walk.masks + STREAM_AHEAD);
    if (!by_column)
        __builtin_prefetch(at->walk.masks + STREAM_AHEAD + SWG_ALIGNMENT);
}

/* Eight columns: add the products of their two steps to even and odd. */
SPARSE_INLINE void walk_columns(sparse_place *at, const sparse_zeros *zeros, v16i *even, v16i *odd,
                                const unsigned bits, const bool by_column)
{
    swg_sparse_walk *walk = &at->walk;
    __builtin_prefetch(walk->codes + STREAM_AHEAD);
    if (bits == 8)
        __builtin_prefetch(walk->codes + STREAM_AHEAD + SWG_ALIGNMENT);
    const uint64_t first = swg_sparse_span_mask(walk->masks, 0, by_column);
    const v16i low = v16i_sparse_step(first, zeros, bits, &walk->codes);
    *even = v16i_dot_step(*even, low, v16i_repeat4(at->a), bits);
    const uint64_t second = swg_sparse_span_mask(walk->masks, SWG_STEP_COLUMNS, by_column);
    const v16i high = v16i_sparse_step(second, zeros, bits, &walk->codes);
    *odd = v16i_dot_step(*odd, high, v16i_repeat4(at->a + SWG_STEP_COLUMNS), bits);
    walk->masks += swg_sparse_mask_bytes(SWG_COLUMN_STEP, by_column);
    at->a += SWG_COLUMN_STEP;
}

/* The products of a group's codes with the activations up to `end`, added to acc. */
SPARSE_INLINE v16i walk_group(sparse_place *at, const int8_t *end, const sparse_zeros *zeros,
                              v16i acc, const unsigned bits, const bool by_column)
{
    const v16i none = v16i_set1(0);
    while (at->a < end) {
        if (at->a == at->span_end)
            next_span(at, by_column);
        const int8_t *stop = at->span_end < end ? at->span_end : end;
        if ((size_t)(stop - at->a) > V16_CHUNK_COLUMNS)
            stop = at->a + V16_CHUNK_COLUMNS;
        /* Two sums: the latency of one would bound the loop. */
        v16i even = v16i_dot_begin(acc, bits), odd = v16i_dot_begin(none, bits);
        while (stop - at->a >= 2 * SWG_COLUMN_STEP) {
            walk_columns(at, zeros, &even, &odd, bits, by_column);
            walk_columns(at, zeros, &even, &odd, bits, by_column);
        }
        if (at->a < stop)
            walk_columns(at, zeros, &even, &odd, bits, by_column);
        acc = v16i_add(v16i_dot_end(acc, even, bits), v16i_dot_end(none, odd, bits));
    }
    return acc;
}

/* The last three arguments are constants in every caller. */
SPARSE_INLINE void matvec(const swg_sparse_panels *s, const uint8_t *panel, const swg_act *x,
                          size_t n_rows, float *y, const unsigned bits, const bool by_column,
                          const bool asymmetric)
{
    const swg_packed *w = &s->dense;
    const size_t scales_bytes = SWG_PANEL_ROWS * w->scale_bytes, group = w->group;
    const swg_dtype type = w->scheme.scale_type;
    const uint8_t *scales = panel + s->scales_offset, *row_zeros = panel + s->zeros_offset;
    const float *x_scale = x->scales;
    const int32_t *x_sum = x->sums;
    sparse_place at = {.walk = swg_sparse_walk_begin(s, panel),
                       .a = x->codes,
                       .span_end = x->codes,
                       .end = x->codes + w->k_padded};
    sparse_zeros zeros = sparse_zeros_of(w->symmetric_zero);
    v16i zero_points = v16i_set1(w->symmetric_zero);
    v16 total = v16_set1(0);
    for (size_t g = w->n_groups; g > 0; g--) {
        if (asymmetric) {
            zeros = sparse_group_zeros(row_zeros);
            zero_points = v16i_from_u8(row_zeros);
            row_zeros += SWG_PANEL_ROWS;
        }
        const v16i correction = v16i_sub(v16i_set1(v16i_code_bias(bits)), zero_points);
        const v16i begin = v16i_mul(correction, v16i_set1(*x_sum++));
        const v16i acc =
            walk_group(&at, g > 1 ? at.a + group : at.end, &zeros, begin, bits, by_column);
        __builtin_prefetch(scales + STREAM_AHEAD);
        total = v16_fma(sparse_scales(scales, type),
                        v16_mul(v16_from_i32(acc), v16_set1(*x_scale++)), total);
        scales += scales_bytes;
    }
    v16_store_n(y, total, n_rows);
}

SPARSE_TARGET void SWG_VARIANT(matvec_sparse)(const swg_sparse_panels *s, const uint8_t *panel,
                                              const swg_act *x, size_t n_rows, float *y)
{
    const unsigned kind = (s->dense.panel_bits == 8 ? 4 : 0) + (s->by_column ? 2 : 0) +
                          (s->dense.scheme.asymmetric ? 1 : 0);
    switch (kind) {
#define SPARSE_KIND(kind, bits, by_column, asymmetric)                                             \
    case kind:                                                                                     \
        matvec(s, panel, x, n_rows, y, bits, by_column, asymmetric);                               \
        break;
        SPARSE_KIND(0, 4, false, false)
        SPARSE_KIND(1, 4, false, true)
        SPARSE_KIND(2, 4, true, false)
        SPARSE_KIND(3, 4, true, true)
        SPARSE_KIND(4, 8, false, false)
        SPARSE_KIND(5, 8, false, true)
        SPARSE_KIND(6, 8, true, false)
        SPARSE_KIND(7, 8, true, true)
#undef SPARSE_KIND
    }
}
