/* Products for up to 16 tokens: the matrix is read once.
 *
 *     grid    (tiles of 16 rows, slices of k)            block   8 warps
 *
 * The warps of a block take turns over the units of its slice: warp w computes units w, w + 8, ...
 * of the tile, so that the block reads one stretch of memory. Each lane has a ring of stages in
 * shared memory, which asynchronous copies fill with its own part of the units to come, scales
 * included: there is no barrier in the loop, and what is under way takes no registers.
 *
 *     stage of a warp:  | words of lanes 0 to 31 | scales and zeros of lanes | places, of S4 |
 *
 * At the end the warps' sums are added in the order of warps, through shared memory. */
#include "kernels/cuda/product.h"

namespace SWG_BUILD
{
namespace
{
enum { threads = 256, warps = threads / 32 };

template <class K> struct stage {
    uint4 words[K::loads][32];
    uint4 scales[K::folds][32]; /* x and y; z: the zeros of rows g and g ^ 1, 8 on, in order */
    uint2 places[K::type == SWG_CUDA_S4 ? 32 : 2];
};

/* With the blocks that registers leave room for, at least 32 KB are under way on each
 * multiprocessor of compute capability 9.0. */
template <class K>
constexpr int stages = K::type == SWG_CUDA_F16 || K::is_fine ? 3
                       : K::type == SWG_CUDA_W4              ? 6
                                                             : 4;

/* Where a lane finds its part of the unit that is copied next, and of its tile's first group. */
struct lane_walk {
    const unsigned char *words, *scales, *zeros;
};

SWG_DEVICE lane_walk walk_from(const product &p, unsigned unit, unsigned unit_bytes)
{
    const unsigned char *data = static_cast<const unsigned char *>(p.w.data);
    const size_t first = (size_t)blockIdx.x * p.w.n_groups;
    const unsigned lane = threadIdx.x % 32, g = lane / 4;
    return {data + ((size_t)blockIdx.x * p.w.units + unit) * unit_bytes + lane * 16,
            data + p.w.scales_at + first * p.scale_bytes + g * p.scale_bytes / 8,
            data + p.w.zeros_at + first * 16 + g / 2 * 4}; /* four bytes are copied, aligned */
}

/* Start the copies of a unit into a stage. */
template <class K>
SWG_DEVICE void fill_stage(stage<K> *to, const product &p, const lane_walk &from, unsigned unit)
{
    const unsigned lane = threadIdx.x % 32;
    SWG_UNROLL_ALL
    for (int i = 0; i < K::loads; i++)
        async_copy16(&to->words[i][lane], from.words + i * 512, true);
    if (K::type == SWG_CUDA_S4)
        async_copy<8>(&to->places[lane], from.words + 512 - lane * 8, true);
    SWG_UNROLL_ALL
    for (int f = 0; f < K::folds; f++) {
        const size_t group = group_of<K>(p, unit, f);
        const unsigned char *scale = from.scales + group * p.scale_bytes;
        if (p.w.scale_type == SWG_CUDA_SCALE_F16)
            async_copy<4>(&to->scales[f][lane].x, scale, true);
        else
            async_copy<8>(&to->scales[f][lane].x, scale, true);
        if (K::type != SWG_CUDA_F16 && p.w.has_zeros)
            async_copy<4>(&to->scales[f][lane].z, from.zeros + group * 16, true);
    }
}

/* The lane's part of a unit, and its scales. */
template <class K>
SWG_DEVICE void read_stage(lane_unit<K> *u, lane_scales<K> *s, const product &p,
                           const stage<K> &from)
{
    const unsigned lane = threadIdx.x % 32;
    SWG_UNROLL_ALL
    for (int i = 0; i < K::loads; i++)
        u->words[i] = from.words[i][lane];
    if (K::type == SWG_CUDA_S4)
        u->places = from.places[lane];
    SWG_UNROLL_ALL
    for (int f = 0; f < K::folds; f++) {
        const uint4 four = from.scales[f][lane];
        s->scale[f] = make_uint2(four.x, four.y);
        if (K::type != SWG_CUDA_F16 && p.w.has_zeros)
            s->zero[f] = zero_words<K>(four.z >> lane / 4 % 2 * 16);
    }
}

/* The operand of one of eight tokens' columns of a unit, which begin at `row`. */
template <class K> SWG_DEVICE void load_token(uint32_t b[K::b_words], const unsigned char *row)
{
    SWG_UNROLL_ALL
    for (int i = 0; i < K::b_words / 4; i++) {
        const uint4 four =
            *reinterpret_cast<const uint4 *>(row + (K::is_int8 ? 0 : i / 2 * 128 + i % 2 * 16));
        SWG_UNROLL_ALL
        for (int j = 0; j < 4; j++)
            b[4 * i + j] = word_of(four, j);
    }
}

/* Where lane (g, t) finds token g of eight: beyond the last token the last one, whose sums nobody
 * wants. */
template <class K>
SWG_DEVICE const unsigned char *token_row(const product &p, int tile, unsigned unit)
{
    const unsigned token = min((unsigned)tile * 8 + threadIdx.x % 32 / 4, p.rows - 1);
    return p.x + ((size_t)token * p.w.units + unit) * K::row_bytes +
           threadIdx.x % 4 * (K::is_int8 ? 16 : 32);
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
    SWG_SHARED(stage<K>, shared);
    stage<K> *const ring = shared + threadIdx.x / 32 * stages<K>;
    const unsigned begin = blockIdx.y * p.slice_units;
    const unsigned end = min(begin + p.slice_units, p.w.units) - (SWG_FAULT(matvec_tail) ? 1 : 0);
    unsigned unit = begin + threadIdx.x / 32, ahead = unit;
    lane_walk walk = walk_from(p, unit, K::unit_bytes);
    const unsigned char *tokens[token_tiles];
    float acc[token_tiles][4] = {};
    lane_scales<K> s;
    usual_zeros<K>(&s);
    SWG_UNROLL_ALL
    for (int tile = 0; tile < token_tiles; tile++)
        tokens[tile] = token_row<K>(p, tile, unit);
    for (int i = 0; i < stages<K> - 1; i++) {
        if (ahead < end)
            fill_stage<K>(&ring[i], p, walk, ahead);
        async_commit();
        ahead += warps;
        walk.words += warps * K::unit_bytes;
    }
    for (int from = 0, to = stages<K> - 1; unit < end; unit += warps) {
        lane_unit<K> u;
        if (!SWG_FAULT(matvec_wait))
            async_wait<stages<K> - 2>();
        read_stage<K>(&u, &s, p, ring[from]);
        if (ahead < end)
            fill_stage<K>(&ring[to], p, walk, ahead);
        async_commit();
        uint32_t a[K::a_words], b[K::b_words];
        operands_of<K>(a, u, s);
        SWG_UNROLL_ALL
        for (int tile = 0; tile < token_tiles; tile++) {
            load_token<K>(b, tokens[tile]);
            add_unit<K>(acc[tile], p, a, b, u.places, s, unit, tile * 8);
            tokens[tile] += warps * K::row_bytes;
        }
        ahead += warps;
        walk.words += warps * K::unit_bytes;
        to = from;
        from = from + 1 == stages<K> ? 0 : from + 1;
    }
    SWG_BARRIER(); /* the ring becomes the warps' sums */
    add_warps<token_tiles>(acc, reinterpret_cast<float *>(shared), p);
}
} // namespace

int launch_matvec(swg_cuda_stream *stream, const product &p, operand o, unsigned slices)
{
    return with_kind(p.w, o, [&](auto k) {
        using K = decltype(k);
        const dim3 grid(p.w.row_tiles, slices);
        const size_t ring = sizeof(stage<K>) * stages<K> * warps;
        const size_t sums = (size_t)(p.rows <= 8 ? 1 : 2) * warps * 128 * sizeof(float);
        const size_t shared = ring > sums ? ring : sums;
        return p.rows <= 8
                   ? launch(stream, "matvec", matvec_kernel<K, 1>, grid, threads, shared, p)
                   : launch(stream, "matvec", matvec_kernel<K, 2>, grid, threads, shared, p);
    });
}
} // namespace SWG_BUILD
