/* Checks of the CUDA kernels against references in double precision, on either build. A check
 * computes one operation on small and odd shapes with random data. Buffers have guard bands,
 * outputs start as NaN, and every operation runs twice and must give the same bytes.
 *
 *     static void check_add(check *c)
 *     {
 *         float *x = check_floats(c, n, 1);
 *         void *d_x = check_in(c, x, n * sizeof *x);
 *         check_run(c, c->cuda->add(c->stream, d_x, d_y, n));
 *         check_close(c, "add", check_out(c, d_x), wanted, rows, columns, 1e-6);
 *     }
 *
 * All memory belongs to the check and is freed after it. After the first failure calls do nothing.
 */
#ifndef SWG_KERNELS_CUDA_CHECK_CUDA_CHECK_H
#define SWG_KERNELS_CUDA_CHECK_CUDA_CHECK_H

#include "kernels/cuda/swg_cuda.h"

typedef struct check check;
struct check {
    const swg_cuda *cuda;
    swg_cuda_device *device;
    swg_cuda_stream *stream;
    uint64_t random;   /* state of the generator */
    char problem[512]; /* the first failure; empty = none */
    double worst;      /* the largest relative error seen */
    void *blocks;      /* all memory, newest first */
};

/* One per operation; `run` is called several times with other random states. */
typedef struct check_row {
    const char *name;
    void (*run)(check *c);
    bool is_large; /* shapes of real models: not on the executor, not under sanitizers */
} check_row;
extern const check_row swg_cuda_checks_rows[], swg_cuda_checks_attention[],
    swg_cuda_checks_products[], swg_cuda_checks_device[]; /* each ends with a NULL name */

/* Note a failure; the first is kept. */
void check_fail(check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Host memory, zeroed; NULL after a failure is never returned: the program ends without memory. */
void *check_memory(check *c, size_t bytes);

/* Below n; [0, 1); n floats of a standard normal distribution times `scale`. */
uint32_t check_below(check *c, uint32_t n);
double check_uniform(check *c);
float *check_floats(check *c, size_t n, float scale);

/* Device memory with that content, or NaN for NULL; its content as host memory, after checking its
 * guard bands. */
void *check_in(check *c, const void *host, size_t bytes);
void *check_out(check *c, void *d_memory);
/* Restore what check_in put there. */
void check_again(check *c, void *d_memory);

/* Do a call, whose value is a status, and wait for it; not after a failure. False after one. */
#define check_run(c, call) ((c)->problem[0] ? false : check_status(c, call))
bool check_status(check *c, int status);

/* ||out - wanted|| <= bound ||wanted||, no row's error above 8 times that of the bound, and none is
 * NaN where `wanted` is not. */
void check_close(check *c, const char *what, const float *out, const double *wanted, size_t rows,
                 size_t columns, double bound);
/* The same bytes. */
void check_same(check *c, const char *what, const void *a, const void *b, size_t bytes);

/* Run one row of a table; the sentence in c->problem. */
bool check_one(check *c, const check_row *row, uint64_t seed);

#endif
