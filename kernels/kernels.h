/* Kernels: the fast arithmetic, one function per operation and instruction set, chosen once
 * at start by what the processor can do.
 *
 *     const swg_kernels *kernels;
 *     SWG_TRY(swg_kernels_best(&kernels));          // honours SWAGE_ISA
 *     kernels->rmsnorm(x, weight, n, 1e-5f, y);
 *
 * Kernels do not allocate, do not fail and do not check: sizes and finiteness are the caller's
 * promise. All are safe from several threads on separate outputs.
 *
 * Exactness. Every operation in ops.def has one defined order of rounding steps, so all
 * instruction sets give the same bytes:
 *   - products of int8 activations and 4/8-bit weights are summed in int32, group by group, and the
 *     groups are added in order with one fused multiply-add each (see swg_act);
 *   - sums of floats (dot products, norms, softmax) use 16 lanes: lane l sums elements l, l+16,
 *     l+32, ... with fused multiply-adds where there is a product, then lanes are folded
 *     l += l+8, l += l+4, l += l+2, l += l+1; products with plain weights (matvec_f32 and others)
 *     use 64 lanes in the same way, folded from l += l+32 on;
 *   - exp is the polynomial of kernels/exp.h, with fused multiply-adds in a fixed order; in double
 *     precision that of kernels/exp_double.h. */
#ifndef SWG_KERNELS_KERNELS_H
#define SWG_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/status.h"
#include "runtime/base/tensor.h"

/* --- Quantized weights in memory ---------------------------------------------------------------
 *
 * One layout serves all CPU instruction sets: panels of 16 rows, so that a 32-bit lane belongs to
 * one row, and 4 columns per lane, which is the operand of VNNI dot products. A panel is
 *
 *   blocks  of 1, 2 or 4 groups, as many as fill whole lines of 64 bytes with their scales and
 *           zeros; the last block has the groups that are left
 *             codes   w4: for every 8 columns 64 bytes; byte 4*r+i = code[r][c+i] | code[r][c+4+i]
 * << 4 w8: for every 4 columns 64 bytes; byte 4*r+i = code[r][c+i]   (r < 16, i < 4) scales  for
 * every group 16 numbers of the scheme's type zeros   asymmetric only: for every group 16 bytes row
 * scales  where scales are 8-bit integers: 16 floats, by which these are multiplied
 *
 * each part starting on a 64-byte boundary. Scales are beside their codes because a product reads
 * memory fastest in order: as a plane of their own they cost a fifth of the rate at which one core
 * reads DRAM (docs/performance.md). Columns are padded with zero codes to a multiple of 8; rows of
 * the last panel beyond n have zero codes and zero scales. */
enum { SWG_PANEL_ROWS = 16, SWG_COLUMN_STEP = 8 };

/* How panels hold codes is a layout (layouts.def), which schemes of several widths share. c4 is w4
 * with codes that mean numbers of a codebook: they are looked up in swg_packed.codebook before they
 * are multiplied, and there each number n is the unsigned byte n + SWG_CODEBOOK_ZERO. */
enum { SWG_CODEBOOK_CODES = 16, SWG_CODEBOOK_ZERO = 128 };

typedef enum swg_layout {
#define SWG_LAYOUT(name, bits, number_bits, longest_group) SWG_LAYOUT_##name,
#include "kernels/layouts.def"
#undef SWG_LAYOUT
    SWG_LAYOUT_COUNT
} swg_layout;

/* The layout that holds a scheme's codes; SWG_LAYOUT_COUNT for schemes that do not fit any
 * panel. */
swg_layout swg_layout_of(swg_scheme scheme);

/* The longest group in columns for which the products' 32-bit sums cannot overflow. */
size_t swg_layout_longest_group(swg_layout layout);

