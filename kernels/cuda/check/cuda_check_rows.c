/* Checks of the operations on rows: norms, rotation, element by element, heads, cells. */
#include "kernels/cuda/check/cuda_check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Float results of a few roundings each. */
#define FEW_ROUNDINGS 2e-6

/* Shapes of rows: a warp, a block, one off, primes. */
static const size_t widths[] = {1, 31, 64, 255, 256, 257, 1031};
enum { n_widths = sizeof widths / sizeof widths[0] };

static double *doubles(check *c, size_t n)
{
    return check_memory(c, n * sizeof(double));
}

/* y of a norm twice, compared. */
typedef struct norm_case {
    size_t pieces, n;
    float *x, *weight, *bias;
    void *d_x, *d_weight, *d_bias, *d_y;
    double *wanted;
} norm_case;

static void norm_case_make(check *c, norm_case *k, size_t pieces, size_t n)
{
    *k = (norm_case){.pieces = pieces, .n = n};
    k->x = check_floats(c, pieces * n, 3);
    k->weight = check_floats(c, n, 1);
    k->bias = check_floats(c, n, 1);
    k->d_x = check_in(c, k->x, pieces * n * sizeof(float));
    k->d_weight = check_in(c, k->weight, n * sizeof(float));
    k->d_bias = check_in(c, k->bias, n * sizeof(float));
    k->d_y = check_in(c, NULL, pieces * n * sizeof(float));
    k->wanted = doubles(c, pieces * n);
}

static void check_rmsnorm(check *c)
{
    for (size_t w = 0; w < n_widths && !c->problem[0]; w++) {
        norm_case k;
        norm_case_make(c, &k, 1 + check_below(c, 4), widths[w]);
        for (size_t p = 0; p < k.pieces; p++) {
            double sum = 0;
            for (size_t i = 0; i < k.n; i++)
                sum += (double)k.x[p * k.n + i] * k.x[p * k.n + i];
            for (size_t i = 0; i < k.n; i++)
                k.wanted[p * k.n + i] =
                    k.x[p * k.n + i] / sqrt(sum / (double)k.n + (double)1e-5f) * k.weight[i];
        }
        check_run(c, c->cuda->rmsnorm(c->stream, k.d_x, k.d_weight, k.pieces, k.n, 1e-5f, k.d_y));
        check_close(c, "rmsnorm", check_out(c, k.d_y), k.wanted, k.pieces, k.n, FEW_ROUNDINGS);
        check_run(c, c->cuda->rmsnorm(c->stream, k.d_x, k.d_weight, k.pieces, k.n, 1e-5f, k.d_x));
        check_same(c, "rmsnorm in place", check_out(c, k.d_x), check_out(c, k.d_y),
                   k.pieces * k.n * sizeof(float));
    }
}

static void check_layernorm(check *c)
{
    for (size_t w = 1; w < n_widths && !c->problem[0]; w++) {
        norm_case k;
        norm_case_make(c, &k, 1 + check_below(c, 4), widths[w]);
        for (size_t p = 0; p < k.pieces; p++) {
            const float *x = k.x + p * k.n;
            double mean = 0, sum = 0;
            for (size_t i = 0; i < k.n; i++)
                mean += x[i] / (double)k.n;
            for (size_t i = 0; i < k.n; i++)
                sum += (x[i] - mean) * (x[i] - mean);
            for (size_t i = 0; i < k.n; i++)
                k.wanted[p * k.n + i] =
                    (x[i] - mean) / sqrt(sum / (double)k.n + (double)1e-5f) * k.weight[i] +
                    k.bias[i];
        }
        check_run(c, c->cuda->layernorm(c->stream, k.d_x, k.d_weight, k.d_bias, k.pieces, k.n,
                                        1e-5f, k.d_y));
        check_close(c, "layernorm", check_out(c, k.d_y), k.wanted, k.pieces, k.n, FEW_ROUNDINGS);
        check_run(c, c->cuda->layernorm(c->stream, k.d_x, k.d_weight, k.d_bias, k.pieces, k.n,
                                        1e-5f, k.d_x));
        check_same(c, "layernorm in place", check_out(c, k.d_x), check_out(c, k.d_y),
                   k.pieces * k.n * sizeof(float));
    }
}

