/* Checks of memory, copies, graphs, and of what calls refuse. */
#include "kernels/cuda/check/cuda_check.h"

#include <string.h>

static void check_copies(check *c)
{
    enum { n = 1000 };
    uint8_t bytes[n], back[n];
    void *pinned = NULL, *d_a = check_in(c, NULL, n), *d_b = check_in(c, NULL, n);
    for (int i = 0; i < n; i++)
        bytes[i] = (uint8_t)check_below(c, 256);
    if (!check_run(c, c->cuda->alloc_pinned(c->device, n, &pinned)))
        return;
    memcpy(pinned, bytes, n);
    check_run(c, c->cuda->copy_in(c->stream, d_a, pinned, n));
    check_run(c, c->cuda->copy(c->stream, d_b, d_a, n));
    check_run(c, c->cuda->fill_zero(c->stream, d_a, n / 2));
    check_run(c, c->cuda->copy_out(c->stream, back, d_b, n));
    check_same(c, "copies", bytes, back, n);
    check_run(c, c->cuda->copy_out(c->stream, back, d_a, n));
    memset(bytes, 0, n / 2);
    check_same(c, "zeros", bytes, back, n);
    c->cuda->free_pinned(c->device, pinned);
}

/* A graph of x += y; x *= 0.5 with new contents of the same memory. */
static void check_graph(check *c)
{
    enum { n = 100 };
    float *x = check_floats(c, n, 1), *y = check_floats(c, n, 1), *other = check_floats(c, n, 1);
    void *d_x = check_in(c, x, n * sizeof *x), *d_y = check_in(c, y, n * sizeof *y);
    double *wanted = check_memory(c, n * sizeof *wanted);
    swg_cuda_graph *graph = NULL;
    int status = c->cuda->graph_begin(c->stream);
    if (!status)
        status = c->cuda->add(c->stream, d_x, d_y, n);
    if (!status)
        status = c->cuda->scale(c->stream, 0.5f, d_x, n);
    if (!status)
        status = c->cuda->graph_end(c->stream, &graph);
    if (!check_run(c, status))
        return;
    check_same(c, "captured work is not done", check_out(c, d_x), x, n * sizeof *x);
    check_run(c, c->cuda->graph_launch(c->stream, graph));
    check_run(c, c->cuda->copy_in(c->stream, d_y, other, n * sizeof *other));
    check_run(c, c->cuda->graph_launch(c->stream, graph));
    for (int i = 0; i < n; i++)
        wanted[i] = (((double)x[i] + y[i]) / 2 + other[i]) / 2;
    check_close(c, "graph", check_out(c, d_x), wanted, 1, n, 1e-6);
    c->cuda->graph_free(graph);
}

/* A call that must refuse: the status, and a sentence. */
static void refused(check *c, const char *what, int wanted, int status)
{
    if (status != wanted || c->cuda->message()[0] == 0)
        check_fail(c, "%s: status %d, not %d", what, status, wanted);
}

static void check_refusals(check *c)
{
    void *d_x = check_in(c, NULL, 1024), *d_none = NULL;
    const swg_cuda_cache wide = {.d_keys = d_x,
                                 .d_values = d_x,
                                 .type = SWG_CUDA_CACHE_F16,
                                 .n_heads = 1,
                                 .head_dim = 257,
                                 .context = 4};
    const swg_cuda_cache three = {.d_keys = d_x,
                                  .d_values = d_x,
                                  .type = SWG_CUDA_CACHE_F16,
                                  .n_heads = 3,
                                  .head_dim = 8,
                                  .context = 4};
    const swg_cuda_rows rows = {d_x, d_x, d_x, d_x, 0};
    const swg_cuda *cuda = c->cuda;
    swg_cuda_device *device;
    swg_cuda_info info;
    swg_cuda_matrix m;
    refused(c, "too much memory", SWG_CUDA_NO_MEMORY,
            cuda->alloc(c->device, SIZE_MAX / 2, &d_none));
    if (cuda->info(1000, &info) == SWG_CUDA_OK || cuda->open(1000, &device) == SWG_CUDA_OK)
        check_fail(c, "device 1000 was opened");
    refused(c, "a wide head", SWG_CUDA_UNSUPPORTED,
            cuda->attend(c->stream, &wide, &rows, 1, 1, 4, 1, d_x, d_x, d_x));
    refused(c, "heads that do not share", SWG_CUDA_UNSUPPORTED,
            cuda->attend(c->stream, &three, &rows, 1, 4, 4, 1, d_x, d_x, d_x));
    refused(c, "pairs beyond the head", SWG_CUDA_UNSUPPORTED,
            cuda->rope(c->stream, d_x, 1, 1, 8, d_x, d_x, 5, false));
    refused(c, "temperature 0", SWG_CUDA_UNSUPPORTED,
            cuda->sample(c->stream, d_x, 1, 4, 0, d_x, d_x));
    if (swg_cuda_matrix_init(&m, SWG_CUDA_W4, 0, 64, 0, SWG_CUDA_SCALE_F16, false) ||
        swg_cuda_matrix_init(&m, SWG_CUDA_W4, 4, 64, 24, SWG_CUDA_SCALE_F16, false))
        check_fail(c, "a matrix without rows or with odd groups was described");
    swg_cuda_matrix_init(&m, SWG_CUDA_W4, 4, 64, 0, SWG_CUDA_SCALE_F16, false);
    refused(c, "rows beyond the end", SWG_CUDA_UNSUPPORTED,
            cuda->dequantize(c->stream, &m, 3, 2, d_x));
    check_run(c, SWG_CUDA_OK); /* the stream is usable after all that */
}

const check_row swg_cuda_checks_device[] = {
    {.name = "copies", .run = check_copies},
    {.name = "graph", .run = check_graph},
    {.name = "refusals", .run = check_refusals},
    {.name = NULL},
};
