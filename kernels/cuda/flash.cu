/* Attention of many rows of one sequence, on tensor cores: a block of 4 warps computes one head of
 * a tile of 64 rows, and walks over tiles of 64 keys, which all of its rows share. Warp w has rows
 * 16 w to 16 w + 15. Tiles of keys begin at multiples of 64, so that a row's sums do not depend on
 * which other rows are in its tile. With lanes' g and t as in ptx.h, per tile of keys:
 *
 *     S (16 rows x 64 keys)  = Q K^T   a lane has rows g, g + 8 and keys 8 j + 2t, 8 j + 2t + 1
 *     m' = max(m, S),  P = exp(S - m') as halves,  sum = sum exp(m - m') + P's
 *     O (16 rows x head)     = O exp(m - m') + P V
 *
 * The accumulators of S are, rounded, the left operand of P V as they are. The query is taken as
 * the sum of two halves, so that scores are as exact as with floats. Keys and values of the next
 * tile are copied while this one is computed:
 *
 *     shared:  | keys [64][head + 8] | values [64][head + 8] |  twice; 8 more halves per row spread
 *                                                               the rows over the banks
 *
 * A cache of bytes is copied as it is, and each tile becomes one of halves, exactly, before it is
 * used. A key's scale is multiplied with its scores, a value's with its probabilities: divided by
 * the largest that the row has met, which the result is multiplied with, so that halves can hold
 * them.
 *
 *     shared:  | bytes, likewise, with scales |  twice, and | keys and values of halves |  once
 *
 * Rows of a tile may belong to several sequences: the tile is computed once for each, with the
 * other rows masked. */
#include "kernels/cuda/attend.h"