typedef struct swg_packed {
    uint8_t *panels;     /* n_panels * panel_bytes, zeroed before packing; not owned */
    swg_scheme scheme;   /* one that has a layout */
    swg_layout layout;
    unsigned panel_bits;    /* of a code in the panel: the scheme's bits or more */
    int32_t symmetric_zero; /* the zero point of schemes that store none, in the units of what is
                               multiplied */
    size_t code_row_bytes;  /* of a canonical row of codes */
    size_t n, k;         /* rows (outputs), columns (inputs) */
    size_t k_padded;     /* k rounded up to SWG_COLUMN_STEP */
    size_t group;        /* columns per group; k for whole-row schemes */
    size_t n_groups;
    size_t n_panels;
    size_t scale_bytes;                   /* of one scale: 1, 2 or 4 */
    size_t column_bytes;                  /* of one column's codes in a panel */
    unsigned block_shift;                 /* a block has 1 << block_shift groups */
    size_t block_extra;                   /* bytes of a whole block's scales and zeros */
    size_t row_scales_offset;             /* within a panel */
    size_t panel_bytes;                   /* distance between panels, a multiple of 64 */
    uint8_t codebook[SWG_CODEBOOK_CODES]; /* c4: by code; zero until the owner sets it */
} swg_packed;

/* Fill all fields but `panels` for an n x k matrix; n, k >= 1, sizes already checked
 * (swg_tensor_desc_check), of a scheme that has a layout. The memory to provide is
 * swg_packed_bytes, aligned to 64. */
swg_packed swg_packed_layout(swg_scheme scheme, size_t n, size_t k);
size_t swg_packed_bytes(const swg_packed *w);

/* Where group g is in a panel. Column c of the group, a multiple of what 64 bytes hold, begins at
 * the first of these + c * column_bytes; the others are where its 16 scales and zeros begin. */
static inline size_t swg_packed_codes_at(const swg_packed *w, size_t g)
{
    return (g >> w->block_shift) * w->block_extra;
}

static inline size_t swg_packed_scales_at(const swg_packed *w, size_t g)
{
    const size_t next = ((g >> w->block_shift) + 1) << w->block_shift; /* block's first group */
    const size_t end = next < w->n_groups ? next * w->group : w->k_padded;
    const size_t in_block = g - ((g >> w->block_shift) << w->block_shift);
    return swg_packed_codes_at(w, g) + end * w->column_bytes +
           in_block * SWG_PANEL_ROWS * w->scale_bytes;
}

static inline size_t swg_packed_zeros_at(const swg_packed *w, size_t g)
{
    const size_t first = (g >> w->block_shift) << w->block_shift;
    const size_t left = w->n_groups - first, whole = (size_t)1 << w->block_shift;
    const size_t scales = (left < whole ? left : whole) * SWG_PANEL_ROWS * w->scale_bytes;
    return swg_packed_scales_at(w, first) + (scales + 63) / 64 * 64 + (g - first) * SWG_PANEL_ROWS;
}

/* The scale of row r < 16 of a panel; 1 for schemes without row scales. */
static inline float swg_packed_row_scale(const swg_packed *w, const uint8_t *panel, size_t r)
{
    return swg_scheme_has_row_scales(w->scheme) ? ((const float *)(panel + w->row_scales_offset))[r]
                                                : 1;
}

/* --- Sparse weights in memory ------------------------------------------------------------------
 *
 * Panels of which only some codes are stored. Few tokens are multiplied by them as they are
 * (matvec_sparse); for more, `expand` makes a dense panel, which the products take and which
 * never leaves the cache. A step is 4 columns of 16 rows, bit 4*r+i of it code[r][c+i]. A sparse
 * panel is, group by group, so that a product reads memory in one order,
 *
 *   scales  16 numbers of the scheme's type
 *   zeros   asymmetric only: 16 bytes
 *   spans   of so many columns, the group's last one of what is left
 *
 * with SWG_SPARSE_SLACK readable bytes after the last, and padded to 64 bytes. What a span is
 * depends on what can be left out:
 *
 *   masks   any code. 64 columns:
 *             length  2 bytes: of the span's codes. The next span is found without counting masks
 *             masks   for every step 64 bits: 1 = the code is stored
 *             codes   step by step, in the order of the bits, of 4 or 8 bits as in the dense panel
 *                     (two to a byte, the first in the low half); every step begins on a byte
 *   columns  a column of all 16 rows. The same, with masks of a byte for every 8 columns, bit i for
 *           column c+i
 *   pairs   two of the 4 codes that each row has in a step. 32 columns, the last ones padded:
 *             numbers  for every two rows 48 bits, of which 12 for every 8 columns, of which 6 for
 *                     each row, of which 3 for each step: which two (swg_pair_positions)
 *             codes   for every 8 columns 64: byte 4*r+2*j+i = the i-th code of row r in step j;
 *                     of 4 bits, 8 columns in the low halves and the next 8 in the high halves
 *
 * A code that is not stored is the row's zero point. */
