/* Rotary positions. The angles of a batch are computed once, in double: float angles lose digits at
 * long contexts. A pair (a, b) of a head is rotated by its angle:
 *
 *     a' = fma(a, cos, -(b * sin)),  b' = fma(a, sin, b * cos) */
#include "kernels/cuda/ops.h"

namespace SWG_BUILD
{
namespace
{
enum { threads = 256 };

SWG_KERNEL(threads)
angles_kernel(const int32_t *positions, const double *frequencies, size_t n, unsigned pairs,
              float *cosine, float *sine)
{
    const size_t i = (size_t)blockIdx.x * threads + threadIdx.x;
    if (i >= n)
        return;
    /* In half turns: cospi and sinpi reduce large angles without a table in local memory. */
    const double half_turns =
        (double)positions[i / pairs] * frequencies[i % pairs] * 0.3183098861837907;
    cosine[i] = (float)cospi(half_turns);
    sine[i] = (float)sinpi(half_turns);
}

/* One thread per pair of x [rows][heads][head_dim]; `first` and `second` say where a pair's
 * elements are: i * step and i * step + distance. */
SWG_KERNEL(threads)
rope_kernel(float *x, size_t n, unsigned heads, unsigned head_dim, const float *cosine,
            const float *sine, unsigned pairs, unsigned step, unsigned distance)
{
    const size_t at = (size_t)blockIdx.x * threads + threadIdx.x;
    if (at >= n)
        return;
    const unsigned i = (unsigned)(at % pairs);
    const size_t head = at / pairs, row = head / heads;
    float *const pair = x + head * head_dim + i * step;
    const float a = pair[0], b = pair[distance];
    const float c = cosine[row * pairs + i], s = sine[row * pairs + i];
    pair[0] = fmaf(a, c, -(b * s));
    pair[distance] = fmaf(a, s, b * c);
}
} // namespace

int rope_angles(swg_cuda_stream *stream, const int32_t *d_positions, const double *d_frequencies,
                size_t rows, size_t pairs, float *d_cosine, float *d_sine)
{
    const size_t n = rows * pairs;
    const int status = check_sizes("a table of angles", rows, n);
    if (status || n == 0)
        return status;
    return launch(stream, "rope_angles", angles_kernel, dim3(blocks_for(n, threads)), threads, 0,
                  d_positions, d_frequencies, n, (unsigned)pairs, d_cosine, d_sine);
}

int rope(swg_cuda_stream *stream, float *d_x, size_t rows, size_t heads, size_t head_dim,
         const float *d_cosine, const float *d_sine, size_t pairs, bool interleaved)
{
    const size_t n = rows * heads * pairs;
    const int status = check_sizes("a rotation", rows, heads * head_dim);
    if (status || n == 0)
        return status;
    if (2 * pairs > head_dim)
        return fail(SWG_CUDA_UNSUPPORTED, "%zu rotated pairs do not fit a head of %zu elements",
                    pairs, head_dim);
    if (n / threads >= most_rows)
        return fail(SWG_CUDA_UNSUPPORTED, "a rotation of %zu pairs is too large", n);
    return launch(stream, "rope", rope_kernel, dim3(blocks_for(n, threads)), threads, 0, d_x, n,
                  (unsigned)heads, (unsigned)head_dim, d_cosine, d_sine, (unsigned)pairs,
                  interleaved ? 2u : 1u, interleaved ? 1u : (unsigned)pairs);
}
} // namespace SWG_BUILD
