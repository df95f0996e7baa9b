/* How matrices are packed for the CUDA kernels: one layout for decode and prefill. Plain C, so that
 * it is tested without a GPU.
 *
 *     swg_cuda_matrix m;
 *     swg_cuda_matrix_init(&m, SWG_CUDA_W4, n, k, 128, SWG_CUDA_SCALE_F16, false);
 *     void *packed = calloc(1, m.bytes);             any host memory, zeroed
 *     swg_cuda_pack_codes(&m, packed, 0, n, codes);  then scales, zeros; copy to the device and
 *     m.data = ...;                                  set m.data to where it is there
 *
 * A matrix [n, k] is cut into units of 16 rows and 64 columns; rows and columns are padded. The
 * units of 16 rows follow one another along k, then come the next 16 rows. A unit holds four
 * fragments of 16 x 16, the A operand of mma.m16n8k16, which lane l of a warp keeps as eight
 * elements a0..a7 (g = l / 4, t = l % 4):
 *
 *              columns  2t  2t+1      2t+8  2t+9
 *     row g             a0  a1        a4    a5
 *     row g + 8         a2  a3        a6    a7
 *
 * W4: 16 bytes per lane and unit, one little-endian word per fragment. From its lowest four bits
 * up: a0 a2 a4 a6 a1 a3 a5 a7, so that `word >> 4i & 0x000f000f` is the pair (a2i, a2i+1) in two
 * halves: register i of the operand. Even nibbles are row g, odd ones row g + 8: `word &
 * 0x0f0f0f0f` are four bytes of the A operand of an integer product.
 *
 *     unit: | lane 0: words of fragments 0 1 2 3 | lane 1: ... | ... lane 31 |        512 bytes
 *
 * W8: two words per fragment, the bytes a0 a4 a1 a5 and a2 a6 a3 a7, again a row each. The words of
 * fragments 0 and 1 of all lanes come first, so that a warp reads 512 consecutive bytes at a time:
 *
 *     unit: | lane 0: fragments 0 1 | ... lane 31 | lane 0: fragments 2 3 | ...     1,024 bytes
 *
 * F16: four words per fragment, the pairs (a0 a1) (a2 a3) (a4 a5) (a6 a7):
 *
 *     unit: | lane 0: fragment 0 | ... lane 31 | lane 0: fragment 1 | ...           2,048 bytes
 *
 * F32 is two F16 matrices, one after the other: the elements rounded to halves, and what rounding
 * took away, each under powers of two of its own (swg_cuda_plane): 22 bits in the bytes of a float.
 *
 * S4 is 2:4 sparse W4: of four consecutive columns two codes are stored. A unit spans 128 columns
 * and is a W4 unit of the 64 stored codes of each row, followed by the codes' places, as mma.sp
 * wants them: 256 bytes (cuda_pack.c).
 *
 * Scales, and zero points of asymmetric matrices, follow the units: for every 16 rows and group of
 * columns 8 pairs, of rows g and g + 8. Symmetric W4 has the zero point 8, W8 128:
 *
 *     w[r][c] = scale[r][c / group] * (code[r][c] - zero[r][c / group])
 *
 * Scales of padded rows are 0. Other schemes have no kernels of their own: codes of 2 and 3 bits
 * become W4, of 5 and 6 bits and of codebooks W8 (the numbers plus 128), all exactly; elements of
 * F16 and BF16 become F16 under a power of two per row, which for BF16 is exact unless a row spans
 * more than 2^38. */
#ifndef SWG_KERNELS_CUDA_CUDA_LAYOUT_H
#define SWG_KERNELS_CUDA_CUDA_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SWG_CUDA_UNIT_ROWS = 16,
    SWG_CUDA_UNIT_COLUMNS = 64,
    SWG_CUDA_FRAGMENT_COLUMNS = 16,
    SWG_CUDA_LANES = 32,
};

typedef enum swg_cuda_type {
    SWG_CUDA_W4,  /* codes 0..15 */
    SWG_CUDA_W8,  /* codes 0..255 */
    SWG_CUDA_F16, /* IEEE half elements, one scale per row */
    SWG_CUDA_F32, /* two F16 matrices, whose sum it is */
    SWG_CUDA_S4,  /* W4 of which two in four columns are stored */
    SWG_CUDA_TYPES
} swg_cuda_type;

