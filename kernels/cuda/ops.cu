/* The table of this build's operations, and the sentence of its last error. */
#include "kernels/cuda/ops.h"

#include <stdarg.h>
#include <stdio.h>

namespace SWG_BUILD
{
static thread_local char sentence[512];

int fail(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    return status;
}

static const char *message()
{
    return sentence;
}
} // namespace SWG_BUILD

using namespace SWG_BUILD;

#ifdef __CUDACC__
extern "C" const swg_cuda swg_cuda_build_gpu;
const swg_cuda swg_cuda_build_gpu = {
    "gpu",
#else
extern "C" const swg_cuda swg_cuda_build_host;
const swg_cuda swg_cuda_build_host = {
    "host",
#endif
    message,
    device_count,
    device_info,
    device_open,
    device_close,
    memory_alloc,
    memory_free,
    memory_alloc_pinned,
    memory_free_pinned,
    stream_new,
    stream_free,
    stream_sync,
    stream_copy_in,
    stream_copy_out,
    stream_copy,
    stream_fill_zero,
    graph_begin,
    graph_end,
    graph_launch,
    graph_free,
    linear_scratch,
    linear,
    dequantize,
    embed,
    rmsnorm,
    layernorm,
    rope_angles,
    rope,
    silu_mul,
    activate,
    mul,
    scale,
    add,
    add_vector,
    gather,
    product_sum,
    moments,
    cache_store,
    attend_scratch,
    attend,
    softmax,
    argmax,
    sample,
    cross_entropy,
    lstm_cell,
    gru_cell,
    gru_reset,
};
