/* Storage of matrices on a CUDA device: packed as kernels/cuda/cuda_layout.h says, in memory of the
 * device, at weight->memory. While a region of memory is being loaded, an image of it is in host
 * memory: rows are packed there by the threads that decompress them, and when all are there, the
 * image goes to the device through two page-locked buffers, one of which is filled while the other
 * is copied.
 *
 * Integer codes of 2 to 4 bits become W4 and wider ones W8; codebooks become W8 of their numbers,
 * 8-bit scales their products with the row's; sparse codes S4 where they are 2:4, otherwise dense
 * ones: all exact. Other formats come as plain numbers: those of 16 bits become halves under a
 * power of two per row, floats the sum of two of them. */
#include "runtime/backend/cuda_weights.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "runtime/base/codes.h"
#include "runtime/base/numeric.h"
#include "runtime/base/sparse_pack.h"

enum { PIECE_BYTES = 8 << 20, CODEBOOK_CODES = 16, W8_ZERO = 128 };

/* A matrix whose planes can only be packed when all of them are there. */
typedef struct joined {
    struct joined *next;
    const void *memory; /* of the weight */
    swg_cuda_matrix matrix;
    float *scales, *row_scales; /* [n][n_groups], [n]; NULL: scales are stored as they come */
    uint8_t codebook[CODEBOOK_CODES];
    bool has_codebook;
} joined;

/* Memory of the device, from memory_new to memory_free. */
typedef struct region {
    struct region *next;
    uint8_t *d_memory;
    size_t bytes;
    swg_pages image; /* of the same bytes, from the first `store` to `complete` */
    swg_arena arena; /* for joined matrices */
    joined *joined;
} region;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the list and of images' beginnings */
static region *regions;

static region *region_at(const void *d_memory)
{
    const uint8_t *at = d_memory;
    pthread_mutex_lock(&lock);
    region *r = regions;
    while (r && !(at >= r->d_memory && at < r->d_memory + r->bytes))
        r = r->next;
    pthread_mutex_unlock(&lock);
    return r;
}

/* --- Memory ----------------------------------------------------------------------------------- */

static swg_status memory_new(swg_pages *out, size_t bytes)
{
    const swg_gpu_device *gpu;
    region *r;
    void *d_memory;
    SWG_TRY(swg_gpu_device_open(&gpu));
    SWG_TRY(SWG_NEW(r, 1));
    r->bytes = bytes ? bytes : 1;
    const swg_status status =
        swg_gpu_status(gpu->cuda, gpu->cuda->alloc(gpu->device, r->bytes, &d_memory));
    if (status != SWG_OK) {
        swg_free(r);
        return swg_error_context(status, "weights");
    }
    r->d_memory = d_memory;
    *out = (swg_pages){.data = d_memory, .bytes = bytes, .mapped_bytes = r->bytes};
    pthread_mutex_lock(&lock);
    r->next = regions;
    regions = r;
    pthread_mutex_unlock(&lock);
    return SWG_OK;
}

static void drop_image(region *r)
{
    swg_pages_deinit(&r->image);
    swg_arena_deinit(&r->arena);
    r->joined = NULL;
}

static void memory_free(swg_pages *memory)
{
    const swg_gpu_device *gpu;
    region *r = memory->data ? region_at(memory->data) : NULL;
    if (!r || swg_gpu_device_open(&gpu) != SWG_OK)
        return;
    pthread_mutex_lock(&lock);
    region **link = &regions;
    while (*link != r)
        link = &(*link)->next;
    *link = r->next;
    pthread_mutex_unlock(&lock);
    gpu->cuda->free(gpu->device, r->d_memory);
    drop_image(r);
    swg_free(r);
    *memory = (swg_pages){0};
}

/* --- Layouts ---------------------------------------------------------------------------------- */

static bool is_sparse(swg_scheme scheme)
{
    return swg_weight_format_of(scheme)->sparse && swg_scheme_is_quantized(scheme);
}

