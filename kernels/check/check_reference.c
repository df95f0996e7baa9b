/* What every operation means, computed plainly in double precision from the case's inputs, and how
 * far the scalar variant may be from it: a count of its roundings times half a unit in the last
 * place (EPS) times the sum of magnitudes they act on. Shares no code with the kernels. */
#include "kernels/check/check_case.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double EPS = 0x1p-24;       /* relative error of one rounding to float */
static const double DENORMAL = 0x1p-149; /* its absolute error near zero */

static bool is_near(double got, double wanted, double bound, const char *what, size_t index,
                    char failure[SWG_CHECK_TEXT_BYTES])
{
    if (fabs(got - wanted) <= bound + DENORMAL)
        return true;
    snprintf(failure, SWG_CHECK_TEXT_BYTES,
             "%s[%zu] is %.9g; double precision gives %.12g and allows %.3g", what, index, got,
             wanted, bound);
    return false;
}

static const void *initial(const swg_check_case *c, size_t buffer)
{
    return c->buffers[buffer].initial;
}

/* --- Elementwise --- */

static bool check_f16(const swg_check_case *c, const float *y, char *failure)
{
    const uint16_t *x = initial(c, 0);
    for (size_t i = 0; i < c->n; i++) {
        const int exponent = x[i] >> 10 & 31, mantissa = x[i] & 1023;
        const double sign = x[i] >> 15 ? -1 : 1;
        double wanted = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
        if (exponent == 31)
            wanted = INFINITY;
        const bool is_nan = exponent == 31 && mantissa;
        if (is_nan ? !isnan(y[i]) : y[i] != sign * wanted || (signbit(y[i]) != 0) != (sign < 0))
            return is_near(y[i], NAN, 0, "y", i, failure);
    }
    return true;
}

static bool check_bf16(const swg_check_case *c, const float *y, char *failure)
{
    const uint16_t *x = initial(c, 0);
    for (size_t i = 0; i < c->n; i++) {
        uint32_t bits;
        memcpy(&bits, &y[i], sizeof bits);
        if (bits != (uint32_t)x[i] * 65536)
            return is_near(y[i], NAN, 0, "y", i, failure);
    }
    return true;
}

static bool check_add(const swg_check_case *c, const float *sum, char *failure)
{
    const float *x = initial(c, 0), *y = initial(c, 1);
    for (size_t i = 0; i < c->n; i++) {
        const double wanted = (double)x[i] + (double)y[i];
        if (!is_near(sum[i], wanted, EPS * fabs(wanted), "x", i, failure))
            return false;
    }
    return true;
}

/* n products and sums, then division, addition, root, inverse and two products. */
static bool check_rmsnorm(const swg_check_case *c, const float *y, char *failure)
{
    const float *x = initial(c, c->in_place ? 0 : 2), *weight = initial(c, 1);
    double sum = 0;
    for (size_t i = 0; i < c->n; i++)
        sum += (double)x[i] * x[i];
    const double root = sqrt(sum / (double)c->n + (double)c->eps);
    for (size_t i = 0; i < c->n; i++) {
        const double wanted = x[i] / root * weight[i];
        const double roundings = (double)c->n + 8;
        /* The first product may fall among the denormals before the weight raises it. */
        const double bound = roundings * EPS * fabs(wanted) + DENORMAL * fabs((double)weight[i]);
        if (!is_near(y[i], wanted, bound, "y", i, failure))
            return false;
    }
    return true;
}

/* exp is within 2 EPS of its rounded argument; beyond exp(88) the denominator is clamped. */
static bool check_silu_mul(const swg_check_case *c, const float *y, char *failure)
{
    const float *gate = initial(c, c->in_place ? 0 : 2), *up = initial(c, 1);
    for (size_t i = 0; i < c->n; i++) {
        const double wanted = gate[i] / (1 + exp(-(double)gate[i])) * up[i];
        const double clamped = fabs((double)gate[i] * up[i]) * 6e-39;
        const double bound = 6 * EPS * fabs(wanted) + clamped + DENORMAL * fabs((double)up[i]);
        if (!is_near(y[i], wanted, bound, "y", i, failure))
            return false;
    }
    return true;
}

