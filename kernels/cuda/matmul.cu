/* Products for more than 16 tokens.
 *
 *     grid    (stretches of tokens, 8 tiles of 16 rows, slices of k)     block   4 warps
 *
 * A block walks over the units of its slice with a ring of stages in shared memory, which
 * asynchronous copies fill ahead:
 *
 *     stage:  | a unit of each of the 8 tiles | its scales | its zeros |
 *             | the tokens' activations of these columns |
 *
 * Warp w multiplies tiles 2w and 2w + 1 with all tokens of the block: weights become operands once
 * per unit and are used for every token, and each operand of the tokens is used twice. Of an odd
 * token's activations in halves, neighbouring 16 bytes are exchanged, so that the eight lanes that
 * read at a time, two tokens of four each, find different banks. */
#include "kernels/cuda/product.h"

namespace SWG_BUILD
{
namespace
{
enum { threads = 128, warps = threads / 32, block_tiles = 8, warp_tiles = block_tiles / warps };

template <class K, int token_tiles> struct stage {
    alignas(16) unsigned char weights[block_tiles][K::unit_bytes];
    alignas(16) unsigned char scales[block_tiles][K::folds][16 * sizeof(float)];
    alignas(16) unsigned char zeros[block_tiles][K::folds][16];
    alignas(16) unsigned char tokens[token_tiles * 8][K::row_bytes];
};

template <class K> constexpr int stages = K::type == SWG_CUDA_F16 ? 3 : 4;

/* Start the copies of the scales and zeros of a unit of each tile. */
template <class K, int token_tiles>
SWG_DEVICE void fill_scales(stage<K, token_tiles> *to, const product &p, unsigned unit)
{
    enum { parts = 5 }; /* of 16 bytes: up to four of scales, one of zeros */
    const unsigned char *data = static_cast<const unsigned char *>(p.w.data);
    for (unsigned i = threadIdx.x; i < block_tiles * K::folds * parts; i += threads) {
        const unsigned tile = i / parts / K::folds, fold = i / parts % K::folds, part = i % parts;
        const bool is_valid = blockIdx.y * block_tiles + tile < p.w.row_tiles;
        const size_t first = is_valid ? (size_t)(blockIdx.y * block_tiles + tile) * p.w.n_groups : 0;
        const size_t group = first + group_of<K>(p, unit, (int)fold);
        if (part * 16 < p.scale_bytes)
            async_copy16(to->scales[tile][fold] + part * 16,
                         data + p.w.scales_at + group * p.scale_bytes + part * 16, is_valid);
        else if (part == parts - 1 && p.w.has_zeros)
            async_copy16(to->zeros[tile][fold], data + p.w.zeros_at + group * 16, is_valid);
    }
}

/* Those of a tile, for the lane's rows. */
template <class K, int token_tiles>
SWG_DEVICE void read_scales(lane_scales<K> *s, const product &p, const stage<K, token_tiles> &from,
                            unsigned tile)
{
    const unsigned g = threadIdx.x % 32 / 4;
    usual_zeros<K>(s);
    SWG_UNROLL_ALL
    for (int f = 0; f < K::folds; f++) {
        const unsigned char *scale = from.scales[tile][f];
        s->scale[f] = p.w.scale_type == SWG_CUDA_SCALE_F16
                          ? make_uint2(reinterpret_cast<const uint32_t *>(scale)[g], 0)
                          : reinterpret_cast<const uint2 *>(scale)[g];
        if (K::type != SWG_CUDA_F16 && p.w.has_zeros)
            s->zero[f] =
                zero_words<K>(reinterpret_cast<const uint16_t *>(from.zeros[tile][f])[g]);
    }
}

/* Start the copies of one unit into a stage. Tiles and tokens beyond the last are zeros. */
template <class K, int token_tiles>
SWG_DEVICE void fill_stage(stage<K, token_tiles> *to, const product &p, unsigned unit)
{
    enum { unit_parts = K::unit_bytes / 16, row_parts = K::row_bytes / 16 };
    const unsigned first_tile = blockIdx.y * block_tiles, first = blockIdx.x * token_tiles * 8;
    const unsigned char *weights = static_cast<const unsigned char *>(p.w.data);
    fill_scales<K, token_tiles>(to, p, unit);
    for (unsigned i = threadIdx.x; i < block_tiles * unit_parts; i += threads) {
        const unsigned tile = i / unit_parts, part = i % unit_parts;
        const bool is_valid = first_tile + tile < p.w.row_tiles;
        const size_t from = is_valid ? (size_t)(first_tile + tile) * p.w.units + unit : 0;
        async_copy16(to->weights[tile] + part * 16, weights + from * K::unit_bytes + part * 16,
                     is_valid);
    }
    for (unsigned i = threadIdx.x; i < token_tiles * 8 * row_parts; i += threads) {
        const unsigned token = i / row_parts, part = i % row_parts;
        const bool is_valid = first + token < p.rows;
        const size_t from = is_valid ? (size_t)(first + token) * p.w.units + unit : 0;
        const unsigned place = K::is_int8 ? part : part ^ (token & 1);
        async_copy16(to->tokens[token] + place * 16, p.x + from * K::row_bytes + part * 16,
                     is_valid);
    }
}

/* The operand of tokens 8 tile to 8 tile + 7. */
template <class K, int token_tiles>
SWG_DEVICE void shared_token(uint32_t b[K::b_words], const stage<K, token_tiles> &from, int tile)
{
    const unsigned g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    const unsigned char *row = from.tokens[tile * 8 + g];
    SWG_UNROLL_ALL
    for (int i = 0; i < K::b_words / 4; i++) {
        const unsigned part = K::is_int8 ? t : (i / 2 * 8 + t * 2 + i % 2) ^ (g & 1);
        const uint4 four = *reinterpret_cast<const uint4 *>(row + part * 16);
        SWG_UNROLL_ALL
        for (int j = 0; j < 4; j++)
            b[4 * i + j] = word_of(four, j);
    }
}

template <class K, int token_tiles> struct sums {
    float acc[warp_tiles][token_tiles][4];
};

template <class K, int token_tiles>
SWG_DEVICE void compute_stage(sums<K, token_tiles> *sum, const stage<K, token_tiles> &from,
                              const product &p, unsigned unit)
{
    const unsigned warp = threadIdx.x / 32;
    uint32_t a[warp_tiles][K::a_words], b[K::b_words];
    uint2 places[warp_tiles];
    lane_scales<K> s[warp_tiles];
    SWG_UNROLL_ALL
    for (int r = 0; r < warp_tiles; r++) {
        lane_unit<K> u;
        read_scales<K, token_tiles>(&s[r], p, from, warp * warp_tiles + r);
        shared_unit<K>(&u, from.weights[warp * warp_tiles + r]);
        operands_of<K>(a[r], u, s[r]);
        places[r] = u.places;
    }
    SWG_UNROLL_ALL
    for (int tile = 0; tile < token_tiles; tile++) {
        shared_token<K, token_tiles>(b, from, tile);
        SWG_UNROLL_ALL
        for (int r = 0; r < warp_tiles; r++)
            add_unit<K>(sum->acc[r][tile], p, a[r], b, places[r], s[r], unit,
                        (blockIdx.x * token_tiles + tile) * 8);
    }
}

template <class K, int token_tiles>
SWG_DEVICE void put_sums(const sums<K, token_tiles> &sum, const product &p)
{
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    SWG_UNROLL_ALL
    for (int r = 0; r < warp_tiles; r++)
        SWG_UNROLL_ALL
    for (int tile = 0; tile < token_tiles; tile++)
        SWG_UNROLL_ALL
    for (int i = 0; i < 4; i++) {
        const unsigned row =
            (blockIdx.y * block_tiles + warp * warp_tiles + r) * 16 + lane / 4 + i / 2 * 8;
        const unsigned token = (blockIdx.x * token_tiles + tile) * 8 + lane % 4 * 2 + i % 2;
        put_result(p, blockIdx.z, row, token, sum.acc[r][tile][i]);
    }
}

template <class K, int token_tiles> SWG_KERNEL(threads) matmul_kernel(product p)
{
    using stage_type = stage<K, token_tiles>;
    SWG_SHARED(stage_type, ring);
    const unsigned begin = blockIdx.z * p.slice_units;
    const unsigned n = min(begin + p.slice_units, p.w.units) - begin;
    sums<K, token_tiles> sum = {};
    for (unsigned u = 0; u < stages<K> - 1; u++) {
        if (u < n)
            fill_stage<K, token_tiles>(&ring[u], p, begin + u);
        async_commit();
    }
    for (unsigned u = 0; u < n; u++) {
        /* Unit u is there, for this thread; after the barrier for all, and all are done with the
         * stage that is filled next. */
        if (!SWG_FAULT(matmul_wait))
            async_wait<stages<K> - 2>();
        if (!SWG_FAULT(matmul_barrier))
            SWG_BARRIER();
        const unsigned ahead = u + stages<K> - 1;
        if (ahead < n)
            fill_stage<K, token_tiles>(&ring[ahead % stages<K>], p, begin + ahead);
        async_commit();
        compute_stage<K, token_tiles>(&sum, ring[u % stages<K>], p, begin + u);
    }
    put_sums<K, token_tiles>(sum, p);
}

template <class K, int token_tiles>
int launch_tiles(swg_cuda_stream *stream, const product &p, unsigned slices)
{
    const dim3 grid(blocks_for(p.rows, token_tiles * 8), blocks_for(p.w.row_tiles, block_tiles),
                    slices);
    return launch(stream, "matmul", matmul_kernel<K, token_tiles>, grid, threads,
                  sizeof(stage<K, token_tiles>) * stages<K>, p);
}
} // namespace

int launch_matmul(swg_cuda_stream *stream, const product &p, operand o, unsigned slices)
{
    return with_kind(p.w, o, [&](auto k) {
        using K = decltype(k);
        /* 64 tokens with four scales and the places of 128 columns spill registers. */
        constexpr int most_tiles = K::type == SWG_CUDA_S4 && K::is_fine ? 4 : 8;
        return p.rows <= 32 ? launch_tiles<K, 4>(stream, p, slices)
                            : launch_tiles<K, most_tiles>(stream, p, slices);
    });
}
} // namespace SWG_BUILD
