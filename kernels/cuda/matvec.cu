/* Products for up to 16 tokens: the matrix is read once, straight into registers.
 *
 *     grid    (tiles of 16 rows, slices of k)            block   8 warps
 *
 * The warps of a block take turns over the units of its slice: warp w computes units w, w + 8, ...
 * of the tile, so that the block reads one stretch of memory. A warp loads the units of its next
 * turns before it computes the present ones; there is no barrier in the loop. At the end the warps'
 * sums are added in the order of warps, through shared memory. */
#include "kernels/cuda/product.h"

namespace SWG_BUILD
{
namespace
{
enum { threads = 256, warps = threads / 32 };

/* A warp's units that are loaded together: at least 64 bytes per lane are under way. */
template <class K> constexpr int depth = 4 / K::loads;

template <class K>
SWG_DEVICE void load_turn(lane_unit<K> turn[depth<K>], const unsigned char *units, unsigned first,
                          unsigned end)
{
    SWG_UNROLL_ALL
    for (int d = 0; d < depth<K>; d++)
        if (first + d * warps < end)
            load_unit<K>(&turn[d], units + (size_t)(first + d * warps) * K::unit_bytes);
}

/* The operand of token g's columns of a unit; zeros beyond the last token. */
template <class K>
SWG_DEVICE void load_token(uint32_t b[K::b_words], const product &p, unsigned token, unsigned unit)
{
    const unsigned t = threadIdx.x % 4;
    const unsigned char *row = p.x + ((size_t)token * p.w.units + unit) * K::row_bytes;
    SWG_UNROLL_ALL
    for (int i = 0; i < K::b_words / 4; i++) {
        const unsigned at = K::is_int8 ? t * 16 : i / 2 * 128 + t * 32 + i % 2 * 16;
        const uint4 four =
            token < p.rows ? *reinterpret_cast<const uint4 *>(row + at) : make_uint4(0, 0, 0, 0);
        SWG_UNROLL_ALL
        for (int j = 0; j < 4; j++)
            b[4 * i + j] = word_of(four, j);
    }
}

template <class K, int token_tiles>
SWG_DEVICE void compute_unit(float acc[token_tiles][4], const product &p, const lane_unit<K> &u,
                             unsigned unit)
{
    lane_scales<K> s;
    load_scales<K>(&s, p.w, blockIdx.x, unit);
    uint32_t a[K::a_words], b[K::b_words];
    operands_of<K>(a, u, s);
    SWG_UNROLL_ALL
    for (int tile = 0; tile < token_tiles; tile++) {
        load_token<K>(b, p, tile * 8 + threadIdx.x % 32 / 4, unit);
        add_unit<K>(acc[tile], p, a, b, u.places, s, unit, tile * 8);
    }
}

/* The warps' sums, in the order of warps. */
template <int token_tiles>
SWG_DEVICE void add_warps(const float acc[token_tiles][4], float *shared, const product &p)
{
    enum { per_warp = token_tiles * 4 * 32 };
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    SWG_UNROLL_ALL
    for (int tile = 0; tile < token_tiles; tile++)
        SWG_UNROLL_ALL
    for (int i = 0; i < 4; i++)
        shared[warp * per_warp + (tile * 4 + i) * 32 + lane] = acc[tile][i];
    if (!SWG_FAULT(matvec_barrier))
        SWG_BARRIER();
    for (unsigned e = threadIdx.x; e < per_warp; e += threads) {
        float sum = 0;
        for (unsigned w = 0; w < warps; w++)
            sum += shared[w * per_warp + e];
        const unsigned from = e % 32, i = e / 32 % 4, tile = e / 128;
        const unsigned below = SWG_FAULT(matvec_lanes) ? i % 2 : i / 2;
        put_result(p, blockIdx.y, blockIdx.x * 16 + from / 4 + below * 8,
                   tile * 8 + from % 4 * 2 + i % 2, sum);
    }
}

template <class K, int token_tiles> SWG_KERNEL(threads) matvec_kernel(product p)
{
    SWG_SHARED(float, shared);
    const unsigned begin = blockIdx.y * p.slice_units;
    const unsigned end = min(begin + p.slice_units, p.w.units) - (SWG_FAULT(matvec_tail) ? 1 : 0);
    const unsigned char *units = static_cast<const unsigned char *>(p.w.data) +
                                 (size_t)blockIdx.x * p.w.units * K::unit_bytes;
    float acc[token_tiles][4] = {};
    lane_unit<K> now[depth<K>], next[depth<K>];
    const unsigned step = depth<K> * warps;
    unsigned unit = begin + threadIdx.x / 32;
    load_turn<K>(now, units, unit, end);
    for (; unit < end; unit += step) {
        load_turn<K>(next, units, unit + step, end);
        SWG_UNROLL_ALL
        for (int d = 0; d < depth<K>; d++) {
            if (unit + d * warps < end)
                compute_unit<K, token_tiles>(acc, p, now[d], unit + d * warps);
            now[d] = next[d];
        }
    }
    add_warps<token_tiles>(acc, shared, p);
}
} // namespace

int launch_matvec(swg_cuda_stream *stream, const product &p, operand o, unsigned slices)
{
    return with_kind(p.w, o, [&](auto k) {
        using K = decltype(k);
        const dim3 grid(p.w.row_tiles, slices);
        const size_t shared = (size_t)warps * 128 * sizeof(float);
        return p.rows <= 8
                   ? launch(stream, "matvec", matvec_kernel<K, 1>, grid, threads, shared, p)
                   : launch(stream, "matvec", matvec_kernel<K, 2>, grid, threads, 2 * shared, p);
    });
}
} // namespace SWG_BUILD
