/* The host executor of simt.h: fibers, their scheduler, barriers and warp meetings. A fiber is a
 * stack; switching saves the registers that a function call preserves. */
#include "kernels/cuda/simt.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

#include "kernels/cuda/fiber.h"
#include "kernels/cuda/trace.h"

namespace simt
{
int fault = fault_none;
thread *self;
uint3 block_index;
dim3 block_size(1), grid_size(1);
unsigned char *shared;

namespace
{
enum {
    most_threads = 1024,
    most_shared = 99 * 1024, /* of a block, on compute capability 8.6 and 8.9 */
    guard_bytes = 64,
    poison = 0xff
};
enum state { ready, at_barrier, at_meeting, done };

struct warp {
    const char *file; /* of the meeting in progress */
    int line;
    unsigned lanes, arrived, n_done;
    unsigned generation;
    alignas(16) unsigned char slots[2][32 * warp_slot];
};

struct machine {
    fiber_stacks stacks;
    thread threads[most_threads];
    warp warps[most_threads / 32];
    unsigned order[most_threads]; /* the threads that can go on, in the first n_ready places */
    unsigned n_threads, n_ready, n_done, n_at_barrier;
    void *scheduler; /* its stack pointer */
    void (*body)(const void *);
    const void *context;
    const char *name;
    uint64_t random;
    char problem[400];
};

machine *m;
pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* xorshift64*; below `n`. */
unsigned random_below(unsigned n)
{
    m->random ^= m->random >> 12;
    m->random ^= m->random << 25;
    m->random ^= m->random >> 27;
    return (unsigned)((m->random * 0x2545F4914F6CDD1Dull >> 33) % n);
}

void make_ready(unsigned t)
{
    m->threads[t].state = ready;
    m->order[m->n_ready++] = t;
}

/* Back to the scheduler, which never resumes threads after a problem. */
void leave(int state)
{
    self->state = state;
    fiber_switch(&self->stack_pointer, m->scheduler);
}

template <class... A> void report(const char *format, A... arguments)
{
    if (m->problem[0])
        return;
    const int n =
        snprintf(m->problem, sizeof m->problem, "kernel %s, block (%u, %u, %u): ", m->name,
                 block_index.x, block_index.y, block_index.z);
    snprintf(m->problem + n, sizeof m->problem - (size_t)n, format, arguments...);
}

const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void entry()
{
    m->body(m->context);
    copy_wait(0);
    m->n_done++;
    m->warps[self->warp].n_done++;
    leave(done);
}

void start_threads()
{
    m->n_ready = m->n_done = m->n_at_barrier = 0;
    for (unsigned w = 0; w * 32 < m->n_threads; w++) {
        warp *const one = &m->warps[w];
        const unsigned left = m->n_threads - w * 32;
        one->lanes = left < 32 ? left : 32;
        one->arrived = one->n_done = one->generation = 0;
    }
    for (unsigned t = 0; t < m->n_threads; t++) {
        thread *const one = &m->threads[t];
        one->index = {t, 0, 0};
        one->warp = t / 32;
        one->lane = t % 32;
        one->n_pending = one->copy_group = 0;
        one->stack_pointer = fiber_start(&m->stacks, t, entry);
        make_ready(t);
    }
}

/* All that can go on have: say who waits in vain. */
void report_stuck()
{
    for (unsigned t = 0; t < m->n_threads; t++) {
        const thread *one = &m->threads[t];
        if (one->state == done)
            continue;
        report("thread %u waits at %s:%d for %s that never come; %u of %u threads have ended", t,
               base_name(one->file), one->line,
               one->state == at_barrier ? "threads of its block" : "lanes of its warp", m->n_done,
               m->n_threads);
    }
}

void run_block()
{
    start_threads();
    while (m->n_ready > 0 && !m->problem[0]) {
        const unsigned at = random_below(m->n_ready), t = m->order[at];
        m->order[at] = m->order[--m->n_ready];
        self = &m->threads[t];
        fiber_enter(&m->stacks, t, &m->scheduler, self->stack_pointer);
    }
    if (m->n_done < m->n_threads && !m->problem[0])
        report_stuck();
}

/* Blocks in random order: a random start and a step that shares no divisor with their number. */
void run_blocks(dim3 grid, size_t shared_bytes)
{
    const uint64_t n = (uint64_t)grid.x * grid.y * grid.z;
    uint64_t at = random_below((unsigned)(n < 1u << 30 ? n : 1u << 30)), step = at | 1;
    for (uint64_t a = step, b = n; b != 0;) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
        if (b == 0 && a != 1) {
            a = ++step;
            b = n;
        }
    }
    for (uint64_t i = 0; i < n && !m->problem[0]; i++, at = (at + step) % n) {
        block_index = {(unsigned)(at % grid.x), (unsigned)(at / grid.x % grid.y),
                       (unsigned)(at / grid.x / grid.y)};
        memset(shared, poison, shared_bytes + guard_bytes);
        trace_block_begin(shared_bytes);
        run_block();
        trace_block_end();
        if (trace_problem())
            report("%s", trace_problem());
        for (unsigned g = 0; g < guard_bytes; g++)
            if (shared[shared_bytes + g] != poison)
                report("wrote beyond the %zu bytes of shared memory", shared_bytes);
    }
}

bool prepare()
{
    if (m)
        return true;
    m = static_cast<machine *>(calloc(1, sizeof *m));
    if (!m || !fiber_stacks_make(&m->stacks, most_threads)) {
        free(m);
        m = nullptr;
        return false;
    }
    const char *seed = getenv("SWAGE_CUDA_SEED");
    m->random = 0x9E3779B97F4A7C15ull * ((seed ? strtoull(seed, nullptr, 10) : 0) + 1);
    return true;
}
} // namespace