typedef enum swg_sparse_kind {
    SWG_SPARSE_MASKS,
    SWG_SPARSE_COLUMNS,
    SWG_SPARSE_PAIRS
} swg_sparse_kind;

enum {
    SWG_STEP_COLUMNS = 4,
    SWG_MASKS_SPAN = 64,
    SWG_PAIRS_SPAN = 32,
    SWG_SPAN_LENGTH_BYTES = 2,
    SWG_PAIR_NUMBERS_BYTES = 48,
    SWG_SPARSE_SLACK = 64
};

/* The columns of a step that pair number 0 .. 5 stores; 6 and 7 are not used. */
extern const uint8_t swg_pair_positions[8][2];

/* So many tokens are multiplied by sparse panels as they are, and faster than by panels that are
 * expanded first (docs/performance.md). */
enum { SWG_SPARSE_TOKENS = 8 };

typedef struct swg_sparse_panels {
    swg_packed dense; /* the panels that are made; its `panels` is unused */
    swg_sparse_kind kind;
} swg_sparse_panels;

/* The same of an n x k matrix in a dense scheme of integer codes that has a layout and no row
 * scales. */
swg_sparse_panels swg_sparse_panels_layout(swg_scheme dense, size_t n, size_t k,
                                           swg_sparse_kind kind);

/* The most bytes that all panels of a matrix with n_stored codes take. */
size_t swg_sparse_panels_bytes(const swg_sparse_panels *s, size_t n_stored);

/* Pack n_rows (up to 16) rows into one panel at `out`: is_stored and codes [n_rows][k], rows of the
 * canonical planes of scales and (or NULL) zeros. What is stored is of the panel's kind; of pairs,
 * a row may have fewer than two in a step. Returns the panel's bytes, a multiple of 64. */
size_t swg_sparse_pack_panel(const swg_sparse_panels *s, size_t n_rows, const bool *is_stored,
                             const uint8_t *codes, const void *scales, const uint8_t *zeros,
                             uint8_t *out);

/* Rows [first, first + n) of a panel as floats [n][k]: (float)(code - zero) * scale, 0 where
 * nothing is stored. The whole panel is walked through, for one row as for all. */
void swg_sparse_rows_f32(const swg_sparse_panels *s, const uint8_t *panel, size_t first, size_t n,
                         float *out);

/* --- Activations quantized on the fly ----------------------------------------------------------
 *
 * Per token t and group g (the weight's groups):  scale = absmax / 127,  code = rint(x * (127 /
 * absmax)) (both 0 when absmax is below SWG_ACT_MIN, where 127 / absmax could overflow),  sum = sum
 * of the codes. Then
 *
 *   y[t][r] = fold over g in order:  acc = fma(w_scale[r][g], float(dot - zero[r][g] * sum[t][g])
 *                                              * x_scale[t][g], acc),       acc = 0 at the start
 *
 * with dot the int32 sum of weight code * activation code over the group (c4: of the number that
 * the weight code means). dot and zero * sum must fit 32 bits: a group has at most
 * swg_layout_longest_group columns. Only whole-row groups can be longer; the backend refuses them
 * when a checkpoint is loaded. */
#define SWG_ACT_MIN 0x1p-100f

typedef struct swg_act {
    size_t m;        /* tokens */
    size_t k;        /* columns */
    size_t group;    /* columns per group, as the weight's */
    size_t n_groups;
    size_t stride;   /* distance of token rows in `codes`: a multiple of 64, >= k rounded up to 8 */
    int8_t *codes;   /* [m][stride], zero from k to k rounded up to 8 */
    float *scales;   /* [m][n_groups] */
    int32_t *sums;   /* [m][n_groups] */
} swg_act;

