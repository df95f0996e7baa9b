/* CUDA kernels behind a C interface: devices, memory, streams, graphs, and one call per operation
 * of the runtime's vocabulary (runtime/forward.h). The smallest program:
 *
 *     const swg_cuda *cuda = swg_cuda_find("gpu");
 *     swg_cuda_device *device;
 *     void *x;
 *     if (!cuda || cuda->open(0, &device)) ...;      cuda->message() says why
 *     cuda->alloc(device, bytes, &x);
 *     cuda->copy_in(stream, x, host, bytes);
 *     cuda->rmsnorm(stream, ...);
 *     cuda->copy_out(stream, host, y, bytes);
 *     cuda->stream_sync(stream);
 *
 * There are up to two builds of the same sources. "gpu" was compiled by nvcc. "host" was compiled
 * by the C++ compiler and runs every thread of every kernel on this processor (simt.h): it is for
 * tests, is slow, and is offered only by name.
 *
 * Rules for all calls. Each returns 0 (SWG_CUDA_OK) or another swg_cuda_status, and then message()
 * has a sentence. Operations enqueue work on a stream and return; their errors may come with a
 * later call, at the latest with stream_sync. They allocate nothing, so that they can be captured
 * in a graph, and use of a device from several threads needs a stream for each. Pointers named
 * `d_...` are memory of the device (alloc), aligned to 16 bytes; all others are host memory, read
 * before the call returns. Matrices of float are row-major, one row per token, without gaps, at
 * most 2^31 - 1 rows and columns. All sums have a fixed order: the same call on the same device
 * gives the same bytes, and a row's result does not depend on the other rows of an attention, norm
 * or embedding; of a product (linear) it does not depend on the other rows' contents. */
#ifndef SWG_KERNELS_CUDA_SWG_CUDA_H
#define SWG_KERNELS_CUDA_SWG_CUDA_H

#include "kernels/cuda/cuda_layout.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum swg_cuda_status {
    SWG_CUDA_OK,
    SWG_CUDA_NO_DEVICE,   /* no device, no driver, or one older than the runtime */
    SWG_CUDA_NO_KERNEL,   /* the kernels were not built for this device */
    SWG_CUDA_NO_MEMORY,   /* of the device, or pinned */
    SWG_CUDA_UNSUPPORTED, /* a shape or type that the kernels do not take */
    SWG_CUDA_LOST,        /* the device reports an error that only a new process ends */
    SWG_CUDA_FAILED       /* anything else */
} swg_cuda_status;

typedef struct swg_cuda_device swg_cuda_device; /* an open device */
typedef struct swg_cuda_stream swg_cuda_stream; /* work in order */
typedef struct swg_cuda_graph swg_cuda_graph;   /* captured work, ready to be launched */

typedef struct swg_cuda_info {
    char name[128];
    int capability; /* 80, 86, 89, 90; 0 for the host build */
    int multiprocessors;
    uint64_t memory_bytes, free_bytes;
    uint64_t l2_bytes;
} swg_cuda_info;

/* What a product's input is rounded to. HALF: IEEE half; a row with a magnitude beyond 65,504 is
 * divided by a power of two before, so that nothing becomes infinite; of F32 matrices the rounded
 * elements are used. BF16: bfloat16; F16 and F32 matrices take such inputs as halves, which divides
 * rows by a power of two and changes only elements 2^-29 times their row's largest and smaller.
 * INT8: integers of 8 bits with one scale per row, max |x| / 127; W4 and W8
 * only. FLOAT: the sum of two halves, 22 bits, and all of F32 matrices: the products of every half
 * of x with every half of w are added up, so it takes two (F32: four) times as long. Sums are
 * float, of exact products; sums of 64 columns of integers are exact. */
typedef enum swg_cuda_input {
    SWG_CUDA_INPUT_HALF,
    SWG_CUDA_INPUT_BF16,
    SWG_CUDA_INPUT_INT8,
    SWG_CUDA_INPUT_FLOAT
} swg_cuda_input;

typedef enum swg_cuda_activation {
    SWG_CUDA_GELU,      /* exact, with erf */
    SWG_CUDA_GELU_TANH, /* its approximation by tanh */
    SWG_CUDA_TANH,
    SWG_CUDA_RELU,
} swg_cuda_activation;

