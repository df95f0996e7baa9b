/* Products of activations with packed matrices: rounds the activations into the scratch memory, has
 * one of the kernels multiply, and adds the slices of k where there are several.
 *
 *     scratch:  | rounded activations | scales [rows] | sums [units * 2][rows] |
 *               | slices [s][rows][n] |
 *
 * Floats are the sum of two halves: products with the first and then with the second are added up. */
#include "kernels/cuda/product.h"

namespace SWG_BUILD
{
namespace
{
enum { threads = 256, most_matvec_rows = 16 };

/* Four elements of row `row` that are neighbours in the products' order: fragment f of lane t in a
 * stretch of 64 columns, `number` = 16 * stretch + 4 * t + f. They are columns c, c + 1, c + 8 and
 * c + 9; those beyond the end are 0. */
SWG_DEVICE void load_four(float four[4], const float *x, unsigned k, unsigned number)
{
    const unsigned c = number / 16 * 64 + number % 4 * 16 + number / 4 % 4 * 2;
    four[0] = c < k ? x[c] : 0;
    four[1] = c + 1 < k ? x[c + 1] : 0;
    four[2] = c + 8 < k ? x[c + 8] : 0;
    four[3] = c + 9 < k ? x[c + 9] : 0;
}

SWG_DEVICE float largest_of(const float *x, unsigned k, float *scratch)
{
    float largest = 0;
    for (unsigned i = threadIdx.x; i < k; i += threads)
        largest = fmaxf(largest, fabsf(x[i]));
    return block_max(largest, scratch);
}

/* Elements of 16 bits of a row of activations: halves, bfloats, bfloats as halves, or the first or
 * second half of each float. */
enum rounded_to { to_halves, to_bfloats, to_bfloat_halves, to_first_halves, to_second_halves };

/* The exponent of the power of two that a row is divided by, so that its largest magnitude, in
 * [2^e, 2^(e + 1)), is one that a half can hold: only beyond that range where rows are rounded to
 * halves, else always, so that halves have all digits. */
SWG_DEVICE int row_shift(float largest, rounded_to which)
{
    const int exponent = (int)(bits_of(largest) >> 23) - 127;
    if (which == to_bfloats)
        return 0;
    if (which == to_halves)
        return largest > 65504 ? exponent - 14 : 0;
    return largest > 0 && exponent > -112 ? exponent - 14 : largest > 0 ? -126 : 0;
}

/* What is rounded to 16 bits: the value, or 2^11 times what the first half leaves of it. */
SWG_DEVICE float rounded_source(float value, rounded_to which)
{
    return which == to_second_halves ? (value - half_to_float(float_to_half(value))) * 2048 : value;
}

SWG_DEVICE uint32_t rounded_pair(float low, float high, rounded_to which)
{
    if (which != to_bfloats && which != to_bfloat_halves)
        return pair_of(low, high);
    const uint32_t pair = bfloat_pair_of(low, high);
    return which == to_bfloats ? pair
                               : pair_of(float_of(pair << 16), float_of(pair & 0xffff0000u));
}

/* One block per row, divided by a power of two, which changes no digit. */
SWG_KERNEL(threads)
halves_kernel(const float *all, unsigned k, unsigned fours, rounded_to which, uint2 *rounded,
              float *scales)
{
    SWG_SHARED(float, scratch);
    const float *x = all + (size_t)blockIdx.x * k;
    const float largest = largest_of(x, k, scratch);
    const int shift = row_shift(largest, which);
    const float inverse = float_of((uint32_t)(127 - shift) << 23);
    if (threadIdx.x == 0)
        scales[blockIdx.x] =
            float_of((uint32_t)(127 + shift) << 23) * (which == to_second_halves ? 1.0f / 2048 : 1.0f);
    for (unsigned number = threadIdx.x; number < fours; number += threads) {
        float four[4];
        load_four(four, x, k, number);
        for (int i = 0; i < 4; i++)
            four[i] = rounded_source(four[i] * inverse, which);
        rounded[(size_t)blockIdx.x * fours + number] = make_uint2(
            rounded_pair(four[0], four[1], which), rounded_pair(four[2], four[3], which));
    }
}

/* One block per row: the largest magnitude becomes 127. One thread per 32 columns adds up their
 * sum. */
SWG_KERNEL(threads)
bytes_kernel(const float *all, unsigned k, unsigned fours, uint32_t *rounded, float *scales,
             int32_t *sums)
{
    SWG_SHARED(float, scratch);
    const float *x = all + (size_t)blockIdx.x * k;
    const float largest = largest_of(x, k, scratch);
    const float inverse = largest > 0 ? 127 / largest : 0;
    if (threadIdx.x == 0)
        scales[blockIdx.x] = largest / 127;
    for (unsigned half = threadIdx.x; half < fours / 8; half += threads) {
        int32_t sum = 0;
        for (unsigned i = 0; i < 8; i++) {
            const unsigned number = half / 2 * 16 + i / 2 * 4 + half % 2 * 2 + i % 2;
            float four[4];
            load_four(four, x, k, number);
            int32_t code[4];
            for (int j = 0; j < 4; j++) {
                code[j] = (int32_t)rintf(four[j] * inverse);
                sum += code[j];
            }
            if (SWG_FAULT(pair_order)) {
                const int32_t other = code[1];
                code[1] = code[2];
                code[2] = other;
            }
            /* in the order of the codes' bytes: c, c + 8, c + 1, c + 9 */
            rounded[(size_t)blockIdx.x * fours + number] =
                (uint32_t)(code[0] & 255) | (uint32_t)(code[2] & 255) << 8 |
                (uint32_t)(code[1] & 255) << 16 | (uint32_t)(code[3] & 255) << 24;
        }
        sums[(size_t)half * gridDim.x + blockIdx.x] = sum;
    }
}

/* The slices' sums in their order, and the bias. */
SWG_KERNEL(threads)
slices_kernel(const float *partial, unsigned slices, size_t elements, unsigned n, const float *bias,
              bool is_added, float *y)
{
    const size_t i = (size_t)blockIdx.x * threads + threadIdx.x;
    if (i >= elements)
        return;
    float sum = 0;
    for (unsigned s = 0; s < slices; s++)
        sum += partial[s * elements + i];
    if (is_added)
        y[i] += sum;
    else
        y[i] = bias ? sum + bias[i % n] : sum;
}

unsigned unit_columns(const swg_cuda_matrix &w)
{
    return w.type == SWG_CUDA_S4 ? 128 : 64;
}

/* How many parts of k are computed by different blocks: few rows give few blocks, and a device
 * needs several hundred. A slice is at least `least` units. Depends on nothing but the shape. */
unsigned units_per_slice(const swg_cuda_matrix &w, size_t rows)
{
    const bool is_matvec = rows <= most_matvec_rows;
    const size_t tokens = rows <= 32 ? 32 : 64;
    const size_t blocks =
        is_matvec ? w.row_tiles : (size_t)blocks_for(w.row_tiles, 8) * blocks_for(rows, tokens);
    const unsigned least = is_matvec ? 32 : 16;
    const size_t wanted = (is_matvec ? 512 : 256) / blocks, most = w.units / least;
    const size_t slices = wanted < most ? wanted : most;
    return slices == 0 ? w.units : (w.units + (unsigned)slices - 1) / (unsigned)slices;
}

unsigned slices_of(const swg_cuda_matrix &w, size_t rows)
{
    return blocks_for(w.units, units_per_slice(w, rows));
}

/* The parts of the scratch memory, as offsets. */
struct scratch_parts {
    size_t scales, sums, partial, bytes;
};

size_t aligned(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

/* A bound on the slices' sums for up to `rows` tokens: there are several slices only where that
 * gives no more than 256 blocks of 128 rows and 64 tokens, and each is at least 16 units. */
size_t partial_bytes(const swg_cuda_matrix &w, size_t rows)
{
    const size_t most_blocks = (size_t)256 * 128 * 64, most_slices = w.units / 16;
    const size_t elements = most_slices * rows * w.n;
    return most_slices < 2 ? 0 : (elements < most_blocks ? elements : most_blocks) * sizeof(float);
}

scratch_parts scratch_of(const swg_cuda_matrix &w, size_t rows)
{
    scratch_parts s;
    s.scales = aligned(rows * w.units * unit_columns(w) * 2);
    s.sums = s.scales + aligned(rows * sizeof(float));
    s.partial = s.sums + aligned(rows * w.units * 2 * sizeof(int32_t));
    s.bytes = s.partial + partial_bytes(w, rows);
    return s;
}

int check_product(const swg_cuda_matrix &w, swg_cuda_input input, size_t rows)
{
    if (input == SWG_CUDA_INPUT_INT8 && w.type != SWG_CUDA_W4 && w.type != SWG_CUDA_W8)
        return fail(SWG_CUDA_UNSUPPORTED,
                    "integer products take codes of 4 or 8 bits, dense, not this matrix");
    if (input == SWG_CUDA_INPUT_INT8 && w.group % 32 != 0)
        return fail(SWG_CUDA_UNSUPPORTED,
                    "integer products take groups of whole 32 columns, not of %u", w.group);
    const uint64_t folds = w.group / 16; /* in a group, at most: see group_of */
    if (w.n_groups > 1 && (folds & (folds - 1)) != 0 && folds * (w.k / 16 + 8) >> 32 != 0)
        return fail(SWG_CUDA_UNSUPPORTED, "groups of %u of %u columns are too large", w.group, w.k);
    if (w.row_tiles > 65535u * 8)
        return fail(SWG_CUDA_UNSUPPORTED, "a product of %u outputs is too large", w.n);
    return check_sizes("a product", rows, w.k);
}

/* What products with a matrix multiply, and what an input is rounded to for it, the first or second
 * time. */
operand operand_of(const swg_cuda_matrix &w, swg_cuda_input input)
{
    return input == SWG_CUDA_INPUT_INT8                                                ? of_bytes
           : input == SWG_CUDA_INPUT_BF16 && (w.type != SWG_CUDA_F16 && w.type != SWG_CUDA_F32)
               ? of_bfloats
               : of_halves;
}
rounded_to rounding_of(operand o, swg_cuda_input input, unsigned time)
{
    if (input == SWG_CUDA_INPUT_FLOAT)
        return time == 0 ? to_first_halves : to_second_halves;
    if (input == SWG_CUDA_INPUT_BF16)
        return o == of_bfloats ? to_bfloats : to_bfloat_halves;
    return to_halves;
}

int round_input(swg_cuda_stream *stream, const swg_cuda_matrix &w, operand o, rounded_to to,
                const float *d_x, size_t rows, unsigned char *scratch, const scratch_parts &parts)
{
    const unsigned fours = w.units * unit_columns(w) / 4;
    float *const scales = reinterpret_cast<float *>(scratch + parts.scales);
    const dim3 grid((unsigned)rows);
    const size_t shared = threads / 32 * sizeof(float);
    return o == of_bytes
               ? launch(stream, "round_to_bytes", bytes_kernel, grid, threads, shared, d_x, w.k,
                        fours, reinterpret_cast<uint32_t *>(scratch), scales,
                        reinterpret_cast<int32_t *>(scratch + parts.sums))
               : launch(stream, "round_to_halves", halves_kernel, grid, threads, shared, d_x, w.k,
                        fours, to, reinterpret_cast<uint2 *>(scratch), scales);
}

/* product.group_inverse. A row that is one group has group 0 only. */
unsigned group_inverse_of(const swg_cuda_matrix &w, operand o)
{
    const unsigned columns = fold_columns(w, o);
    if (w.n_groups == 1)
        return 1; /* of no fold below 2^32 anything is left */
    const unsigned folds = w.group / columns;
    return folds == 1 ? 0 : 0xffffffffu / folds + 1;
}

/* y = (is_added: y +=) the rounded x W^T + bias. */
int multiply(swg_cuda_stream *stream, const swg_cuda_matrix &w, operand o, size_t rows,
             const float *d_bias, bool is_added, float *d_y, unsigned char *scratch,
             const scratch_parts &parts)
{
    const unsigned slices = slices_of(w, rows);
    float *const partial = reinterpret_cast<float *>(scratch + parts.partial);
    product p;
    p.w = w;
    p.x = scratch;
    p.x_scales = reinterpret_cast<const float *>(scratch + parts.scales);
    p.x_sums = reinterpret_cast<const int32_t *>(scratch + parts.sums);
    p.bias = d_bias;
    p.y = slices > 1 ? partial : d_y;
    p.rows = (unsigned)rows;
    p.slice_units = units_per_slice(w, rows);
    p.group_inverse = group_inverse_of(w, o);
    p.scale_bytes = w.scale_type == SWG_CUDA_SCALE_F16 ? 32 : 64;
    p.is_partial = slices > 1;
    p.is_added = is_added;
    const int status = rows <= most_matvec_rows ? launch_matvec(stream, p, o, slices)
                                                : launch_matmul(stream, p, o, slices);
    if (status || slices == 1)
        return status;
    const size_t elements = rows * w.n;
    return launch(stream, "add_slices", slices_kernel, dim3(blocks_for(elements, threads)), threads,
                  0, partial, slices, elements, w.n, d_bias, is_added, d_y);
}
} // namespace

size_t linear_scratch(const swg_cuda_matrix *w, size_t rows)
{
    return scratch_of(*w, rows).bytes;
}

int linear(swg_cuda_stream *stream, const swg_cuda_matrix *w, swg_cuda_input input,
           const float *d_x, size_t rows, const float *d_bias, float *d_y, void *d_scratch)
{
    int status = check_product(*w, input, rows);
    if (status || rows == 0)
        return status;
    unsigned char *const scratch = static_cast<unsigned char *>(d_scratch);
    const bool is_float = input == SWG_CUDA_INPUT_FLOAT;
    const unsigned planes = is_float && w->type == SWG_CUDA_F32 ? 2 : 1;
    const operand o = operand_of(*w, input);
    for (unsigned half = 0; half < (is_float ? 2 : 1); half++)
        for (unsigned i = 0; i < planes && !status; i++) {
            const swg_cuda_matrix plane = swg_cuda_plane(w, i);
            const scratch_parts parts = scratch_of(plane, rows);
            if (i == 0)
                status = round_input(stream, plane, o, rounding_of(o, input, half), d_x, rows, scratch,
                                     parts);
            if (!status)
                status = multiply(stream, plane, o, rows, d_bias, half + i > 0, d_y,
                                  scratch, parts);
        }
    return status;
}
} // namespace SWG_BUILD
