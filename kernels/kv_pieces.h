/* Walking over the keys of an attention call that lie consecutively in memory:
 *
 *     for (swg_kv_piece p = swg_kv_first(a, begin, end); p.n > 0; p = swg_kv_next(a, p, end))
 *         ... keys p.first .. p.first + p.n - 1 at p.k, their values at p.v ... */
#ifndef SWG_KERNELS_KV_PIECES_H
#define SWG_KERNELS_KV_PIECES_H

#include "kernels/kernels.h"
#include "runtime/base/numeric.h"

typedef struct swg_kv_piece {
    const uint8_t *k, *v;
    const float *k_scales, *v_scales; /* where the type has scales */
    size_t first, n;                  /* keys, numbered through all runs */
    size_t run;
} swg_kv_piece;

/* Bytes of an element, and whether keys and values have scales. */
static inline size_t swg_kv_bytes(swg_kv_type type)
{
    static const uint8_t bytes_of[] = {
#define SWG_KV_TYPE(ID, name, bytes, has_scales, meaning) bytes,
#include "kernels/kv_types.def"
#undef SWG_KV_TYPE
    };
    return bytes_of[type];
}
static inline bool swg_kv_has_scales(swg_kv_type type)
{
    static const bool has[] = {
#define SWG_KV_TYPE(ID, name, bytes, has_scales, meaning) has_scales,
#include "kernels/kv_types.def"
#undef SWG_KV_TYPE
    };
    return has[type];
}

/* Element i of a key or value, without its scale. */
static inline float swg_kv_element(swg_kv_type type, const void *row, size_t i)
{
    switch (type) {
    case SWG_KV_F16:
        return swg_f16_to_f32(((const uint16_t *)row)[i]);
    case SWG_KV_INT8:
        return ((const int8_t *)row)[i];
    default:
        return ((const float *)row)[i];
    }
}

/* The part of keys [first, end) that is in that run; `first` is key `at` of the run. */
static inline swg_kv_piece swg_kv_piece_of(const swg_attention *a, size_t run, size_t at,
                                           size_t first, size_t end)
{
    swg_kv_piece piece = {.first = first, .run = run};
    if (first >= end)
        return piece;
    const swg_kv_run *r = &a->runs[run];
    piece.n = r->n - at < end - first ? r->n - at : end - first;
    const size_t offset = at * a->kv_stride * swg_kv_bytes(a->kv_type);
    piece.k = (const uint8_t *)r->k + offset;
    piece.v = (const uint8_t *)r->v + offset;
    if (swg_kv_has_scales(a->kv_type)) {
        piece.k_scales = r->k_scales + at;
        piece.v_scales = r->v_scales + at;
    }
    return piece;
}

static inline swg_kv_piece swg_kv_first(const swg_attention *a, size_t begin, size_t end)
{
    size_t run = 0, at = begin;
    while (begin < end && at >= a->runs[run].n)
        at -= a->runs[run++].n;
    return swg_kv_piece_of(a, run, at, begin, end);
}

static inline swg_kv_piece swg_kv_next(const swg_attention *a, swg_kv_piece piece, size_t end)
{
    return swg_kv_piece_of(a, piece.run + 1, 0, piece.first + piece.n, end);
}

#endif
