/* The CUDA backend: set-up, values, and the operations of forward.h, each of which is one of
 * kernels/cuda/swg_cuda.h. Values are dense rows of floats on the device. */
#include "runtime/backend/cuda_state.h"
#include "runtime/base/notice.h"

/* --- Set-up ----------------------------------------------------------------------------------- */

static const char *device(void)
{
    const swg_gpu_device *gpu;
    return swg_gpu_device_open(&gpu) == SWG_OK ? gpu->description : "cuda: no device";
}

/* All operations are there: what is missing is a device. */
static swg_status check(const swg_hparams *hparams)
{
    (void)hparams;
    const swg_gpu_device *gpu;
    return swg_gpu_device_open(&gpu);
}

static void free_device_side(swg_gpu *gpu)
{
    void *const memory[] = {gpu->d_arrays,         gpu->d_vectors,       gpu->d_frequencies,
                            gpu->d_cosine,         gpu->d_sine,          gpu->d_cache,
                            gpu->d_state,          gpu->d_gates,         gpu->d_reset,
                            gpu->scratch.d_memory, gpu->output.d_memory, gpu->gathered.d_memory};
    swg_gpu_drop_graph(gpu);
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++)
        gpu->cuda->free(gpu->device, memory[i]);
    if (gpu->pinned)
        gpu->cuda->free_pinned(gpu->device, gpu->pinned);
    if (gpu->stream)
        gpu->cuda->stream_free(gpu->stream);
}

static void deinit(swg_exec *exec)
{
    swg_gpu *gpu = swg_gpu_of(exec);
    free_device_side(gpu);
    swg_free(gpu->vectors);
    swg_free(gpu->vector_at);
    swg_free(gpu->bias_at);
    swg_free(gpu->frequencies);
    swg_free(gpu->caches);
    swg_free(gpu->host_rows);
    swg_free(gpu);
    exec->backend_state = NULL;
}

/* Where 8-bit activations are asked for, say of how many matrices that is not true. */
static void tell_of_halves(const swg_exec *exec)
{
    size_t n = 0, n_halves = 0;
    if (exec->options.activations != SWG_ACT_INT8)
        return;
    for (size_t i = 0; i < exec->model->n_weights; i++) {
        const swg_weight *weight = &exec->model->weights[i];
        if (weight->n == 0 || weight->k <= 1 || weight->vector)
            continue;
        const swg_cuda_matrix matrix = swg_gpu_matrix(weight);
        n++;
        n_halves += !swg_gpu_takes_int8(&matrix);
    }
    if (n_halves > 0)
        swg_notice("%zu of %zu matrices are multiplied with f16 activations: this device has no "
                   "kernel for 8-bit ones with their format",
                   n_halves, n);
}

static swg_status init(swg_exec *exec)
{
    const swg_gpu_device *opened;
    swg_gpu *gpu;
    SWG_TRY(swg_gpu_device_open(&opened));
    SWG_TRY(SWG_NEW(gpu, 1));
    gpu->cuda = opened->cuda;
    gpu->device = opened->device;
    exec->backend_state = gpu; /* from here on swg_exec_free releases it */
    SWG_TRY(swg_gpu_status(gpu->cuda, gpu->cuda->stream_new(gpu->device, &gpu->stream)));
    SWG_TRY(swg_gpu_batch_init(exec));
    tell_of_halves(exec);
    SWG_TRY(swg_gpu_cache_init(exec));
    return swg_gpu_recurrent_init(exec);
}

/* --- Values ----------------------------------------------------------------------------------- */

static swg_status value_new(swg_exec *exec, size_t rows, size_t columns, swg_value *out)
{
    swg_gpu *gpu = swg_gpu_of(exec);
    void *d_memory;
    SWG_TRY(swg_gpu_alloc(gpu, rows, columns * sizeof(float), &d_memory));
    *out = (swg_value){.data = d_memory, .rows = rows, .columns = columns};
    const size_t bytes = rows * columns * sizeof(float);
    return bytes ? swg_gpu_status(gpu->cuda, gpu->cuda->fill_zero(gpu->stream, d_memory, bytes))
                 : SWG_OK;
}

