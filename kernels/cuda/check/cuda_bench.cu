/* Measures the kernels on a GPU: ceilings of this device, then products of the shapes that decide a
 * model's speed, beside cuBLAS in FP16 and cuBLASLt in INT8 where they were found.
 *   cuda_bench [--quick] [--csv FILE]
 *
 * Rules. Weights are random and rotate over at least 512 MiB, so that no matrix is found in the L2
 * cache. All launches of a measurement are in one graph, of at least 50 (10 from 512 tokens on); a
 * time is the median of five replays, by events. What is compared runs in the same process, and
 * every rate is printed as a share of the rate of a copy. Bytes counted: weights with scales,
 * input, output. */
#include "kernels/cuda/simt.h"

#include <stdio.h>
#ifdef SWAGE_CUBLAS
#include <cublasLt.h>
#include <cublas_v2.h>
#endif

namespace
{
enum { least_launches = 50, repeats = 5 };
constexpr size_t rotated_bytes = (size_t)512 << 20;

const swg_cuda *cuda;
swg_cuda_device *device;
swg_cuda_stream *stream;
double copy_rate; /* bytes per second, read and written */
FILE *csv;
bool is_quick;

[[noreturn]] void stop(const char *what, const char *why)
{
    fprintf(stderr, "cuda_bench: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

void need(int status, const char *what)
{
    if (status)
        stop(what, cuda->message());
}

void need_cuda(cudaError_t error, const char *what)
{
    if (error != cudaSuccess)
        stop(what, cudaGetErrorString(error));
}

void *device_bytes(size_t bytes)
{
    void *memory;
    need(cuda->alloc(device, bytes, &memory), "memory");
    return memory;
}

/* --- Timing ----------------------------------------------------------------------------------- */

/* Seconds per launch of work(i), i = 0, 1, ...: one graph of `launches`, replayed. */
template <class W> double seconds_of(unsigned launches, const W &work)
{
    swg_cuda_graph *graph;
    cudaEvent_t begin, end;
    float times[repeats];
    need_cuda(cudaEventCreate(&begin), "an event");
    need_cuda(cudaEventCreate(&end), "an event");
    work(0); /* loads the kernel before the capture */
    need(cuda->stream_sync(stream), "a first launch");
    need(cuda->graph_begin(stream), "a graph");
    for (unsigned i = 0; i < launches; i++)
        work(i);
    need(cuda->graph_end(stream, &graph), "a graph");
    need(cuda->graph_launch(stream, graph), "a graph");
    for (int r = 0; r < repeats; r++) {
        need_cuda(cudaEventRecord(begin, stream->native), "an event");
        need(cuda->graph_launch(stream, graph), "a graph");
        need_cuda(cudaEventRecord(end, stream->native), "an event");
        need(cuda->stream_sync(stream), "measuring");
        need_cuda(cudaEventElapsedTime(&times[r], begin, end), "an event");
        for (int i = r; i > 0 && times[i] < times[i - 1]; i--) {
            const float other = times[i];
            times[i] = times[i - 1];
            times[i - 1] = other;
        }
    }
    cuda->graph_free(graph);
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
    return times[repeats / 2] / 1000.0 / launches;
}

/* --- Data ------------------------------------------------------------------------------------- */

__global__ void random_kernel(uint32_t *words, size_t n, uint32_t seed, uint32_t keep)
{
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (size_t)gridDim.x * blockDim.x) {
        uint64_t h = (i + seed) * 0x9E3779B97F4A7C15ull;
        h = (h ^ h >> 29) * 0xBF58476D1CE4E5B9ull;
        words[i] = ((uint32_t)(h >> 32) & keep);
    }
}

/* Random words of which the bits `keep` are kept. */
void fill_random(void *memory, size_t bytes, uint32_t keep)
{
    static uint32_t seed;
    random_kernel<<<1024, 256, 0, stream->native>>>(static_cast<uint32_t *>(memory), bytes / 4,
                                                    seed += 977, keep);
    need(cuda->stream_sync(stream), "random data");
}

constexpr uint32_t half_bits = 0xbbffbbffu; /* halves (and floats) below 1 in magnitude */

__global__ void read_kernel(const uint4 *words, size_t n, uint32_t *sum)
{
    uint32_t mine = 0;
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n;
         i += (size_t)gridDim.x * blockDim.x) {
        const uint4 w = words[i];
        mine ^= w.x ^ w.y ^ w.z ^ w.w;
    }
    if (mine == 0x12345678u)
        *sum = mine;
}

void measure_ceilings(const swg_cuda_info &info)
{
    const size_t bytes = (size_t)1 << 30;
    void *from = device_bytes(bytes), *to = device_bytes(bytes);
    fill_random(from, bytes, 0xffffffffu);
    const double copy = seconds_of(4, [&](unsigned) { cuda->copy(stream, to, from, bytes); });
    copy_rate = 2.0 * (double)bytes / copy;
    const unsigned blocks = (unsigned)info.multiprocessors * 8;
    const double read = seconds_of(4, [&](unsigned) {
        read_kernel<<<blocks, 512, 0, stream->native>>>(static_cast<const uint4 *>(from),
                                                        bytes / 16, static_cast<uint32_t *>(to));
    });
    printf("copy   %7.2f TB/s (bytes read and written)\nread   %7.2f TB/s\n", copy_rate / 1e12,
           (double)bytes / read / 1e12);
    cuda->free(device, from);
    cuda->free(device, to);
}

/* --- Rows of the table ------------------------------------------------------------------------ */

struct shape {
    const char *name;
    unsigned n, k;
};
const shape shapes[] = {{"4096 x 4096", 4096, 4096},
                        {"8192 x 8192", 8192, 8192},
                        {"28672 x 8192", 28672, 8192},
                        {"8192 x 28672", 8192, 28672}};
const unsigned all_rows[] = {1, 2, 4, 8, 16, 17, 32, 64, 128, 256, 512, 1024, 2048, 4096};
const unsigned quick_rows[] = {1, 16, 32, 128, 512};

void print_row(const char *kind, const shape &s, unsigned rows, double seconds, double bytes,
               double fp16_seconds)
{
    const double rate = bytes / seconds, flops = 2.0 * s.n * s.k * rows / seconds;
    printf("%-14s %-13s %5u %10.2f us %6.2f TB/s %5.0f %% %8.1f TFLOP/s", kind, s.name, rows,
           seconds * 1e6, rate / 1e12, 100 * rate / copy_rate, flops / 1e12);
    if (fp16_seconds > 0)
        printf("  %5.2f x fp16", fp16_seconds / seconds);
    printf("\n");
    fflush(stdout);
    if (csv)
        fprintf(csv, "%s,%u,%u,%u,%.9g,%.9g,%.9g\n", kind, s.n, s.k, rows, seconds, rate,
                fp16_seconds > 0 ? fp16_seconds / seconds : 0);
}

/* Copies of a packed matrix, together at least rotated_bytes, and what a product needs. */
struct subject {
    swg_cuda_matrix m;
    unsigned char *copies;
    unsigned n_copies;
};

subject make_subject(swg_cuda_type type, const shape &s)
{
    subject made;
    if (!swg_cuda_matrix_init(&made.m, type, s.n, s.k, type == SWG_CUDA_W8 ? 0 : 128,
                              SWG_CUDA_SCALE_F16, false))
        stop(s.name, "is not described");
    made.n_copies = (unsigned)(rotated_bytes / made.m.bytes) + 1;
    made.copies = static_cast<unsigned char *>(device_bytes(made.m.bytes * made.n_copies));
    for (unsigned c = 0; c < made.n_copies; c++) {
        unsigned char *at = made.copies + c * made.m.bytes;
        fill_random(at, made.m.scales_at, type == SWG_CUDA_F16 ? half_bits : 0xffffffffu);
        fill_random(at + made.m.scales_at, made.m.bytes - made.m.scales_at, half_bits);
    }
    return made;
}

/* How many launches are measured: long ones need neither fifty of them nor cold weights. */
unsigned launches_of(unsigned rows, unsigned n_copies)
{
    return rows >= 512 ? 10 : n_copies > least_launches ? n_copies : least_launches;
}

double product_seconds(const subject &w, swg_cuda_input input, unsigned rows, const float *x,
                       float *y, void *scratch)
{
    return seconds_of(launches_of(rows, w.n_copies), [&](unsigned i) {
        swg_cuda_matrix m = w.m;
        m.data = w.copies + (size_t)(i % w.n_copies) * m.bytes;
        need(cuda->linear(stream, &m, input, x, rows, nullptr, y, scratch), "a product");
    });
}

/* Seconds per product with dense weights, of which `weights` holds n_copies: 0 where the library does
 * not take the shape, or was not found. */
#ifdef SWAGE_CUBLAS
double fp16_seconds(const shape &s, unsigned rows, const void *weights, unsigned n_copies,
                    const void *x, void *y)
{
    static cublasHandle_t handle;
    const float one = 1, zero = 0;
    if (!handle && cublasCreate(&handle) != CUBLAS_STATUS_SUCCESS)
        stop("cuBLAS", "does not start");
    cublasSetStream(handle, stream->native);
    const auto multiply = [&](unsigned i) {
        const size_t at = (size_t)(i % n_copies) * s.n * s.k * 2;
        return cublasGemmEx(handle, CUBLAS_OP_T, CUBLAS_OP_N, (int)s.n, (int)rows, (int)s.k, &one,
                            static_cast<const char *>(weights) + at, CUDA_R_16F, (int)s.k, x,
                            CUDA_R_16F, (int)s.k, &zero, y, CUDA_R_16F, (int)s.n,
                            CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
    };
    if (multiply(0) != CUBLAS_STATUS_SUCCESS)
        return 0;
    return seconds_of(launches_of(rows, n_copies), [&](unsigned i) { multiply(i); });
}

/* What cuBLASLt needs to know of a product of bytes, with sums of 32 bits. */
struct int8_product {
    cublasLtMatmulDesc_t product;
    cublasLtMatrixLayout_t weights, x, y;
    cublasLtMatmulHeuristicResult_t chosen;
};

/* False where it has no algorithm for the shape. */
bool int8_init(int8_product *p, cublasLtHandle_t handle, const shape &s, unsigned rows,
               size_t workspace_bytes)
{
    const cublasOperation_t transposed = CUBLAS_OP_T;
    cublasLtMatmulPreference_t preference;
    int n_found = 0;
    if (cublasLtMatmulDescCreate(&p->product, CUBLAS_COMPUTE_32I, CUDA_R_32I) ||
        cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_TRANSA, &transposed,
                                       sizeof transposed) ||
        cublasLtMatrixLayoutCreate(&p->weights, CUDA_R_8I, s.k, s.n, s.k) ||
        cublasLtMatrixLayoutCreate(&p->x, CUDA_R_8I, s.k, rows, s.k) ||
        cublasLtMatrixLayoutCreate(&p->y, CUDA_R_32I, s.n, rows, s.n) ||
        cublasLtMatmulPreferenceCreate(&preference) ||
        cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                             &workspace_bytes, sizeof workspace_bytes))
        stop("cuBLASLt", "does not describe a product");
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle, p->product, p->weights, p->x, p->y, p->y, preference,
                                       1, &p->chosen, &n_found);
    cublasLtMatmulPreferenceDestroy(preference);
    return status == CUBLAS_STATUS_SUCCESS && n_found > 0;
}

