/* Fibers for the host executor (simt.cpp): stacks, and a switch between them that saves what a
 * function call preserves. On other processors than x86-64 ucontext does it, slowly. */
#ifndef SWG_KERNELS_CUDA_FIBER_H
#define SWG_KERNELS_CUDA_FIBER_H

#include <stddef.h>

#include <sys/mman.h>
#ifndef __x86_64__
#include <ucontext.h>
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace simt
{
#if defined __SANITIZE_ADDRESS__ || defined SWG_TRACE
enum { fiber_stack_bytes = 256 * 1024 };
#else
enum { fiber_stack_bytes = 64 * 1024 };
#endif

struct fiber_stacks {
    unsigned char *memory;
#ifndef __x86_64__
    ucontext_t *contexts; /* of the fibers, then of the scheduler */
    unsigned n;
#endif
};

static void (*fiber_entry)();
#ifdef __SANITIZE_ADDRESS__
/* What the sanitizer has to know about the two stacks of a switch. */
static void *fiber_scheduler_fake;
static const void *fiber_scheduler_bottom;
static size_t fiber_scheduler_bytes;
#endif

#ifdef __x86_64__
extern "C" void swg_cuda_fiber_switch(void **save, void *load);
__asm__(".text\n"
        ".type swg_cuda_fiber_switch, @function\n"
        "swg_cuda_fiber_switch:\n"
        "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
        "  ret\n"
        ".size swg_cuda_fiber_switch, . - swg_cuda_fiber_switch\n");
static inline void fiber_jump(void **save, void *load)
{
    swg_cuda_fiber_switch(save, load);
}
#else
static inline void fiber_jump(void **save, void *load)
{
    ucontext_t here;
    *save = &here;
    swapcontext(&here, static_cast<ucontext_t *>(load));
}
#endif

static void fiber_main()
{
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(nullptr, &fiber_scheduler_bottom, &fiber_scheduler_bytes);
#endif
    fiber_entry();
}

static inline bool fiber_stacks_make(fiber_stacks *stacks, unsigned n)
{
    void *memory = mmap(nullptr, (size_t)n * fiber_stack_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    stacks->memory = static_cast<unsigned char *>(memory);
#ifndef __x86_64__
    stacks->n = n;
    stacks->contexts = static_cast<ucontext_t *>(calloc(n, sizeof(ucontext_t)));
    return stacks->contexts != nullptr;
#else
    return true;
#endif
}

/* After fibers were left where they stood: forget what the sanitizer knows about their frames. */
static inline void fiber_stacks_clean(fiber_stacks *stacks, unsigned n)
{
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(stacks->memory, (size_t)n * fiber_stack_bytes);
#else
    (void)stacks;
    (void)n;
#endif
}

/* A fiber on stack number t that will run `entry`; what fiber_enter starts with. `entry` never
 * returns: it switches away for good. */
static inline void *fiber_start(fiber_stacks *stacks, unsigned t, void (*entry)())
{
    fiber_entry = entry;
    unsigned char *const stack = stacks->memory + (size_t)t * fiber_stack_bytes;
#ifdef __SANITIZE_ADDRESS__
    enum { last_frames = 4096 }; /* of the fiber that ended on this stack */
    __asan_unpoison_memory_region(stack + fiber_stack_bytes - last_frames, last_frames);
#endif
#ifdef __x86_64__
    void **top = reinterpret_cast<void **>(stack + fiber_stack_bytes);
    *--top = nullptr; /* keeps the stack aligned as after a call */
    *--top = reinterpret_cast<void *>(fiber_main);
    for (int i = 0; i < 6; i++)
        *--top = nullptr;
    return top;
#else
    ucontext_t *const context = &stacks->contexts[t];
    getcontext(context);
    context->uc_stack.ss_sp = stack;
    context->uc_stack.ss_size = fiber_stack_bytes;
    context->uc_link = nullptr;
    makecontext(context, fiber_main, 0);
    return context;
#endif
}

/* From the scheduler into fiber t; returns when it switches back. */
static inline void fiber_enter(fiber_stacks *stacks, unsigned t, void **scheduler, void *load)
{
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(
        &fiber_scheduler_fake, stacks->memory + (size_t)t * fiber_stack_bytes, fiber_stack_bytes);
#else
    (void)stacks;
    (void)t;
#endif
    fiber_jump(scheduler, load);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(fiber_scheduler_fake, nullptr, nullptr);
#endif
}

/* From a fiber back to the scheduler; returns when it is entered again. */
static inline void fiber_switch(void **save, void *scheduler)
{
#ifdef __SANITIZE_ADDRESS__
    void *fake;
    __sanitizer_start_switch_fiber(&fake, fiber_scheduler_bottom, fiber_scheduler_bytes);
#endif
    fiber_jump(save, scheduler);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(fake, &fiber_scheduler_bottom, &fiber_scheduler_bytes);
#endif
}
} // namespace simt

#endif