void barrier(const char *file, int line)
{
    if (m->n_at_barrier > 0)
        for (unsigned t = 0; t < m->n_threads; t++) {
            const thread *one = &m->threads[t];
            if (one->state == at_barrier && (one->line != line || one->file != file)) {
                report("threads wait at two barriers at once, %s:%d and %s:%d",
                       base_name(one->file), one->line, base_name(file), line);
                leave(at_barrier);
            } else if (one->state == at_barrier) {
                break;
            }
        }
    self->file = file;
    self->line = line;
    if (++m->n_at_barrier < m->n_threads) {
        leave(at_barrier);
        return;
    }
    m->n_at_barrier = 0;
    trace_barrier();
    for (unsigned t = 0; t < m->n_threads; t++)
        make_ready(t); /* itself included: others may go first */
    leave(ready);
}

const unsigned char *warp_meet(const char *file, int line, const void *mine, size_t bytes)
{
    warp *const own = &m->warps[self->warp];
    unsigned char *const slots = own->slots[own->generation % 2];
    if (own->arrived > 0 && (own->file != file || own->line != line))
        report("lanes of a warp wait at %s:%d and %s:%d at once", base_name(own->file), own->line,
               base_name(file), line);
    own->file = self->file = file;
    own->line = self->line = line;
    if (bytes > 0)
        memcpy(slots + self->lane * warp_slot, mine, bytes);
    if (++own->arrived < own->lanes || m->problem[0]) {
        leave(at_meeting);
        return slots;
    }
    own->arrived = 0;
    own->generation++;
    trace_meeting(self->warp);
    for (unsigned lane = 0; lane < own->lanes; lane++)
        make_ready(self->warp * 32 + lane);
    leave(ready);
    return slots;
}

/* --- Asynchronous copies ---------------------------------------------------------------------- */

void copy_async(void *to, const void *from, unsigned bytes)
{
    const void *at = __builtin_return_address(0);
    if (((uintptr_t)to | (uintptr_t)from) % bytes != 0)
        report("an asynchronous copy of %u bytes is not aligned", bytes);
    trace_access(from, bytes, false, at);
    trace_access(to, bytes, true, at);
    if (self->n_pending == most_pending || random_below(2) == 0) {
        memcpy(to, from, bytes);
        return;
    }
    self->pending[self->n_pending++] = {to, from, bytes, self->copy_group};
}

void copy_commit()
{
    self->copy_group++;
}

void copy_wait(unsigned groups_left)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < self->n_pending; i++) {
        const pending_copy copy = self->pending[i];
        if (copy.group + groups_left < self->copy_group || groups_left == 0)
            memcpy(copy.to, copy.from, copy.bytes);
        else
            self->pending[kept++] = copy;
    }
    self->n_pending = kept;
}

int run(const char *name, dim3 grid, unsigned threads, size_t shared_bytes,
        void (*body)(const void *), const void *context)
{
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || threads == 0 || threads > most_threads ||
        grid.y > 65535 || grid.z > 65535)
        return SWG_BUILD::fail(SWG_CUDA_FAILED,
                               "kernel %s: a grid of (%u, %u, %u) blocks of %u threads", name,
                               grid.x, grid.y, grid.z, threads);
    if (shared_bytes > most_shared)
        return SWG_BUILD::fail(SWG_CUDA_FAILED,
                               "kernel %s: %zu bytes of shared memory; not every GPU has more than "
                               "%d",
                               name, shared_bytes, most_shared);
    pthread_mutex_lock(&one_at_a_time);
    void *memory = nullptr;
    int status = SWG_CUDA_NO_MEMORY;
    if (prepare() && posix_memalign(&memory, 128, shared_bytes + guard_bytes) == 0) {
        m->name = name;
        trace_launch(name, m->stacks.memory, (size_t)most_threads * fiber_stack_bytes);
        m->body = body;
        m->context = context;
        m->n_threads = threads;
        m->problem[0] = 0;
        block_size = dim3(threads);
        grid_size = grid;
        shared = static_cast<unsigned char *>(memory);
        run_blocks(grid, shared_bytes);
        status = m->problem[0] ? SWG_CUDA_FAILED : SWG_CUDA_OK;
        if (status)
            fiber_stacks_clean(&m->stacks, most_threads);
    }
    free(memory);
    if (status)
        SWG_BUILD::fail(status, "%s",
                        status == SWG_CUDA_FAILED ? m->problem : "no memory for the executor");
    pthread_mutex_unlock(&one_at_a_time);
    return status;
}
} // namespace simt

extern "C" void swg_cuda_build_host_fault(int fault);
void swg_cuda_build_host_fault(int fault)
{
    simt::fault = fault;
}
