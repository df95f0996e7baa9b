/* Attention over the KV cache, and storing into it.
 *
 * A block of 128 threads computes the query heads of one row that share a key/value head (up to 8),
 * over one split of its keys: positions [begin + s * split_keys, ...), always the same ones however
 * many rows and splits a launch has. It walks over tiles of 128 keys with a running maximum and
 * sum:
 *
 *     scores      thread i: q . key i of the tile, for every head       -> shared [heads][128]
 *     softmax     m' = max(m, scores), p = exp(score - m'), sum = sum exp(m - m') + sum(p)
 *     values      thread i: elements i, i + 128 of acc = acc exp(m - m') + sum_j p_j value_j
 *
 * With one split the block divides by the sum; otherwise (m, sum, acc) go to the scratch memory and
 * a second kernel adds the splits in order. Tiles of rows of one sequence go to flash.cu. */
#include "kernels/cuda/attend.h"

namespace SWG_BUILD
{
namespace
{
enum {
    threads = 128,
    split_keys = 1024,
    most_head_dim = 256,
    most_heads_together = 8,
    least_flash_run = 16
};

SWG_DEVICE float cache_element(const swg_cuda_cache &c, const void *elements, size_t i)
{
    if (c.type == SWG_CUDA_CACHE_F16)
        return half_to_float(static_cast<const uint16_t *>(elements)[i]);
    if (c.type == SWG_CUDA_CACHE_INT8)
        return (float)static_cast<const int8_t *>(elements)[i];
    return static_cast<const float *>(elements)[i];
}

SWG_DEVICE void cache_put(const swg_cuda_cache &c, void *elements, size_t i, float value)
{
    if (c.type == SWG_CUDA_CACHE_F16)
        static_cast<uint16_t *>(elements)[i] = float_to_half(value);
    else
        static_cast<float *>(elements)[i] = value;
}

/* One thread per element of a row's keys; halves and floats. */
SWG_KERNEL(threads)
store_kernel(swg_cuda_cache c, swg_cuda_rows where, const float *k, const float *v)
{
    const unsigned row = blockIdx.x, width = c.n_heads * c.head_dim;
    const unsigned i = blockIdx.y * threads + threadIdx.x;
    const int32_t position = where.d_positions[row];
    if (i >= width || position < 0 || (unsigned)position >= c.context)
        return;
    const size_t to = cache_row(c, where.d_sequences[row], i / c.head_dim, (unsigned)position);
    cache_put(c, c.d_keys, to + i % c.head_dim, k[(size_t)row * width + i]);
    cache_put(c, c.d_values, to + i % c.head_dim, v[(size_t)row * width + i]);
}

/* Round a key or value of n elements to 8 bits, by a warp: the largest magnitude becomes 127. Below
 * 2^-100 all are 0, as on the CPU (kernels/kernels.h). */
SWG_DEVICE void put_bytes(const float *x, unsigned n, int8_t *codes, float *scale)
{
    const unsigned lane = threadIdx.x % 32;
    float largest = 0;
    for (unsigned i = lane; i < n; i += 32)
        largest = fmaxf(largest, fabsf(x[i]));
    largest = warp_max(largest);
    const bool is_zero = largest < 0x1p-100f;
    const float inverse = is_zero ? 0 : 127 / largest;
    for (unsigned i = lane; i < n; i += 32)
        codes[i] = (int8_t)rintf(x[i] * inverse);
    if (lane == 0)
        *scale = is_zero ? 0 : largest / 127;
}

/* One warp per head of a row, which stores its key and its value. */
SWG_KERNEL(threads)
store_bytes_kernel(swg_cuda_cache c, swg_cuda_rows where, const float *k, const float *v)
{
    const unsigned row = blockIdx.x, head = blockIdx.y * (threads / 32) + threadIdx.x / 32;
    const int32_t position = where.d_positions[row];
    if (head >= c.n_heads || position < 0 || (unsigned)position >= c.context)
        return;
    const int32_t sequence = where.d_sequences[row];
    const size_t number = cache_number(c, sequence, head, (unsigned)position);
    const size_t to = number * c.head_dim;
    const size_t from = ((size_t)row * c.n_heads + head) * c.head_dim;
    put_bytes(k + from, c.head_dim, static_cast<int8_t *>(c.d_keys) + to, c.d_key_scales + number);
    put_bytes(v + from, c.head_dim, static_cast<int8_t *>(c.d_values) + to,
              c.d_value_scales + number);
}

/* What a block of `heads` query heads keeps in shared memory. */
template <int heads> struct attend_shared {
    float q[heads][most_head_dim];
    float scores[heads][threads];
    float scratch[threads / 32];
};

/* Add the products of two pairs of a key's elements, from element i on, to the scores. */
template <int heads>
SWG_DEVICE void score_pairs(float score[heads], const attend_shared<heads> *shared, unsigned i,
                            const uint32_t *pairs, int n_pairs)
{
    SWG_UNROLL_ALL
    for (int p = 0; p < n_pairs; p++)
        for (int h = 0; h < heads; h++) {
            score[h] = fmaf(low_half(pairs[p]), shared->q[h][i + 2 * p], score[h]);
            score[h] = fmaf(high_half(pairs[p]), shared->q[h][i + 2 * p + 1], score[h]);
        }
}

/* The dot products of one key with all heads' queries; of bytes, without the key's scale. */
template <int heads>
SWG_DEVICE void score_key(const swg_cuda_cache &c, size_t key, const attend_shared<heads> *shared,
                          float score[heads])
{
    for (int h = 0; h < heads; h++)
        score[h] = 0;
    if (c.type == SWG_CUDA_CACHE_F16 && c.head_dim % 8 == 0) {
        const uint4 *elements =
            reinterpret_cast<const uint4 *>(static_cast<const uint16_t *>(c.d_keys) + key);
        SWG_UNROLL(1) /* more of them spill registers */
        for (unsigned i = 0; i < c.head_dim; i += 8) {
            const uint4 word = elements[i / 8];
            const uint32_t pairs[4] = {word.x, word.y, word.z, word.w};
            score_pairs<heads>(score, shared, i, pairs, 4);
        }
        return;
    }
    if (c.type == SWG_CUDA_CACHE_INT8 && c.head_dim % 8 == 0) {
        const uint2 *elements =
            reinterpret_cast<const uint2 *>(static_cast<const int8_t *>(c.d_keys) + key);
        SWG_UNROLL(1)
        for (unsigned i = 0; i < c.head_dim; i += 8) {
            const uint2 word = elements[i / 8];
            uint32_t pairs[4];
            halves_of_bytes(pairs, word.x);
            halves_of_bytes(pairs + 2, word.y);
            score_pairs<heads>(score, shared, i, pairs, 4);
        }
        return;
    }
    for (unsigned i = 0; i < c.head_dim; i++) {
        const float element = cache_element(c, c.d_keys, key + i);
        for (int h = 0; h < heads; h++)
            score[h] = fmaf(element, shared->q[h][i], score[h]);
    }
}

/* Of a split: the maximum and the sum of exponentials per head, and each thread's elements. */
template <int heads> struct attend_state {
    float largest[heads], sum[heads], acc[heads][most_head_dim / threads];
};

/* One tile: n keys from number `first` of the cache on. */
template <int heads>
SWG_DEVICE void attend_tile(const swg_cuda_cache &c, size_t first, unsigned n, float scale,
                            attend_shared<heads> *shared, attend_state<heads> *state)
{
    float score[heads], value_scale = 1;
    const size_t key = first * c.head_dim;
    if (threadIdx.x < n) {
        score_key<heads>(c, key + (size_t)threadIdx.x * c.head_dim, shared, score);
        if (c.type == SWG_CUDA_CACHE_INT8) {
            scale *= c.d_key_scales[first + threadIdx.x];
            value_scale = c.d_value_scales[first + threadIdx.x];
        }
    }
    for (int h = 0; h < heads; h++) {
        const float mine = threadIdx.x < n ? score[h] * scale : -INFINITY;
        const float largest = fmaxf(state->largest[h], block_max(mine, shared->scratch));
        const float shrink = expf(state->largest[h] - largest);
        const float p = threadIdx.x < n ? expf(mine - largest) : 0;
        state->largest[h] = largest;
        state->sum[h] = fmaf(state->sum[h], shrink, block_sum(p, shared->scratch));
        shared->scores[h][threadIdx.x] = SWG_FAULT(value_scale) ? p : p * value_scale;
        for (unsigned e = 0; e < most_head_dim / threads; e++)
            state->acc[h][e] *= shrink;
    }
    if (!SWG_FAULT(attend_tile))
        SWG_BARRIER();
    for (unsigned e = 0; e < most_head_dim / threads; e++) {
        const unsigned i = e * threads + threadIdx.x;
        for (unsigned j = 0; j < n && i < c.head_dim; j++) {
            const float element = cache_element(c, c.d_values, key + (size_t)j * c.head_dim + i);
            for (int h = 0; h < heads; h++)
                state->acc[h][e] = fmaf(shared->scores[h][j], element, state->acc[h][e]);
        }
    }
    SWG_BARRIER();
}

/* The block's place in the grid: a row, a key/value head with `heads` of its query heads (the last
 * block of a head may have fewer), a split. */
struct attend_block {
    unsigned row, kv_head, first_head, n_heads, split;
};

template <int heads>
SWG_DEVICE attend_block attend_place(const swg_cuda_cache &c, unsigned query_heads)
{
    const unsigned sharing = query_heads / c.n_heads, parts = (sharing + heads - 1) / heads;
    attend_block b;
    b.row = blockIdx.x;
    b.kv_head = blockIdx.y / parts;
    b.first_head = b.kv_head * sharing + blockIdx.y % parts * heads;
    b.n_heads = (b.kv_head + 1) * sharing - b.first_head;
    b.n_heads = b.n_heads < heads ? b.n_heads : heads;
    b.split = blockIdx.z;
    return b;
}

template <int heads>
SWG_DEVICE void attend_finish(const swg_cuda_cache &c, const attend_block &b, unsigned query_heads,
                              const attend_state<heads> &state, float *y, float *partial)
{
    for (unsigned h = 0; h < b.n_heads; h++) {
        const size_t head = (size_t)b.row * query_heads + b.first_head + h;
        float *const to = partial ? partial + (head * gridDim.z + b.split) * (c.head_dim + 2)
                                  : y + head * c.head_dim;
        const float factor = partial ? 1 : state.sum[h] > 0 ? 1 / state.sum[h] : 0;
        for (unsigned e = 0; e < most_head_dim / threads; e++)
            if (e * threads + threadIdx.x < c.head_dim)
                to[e * threads + threadIdx.x] = state.acc[h][e] * factor;
        if (partial && threadIdx.x == 0) {
            to[c.head_dim] = state.largest[h];
            to[c.head_dim + 1] = state.sum[h];
        }
    }
}

template <int heads>
SWG_KERNEL(threads)
attend_kernel(swg_cuda_cache c, swg_cuda_rows where, unsigned query_heads, float scale,
              const float *q, float *y, float *partial)
{
    SWG_SHARED(attend_shared<heads>, shared);
    const attend_block b = attend_place<heads>(c, query_heads);
    const float *mine = q + ((size_t)b.row * query_heads + b.first_head) * c.head_dim;
    for (unsigned h = 0; h < heads; h++)
        for (unsigned i = threadIdx.x; i < c.head_dim; i += threads)
            shared->q[h][i] = h < b.n_heads ? mine[h * c.head_dim + i] : 0;
    attend_state<heads> state;
    for (int h = 0; h < heads; h++) {
        state.largest[h] = -INFINITY;
        state.sum[h] = 0;
        for (unsigned e = 0; e < most_head_dim / threads; e++)
            state.acc[h][e] = 0;
    }
    SWG_BARRIER();
    const int begin = where.d_key_begin[b.row] + (int)b.split * split_keys;
    const int last = where.d_key_end[b.row];
    const int end = last < begin + split_keys ? last : begin + split_keys;
    for (int at = begin; at < end; at += threads)
        attend_tile<heads>(c, cache_number(c, where.d_sequences[b.row], b.kv_head, (unsigned)at),
                           (unsigned)(end - at < threads ? end - at : threads), scale, shared,
                           &state);
    attend_finish<heads>(c, b, query_heads, state, y, partial);
}

/* Add the splits of one row and head in order. */
SWG_KERNEL(threads)
combine_kernel(unsigned head_dim, unsigned n_splits, const float *partial, float *y)
{
    const float *mine = partial + (size_t)blockIdx.x * n_splits * (head_dim + 2);
    float largest = -INFINITY, sum = 0;
    for (unsigned s = 0; s < n_splits; s++)
        largest = fmaxf(largest, mine[s * (head_dim + 2) + head_dim]);
    for (unsigned s = 0; s < n_splits; s++) {
        const float *one = mine + s * (head_dim + 2) + head_dim;
        sum += one[1] > 0 ? one[1] * expf(one[0] - largest) : 0;
    }
    for (unsigned i = threadIdx.x; i < head_dim; i += threads) {
        float acc = 0;
        for (unsigned s = 0; s < n_splits; s++) {
            const float *one = mine + s * (head_dim + 2);
            acc += one[head_dim + 1] > 0 ? one[i] * expf(one[head_dim] - largest) : 0;
        }
        y[(size_t)blockIdx.x * head_dim + i] = sum > 0 ? acc / sum : 0;
    }
}

unsigned splits_of(size_t most_keys)
{
    return most_keys == 0 ? 1 : blocks_for(most_keys, split_keys);
}

template <int heads>
int attend_with(swg_cuda_stream *stream, const swg_cuda_cache &cache, const swg_cuda_rows &where,
                size_t rows, size_t query_heads, unsigned splits, float scale, const float *d_q,
                float *d_y, float *partial)
{
    const unsigned sharing = (unsigned)query_heads / cache.n_heads;
    const dim3 grid((unsigned)rows, cache.n_heads * blocks_for(sharing, heads), splits);
    return launch(stream, "attend", attend_kernel<heads>, grid, threads,
                  sizeof(attend_shared<heads>), cache, where, (unsigned)query_heads, scale, d_q,
                  d_y, partial);
}

int check_cache(const swg_cuda_cache *cache, size_t rows, size_t heads, size_t most_keys)
{
    if (cache->head_dim == 0 || cache->head_dim > most_head_dim)
        return fail(SWG_CUDA_UNSUPPORTED, "heads of %u elements; there are kernels for up to %d",
                    cache->head_dim, most_head_dim);
    if (cache->n_heads == 0 || heads % cache->n_heads != 0 || heads > 65535)
        return fail(SWG_CUDA_UNSUPPORTED, "%zu query heads do not share %u key/value heads", heads,
                    cache->n_heads);
    if (splits_of(most_keys) > 65535)
        return fail(SWG_CUDA_UNSUPPORTED, "attention over %zu positions is too long", most_keys);
    return check_sizes("attention", rows, heads * cache->head_dim);
}
} // namespace

int cache_store(swg_cuda_stream *stream, const swg_cuda_cache *cache, const swg_cuda_rows *where,
                size_t rows, const float *d_k, const float *d_v)
{
    const int status = check_cache(cache, rows, cache->n_heads, 0);
    if (status || rows == 0)
        return status;
    if (cache->type == SWG_CUDA_CACHE_INT8)
        return launch(stream, "cache_store", store_bytes_kernel,
                      dim3((unsigned)rows, blocks_for(cache->n_heads, threads / 32)), threads, 0,
                      *cache, *where, d_k, d_v);
    return launch(stream, "cache_store", store_kernel,
                  dim3((unsigned)rows, blocks_for(cache->n_heads * cache->head_dim, threads)),
                  threads, 0, *cache, *where, d_k, d_v);
}

size_t attend_scratch(const swg_cuda_cache *cache, size_t rows, size_t heads, size_t most_keys)
{
    const size_t splits = splits_of(most_keys);
    return splits == 1 ? 16 : rows * heads * splits * (cache->head_dim + 2) * sizeof(float);
}

int attend(swg_cuda_stream *stream, const swg_cuda_cache *cache, const swg_cuda_rows *where,
           size_t rows, size_t heads, size_t most_keys, float scale, const float *d_q, float *d_y,
           void *d_scratch)
{
    int status = check_cache(cache, rows, heads, most_keys);
    if (status || rows == 0 || heads == 0)
        return status;
    if (where->usual_run >= least_flash_run && flash_takes(*cache))
        return launch_flash(stream, *cache, *where, rows, heads, scale, d_q, d_y);
    const unsigned splits = splits_of(most_keys), sharing = (unsigned)heads / cache->n_heads;
    float *const partial = splits > 1 ? static_cast<float *>(d_scratch) : nullptr;
    const auto with = sharing == 1   ? attend_with<1>
                      : sharing == 2 ? attend_with<2>
                      : sharing <= 4 ? attend_with<4>
                                     : attend_with<most_heads_together>;
    status = with(stream, *cache, *where, rows, heads, splits, scale, d_q, d_y, partial);
    if (status || splits == 1)
        return status;
    return launch(stream, "attend_combine", combine_kernel, dim3((unsigned)(rows * heads)), threads,
                  0, cache->head_dim, splits, partial, d_y);
}
} // namespace SWG_BUILD
