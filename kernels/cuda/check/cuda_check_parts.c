/* What all checks of CUDA kernels use: memory with guards, random data, comparisons. */
#include "kernels/cuda/check/cuda_check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { guard_bytes = 256, guard_byte = 0x5a };

/* Host memory, or device memory with what it started as. */
typedef struct block {
    struct block *next;
    void *memory;           /* host memory; of a device's its start, the guard included */
    unsigned char *initial; /* of device memory, on the host */
    size_t bytes;
} block;

void check_fail(check *c, const char *format, ...)
{
    if (c->problem[0])
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(c->problem, sizeof c->problem, format, arguments);
    va_end(arguments);
}

static void *need(void *memory)
{
    if (memory)
        return memory;
    fputs("cuda_check: no memory\n", stderr);
    exit(EXIT_FAILURE);
}

static block *add_block(check *c, void *memory)
{
    block *b = need(calloc(1, sizeof *b));
    b->memory = memory;
    b->next = c->blocks;
    c->blocks = b;
    return b;
}

void *check_memory(check *c, size_t bytes)
{
    return add_block(c, need(calloc(bytes ? bytes : 1, 1)))->memory;
}

static void free_blocks(check *c)
{
    for (block *b = c->blocks, *next; b; b = next) {
        next = b->next;
        if (b->initial) {
            c->cuda->free(c->device, b->memory);
            free(b->initial);
        } else {
            free(b->memory);
        }
        free(b);
    }
    c->blocks = NULL;
}

/* --- Random data ------------------------------------------------------------------------------ */

static uint64_t next_random(check *c)
{
    c->random ^= c->random >> 12;
    c->random ^= c->random << 25;
    c->random ^= c->random >> 27;
    return c->random * 0x2545F4914F6CDD1Dull;
}

uint32_t check_below(check *c, uint32_t n)
{
    return (uint32_t)((next_random(c) >> 32) * n >> 32);
}

double check_uniform(check *c)
{
    return (double)(next_random(c) >> 11) / 9007199254740992.0;
}

float *check_floats(check *c, size_t n, float scale)
{
    float *x = check_memory(c, n * sizeof *x);
    for (size_t i = 0; i < n; i++) {
        const double radius = sqrt(-2 * log(1 - check_uniform(c)));
        x[i] = scale * (float)(radius * cos(6.283185307179586 * check_uniform(c)));
    }
    return x;
}

/* --- Device memory ---------------------------------------------------------------------------- */

static size_t whole_bytes(const block *b)
{
    return guard_bytes + b->bytes + guard_bytes;
}

/* Any user address; NULL only after a failure. */
static block *block_of(check *c, void *d_memory)
{
    for (block *b = c->blocks; b; b = b->next)
        if (b->initial && (unsigned char *)b->memory + guard_bytes == d_memory)
            return b;
    check_fail(c, "not memory of this check");
    return NULL;
}

void check_again(check *c, void *d_memory)
{
    const block *b = d_memory ? block_of(c, d_memory) : NULL;
    if (b)
        check_run(c, c->cuda->copy_in(c->stream, b->memory, b->initial, whole_bytes(b)));
}

void *check_in(check *c, const void *host, size_t bytes)
{
    void *d_memory = NULL;
    block whole = {.bytes = bytes};
    if (!check_run(c, c->cuda->alloc(c->device, whole_bytes(&whole), &d_memory)))
        return NULL;
    block *b = add_block(c, d_memory);
    b->bytes = bytes;
    b->initial = need(malloc(whole_bytes(b)));
    memset(b->initial, guard_byte, whole_bytes(b));
    if (host)
        memcpy(b->initial + guard_bytes, host, bytes);
    else
        memset(b->initial + guard_bytes, 0xff, bytes);
    unsigned char *user = (unsigned char *)d_memory + guard_bytes;
    check_again(c, user);
    return user;
}

void *check_out(check *c, void *d_memory)
{
    const block *b = d_memory ? block_of(c, d_memory) : NULL;
    unsigned char *copy = check_memory(c, b ? whole_bytes(b) : 1);
    if (!b)
        return copy;
    check_run(c, c->cuda->copy_out(c->stream, copy, b->memory, whole_bytes(b)));
    for (size_t i = 0; i < guard_bytes && !c->problem[0]; i++)
        if (copy[i] != guard_byte || copy[guard_bytes + b->bytes + i] != guard_byte)
            check_fail(c, "wrote outside of a buffer of %zu bytes", b->bytes);
    return copy + guard_bytes;
}

bool check_status(check *c, int status)
{
    if (status == SWG_CUDA_OK)
        status = c->cuda->stream_sync(c->stream);
    if (status != SWG_CUDA_OK)
        check_fail(c, "status %d: %s", status, c->cuda->message());
    return !c->problem[0];
}

/* --- Comparisons ------------------------------------------------------------------------------ */

static double row_error(const float *out, const double *wanted, size_t n, double *size)
{
    double error = 0;
    *size = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)out[i] - wanted[i];
        error += d * d;
        *size += wanted[i] * wanted[i];
    }
    return error;
}

void check_close(check *c, const char *what, const float *out, const double *wanted, size_t rows,
                 size_t columns, double bound)
{
    double errors = 0, sizes = 0, worst = 0;
    size_t worst_row = 0;
    for (size_t r = 0; r < rows && !c->problem[0]; r++) {
        for (size_t i = 0; i < columns; i++)
            if (!isfinite(out[r * columns + i])) {
                check_fail(c, "%s: %g at row %zu, column %zu, not %g", what,
                           (double)out[r * columns + i], r, i, wanted[r * columns + i]);
                return;
            }
        double size;
        const double error = row_error(out + r * columns, wanted + r * columns, columns, &size);
        errors += error;
        sizes += size;
        if (error > worst) {
            worst = error;
            worst_row = r;
        }
    }
    if (c->problem[0])
        return;
    const double relative = sqrt(errors / (sizes > 0 ? sizes : 1));
    const double of_row = sqrt(worst * (double)rows / (sizes > 0 ? sizes : 1));
    c->worst = relative > c->worst ? relative : c->worst;
    if (relative > bound || of_row > 8 * bound)
        check_fail(c, "%s [%zu, %zu]: relative error %.3g, of row %zu %.3g; the bound is %.3g",
                   what, rows, columns, relative, worst_row, of_row, bound);
}

void check_same(check *c, const char *what, const void *a, const void *b, size_t bytes)
{
    if (!c->problem[0] && memcmp(a, b, bytes) != 0)
        check_fail(c, "%s: two runs give different bytes", what);
}

bool check_one(check *c, const check_row *row, uint64_t seed)
{
    c->random = seed * 0x9E3779B97F4A7C15ull + 0x1234567;
    c->problem[0] = 0;
    c->worst = 0;
    c->cuda->stream_sync(c->stream); /* what failed before belongs to another check */
    row->run(c);
    free_blocks(c);
    return !c->problem[0];
}
