/* The thread pool: see thread.h. A job is published by raising `generation`; each worker runs it
 * and lowers `running`. Waiting spins first (a token's operations follow each other within
 * microseconds) and then sleeps on a futex-backed condition.
 *
 * Whoever ends a wait takes the mutex only where someone sleeps: its cache line would pass between
 * the processors twice per job. A sleeper counts itself before it looks at the counter that it
 * waits for, and the other side changes that counter before it looks for sleepers, so one of the
 * two sees the other; both are sequentially consistent for that. */
#include "runtime/base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"

/* Waiting spins for 50 microseconds: longer than the gap between two operations of a token, far
 * shorter than a scheduler tick. Counted in rounds, whose length is measured when a pool starts: a
 * pause takes 10 to 150 cycles, depending on the processor. */
enum {
    SPIN_NS = 50000,
    MEASURED_ROUNDS = 50,
    MAX_THREADS = 1024,
    ERROR_BYTES = 1024,
    STACK_BYTES = 2 << 20
};

struct swg_pool {
    size_t n_threads;
    unsigned spin_rounds; /* 0 with more threads than processors: spinning would starve the thread
                             being waited for */
    pthread_t *workers;   /* n_threads - 1 */
    size_t n_started;
    _Alignas(64) atomic_uint generation; /* raised once per job */
    _Alignas(64) atomic_size_t running;  /* workers still in the current job */
    swg_pool_work *work;
    void *context;
    atomic_bool is_stopping;
    _Alignas(64) atomic_uint n_sleeping; /* threads, workers and the owner; seldom written */
    pthread_mutex_t mutex;               /* guards sleeping on the two conditions */
    pthread_cond_t job_posted, job_done;
};

typedef struct worker_start {
    swg_pool *pool;
    size_t thread;
} worker_start;

static _Thread_local size_t thread_index;

size_t swg_pool_thread_index(void)
{
    return thread_index;
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb"); /* `yield` does nothing on most cores */
#else
    sched_yield();
#endif
}

static void wait_for_job(swg_pool *pool, unsigned seen)
{
    for (unsigned i = 0; i < pool->spin_rounds; i++) {
        if (atomic_load_explicit(&pool->generation, memory_order_acquire) != seen)
            return;
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->n_sleeping, 1);
    while (atomic_load(&pool->generation) == seen)
        pthread_cond_wait(&pool->job_posted, &pool->mutex);
    atomic_fetch_sub(&pool->n_sleeping, 1);
    pthread_mutex_unlock(&pool->mutex);
}

static void wait_until_done(swg_pool *pool)
{
    for (unsigned i = 0; i < pool->spin_rounds; i++) {
        if (atomic_load_explicit(&pool->running, memory_order_acquire) == 0)
            return;
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->n_sleeping, 1);
    while (atomic_load(&pool->running) != 0)
        pthread_cond_wait(&pool->job_done, &pool->mutex);
    atomic_fetch_sub(&pool->n_sleeping, 1);
    pthread_mutex_unlock(&pool->mutex);
}

/* What they wait for has just happened. */
static void wake(swg_pool *pool, pthread_cond_t *sleepers)
{
    if (atomic_load(&pool->n_sleeping) == 0)
        return;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(sleepers);
    pthread_mutex_unlock(&pool->mutex);
}

static void *worker_main(void *argument)
{
    worker_start start = *(worker_start *)argument;
    swg_free(argument);
    swg_pool *pool = start.pool;
    thread_index = start.thread;
    unsigned seen = 0;
    for (;;) {
        wait_for_job(pool, seen);
        seen++;
        if (atomic_load(&pool->is_stopping))
            return NULL;
        pool->work(pool->context, start.thread, pool->n_threads);
        if (atomic_fetch_sub(&pool->running, 1) == 1)
            wake(pool, &pool->job_done);
    }
}

static void post(swg_pool *pool)
{
    atomic_fetch_add(&pool->generation, 1);
    wake(pool, &pool->job_posted);
}

static size_t usable_processors(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    const int count = CPU_COUNT(&set);
    return count > 0 ? (size_t)count : 1;
}

static double now_ns(void)
{
    return 1e9 * swg_clock_s();
}

static unsigned spin_rounds(size_t n_threads)
{
    if (n_threads > usable_processors())
        return 0;
    /* The shortest of a few: one preempted measurement would switch spinning off for good. */
    double round_ns = SPIN_NS;
    for (int attempt = 0; attempt < 5; attempt++) {
        const double start = now_ns();
        for (int i = 0; i < MEASURED_ROUNDS; i++)
            relax();
        const double took = (now_ns() - start) / MEASURED_ROUNDS;
        round_ns = took < round_ns ? took : round_ns;
    }
    return round_ns > 1 ? (unsigned)(SPIN_NS / round_ns) : SPIN_NS;
}

