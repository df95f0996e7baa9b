/* Memory: checked size arithmetic, heap allocations that report their failure, arenas, and
 * huge-page regions for weights. Everything here is safe from several threads, except that one
 * arena belongs to one thread at a time. */
#ifndef SWG_RUNTIME_BASE_MEM_H
#define SWG_RUNTIME_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"

/* Every block allocated here starts on a cache line, so kernels may use aligned loads. */
enum { SWG_ALIGNMENT = 64 };

/* Checked arithmetic on sizes from outside: false (and *out untouched) on overflow. */
bool swg_size_add(size_t a, size_t b, size_t *out);
bool swg_size_mul(size_t a, size_t b, size_t *out);
bool swg_u64_add(uint64_t a, uint64_t b, uint64_t *out);
bool swg_u64_mul(uint64_t a, uint64_t b, uint64_t *out);

/* `value` rounded up to a multiple of `step` (> 0); the caller guarantees it does not overflow. */
static inline size_t swg_round_up(size_t value, size_t step)
{
    return (value + step - 1) / step * step;
}
static inline size_t swg_ceil_div(size_t value, size_t step)
{
    return (value + step - 1) / step;
}

/* Zeroed / uninitialised array of `count` elements of `size` bytes. NULL with a recorded sentence
 * when the product overflows or memory runs out; a count of zero gives a valid pointer. Release
 * with swg_free. */
void *swg_calloc(size_t count, size_t size);
void *swg_malloc(size_t count, size_t size);

/* Grow or shrink; on failure NULL, and the old block stays valid. The result keeps malloc's
 * alignment only. */
void *swg_realloc(void *block, size_t count, size_t size);

/* Copy of a string, or of `length` bytes plus a closing NUL. NULL on failure. */
char *swg_strdup(const char *text);
char *swg_strndup(const char *text, size_t length);

/* Release a block; NULL is accepted. SWG_FREE also clears the caller's pointer. */
void swg_free(void *block);
#define SWG_FREE(pointer)                                                                          \
    do {                                                                                           \
        swg_free(pointer);                                                                         \
        (pointer) = NULL;                                                                          \
    } while (0)

/* From now on freed blocks, large ones too, stay with the process for those that are allocated
 * next, instead of going back to the system: for work that allocates the same again and again.
 * Fresh pages cost more than what is computed in them. */
void swg_mem_keep_freed(void);

/* Return the whole pages of freed blocks to the system: what a phase of work leaves behind would
 * otherwise count beside what the next one needs. */
void swg_mem_return_freed(void);

/* Allocation as a status, for use inside SWG_TRY and SWG_GO: SWG_GO(SWG_NEW(rows, n_rows)). */
#define SWG_NEW(pointer, count)                                                                    \
    (((pointer) = swg_calloc((count), sizeof *(pointer))) ? SWG_OK : SWG_NO_MEMORY)
#define SWG_NEW_UNINIT(pointer, count)                                                             \
    (((pointer) = swg_malloc((count), sizeof *(pointer))) ? SWG_OK : SWG_NO_MEMORY)

/* Make room for element `count` in a growing array (*capacity elements so far), doubling. */
swg_status swg_reserve(void **block, size_t *capacity, size_t count, size_t size);

/* A bump allocator for data that dies together. Zero-initialise to start. */
typedef struct swg_arena {
    struct swg_arena_chunk *chunks; /* newest first */
} swg_arena;

/* `count` zeroed elements of `size` bytes, aligned to SWG_ALIGNMENT; NULL as swg_calloc. */
void *swg_arena_calloc(swg_arena *arena, size_t count, size_t size);
/* Copy of `length` bytes plus a closing NUL, packed after other texts without alignment. */
char *swg_arena_strndup(swg_arena *arena, const char *text, size_t length);
void swg_arena_deinit(swg_arena *arena);

/* Anonymous zeroed memory on 2 MiB pages where the kernel grants them (MADV_HUGEPAGE): one core
 * reads weights there up to 45 % faster than on 4 KiB pages. Zero-initialise to start. */
typedef struct swg_pages {
    void *data;
    size_t bytes;        /* as asked for */
    size_t mapped_bytes; /* as mapped */
} swg_pages;

/* SWG_NO_MEMORY, also for more than the machine has: the system would grant it and kill the process
 * when it is used. */
swg_status swg_pages_init(swg_pages *pages, size_t bytes);
void swg_pages_deinit(swg_pages *pages);

/* Peak resident set of this process so far, in bytes; 0 when the system does not say. */
uint64_t swg_peak_rss_bytes(void);

/* Resident set of this process now; 0 when the system does not say. */
uint64_t swg_rss_bytes(void);

/* Total memory of the machine; 0 when the system does not say. */
uint64_t swg_machine_memory_bytes(void);

/* Make allocations through this header fail when they would bring the memory in use above `bytes`;
 * 0 = no limit (the initial value). Mapped files, stacks and what libraries allocate for themselves
 * do not count. */
void swg_mem_set_limit(uint64_t bytes);
uint64_t swg_mem_limit(void); /* 0 = none */

/* Bytes in use now, as the limit counts them. */
uint64_t swg_mem_in_use(void);

/* For tests: let the n-th allocation from now (1 = the next) fail, together with all later ones or
 * alone. 0 switches the failure off. Returns the allocations counted since the last call. */
uint64_t swg_mem_fail_at(uint64_t n, bool and_later);

#endif