/* --- Rotation --------------------------------------------------------------------------------- */

static void rotate_wanted(const float *x, double *wanted, size_t pairs, bool interleaved,
                          double position, const double *frequencies)
{
    for (size_t i = 0; i < pairs; i++) {
        const size_t a = interleaved ? 2 * i : i, b = interleaved ? 2 * i + 1 : i + pairs;
        const double angle = position * frequencies[i];
        wanted[a] = x[a] * cos(angle) - x[b] * sin(angle);
        wanted[b] = x[a] * sin(angle) + x[b] * cos(angle);
    }
}

static void check_rope_shape(check *c, size_t rows, size_t heads, size_t head_dim, size_t pairs,
                             bool interleaved)
{
    const size_t n = rows * heads * head_dim;
    float *x = check_floats(c, n, 1);
    double *wanted = doubles(c, n), *frequencies = doubles(c, pairs);
    int32_t *positions = check_memory(c, rows * sizeof *positions);
    for (size_t i = 0; i < pairs; i++)
        frequencies[i] = pow(10000, -(double)i / (double)pairs);
    for (size_t r = 0; r < rows; r++)
        positions[r] = (int32_t)check_below(c, 100000);
    for (size_t i = 0; i < n; i++)
        wanted[i] = x[i];
    for (size_t h = 0; h < rows * heads; h++)
        rotate_wanted(x + h * head_dim, wanted + h * head_dim, pairs, interleaved,
                      positions[h / heads], frequencies);
    void *d_x = check_in(c, x, n * sizeof *x);
    void *d_positions = check_in(c, positions, rows * sizeof *positions);
    void *d_frequencies = check_in(c, frequencies, pairs * sizeof *frequencies);
    void *d_cosine = check_in(c, NULL, rows * pairs * sizeof(float));
    void *d_sine = check_in(c, NULL, rows * pairs * sizeof(float));
    check_run(c, c->cuda->rope_angles(c->stream, d_positions, d_frequencies, rows, pairs, d_cosine,
                                      d_sine));
    check_run(c, c->cuda->rope(c->stream, d_x, rows, heads, head_dim, d_cosine, d_sine, pairs,
                               interleaved));
    check_close(c, "rope", check_out(c, d_x), wanted, rows, heads * head_dim, FEW_ROUNDINGS);
}

static void check_rope(check *c)
{
    check_rope_shape(c, 1, 1, 2, 1, false);
    check_rope_shape(c, 3, 5, 64, 32, false);
    check_rope_shape(c, 7, 3, 48, 12, false); /* only a part of each head */
    check_rope_shape(c, 2, 4, 18, 9, true);
}

/* --- Element by element ----------------------------------------------------------------------- */

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double activation_wanted(int activation, double x)
{
    switch (activation) {
    case SWG_CUDA_GELU:
        return 0.5 * x * (1 + erf(x / sqrt(2)));
    case SWG_CUDA_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case SWG_CUDA_TANH:
        return tanh(x);
    default:
        return x > 0 ? x : 0;
    }
}

static void check_activate(check *c)
{
    for (int activation = SWG_CUDA_GELU; activation <= SWG_CUDA_RELU; activation++) {
        const size_t n = 257 + check_below(c, 500);
        float *x = check_floats(c, n, 3);
        double *wanted = doubles(c, n);
        for (size_t i = 0; i < n; i++)
            wanted[i] = activation_wanted(activation, x[i]);
        void *d_x = check_in(c, x, n * sizeof *x);
        check_run(c, c->cuda->activate(c->stream, (swg_cuda_activation)activation, d_x, n));
        check_close(c, "activate", check_out(c, d_x), wanted, 1, n, FEW_ROUNDINGS);
    }
}

