/* The limits of this machine, measured now: the yardsticks with which speeds are compared. Memory
 * is often shared with other programs and machines, so measure in the same run as what is to be
 * compared, before and after it. */
#ifndef SWG_KERNELS_LIMITS_LIMITS_H
#define SWG_KERNELS_LIMITS_LIMITS_H

#include <stddef.h>

#include "kernels/kernels.h"
#include "runtime/base/status.h"
#include "runtime/base/thread.h"

/* How the threads shared the buffer in the fastest read. */
typedef struct swg_dram_limit {
    double bytes_per_s;
    size_t buffer_bytes;
    size_t turn_bytes; /* threads took turns in chunks of this size; 0 = each its own contiguous
                          part */
    size_t streams;    /* interleaved streams per thread */
} swg_dram_limit;

/* Reading memory that is not cached: the best of several patterns over a buffer of buffer_bytes (0
 * = 512 MiB, or 4 times the last-level cache when that is more) on huge pages, by all threads of
 * the pool (NULL = the caller). Takes about a second. SWG_NO_MEMORY. */
swg_status swg_limits_dram_read(swg_pool *pool, size_t buffer_bytes, swg_dram_limit *out);

typedef struct swg_compute_limit {
    double ops_per_s; /* a multiply-add counts 2 */
    swg_isa isa;      /* whose instructions were used: the best set with a loop of its own */
} swg_compute_limit;

/* int8 dot products and float fused multiply-adds on registers alone, by all threads, with the
 * instructions of `cap` or the best lower set that runs here (SWG_ISA_COUNT - 1 for the best of
 * all). Without a vector set these are the compiler's plain loops. Takes about 0.1 s each. */
swg_compute_limit swg_limits_int8_peak(swg_pool *pool, swg_isa cap);
swg_compute_limit swg_limits_f32_peak(swg_pool *pool, swg_isa cap);

/* The same of float products as they are computed where swg_linalg_split() is not NULL, its
 * precondition: in parts, with weights that have one. */
swg_compute_limit swg_limits_split_peak(swg_pool *pool);

#endif
