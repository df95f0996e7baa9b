/* Measuring the machine: see limits.h. All threads do a fixed amount of work between two readings
 * of the clock; the best of repeated runs counts, since every disturbance makes it slower. */
#include "kernels/limits/limits.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "kernels/isa_table.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"

enum {
    DEFAULT_BUFFER = 512 * 1024 * 1024,
    CACHES_PER_BUFFER = 4,
    PEAK_ROUNDS = 100000, /* of a peak loop: well below a millisecond on current machines */
    CACHE_LINE = 64
};
static const double DRAM_SECONDS = 0.9, PEAK_SECONDS = 0.08;

/* --- Memory --- */

typedef struct pattern {
    size_t turn_bytes; /* 0 = contiguous parts */
    size_t streams;
} pattern;

static const pattern patterns[] = {{0, 1},          {0, 2},          {0, 4},
                                   {64 << 10, 1},   {256 << 10, 1},  {256 << 10, 4},
                                   {1024 << 10, 1}, {1024 << 10, 2}, {1024 << 10, 4}};
enum { N_PATTERNS = sizeof patterns / sizeof *patterns };

typedef struct read_job {
    const uint8_t *data;
    size_t bytes;
    pattern how;
    uint64_t sink; /* receives what was read, so that the reads are not optimised away */
} read_job;

/* A cache line, in as many registers as the baseline instruction set needs for it. */
typedef uint64_t cache_line __attribute__((vector_size(CACHE_LINE), may_alias));

/* The xor of a piece, read as `streams` interleaved parts; streams is a constant. */
static inline __attribute__((always_inline)) uint64_t
read_streams(const uint8_t *data, size_t bytes, const size_t streams)
{
    const size_t part = bytes / streams / CACHE_LINE * CACHE_LINE;
    cache_line sum = {0};
    for (size_t at = 0; at < part; at += CACHE_LINE) {
        sum ^= *(const cache_line *)(data + at);
        if (streams >= 2)
            sum ^= *(const cache_line *)(data + part + at);
        if (streams >= 4) {
            sum ^= *(const cache_line *)(data + 2 * part + at);
            sum ^= *(const cache_line *)(data + 3 * part + at);
        }
    }
    return sum[0] ^ sum[1] ^ sum[2] ^ sum[3] ^ sum[4] ^ sum[5] ^ sum[6] ^ sum[7];
}

static uint64_t read_piece(const uint8_t *data, size_t bytes, size_t streams)
{
    if (streams == 1)
        return read_streams(data, bytes, 1);
    return streams == 2 ? read_streams(data, bytes, 2) : read_streams(data, bytes, 4);
}

static void read_share(void *context, size_t thread, size_t n_threads)
{
    read_job *job = context;
    uint64_t sum = 0;
    if (job->how.turn_bytes == 0) {
        const size_t share = job->bytes / n_threads / CACHE_LINE * CACHE_LINE;
        sum = read_piece(job->data + thread * share, share, job->how.streams);
    } else {
        const size_t turn = job->how.turn_bytes;
        for (size_t at = thread * turn; at + turn <= job->bytes; at += n_threads * turn)
            sum ^= read_piece(job->data + at, turn, job->how.streams);
    }
    __atomic_fetch_xor(&job->sink, sum, __ATOMIC_RELAXED);
}

/* Each thread writes the pages of its contiguous share, so that they exist before they are timed.
 */
static void touch_share(void *context, size_t thread, size_t n_threads)
{
    const read_job *job = context;
    const size_t share = job->bytes / n_threads / CACHE_LINE * CACHE_LINE;
    const size_t end = thread + 1 == n_threads ? job->bytes : (thread + 1) * share;
    memset((uint8_t *)job->data + thread * share, (int)thread + 1, end - thread * share);
}

static size_t default_buffer(void)
{
    const long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    const size_t wanted = cache > 0 ? (size_t)cache * CACHES_PER_BUFFER : 0;
    return wanted > DEFAULT_BUFFER ? wanted : DEFAULT_BUFFER;
}

swg_status swg_limits_dram_read(swg_pool *pool, size_t buffer_bytes, swg_dram_limit *out)
{
    const size_t bytes = buffer_bytes ? buffer_bytes : default_buffer();
    swg_pages pages = {.data = NULL};
    SWG_TRY(swg_pages_init(&pages, bytes));
    read_job job = {.data = pages.data, .bytes = bytes};
    swg_pool_run(pool, touch_share, &job);
    *out = (swg_dram_limit){.buffer_bytes = bytes};
    const double begin = swg_clock_s();
    size_t n_runs = 0;
    do { /* every pattern once, then again while there is time */
        job.how = patterns[n_runs++ % N_PATTERNS];
        const double start = swg_clock_s();
        swg_pool_run(pool, read_share, &job);
        const double rate = (double)bytes / (swg_clock_s() - start);
        if (rate > out->bytes_per_s) {
            out->bytes_per_s = rate;
            out->turn_bytes = job.how.turn_bytes;
            out->streams = job.how.streams;
        }
    } while (n_runs < N_PATTERNS || swg_clock_s() - begin < DRAM_SECONDS);
    swg_pages_deinit(&pages);
    return SWG_OK;
}

/* --- Arithmetic --- */

typedef struct peak_job {
    const swg_peak_loop *loop;
    int32_t sink;
} peak_job;

static void run_peak(void *context, size_t thread, size_t n_threads)
{
    (void)n_threads;
    peak_job *job = context;
    const int32_t result = job->loop->run(PEAK_ROUNDS, (int32_t)thread);
    __atomic_fetch_xor(&job->sink, result, __ATOMIC_RELAXED);
}

/* Uses the best set at or below `cap` that runs here and has a loop for this arithmetic. */
static swg_compute_limit measure_peak(swg_pool *pool, swg_isa cap, swg_peak peak)
{
    int isa = cap;
    while (!swg_isa_is_available((swg_isa)isa) || !swg_isa_table_of((swg_isa)isa)->peaks[peak].run)
        isa--; /* the scalar set runs everywhere and has both loops */
    peak_job job = {.loop = &swg_isa_table_of((swg_isa)isa)->peaks[peak]};
    const double ops = job.loop->ops_per_round * PEAK_ROUNDS * (double)swg_pool_threads(pool);
    swg_compute_limit limit = {.isa = (swg_isa)isa};
    const double begin = swg_clock_s();
    do {
        const double start = swg_clock_s();
        swg_pool_run(pool, run_peak, &job);
        const double rate = ops / (swg_clock_s() - start);
        limit.ops_per_s = rate > limit.ops_per_s ? rate : limit.ops_per_s;
    } while (swg_clock_s() - begin < PEAK_SECONDS);
    return limit;
}

swg_compute_limit swg_limits_int8_peak(swg_pool *pool, swg_isa cap)
{
    return measure_peak(pool, cap, SWG_PEAK_INT8);
}

swg_compute_limit swg_limits_f32_peak(swg_pool *pool, swg_isa cap)
{
    return measure_peak(pool, cap, SWG_PEAK_F32);
}

swg_compute_limit swg_limits_split_peak(swg_pool *pool)
{
    return measure_peak(pool, SWG_ISA_COUNT - 1, SWG_PEAK_SPLIT);
}