namespace SWG_BUILD
{
namespace
{
enum { threads = 128, tile_rows = 64, tile_keys = 64 };

template <int head> struct key_tile {
    uint16_t keys[tile_keys][head + 8], values[tile_keys][head + 8];
};
struct tile_scales {
    float keys[tile_keys], values[tile_keys];
};
template <int head> struct byte_tile {
    uint8_t keys[tile_keys][head], values[tile_keys][head];
    tile_scales scales;
};

/* The shared memory of a block. */
template <int head, bool is_int8> struct flash_shared {
    key_tile<head> tiles[2];
};
template <int head> struct flash_shared<head, true> {
    byte_tile<head> copied[2];
    key_tile<head> tile;
    tile_scales scales;
};

/* What a block computes. */
struct flash_task {
    swg_cuda_cache cache;
    swg_cuda_rows where;
    const float *q;
    float *y;
    unsigned rows, heads;
    float scale;
};

/* A stretch of the tile's rows that belong to one sequence, and the keys that any of them sees. */
struct segment {
    unsigned first, end;
    int sequence, key_begin, key_end;
};

SWG_DEVICE segment segment_from(const flash_task &task, unsigned first)
{
    const unsigned tile_end = min((blockIdx.x + 1) * tile_rows, task.rows);
    segment s = {first, first, task.where.d_sequences[first], 0x7fffffff, 0};
    for (; s.end < tile_end && task.where.d_sequences[s.end] == s.sequence; s.end++) {
        const int begin = task.where.d_key_begin[s.end], end = task.where.d_key_end[s.end];
        s.key_begin = begin < end && begin < s.key_begin ? begin : s.key_begin;
        s.key_end = begin < end && end > s.key_end ? end : s.key_end;
    }
    s.key_begin = s.key_begin / tile_keys * tile_keys;
    return s;
}

/* Start copying keys and values, of elements E, from position `at` on. What is beyond the segment's
 * keys, and the elements beyond the head, are zeros. */
template <int head, class E, int width>
SWG_DEVICE void copy_rows(E (*keys)[width], E (*values)[width], const flash_task &task,
                          const segment &s, int at)
{
    enum { piece = 16 / sizeof(E) };
    const swg_cuda_cache &c = task.cache;
    const unsigned kv_head = blockIdx.y / (task.heads / c.n_heads);
    for (unsigned i = threadIdx.x; i < tile_keys * (head / piece); i += threads) {
        const unsigned key = i / (head / piece), part = i % (head / piece) * piece;
        const bool is_valid = at + (int)key < s.key_end && part < c.head_dim;
        const size_t from =
            is_valid ? cache_row(c, s.sequence, kv_head, (unsigned)at + key) + part : 0;
        async_copy16(&keys[key][part], static_cast<const E *>(c.d_keys) + from, is_valid);
        async_copy16(&values[key][part], static_cast<const E *>(c.d_values) + from, is_valid);
    }
}

template <int head>
SWG_DEVICE void copy_tile(flash_shared<head, false> *shared, int number, const flash_task &task,
                          const segment &s, int at)
{
    key_tile<head> *to = &shared->tiles[number];
    copy_rows<head>(to->keys, to->values, task, s, at);
}

template <int head>
SWG_DEVICE void copy_tile(flash_shared<head, true> *shared, int number, const flash_task &task,
                          const segment &s, int at)
{
    const swg_cuda_cache &c = task.cache;
    byte_tile<head> *to = &shared->copied[number];
    copy_rows<head>(to->keys, to->values, task, s, at);
    const unsigned key = threadIdx.x % tile_keys;
    const bool is_valid = at + (int)key < s.key_end, is_value = threadIdx.x >= tile_keys;
    const unsigned kv_head = blockIdx.y / (task.heads / c.n_heads);
    const size_t from = is_valid ? cache_number(c, s.sequence, kv_head, (unsigned)at + key) : 0;
    async_copy<4>(is_value ? &to->scales.values[key] : &to->scales.keys[key],
                (is_value ? c.d_value_scales : c.d_key_scales) + from, is_valid);
}

/* The tile that is computed with, and the scales of bytes. */
template <int head>
SWG_DEVICE const key_tile<head> &tile_of(flash_shared<head, false> *shared, int number,
                                         const tile_scales **)
{
    return shared->tiles[number];
}

template <int head>
SWG_DEVICE const key_tile<head> &tile_of(flash_shared<head, true> *shared, int number,
                                         const tile_scales **scales)
{
    const byte_tile<head> &from = shared->copied[number];
    for (unsigned i = threadIdx.x; i < 2 * tile_keys * (head / 4); i += threads) {
        const unsigned row = i / (head / 4), part = i % (head / 4) * 4, key = row % tile_keys;
        const bool is_value = row >= tile_keys;
        uint32_t pairs[2];
        halves_of_bytes(pairs, *reinterpret_cast<const uint32_t *>(
                                   is_value ? &from.values[key][part] : &from.keys[key][part]));
        *reinterpret_cast<uint2 *>(is_value ? &shared->tile.values[key][part]
                                            : &shared->tile.keys[key][part]) =
            make_uint2(pairs[0], pairs[1]);
    }
    if (threadIdx.x < tile_keys) {
        shared->scales.keys[threadIdx.x] = from.scales.keys[threadIdx.x];
        shared->scales.values[threadIdx.x] = from.scales.values[threadIdx.x];
    }
    *scales = &shared->scales;
    if (!SWG_FAULT(flash_convert))
        SWG_BARRIER();
    return shared->tile;
}

/* A lane's share of 16 rows: the query as two halves per element, the result so far. */
template <int head> struct lane_rows {
    uint32_t high[head / 16][4], low[head / 16][4];
    float out[head / 8][4];
    float largest[2], sum[2]; /* of rows g and g + 8 */
    float unit[2];            /* the largest scale of a value so far; `out` is divided by it */
    int begin[2], end[2];
};

/* Elements (row, column) and (row, column + 1) of the query. */
SWG_DEVICE void split_pair(const flash_task &task, unsigned row, unsigned column, uint32_t *high,
                           uint32_t *low)
{
    float pair[2] = {0, 0};
    if (row < task.rows && column < task.cache.head_dim) {
        const float *at =
            task.q + ((size_t)row * task.heads + blockIdx.y) * task.cache.head_dim + column;
        pair[0] = at[0] * task.scale;
        pair[1] = at[1] * task.scale;
    }
    *high = pair_of(pair[0], pair[1]);
    *low = pair_of(pair[0] - low_half(*high), pair[1] - high_half(*high));
}

template <int head> SWG_DEVICE void load_rows(lane_rows<head> *r, const flash_task &task)
{
    const unsigned lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    const unsigned first = blockIdx.x * tile_rows + threadIdx.x / 32 * 16;
    SWG_UNROLL_ALL
    for (int f = 0; f < head / 16; f++)
        SWG_UNROLL_ALL
    for (int i = 0; i < 4; i++)
        split_pair(task, first + g + i % 2 * 8, f * 16 + i / 2 * 8 + 2 * t, &r->high[f][i],
                   &r->low[f][i]);
    SWG_UNROLL_ALL
    for (int j = 0; j < head / 8; j++)
        SWG_UNROLL_ALL
    for (int i = 0; i < 4; i++)
        r->out[j][i] = 0;
    SWG_UNROLL_ALL
    for (int h = 0; h < 2; h++) {
        r->largest[h] = -INFINITY;
        r->sum[h] = r->unit[h] = 0;
    }
}

/* Which keys the lane's two rows see of this segment: none if they are not of it. */
template <int head>
SWG_DEVICE void load_bounds(lane_rows<head> *r, const flash_task &task, const segment &s)
{
    SWG_UNROLL_ALL
    for (int h = 0; h < 2; h++) {
        const unsigned row =
            blockIdx.x * tile_rows + threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4 + h * 8;
        const bool is_in = row >= s.first && row < s.end;
        r->begin[h] = is_in ? task.where.d_key_begin[row] : 0;
        r->end[h] = is_in ? task.where.d_key_end[row] + (SWG_FAULT(flash_mask) ? 1 : 0) : 0;
    }
}

/* Scores of 8 keys, j * 8 of the tile and on; what a row does not see is minus infinity. */
template <int head>
SWG_DEVICE void score_keys(float s[4], const lane_rows<head> &r, const key_tile<head> &tile,
                           const tile_scales *scales, int j, int at)
{
    const unsigned g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    const uint16_t *key = tile.keys[j * 8 + g] + 2 * t;
    SWG_UNROLL_ALL
    for (int i = 0; i < 4; i++)
        s[i] = 0;
    SWG_UNROLL_ALL
    for (int f = 0; f < head / 16; f++) {
        const uint32_t b[2] = {*reinterpret_cast<const uint32_t *>(key + f * 16),
                               *reinterpret_cast<const uint32_t *>(key + f * 16 + 8)};
        mma_f16(s, r.high[f], b);
        mma_f16(s, r.low[f], b);
    }
    SWG_UNROLL_ALL
    for (int i = 0; i < 4; i++) {
        const unsigned number = j * 8 + 2 * t + i % 2;
        const int position = at + (int)number;
        if (scales)
            s[i] *= scales->keys[number];
        if (position < r.begin[i / 2] || position >= r.end[i / 2])
            s[i] = -INFINITY;
    }
}

/* The maximum and the sum over the four lanes that share rows. */
SWG_DEVICE float rows_max(float value)
{
    value = fmaxf(value, warp_xor(value, 1));
    return fmaxf(value, warp_xor(value, 2));
}
SWG_DEVICE float rows_sum(float value)
{
    value += warp_xor(value, 1);
    return value + warp_xor(value, 2);
}

/* Turn the tile's scores into probabilities, and shrink what there is to the new maximum. */
template <int head> SWG_DEVICE void soften(lane_rows<head> *r, float scores[tile_keys / 8][4])
{
    SWG_UNROLL_ALL
    for (int h = 0; h < 2; h++) {
        float largest = r->largest[h], sum = 0;
        SWG_UNROLL_ALL
        for (int j = 0; j < tile_keys / 8; j++)
            largest = fmaxf(largest, fmaxf(scores[j][2 * h], scores[j][2 * h + 1]));
        largest = rows_max(largest);
        const float base = largest == -INFINITY ? 0 : largest; /* sees nothing yet */
        const float shrink = expf(r->largest[h] - base);
        SWG_UNROLL_ALL
        for (int j = 0; j < tile_keys / 8; j++)
            SWG_UNROLL_ALL
        for (int i = 2 * h; i < 2 * h + 2; i++) {
            scores[j][i] = expf(scores[j][i] - base);
            sum += scores[j][i];
        }
        SWG_UNROLL_ALL
        for (int j = 0; j < head / 8; j++) {
            r->out[j][2 * h] *= shrink;
            r->out[j][2 * h + 1] *= shrink;
        }
        r->largest[h] = largest;
        r->sum[h] = fmaf(r->sum[h], shrink, rows_sum(sum));
    }
}

/* Probabilities of values that have scales: those are divided by the largest that the row has met,
 * and what there is of the result is turned to the new one. */
template <int head>
SWG_DEVICE void scale_values(lane_rows<head> *r, float p[tile_keys / 8][4],
                             const tile_scales &scales)
{
    const unsigned t = threadIdx.x % 4;
    SWG_UNROLL_ALL
    for (int h = 0; h < 2; h++) {
        float unit = r->unit[h];
        SWG_UNROLL_ALL
        for (int j = 0; j < tile_keys / 8; j++)
            SWG_UNROLL_ALL
        for (int i = 0; i < 2; i++) /* of what it sees only: no other row has a say */
            unit = fmaxf(unit, p[j][2 * h + i] > 0 ? scales.values[j * 8 + 2 * t + i] : 0);
        unit = rows_max(unit);
        const float shrink = unit > 0 ? r->unit[h] / unit : 1;
        SWG_UNROLL_ALL
        for (int j = 0; j < tile_keys / 8; j++)
            SWG_UNROLL_ALL
        for (int i = 0; i < 2; i++)
            p[j][2 * h + i] *= unit > 0 ? scales.values[j * 8 + 2 * t + i] / unit : 0;
        SWG_UNROLL_ALL
        for (int j = 0; j < head / 8; j++) {
            r->out[j][2 * h] *= shrink;
            r->out[j][2 * h + 1] *= shrink;
        }
        r->unit[h] = unit;
    }
}

/* out += P V: 16 keys at a time, of which two groups of 8 scores are the operand; values come
 * transposed, 16 elements of the head at a time. */
template <int head>
SWG_DEVICE void add_values(lane_rows<head> *r, const float scores[tile_keys / 8][4],
                           const key_tile<head> &tile)
{
    const unsigned lane = threadIdx.x % 32;
    SWG_UNROLL_ALL
    for (int k = 0; k < tile_keys / 16; k++) {
        const uint32_t a[4] = {pair_of(scores[2 * k][0], scores[2 * k][1]),
                               pair_of(scores[2 * k][2], scores[2 * k][3]),
                               pair_of(scores[2 * k + 1][0], scores[2 * k + 1][1]),
                               pair_of(scores[2 * k + 1][2], scores[2 * k + 1][3])};
        SWG_UNROLL_ALL
        for (int j = 0; j < head / 16; j++) {
            uint32_t b[4];
            load_matrices_transposed(b, &tile.values[k * 16 + lane % 16][j * 16 + lane / 16 * 8]);
            mma_f16(r->out[2 * j], a, b);
            mma_f16(r->out[2 * j + 1], a, b + 2);
        }
    }
}

template <int head>
SWG_DEVICE void compute_tile(lane_rows<head> *r, const key_tile<head> &tile,
                             const tile_scales *scales, int at)
{
    float scores[tile_keys / 8][4];
    SWG_UNROLL_ALL
    for (int j = 0; j < tile_keys / 8; j++)
        score_keys<head>(scores[j], *r, tile, scales, j, at);
    soften<head>(r, scores);
    if (scales)
        scale_values<head>(r, scores, *scales);
    add_values<head>(r, scores, tile);
}

template <int head, bool is_int8>
SWG_DEVICE void compute_segment(lane_rows<head> *r, flash_shared<head, is_int8> *shared,
                                const flash_task &task, const segment &s)
{
    load_bounds<head>(r, task, s);
    copy_tile<head>(shared, 0, task, s, s.key_begin);
    async_commit();
    int current = 0;
    for (int at = s.key_begin; at < s.key_end; at += tile_keys, current ^= 1) {
        if (at + tile_keys < s.key_end)
            copy_tile<head>(shared, current ^ 1, task, s, at + tile_keys);
        async_commit();
        if (!SWG_FAULT(flash_wait))
            async_wait<1>();
        SWG_BARRIER();
        const tile_scales *scales = nullptr;
        const key_tile<head> &tile = tile_of<head>(shared, current, &scales);
        compute_tile<head>(r, tile, scales, at);
        if (!SWG_FAULT(flash_barrier))
            SWG_BARRIER(); /* before the next copies into this tile */
    }
}

template <int head, bool is_int8>
SWG_DEVICE void put_rows(const lane_rows<head> &r, const flash_task &task)
{
    const unsigned lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    SWG_UNROLL_ALL
    for (int h = 0; h < 2; h++) {
        const unsigned row = blockIdx.x * tile_rows + threadIdx.x / 32 * 16 + g + h * 8;
        const float inverse = r.sum[h] > 0 ? (is_int8 ? r.unit[h] : 1) / r.sum[h] : 0;
        float *y = task.y + ((size_t)row * task.heads + blockIdx.y) * task.cache.head_dim;
        SWG_UNROLL_ALL
        for (int j = 0; j < head / 8; j++)
            if (row < task.rows && j * 8 + 2 * t < task.cache.head_dim) {
                y[j * 8 + 2 * t] = r.out[j][2 * h] * inverse;
                y[j * 8 + 2 * t + 1] = r.out[j][2 * h + 1] * inverse;
            }
    }
}

template <int head, bool is_int8> SWG_KERNEL(threads) flash_kernel(flash_task task)
{
    using shared_type = flash_shared<head, is_int8>;
    SWG_SHARED(shared_type, shared);
    lane_rows<head> r;
    load_rows<head>(&r, task);
    const unsigned end = min((blockIdx.x + 1) * tile_rows, task.rows);
    for (unsigned first = blockIdx.x * tile_rows; first < end;) {
        const segment s = segment_from(task, first);
        if (s.key_begin < s.key_end)
            compute_segment<head, is_int8>(&r, shared, task, s);
        first = s.end;
    }
    put_rows<head, is_int8>(r, task);
}

template <int head, bool is_int8>
int launch_heads(swg_cuda_stream *stream, const flash_task &task)
{
    const dim3 grid(blocks_for(task.rows, tile_rows), task.heads);
    return launch(stream, "flash", flash_kernel<head, is_int8>, grid, threads,
                  sizeof(flash_shared<head, is_int8>), task);
}
} // namespace

int launch_flash(swg_cuda_stream *stream, const swg_cuda_cache &cache, const swg_cuda_rows &where,
                 size_t rows, size_t heads, float scale, const float *d_q, float *d_y)
{
    const flash_task task = {cache, where, d_q, d_y, (unsigned)rows, (unsigned)heads, scale};
    if (cache.type == SWG_CUDA_CACHE_INT8)
        return cache.head_dim <= 64 ? launch_heads<64, true>(stream, task)
                                    : launch_heads<128, true>(stream, task);
    return cache.head_dim <= 64 ? launch_heads<64, false>(stream, task)
                                : launch_heads<128, false>(stream, task);
}
} // namespace SWG_BUILD
