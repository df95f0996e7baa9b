/* Operations element by element, and recurrent cells. One thread per element, 256 per block; blocks
 * walk over the elements with the grid's stride, so that any number of them fits a grid.
 *
 *     silu       x / (1 + exp(-x));   sigmoid  1 / (1 + exp(-x))
 *     gelu       x (1 + erf(x / sqrt(2))) / 2
 *     gelu_tanh  x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2
 *     lstm       c = forget c + in new,  h = out tanh(c)
 *     gru        h = new + update (h - new),  new = tanh(input's share + reset * state's share) */
#include "kernels/cuda/ops.h"

namespace SWG_BUILD
{
namespace
{
enum { threads = 256, most_blocks = 65536 };

/* Every element i < n of this thread. */
#define EACH_ELEMENT(i, n)                                                                         \
    for (size_t i = (size_t)blockIdx.x * threads + threadIdx.x; i < (n);                           \
         i += (size_t)gridDim.x * threads)

unsigned grid_of(size_t n)
{
    const size_t blocks = (n + threads - 1) / threads;
    return (unsigned)(blocks < (size_t)most_blocks ? blocks : (size_t)most_blocks);
}

SWG_DEVICE float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

SWG_KERNEL(threads) silu_mul_kernel(float *gate, const float *up, size_t n)
{
    EACH_ELEMENT(i, n)
    gate[i] = gate[i] / (1 + expf(-gate[i])) * up[i];
}

SWG_KERNEL(threads) activate_kernel(int activation, float *x, size_t n)
{
    EACH_ELEMENT(i, n)
    {
        const float v = x[i];
        switch (activation) {
        case SWG_CUDA_GELU:
            x[i] = 0.5f * v * (1 + erff(v * 0.70710678f));
            break;
        case SWG_CUDA_GELU_TANH:
            x[i] = 0.5f * v * (1 + tanhf(0.79788456f * (v + 0.044715f * v * v * v)));
            break;
        case SWG_CUDA_TANH:
            x[i] = tanhf(v);
            break;
        default:
            x[i] = v > 0 ? v : 0;
        }
    }
}

SWG_KERNEL(threads) mul_kernel(float *x, const float *y, size_t n)
{
    EACH_ELEMENT(i, n)
    x[i] *= y[i];
}

SWG_KERNEL(threads) scale_kernel(float factor, float *x, size_t n)
{
    EACH_ELEMENT(i, n)
    x[i] *= factor;
}

SWG_KERNEL(threads) add_kernel(float *x, const float *y, size_t n)
{
    EACH_ELEMENT(i, n)
    x[i] += y[i];
}

SWG_KERNEL(threads) add_vector_kernel(float *x, const float *vector, size_t n, unsigned columns)
{
    EACH_ELEMENT(i, n)
    x[i] += vector[i % columns];
}

SWG_KERNEL(threads)
lstm_cell_kernel(const float *x, const float *s, size_t n, float *c, float *h)
{
    EACH_ELEMENT(j, n)
    {
        const float in = sigmoid(x[j] + s[j]), forget = sigmoid(x[n + j] + s[n + j]);
        const float made = tanhf(x[2 * n + j] + s[2 * n + j]);
        const float out = sigmoid(x[3 * n + j] + s[3 * n + j]);
        c[j] = fmaf(forget, c[j], in * made);
        h[j] = out * tanhf(c[j]);
    }
}

SWG_KERNEL(threads)
gru_cell_kernel(const float *x, const float *s, size_t n, size_t update, size_t reset, float *h)
{
    EACH_ELEMENT(j, n)
    {
        const size_t u = update * n + j, r = reset * n + j, m = 2 * n + j;
        const float keep = sigmoid(x[u] + s[u]), open = sigmoid(x[r] + s[r]);
        const float made = tanhf(fmaf(open, s[m], x[m]));
        h[j] = fmaf(keep, h[j] - made, made);
    }
}

SWG_KERNEL(threads)
gru_reset_kernel(const float *x, const float *s, size_t n, size_t reset, const float *h, float *out)
{
    EACH_ELEMENT(j, n)
    out[j] = sigmoid(x[reset * n + j] + s[reset * n + j]) * h[j];
}

/* Launch a kernel over n elements. */
template <class... P, class... A>
int each(swg_cuda_stream *stream, const char *name, size_t n, void (*kernel)(P...), A... arguments)
{
    return n == 0 ? (int)SWG_CUDA_OK
                  : launch(stream, name, kernel, dim3(grid_of(n)), threads, 0, arguments...);
}
} // namespace

int silu_mul(swg_cuda_stream *stream, float *d_gate, const float *d_up, size_t n)
{
    return each(stream, "silu_mul", n, silu_mul_kernel, d_gate, d_up, n);
}

int activate(swg_cuda_stream *stream, swg_cuda_activation activation, float *d_x, size_t n)
{
    return each(stream, "activate", n, activate_kernel, (int)activation, d_x, n);
}

int mul(swg_cuda_stream *stream, float *d_x, const float *d_y, size_t n)
{
    return each(stream, "mul", n, mul_kernel, d_x, d_y, n);
}

int scale(swg_cuda_stream *stream, float factor, float *d_x, size_t n)
{
    return each(stream, "scale", n, scale_kernel, factor, d_x, n);
}

int add(swg_cuda_stream *stream, float *d_x, const float *d_y, size_t n)
{
    return each(stream, "add", n, add_kernel, d_x, d_y, n);
}

int add_vector(swg_cuda_stream *stream, float *d_x, const float *d_vector, size_t rows, size_t n)
{
    const int status = check_sizes("a matrix", rows, n);
    return status ? status
                  : each(stream, "add_vector", rows * n, add_vector_kernel, d_x, d_vector, rows * n,
                         (unsigned)n);
}

int lstm_cell(swg_cuda_stream *stream, const float *d_from_input, const float *d_from_state,
              size_t units, float *d_c, float *d_h)
{
    return each(stream, "lstm_cell", units, lstm_cell_kernel, d_from_input, d_from_state, units,
                d_c, d_h);
}

int gru_cell(swg_cuda_stream *stream, const float *d_from_input, const float *d_from_state,
             size_t units, size_t update, size_t reset, float *d_h)
{
    return each(stream, "gru_cell", units, gru_cell_kernel, d_from_input, d_from_state, units,
                update, reset, d_h);
}

int gru_reset(swg_cuda_stream *stream, const float *d_from_input, const float *d_from_state,
              size_t units, size_t reset, const float *d_h, float *d_out)
{
    return each(stream, "gru_reset", units, gru_reset_kernel, d_from_input, d_from_state, units,
                reset, d_h, d_out);
}
} // namespace SWG_BUILD
