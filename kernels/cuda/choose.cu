/* Rows of logits: softmax, the largest, a draw, and the loss. One block of 256 threads per row.
 * Every sum has a fixed order: thread i adds its elements, then warps, then the block. */
#include "kernels/cuda/ops.h"

namespace SWG_BUILD
{
namespace
{
enum { threads = 256 };

struct row_shared {
    float scratch[threads / 32];
    float values[threads];
    int32_t places[threads];
};

/* The maximum of x, and the sum of exp((x - max) * scale) over the thread's elements i, i + 256 ...
 */
SWG_DEVICE float row_max(const float *x, unsigned n, row_shared *shared)
{
    float largest = -INFINITY;
    for (unsigned i = threadIdx.x; i < n; i += threads)
        largest = fmaxf(largest, x[i]);
    return block_max(largest, shared->scratch);
}
SWG_DEVICE float row_sum(const float *x, unsigned n, float largest, float scale, row_shared *shared)
{
    float sum = 0;
    for (unsigned i = threadIdx.x; i < n; i += threads)
        sum += expf((x[i] - largest) * scale);
    return block_sum(sum, shared->scratch);
}

SWG_KERNEL(threads) softmax_kernel(float *all, unsigned n, float scale)
{
    SWG_SHARED(row_shared, shared);
    float *x = all + (size_t)blockIdx.x * n;
    const float largest = row_max(x, n, shared);
    const float inverse = 1 / row_sum(x, n, largest, scale, shared);
    for (unsigned i = threadIdx.x; i < n; i += threads)
        x[i] = expf((x[i] - largest) * scale) * inverse;
}

SWG_KERNEL(threads)
cross_entropy_kernel(const float *all, unsigned n, const int32_t *target, float *out)
{
    SWG_SHARED(row_shared, shared);
    const float *x = all + (size_t)blockIdx.x * n;
    const float largest = row_max(x, n, shared);
    const float sum = row_sum(x, n, largest, 1, shared);
    if (threadIdx.x == 0)
        out[blockIdx.x] = logf(sum) + largest - x[target[blockIdx.x]];
}

/* Whether (value, place) comes before the best so far. */
SWG_DEVICE bool is_better(float value, int32_t place, float best, int32_t best_place)
{
    return value > best || (value == best && place < best_place);
}

SWG_KERNEL(threads) argmax_kernel(const float *all, unsigned n, int32_t *index)
{
    SWG_SHARED(row_shared, shared);
    const float *x = all + (size_t)blockIdx.x * n;
    float best = -INFINITY;
    int32_t place = 0x7fffffff;
    for (unsigned i = threadIdx.x; i < n; i += threads)
        if (is_better(x[i], (int32_t)i, best, place)) {
            best = x[i];
            place = (int32_t)i;
        }
    shared->values[threadIdx.x] = best;
    shared->places[threadIdx.x] = place;
    for (unsigned half = threads / 2; half > 0; half /= 2) {
        SWG_BARRIER();
        if (threadIdx.x >= half)
            continue;
        const float value = shared->values[threadIdx.x + half];
        if (is_better(value, shared->places[threadIdx.x + half], best, place)) {
            best = value;
            place = shared->places[threadIdx.x + half];
        }
        shared->values[threadIdx.x] = best;
        shared->places[threadIdx.x] = place;
    }
    if (threadIdx.x == 0)
        index[blockIdx.x] = place == 0x7fffffff ? 0 : place;
}

/* Where the running sum of exp exceeds `wanted`: the first thread whose stretch ends beyond it,
 * then the first element of that stretch. Rounding may leave the sum below: then the last element
 * that adds something. */
SWG_DEVICE int32_t find_place(const float *x, unsigned n, unsigned stretch, float largest,
                              float scale, float wanted, const row_shared *shared)
{
    float before = 0;
    unsigned t = 0;
    while (t + 1 < threads && before + shared->values[t] <= wanted)
        before += shared->values[t++];
    int32_t place = 0;
    for (unsigned i = t * stretch; i < n; i++) {
        const float p = expf((x[i] - largest) * scale);
        place = p > 0 ? (int32_t)i : place;
        before += p;
        if (before > wanted && p > 0)
            return place;
    }
    for (unsigned i = n; i > 0; i--)
        if (expf((x[i - 1] - largest) * scale) > 0)
            return (int32_t)i - 1;
    return place;
}

SWG_KERNEL(threads)
sample_kernel(const float *all, unsigned n, float scale, const float *uniform, int32_t *index)
{
    SWG_SHARED(row_shared, shared);
    const float *x = all + (size_t)blockIdx.x * n;
    const float largest = row_max(x, n, shared);
    const unsigned stretch = (n + threads - 1) / threads;
    float sum = 0;
    for (unsigned i = threadIdx.x * stretch; i < (threadIdx.x + 1) * stretch && i < n; i++)
        sum += expf((x[i] - largest) * scale);
    shared->values[threadIdx.x] = sum;
    SWG_BARRIER();
    if (threadIdx.x != 0)
        return;
    float total = 0;
    for (unsigned t = 0; t < threads; t++)
        total += shared->values[t];
    index[blockIdx.x] =
        find_place(x, n, stretch, largest, scale, uniform[blockIdx.x] * total, shared);
}

int check_rows(size_t rows, size_t n)
{
    if (n == 0)
        return fail(SWG_CUDA_UNSUPPORTED, "rows of 0 elements");
    return check_sizes("a matrix", rows, n);
}
} // namespace

int softmax(swg_cuda_stream *stream, float *d_x, size_t rows, size_t n, float scale)
{
    const int status = check_rows(rows, n);
    if (status || rows == 0)
        return status;
    return launch(stream, "softmax", softmax_kernel, dim3((unsigned)rows), threads,
                  sizeof(row_shared), d_x, (unsigned)n, scale);
}

int argmax(swg_cuda_stream *stream, const float *d_x, size_t rows, size_t n, int32_t *d_index)
{
    const int status = check_rows(rows, n);
    if (status || rows == 0)
        return status;
    return launch(stream, "argmax", argmax_kernel, dim3((unsigned)rows), threads,
                  sizeof(row_shared), d_x, (unsigned)n, d_index);
}

int sample(swg_cuda_stream *stream, const float *d_x, size_t rows, size_t n, float temperature,
           const float *d_uniform, int32_t *d_index)
{
    const int status = check_rows(rows, n);
    if (status || rows == 0)
        return status;
    if (!(temperature > 0))
        return fail(SWG_CUDA_UNSUPPORTED, "a temperature of %g", (double)temperature);
    return launch(stream, "sample", sample_kernel, dim3((unsigned)rows), threads,
                  sizeof(row_shared), d_x, (unsigned)n, 1 / temperature, d_uniform, d_index);
}

int cross_entropy(swg_cuda_stream *stream, const float *d_x, size_t rows, size_t n,
                  const int32_t *d_target, float *d_out)
{
    const int status = check_rows(rows, n);
    if (status || rows == 0)
        return status;
    return launch(stream, "cross_entropy", cross_entropy_kernel, dim3((unsigned)rows), threads,
                  sizeof(row_shared), d_x, (unsigned)n, d_target, d_out);
}
} // namespace SWG_BUILD