typedef enum swg_cuda_scale { SWG_CUDA_SCALE_F16, SWG_CUDA_SCALE_F32 } swg_cuda_scale;

/* A packed matrix. All but `data` is set by swg_cuda_matrix_init. */
typedef struct swg_cuda_matrix {
    uint32_t type;       /* swg_cuda_type */
    uint32_t scale_type; /* swg_cuda_scale */
    uint32_t has_zeros;  /* zero points are stored */
    uint32_t n, k;
    uint32_t group;     /* columns that share a scale, a multiple of 16; 0 = the whole row */
    uint32_t n_groups;  /* in a row */
    uint32_t row_tiles; /* units below one another */
    uint32_t units;     /* units in a row */
    uint32_t unit_bytes;
    uint64_t scales_at, zeros_at; /* byte offsets in data */
    uint64_t bytes;               /* of data, a multiple of 16 */
    const void *data;             /* the packed bytes, in memory of the device */
} swg_cuda_matrix;

/* Describe a matrix. F16 and F32 have one group and no zero points, F32 has scales of float. False
 * when n or k is 0 or beyond 2^31, or the group is neither 0 nor a multiple of 16 (of 32 for S4).
 */
bool swg_cuda_matrix_init(swg_cuda_matrix *m, swg_cuda_type type, size_t n, size_t k, size_t group,
                          swg_cuda_scale scale, bool has_zeros);

/* Pack rows [row, row + n_rows) into `packed` (m->bytes, zeroed before the first call, aligned to
 * 16). `row` is a multiple of 16, and n_rows is one, too, unless it ends the matrix. Several
 * threads may pack disjoint rows.
 *     codes   W4, W8: [n_rows][k], one per byte
 *     f16     F16: [n_rows][k], IEEE halves
 *     sparse  S4: codes [n_rows][k] and is_stored [n_rows][k], with at most two stored in every
 *             four columns from a multiple of four on; false when there are more
 *     scales  [n_rows][n_groups] floats; rounded to half for SWG_CUDA_SCALE_F16
 *     zeros   [n_rows][n_groups] */
void swg_cuda_pack_codes(const swg_cuda_matrix *m, void *packed, size_t row, size_t n_rows,
                         const uint8_t *codes);
void swg_cuda_pack_f16(const swg_cuda_matrix *m, void *packed, size_t row, size_t n_rows,
                       const uint16_t *values);
bool swg_cuda_pack_sparse(const swg_cuda_matrix *m, void *packed, size_t row, size_t n_rows,
                          const uint8_t *codes, const bool *is_stored);
void swg_cuda_pack_scales(const swg_cuda_matrix *m, void *packed, size_t row, size_t n_rows,
                          const float *scales);
void swg_cuda_pack_zeros(const swg_cuda_matrix *m, void *packed, size_t row, size_t n_rows,
                         const uint8_t *zeros);

/* Rows of floats [n_rows][k] as F16 or F32 under a power of two per row: packs values and scales.
 * `values` are the caller's, and undefined afterwards. */
void swg_cuda_pack_floats(const swg_cuda_matrix *m, void *packed, size_t row, size_t n_rows,
                          float *values);

/* The F16 matrix of an F32 one: 0, the rounded elements, 1, the rest. Its data, if the matrix's is
 * set, is there too. Other matrices are their own plane 0. */
swg_cuda_matrix swg_cuda_plane(const swg_cuda_matrix *m, unsigned number);

/* Element (row, column) of a packed matrix in host memory: the layout read by the letter, for tests
 * and for single look-ups. Not for speed. */
float swg_cuda_packed_at(const swg_cuda_matrix *m, const void *packed, size_t row, size_t column);

/* Where column c of an activation row lies in the order that products read: within 64 columns,
 * lane t's elements of the four fragments follow one another (16 elements; c = 16 f + 8 h + 2 t + i
 * is at 16 t + 4 f + 2 h + i). */
static inline uint32_t swg_cuda_column_place(uint32_t c)
{
    const uint32_t f = c / 16 % 4, h = c / 8 % 2, t = c / 2 % 4, i = c % 2;
    return (c & ~63u) + 16 * t + 4 * f + 2 * h + i;
}

#ifdef __cplusplus
}
#endif

#endif
