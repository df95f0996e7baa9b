/* The CUDA backend when the device refuses: every call of the kernels' interface fails in turn,
 * with every status, and the program says so in one sentence and gives back what it holds. The
 * linker passes calls of swg_cuda_find to the one here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/swg_cuda.h"
#include "runtime/backend/backend.h"
#include "tests/harness.h"
#include "tests/runtime/arch_models.h"

const swg_cuda *__real_swg_cuda_find(const char *name);
const swg_cuda *__wrap_swg_cuda_find(const char *name);

/* The real build, the one with failing calls, and which call fails with what. */
static const swg_cuda *real;
static swg_cuda failing;
static long calls_left; /* the call that brings it to 0 fails, and so do all after it */
static bool has_failed;
static int failure, n_held;

static bool fails(void)
{
    has_failed = has_failed || --calls_left == 0;
    return has_failed;
}

static const char *message(void)
{
    return "the device refuses";
}

static int count(int *n)
{
    return fails() ? failure : real->count(n);
}

static int alloc(swg_cuda_device *device, size_t bytes, void **d_out)
{
    const int status = fails() ? failure : real->alloc(device, bytes, d_out);
    n_held += status == 0;
    return status;
}

static void release(swg_cuda_device *device, void *d_memory)
{
    n_held -= d_memory != NULL;
    real->free(device, d_memory);
}

static int alloc_pinned(swg_cuda_device *device, size_t bytes, void **out)
{
    return fails() ? failure : real->alloc_pinned(device, bytes, out);
}

static int stream_new(swg_cuda_device *device, swg_cuda_stream **out)
{
    return fails() ? failure : real->stream_new(device, out);
}

static int stream_sync(swg_cuda_stream *stream)
{
    return fails() ? failure : real->stream_sync(stream);
}

static int copy_in(swg_cuda_stream *stream, void *d_to, const void *from, size_t bytes)
{
    return fails() ? failure : real->copy_in(stream, d_to, from, bytes);
}

static int copy_out(swg_cuda_stream *stream, void *to, const void *d_from, size_t bytes)
{
    return fails() ? failure : real->copy_out(stream, to, d_from, bytes);
}

static int graph_begin(swg_cuda_stream *stream)
{
    return fails() ? failure : real->graph_begin(stream);
}

static int graph_end(swg_cuda_stream *stream, swg_cuda_graph **out)
{
    const int status = real->graph_end(stream, out);
    if (status || !fails())
        return status;
    real->graph_free(*out);
    *out = NULL;
    return failure;
}

static int graph_launch(swg_cuda_stream *stream, const swg_cuda_graph *graph)
{
    return fails() ? failure : real->graph_launch(stream, graph);
}

static int linear(swg_cuda_stream *stream, const swg_cuda_matrix *w, swg_cuda_input input,
                  const float *d_x, size_t rows, const float *d_bias, float *d_y, void *d_scratch)
{
    return fails() ? failure : real->linear(stream, w, input, d_x, rows, d_bias, d_y, d_scratch);
}

static int attend(swg_cuda_stream *stream, const swg_cuda_cache *cache, const swg_cuda_rows *where,
                  size_t rows, size_t heads, size_t most_keys, float scale, const float *d_q,
                  float *d_y, void *d_scratch)
{
    return fails() ? failure
                   : real->attend(stream, cache, where, rows, heads, most_keys, scale, d_q, d_y,
                                  d_scratch);
}

const swg_cuda *__wrap_swg_cuda_find(const char *name)
{
    real = __real_swg_cuda_find(name);
    if (!real)
        return NULL;
    failing = *real;
    failing.message = message;
    failing.count = count;
    failing.alloc = alloc;
    failing.free = release;
    failing.alloc_pinned = alloc_pinned;
    failing.stream_new = stream_new;
    failing.stream_sync = stream_sync;
    failing.copy_in = copy_in;
    failing.copy_out = copy_out;
    failing.graph_begin = graph_begin;
    failing.graph_end = graph_end;
    failing.graph_launch = graph_launch;
    failing.linear = linear;
    failing.attend = attend;
    return &failing;
}

/* Load a model, read a prompt, decode by a graph. */
static swg_status work(void)
{
    enum { STEPS = 4 };
    static const int32_t ids[2] = {1, 2};
    const swg_model_options options = {.size = sizeof options, .backend = "cuda"};
    swg_status status = SWG_OK;
    size_t length;
    swg_model *model = NULL;
    swg_exec *exec = NULL;
    char *config = (char *)swg_test_read_file("tests/runtime/fixtures/qwen3/config.json", &length);
    float *logits = swg_calloc(2 * ARCH_VOCAB, sizeof *logits);
    SWG_GO(swg_model_random(config, length, arch_int4, 1, &options, &model));
    SWG_GO(swg_exec_new(model, NULL, NULL, &exec));
    SWG_GO(swg_exec_run(exec, ids, 2, 0, logits));
    for (size_t step = 0; step < STEPS; step++)
        SWG_GO(swg_exec_run(exec, ids, 1, 0, logits));
done:
    swg_exec_free(&exec);
    swg_model_free(&model);
    swg_free(config);
    swg_free(logits);
    return status;
}

static const struct {
    int failure;
    swg_status status;
} failures[] = {{SWG_CUDA_NO_DEVICE, SWG_UNSUPPORTED}, {SWG_CUDA_NO_KERNEL, SWG_UNSUPPORTED},
                {SWG_CUDA_NO_MEMORY, SWG_NO_MEMORY},   {SWG_CUDA_UNSUPPORTED, SWG_UNSUPPORTED},
                {SWG_CUDA_LOST, SWG_FAILED},           {SWG_CUDA_FAILED, SWG_FAILED}};

START_TEST(every_call_may_fail)
{
    ck_assert_int_eq(setenv("SWAGE_CUDA", "host", 1), 0);
    if (!__real_swg_cuda_find("host")) {
        swg_test_skip("built without the executor of CUDA kernels");
        return;
    }
    failure = failures[_i].failure;
    long n = 1;
    const long step = failure == SWG_CUDA_NO_MEMORY || failure == SWG_CUDA_LOST ? 1 : 9;
    for (swg_status status = SWG_FAILED; status != SWG_OK; n += step) {
        calls_left = n;
        has_failed = false;
        status = work();
        ck_assert_int_eq(n_held, 0);
        ck_assert_int_eq(status, has_failed ? failures[_i].status : SWG_OK);
        if (has_failed)
            ck_assert_ptr_nonnull(strstr(swg_error_message(), "CUDA: the device refuses"));
    }
    ck_assert_int_gt(n, 100); /* that many calls were there to fail */
}
END_TEST

Suite *swg_test_suite(void)
{
    Suite *suite = suite_create("CUDA failures");
    TCase *calls = tcase_create("calls");
    tcase_set_timeout(calls, 300);
    tcase_add_loop_test(calls, every_call_may_fail, 0, sizeof failures / sizeof failures[0]);
    suite_add_tcase(suite, calls);
    return suite;
}