/* --- Attention --------------------------------------------------------------------------------
 *
 * Queries that share one key/value head. For query i over keys j in [key_begin[i], key_end[i]):
 *
 *   s_j = dot(q_i, k_j) * scale;  p_j = exp(s_j - max s);
 *   out_i = (sum_j p_j v_j) * (1 / sum_j p_j)
 *
 * dot and the sum of p are in 16-lane order, the sum of p v is in the order of j with fused
 * multiply-adds. Every query has at least one key. Elements of k and v are stored in one of several
 * types (kv_types.def); floats and halves are widened to float, which is exact. 8-bit integers with
 * a scale for each key and value are multiplied in integers instead. Queries are rounded to codes
 * of 15 bits, c_i = rint(q_i * (SWG_QUERY_CODES / absmax)) (0 when absmax is below SWG_ACT_MIN):
 *
 *   s_j = float(dot(c, k_j)) * (absmax / SWG_QUERY_CODES * scale) * k_scale_j;  p_j as above
 *   w_j = p_j * v_scale_j;  b_j = rint(w_j * (SWG_WEIGHT_CODES / m)), m the largest w of the keys
 *         of the query in the same block of SWG_WEIGHT_KEYS keys (0 when m is below SWG_ACT_MIN)
 *   out_i = (fold over blocks in order:  acc = fma(float(sum_j b_j v_j), m / SWG_WEIGHT_CODES,
 * acc))
 *           * (1 / sum_j p_j)
 *
 * where key j belongs to block j / SWG_WEIGHT_KEYS, and heads have at most SWG_INT8_HEAD_DIM
 * elements, so that the sums fit 32 bits.
 *
 * Keys are numbered through the runs, in order: a contiguous cache is one run, a paged one has a
 * run per block. The result does not depend on how keys are cut into runs. */
enum {
    SWG_QUERY_CODES = 16383,
    SWG_WEIGHT_CODES = 32767,
    SWG_WEIGHT_KEYS = 64,
    SWG_INT8_HEAD_DIM = 1024
};

typedef enum swg_kv_type {
#define SWG_KV_TYPE(ID, name, bytes, has_scales, meaning) SWG_KV_##ID,
#include "kernels/kv_types.def"
#undef SWG_KV_TYPE
    SWG_KV_TYPE_COUNT
} swg_kv_type;

typedef struct swg_kv_run {
    const void *k, *v; /* key i of the run at element i * kv_stride of k, its value likewise of v */
    const float *k_scales, *v_scales; /* [n], where the type has scales */
    size_t n;                         /* keys, >= 1 */
} swg_kv_run;

typedef struct swg_attention {
    size_t n_queries, head_dim;
    const float *const *q;  /* [n_queries] pointers to head_dim floats */
    float *const *out;      /* [n_queries] pointers to head_dim floats; may equal q */
    const uint32_t *key_begin, *key_end; /* [n_queries] */
    const swg_kv_run *runs;              /* together they hold at least the largest key_end keys */
    size_t n_runs;
    swg_kv_type kv_type;
    size_t kv_stride; /* elements */
    float scale;
    float *scores;          /* scratch: at least 8 * scores_stride floats */
    size_t scores_stride;   /* >= largest key_end - key_begin, rounded up to 16 */
} swg_attention;

/* --- Operations -------------------------------------------------------------------------------
 *
 * pack_codes / pack_scales / pack_row_scales / pack_zeros   canonical plane rows [row_begin,
 *     row_begin + n_rows) (see tensor.h; the pointer is to row_begin's first byte, any alignment)
 *     into w->panels; row_begin is a multiple of 16, and n_rows too unless it ends at n. Different
 *     row ranges may be packed by different threads.
 * dequantize    rows [row_begin, row_begin + n_rows), any, to float [n_rows][k]:
 *     (float)(code - zero) * scale, with the code looked up first in c4.
 * expand        a sparse panel to a dense one, codes, scales and zeros.
 * matvec_sparse  y[t * y_stride + r] for the rows r < n_rows of a sparse panel and all t < x->m, at
 *     most SWG_SPARSE_TOKENS: what the matmul of the expanded panel gives.
 * quantize_act  one token: x [k] -> codes [k rounded up to 8], scales, sums [n_groups].
 * matmul_<layout>  y[t * y_stride + r] for all t < x->m and the rows r < n of the panels
 *     [panel_begin, panel_end).
 * matvec_f32, matvec_f16, matvec_bf16   y[t * y_stride + r] = dot(w_r, x_t) for the rows r < n of a
 *     plain matrix, n rows of k elements of that type one after the other, and t < m tokens, token
 *     t's k inputs at x + t * x_stride. For a few tokens: the weights are read from memory once,
 *     but widened again for every few tokens.
 * f16_to_f32, bf16_to_f32   exact conversions of n elements.
 * f32_to_f16    the nearest half, ties to even, of n elements that are not NaN.
 * add           x[i] += y[i].
 * rmsnorm       y[i] = x[i] * (1 / sqrt(sum(x^2) / n + eps)) * weight[i], products left to right.
 *               (Zhang and Sennrich 2019.) y may equal x.
 * softmax       in place over n >= 1 elements.
 * rope_half / rope_interleaved   rotate pairs (i, i + n_pairs) / (2i, 2i + 1) by the angle whose
 *     cosine and sine are given: a' = a cos - b sin = fma(a, cos, -(b * sin)),
 *     b' = fma(a, sin, b * cos). (Su et al. 2021.)
 * silu_mul      y[i] = gate[i] / (1 + exp(-gate[i])) * up[i]. y may equal gate.
 * attention     above.
 * layernorm     y[i] = (x[i] - mean) * (1 / sqrt(sum((x - mean)^2) / n + eps)) * weight[i]
 *                      + bias[i], the last two steps fused. (Ba et al. 2016.) y may equal x.
 * gelu          in place: x times the Gaussian distribution function of x, through erfc to 1.5e-7.
 *               (Hendrycks and Gimpel 2016, also gelu_tanh.)
 * gelu_tanh     in place: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
 * tanh          in place.
 * lstm_cell     one step of n units: x and s [4n] are the input's and the state's shares (with
 *               their biases) of the gates input, forget, new, output; c and h [n] are updated.
 * gru_cell      one step of n units: x and s [3n] likewise, as three gates: number z is the update
 *               gate, number r the reset gate (0 and 1, or 1 and 0), the last the new state, whose
 *               s is scaled by the reset gate; h [n] is updated.
 * log_sum_exp   out = log(sum of exp((double)x[i] - max x)) + max x over n >= 1 elements, in double
 *               precision; NaN where an element is NaN or infinite (minus infinity counts as 0
 *               unless all are). */
