/* Checks of packed matrices: look-up, expansion and products, of every type. The reference is the
 * float64 product of the matrix as the packers' interpreter reads it (swg_cuda_packed_at), which is
 * itself compared with what was packed. */
#include "kernels/cuda/check/cuda_check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/numeric.h"

typedef struct matrix_case {
    swg_cuda_matrix m;
    void *packed;
    double *values; /* [n][k] */
    double *halves; /* [n][k] what products with inputs of halves use: F32 is rounded there */
    char name[64];
} matrix_case;

/* What is packed: codes with extremes, scales, zero points, places. */
static void pack_random_codes(check *c, matrix_case *k, bool is_row_by_row)
{
    const swg_cuda_matrix *m = &k->m;
    const size_t n = m->n, columns = m->k, groups = n * m->n_groups;
    uint8_t *codes = check_memory(c, n * columns), *zeros = check_memory(c, groups);
    bool *is_stored = check_memory(c, n * columns * sizeof *is_stored);
    float *scales = check_floats(c, groups, 0.02f);
    uint16_t *halves = check_memory(c, n * columns * sizeof *halves);
    const uint32_t levels = m->type == SWG_CUDA_W8 ? 256 : 16;
    for (size_t i = 0; i < n * columns; i++) {
        codes[i] = (uint8_t)check_below(c, levels);
        if (check_below(c, 8) == 0)
            codes[i] = check_below(c, 2) ? (uint8_t)(levels - 1) : 0;
        halves[i] = swg_f32_to_f16((float)(check_uniform(c) * 2 - 1));
        is_stored[i] = i % columns % 4 == (i / columns + i % columns / 4) % 4 ||
                       i % columns % 4 == (i / columns + 1 + i % columns / 4) % 4;
    }
    for (size_t i = 0; i < groups; i++)
        zeros[i] = (uint8_t)check_below(c, levels);
    const size_t step = is_row_by_row ? 16 : n;
    for (size_t r = 0; r < n; r += step) {
        const size_t rows = n - r < step ? n - r : step;
        swg_cuda_pack_scales(m, k->packed, r, rows, scales + r * m->n_groups);
        if (m->has_zeros)
            swg_cuda_pack_zeros(m, k->packed, r, rows, zeros + r * m->n_groups);
        if (m->type == SWG_CUDA_F16)
            swg_cuda_pack_f16(m, k->packed, r, rows, halves + r * columns);
        else if (m->type != SWG_CUDA_S4)
            swg_cuda_pack_codes(m, k->packed, r, rows, codes + r * columns);
        else if (!swg_cuda_pack_sparse(m, k->packed, r, rows, codes + r * columns,
                                       is_stored + r * columns))
            check_fail(c, "two of four columns were not packed");
    }
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < columns; i++) {
            const size_t at = r * columns + i;
            const size_t group = r * m->n_groups + (m->group ? i / m->group : 0);
            const int zero = m->has_zeros ? zeros[group] : (int)levels / 2;
            const double scale = m->scale_type == SWG_CUDA_SCALE_F16
                                     ? (double)swg_f16_to_f32(swg_f32_to_f16(scales[group]))
                                     : (double)scales[group];
            k->values[at] = m->type == SWG_CUDA_F16 ? scale * (double)swg_f16_to_f32(halves[at])
                            : m->type == SWG_CUDA_S4 && !is_stored[at] ? 0
                                                                       : scale * (codes[at] - zero);
        }
}

/* F32: rows of various sizes. */
static void pack_random_floats(check *c, matrix_case *k)
{
    const size_t columns = k->m.k;
    const swg_cuda_matrix first = swg_cuda_plane(&k->m, 0);
    for (size_t r = 0; r < k->m.n; r++) {
        float *row = check_floats(c, columns, r % 3 == 0 ? 1e-9f : r % 3 == 1 ? 1e5f : 1);
        for (size_t i = 0; i < columns; i++)
            k->values[r * columns + i] = (double)row[i];
        swg_cuda_pack_floats(&k->m, k->packed, r, 1, row);
        for (size_t i = 0; i < columns; i++)
            k->halves[r * columns + i] = (double)swg_cuda_packed_at(&first, k->packed, r, i);
    }
}