/* Keys and values of one layer: element (sequence, head, position, i) of each is at
 * ((sequence * n_heads + head) * context + position) * head_dim + i. INT8 has integers with a scale
 * per key and value, max |x| / 127, at (sequence * n_heads + head) * context + position. The owner
 * zeroes nothing. */
typedef enum swg_cuda_cache_type {
    SWG_CUDA_CACHE_F16,
    SWG_CUDA_CACHE_F32,
    SWG_CUDA_CACHE_INT8
} swg_cuda_cache_type;
typedef struct swg_cuda_cache {
    void *d_keys, *d_values;              /* halves, floats or bytes */
    float *d_key_scales, *d_value_scales; /* INT8 */
    uint32_t type;           /* swg_cuda_cache_type */
    uint32_t n_heads;        /* of keys and values */
    uint32_t head_dim;       /* 1 to 256 */
    uint32_t context;        /* positions per sequence */
} swg_cuda_cache;

/* Where the batch's rows belong, in memory of the device, so that a captured graph can be launched
 * again after these arrays have been copied anew. */
typedef struct swg_cuda_rows {
    const int32_t *d_sequences; /* [rows] */
    const int32_t *d_positions; /* [rows] */
    const int32_t *d_key_begin; /* [rows] first position that the row sees */
    const int32_t *d_key_end;   /* [rows] the position after the last one */
    /* How many rows of one sequence follow one another, typically; 0 = 1. It decides whether
     * attention works row by row or on tiles of 64 rows, which share the keys that they read. */
    uint32_t usual_run;
} swg_cuda_rows;

