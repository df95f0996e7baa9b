/* What an execution keeps for the CUDA backend. Private to runtime/backend/cuda*.c.
 *
 * All operations of an execution go to one stream, in order; `finish` waits for it. A step that
 * decodes one token per sequence repeats the calls of the step before, only with other numbers in
 * the batch's arrays: it is computed once as usual, captured the second time, and from then on the
 * captured graph is launched while the operations themselves are skipped (cuda_batch.c). */
#ifndef SWG_RUNTIME_BACKEND_CUDA_STATE_H
#define SWG_RUNTIME_BACKEND_CUDA_STATE_H

#include "runtime/backend/cuda_weights.h"
#include "runtime/exec_state.h"
#include "runtime/rope.h"

/* Memory of the device that grows as needed. */
typedef struct swg_gpu_buffer {
    void *d_memory;
    size_t bytes;
} swg_gpu_buffer;

/* Arrays of the batch on the device, [chunk] each. */
typedef enum swg_gpu_array {
    SWG_GPU_IDS,
    SWG_GPU_TYPES,
    SWG_GPU_PLACES, /* positions as learned embeddings count them */
    SWG_GPU_POSITIONS,
    SWG_GPU_SEQUENCES,
    SWG_GPU_FROM_START, /* key_begin: all positions, or the window's */
    SWG_GPU_FROM_WINDOW,
    SWG_GPU_TO_ITSELF, /* key_end: up to the row itself, or to the end of the text */
    SWG_GPU_TO_END,
    SWG_GPU_KEPT, /* rows whose logits are wanted */
    SWG_GPU_ARRAYS
} swg_gpu_array;

typedef enum swg_gpu_mode {
    SWG_GPU_DIRECT,  /* operations are enqueued */
    SWG_GPU_CAPTURE, /* ... and recorded */
    SWG_GPU_REPLAY,  /* ... and skipped: the graph has them */
} swg_gpu_mode;

/* What the calls of a step depend on. */
typedef struct swg_gpu_step {
    size_t rows, kept, most_keys;
    uint64_t revision; /* of the model */
} swg_gpu_step;

typedef struct swg_gpu {
    const swg_cuda *cuda;
    swg_cuda_device *device;
    swg_cuda_stream *stream;
    swg_status status; /* of the first operation that failed since `begin` */

    int32_t *pinned, *d_arrays; /* [SWG_GPU_ARRAYS][chunk] */
    size_t most_keys;           /* that a row of the batch sees, rounded up */

    uint64_t revision; /* of the model whose vectors are on the device; 0 = none */
    float *vectors, *d_vectors;
    size_t *vector_at, *bias_at; /* [n_weights] */
    size_t n_vectors;            /* floats */

    double *frequencies, *d_frequencies; /* [tables][pairs] */
    bool has_frequencies;                /* on the device */
    float *d_cosine, *d_sine;            /* [tables][chunk][pairs] */

    void *d_cache;
    swg_cuda_cache *caches; /* [layers of the cache] */
    size_t n_caches;

    size_t most_units; /* of recurrent layers */
    float *d_state;    /* [sequences][layers][h, c][most_units] */
    float *d_gates;    /* the state's share, then that after the reset [2][4 * most_units] */
    float *d_reset;    /* the state that was reset, and a gate that is 1 [2][most_units] */

    swg_gpu_buffer scratch, output, gathered;
    float *host_rows; /* of the last host_rows call */
    size_t host_bytes;

    swg_gpu_mode mode;
    swg_cuda_graph *graph;
    swg_gpu_step captured, last; /* the step of the graph; the last direct one */
} swg_gpu;

static inline swg_gpu *swg_gpu_of(const swg_exec *exec)
{
    return exec->backend_state;
}

/* Whether an operation is to be enqueued. */
static inline bool swg_gpu_goes_on(const swg_gpu *gpu)
{
    return gpu->status == SWG_OK && gpu->mode != SWG_GPU_REPLAY;
}

/* Note the result of a call. */
void swg_gpu_note(swg_gpu *gpu, int result);

/* Enqueue an operation of the kernels' interface unless an earlier one has failed. */
#define SWG_GPU_CALL(gpu, operation, ...)                                                          \
    do {                                                                                           \
        if (swg_gpu_goes_on(gpu))                                                                  \
            swg_gpu_note(gpu, (gpu)->cuda->operation((gpu)->stream, __VA_ARGS__));                 \
    } while (0)

/* Memory of the device, as a status. */
swg_status swg_gpu_alloc(swg_gpu *gpu, size_t count, size_t size, void **d_out);

void swg_gpu_drop_graph(swg_gpu *gpu);

/* At least that many bytes in the buffer, whose contents are lost when it grows; NULL when there is
 * no room: the execution's status is then set. A graph that has the old address is dropped. */
void *swg_gpu_reserve(swg_gpu *gpu, swg_gpu_buffer *buffer, size_t bytes);

/* An array of the batch on the device. */
static inline int32_t *swg_gpu_array_of(const swg_exec *exec, swg_gpu_array array)
{
    return swg_gpu_of(exec)->d_arrays + (size_t)array * exec->options.chunk;
}

/* The vector and the bias of a weight on the device; NULL where it has none. */
const float *swg_gpu_vector(const swg_exec *exec, const swg_weight *weight);
const float *swg_gpu_bias(const swg_exec *exec, const swg_weight *weight);

/* Whether there is a kernel that multiplies the matrix with 8-bit activations. */
bool swg_gpu_takes_int8(const swg_cuda_matrix *matrix);

/* y [rows] = x W^T + bias. */
void swg_gpu_linear(swg_exec *exec, const swg_weight *weight, const float *d_x, size_t rows,
                    float *d_y);

/* --- cuda_batch.c ------------------------------------------------------------------------------
 */

swg_status swg_gpu_batch_init(swg_exec *exec);
void swg_gpu_begin(swg_exec *exec);
/* Compute what was captured, or what the graph has. */
void swg_gpu_launch(swg_gpu *gpu);

/* --- cuda_attention.c --------------------------------------------------------------------------
 */

swg_status swg_gpu_cache_init(swg_exec *exec);
void swg_gpu_attend(swg_exec *exec, size_t layer, swg_attend_options options, swg_value q,
                    swg_value k, swg_value v, swg_value y);

extern const swg_backend_sums swg_gpu_sums; /* cuda_sums.c */

/* --- cuda_recurrent.c --------------------------------------------------------------------------
 */

swg_status swg_gpu_recurrent_init(swg_exec *exec);
void swg_gpu_recur(swg_exec *exec, swg_cell cell, const swg_weight *weight, size_t layer,
                   swg_value gates, swg_value states, swg_value y);

#endif