/* The difference from the largest is rounded (|d| EPS in the exponential), the exponential within
 * 2 EPS, the sum of n within n EPS, each of its terms by its own |d| EPS; below exp(-87.3) is 0. */
static bool check_softmax(const swg_check_case *c, const float *y, char *failure)
{
    const float *x = initial(c, 0);
    double max = x[0], sum = 0, sum_error = 0;
    for (size_t i = 1; i < c->n; i++)
        max = fmax(max, x[i]);
    for (size_t i = 0; i < c->n; i++) {
        const double e = exp(x[i] - max);
        sum += e;
        sum_error += e * (max - x[i] + 2);
    }
    for (size_t i = 0; i < c->n; i++) {
        const double wanted = exp(x[i] - max) / sum;
        const double roundings = (max - x[i] + 2) + sum_error / sum + (double)c->n + 3;
        const double bound = roundings * EPS * wanted + 1.3e-38;
        if (!is_near(y[i], wanted, bound, "x", i, failure))
            return false;
    }
    return true;
}

static bool check_rope(const swg_check_case *c, const float *y, char *failure)
{
    const float *x = initial(c, 0), *cosine = initial(c, 1), *sine = initial(c, 2);
    const bool is_half = c->op == SWG_OP_rope_half;
    for (size_t i = 0; i < c->n; i++) {
        const size_t at_a = is_half ? i : 2 * i, at_b = is_half ? i + c->n : 2 * i + 1;
        const double a = x[at_a], b = x[at_b];
        const double bound = 2 * EPS * (fabs(a) + fabs(b)) + DENORMAL;
        if (!is_near(y[at_a], a * cosine[i] - b * sine[i], bound, "x", at_a, failure) ||
            !is_near(y[at_b], a * sine[i] + b * cosine[i], bound, "x", at_b, failure))
            return false;
    }
    return true;
}

/* The mean of n values is off by `shift`; a common shift changes the variance in second order only,
 * each rounded difference by EPS. */
static bool check_layernorm(const swg_check_case *c, const float *y, char *failure)
{
    const float *x = initial(c, c->in_place ? 0 : 3), *weight = initial(c, 1),
                *bias = initial(c, 2);
    const double n = (double)c->n;
    double mean = 0, magnitude = 0, variance = 0;
    for (size_t i = 0; i < c->n; i++) {
        mean += x[i] / n;
        magnitude += fabs((double)x[i]) / n;
    }
    for (size_t i = 0; i < c->n; i++)
        variance += (x[i] - mean) * (x[i] - mean) / n;
    const double deviation = sqrt(variance + (double)c->eps);
    const double shift = (n + 2) * EPS * magnitude + DENORMAL;
    const double relative = (n + 8) * EPS + shift * shift / (deviation * deviation);
    for (size_t i = 0; i < c->n; i++) {
        const double d = x[i] - mean, wanted = d / deviation * weight[i] + bias[i];
        const double error = shift + fabs(d) * (relative + EPS);
        const double bound = fabs((double)weight[i]) / deviation * error +
                             2 * EPS * (fabs(wanted) + fabs((double)bias[i]));
        if (!is_near(y[i], wanted, bound, "y", i, failure))
            return false;
    }
    return true;
}

/* gelu: the distribution function within 0.75e-7 and ten roundings. gelu_tanh: the argument u of
 * the exponential is rounded four times, exp(-u) is clamped beyond exp(88). tanh: an absolute
 * bound. */
