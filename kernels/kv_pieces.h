/* Walking over the keys of an attention call that lie consecutively in memory:
 *
 *     for (swg_kv_piece p = swg_kv_first(a, begin, end); p.n > 0; p = swg_kv_next(a, p, end))
 *         ... keys p.first .. p.first + p.n - 1 at p.k, their values at p.v ... */
#ifndef SWG_KERNELS_KV_PIECES_H
#define SWG_KERNELS_KV_PIECES_H

#include "kernels/kernels.h"

typedef struct swg_kv_piece {
    const float *k, *v;
    size_t first, n; /* keys, numbered through all runs */
    size_t run;
} swg_kv_piece;

/* The part of keys [first, end) that is in that run; `first` is key `at` of the run. */
static inline swg_kv_piece swg_kv_piece_of(const swg_attention *a, size_t run, size_t at,
                                           size_t first, size_t end)
{
    swg_kv_piece piece = {.first = first, .run = run};
    if (first >= end)
        return piece;
    const swg_kv_run *r = &a->runs[run];
    piece.n = r->n - at < end - first ? r->n - at : end - first;
    piece.k = r->k + at * a->kv_stride;
    piece.v = r->v + at * a->kv_stride;
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
