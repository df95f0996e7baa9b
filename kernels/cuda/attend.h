/* What the kernels of attention share. */
#ifndef SWG_KERNELS_CUDA_ATTEND_H
#define SWG_KERNELS_CUDA_ATTEND_H

#include "kernels/cuda/ops.h"

namespace SWG_BUILD
{
/* The number of a key or value in the cache, also of its scale, and its first element. */
SWG_DEVICE size_t cache_number(const swg_cuda_cache &c, int32_t sequence, unsigned head,
                               unsigned at)
{
    return ((size_t)sequence * c.n_heads + head) * c.context + at;
}
SWG_DEVICE size_t cache_row(const swg_cuda_cache &c, int32_t sequence, unsigned head, unsigned at)
{
    return cache_number(c, sequence, head, at) * c.head_dim;
}

/* Four 8-bit integers as two pairs of halves, exactly: 1024 + 128 + x is the half of bits 0x6400
 * plus x with its sign bit turned. */
SWG_DEVICE void halves_of_bytes(uint32_t pairs[2], uint32_t bytes)
{
    const uint32_t above = 0x64646464u, offset = 0x64806480u;
    bytes ^= 0x80808080u;
    pairs[0] = half2_sub(permute(bytes, above, 0x4140), offset);
    pairs[1] = half2_sub(permute(bytes, above, 0x4342), offset);
}

/* flash.cu: attention on tiles of rows, for caches of halves or bytes and heads of at most 128
 * elements, whose keys are multiples of 16 bytes. */
inline bool flash_takes(const swg_cuda_cache &cache)
{
    const bool is_int8 = cache.type == SWG_CUDA_CACHE_INT8;
    return (is_int8 || cache.type == SWG_CUDA_CACHE_F16) && cache.head_dim <= 128 &&
           cache.head_dim % (is_int8 ? 16 : 8) == 0;
}
int launch_flash(swg_cuda_stream *stream, const swg_cuda_cache &cache, const swg_cuda_rows &where,
                 size_t rows, size_t heads, float scale, const float *d_q, float *d_y);
} // namespace SWG_BUILD

#endif
