/* One token times a sparse panel, for vector sets that provide v16i_sparse_step (the codes of a
 * step as a vector, those that are not stored being the zero points): the panel is expanded in
 * registers, and each vector of codes multiplied at once. Memory and the expansion keep pace with
 * each other, so everything else is kept out of the loop: pointers walk, four steps are unrolled,
 * and what differs between schemes is a constant. Sums are those of the dense products
 * (matmul_body.h). Exactness: same bytes. */

/* What is walked through: masks (of the next step), codes, activations, and per group scales and
 * zero points. */
typedef struct sparse_walk {
    const uint8_t *mask, *codes, *scales, *zeros;
    const int8_t *a;
} sparse_walk;

/* A group's 16 scales as floats. */
V16_INLINE v16 sparse_scales(const uint8_t *scales, swg_dtype type)
{
    if (type == SWG_F16)
        return v16_from_f16(scales);
    if (type == SWG_BF16)
        return v16_from_bf16(scales);
    return v16_load((const float *)scales);
}

/* The mask of step i < 2 of a column step. */
SPARSE_INLINE uint64_t walk_mask(const uint8_t *mask, size_t i, const bool by_column)
{
    uint64_t bits;
    if (by_column)
        return (*mask >> i * SWG_STEP_COLUMNS & 15) * UINT64_C(0x1111111111111111);
    memcpy(&bits, mask + i * sizeof bits, sizeof bits);
    return bits;
}

/* Eight columns: add the products of their two steps to even and odd. */
SPARSE_INLINE void walk_columns(sparse_walk *at, const sparse_zeros *zeros, v16i *even, v16i *odd,
                                const unsigned bits, const bool by_column)
{
    __builtin_prefetch(at->codes + STREAM_AHEAD);
    if (bits == 8)
        __builtin_prefetch(at->codes + STREAM_AHEAD + 64);
    const v16i first = v16i_sparse_step(walk_mask(at->mask, 0, by_column), zeros, bits, &at->codes);
    *even = v16i_dot_step(*even, first, v16i_repeat4(at->a), bits);
    const v16i second =
        v16i_sparse_step(walk_mask(at->mask, 1, by_column), zeros, bits, &at->codes);
    *odd = v16i_dot_step(*odd, second, v16i_repeat4(at->a + SWG_STEP_COLUMNS), bits);
    at->mask += by_column ? 1 : 2 * sizeof(uint64_t);
    at->a += SWG_COLUMN_STEP;
}

/* The products of a group's codes with the activations up to `end`, added to acc. */
SPARSE_INLINE v16i walk_group(sparse_walk *at, const int8_t *end, const sparse_zeros *zeros,
                              v16i acc, const unsigned bits, const bool by_column)
{
    const v16i none = v16i_set1(0);
    while (at->a < end) {
        const size_t left = (size_t)(end - at->a);
        const int8_t *stop = left > V16_CHUNK_COLUMNS ? at->a + V16_CHUNK_COLUMNS : end;
        /* Two sums: the latency of one would bound the loop. */
        v16i even = v16i_dot_begin(acc, bits), odd = v16i_dot_begin(none, bits);
        for (; stop - at->a >= 2 * SWG_COLUMN_STEP;) {
            if (!by_column)
                __builtin_prefetch(at->mask + STREAM_AHEAD);
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
    const float *x_scale = x->scales;
    const int32_t *x_sum = x->sums;
    const int8_t *a_end = x->codes + w->k_padded;
    sparse_walk at = {panel, panel + s->codes_offset, panel + s->scales_offset,
                      panel + s->zeros_offset, x->codes};
    sparse_zeros zeros = sparse_zeros_of(w->symmetric_zero);
    v16i zero_points = v16i_set1(w->symmetric_zero);
    v16 total = v16_set1(0);
    for (size_t g = w->n_groups; g > 0; g--) {
        if (asymmetric) {
            zeros = sparse_group_zeros(at.zeros);
            zero_points = v16i_from_u8(at.zeros);
            at.zeros += SWG_PANEL_ROWS;
        }
        const v16i correction = v16i_sub(v16i_set1(v16i_code_bias(bits)), zero_points);
        const v16i begin = v16i_mul(correction, v16i_set1(*x_sum++));
        const v16i acc =
            walk_group(&at, g > 1 ? at.a + group : a_end, &zeros, begin, bits, by_column);
        __builtin_prefetch(at.scales + STREAM_AHEAD);
        total = v16_fma(sparse_scales(at.scales, type),
                        v16_mul(v16_from_i32(acc), v16_set1(*x_scale++)), total);
        at.scales += scales_bytes;
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