/* Two vectors, one of the binary operations. */
static void check_elements(check *c)
{
    const size_t rows = 3, n = 1 + check_below(c, 300), all = rows * n;
    float *x = check_floats(c, all, 2), *y = check_floats(c, all, 2);
    void *d_x = check_in(c, x, all * sizeof *x), *d_y = check_in(c, y, all * sizeof *y);
    double *wanted = doubles(c, all);
    const char *const names[] = {"silu_mul", "mul", "scale", "add", "add_vector"};
    for (int op = 0; op < 5; op++) {
        for (size_t i = 0; i < all; i++)
            wanted[i] = op == 0   ? x[i] * sigmoid(x[i]) * y[i]
                        : op == 1 ? (double)x[i] * y[i]
                        : op == 2 ? x[i] * 0.25
                        : op == 3 ? (double)x[i] + y[i]
                                  : (double)x[i] + y[i % n];
        check_again(c, d_x);
        check_run(c, op == 0   ? c->cuda->silu_mul(c->stream, d_x, d_y, all)
                     : op == 1 ? c->cuda->mul(c->stream, d_x, d_y, all)
                     : op == 2 ? c->cuda->scale(c->stream, 0.25f, d_x, all)
                     : op == 3 ? c->cuda->add(c->stream, d_x, d_y, all)
                               : c->cuda->add_vector(c->stream, d_x, d_y, rows, n));
        check_close(c, names[op], check_out(c, d_x), wanted, rows, n, FEW_ROUNDINGS);
    }
}

static void check_gather(check *c)
{
    const size_t from_rows = 9, rows = 4, n = 1 + check_below(c, 600);
    float *from = check_floats(c, from_rows * n, 1), *wanted = check_memory(c, rows * n * 4);
    int32_t index[4];
    for (size_t r = 0; r < rows; r++) {
        index[r] = (int32_t)check_below(c, (uint32_t)from_rows);
        memcpy(wanted + r * n, from + (size_t)index[r] * n, n * sizeof *from);
    }
    void *d_to = check_in(c, NULL, rows * n * sizeof *from);
    check_run(c, c->cuda->gather(c->stream, check_in(c, from, from_rows * n * sizeof *from),
                                 check_in(c, index, sizeof index), rows, n, d_to));
    check_same(c, "gather", check_out(c, d_to), wanted, rows * n * sizeof *from);
}

/* --- Heads ------------------------------------------------------------------------------------ */

/* Two calls, since they add to what is there; blocks of 64 columns and more. */
static void sums_case(check *c, size_t m, size_t k, size_t rows, bool is_lower)
{
    float *a = check_floats(c, 2 * rows * m, 1),
          *b = is_lower ? a : check_floats(c, 2 * rows * k, 1);
    double *wanted = doubles(c, m * k), *moments = doubles(c, 2 * m), *zeros = doubles(c, 2 * m);
    float *sum = check_memory(c, m * k * sizeof *sum);
    for (size_t r = 0; r < 2 * rows; r++)
        for (size_t i = 0; i < m; i++) {
            moments[i] += fabs((double)a[r * m + i]);
            moments[m + i] += (double)a[r * m + i] * a[r * m + i];
            for (size_t j = 0; j < k; j++)
                wanted[i * k + j] += (double)a[r * m + i] * b[r * k + j];
        }
    float *d_a = check_in(c, a, 2 * rows * m * sizeof *a);
    float *d_b = is_lower ? d_a : check_in(c, b, 2 * rows * k * sizeof *b);
    void *d_sum = check_in(c, sum, m * k * sizeof *sum);
    double *d_moments = check_in(c, zeros, 2 * m * sizeof *zeros);
    for (size_t i = 0; i < 2; i++) {
        check_run(c, c->cuda->product_sum(c->stream, d_a + i * rows * m, m, d_b + i * rows * k, k,
                                          rows, is_lower, d_sum));
        check_run(
            c, c->cuda->moments(c->stream, d_a + i * rows * m, rows, m, d_moments, d_moments + m));
    }
    float *out = check_out(c, d_sum);
    for (size_t i = 0; is_lower && i < m && !c->problem[0]; i++)
        for (size_t j = i + 1; j < k; j++)
            out[i * k + j] = out[j * k + i];
    check_close(c, "product_sum", out, wanted, m, k, FEW_ROUNDINGS);
    const double *got = check_out(c, d_moments);
    for (size_t i = 0; i < 2 * m && !c->problem[0]; i++)
        if (fabs(got[i] - moments[i]) > 1e-12 * moments[i])
            check_fail(c, "moments: %g of column %zu, not %g", got[i], i % m, moments[i]);
}