static void value_free(swg_exec *exec, swg_value *value)
{
    swg_gpu *gpu = swg_gpu_of(exec);
    gpu->cuda->free(gpu->device, value->data);
    value->data = NULL;
}

static size_t bytes_of(swg_value value)
{
    return value.rows * value.columns * sizeof(float);
}

static void upload(swg_exec *exec, const float *host, swg_value value)
{
    SWG_GPU_CALL(swg_gpu_of(exec), copy_in, value.data, host, bytes_of(value));
}

static void download(swg_exec *exec, swg_value value, float *host)
{
    swg_gpu *gpu = swg_gpu_of(exec);
    swg_gpu_launch(gpu);
    SWG_GPU_CALL(gpu, copy_out, host, value.data, bytes_of(value));
}

static swg_value output(swg_exec *exec, float *host, size_t rows, size_t columns)
{
    (void)host;
    swg_gpu *gpu = swg_gpu_of(exec);
    void *d_memory = swg_gpu_reserve(gpu, &gpu->output, rows * columns * sizeof(float));
    return (swg_value){.data = d_memory, .rows = rows, .columns = columns};
}

static const float *host_rows(swg_exec *exec, swg_value value)
{
    swg_gpu *gpu = swg_gpu_of(exec);
    const size_t bytes = bytes_of(value);
    if (gpu->status == SWG_OK && gpu->host_bytes < bytes) {
        swg_free(gpu->host_rows);
        gpu->host_rows = swg_malloc(bytes, 1);
        gpu->host_bytes = gpu->host_rows ? bytes : 0;
        gpu->status = gpu->host_rows ? SWG_OK : SWG_NO_MEMORY;
    }
    SWG_GPU_CALL(gpu, copy_out, gpu->host_rows, value.data, bytes);
    return gpu->status == SWG_OK ? gpu->host_rows : NULL;
}

/* By way of a buffer: rows may not be moved within a value by threads in any order. The batch's
 * array has the same rows. */
static void gather(swg_exec *exec, swg_value value, const size_t *rows, size_t n)
{
    (void)rows;
    swg_gpu *gpu = swg_gpu_of(exec);
    const size_t bytes = n * value.columns * sizeof(float);
    void *d_rows = swg_gpu_reserve(gpu, &gpu->gathered, bytes);
    SWG_GPU_CALL(gpu, gather, value.data, swg_gpu_array_of(exec, SWG_GPU_KEPT), n, value.columns,
                 d_rows);
    SWG_GPU_CALL(gpu, copy, value.data, d_rows, bytes);
}

static swg_status finish(swg_exec *exec)
{
    swg_gpu *gpu = swg_gpu_of(exec);
    swg_gpu_launch(gpu);
    const int result = gpu->cuda->stream_sync(gpu->stream);
    swg_gpu_note(gpu, result);
    return gpu->status;
}

/* --- Weights ---------------------------------------------------------------------------------- */

static void linears(swg_exec *exec, swg_value x, size_t count, const swg_weight *const *weights,
                    const swg_value *y)
{
    for (size_t i = 0; i < count; i++)
        swg_gpu_linear(exec, weights[i], x.data, x.rows, y[i].data);
}

static void embed(swg_exec *exec, const swg_weight *weight, swg_index index, bool is_added,
                  swg_value x)
{
    static const swg_gpu_array arrays[] = {[SWG_INDEX_TOKEN] = SWG_GPU_IDS,
                                           [SWG_INDEX_POSITION] = SWG_GPU_PLACES,
                                           [SWG_INDEX_TYPE] = SWG_GPU_TYPES};
    const swg_cuda_matrix matrix = swg_gpu_matrix(weight);
    SWG_GPU_CALL(swg_gpu_of(exec), embed, &matrix, swg_gpu_array_of(exec, arrays[index]), x.rows,
                 is_added, x.data);
}

