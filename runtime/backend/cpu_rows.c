/* Distributing the rows of a value over the threads of the pool. */
#include "runtime/backend/cpu_state.h"

/* Below this many elements an operation is faster on one thread than on many. */
enum { SERIAL_ELEMENTS = 16384 };
typedef struct rows_job {
    swg_exec *exec;
    size_t n_rows;
    swg_cpu_rows *rows;
    void *context;
} rows_job;

static void rows_work(void *context, size_t thread, size_t n_threads)
{
    const rows_job *job = context;
    job->rows(job->context, job->exec, job->n_rows * thread / n_threads,
              job->n_rows * (thread + 1) / n_threads);
}

void swg_cpu_over_rows(swg_exec *exec, size_t n_rows, size_t work, swg_cpu_rows *rows,
                       void *context)
{
    rows_job job = {.exec = exec, .n_rows = n_rows, .rows = rows, .context = context};
    swg_pool_run(work < SERIAL_ELEMENTS ? NULL : exec->pool, rows_work, &job);
}