static swg_cuda_type type_of(swg_scheme scheme)
{
    if (swg_scheme_is_plain(scheme))
        return scheme.dtype == SWG_F16 || scheme.dtype == SWG_BF16 ? SWG_CUDA_F16 : SWG_CUDA_F32;
    if (swg_scheme_has_codebook(scheme) || scheme.bits > 4)
        return SWG_CUDA_W8;
    return scheme.format == SWG_FORMAT_pairs && scheme.group % 32 == 0 ? SWG_CUDA_S4 : SWG_CUDA_W4;
}

static bool layout_of(const swg_weight *weight, swg_cuda_matrix *out)
{
    const swg_scheme scheme = weight->scheme;
    const bool has_halves = scheme.scale_type == SWG_F16 && !swg_scheme_is_plain(scheme);
    return swg_cuda_matrix_init(out, type_of(scheme), weight->n, weight->k, scheme.group,
                                has_halves ? SWG_CUDA_SCALE_F16 : SWG_CUDA_SCALE_F32,
                                scheme.asymmetric);
}

swg_cuda_matrix swg_gpu_matrix(const swg_weight *weight)
{
    swg_cuda_matrix matrix = {0};
    layout_of(weight, &matrix);
    matrix.data = weight->memory;
    return matrix;
}

static swg_status check(const swg_weight *weight)
{
    const swg_scheme scheme = weight->scheme;
    swg_cuda_matrix matrix;
    char name[SWG_SCHEME_NAME_BYTES];
    const bool is_known =
        swg_scheme_is_plain(scheme)
            ? swg_dtype_is_float(scheme.dtype)
            : swg_scheme_is_integer(scheme) || swg_scheme_has_codebook(scheme) || is_sparse(scheme);
    if (!is_known || (is_sparse(scheme) && swg_scheme_has_row_scales(scheme)))
        return swg_error(SWG_UNSUPPORTED, "weights of format %s cannot be computed with on the GPU",
                         swg_scheme_name(scheme, name));
    if (!layout_of(weight, &matrix))
        return swg_error(SWG_UNSUPPORTED,
                         "a matrix of %zu x %zu with quantization groups of %u columns does not "
                         "fit the GPU's kernels: groups are multiples of 16",
                         weight->n, weight->k, scheme.group);
    return SWG_OK;
}

static size_t bytes(const swg_weight *weight)
{
    return (size_t)swg_gpu_matrix(weight).bytes;
}

static swg_status place(swg_weight *weight, void *memory)
{
    const bool has_codebook = swg_scheme_has_codebook(weight->scheme);
    const bool has_row_scales = swg_scheme_has_row_scales(weight->scheme);
    weight->memory = memory;
    if (swg_scheme_is_plain(weight->scheme) || (!has_codebook && !has_row_scales))
        return SWG_OK;
    region *r = region_at(memory);
    joined *j = swg_arena_calloc(&r->arena, 1, sizeof *j);
    if (!j)
        return SWG_NO_MEMORY;
    *j = (joined){.next = r->joined,
                  .memory = memory,
                  .matrix = swg_gpu_matrix(weight),
                  .has_codebook = has_codebook};
    if (has_row_scales) {
        j->scales = swg_arena_calloc(&r->arena, weight->n * j->matrix.n_groups, sizeof(float));
        j->row_scales = swg_arena_calloc(&r->arena, weight->n, sizeof(float));
        if (!j->scales || !j->row_scales)
            return SWG_NO_MEMORY;
    }
    r->joined = j;
    return SWG_OK;
}

/* Planes are converted on the way. */
static void *direct(const swg_weight *weight, swg_plane_kind kind, uint64_t row)
{
    (void)weight;
    (void)kind;
    (void)row;
    return NULL;
}

/* --- Storing ---------------------------------------------------------------------------------- */

/* The matrix's bytes in the image of its region, and, if it is one, what is known of a joined
 * matrix. */
