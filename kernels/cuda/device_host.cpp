/* The device of the host executor: memory with guards at both ends, streams that do their work at
 * once, and graphs that are lists of recorded calls.
 *
 *     allocation:  | header | guard | bytes of the caller, first filled with 0xff | guard | */
#include "kernels/cuda/ops.h"
#include "kernels/cuda/trace.h"

#include <pthread.h>

struct swg_cuda_device {
    int unused;
};

struct swg_cuda_stream {
    swg_cuda_device *device;
    swg_cuda_graph *capture; /* what is recorded at present */
    int status;              /* of the first operation that failed since the last sync */
};

namespace
{
struct recorded {
    recorded *next;
    const char *name;
    dim3 grid;
    unsigned threads;
    size_t shared;
    void (*body)(const void *);
    void *context;
};

enum { guard = 64, poison = 0xff, guard_byte = 0xa5 };

struct allocation {
    allocation *next, **link;
    size_t bytes;
    unsigned char *start; /* as posix_memalign gave it */
};

allocation *allocations;
size_t bytes_in_use;
pthread_mutex_t allocations_lock = PTHREAD_MUTEX_INITIALIZER;

bool is_intact(const unsigned char *bytes)
{
    for (int i = 0; i < guard; i++)
        if (bytes[i] != guard_byte)
            return false;
    return true;
}

/* How much memory the device has: SWAGE_CUDA_MEMORY bytes, for tests of what happens without. */
size_t memory_limit()
{
    const char *limit = getenv("SWAGE_CUDA_MEMORY");
    return limit ? strtoull(limit, nullptr, 10) : (size_t)64 << 30;
}

unsigned char *user_of(const allocation *a)
{
    return a->start + 256;
}

/* Whether something was written before or behind an allocation. */
bool all_intact()
{
    pthread_mutex_lock(&allocations_lock);
    bool intact = true;
    for (const allocation *a = allocations; a && intact; a = a->next)
        intact = is_intact(user_of(a) - guard) && is_intact(user_of(a) + a->bytes);
    pthread_mutex_unlock(&allocations_lock);
    return intact;
}
} // namespace

#ifdef SWG_TRACE
namespace simt
{
bool is_device_memory(const void *address)
{
    static unsigned char *first, *end; /* of the allocation that was met last */
    unsigned char *const at = static_cast<unsigned char *>(const_cast<void *>(address));
    if (at >= first && at < end)
        return true;
    pthread_mutex_lock(&allocations_lock);
    const allocation *a = allocations;
    while (a && !(at >= user_of(a) && at < user_of(a) + a->bytes))
        a = a->next;
    if (a) {
        first = user_of(a);
        end = first + a->bytes;
    }
    pthread_mutex_unlock(&allocations_lock);
    return a != nullptr;
}
} // namespace simt
#endif

struct swg_cuda_graph {
    recorded *first, **end;
};