/* Kernels have up to a few hundred KiB of scratch on the stack, more than some C libraries and
 * limits of the shell (ulimit -s) give to a thread. */
static int create_thread(pthread_t *thread, worker_start *start)
{
    pthread_attr_t attributes;
    size_t bytes;
    int failed = pthread_attr_init(&attributes);
    if (failed)
        return failed;
    if (pthread_attr_getstacksize(&attributes, &bytes) == 0 && bytes < STACK_BYTES)
        failed = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (!failed)
        failed = pthread_create(thread, &attributes, worker_main, start);
    pthread_attr_destroy(&attributes);
    return failed;
}

static swg_status start_worker(swg_pool *pool, size_t thread)
{
    worker_start *start;
    SWG_TRY(SWG_NEW(start, 1));
    *start = (worker_start){.pool = pool, .thread = thread};
    if (create_thread(&pool->workers[thread - 1], start) != 0) {
        swg_free(start);
        return swg_error(SWG_LIMIT, "cannot start thread %zu of %zu", thread, pool->n_threads);
    }
    pool->n_started++;
    return SWG_OK;
}

swg_status swg_pool_new(size_t n_threads, swg_pool **out)
{
    if (n_threads == 0)
        n_threads = usable_processors();
    if (n_threads > MAX_THREADS)
        return swg_error(SWG_LIMIT, "%zu threads were asked for; at most %d are possible",
                         n_threads, MAX_THREADS);
    swg_status status = SWG_OK;
    swg_pool *pool = NULL;
    SWG_TRY(SWG_NEW(pool, 1));
    pool->n_threads = n_threads;
    pool->spin_rounds = spin_rounds(n_threads);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->job_posted, NULL);
    pthread_cond_init(&pool->job_done, NULL);
    SWG_GO(SWG_NEW(pool->workers, n_threads - 1));
    for (size_t thread = 1; thread < n_threads; thread++)
        SWG_GO(start_worker(pool, thread));
    *out = pool;
    pool = NULL;
done:
    swg_pool_free(&pool);
    return status;
}

void swg_pool_free(swg_pool **pool)
{
    swg_pool *p = *pool;
    if (!p)
        return;
    atomic_store(&p->is_stopping, true);
    post(p);
    for (size_t i = 0; i < p->n_started; i++)
        pthread_join(p->workers[i], NULL);
    pthread_cond_destroy(&p->job_done);
    pthread_cond_destroy(&p->job_posted);
    pthread_mutex_destroy(&p->mutex);
    swg_free(p->workers);
    swg_free(p);
    *pool = NULL;
}

size_t swg_pool_threads(const swg_pool *pool)
{
    return pool ? pool->n_threads : 1;
}

void swg_pool_run(swg_pool *pool, swg_pool_work *work, void *context)
{
    if (!pool || pool->n_threads == 1) {
        work(context, 0, 1);
        return;
    }
    pool->work = work;
    pool->context = context;
    atomic_store_explicit(&pool->running, pool->n_threads - 1, memory_order_relaxed);
    post(pool);
    work(context, 0, pool->n_threads);
    wait_until_done(pool);
}

typedef struct for_job {
    swg_pool_item *item;
    void *context;
    size_t n_items;
    atomic_size_t next;
    atomic_size_t first_failed; /* lowest failing index so far; n_items = none */
    pthread_mutex_t mutex;      /* guards the next two */
    swg_status status;
    char message[ERROR_BYTES];
} for_job;

static void record_failure(for_job *job, size_t index, swg_status status)
{
    pthread_mutex_lock(&job->mutex);
    if (index < atomic_load(&job->first_failed)) {
        atomic_store(&job->first_failed, index);
        job->status = status;
        snprintf(job->message, sizeof job->message, "%s", swg_error_message());
    }
    pthread_mutex_unlock(&job->mutex);
}

static void take_items(void *context, size_t thread, size_t n_threads)
{
    (void)thread;
    (void)n_threads;
    for_job *job = context;
    for (;;) {
        const size_t index = atomic_fetch_add(&job->next, 1);
        if (index >= job->n_items || index > atomic_load(&job->first_failed))
            return;
        const swg_status status = job->item(job->context, index);
        if (status != SWG_OK)
            record_failure(job, index, status);
    }
}

swg_status swg_pool_for(swg_pool *pool, size_t n_items, swg_pool_item *item, void *context)
{
    for_job job = {.item = item, .context = context, .n_items = n_items, .status = SWG_OK};
    atomic_init(&job.next, 0);
    atomic_init(&job.first_failed, n_items);
    pthread_mutex_init(&job.mutex, NULL);
    swg_pool_run(pool, take_items, &job);
    pthread_mutex_destroy(&job.mutex);
    return job.status == SWG_OK ? SWG_OK : swg_error(job.status, "%s", job.message);
}