typedef struct swg_kernels {
#define SWG_OP(name, result, arguments) result(*name) arguments;
#include "kernels/ops.def"
#undef SWG_OP
} swg_kernels;

/* So many tokens are multiplied by plain weights as they are, and faster than by BLAS after all
 * weights have been widened (docs/performance.md). */
enum { SWG_PLAIN_TOKENS = 16 };

/* The matvec kernel of plain weights of that type, one of f32, f16 and bf16. */
typedef void swg_matvec(const void *w, size_t n, size_t k, const float *x, size_t m,
                        size_t x_stride, float *y, size_t y_stride);
swg_matvec *swg_kernels_matvec(const swg_kernels *kernels, swg_dtype dtype);

/* The matmul kernel of that layout. */
typedef void swg_matmul(const swg_packed *w, size_t panel_begin, size_t panel_end, const swg_act *x,
                        float *y, size_t y_stride);
swg_matmul *swg_kernels_matmul(const swg_kernels *kernels, swg_layout layout);

typedef enum swg_op_id {
#define SWG_OP(name, result, arguments) SWG_OP_##name,
#include "kernels/ops.def"
#undef SWG_OP
    SWG_OP_COUNT
} swg_op_id;

typedef enum swg_isa {
#define SWG_ISA(token, priority, needs) SWG_ISA_##token,
#include "kernels/isas.def"
#undef SWG_ISA
    SWG_ISA_COUNT
} swg_isa;

/* The chosen variant of every operation: best available, capped by the environment variable
 * SWAGE_ISA. SWG_USAGE, naming the valid tokens, when it is set to an unknown token;
 * SWG_UNSUPPORTED when it names a set that this processor lacks. The table lives as long as the
 * program. */
swg_status swg_kernels_best(const swg_kernels **out);

/* The same with an explicit cap instead of SWAGE_ISA. */
swg_status swg_kernels_capped(swg_isa cap, const swg_kernels **out);

/* One instruction set's own variants (NULL where it has none), and whether it runs here. */
const swg_kernels *swg_kernels_of(swg_isa isa);
int swg_isa_is_available(swg_isa isa);

const char *swg_isa_name(swg_isa isa);
const char *swg_isa_needs(swg_isa isa);
const char *swg_op_name(swg_op_id op);
/* Which instruction set's variant of `op` is in `kernels` (from swg_kernels_best or _capped). */
swg_isa swg_kernels_isa_of(const swg_kernels *kernels, swg_op_id op);

/* Whether few tokens are multiplied by sparse panels faster than by dense ones. A set has a variant
 * of matvec_sparse only where that is so; the definition is slower than any dense product. */
bool swg_kernels_keep_sparse(const swg_kernels *kernels);

#endif
