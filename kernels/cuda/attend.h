/* What the kernels of attention share. */
#ifndef SWG_KERNELS_CUDA_ATTEND_H
#define SWG_KERNELS_CUDA_ATTEND_H

#include "kernels/cuda/ops.h"

namespace SWG_BUILD
{
/* The first element of a key or value. */
SWG_DEVICE size_t cache_row(const swg_cuda_cache &c, int32_t sequence, unsigned head, unsigned at)
{
    return (((size_t)sequence * c.n_heads + head) * c.context + at) * c.head_dim;
}

/* flash.cu: attention on tiles of rows, for caches of halves and heads of 8, 16, ... 128 elements.
 */
inline bool flash_takes(const swg_cuda_cache &cache)
{
    return cache.type == SWG_CUDA_CACHE_F16 && cache.head_dim <= 128 && cache.head_dim % 8 == 0;
}
int launch_flash(swg_cuda_stream *stream, const swg_cuda_cache &cache, const swg_cuda_rows &where,
                 size_t rows, size_t heads, float scale, const float *d_q, float *d_y);
} // namespace SWG_BUILD

#endif
