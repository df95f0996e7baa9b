/* Memory: see mem.h. All allocations of the project pass through may_allocate(), which lets the
 * tests make the n-th one fail and enforces the limit. Memory in use is counted by the allocator's
 * usable block sizes. */
#include "runtime/base/mem.h"

#include <limits.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ARENA_CHUNK_BYTES = 1 << 16, WASTED_SHARE = 8 };
static const size_t huge_page_bytes = (size_t)2 << 20;

static atomic_uint_fast64_t allocations;
static atomic_uint_fast64_t fail_at; /* 0 = never */
static atomic_bool fail_later_too;
static atomic_uint_fast64_t in_use, limit; /* bytes; a limit of 0 = none */

uint64_t swg_mem_fail_at(uint64_t n, bool and_later)
{
    atomic_store(&fail_later_too, and_later);
    atomic_store(&fail_at, n);
    return atomic_exchange(&allocations, 0);
}

/* Whether this allocation may go ahead. */
static bool count_allocation(void)
{
    const uint64_t index = atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed) + 1;
    const uint64_t failing = atomic_load_explicit(&fail_at, memory_order_relaxed);
    if (failing == 0)
        return true;
    return atomic_load(&fail_later_too) ? index < failing : index != failing;
}

/* Whether `bytes` more may be allocated. Threads that ask at the same time may pass together and
 * exceed the limit by one allocation each. */
static bool may_allocate(uint64_t bytes)
{
    const uint64_t most = atomic_load_explicit(&limit, memory_order_relaxed);
    const uint64_t used = atomic_load_explicit(&in_use, memory_order_relaxed);
    return count_allocation() && (most == 0 || (used <= most && bytes <= most - used));
}

static void charge(uint64_t bytes)
{
    atomic_fetch_add_explicit(&in_use, bytes, memory_order_relaxed);
}

static void discharge(uint64_t bytes)
{
    atomic_fetch_sub_explicit(&in_use, bytes, memory_order_relaxed);
}

static swg_status refused(uint64_t bytes)
{
    const uint64_t most = atomic_load(&limit);
    if (most)
        return swg_error(SWG_NO_MEMORY,
                         "out of memory: %llu bytes were refused; %llu of the limit of %llu are in "
                         "use",
                         (unsigned long long)bytes, (unsigned long long)swg_mem_in_use(),
                         (unsigned long long)most);
    return swg_error(SWG_NO_MEMORY, "out of memory: %llu bytes were refused",
                     (unsigned long long)bytes);
}

void swg_mem_set_limit(uint64_t bytes)
{
    atomic_store(&limit, bytes);
}

uint64_t swg_mem_limit(void)
{
    return atomic_load(&limit);
}

uint64_t swg_mem_in_use(void)
{
    return atomic_load(&in_use);
}