static swg_status image_of(const swg_weight *weight, uint8_t **out, joined **joint)
{
    region *r = region_at(weight->memory);
    pthread_mutex_lock(&lock);
    const swg_status status = r->image.data ? SWG_OK : swg_pages_init(&r->image, r->bytes);
    pthread_mutex_unlock(&lock);
    SWG_TRY(status);
    *out = (uint8_t *)r->image.data + ((const uint8_t *)weight->memory - r->d_memory);
    *joint = r->joined;
    while (*joint && (*joint)->memory != weight->memory)
        *joint = (*joint)->next;
    return SWG_OK;
}

/* Rows that are being stored. */
typedef struct stored {
    const swg_weight *weight;
    swg_cuda_matrix m;
    uint8_t *image;
    joined *joint;
    size_t row, n_rows;
} stored;

static swg_status store_values(const stored *s, const void *rows)
{
    float *values;
    SWG_TRY(SWG_NEW_UNINIT(values, SWG_CUDA_UNIT_ROWS * (size_t)s->m.k));
    for (size_t at = 0; at < s->n_rows; at += SWG_CUDA_UNIT_ROWS) {
        const size_t left = s->n_rows - at,
                     n = left < SWG_CUDA_UNIT_ROWS ? left : SWG_CUDA_UNIT_ROWS;
        for (size_t i = 0; i < n * s->m.k; i++)
            values[i] = swg_float_load(s->weight->scheme.dtype, rows, at * s->m.k + i);
        swg_cuda_pack_floats(&s->m, s->image, s->row + at, n, values);
    }
    swg_free(values);
    return SWG_OK;
}

/* What is added to the codes of a symmetric matrix, so that the kernels' zero point is theirs. */
static uint8_t code_offset(const swg_weight *weight, const swg_cuda_matrix *m)
{
    const swg_scheme scheme = weight->scheme;
    if (scheme.asymmetric || swg_scheme_has_codebook(scheme))
        return 0;
    return (uint8_t)((m->type == SWG_CUDA_W8 ? W8_ZERO : 8) - swg_scheme_symmetric_zero(scheme));
}

static swg_status store_codes(const stored *s, const void *rows)
{
    const unsigned bits = s->weight->scheme.bits;
    const size_t k = s->m.k, row_bytes = swg_codes_bytes(bits, k);
    const uint8_t offset = code_offset(s->weight, &s->m);
    uint8_t *codes;
    SWG_TRY(SWG_NEW_UNINIT(codes, SWG_CUDA_UNIT_ROWS * k));
    for (size_t at = 0; at < s->n_rows; at += SWG_CUDA_UNIT_ROWS) {
        const size_t left = s->n_rows - at,
                     n = left < SWG_CUDA_UNIT_ROWS ? left : SWG_CUDA_UNIT_ROWS;
        for (size_t r = 0; r < n; r++)
            swg_codes_unpack_row(bits, (const uint8_t *)rows + (at + r) * row_bytes, k,
                                 codes + r * k);
        for (size_t i = 0; offset && i < n * k; i++)
            codes[i] = (uint8_t)(codes[i] + offset);
        swg_cuda_pack_codes(&s->m, s->image, s->row + at, n, codes);
    }
    swg_free(codes);
    return SWG_OK;
}

static swg_status store_scales(const stored *s, const void *rows)
{
    const size_t groups = s->m.n_groups, count = s->n_rows * groups;
    const swg_dtype type = s->weight->scheme.scale_type;
    if (s->joint && s->joint->scales) {
        for (size_t i = 0; i < count; i++)
            s->joint->scales[s->row * groups + i] = ((const int8_t *)rows)[i];
        return SWG_OK;
    }
    float *scales;
    SWG_TRY(SWG_NEW_UNINIT(scales, count));
    for (size_t i = 0; i < count; i++)
        scales[i] = swg_float_load(type, rows, i);
    swg_cuda_pack_scales(&s->m, s->image, s->row, s->n_rows, scales);
    swg_free(scales);
    return SWG_OK;
}

