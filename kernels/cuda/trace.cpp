/* Accesses of kernels on the host executor, counted and checked: see trace.h. Nothing here is
 * compiled for tracing itself. */
#ifdef SWG_TRACE
#include "kernels/cuda/simt.h"

#include <stdio.h>

#include "kernels/cuda/trace.h"

namespace simt
{
namespace
{
enum {
    traced_blocks = 2,
    most_launches = 64,
    most_kernels = 64,
    most_shared = 99 * 1024,
    banks = 32,
    sector = 32
};

/* One thread's access. */
struct access {
    const void *at;
    uintptr_t address;
    unsigned thread, order; /* order: among the thread's by the same instruction */
    unsigned bytes;
    bool is_shared;
};

/* Who used a byte of shared memory last. Times count barriers of the block and meetings of the
 * thread's warp; thread 0 of time 0 is nobody. */
struct use {
    unsigned thread, barriers, meetings;
};
struct byte_use {
    use writer, reader;
};

struct {
    swg_cuda_access kernels[most_kernels];
    unsigned n_kernels, present; /* the launch's */
    unsigned launches[most_kernels];
    unsigned blocks; /* of this launch so far */
    bool is_on;
    const unsigned char *stacks;
    size_t stacks_bytes, shared_bytes;
    access *accesses;
    size_t n, capacity;
    unsigned barriers, meetings[32];
    byte_use bytes[most_shared];
    char problem[200];
} trace;

/* --- Counting --------------------------------------------------------------------------------- */

int by_thread(const void *x, const void *y)
{
    const access *a = static_cast<const access *>(x), *b = static_cast<const access *>(y);
    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    if (a->thread != b->thread)
        return a->thread < b->thread ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

int by_instruction(const void *x, const void *y)
{
    const access *a = static_cast<const access *>(x), *b = static_cast<const access *>(y);
    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    if (a->thread / 32 != b->thread / 32)
        return a->thread < b->thread ? -1 : 1;
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    return a->thread < b->thread ? -1 : a->thread > b->thread;
}

int by_number(const void *x, const void *y)
{
    const uintptr_t a = *static_cast<const uintptr_t *>(x), b = *static_cast<const uintptr_t *>(y);
    return a < b ? -1 : a > b;
}

/* How many different numbers there are; sorts them. */
unsigned count_different(uintptr_t *numbers, unsigned n)
{
    unsigned different = n > 0;
    qsort(numbers, n, sizeof *numbers, by_number);
    for (unsigned i = 1; i < n; i++)
        different += numbers[i] != numbers[i - 1];
    return different;
}

/* Passes over the banks for lanes that are served together: of words of four bytes, each bank gives
 * one at a time, to all that want it. */
unsigned passes_of(const access *a, unsigned n)
{
    uintptr_t words[32 * 4];
    unsigned n_words = 0, per_bank[banks] = {}, most = 0;
    for (unsigned i = 0; i < n; i++)
        for (uintptr_t w = a[i].address / 4; w <= (a[i].address + a[i].bytes - 1) / 4; w++)
            words[n_words++] = w;
    count_different(words, n_words);
    for (unsigned i = 0; i < n_words; i++)
        if (i == 0 || words[i] != words[i - 1])
            per_bank[words[i] % banks]++;
    for (unsigned b = 0; b < banks; b++)
        most = per_bank[b] > most ? per_bank[b] : most;
    return most;
}

/* Lanes take turns so that at most 128 bytes are asked for at once. */
void count_shared(swg_cuda_access *to, const access *a, unsigned n)
{
    const unsigned lanes = a->bytes > 4 ? 128 / a->bytes : 32;
    for (unsigned i = 0; i < n;) {
        const unsigned turn = a[i].thread % 32 / lanes;
        unsigned end = i;
        while (end < n && a[end].thread % 32 / lanes == turn)
            end++;
        to->shared_passes += passes_of(a + i, end - i);
        to->shared_least++;
        i = end;
    }
}

void count_device(swg_cuda_access *to, const access *a, unsigned n)
{
    uintptr_t sectors[64], bytes[32 * 16];
    unsigned n_sectors = 0, n_bytes = 0;
    for (unsigned i = 0; i < n; i++) {
        sectors[n_sectors++] = a[i].address / sector;
        sectors[n_sectors++] = (a[i].address + a[i].bytes - 1) / sector;
        for (unsigned b = 0; b < a[i].bytes; b++)
            bytes[n_bytes++] = a[i].address + b;
    }
    to->device_sectors += count_different(sectors, n_sectors);
    to->device_least += (count_different(bytes, n_bytes) + sector - 1) / sector;
}

/* The block's accesses, warp by warp and instruction by instruction. */
void count_block()
{
    access *const all = trace.accesses;
    swg_cuda_access *to = &trace.kernels[trace.present];
    qsort(all, trace.n, sizeof *all, by_thread);
    for (size_t i = 0, order = 0; i < trace.n; i++) {
        const bool is_next =
            i > 0 && all[i].at == all[i - 1].at && all[i].thread == all[i - 1].thread;
        order = is_next ? order + 1 : 0;
        all[i].order = (unsigned)order;
    }
    qsort(all, trace.n, sizeof *all, by_instruction);
    for (size_t i = 0, end; i < trace.n; i = end) {
        for (end = i + 1; end < trace.n && all[end].at == all[i].at &&
                          all[end].thread / 32 == all[i].thread / 32 &&
                          all[end].order == all[i].order && all[end].is_shared == all[i].is_shared;)
            end++;
        if (all[i].is_shared)
            count_shared(to, all + i, (unsigned)(end - i));
        else
            count_device(to, all + i, (unsigned)(end - i));
    }
}

/* --- Races ------------------------------------------------------------------------------------ */

bool is_ordered(const use &before, unsigned thread)
{
    const unsigned warp = thread / 32;
    return before.barriers == 0 || before.thread == thread || before.barriers < trace.barriers ||
           (before.thread / 32 == warp && before.meetings < trace.meetings[warp]);
}

void check_byte(size_t at, bool is_write, unsigned thread)
{
    byte_use *of = &trace.bytes[at];
    const use *unordered = !is_ordered(of->writer, thread)               ? &of->writer
                           : is_write && !is_ordered(of->reader, thread) ? &of->reader
                                                                         : nullptr;
    if (unordered && !trace.problem[0])
        snprintf(trace.problem, sizeof trace.problem,
                 "threads %u and %u use byte %zu of shared memory with no barrier between them",
                 unordered->thread, thread, at);
    const use now = {thread, trace.barriers, trace.meetings[thread / 32]};
    /* Of several readers, one of another warp matters longest. */
    if (is_write)
        of->writer = now;
    else if (is_ordered(of->reader, thread) || of->reader.thread / 32 == thread / 32)
        of->reader = now;
}
} // namespace

void trace_launch(const char *name, const unsigned char *stacks, size_t bytes)
{
    trace.stacks = stacks;
    trace.stacks_bytes = bytes;
    unsigned i = 0;
    while (i < trace.n_kernels && strcmp(trace.kernels[i].kernel, name) != 0)
        i++;
    if (i == trace.n_kernels && i < most_kernels)
        trace.kernels[trace.n_kernels++] = {name, 0, 0, 0, 0};
    trace.present = i < most_kernels ? i : most_kernels - 1;
    trace.blocks = 0;
    trace.launches[trace.present]++;
}

void trace_block_begin(size_t shared_bytes)
{
    trace.is_on = trace.blocks++ < traced_blocks && trace.launches[trace.present] <= most_launches;
    trace.n = 0;
    trace.shared_bytes = shared_bytes;
    trace.problem[0] = 0;
    trace.barriers = 1;
    memset(trace.meetings, 0, sizeof trace.meetings);
    memset(trace.bytes, 0, shared_bytes * sizeof *trace.bytes);
}

void trace_block_end()
{
    if (trace.is_on)
        count_block();
    trace.is_on = false;
}

void trace_barrier()
{
    trace.barriers++;
}

void trace_meeting(unsigned warp)
{
    trace.meetings[warp]++;
}

const char *trace_problem()
{
    return trace.problem[0] ? trace.problem : nullptr;
}

void trace_access(const void *address, size_t bytes, bool is_write, const void *at)
{
    if (!trace.is_on)
        return;
    const unsigned char *from = static_cast<const unsigned char *>(address);
    if (from >= trace.stacks && from < trace.stacks + trace.stacks_bytes)
        return;
    const bool is_shared = from >= shared && from < shared + trace.shared_bytes;
    if (!is_shared && !is_device_memory(address))
        return;
    for (size_t b = 0; is_shared && b < bytes; b++)
        check_byte((size_t)(from - shared) + b, is_write, self->index.x);
    if (trace.n == trace.capacity) {
        const size_t capacity = trace.capacity ? 2 * trace.capacity : 1 << 16;
        void *grown = realloc(trace.accesses, capacity * sizeof *trace.accesses);
        if (!grown)
            return; /* what it was counted for is not told then */
        trace.accesses = static_cast<access *>(grown);
        trace.capacity = capacity;
    }
    trace.accesses[trace.n] = {
        at, (uintptr_t)address, self->index.x, (unsigned)trace.n, (unsigned)bytes, is_shared};
    trace.n++;
}
} // namespace simt

/* What the compiler calls. */
extern "C" {
#define ACCESS(name, bytes)                                                                        \
    void __tsan_##name##bytes(void *address);                                                      \
    void __tsan_##name##bytes(void *address)                                                       \
    {                                                                                              \
        simt::trace_access(address, bytes, strstr(#name, "write") != nullptr,                      \
                           __builtin_return_address(0));                                           \
    }
#define ACCESSES(name)                                                                             \
    ACCESS(name, 2)                                                                                \
    ACCESS(name, 4)                                                                                \
    ACCESS(name, 8)                                                                                \
    ACCESS(name, 16)
ACCESS(read, 1)
ACCESS(write, 1)
ACCESSES(read)
ACCESSES(write)
ACCESSES(unaligned_read)
ACCESSES(unaligned_write)
#undef ACCESSES
#undef ACCESS
void __tsan_init(void);
void __tsan_init(void) {}
void __tsan_func_entry(void *);
void __tsan_func_entry(void *) {}
void __tsan_func_exit(void);
void __tsan_func_exit(void) {}
/* Copies of structures: of a launch's parameters, which are neither kind of memory. */
void __tsan_read_range(void *, unsigned long);
void __tsan_read_range(void *, unsigned long) {}
void __tsan_write_range(void *, unsigned long);
void __tsan_write_range(void *, unsigned long) {}
void *__tsan_memcpy(void *to, const void *from, size_t bytes);
void *__tsan_memcpy(void *to, const void *from, size_t bytes)
{
    return memcpy(to, from, bytes);
}
void *__tsan_memset(void *to, int value, size_t bytes);
void *__tsan_memset(void *to, int value, size_t bytes)
{
    return memset(to, value, bytes);
}

bool swg_cuda_build_host_access(unsigned number, swg_cuda_access *out);
bool swg_cuda_build_host_access(unsigned number, swg_cuda_access *out)
{
    if (number >= simt::trace.n_kernels)
        return false;
    *out = simt::trace.kernels[number];
    return true;
}
}
#endif