typedef struct swg_cuda {
    const char *name; /* "gpu" or "host" */

    /* --- Devices ------------------------------------------------------------------------------ */

    /* The sentence of this thread's last call that did not return 0. */
    const char *(*message)(void);

    /* The number of devices. NO_DEVICE, with the reason, when there is none. */
    int (*count)(int *n);
    /* What is known about device `number` < n. */
    int (*info)(int number, swg_cuda_info *out);
    /* Open device `number`. NO_KERNEL when no kernel was built for it, NO_DEVICE, NO_MEMORY. The
     * caller closes it after freeing all that belongs to it. */
    int (*open)(int number, swg_cuda_device **out);
    void (*close)(swg_cuda_device *device);

    /* --- Memory ------------------------------------------------------------------------------- */

    /* `bytes` >= 1 of the device, aligned to 256, contents undefined. NO_MEMORY names both sizes.
     * Freeing NULL does nothing; freeing waits for work that uses it. */
    int (*alloc)(swg_cuda_device *device, size_t bytes, void **d_out);
    void (*free)(swg_cuda_device *device, void *d_memory);
    /* Page-locked host memory, from and to which copies overlap with other work. */
    int (*alloc_pinned)(swg_cuda_device *device, size_t bytes, void **out);
    void (*free_pinned)(swg_cuda_device *device, void *memory);

    /* --- Streams and graphs ------------------------------------------------------------------- */

    int (*stream_new)(swg_cuda_device *device, swg_cuda_stream **out);
    void (*stream_free)(swg_cuda_stream *stream);
    /* Wait until all work is done; the status of the first that failed. */
    int (*stream_sync)(swg_cuda_stream *stream);

    /* Copies in stream order. Pinned host memory must stay until they are done, other host memory
     * may change as soon as copy_in returns; copy_out to it is complete on return. */
    int (*copy_in)(swg_cuda_stream *stream, void *d_to, const void *from, size_t bytes);
    int (*copy_out)(swg_cuda_stream *stream, void *to, const void *d_from, size_t bytes);
    int (*copy)(swg_cuda_stream *stream, void *d_to, const void *d_from, size_t bytes);
    int (*fill_zero)(swg_cuda_stream *stream, void *d_to, size_t bytes);

    /* Between begin and end, operations and device-to-device copies on the stream are recorded and
     * not done; copies from and to the host are not allowed. The graph repeats them with the same
     * pointers and sizes. After a failed end there is no graph and the stream can be used again. */
    int (*graph_begin)(swg_cuda_stream *stream);
    int (*graph_end)(swg_cuda_stream *stream, swg_cuda_graph **out);
    int (*graph_launch)(swg_cuda_stream *stream, const swg_cuda_graph *graph);
    void (*graph_free)(swg_cuda_graph *graph);

    /* --- Products ----------------------------------------------------------------------------- */

    /* y [rows][n] = x [rows][k] W^T (+ d_bias [n] unless NULL). Any rows >= 1, n and k. d_scratch
     * has at least linear_scratch bytes, which are enough for any number of rows up to that; it
     * belongs to the caller and may be shared by calls on one stream. x may not overlap y.
     * UNSUPPORTED for INT8 input of F16, F32 and S4 matrices, or of groups that are not multiples
     * of 32.
     *
     * Which kernel computes a product depends on rows and the matrix only: up to 16 rows are
     * multiplied while the matrix is read once; more go through tiles of the tensor cores. */
    size_t (*linear_scratch)(const swg_cuda_matrix *w, size_t rows);
    int (*linear)(swg_cuda_stream *stream, const swg_cuda_matrix *w, swg_cuda_input input,
                  const float *d_x, size_t rows, const float *d_bias, float *d_y, void *d_scratch);

    /* Rows [row, row + n_rows) as floats [n_rows][k]. Any type. */
    int (*dequantize)(swg_cuda_stream *stream, const swg_cuda_matrix *w, size_t row, size_t n_rows,
                      float *d_out);

    /* x [rows][k] = (is_added: x +=) the matrix's rows number d_index[row]; indices outside [0, n)
     * give NaN. */
    int (*embed)(swg_cuda_stream *stream, const swg_cuda_matrix *w, const int32_t *d_index,
                 size_t rows, bool is_added, float *d_x);

    /* --- Rows --------------------------------------------------------------------------------- */

    /* y = x / sqrt(mean(x^2) + eps) * weight, and the layer norm with weight and bias, of every
     * piece of n elements; x and y [pieces][n], y may be x. */
    int (*rmsnorm)(swg_cuda_stream *stream, const float *d_x, const float *d_weight, size_t pieces,
                   size_t n, float eps, float *d_y);
    int (*layernorm)(swg_cuda_stream *stream, const float *d_x, const float *d_weight,
                     const float *d_bias, size_t pieces, size_t n, float eps, float *d_y);

    /* cosine and sine [rows][pairs] of d_positions[row] * d_frequencies[pair], with the angle in
     * double. */
    int (*rope_angles)(swg_cuda_stream *stream, const int32_t *d_positions,
                       const double *d_frequencies, size_t rows, size_t pairs, float *d_cosine,
                       float *d_sine);
    /* Rotate the first 2 * pairs elements of every head of x [rows][heads * head_dim]: pair i is
     * elements (i, i + pairs), interleaved (2 i, 2 i + 1). */
    int (*rope)(swg_cuda_stream *stream, float *d_x, size_t rows, size_t heads, size_t head_dim,
                const float *d_cosine, const float *d_sine, size_t pairs, bool interleaved);

    /* Element by element, n of them: gate = silu(gate) * up; x = activation(x); x *= y;
     * x *= factor; x += y. */
    int (*silu_mul)(swg_cuda_stream *stream, float *d_gate, const float *d_up, size_t n);
    int (*activate)(swg_cuda_stream *stream, swg_cuda_activation activation, float *d_x, size_t n);
    int (*mul)(swg_cuda_stream *stream, float *d_x, const float *d_y, size_t n);
    int (*scale)(swg_cuda_stream *stream, float factor, float *d_x, size_t n);
    int (*add)(swg_cuda_stream *stream, float *d_x, const float *d_y, size_t n);
    /* x [rows][n] += vector [n]. */
    int (*add_vector)(swg_cuda_stream *stream, float *d_x, const float *d_vector, size_t rows,
                      size_t n);
    /* to [rows][n] = rows number d_index[row] of from; they may not overlap. */
    int (*gather)(swg_cuda_stream *stream, const float *d_from, const int32_t *d_index, size_t rows,
                  size_t n, float *d_to);

    /* --- Sums over rows ----------------------------------------------------------------------- */

    /* sum [m][k] += a^T b for a [rows][m] and b [rows][k]; is_lower, for m = k: on and below the
     * diagonal, and perhaps above. */
    int (*product_sum)(swg_cuda_stream *stream, const float *d_a, size_t m, const float *d_b,
                       size_t k, size_t rows, bool is_lower, float *d_sum);
    /* magnitudes [n] += |x| and squares [n] += x^2, over the rows of x [rows][n]. */
    int (*moments)(swg_cuda_stream *stream, const float *d_x, size_t rows, size_t n,
                   double *d_magnitudes, double *d_squares);

    /* --- Attention ---------------------------------------------------------------------------- */

    /* Store keys and values [rows][n_heads * head_dim] at each row's sequence and position. */
    int (*cache_store)(swg_cuda_stream *stream, const swg_cuda_cache *cache,
                       const swg_cuda_rows *where, size_t rows, const float *d_k, const float *d_v);
    /* y [rows][heads * head_dim] = softmax(scale * q K^T) V over positions [key_begin, key_end) of
     * each row's sequence; heads is a multiple of the cache's, and heads / n_heads neighbouring
     * ones share one of the cache's. y may be q. A row that sees no position becomes 0. most_keys
     * is a bound on key_end - key_begin over the batch (and over later launches of a captured
     * graph); it decides how many blocks share a row, never the result's meaning. d_scratch as in
     * linear. */
    size_t (*attend_scratch)(const swg_cuda_cache *cache, size_t rows, size_t heads,
                             size_t most_keys);
    int (*attend)(swg_cuda_stream *stream, const swg_cuda_cache *cache, const swg_cuda_rows *where,
                  size_t rows, size_t heads, size_t most_keys, float scale, const float *d_q,
                  float *d_y, void *d_scratch);

    /* --- Heads -------------------------------------------------------------------------------- */

    /* x [rows][n] = softmax(x * scale) of every row. */
    int (*softmax)(swg_cuda_stream *stream, float *d_x, size_t rows, size_t n, float scale);
    /* d_index [rows] = place of the largest of x [rows][n], the first of equal ones; NaN is never
     * chosen, and a row of NaN gives 0. */
    int (*argmax)(swg_cuda_stream *stream, const float *d_x, size_t rows, size_t n,
                  int32_t *d_index);
    /* d_index [rows] = a place drawn from softmax(x / temperature): the first at which the sum of
     * probabilities from place 0 on exceeds d_uniform[row], in [0, 1). temperature > 0. */
    int (*sample)(swg_cuda_stream *stream, const float *d_x, size_t rows, size_t n,
                  float temperature, const float *d_uniform, int32_t *d_index);
    /* d_out [rows] = -log softmax(x [rows][n])[d_target[row]], for perplexity. */
    int (*cross_entropy)(swg_cuda_stream *stream, const float *d_x, size_t rows, size_t n,
                         const int32_t *d_target, float *d_out);

    /* --- Recurrent cells ---------------------------------------------------------------------- */

    /* One step of `units` units from the input's and the state's shares of the gates, [4 units] in
     * the order in, forget, new, out; h and c [units] change. kernels/scalar/activation_scalar.c
     * has the formulas. */
    int (*lstm_cell)(swg_cuda_stream *stream, const float *d_from_input, const float *d_from_state,
                     size_t units, float *d_c, float *d_h);
    /* Gates [3 units]: update and reset are gates number `update` and `reset` of the first two, the
     * new state's is the third. */
    int (*gru_cell)(swg_cuda_stream *stream, const float *d_from_input, const float *d_from_state,
                    size_t units, size_t update, size_t reset, float *d_h);
    /* out [units] = sigmoid(gate of the input + of the state) * h: the state that a GRU multiplies
     * when it resets before its product. */
    int (*gru_reset)(swg_cuda_stream *stream, const float *d_from_input, const float *d_from_state,
                     size_t units, size_t reset, const float *d_h, float *d_out);
} swg_cuda;

/* The build of that name ("gpu", "host"); NULL when this program was built without it. */
const swg_cuda *swg_cuda_find(const char *name);

/* Plant fault number `fault` (faults.def; 0 = none) in the host build's kernels; false when this
 * program was built without it. */
bool swg_cuda_host_fault(int fault);

/* How one of the host build's kernels uses memory (trace.h), summed over the first blocks of all
 * its launches so far. False when there is no such number, or this program was built without
 * tracing. */
typedef struct swg_cuda_access {
    const char *kernel;
    uint64_t shared_passes, shared_least;  /* over the banks of shared memory */
    uint64_t device_sectors, device_least; /* of 32 bytes */
} swg_cuda_access;
bool swg_cuda_host_access(unsigned number, swg_cuda_access *out);

#ifdef __cplusplus
}
#endif

#endif