static swg_status store(const swg_weight *weight, swg_plane_kind kind, uint64_t row,
                        uint64_t n_rows, const void *rows)
{
    stored s = {.weight = weight,
                .m = swg_gpu_matrix(weight),
                .row = (size_t)row,
                .n_rows = (size_t)n_rows};
    SWG_TRY(image_of(weight, &s.image, &s.joint));
    switch (kind) {
    case SWG_PLANE_VALUES:
        return store_values(&s, rows);
    case SWG_PLANE_CODES:
        return store_codes(&s, rows);
    case SWG_PLANE_SCALES:
        return store_scales(&s, rows);
    case SWG_PLANE_ROW_SCALES:
        for (size_t r = 0; r < s.n_rows; r++)
            s.joint->row_scales[s.row + r] = swg_float_load(SWG_BF16, rows, r);
        return SWG_OK;
    case SWG_PLANE_ZEROS:
        swg_cuda_pack_zeros(&s.m, s.image, s.row, s.n_rows, rows);
        return SWG_OK;
    case SWG_PLANE_CODEBOOK:
        for (size_t i = 0; i < CODEBOOK_CODES; i++)
            s.joint->codebook[i] = (uint8_t)(((const int8_t *)rows)[i] + W8_ZERO);
        return SWG_OK;
    default:
        return swg_error(SWG_UNSUPPORTED, "a plane of %s cannot be computed with on the GPU",
                         swg_plane_name(kind));
    }
}

/* Codes as the kernels count them; the zero point where nothing is stored. */
static void fill_codes(const stored *s, const bool *is_stored, const uint8_t *codes,
                       const uint8_t *zeros, uint8_t *out)
{
    const uint8_t offset = code_offset(s->weight, &s->m);
    const uint8_t zero = (uint8_t)(offset + swg_scheme_symmetric_zero(s->weight->scheme));
    const size_t k = s->m.k, group = s->m.group ? s->m.group : k;
    for (size_t r = 0; r < s->n_rows; r++)
        for (size_t c = 0; c < k; c++)
            out[r * k + c] = is_stored[r * k + c] ? (uint8_t)(codes[r * k + c] + offset)
                             : zeros              ? zeros[r * s->m.n_groups + c / group]
                                                  : zero;
}

static swg_status store_sparse(const swg_weight *weight, uint64_t row, uint64_t n_rows,
                               const bool *is_stored, const uint8_t *codes, const void *scales,
                               const uint8_t *zeros)
{
    stored s = {.weight = weight,
                .m = swg_gpu_matrix(weight),
                .row = (size_t)row,
                .n_rows = (size_t)n_rows};
    uint8_t *filled;
    SWG_TRY(image_of(weight, &s.image, &s.joint));
    if (zeros)
        swg_cuda_pack_zeros(&s.m, s.image, s.row, s.n_rows, zeros);
    SWG_TRY(store_scales(&s, scales));
    SWG_TRY(SWG_NEW_UNINIT(filled, s.n_rows * s.m.k));
    fill_codes(&s, is_stored, codes, zeros, filled);
    bool fits = true;
    if (s.m.type == SWG_CUDA_S4)
        fits = swg_cuda_pack_sparse(&s.m, s.image, s.row, s.n_rows, filled, is_stored);
    else
        swg_cuda_pack_codes(&s.m, s.image, s.row, s.n_rows, filled);
    swg_free(filled);
    return fits ? SWG_OK
                : swg_error(SWG_CORRUPT,
                            "more than two of four weights are stored in rows %zu to "
                            "%zu of a 2:4 matrix",
                            s.row, s.row + s.n_rows);
}

/* --- To the device ---------------------------------------------------------------------------- */

/* Scales times their row's, and codes as the numbers that they mean. */
static void join(const joined *j, uint8_t *image)
{
    const size_t n = j->matrix.n, groups = j->matrix.n_groups;
    if (j->scales) {
        for (size_t i = 0; i < n * groups; i++)
            j->scales[i] *= j->row_scales[i / groups];
        swg_cuda_pack_scales(&j->matrix, image, 0, n, j->scales);
    }
    for (size_t i = 0; j->has_codebook && i < j->matrix.scales_at; i++)
        image[i] = j->codebook[image[i] % CODEBOOK_CODES];
}

/* What copies to and from the device, one caller at a time. */
static struct {
    pthread_mutex_t lock;
    swg_cuda_stream *streams[2];
    void *pinned[2];
} copier = {.lock = PTHREAD_MUTEX_INITIALIZER};

