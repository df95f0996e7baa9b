/* Products of plain weights and a few tokens, for every vector set: included by matvec_<isa>.c
 * after its simd16 primitives.
 *
 *     y[t][r] = sum over c of w[r][c] x[t][c],   64 lanes, folded in halves
 *
 * A row is read from beginning to end, so that memory is read in order, and its sums are four
 * vectors per token: enough to hide the latency of the additions. Every vector of weights that has
 * been widened serves the V16_MATVEC_TOKENS tokens whose sums fit into registers; for further
 * tokens the row is read again, from the first-level cache. Exactness: same bytes. */
#include "kernels/simd16/unroll.h"
#include "kernels/streams.h"
#include "kernels/variants.h"

/* Sums per token, and the columns that one step adds to them. */
enum { SUMS = 4, STEP_COLUMNS = 16 * SUMS, LINE = 64 };

/* How a row is read: it has been read before, or comes from memory and is prefetched into one cache
 * or two (kernels/streams.h). Beyond the last row the hint does nothing. */
typedef enum reading { AGAIN, AHEAD, FAR_AHEAD } reading;

/* The first n (up to 16) elements at w. The type is a compile-time constant in every caller. */
V16_INLINE v16 load_n(const uint8_t *w, const swg_dtype dtype, size_t n)
{
    if (dtype == SWG_F32)
        return v16_load_n((const float *)w, n);
    if (dtype == SWG_F16)
        return v16_from_f16_n((const uint16_t *)w, n);
    if (n >= 16)
        return v16_from_bf16(w);
    return v16_from_bits(v16i_shift_left(v16i_from_u16_n((const uint16_t *)w, n), 16));
}

/* The remaining columns of a row, fewer than STEP_COLUMNS, from column c on. Lanes beyond them keep
 * their sums, even negative zero. */
V16_INLINE void add_tail(const uint8_t *row, const swg_dtype dtype, const size_t bytes, size_t c,
                         size_t k, const float *x, size_t x_stride, const int n_tokens,
                         v16 sum[SUMS][V16_MATVEC_TOKENS])
{
    UNROLL for (int s = 0; s < SUMS; s++)
    {
        const size_t at = c + 16 * (size_t)s;
        if (at >= k)
            break;
        const size_t lanes = k - at < 16 ? k - at : 16;
        const v16 weight = load_n(row + at * bytes, dtype, lanes);
        UNROLL for (int t = 0; t < n_tokens; t++)
        {
            const v16 input = v16_load_n(x + (size_t)t * x_stride + at, lanes);
            sum[s][t] = v16_first_of(v16_fma(input, weight, sum[s][t]), sum[s][t], lanes);
        }
    }
}

/* Prefetch what follows the step at `at`. */
V16_INLINE void prefetch_step(const uint8_t *at, const size_t bytes, const reading how)
{
    UNROLL for (size_t i = 0; i < STEP_COLUMNS * bytes; i += LINE)
    {
        if (how >= AHEAD)
            __builtin_prefetch(at + i + swg_streams_chosen.ahead);
        if (how == FAR_AHEAD)
            __builtin_prefetch(at + i + swg_streams_chosen.far_ahead, 0, 2);
    }
}

/* y[t * y_stride] = the product of one row and token t < n_tokens; n_tokens and `how` are
 * constants. */
V16_INLINE void row_tokens(const uint8_t *row, const swg_dtype dtype, size_t k, const float *x,
                           size_t x_stride, const int n_tokens, const reading how, float *y,
                           size_t y_stride)
{
    const size_t bytes = dtype == SWG_F32 ? 4 : 2;
    v16 sum[SUMS][V16_MATVEC_TOKENS];
    UNROLL for (int s = 0; s < SUMS; s++) UNROLL for (int t = 0; t < n_tokens; t++) sum[s][t] =
        v16_set1(0);
    size_t c = 0;
    for (; c + STEP_COLUMNS <= k; c += STEP_COLUMNS) {
        prefetch_step(row + c * bytes, bytes, how);
        UNROLL for (int s = 0; s < SUMS; s++)
        {
            const size_t at = c + 16 * (size_t)s;
            const v16 weight = load_n(row + at * bytes, dtype, 16);
            UNROLL for (int t = 0; t < n_tokens; t++)
            {
                sum[s][t] = v16_fma(v16_load(x + (size_t)t * x_stride + at), weight, sum[s][t]);
                v16_keep(&sum[s][t]);
            }
        }
    }
    if (c < k)
        add_tail(row, dtype, bytes, c, k, x, x_stride, n_tokens, sum);
    UNROLL for (int t = 0; t < n_tokens; t++) y[(size_t)t * y_stride] =
        v16_fold(v16_add(v16_add(sum[0][t], sum[2][t]), v16_add(sum[1][t], sum[3][t])));
}

/* row_tokens() with a constant number of tokens, 1 to V16_MATVEC_TOKENS. */
V16_INLINE void row_of(const uint8_t *row, const swg_dtype dtype, size_t k, const float *x,
                       size_t x_stride, size_t n_tokens, const reading how, float *y,
                       size_t y_stride)
{
    if (n_tokens == 1)
        row_tokens(row, dtype, k, x, x_stride, 1, how, y, y_stride);
    else if (n_tokens == 2 && V16_MATVEC_TOKENS >= 2)
        row_tokens(row, dtype, k, x, x_stride, 2, how, y, y_stride);
    else if (n_tokens == 3 && V16_MATVEC_TOKENS >= 3)
        row_tokens(row, dtype, k, x, x_stride, 3, how, y, y_stride);
    else if (V16_MATVEC_TOKENS >= 4)
        row_tokens(row, dtype, k, x, x_stride, 4, how, y, y_stride);
}

/* Tokens are taken in parts of nearly equal size: 5 are 3 + 2, not 4 + 1. */
V16_INLINE void matvec(const void *w, const swg_dtype dtype, size_t n, size_t k, const float *x,
                       size_t m, size_t x_stride, float *y, size_t y_stride)
{
    const size_t row_bytes = k * (dtype == SWG_F32 ? 4 : 2);
    for (size_t r = 0; r < n; r++) {
        const uint8_t *row = (const uint8_t *)w + r * row_bytes;
        for (size_t t = 0, left = m; left > 0;) {
            const size_t parts = (left + V16_MATVEC_TOKENS - 1) / V16_MATVEC_TOKENS;
            const size_t n_tokens = (left + parts - 1) / parts;
            const float *inputs = x + t * x_stride;
            float *outputs = y + t * y_stride + r;
            if (t > 0)
                row_of(row, dtype, k, inputs, x_stride, n_tokens, AGAIN, outputs, y_stride);
            else if (swg_streams_chosen.far_ahead)
                row_of(row, dtype, k, inputs, x_stride, n_tokens, FAR_AHEAD, outputs, y_stride);
            else
                row_of(row, dtype, k, inputs, x_stride, n_tokens, AHEAD, outputs, y_stride);
            t += n_tokens;
            left -= n_tokens;
        }
    }
}

#define MATVEC(name, dtype)                                                                        \
    V16_TARGET void SWG_VARIANT(matvec_##name)(const void *w, size_t n, size_t k, const float *x,  \
                                               size_t m, size_t x_stride, float *y,                \
                                               size_t y_stride)                                    \
    {                                                                                              \
        matvec(w, dtype, n, k, x, m, x_stride, y, y_stride);                                       \
    }
MATVEC(f32, SWG_F32)
MATVEC(f16, SWG_F16)
MATVEC(bf16, SWG_BF16)
