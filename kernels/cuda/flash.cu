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

/* Start copying keys and values from position `at` on. What is beyond the segment's keys, and the
 * elements beyond the head, are zeros. */
template <int head>
SWG_DEVICE void copy_tile(key_tile<head> *to, const flash_task &task, const segment &s, int at)
{
    const swg_cuda_cache &c = task.cache;
    const unsigned kv_head = blockIdx.y / (task.heads / c.n_heads);
    for (unsigned i = threadIdx.x; i < tile_keys * (head / 8); i += threads) {
        const unsigned key = i / (head / 8), part = i % (head / 8) * 8;
        const bool is_valid = at + (int)key < s.key_end && part < c.head_dim;
        const size_t from =
            is_valid ? cache_row(c, s.sequence, kv_head, (unsigned)at + key) + part : 0;
        async_copy16(&to->keys[key][part], static_cast<const uint16_t *>(c.d_keys) + from,
                     is_valid);
        async_copy16(&to->values[key][part], static_cast<const uint16_t *>(c.d_values) + from,
                     is_valid);
    }
}

/* A lane's share of 16 rows: the query as two halves per element, the result so far. */
template <int head> struct lane_rows {
    uint32_t high[head / 16][4], low[head / 16][4];
    float out[head / 8][4];
    float largest[2], sum[2]; /* of rows g and g + 8 */
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
        r->sum[h] = 0;
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
SWG_DEVICE void score_keys(float s[4], const lane_rows<head> &r, const key_tile<head> &tile, int j,
                           int at)
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
        const int position = at + j * 8 + 2 * (int)t + i % 2;
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
SWG_DEVICE void compute_tile(lane_rows<head> *r, const key_tile<head> &tile, int at)
{
    float scores[tile_keys / 8][4];
    SWG_UNROLL_ALL
    for (int j = 0; j < tile_keys / 8; j++)
        score_keys<head>(scores[j], *r, tile, j, at);
    soften<head>(r, scores);
    add_values<head>(r, scores, tile);
}

template <int head>
SWG_DEVICE void compute_segment(lane_rows<head> *r, key_tile<head> *tiles, const flash_task &task,
                                const segment &s)
{
    load_bounds<head>(r, task, s);
    copy_tile<head>(&tiles[0], task, s, s.key_begin);
    async_commit();
    int current = 0;
    for (int at = s.key_begin; at < s.key_end; at += tile_keys, current ^= 1) {
        if (at + tile_keys < s.key_end)
            copy_tile<head>(&tiles[current ^ 1], task, s, at + tile_keys);
        async_commit();
        if (!SWG_FAULT(flash_wait))
            async_wait<1>();
        SWG_BARRIER();
        compute_tile<head>(r, tiles[current], at);
        if (!SWG_FAULT(flash_barrier))
            SWG_BARRIER(); /* before the next copies into this tile */
    }
}

template <int head> SWG_DEVICE void put_rows(const lane_rows<head> &r, const flash_task &task)
{
    const unsigned lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    SWG_UNROLL_ALL
    for (int h = 0; h < 2; h++) {
        const unsigned row = blockIdx.x * tile_rows + threadIdx.x / 32 * 16 + g + h * 8;
        const float inverse = r.sum[h] > 0 ? 1 / r.sum[h] : 0;
        float *y = task.y + ((size_t)row * task.heads + blockIdx.y) * task.cache.head_dim;
        SWG_UNROLL_ALL
        for (int j = 0; j < head / 8; j++)
            if (row < task.rows && j * 8 + 2 * t < task.cache.head_dim) {
                y[j * 8 + 2 * t] = r.out[j][2 * h] * inverse;
                y[j * 8 + 2 * t + 1] = r.out[j][2 * h + 1] * inverse;
            }
    }
}

template <int head> SWG_KERNEL(threads) flash_kernel(flash_task task)
{
    SWG_SHARED(key_tile<head>, tiles);
    lane_rows<head> r;
    load_rows<head>(&r, task);
    const unsigned end = min((blockIdx.x + 1) * tile_rows, task.rows);
    for (unsigned first = blockIdx.x * tile_rows; first < end;) {
        const segment s = segment_from(task, first);
        if (s.key_begin < s.key_end)
            compute_segment<head>(&r, tiles, task, s);
        first = s.end;
    }
    put_rows<head>(r, task);
}
} // namespace

int launch_flash(swg_cuda_stream *stream, const swg_cuda_cache &cache, const swg_cuda_rows &where,
                 size_t rows, size_t heads, float scale, const float *d_q, float *d_y)
{
    const flash_task task = {cache, where, d_q, d_y, (unsigned)rows, (unsigned)heads, scale};
    const dim3 grid(blocks_for(rows, tile_rows), (unsigned)heads);
    return cache.head_dim <= 64 ? launch(stream, "flash", flash_kernel<64>, grid, threads,
                                         2 * sizeof(key_tile<64>), task)
                                : launch(stream, "flash", flash_kernel<128>, grid, threads,
                                         2 * sizeof(key_tile<128>), task);
}
} // namespace SWG_BUILD