namespace SWG_BUILD
{
int device_count(int *n)
{
    *n = 1;
    return SWG_CUDA_OK;
}

int device_info(int number, swg_cuda_info *out)
{
    if (number != 0)
        return fail(SWG_CUDA_NO_DEVICE, "there is no device %d; there is device 0", number);
    *out = {};
    strcpy(out->name, "this processor, executing CUDA kernels thread by thread");
    out->multiprocessors = 1;
    out->memory_bytes = memory_limit();
    out->free_bytes = out->memory_bytes - bytes_in_use;
    return SWG_CUDA_OK;
}

int device_open(int number, swg_cuda_device **out)
{
    swg_cuda_info info;
    const int status = device_info(number, &info);
    if (status)
        return status;
    *out = static_cast<swg_cuda_device *>(calloc(1, sizeof **out));
    return *out ? (int)SWG_CUDA_OK : fail(SWG_CUDA_NO_MEMORY, "no memory for a device");
}

void device_close(swg_cuda_device *device)
{
    free(device);
}

int memory_alloc(swg_cuda_device *, size_t bytes, void **d_out)
{
    allocation *a = static_cast<allocation *>(calloc(1, sizeof *a));
    void *start = nullptr;
    const size_t limit = memory_limit(), left = limit > bytes_in_use ? limit - bytes_in_use : 0;
    if (!a || bytes > left || posix_memalign(&start, 256, 256 + bytes + guard) != 0) {
        free(a);
        return fail(SWG_CUDA_NO_MEMORY, "the device has %zu free bytes, and %zu are needed", left,
                    bytes);
    }
    a->start = static_cast<unsigned char *>(start);
    a->bytes = bytes;
    memset(user_of(a) - guard, guard_byte, guard);
    memset(user_of(a), poison, bytes);
    memset(user_of(a) + bytes, guard_byte, guard);
    *reinterpret_cast<allocation **>(a->start) = a;
    pthread_mutex_lock(&allocations_lock);
    a->next = allocations;
    a->link = &allocations;
    if (a->next)
        a->next->link = &a->next;
    allocations = a;
    bytes_in_use += bytes;
    pthread_mutex_unlock(&allocations_lock);
    *d_out = user_of(a);
    return SWG_CUDA_OK;
}

void memory_free(swg_cuda_device *, void *d_memory)
{
    if (!d_memory)
        return;
    allocation *a = *reinterpret_cast<allocation **>(static_cast<unsigned char *>(d_memory) - 256);
    pthread_mutex_lock(&allocations_lock);
    bytes_in_use -= a->bytes;
    *a->link = a->next;
    if (a->next)
        a->next->link = a->link;
    pthread_mutex_unlock(&allocations_lock);
    free(a->start);
    free(a);
}

int memory_alloc_pinned(swg_cuda_device *, size_t bytes, void **out)
{
    *out = malloc(bytes);
    return *out ? (int)SWG_CUDA_OK : fail(SWG_CUDA_NO_MEMORY, "no memory for %zu bytes", bytes);
}

void memory_free_pinned(swg_cuda_device *, void *memory)
{
    free(memory);
}

int stream_new(swg_cuda_device *device, swg_cuda_stream **out)
{
    *out = static_cast<swg_cuda_stream *>(calloc(1, sizeof **out));
    if (!*out)
        return fail(SWG_CUDA_NO_MEMORY, "no memory for a stream");
    (*out)->device = device;
    return SWG_CUDA_OK;
}

void stream_free(swg_cuda_stream *stream)
{
    if (stream)
        graph_free(stream->capture);
    free(stream);
}

int stream_sync(swg_cuda_stream *stream)
{
    if (stream->capture)
        return fail(SWG_CUDA_FAILED, "a stream cannot be waited for while it is captured");
    const int status = stream->status;
    stream->status = SWG_CUDA_OK;
    return status;
}

/* Copies with the host, which a capture does not allow. */
static int copy_now(swg_cuda_stream *stream, void *to, const void *from, size_t bytes)
{
    if (stream->capture)
        return fail(SWG_CUDA_FAILED, "a copy from or to the host cannot be captured");
    memcpy(to, from, bytes);
    return SWG_CUDA_OK;
}

int stream_copy_in(swg_cuda_stream *stream, void *d_to, const void *from, size_t bytes)
{
    return copy_now(stream, d_to, from, bytes);
}

int stream_copy_out(swg_cuda_stream *stream, void *to, const void *d_from, size_t bytes)
{
    return copy_now(stream, to, d_from, bytes);
}

/* Copies and fills within the device run as kernels of one thread, so that they are captured. */
static void copy_kernel(void *to, const void *from, size_t bytes)
{
    memmove(to, from, bytes);
}

static void fill_kernel(void *to, size_t bytes)
{
    memset(to, 0, bytes);
}

int stream_copy(swg_cuda_stream *stream, void *d_to, const void *d_from, size_t bytes)
{
    return launch(stream, "copy", copy_kernel, dim3(1), 1, 0, d_to, d_from, bytes);
}

int stream_fill_zero(swg_cuda_stream *stream, void *d_to, size_t bytes)
{
    return launch(stream, "fill_zero", fill_kernel, dim3(1), 1, 0, d_to, bytes);
}

int graph_begin(swg_cuda_stream *stream)
{
    if (stream->capture)
        return fail(SWG_CUDA_FAILED, "the stream is being captured already");
    stream->capture = static_cast<swg_cuda_graph *>(calloc(1, sizeof(swg_cuda_graph)));
    if (!stream->capture)
        return fail(SWG_CUDA_NO_MEMORY, "no memory for a graph");
    stream->capture->end = &stream->capture->first;
    return SWG_CUDA_OK;
}

int graph_end(swg_cuda_stream *stream, swg_cuda_graph **out)
{
    if (!stream->capture)
        return fail(SWG_CUDA_FAILED, "the stream is not being captured");
    swg_cuda_graph *graph = stream->capture;
    stream->capture = nullptr;
    const int status = stream->status;
    stream->status = SWG_CUDA_OK;
    if (status) {
        graph_free(graph);
        return status;
    }
    *out = graph;
    return SWG_CUDA_OK;
}

/* The first failure stays until the next sync. */
static int note(swg_cuda_stream *stream, int status)
{
    if (status && !stream->status)
        stream->status = status;
    return status;
}

static int run_checked(const recorded *r)
{
    const int status = simt::run(r->name, r->grid, r->threads, r->shared, r->body, r->context);
    if (status)
        return status;
    if (!all_intact())
        return fail(SWG_CUDA_FAILED, "kernel %s wrote outside of its memory", r->name);
    return SWG_CUDA_OK;
}

int graph_launch(swg_cuda_stream *stream, const swg_cuda_graph *graph)
{
    for (const recorded *r = graph->first; r; r = r->next) {
        const int status = note(stream, run_checked(r));
        if (status)
            return status;
    }
    return SWG_CUDA_OK;
}

void graph_free(swg_cuda_graph *graph)
{
    for (recorded *r = graph ? graph->first : nullptr; r;) {
        recorded *const next = r->next;
        free(r->context);
        free(r);
        r = next;
    }
    free(graph);
}

static int record(swg_cuda_stream *stream, const recorded &call, size_t bytes)
{
    recorded *r = static_cast<recorded *>(malloc(sizeof *r));
    void *context = malloc(bytes);
    if (!r || !context) {
        free(r);
        free(context);
        return fail(SWG_CUDA_NO_MEMORY, "no memory for a captured call");
    }
    memcpy(context, call.context, bytes);
    *r = call;
    r->context = context;
    *stream->capture->end = r;
    stream->capture->end = &r->next;
    return SWG_CUDA_OK;
}

int run_or_record(swg_cuda_stream *stream, const recorded &call, size_t bytes)
{
    return note(stream, stream->capture ? record(stream, call, bytes) : run_checked(&call));
}
} // namespace SWG_BUILD

namespace simt
{
int run_on(swg_cuda_stream *stream, const char *name, dim3 grid, unsigned threads,
           size_t shared_bytes, void (*body)(const void *), const void *context, size_t bytes)
{
    const recorded call = {
        nullptr, name, grid, threads, shared_bytes, body, const_cast<void *>(context)};
    return SWG_BUILD::run_or_record(stream, call, bytes);
}
} // namespace simt