static swg_status prepare_copier(const swg_gpu_device *gpu)
{
    const swg_cuda *cuda = gpu->cuda;
    for (int i = 0; i < 2; i++) {
        if (!copier.streams[i])
            SWG_TRY(swg_gpu_status(cuda, cuda->stream_new(gpu->device, &copier.streams[i])));
        if (!copier.pinned[i])
            SWG_TRY(swg_gpu_status(
                cuda, cuda->alloc_pinned(gpu->device, PIECE_BYTES, &copier.pinned[i])));
    }
    return SWG_OK;
}

static swg_status upload(const swg_gpu_device *gpu, const region *r)
{
    const swg_cuda *cuda = gpu->cuda;
    swg_status status = prepare_copier(gpu);
    size_t piece = 0;
    for (size_t at = 0; status == SWG_OK && at < r->bytes; at += PIECE_BYTES, piece ^= 1) {
        const size_t left = r->bytes - at, count = left < PIECE_BYTES ? left : PIECE_BYTES;
        status = swg_gpu_status(cuda, cuda->stream_sync(copier.streams[piece]));
        if (status != SWG_OK)
            break;
        memcpy(copier.pinned[piece], (const uint8_t *)r->image.data + at, count);
        status = swg_gpu_status(cuda, cuda->copy_in(copier.streams[piece], r->d_memory + at,
                                                    copier.pinned[piece], count));
    }
    for (int i = 0; status == SWG_OK && i < 2; i++)
        status = swg_gpu_status(cuda, cuda->stream_sync(copier.streams[i]));
    return status;
}

static swg_status complete(swg_pages *memory)
{
    const swg_gpu_device *gpu;
    region *r = region_at(memory->data);
    if (!r || !r->image.data)
        return SWG_OK;
    SWG_TRY(swg_gpu_device_open(&gpu));
    for (const joined *j = r->joined; j; j = j->next)
        join(j, (uint8_t *)r->image.data + ((const uint8_t *)j->memory - r->d_memory));
    pthread_mutex_lock(&copier.lock);
    const swg_status status = upload(gpu, r);
    pthread_mutex_unlock(&copier.lock);
    drop_image(r);
    return status;
}

/* One row by way of memory of its own: for tests and single look-ups. */
static swg_status read_row(const swg_gpu_device *gpu, const swg_weight *weight, size_t row,
                           float *out)
{
    const swg_cuda *cuda = gpu->cuda;
    const swg_cuda_matrix matrix = swg_gpu_matrix(weight);
    void *d_row = NULL;
    SWG_TRY(prepare_copier(gpu));
    SWG_TRY(swg_gpu_status(cuda, cuda->alloc(gpu->device, weight->k * sizeof *out, &d_row)));
    int result = cuda->dequantize(copier.streams[0], &matrix, row, 1, d_row);
    if (!result)
        result = cuda->copy_out(copier.streams[0], out, d_row, weight->k * sizeof *out);
    if (!result)
        result = cuda->stream_sync(copier.streams[0]);
    cuda->free(gpu->device, d_row);
    return swg_gpu_status(cuda, result);
}

static void row_f32(const swg_weight *weight, size_t row, float *out)
{
    const swg_gpu_device *gpu;
    swg_status status = swg_gpu_device_open(&gpu);
    pthread_mutex_lock(&copier.lock);
    if (status == SWG_OK)
        status = read_row(gpu, weight, row, out);
    pthread_mutex_unlock(&copier.lock);
    for (size_t i = 0; status != SWG_OK && i < weight->k; i++)
        out[i] = NAN;
}

const swg_backend_weights swg_gpu_weights = {
    .memory_new = memory_new,
    .memory_free = memory_free,
    .row_step = SWG_CUDA_UNIT_ROWS,
    .check = check,
    .bytes = bytes,
    .place = place,
    .direct = direct,
    .store = store,
    .store_sparse = store_sparse,
    .complete = complete,
    .row_f32 = row_f32,
};
