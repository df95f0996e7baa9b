/* Devices, memory, streams and graphs through the CUDA runtime. Every call's return is checked and
 * becomes a status and a sentence. */
#include "kernels/cuda/ops.h"

struct swg_cuda_device {
    int number;
};

struct swg_cuda_graph {
    cudaGraphExec_t native;
};

namespace SWG_BUILD
{
namespace
{
/* Any kernel: whether the driver finds code for the device in it. */
SWG_KERNEL(32) probe_kernel() {}

int status_of(cudaError_t error)
{
    switch (error) {
    case cudaSuccess:
        return SWG_CUDA_OK;
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorInvalidDevice:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorCompatNotSupportedOnDevice:
        return SWG_CUDA_NO_DEVICE;
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidKernelImage:
        return SWG_CUDA_NO_KERNEL;
    case cudaErrorMemoryAllocation:
        return SWG_CUDA_NO_MEMORY;
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorMisalignedAddress:
    case cudaErrorIllegalInstruction:
    case cudaErrorHardwareStackError:
    case cudaErrorECCUncorrectable:
    case cudaErrorDevicesUnavailable:
    case cudaErrorLaunchTimeout:
        return SWG_CUDA_LOST;
    default:
        return SWG_CUDA_FAILED;
    }
}
} // namespace

int checked(cudaError_t error, const char *what)
{
    if (error == cudaSuccess)
        return SWG_CUDA_OK;
    cudaGetLastError(); /* clear it, where it can be cleared */
    return fail(status_of(error), "%s: %s (CUDA error %d)", what, cudaGetErrorString(error),
                (int)error);
}

int device_count(int *n)
{
    int driver = 0, runtime = 0;
    *n = 0;
    const cudaError_t error = cudaGetDeviceCount(n);
    if (error == cudaSuccess && *n > 0)
        return SWG_CUDA_OK;
    cudaGetLastError();
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    if (driver == 0)
        return fail(SWG_CUDA_NO_DEVICE, "this machine has no driver for CUDA devices");
    if (driver < runtime)
        return fail(SWG_CUDA_NO_DEVICE,
                    "the driver supports CUDA %d.%d, but the kernels were built with %d.%d",
                    driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    return fail(SWG_CUDA_NO_DEVICE, "this machine has no CUDA device: %s",
                cudaGetErrorString(error));
}

int device_info(int number, swg_cuda_info *out)
{
    cudaDeviceProp p;
    int status = checked(cudaGetDeviceProperties(&p, number), "the device's properties");
    size_t free_bytes = 0, bytes = 0;
    if (!status)
        status = checked(cudaSetDevice(number), "choosing the device");
    if (!status)
        status = checked(cudaMemGetInfo(&free_bytes, &bytes), "the device's memory");
    if (status)
        return status;
    *out = {};
    strncpy(out->name, p.name, sizeof out->name - 1);
    out->capability = p.major * 10 + p.minor;
    out->multiprocessors = p.multiProcessorCount;
    out->memory_bytes = p.totalGlobalMem;
    out->free_bytes = free_bytes;
    out->l2_bytes = (uint64_t)p.l2CacheSize;
    return SWG_CUDA_OK;
}

/* There is no PTX in the program, so no other device may run what was built for one: the code that
 * the driver found has to be of the device's own generation. */
int device_open(int number, swg_cuda_device **out)
{
    swg_cuda_info info;
    const int status = device_info(number, &info);
    if (status)
        return status;
    cudaFuncAttributes attributes = {};
    const cudaError_t error =
        cudaFuncGetAttributes(&attributes, reinterpret_cast<const void *>(probe_kernel));
    cudaGetLastError();
    if (error != cudaSuccess || attributes.binaryVersion / 10 != info.capability / 10)
        return fail(SWG_CUDA_NO_KERNEL,
                    "%s has compute capability %d.%d, for which no kernels were built", info.name,
                    info.capability / 10, info.capability % 10);
    *out = static_cast<swg_cuda_device *>(calloc(1, sizeof **out));
    if (!*out)
        return fail(SWG_CUDA_NO_MEMORY, "no memory for a device");
    (*out)->number = number;
    return SWG_CUDA_OK;
}

void device_close(swg_cuda_device *device)
{
    free(device);
}

static int choose(const swg_cuda_device *device)
{
    return checked(cudaSetDevice(device->number), "choosing the device");
}

int memory_alloc(swg_cuda_device *device, size_t bytes, void **d_out)
{
    const int status = choose(device);
    if (status)
        return status;
    const cudaError_t error = cudaMalloc(d_out, bytes);
    if (error != cudaErrorMemoryAllocation)
        return checked(error, "allocating memory of the device");
    cudaGetLastError();
    size_t free_bytes = 0, all = 0;
    cudaMemGetInfo(&free_bytes, &all);
    return fail(SWG_CUDA_NO_MEMORY, "the device has %zu free bytes, and %zu are needed", free_bytes,
                bytes);
}

void memory_free(swg_cuda_device *device, void *d_memory)
{
    if (d_memory && choose(device) == SWG_CUDA_OK)
        checked(cudaFree(d_memory), "freeing memory of the device");
}

int memory_alloc_pinned(swg_cuda_device *device, size_t bytes, void **out)
{
    const int status = choose(device);
    return status ? status : checked(cudaMallocHost(out, bytes), "allocating page-locked memory");
}

void memory_free_pinned(swg_cuda_device *device, void *memory)
{
    if (memory && choose(device) == SWG_CUDA_OK)
        checked(cudaFreeHost(memory), "freeing page-locked memory");
}

int stream_new(swg_cuda_device *device, swg_cuda_stream **out)
{
    int status = choose(device);
    if (status)
        return status;
    swg_cuda_stream *stream = static_cast<swg_cuda_stream *>(calloc(1, sizeof *stream));
    if (!stream)
        return fail(SWG_CUDA_NO_MEMORY, "no memory for a stream");
    stream->device = device->number;
    status = checked(cudaStreamCreateWithFlags(&stream->native, cudaStreamNonBlocking),
                     "making a stream");
    if (status)
        free(stream);
    else
        *out = stream;
    return status;
}

void stream_free(swg_cuda_stream *stream)
{
    if (stream)
        checked(cudaStreamDestroy(stream->native), "ending a stream");
    free(stream);
}

int stream_sync(swg_cuda_stream *stream)
{
    return checked(cudaStreamSynchronize(stream->native), "the device's work");
}

int stream_copy_in(swg_cuda_stream *stream, void *d_to, const void *from, size_t bytes)
{
    return checked(cudaMemcpyAsync(d_to, from, bytes, cudaMemcpyHostToDevice, stream->native),
                   "copying to the device");
}

int stream_copy_out(swg_cuda_stream *stream, void *to, const void *d_from, size_t bytes)
{
    return checked(cudaMemcpyAsync(to, d_from, bytes, cudaMemcpyDeviceToHost, stream->native),
                   "copying from the device");
}

int stream_copy(swg_cuda_stream *stream, void *d_to, const void *d_from, size_t bytes)
{
    return checked(cudaMemcpyAsync(d_to, d_from, bytes, cudaMemcpyDeviceToDevice, stream->native),
                   "copying within the device");
}

int stream_fill_zero(swg_cuda_stream *stream, void *d_to, size_t bytes)
{
    return checked(cudaMemsetAsync(d_to, 0, bytes, stream->native), "filling with zeros");
}

int graph_begin(swg_cuda_stream *stream)
{
    return checked(cudaStreamBeginCapture(stream->native, cudaStreamCaptureModeThreadLocal),
                   "beginning a graph");
}

int graph_end(swg_cuda_stream *stream, swg_cuda_graph **out)
{
    cudaGraph_t captured = nullptr;
    int status = checked(cudaStreamEndCapture(stream->native, &captured), "ending a graph");
    swg_cuda_graph *graph = static_cast<swg_cuda_graph *>(calloc(1, sizeof *graph));
    if (!status && !graph)
        status = fail(SWG_CUDA_NO_MEMORY, "no memory for a graph");
    if (!status)
        status = checked(cudaGraphInstantiate(&graph->native, captured, 0), "preparing a graph");
    if (captured)
        cudaGraphDestroy(captured);
    if (status)
        free(graph);
    else
        *out = graph;
    return status;
}

int graph_launch(swg_cuda_stream *stream, const swg_cuda_graph *graph)
{
    return checked(cudaGraphLaunch(graph->native, stream->native), "launching a graph");
}

void graph_free(swg_cuda_graph *graph)
{
    if (graph)
        checked(cudaGraphExecDestroy(graph->native), "freeing a graph");
    free(graph);
}
} // namespace SWG_BUILD