static bool check_activation(const swg_check_case *c, const float *y, char *failure)
{
    const float *input = initial(c, 0);
    for (size_t i = 0; i < c->n; i++) {
        const double x = input[i], size = fabs(x);
        const double u = 2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
        double wanted = tanh(x), bound = 8 * EPS;
        if (c->op == SWG_OP_gelu) {
            wanted = x * erfc(-x / sqrt(2)) / 2;
            bound = size * (0.75e-7 + 10 * EPS);
        } else if (c->op == SWG_OP_gelu_tanh) {
            wanted = x / (1 + exp(-u));
            bound = (6 + 5 * fmin(fabs(u), 90)) * EPS * fabs(wanted) + size * 6e-39;
        }
        if (!is_near(y[i], wanted, bound, "x", i, failure))
            return false;
    }
    return true;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* With its argument rounded a sigmoid is within 5 EPS, a tanh within 10. */
static bool check_lstm(const swg_check_case *c, const float *h, const float *cells, char *failure)
{
    const float *x = initial(c, 1), *s = initial(c, 2), *old = initial(c, 3);
    const size_t n = c->n;
    for (size_t i = 0; i < n; i++) {
        const double in = sigmoid((double)x[i] + s[i]);
        const double forget = sigmoid((double)x[n + i] + s[n + i]);
        const double cell = forget * old[i] + in * tanh((double)x[2 * n + i] + s[2 * n + i]);
        const double wanted = sigmoid((double)x[3 * n + i] + s[3 * n + i]) * tanh(cell);
        const double bound = (6 * fabs((double)old[i]) + 18 + fabs(cell)) * EPS;
        if (!is_near(cells[i], cell, bound, "c", i, failure) ||
            !is_near(h[i], wanted, bound + 16 * EPS, "h", i, failure))
            return false;
    }
    return true;
}

static bool check_gru(const swg_check_case *c, const float *h, char *failure)
{
    const float *old = initial(c, 0), *x = initial(c, 1), *s = initial(c, 2);
    const size_t n = c->n, z = c->row_begin * n, r = n - z;
    for (size_t i = 0; i < n; i++) {
        const double update = sigmoid((double)x[z + i] + s[z + i]);
        const double reset = sigmoid((double)x[r + i] + s[r + i]), state = s[2 * n + i];
        const double new = tanh(reset * state + x[2 * n + i]);
        const double wanted = update * old[i] + (1 - update) * new;
        const double bound = 5 * fabs(old[i] - new) + 10 + 5 * fabs(state) + 3 * fabs(old[i]) + 3;
        if (!is_near(h[i], wanted, bound * EPS, "h", i, failure))
            return false;
    }
    return true;
}

/* --- Weights --- */

/* The packed numbers, read by the drawing in kernels.h. */
static int panel_code(const swg_packed *w, const uint8_t *panels, size_t row, size_t column)
{
    const uint8_t *panel = panels + row / 16 * w->panel_bytes;
    if (w->scheme.bits == 8)
        return panel[column / 4 * 64 + 4 * (row % 16) + column % 4];
    const int byte = panel[column / 8 * 64 + 4 * (row % 16) + column % 4];
    return column % 8 < 4 ? byte & 15 : byte >> 4;
}

static double panel_scale(const swg_packed *w, const uint8_t *panels, size_t row, size_t group)
{
    const uint8_t *panel = panels + row / 16 * w->panel_bytes + w->scales_offset;
    return swg_float_load(w->scheme.dtype, panel, group * 16 + row % 16);
}

static int panel_zero(const swg_packed *w, const uint8_t *panels, size_t row, size_t group)
{
    if (!w->scheme.asymmetric)
        return w->scheme.bits == 4 ? 8 : 128;
    return panels[row / 16 * w->panel_bytes + w->zeros_offset + group * 16 + row % 16];
}

static bool check_pack(const swg_check_case *c, const uint8_t *panels, char *failure)
{
    const swg_packed *w = &c->w;
    const uint8_t *plane = initial(c, 1);
    const size_t row_bytes = (w->k * w->scheme.bits + 7) / 8;
    const size_t columns = c->op == SWG_OP_pack_codes ? w->k_padded : w->n_groups;
    for (size_t i = 0; i < c->n_rows; i++)
        for (size_t j = 0; j < columns; j++) {
            const size_t row = c->row_begin + i, at = i * w->n_groups + j;
            double got, wanted = 0;
            if (c->op == SWG_OP_pack_scales) {
                got = panel_scale(w, panels, row, j);
                wanted = swg_float_load(w->scheme.dtype, plane, at);
            } else if (c->op == SWG_OP_pack_zeros) {
                got = panel_zero(w, panels, row, j);
                wanted = plane[at];
            } else {
                got = panel_code(w, panels, row, j);
                if (j < w->k && w->scheme.bits == 8)
                    wanted = plane[i * row_bytes + j];
                else if (j < w->k)
                    wanted = j % 2 ? plane[i * row_bytes + j / 2] >> 4
                                   : plane[i * row_bytes + j / 2] & 15;
            }
            if (!is_near(got, wanted, 0, "panels: row x columns", i * columns + j, failure))
                return false;
        }
    return true;
}

static bool check_dequantize(const swg_check_case *c, const float *out, char *failure)
{
    const swg_packed *w = &c->w;
    const uint8_t *panels = initial(c, 0);
    for (size_t i = 0; i < c->n_rows; i++)
        for (size_t j = 0; j < w->k; j++) {
            const size_t row = c->row_begin + i, g = j / w->group;
            const double wanted = (panel_code(w, panels, row, j) - panel_zero(w, panels, row, g)) *
                                  panel_scale(w, panels, row, g);
            if (!is_near(out[i * w->k + j], wanted, EPS * fabs(wanted), "out", i * w->k + j,
                         failure))
                return false;
        }
    return true;
}

/* 127 / absmax and the product with x are rounded before the code is: 3 EPS of at most 127. */
static bool check_quantize_act(const swg_check_case *c, void *const at[], char *failure)
{
    const float *x = initial(c, 0), *scales = at[2];
    const int8_t *codes = at[1];
    const int32_t *sums = at[3];
    for (size_t g = 0; g * c->group < c->k; g++) {
        const size_t begin = g * c->group;
        const size_t end = begin + c->group < c->k ? begin + c->group : c->k;
        double absmax = 0, sum = 0;
        for (size_t i = begin; i < end; i++)
            absmax = fmax(absmax, fabs((double)x[i]));
        if (absmax < 0x1p-100)
            absmax = 0;
        for (size_t i = begin; i < end; i++) {
            const double wanted = absmax > 0 ? x[i] * 127.0 / absmax : 0;
            if (!is_near(codes[i], wanted, absmax > 0 ? 0.5 + 3 * EPS * 127 : 0, "codes", i,
                         failure))
                return false;
            sum += codes[i];
        }
        if (!is_near(scales[g], absmax / 127, EPS * absmax / 127, "scales", g, failure) ||
            !is_near(sums[g], sum, 0, "sums", g, failure))
            return false;
    }
    for (size_t i = c->k; i < (c->k + 7) / 8 * 8; i++)
        if (!is_near(codes[i], 0, 0, "codes", i, failure))
            return false;
    return true;
}

/* A group's integer is exact; its conversion, the activation scale and the addition round. */
static bool check_matmul(const swg_check_case *c, void *const at[], char *failure)
{
    const swg_packed *w = &c->w;
    const uint8_t *panels = initial(c, 0);
    const int8_t *codes = initial(c, 1);
    const float *x_scales = initial(c, 2), *y = at[4];
    const size_t row_end = c->panel_end * 16 < w->n ? c->panel_end * 16 : w->n;
    for (size_t t = 0; t < c->m; t++)
        for (size_t row = c->panel_begin * 16; row < row_end; row++) {
            double wanted = 0, magnitude = 0;
            for (size_t g = 0; g < w->n_groups; g++) {
                const int zero = panel_zero(w, panels, row, g);
                double dot = 0;
                for (size_t j = g * w->group; j < (g + 1) * w->group && j < w->k; j++)
                    dot += (panel_code(w, panels, row, j) - zero) * codes[t * c->stride + j];
                const double term =
                    dot * x_scales[t * w->n_groups + g] * panel_scale(w, panels, row, g);
                wanted += term;
                magnitude += fabs(term);
            }
            const double bound = ((double)w->n_groups + 3) * EPS * magnitude;
            if (!is_near(y[t * c->y_stride + row], wanted, bound, "y", t * c->y_stride + row,
                         failure))
                return false;
        }
    return true;
}

/* --- Attention --- */

/* One query. A score is off by at most (head_dim + 1) EPS of its magnitudes; that of the largest
 * score shifts all alike, but each difference is rounded again; the exponential adds 2 EPS; the
 * sums of n terms add n EPS each. */
static bool check_query(const swg_check_case *c, size_t i, const float *out, char *failure)
{
    const float *q = (const float *)initial(c, c->in_place ? 0 : 4) + i * c->n;
    const float *k = initial(c, 1), *v = initial(c, 2);
    const size_t begin = c->key_begin[i], end = c->key_end[i];
    double max = -INFINITY, largest_error = 0, spread = 0, sum = 0;
    double scores[SWG_CHECK_KEYS];
    for (size_t j = begin; j < end; j++) {
        double dot = 0, magnitude = 0;
        for (size_t d = 0; d < c->n; d++) {
            const double term = (double)q[d] * k[swg_check_key_place(c, j) * c->stride + d];
            dot += term;
            magnitude += fabs(term);
        }
        scores[j - begin] = dot * c->scale;
        max = fmax(max, scores[j - begin]);
        largest_error = fmax(largest_error, ((double)c->n + 1) * EPS * magnitude * c->scale);
    }
    for (size_t j = begin; j < end; j++) {
        const double difference = max - scores[j - begin];
        spread = fmax(spread, fmin(difference, 90)); /* beyond, the exponential is 0 */
        scores[j - begin] = exp(-difference);
        sum += scores[j - begin];
    }
    const double n_keys = (double)(end - begin);
    const double relative = expm1(4 * largest_error) + (2 * spread + 2 * n_keys + 8) * EPS;
    for (size_t d = 0; d < c->n; d++) {
        double wanted = 0, magnitude = 0;
        for (size_t j = begin; j < end; j++) {
            const double value = v[swg_check_key_place(c, j) * c->stride + d];
            wanted += scores[j - begin] / sum * value;
            magnitude += scores[j - begin] / sum * fabs(value);
        }
        const double flushed = n_keys * 1.3e-38 * 5000; /* weights below exp(-87.3), |v| < 5000 */
        if (!is_near(out[d], wanted, relative * magnitude + flushed, "out", i * c->n + d, failure))
            return false;
    }
    return true;
}

static bool check_attention(const swg_check_case *c, const float *out, char *failure)
{
    for (size_t i = 0; i < c->m; i++)
        if (!check_query(c, i, out + i * c->n, failure))
            return false;
    return true;
}

bool swg_check_reference(const swg_check_case *c, void *const at[],
                         char failure[SWG_CHECK_TEXT_BYTES])
{
    switch (c->op) {
    case SWG_OP_pack_codes:
    case SWG_OP_pack_scales:
    case SWG_OP_pack_zeros:
        return check_pack(c, at[0], failure);
    case SWG_OP_dequantize:
        return check_dequantize(c, at[1], failure);
    case SWG_OP_quantize_act:
        return check_quantize_act(c, at, failure);
    case SWG_OP_matmul_w4:
    case SWG_OP_matmul_w8:
        return check_matmul(c, at, failure);
    case SWG_OP_f16_to_f32:
        return check_f16(c, at[1], failure);
    case SWG_OP_bf16_to_f32:
        return check_bf16(c, at[1], failure);
    case SWG_OP_add:
        return check_add(c, at[0], failure);
    case SWG_OP_rmsnorm:
        return check_rmsnorm(c, at[0], failure);
    case SWG_OP_silu_mul:
        return check_silu_mul(c, at[0], failure);
    case SWG_OP_layernorm:
        return check_layernorm(c, at[0], failure);
    case SWG_OP_gelu:
    case SWG_OP_gelu_tanh:
    case SWG_OP_tanh:
        return check_activation(c, at[0], failure);
    case SWG_OP_lstm_cell:
        return check_lstm(c, at[0], at[3], failure);
    case SWG_OP_gru_cell:
        return check_gru(c, at[0], failure);
    case SWG_OP_softmax:
        return check_softmax(c, at[0], failure);
    case SWG_OP_rope_half:
    case SWG_OP_rope_interleaved:
        return check_rope(c, at[0], failure);
    case SWG_OP_attention:
        return check_attention(c, at[0], failure);
    case SWG_OP_COUNT:
        break;
    }
    snprintf(failure, SWG_CHECK_TEXT_BYTES, "operation %d has no reference", (int)c->op);
    return false;
}