bool swg_size_add(size_t a, size_t b, size_t *out)
{
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

bool swg_size_mul(size_t a, size_t b, size_t *out)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

bool swg_u64_add(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

bool swg_u64_mul(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

void *swg_malloc(size_t count, size_t size)
{
    size_t bytes;
    if (!swg_size_mul(count, size, &bytes) || bytes > PTRDIFF_MAX - SWG_ALIGNMENT) {
        swg_error(SWG_NO_MEMORY, "out of memory: %zu elements of %zu bytes do not fit", count,
                  size);
        return NULL;
    }
    const size_t padded = swg_round_up(bytes ? bytes : 1, SWG_ALIGNMENT);
    void *block = may_allocate(padded) ? aligned_alloc(SWG_ALIGNMENT, padded) : NULL;
    if (block)
        charge(malloc_usable_size(block));
    else
        (void)refused(bytes);
    return block;
}

void *swg_calloc(size_t count, size_t size)
{
    void *block = swg_malloc(count, size);
    if (block)
        memset(block, 0, count * size);
    return block;
}

void *swg_realloc(void *block, size_t count, size_t size)
{
    size_t bytes;
    void *grown = NULL;
    if (!swg_size_mul(count, size, &bytes) || bytes > PTRDIFF_MAX - SWG_ALIGNMENT) {
        swg_error(SWG_NO_MEMORY, "out of memory: %zu elements of %zu bytes do not fit", count,
                  size);
        return NULL;
    }
    const size_t before = block ? malloc_usable_size(block) : 0;
    if (may_allocate(bytes > before ? bytes - before : 0))
        grown = realloc(block, bytes ? bytes : 1);
    if (grown) {
        charge(malloc_usable_size(grown));
        discharge(before);
    } else {
        (void)refused(bytes);
    }
    return grown;
}

char *swg_strndup(const char *text, size_t length)
{
    char *copy = swg_malloc(length + 1, 1);
    if (copy) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

char *swg_strdup(const char *text)
{
    return swg_strndup(text, strlen(text));
}

void swg_free(void *block)
{
    if (!block)
        return;
    discharge(malloc_usable_size(block));
    free(block);
}

void swg_mem_keep_freed(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 30);
    (void)mallopt(M_TRIM_THRESHOLD, INT_MAX);
}

void swg_mem_return_freed(void)
{
    (void)malloc_trim(0);
}

swg_status swg_reserve(void **block, size_t *capacity, size_t count, size_t size)
{
    if (count <= *capacity)
        return SWG_OK;
    size_t wanted = *capacity ? *capacity : 8;
    while (wanted < count)
        if (!swg_size_mul(wanted, 2, &wanted))
            return swg_error(SWG_NO_MEMORY, "out of memory: %zu elements do not fit", count);
    void *grown = swg_realloc(*block, wanted, size);
    if (!grown)
        return SWG_NO_MEMORY;
    *block = grown;
    *capacity = wanted;
    return SWG_OK;
}

struct swg_arena_chunk {
    struct swg_arena_chunk *next;
    size_t used, bytes; /* not counting the header, which fills one alignment step */
    swg_pages pages;    /* that the chunk is in, where it is large */
};

/* A chunk with its header, not initialised. Large ones are on huge pages: products walk through
 * activations whose rows are pages apart. */
static struct swg_arena_chunk *new_chunk(size_t room)
{
    swg_pages pages = {0};
    size_t total;
    if (!swg_size_add(room, SWG_ALIGNMENT, &total))
        total = SIZE_MAX; /* refused, with a sentence */
    struct swg_arena_chunk *chunk = NULL;
    if (total < huge_page_bytes)
        chunk = swg_malloc(total, 1);
    else if (swg_pages_init(&pages, total) == SWG_OK)
        chunk = pages.data;
    if (chunk)
        *chunk = (struct swg_arena_chunk){.bytes = room, .pages = pages};
    return chunk;
}

static void free_chunk(struct swg_arena_chunk *chunk)
{
    swg_pages pages = chunk->pages;
    if (pages.data)
        swg_pages_deinit(&pages);
    else
        swg_free(chunk);
}

/* `bytes` of the arena, not cleared. */
static unsigned char *take(swg_arena *arena, size_t bytes, size_t alignment)
{
    struct swg_arena_chunk *chunk = arena->chunks;
    size_t at = chunk ? swg_round_up(chunk->used, alignment) : 0;
    if (!chunk || at > chunk->bytes || chunk->bytes - at < bytes) {
        const size_t room = bytes > ARENA_CHUNK_BYTES ? bytes : (size_t)ARENA_CHUNK_BYTES;
        chunk = new_chunk(room);
        if (!chunk)
            return NULL;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
        at = 0;
    }
    chunk->used = at + bytes;
    return (unsigned char *)chunk + SWG_ALIGNMENT + at;
}

void *swg_arena_calloc(swg_arena *arena, size_t count, size_t size)
{
    size_t bytes, padded;
    if (!swg_size_mul(count, size, &bytes) || !swg_size_add(bytes, SWG_ALIGNMENT - 1, &padded)) {
        swg_error(SWG_NO_MEMORY, "out of memory: %zu elements of %zu bytes do not fit", count,
                  size);
        return NULL;
    }
    padded = swg_round_up(bytes ? bytes : 1, SWG_ALIGNMENT);
    unsigned char *data = take(arena, padded, SWG_ALIGNMENT);
    if (data)
        memset(data, 0, padded);
    return data;
}

char *swg_arena_strndup(swg_arena *arena, const char *text, size_t length)
{
    char *copy = (char *)take(arena, length + 1, 1);
    if (!copy)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

void swg_arena_deinit(swg_arena *arena)
{
    while (arena->chunks) {
        struct swg_arena_chunk *next = arena->chunks->next;
        free_chunk(arena->chunks);
        arena->chunks = next;
    }
}

swg_status swg_pages_init(swg_pages *pages, size_t bytes)
{
    size_t padded;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (!swg_size_add(bytes ? bytes : 1, page - 1, &padded))
        return swg_error(SWG_NO_MEMORY, "out of memory: %zu bytes do not fit", bytes);
    padded -= padded % page;
    /* The remainder after the last full 2 MiB is on small pages, each of which faults, unless a
     * whole one wastes little. */
    const size_t more =
        swg_round_up(padded % huge_page_bytes, huge_page_bytes) - padded % huge_page_bytes;
    if (more <= padded / WASTED_SHARE)
        (void)swg_size_add(padded, more, &padded);
    /* Linux overcommits: it grants more memory than there is and kills processes that use it. */
    const uint64_t machine = swg_machine_memory_bytes();
    if (machine && padded > machine)
        return swg_error(SWG_NO_MEMORY, "out of memory: %zu bytes, where the machine has %llu",
                         bytes, (unsigned long long)machine);
    /* One page more than needed, so that the start can be moved to a 2 MiB boundary. */
    size_t mapped;
    void *raw = MAP_FAILED;
    if (swg_size_add(padded, huge_page_bytes, &mapped) && may_allocate(padded))
        raw = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED)
        return refused(bytes);
    charge(padded);
    const uintptr_t start = (uintptr_t)raw;
    const uintptr_t aligned = swg_round_up(start, huge_page_bytes);
    if (aligned > start)
        munmap(raw, aligned - start);
    const uintptr_t tail = aligned + padded;
    if (start + mapped > tail)
        munmap((void *)tail, start + mapped - tail);
    /* A refusal only costs speed. */
    (void)madvise((void *)aligned, padded, MADV_HUGEPAGE);
    *pages = (swg_pages){.data = (void *)aligned, .bytes = bytes, .mapped_bytes = padded};
    return SWG_OK;
}

void swg_pages_deinit(swg_pages *pages)
{
    if (pages->data) {
        munmap(pages->data, pages->mapped_bytes);
        discharge(pages->mapped_bytes);
    }
    *pages = (swg_pages){0};
}

/* getrusage's ru_maxrss survives exec: a program that a large one starts would report that one's.
 */
uint64_t swg_peak_rss_bytes(void)
{
    unsigned long long kib = 0;
    char line[128];
    FILE *file = fopen("/proc/self/status", "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %llu kB", &kib) == 1)
            break;
    fclose(file);
    return kib * UINT64_C(1024);
}

uint64_t swg_rss_bytes(void)
{
    unsigned long long pages;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    const bool is_read = fscanf(file, "%*u %llu", &pages) == 1;
    fclose(file);
    return is_read ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

uint64_t swg_machine_memory_bytes(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    return pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes : 0;
}