static void matrix_case_make(check *c, matrix_case *k, swg_cuda_type type, size_t n, size_t columns,
                             size_t group, swg_cuda_scale scale, bool has_zeros)
{
    static const char *const names[] = {"W4", "W8", "F16", "F32", "S4"};
    *k = (matrix_case){0};
    snprintf(k->name, sizeof k->name, "%s g%zu%s [%zu, %zu]", names[type], group,
             has_zeros ? " asym" : "", n, columns);
    if (!swg_cuda_matrix_init(&k->m, type, n, columns, group, scale, has_zeros)) {
        check_fail(c, "%s: not described", k->name);
        return;
    }
    void *memory = check_memory(c, (size_t)k->m.bytes + 16);
    k->packed = (unsigned char *)memory + (16 - (uintptr_t)memory % 16) % 16;
    k->values = k->halves = check_memory(c, n * columns * sizeof *k->values);
    if (type == SWG_CUDA_F32) {
        k->halves = check_memory(c, n * columns * sizeof *k->halves);
        pack_random_floats(c, k);
    } else {
        pack_random_codes(c, k, check_below(c, 2) == 1);
    }
    k->m.data = check_in(c, k->packed, (size_t)k->m.bytes);
}

/* Every type, with every kind of group and tail. */
typedef void each_matrix(check *c, const matrix_case *k);
static void over_matrices(check *c, each_matrix *work)
{
    static const struct {
        uint16_t n, k, group;
    } shapes[] = {{1, 1, 0},      {16, 64, 64},  {37, 192, 64}, {50, 160, 32},
                  {33, 200, 128}, {16, 1031, 0}, {65, 257, 96}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (int type = 0; type < SWG_CUDA_TYPES && !c->problem[0]; type++)
            for (int zeros = 0; zeros < (type == SWG_CUDA_F16 || type == SWG_CUDA_F32 ? 1 : 2);
                 zeros++) {
                matrix_case k;
                matrix_case_make(c, &k, (swg_cuda_type)type, shapes[s].n, shapes[s].k,
                                 shapes[s].group, (swg_cuda_scale)((s + (size_t)zeros) % 2),
                                 zeros == 1);
                if (!c->problem[0])
                    work(c, &k);
            }
}

static void packed_case(check *c, const matrix_case *k)
{
    for (size_t r = 0; r < k->m.n; r++)
        for (size_t i = 0; i < k->m.k && !c->problem[0]; i++) {
            const double read = swg_cuda_packed_at(&k->m, k->packed, r, i);
            const double wanted = k->values[r * k->m.k + i];
            if (fabs(read - wanted) > 1e-6 * fabs(wanted))
                check_fail(c, "%s: (%zu, %zu) is %g, not %g", k->name, r, i, read, wanted);
        }
}

static void check_packing(check *c)
{
    over_matrices(c, packed_case);
}

static void dequantize_case(check *c, const matrix_case *k)
{
    const size_t row = k->m.n / 3, rows = k->m.n - row;
    void *d_out = check_in(c, NULL, rows * k->m.k * sizeof(float));
    check_run(c, c->cuda->dequantize(c->stream, &k->m, row, rows, d_out));
    check_close(c, k->name, check_out(c, d_out), k->values + row * k->m.k, rows, k->m.k, 1e-6);
}

static void check_dequantize(check *c)
{
    over_matrices(c, dequantize_case);
}

static void embed_case(check *c, const matrix_case *k)
{
    int32_t index[5];
    const size_t columns = k->m.k;
    double *wanted = check_memory(c, 5 * columns * sizeof *wanted);
    float *x = check_floats(c, 5 * columns, 1);
    for (size_t r = 0; r < 5; r++) {
        index[r] = (int32_t)check_below(c, k->m.n);
        for (size_t i = 0; i < columns; i++)
            wanted[r * columns + i] = k->values[(size_t)index[r] * columns + i];
    }
    void *d_index = check_in(c, index, sizeof index);
    void *d_x = check_in(c, x, 5 * columns * sizeof *x);
    check_run(c, c->cuda->embed(c->stream, &k->m, d_index, 5, false, d_x));
    check_close(c, k->name, check_out(c, d_x), wanted, 5, columns, 1e-6);
    for (size_t i = 0; i < 5 * columns; i++)
        wanted[i] += (double)x[i];
    check_again(c, d_x);
    check_run(c, c->cuda->embed(c->stream, &k->m, d_index, 5, true, d_x));
    check_close(c, k->name, check_out(c, d_x), wanted, 5, columns, 1e-6);
}

static void check_embed(check *c)
{
    over_matrices(c, embed_case);
}

/* --- Products --------------------------------------------------------------------------------- */

/* x as the kernel sees it, [rows][k]. */
static double *rounded_input(check *c, swg_cuda_input input, const float *x, size_t rows, size_t k)
{
    double *rounded = check_memory(c, rows * k * sizeof *rounded);
    for (size_t t = 0; t < rows; t++) {
        float largest = 0;
        for (size_t i = 0; i < k; i++)
            largest = fmaxf(largest, fabsf(x[t * k + i]));
        for (size_t i = 0; i < k; i++) {
            const float value = x[t * k + i], divisor = largest > 65504 ? 4096 : 1;
            const float half = divisor * swg_f16_to_f32(swg_f32_to_f16(value / divisor));
            const float bfloat = swg_bf16_to_f32(swg_f32_to_bf16(value));
            const double byte = (double)rintf(value * (127 / largest)) * (double)(largest / 127);
            rounded[t * k + i] = input == SWG_CUDA_INPUT_HALF    ? (double)half
                                 : input == SWG_CUDA_INPUT_FLOAT ? (double)value
                                 : input == SWG_CUDA_INPUT_BF16  ? (double)bfloat
                                                                 : byte;
        }
    }
    return rounded;
}

static void product_wanted(const matrix_case *k, swg_cuda_input input, const double *x,
                           const float *bias, size_t rows, double *wanted)
{
    const double *w = input == SWG_CUDA_INPUT_FLOAT ? k->values : k->halves;
    for (size_t t = 0; t < rows; t++)
        for (size_t r = 0; r < k->m.n; r++) {
            double sum = bias ? (double)bias[r] : 0;
            for (size_t i = 0; i < k->m.k; i++)
                sum += x[t * k->m.k + i] * w[r * k->m.k + i];
            wanted[t * k->m.n + r] = sum;
        }
}

/* Float sums of exact products, up to a thousand and more of them. */
#define PRODUCT_BOUND 2e-5
#define FLOAT_BOUND   4e-6

static void product_rows(check *c, const matrix_case *k, swg_cuda_input input, size_t rows,
                         bool has_bias)
{
    const size_t n = k->m.n, columns = k->m.k;
    float *x = check_floats(c, rows * columns, 1), *bias = check_floats(c, n, 1);
    /* Outliers, as activations have them, sometimes beyond a half's range. */
    const float outlier = check_below(c, 4) ? 1000 : 70e6f;
    for (size_t t = 0; t < rows; t++)
        x[t * columns + check_below(c, (uint32_t)columns)] = outlier;
    double *wanted = check_memory(c, rows * n * sizeof *wanted);
    product_wanted(k, input, rounded_input(c, input, x, rows, columns), has_bias ? bias : NULL,
                   rows, wanted);
    void *d_x = check_in(c, x, rows * columns * sizeof *x);
    void *d_bias = has_bias ? check_in(c, bias, n * sizeof *bias) : NULL;
    void *d_y = check_in(c, NULL, rows * n * sizeof(float));
    void *d_scratch = check_in(c, NULL, c->cuda->linear_scratch(&k->m, rows));
    float *y[2] = {NULL};
    for (int i = 0; i < 2 && !c->problem[0]; i++) {
        check_again(c, d_y);
        check_run(c, c->cuda->linear(c->stream, &k->m, input, d_x, rows, d_bias, d_y, d_scratch));
        y[i] = check_out(c, d_y);
        check_out(c, d_scratch);
    }
    if (!c->problem[0]) {
        check_close(c, k->name, y[0], wanted, rows, n,
                    input == SWG_CUDA_INPUT_FLOAT ? FLOAT_BOUND : PRODUCT_BOUND);
        check_same(c, k->name, y[0], y[1], rows * n * sizeof(float));
    }
}

static void linear_case(check *c, const matrix_case *k)
{
    product_rows(c, k, SWG_CUDA_INPUT_HALF, 1, false);
    product_rows(c, k, SWG_CUDA_INPUT_HALF, 2 + check_below(c, 15), true);
    product_rows(c, k, SWG_CUDA_INPUT_HALF, 17 + check_below(c, 16), check_below(c, 2) == 1);
    product_rows(c, k, SWG_CUDA_INPUT_HALF, 33 + check_below(c, 40), check_below(c, 2) == 1);
}

static void check_linear(check *c)
{
    over_matrices(c, linear_case);
}

static void linear_float_case(check *c, const matrix_case *k)
{
    product_rows(c, k, SWG_CUDA_INPUT_FLOAT, 1 + check_below(c, 16), true);
    product_rows(c, k, SWG_CUDA_INPUT_FLOAT, 17 + check_below(c, 60), check_below(c, 2) == 1);
}

static void check_linear_float(check *c)
{
    over_matrices(c, linear_float_case);
}

static void linear_bf16_case(check *c, const matrix_case *k)
{
    product_rows(c, k, SWG_CUDA_INPUT_BF16, 1 + check_below(c, 8), true);
    product_rows(c, k, SWG_CUDA_INPUT_BF16, 9 + check_below(c, 8), false);
    product_rows(c, k, SWG_CUDA_INPUT_BF16, 17 + check_below(c, 60), check_below(c, 2) == 1);
}

static void check_linear_bf16(check *c)
{
    over_matrices(c, linear_bf16_case);
}

static void linear_int8_case(check *c, const matrix_case *k)
{
    if ((k->m.type != SWG_CUDA_W4 && k->m.type != SWG_CUDA_W8) || k->m.group % 32 != 0)
        return;
    product_rows(c, k, SWG_CUDA_INPUT_INT8, 1 + check_below(c, 8), false);
    product_rows(c, k, SWG_CUDA_INPUT_INT8, 9 + check_below(c, 8), true);
    product_rows(c, k, SWG_CUDA_INPUT_INT8, 17 + check_below(c, 60), check_below(c, 2) == 1);
}

static void check_linear_int8(check *c)
{
    over_matrices(c, linear_int8_case);
}

/* Whole numbers that fit 8 bits, under scales of 1: exactly what integers give. */
static void integers_case(check *c, swg_cuda_type type, size_t group, bool has_zeros, size_t rows)
{
    enum { n = 37, columns = 192 };
    const uint32_t levels = type == SWG_CUDA_W8 ? 256 : 16;
    swg_cuda_matrix m;
    if (!swg_cuda_matrix_init(&m, type, n, columns, group, SWG_CUDA_SCALE_F32, has_zeros)) {
        check_fail(c, "integers: not described");
        return;
    }
    void *memory = check_memory(c, (size_t)m.bytes + 16);
    void *packed = (unsigned char *)memory + (16 - (uintptr_t)memory % 16) % 16;
    const size_t groups = n * m.n_groups;
    uint8_t *codes = check_memory(c, n * columns), *zeros = check_memory(c, groups);
    float *scales = check_memory(c, groups * sizeof *scales);
    float *x = check_memory(c, rows * columns * sizeof *x);
    float *wanted = check_memory(c, rows * n * sizeof *wanted);
    for (size_t i = 0; i < n * columns; i++)
        codes[i] = (uint8_t)check_below(c, levels);
    for (size_t i = 0; i < groups; i++) {
        zeros[i] = has_zeros ? (uint8_t)check_below(c, levels) : (uint8_t)(levels / 2);
        scales[i] = 1;
    }
    for (size_t i = 0; i < rows * columns; i++) /* the largest of each row is 127 */
        x[i] = i % columns == 0 ? 127 : (float)check_below(c, 255) - 127;
    for (size_t t = 0; t < rows; t++)
        for (size_t r = 0; r < n; r++) {
            int32_t sum = 0;
            for (size_t i = 0; i < columns; i++) {
                const size_t at = r * m.n_groups + (m.group ? i / m.group : 0);
                sum += (int32_t)x[t * columns + i] * (codes[r * columns + i] - zeros[at]);
            }
            wanted[t * n + r] = (float)sum; /* below 2^24 */
        }
    swg_cuda_pack_codes(&m, packed, 0, n, codes);
    swg_cuda_pack_scales(&m, packed, 0, n, scales);
    if (has_zeros)
        swg_cuda_pack_zeros(&m, packed, 0, n, zeros);
    m.data = check_in(c, packed, (size_t)m.bytes);
    void *d_y = check_in(c, NULL, rows * n * sizeof(float));
    check_run(c, c->cuda->linear(c->stream, &m, SWG_CUDA_INPUT_INT8,
                                 check_in(c, x, rows * columns * sizeof *x), rows, NULL, d_y,
                                 check_in(c, NULL, c->cuda->linear_scratch(&m, rows))));
    if (!c->problem[0])
        check_same(c, "integers", check_out(c, d_y), wanted, rows * n * sizeof *wanted);
}

static void check_integers(check *c)
{
    static const size_t rows[] = {1, 11, 20, 50};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int type = SWG_CUDA_W4; type <= SWG_CUDA_W8 && !c->problem[0]; type++)
            for (size_t group = 0; group <= 64 && !c->problem[0]; group += 32)
                integers_case(c, (swg_cuda_type)type, group, check_below(c, 2) == 1, rows[i]);
}

