/* Few tokens times a sparse panel, for vector sets that provide v16i_sparse_step (the codes of a
 * step as a vector, those that are not stored being the zero points): the panel is expanded in
 * registers, and each vector of codes multiplied at once. Memory and the expansion keep pace with
 * each other, so everything else is kept out of the loop: pointers walk, four steps are unrolled,
 * and what differs between schemes is a constant. Sums are those of the dense products
 * (matmul_body.h). Exactness: same bytes. */

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

typedef struct sparse_place {
    swg_sparse_walk walk;         /* its masks are those of the next columns */
    const int8_t *a;              /* the first token's activation of the next column */
    size_t stride;                /* from one token's to the next */
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

/* The codes of a step times the activations of each token, which begin `column` columns on. */
SPARSE_INLINE void dot_tokens(const sparse_place *at, v16i codes, size_t column,
                              v16i sums[SWG_SPARSE_TOKENS], const unsigned bits, const int n_tokens)
{
    UNROLL for (int t = 0; t < n_tokens; t++) sums[t] =
        v16i_dot_step(sums[t], codes, v16i_repeat4(at->a + (size_t)t * at->stride + column), bits);
}

/* Whether every token has two sums, for even and odd steps: the latency of one would bound the
 * loop. More tokens hide it from each other. */
SPARSE_INLINE bool has_two_sums(const int n_tokens)
{
    return n_tokens < 4;
}

/* Eight columns: add the products of their two steps to even and, where there are two sums, odd. */
SPARSE_INLINE void walk_columns(sparse_place *at, const sparse_zeros *zeros,
                                v16i even[SWG_SPARSE_TOKENS], v16i odd[SWG_SPARSE_TOKENS],
                                const unsigned bits, const bool by_column, const int n_tokens)
{
    swg_sparse_walk *walk = &at->walk;
    __builtin_prefetch(walk->codes + STREAM_AHEAD);
    if (bits == 8)
        __builtin_prefetch(walk->codes + STREAM_AHEAD + SWG_ALIGNMENT);
    const uint64_t first = swg_sparse_span_mask(walk->masks, 0, by_column);
    dot_tokens(at, v16i_sparse_step(first, zeros, bits, &walk->codes), 0, even, bits, n_tokens);
    const uint64_t second = swg_sparse_span_mask(walk->masks, SWG_STEP_COLUMNS, by_column);
    dot_tokens(at, v16i_sparse_step(second, zeros, bits, &walk->codes), SWG_STEP_COLUMNS,
               has_two_sums(n_tokens) ? odd : even, bits, n_tokens);
    walk->masks += swg_sparse_mask_bytes(SWG_COLUMN_STEP, by_column);
    at->a += SWG_COLUMN_STEP;
}

/* The products of a group's codes with the activations up to `end` (of the first token), added to
 * acc. */
SPARSE_INLINE void walk_group(sparse_place *at, const int8_t *end, const sparse_zeros *zeros,
                              v16i acc[SWG_SPARSE_TOKENS], const unsigned bits,
                              const bool by_column, const int n_tokens)
{
    const v16i none = v16i_set1(0);
    while (at->a < end) {
        if (at->a == at->span_end)
            next_span(at, by_column);
        const int8_t *stop = at->span_end < end ? at->span_end : end;
        if ((size_t)(stop - at->a) > V16_CHUNK_COLUMNS)
            stop = at->a + V16_CHUNK_COLUMNS;
        v16i even[SWG_SPARSE_TOKENS], odd[SWG_SPARSE_TOKENS];
        UNROLL for (int t = 0; t < n_tokens; t++)
        {
            even[t] = v16i_dot_begin(acc[t], bits);
            odd[t] = v16i_dot_begin(none, bits);
        }
        while (stop - at->a >= 2 * SWG_COLUMN_STEP) {
            walk_columns(at, zeros, even, odd, bits, by_column, n_tokens);
            walk_columns(at, zeros, even, odd, bits, by_column, n_tokens);
        }
        if (at->a < stop)
            walk_columns(at, zeros, even, odd, bits, by_column, n_tokens);
        UNROLL for (int t = 0; t < n_tokens; t++) acc[t] =
            has_two_sums(n_tokens)
                ? v16i_add(v16i_dot_end(acc[t], even[t], bits), v16i_dot_end(none, odd[t], bits))
                : v16i_dot_end(acc[t], even[t], bits);
    }
}

/* The last four arguments are constants in every caller. */
SPARSE_INLINE void matvec(const swg_sparse_panels *s, const uint8_t *panel, const swg_act *x,
                          size_t n_rows, float *y, size_t y_stride, const unsigned bits,
                          const bool by_column, const bool asymmetric, const int n_tokens)
{
    const swg_packed *w = &s->dense;
    const size_t scales_bytes = SWG_PANEL_ROWS * w->scale_bytes, group = w->group;
    const swg_dtype type = w->scheme.scale_type;
    const uint8_t *scales = panel + s->scales_offset, *row_zeros = panel + s->zeros_offset;
    const size_t n_groups = w->n_groups;
    sparse_place at = {.walk = swg_sparse_walk_begin(s, panel),
                       .a = x->codes,
                       .stride = x->stride,
                       .span_end = x->codes,
                       .end = x->codes + w->k_padded};
    sparse_zeros zeros = sparse_zeros_of(w->symmetric_zero);
    v16i zero_points = v16i_set1(w->symmetric_zero);
    v16 total[SWG_SPARSE_TOKENS];
    v16i acc[SWG_SPARSE_TOKENS];
    UNROLL for (int t = 0; t < n_tokens; t++) total[t] = v16_set1(0);
    for (size_t g = 0; g < n_groups; g++) {
        if (asymmetric) {
            zeros = sparse_group_zeros(row_zeros);
            zero_points = v16i_from_u8(row_zeros);
            row_zeros += SWG_PANEL_ROWS;
        }
        const v16i correction = v16i_sub(v16i_set1(v16i_code_bias(bits)), zero_points);
        UNROLL for (int t = 0; t < n_tokens; t++) acc[t] =
            v16i_mul(correction, v16i_set1(x->sums[(size_t)t * n_groups + g]));
        walk_group(&at, g + 1 < n_groups ? at.a + group : at.end, &zeros, acc, bits, by_column,
                   n_tokens);
        __builtin_prefetch(scales + STREAM_AHEAD);
        const v16 scale = sparse_scales(scales, type);
        UNROLL for (int t = 0; t < n_tokens; t++)
        {
            const v16 x_scale = v16_set1(x->scales[(size_t)t * n_groups + g]);
            total[t] = v16_fma(scale, v16_mul(v16_from_i32(acc[t]), x_scale), total[t]);
        }
        scales += scales_bytes;
    }
    UNROLL for (int t = 0; t < n_tokens; t++)
        v16_store_n(y + (size_t)t * y_stride, total[t], n_rows);
}

/* Every number of tokens of one kind of panel. */
SPARSE_INLINE void matvec_kind(const swg_sparse_panels *s, const uint8_t *panel, const swg_act *x,
                               size_t n_rows, float *y, size_t y_stride, const unsigned bits,
                               const bool by_column, const bool asymmetric)
{
    switch (x->m) {
#define SPARSE_TOKENS(n)                                                                           \
    case n:                                                                                        \
        matvec(s, panel, x, n_rows, y, y_stride, bits, by_column, asymmetric, n);                  \
        break;
        SPARSE_TOKENS(1)
        SPARSE_TOKENS(2)
        SPARSE_TOKENS(3)
        SPARSE_TOKENS(4)
        SPARSE_TOKENS(5)
        SPARSE_TOKENS(6)
        SPARSE_TOKENS(7)
        SPARSE_TOKENS(8)
#undef SPARSE_TOKENS
    }
}

SPARSE_TARGET void SWG_VARIANT(matvec_sparse)(const swg_sparse_panels *s, const uint8_t *panel,
                                              const swg_act *x, size_t n_rows, float *y,
                                              size_t y_stride)
{
    const unsigned kind = (s->dense.panel_bits == 8 ? 4 : 0) + (s->by_column ? 2 : 0) +
                          (s->dense.scheme.asymmetric ? 1 : 0);
    switch (kind) {
#define SPARSE_KIND(kind, bits, by_column, asymmetric)                                             \
    case kind:                                                                                     \
        matvec_kind(s, panel, x, n_rows, y, y_stride, bits, by_column, asymmetric);                \
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