double int8_seconds(const shape &s, unsigned rows, const void *weights, unsigned n_copies,
                    const void *x, void *y)
{
    static cublasLtHandle_t handle;
    static void *workspace;
    constexpr size_t workspace_bytes = (size_t)32 << 20;
    const int32_t one = 1, zero = 0;
    int8_product p = {};
    if (!handle && cublasLtCreate(&handle) != CUBLAS_STATUS_SUCCESS)
        stop("cuBLASLt", "does not start");
    if (!workspace)
        workspace = device_bytes(workspace_bytes);
    const auto multiply = [&](unsigned i) {
        const size_t at = (size_t)(i % n_copies) * s.n * s.k;
        return cublasLtMatmul(handle, p.product, &one, static_cast<const char *>(weights) + at,
                              p.weights, x, p.x, &zero, y, p.y, y, p.y, &p.chosen.algo, workspace,
                              workspace_bytes, stream->native);
    };
    double seconds = 0;
    if (int8_init(&p, handle, s, rows, workspace_bytes) && multiply(0) == CUBLAS_STATUS_SUCCESS)
        seconds = seconds_of(launches_of(rows, n_copies), [&](unsigned i) { multiply(i); });
    cublasLtMatrixLayoutDestroy(p.weights);
    cublasLtMatrixLayoutDestroy(p.x);
    cublasLtMatrixLayoutDestroy(p.y);
    cublasLtMatmulDescDestroy(p.product);
    return seconds;
}
#else
double fp16_seconds(const shape &, unsigned, const void *, unsigned, const void *, void *)
{
    return 0;
}
double int8_seconds(const shape &, unsigned, const void *, unsigned, const void *, void *)
{
    return 0;
}
#endif