/* Long rows, which several blocks share: slices of 32 units (of 16, for many tokens). */
static void check_slices(check *c)
{
    for (int type = 0; type < SWG_CUDA_TYPES && !c->problem[0]; type++) {
        const size_t columns = type == SWG_CUDA_S4 ? 128 : 64;
        matrix_case k;
        matrix_case_make(c, &k, (swg_cuda_type)type, 40, 67 * columns + 5, type % 2 ? 0 : 128,
                         SWG_CUDA_SCALE_F16, false);
        if (c->problem[0])
            return;
        product_rows(c, &k, SWG_CUDA_INPUT_HALF, 2, true);
        product_rows(c, &k, SWG_CUDA_INPUT_HALF, 18, true);
        product_rows(c, &k, SWG_CUDA_INPUT_FLOAT, 2, true);
        if (type == SWG_CUDA_W8)
            product_rows(c, &k, SWG_CUDA_INPUT_INT8, 3, true);
    }
}

/* Shapes of models, on a GPU only. */
static void check_models(check *c)
{
    static const struct {
        uint16_t n, k, rows;
    } shapes[] = {{4096, 4096, 1}, {4160, 4160, 33}, {300, 11008, 7}, {1030, 4096, 257}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        for (int type = 0; type < SWG_CUDA_TYPES && !c->problem[0]; type++) {
            matrix_case k;
            matrix_case_make(c, &k, (swg_cuda_type)type, shapes[s].n, shapes[s].k, 128,
                             SWG_CUDA_SCALE_F16, false);
            if (!c->problem[0])
                product_rows(c, &k, SWG_CUDA_INPUT_HALF, shapes[s].rows, true);
        }
}

/* A token's product does not depend on the tokens beside it. */
static void alone_case(check *c, const matrix_case *k)
{
    enum { rows = 11 };
    const size_t n = k->m.n, columns = k->m.k;
    float *x = check_floats(c, rows * columns, 1);
    void *d_y = check_in(c, NULL, rows * n * sizeof(float));
    void *d_one = check_in(c, NULL, n * sizeof(float));
    void *d_scratch = check_in(c, NULL, c->cuda->linear_scratch(&k->m, rows));
    check_run(c, c->cuda->linear(c->stream, &k->m, SWG_CUDA_INPUT_HALF,
                                 check_in(c, x, rows * columns * sizeof *x), rows, NULL, d_y,
                                 d_scratch));
    const float *y = check_out(c, d_y);
    for (size_t t = 0; t < rows && !c->problem[0]; t += 5) {
        void *d_x = check_in(c, x + t * columns, columns * sizeof *x);
        check_run(c, c->cuda->linear(c->stream, &k->m, SWG_CUDA_INPUT_HALF, d_x, 1, NULL, d_one,
                                     d_scratch));
        check_same(c, k->name, check_out(c, d_one), y + t * n, n * sizeof *y);
    }
}

static void check_alone(check *c)
{
    over_matrices(c, alone_case);
}

const check_row swg_cuda_checks_products[] = {
    {.name = "packing", .run = check_packing},
    {.name = "dequantize", .run = check_dequantize},
    {.name = "embed", .run = check_embed},
    {.name = "linear", .run = check_linear},
    {.name = "linear_float", .run = check_linear_float},
    {.name = "linear_bf16", .run = check_linear_bf16},
    {.name = "linear_int8", .run = check_linear_int8},
    {.name = "integers", .run = check_integers},
    {.name = "slices", .run = check_slices},
    {.name = "alone", .run = check_alone},
    {.name = "models", .run = check_models, .is_large = true},
    {.name = NULL},
};