static void check_sums(check *c)
{
    sums_case(c, 1, 1, 1, true);
    sums_case(c, 64, 64, 16, true);
    sums_case(c, 150, 150, 1 + check_below(c, 40), true);
    sums_case(c, 70, 131, 1 + check_below(c, 40), false);
}

static void check_softmax(check *c)
{
    for (size_t w = 0; w < n_widths && !c->problem[0]; w++) {
        const size_t rows = 1 + check_below(c, 3), n = widths[w];
        float *x = check_floats(c, rows * n, 5);
        double *wanted = doubles(c, rows * n), *losses = doubles(c, rows);
        int32_t targets[3];
        for (size_t r = 0; r < rows; r++) {
            double sum = 0;
            targets[r] = (int32_t)check_below(c, (uint32_t)n);
            for (size_t i = 0; i < n; i++)
                sum += exp((double)x[r * n + i]);
            losses[r] = log(sum) - x[r * n + (size_t)targets[r]];
            sum = 0;
            for (size_t i = 0; i < n; i++)
                sum += wanted[r * n + i] = exp(0.5 * (double)x[r * n + i]);
            for (size_t i = 0; i < n; i++)
                wanted[r * n + i] /= sum;
        }
        void *d_x = check_in(c, x, rows * n * sizeof *x);
        void *d_loss = check_in(c, NULL, rows * sizeof *x);
        check_run(c, c->cuda->cross_entropy(c->stream, d_x, rows, n,
                                            check_in(c, targets, sizeof targets), d_loss));
        if (n > 1)
            check_close(c, "cross_entropy", check_out(c, d_loss), losses, 1, rows, 5e-6);
        check_run(c, c->cuda->softmax(c->stream, d_x, rows, n, 0.5f));
        check_close(c, "softmax", check_out(c, d_x), wanted, rows, n, 5e-6);
    }
}

static void check_argmax(check *c)
{
    for (size_t w = 0; w < n_widths && !c->problem[0]; w++) {
        const size_t rows = 3, n = widths[w];
        float *x = check_floats(c, rows * n, 1);
        int32_t wanted[3] = {0};
        for (size_t r = 0; r < rows; r++) {
            float *row = x + r * n;
            for (size_t i = 1; i < n; i++)
                wanted[r] = row[i] > row[wanted[r]] ? (int32_t)i : wanted[r];
            if (n > 3 && wanted[r] > 0)
                row[0] = NAN; /* is never chosen */
            if ((size_t)wanted[r] + 2 < n)
                row[n - 1] = row[wanted[r]]; /* the first of equal ones */
        }
        void *d_index = check_in(c, NULL, sizeof wanted);
        check_run(
            c, c->cuda->argmax(c->stream, check_in(c, x, rows * n * sizeof *x), rows, n, d_index));
        check_same(c, "argmax", check_out(c, d_index), wanted, sizeof wanted);
    }
}

/* The place at which the running sum passes the draw, up to rounding: sums before and at the place
 * bracket it. */
static void check_sample(check *c)
{
    for (size_t w = 0; w < n_widths && !c->problem[0]; w++) {
        const size_t rows = 3, n = widths[w];
        float *x = check_floats(c, rows * n, 2),
              uniform[3] = {0, (float)check_uniform(c), 0.9999999f};
        void *d_index = check_in(c, NULL, rows * sizeof(int32_t));
        check_run(c, c->cuda->sample(c->stream, check_in(c, x, rows * n * sizeof *x), rows, n, 0.7f,
                                     check_in(c, uniform, sizeof uniform), d_index));
        const int32_t *index = check_out(c, d_index);
        for (size_t r = 0; r < rows && !c->problem[0]; r++) {
            double all = 0, before = 0;
            for (size_t i = 0; i < n; i++)
                all += exp(x[r * n + i] / 0.7);
            for (int32_t i = 0; i < index[r] && (size_t)i < n; i++)
                before += exp(x[r * n + (size_t)i] / 0.7) / all;
            if (index[r] < 0 || (size_t)index[r] >= n || before > uniform[r] + 1e-5 ||
                before + exp(x[r * n + (size_t)index[r]] / 0.7) / all < uniform[r] - 1e-5)
                check_fail(c, "sample: draw %g of row %zu gives place %d of %zu",
                           (double)uniform[r], r, index[r], n);
        }
    }
}