/* --- Rows ------------------------------------------------------------------------------------- */

static size_t elems_of(swg_value value)
{
    return value.rows * value.columns;
}

static void rmsnorm(swg_exec *exec, const swg_weight *weight, swg_value x, swg_value y)
{
    SWG_GPU_CALL(swg_gpu_of(exec), rmsnorm, x.data, swg_gpu_vector(exec, weight),
                 elems_of(x) / weight->n, weight->n, (float)exec->model->hparams.norm_eps, y.data);
}

static void layernorm(swg_exec *exec, const swg_weight *weight, swg_value x, swg_value y)
{
    SWG_GPU_CALL(swg_gpu_of(exec), layernorm, x.data, swg_gpu_vector(exec, weight),
                 swg_gpu_bias(exec, weight), elems_of(x) / weight->n, weight->n,
                 (float)exec->model->hparams.norm_eps, y.data);
}

static void rope(swg_exec *exec, size_t layer, swg_value x)
{
    swg_gpu *gpu = swg_gpu_of(exec);
    const swg_hparams *h = &exec->model->hparams;
    const size_t head_dim = (size_t)h->head_dim, pairs = (size_t)h->rope.dim / 2;
    const size_t at = swg_rope_table_of(h, layer) * exec->options.chunk * pairs;
    SWG_GPU_CALL(gpu, rope, x.data, x.rows, x.columns / head_dim, head_dim, gpu->d_cosine + at,
                 gpu->d_sine + at, pairs, h->rope.interleaved);
}

static void silu_mul(swg_exec *exec, swg_value gate, swg_value up)
{
    SWG_GPU_CALL(swg_gpu_of(exec), silu_mul, gate.data, up.data, elems_of(gate));
}

static void activate(swg_exec *exec, swg_activation activation, swg_value x)
{
    static const swg_cuda_activation activations[] = {[SWG_ACTIVATION_GELU] = SWG_CUDA_GELU,
                                                      [SWG_ACTIVATION_GELU_TANH] =
                                                          SWG_CUDA_GELU_TANH,
                                                      [SWG_ACTIVATION_TANH] = SWG_CUDA_TANH,
                                                      [SWG_ACTIVATION_RELU] = SWG_CUDA_RELU};
    SWG_GPU_CALL(swg_gpu_of(exec), activate, activations[activation], x.data, elems_of(x));
}

static void mul(swg_exec *exec, swg_value x, swg_value y)
{
    SWG_GPU_CALL(swg_gpu_of(exec), mul, x.data, y.data, elems_of(x));
}

static void scale(swg_exec *exec, float factor, swg_value x)
{
    SWG_GPU_CALL(swg_gpu_of(exec), scale, factor, x.data, elems_of(x));
}

static void add(swg_exec *exec, swg_value x, swg_value y)
{
    SWG_GPU_CALL(swg_gpu_of(exec), add, x.data, y.data, elems_of(x));
}

static void add_vector(swg_exec *exec, const swg_weight *vector, swg_value x)
{
    SWG_GPU_CALL(swg_gpu_of(exec), add_vector, x.data, swg_gpu_vector(exec, vector), x.rows,
                 x.columns);
}

const swg_backend swg_backend_cuda = {
    .name = "cuda",
    .weights = &swg_gpu_weights,
    .sums = &swg_gpu_sums,
    .check = check,
    .device = device,
    .init = init,
    .deinit = deinit,
    .value_new = value_new,
    .value_free = value_free,
    .upload = upload,
    .download = download,
    .output = output,
    .host_rows = host_rows,
    .gather = gather,
    .begin = swg_gpu_begin,
    .finish = finish,
    .embed = embed,
    .rmsnorm = rmsnorm,
    .layernorm = layernorm,
    .linears = linears,
    .rope = rope,
    .attend = swg_gpu_attend,
    .recur = swg_gpu_recur,
    .silu_mul = silu_mul,
    .activate = activate,
    .mul = mul,
    .scale = scale,
    .add = add,
    .add_vector = add_vector,
};