double bytes_of(const subject &w, unsigned rows)
{
    return (double)w.m.bytes + (double)rows * (w.m.n + w.m.k) * sizeof(float);
}

void measure_shape(const shape &s, const unsigned *rows, unsigned n_rows)
{
    static const struct {
        const char *name;
        swg_cuda_type type;
        swg_cuda_input input;
    } kinds[] = {{"int4 g128", SWG_CUDA_W4, SWG_CUDA_INPUT_HALF},
                 {"int4 x bf16", SWG_CUDA_W4, SWG_CUDA_INPUT_BF16},
                 {"int4 x int8", SWG_CUDA_W4, SWG_CUDA_INPUT_INT8},
                 {"int8", SWG_CUDA_W8, SWG_CUDA_INPUT_HALF},
                 {"int8 x int8", SWG_CUDA_W8, SWG_CUDA_INPUT_INT8},
                 {"2:4 int4 g128", SWG_CUDA_S4, SWG_CUDA_INPUT_HALF}};
    const unsigned most = rows[n_rows - 1];
    const unsigned fp16_copies = (unsigned)(rotated_bytes / ((size_t)s.n * s.k * 2)) + 1;
    float *x = static_cast<float *>(device_bytes((size_t)most * s.k * sizeof *x));
    float *y = static_cast<float *>(device_bytes((size_t)most * s.n * sizeof *y));
    void *fp16 = device_bytes((size_t)fp16_copies * s.n * s.k * 2);
    fill_random(x, (size_t)most * s.k * sizeof *x, half_bits);
    fill_random(fp16, (size_t)fp16_copies * s.n * s.k * 2, half_bits);
    double dense[64] = {};
    for (unsigned r = 0; r < n_rows; r++) {
        dense[r] = fp16_seconds(s, rows[r], fp16, fp16_copies, x, y);
        const double int8 = int8_seconds(s, rows[r], fp16, 2 * fp16_copies, x, y);
        const double weights = (double)s.n * s.k, sides = (double)rows[r] * (s.n + s.k);
        if (dense[r] > 0)
            print_row("cuBLAS fp16", s, rows[r], dense[r], 2 * (weights + sides), 0);
        if (int8 > 0)
            print_row("cuBLASLt int8", s, rows[r], int8, weights + rows[r] * (s.k + 4.0 * s.n),
                      dense[r]);
    }
    for (const auto &kind : kinds) {
        const subject w = make_subject(kind.type, s);
        void *scratch = device_bytes(cuda->linear_scratch(&w.m, most));
        for (unsigned r = 0; r < n_rows; r++)
            print_row(kind.name, s, rows[r], product_seconds(w, kind.input, rows[r], x, y, scratch),
                      bytes_of(w, rows[r]), dense[r]);
        cuda->free(device, scratch);
        cuda->free(device, w.copies);
    }
    cuda->free(device, fp16);
    cuda->free(device, x);
    cuda->free(device, y);
}
} // namespace

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--quick") == 0)
            is_quick = true;
        else if (strcmp(argv[i], "--csv") == 0 && i + 1 < argc)
            csv = fopen(argv[++i], "w");
        else
            stop(argv[i], "is not an option; there are --quick and --csv FILE");
    cuda = swg_cuda_find("gpu");
    swg_cuda_info info;
    need(cuda->info(0, &info), "the device");
    need(cuda->open(0, &device), "the device");
    need(cuda->stream_new(device, &stream), "a stream");
    printf("%s, compute capability %d.%d, %d multiprocessors, %.0f GiB\n", info.name,
           info.capability / 10, info.capability % 10, info.multiprocessors,
           (double)info.memory_bytes / (1 << 30));
    measure_ceilings(info);
    if (csv)
        fprintf(csv, "kind,n,k,rows,seconds,bytes_per_s,times_fp16\n");
    for (const shape &s : shapes)
        measure_shape(s, is_quick ? quick_rows : all_rows,
                      is_quick ? sizeof quick_rows / sizeof *quick_rows
                               : sizeof all_rows / sizeof *all_rows);
    cuda->stream_free(stream);
    cuda->close(device);
    return csv && fclose(csv) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