/* --- Cells ------------------------------------------------------------------------------------ */

static void check_lstm(check *c)
{
    const size_t n = 1 + check_below(c, 300);
    float *x = check_floats(c, 4 * n, 2), *s = check_floats(c, 4 * n, 2);
    float *cell = check_floats(c, n, 1);
    double *wanted_c = doubles(c, n), *wanted_h = doubles(c, n);
    for (size_t j = 0; j < n; j++) {
        const double in = sigmoid((double)x[j] + s[j]);
        const double forget = sigmoid((double)x[n + j] + s[n + j]);
        const double made = tanh((double)x[2 * n + j] + s[2 * n + j]);
        wanted_c[j] = forget * cell[j] + in * made;
        wanted_h[j] = sigmoid((double)x[3 * n + j] + s[3 * n + j]) * tanh(wanted_c[j]);
    }
    void *d_c = check_in(c, cell, n * sizeof *cell), *d_h = check_in(c, NULL, n * sizeof *cell);
    check_run(c, c->cuda->lstm_cell(c->stream, check_in(c, x, 4 * n * sizeof *x),
                                    check_in(c, s, 4 * n * sizeof *s), n, d_c, d_h));
    check_close(c, "lstm_cell", check_out(c, d_c), wanted_c, 1, n, FEW_ROUNDINGS);
    check_close(c, "lstm_cell", check_out(c, d_h), wanted_h, 1, n, FEW_ROUNDINGS);
}

static void check_gru(check *c)
{
    const size_t n = 1 + check_below(c, 300), update = check_below(c, 2), reset = 1 - update;
    float *x = check_floats(c, 3 * n, 2), *s = check_floats(c, 3 * n, 2);
    float *h = check_floats(c, n, 1);
    double *wanted = doubles(c, n), *wanted_reset = doubles(c, n);
    for (size_t j = 0; j < n; j++) {
        const double keep = sigmoid((double)x[update * n + j] + s[update * n + j]);
        const double open = sigmoid((double)x[reset * n + j] + s[reset * n + j]);
        const double made = tanh(x[2 * n + j] + open * s[2 * n + j]);
        wanted[j] = made + keep * (h[j] - made);
        wanted_reset[j] = open * h[j];
    }
    void *d_x = check_in(c, x, 3 * n * sizeof *x), *d_s = check_in(c, s, 3 * n * sizeof *s);
    void *d_h = check_in(c, h, n * sizeof *h), *d_out = check_in(c, NULL, n * sizeof *h);
    check_run(c, c->cuda->gru_reset(c->stream, d_x, d_s, n, reset, d_h, d_out));
    check_close(c, "gru_reset", check_out(c, d_out), wanted_reset, 1, n, FEW_ROUNDINGS);
    check_run(c, c->cuda->gru_cell(c->stream, d_x, d_s, n, update, reset, d_h));
    check_close(c, "gru_cell", check_out(c, d_h), wanted, 1, n, FEW_ROUNDINGS);
}

const check_row swg_cuda_checks_rows[] = {
    {.name = "rmsnorm", .run = check_rmsnorm},
    {.name = "layernorm", .run = check_layernorm},
    {.name = "rope", .run = check_rope},
    {.name = "activate", .run = check_activate},
    {.name = "elements", .run = check_elements},
    {.name = "gather", .run = check_gather},
    {.name = "sums", .run = check_sums},
    {.name = "softmax", .run = check_softmax},
    {.name = "argmax", .run = check_argmax},
    {.name = "sample", .run = check_sample},
    {.name = "lstm", .run = check_lstm},
    {.name = "gru", .run = check_gru},
    {.name = NULL},
};
