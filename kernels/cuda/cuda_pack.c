/* Packs matrices for the CUDA kernels, and reads packed ones element by element (cuda_layout.h has
 * the picture). Every offset comes from the functions at the top, so that packing and reading
 * cannot disagree about anything but the picture itself. */
#include "kernels/cuda/cuda_layout.h"

#include <math.h>
#include <string.h>

#include "runtime/base/numeric.h"

static size_t round_up(size_t value, size_t step)
{
    return (value + step - 1) / step * step;
}

static size_t scale_bytes(const swg_cuda_matrix *m)
{
    return m->scale_type == SWG_CUDA_SCALE_F16 ? 2 : 4;
}

bool swg_cuda_matrix_init(swg_cuda_matrix *m, swg_cuda_type type, size_t n, size_t k, size_t group,
                          swg_cuda_scale scale, bool has_zeros)
{
    static const uint32_t unit_bytes[SWG_CUDA_TYPES] = {512, 1024, 2048, 2048, 512 + 256};
    const size_t columns = type == SWG_CUDA_S4 ? 2 * SWG_CUDA_UNIT_COLUMNS : SWG_CUDA_UNIT_COLUMNS;
    const size_t step = columns / 4;
    if (n == 0 || k == 0 || n >= 1u << 31 || k >= 1u << 31 || group % step != 0)
        return false;
    const bool is_plain = type == SWG_CUDA_F16 || type == SWG_CUDA_F32;
    group = is_plain || group >= k ? 0 : group;
    *m = (swg_cuda_matrix){
        .type = type,
        .scale_type = type == SWG_CUDA_F32 ? SWG_CUDA_SCALE_F32 : scale,
        .has_zeros = has_zeros && !is_plain,
        .n = (uint32_t)n,
        .k = (uint32_t)k,
        .group = (uint32_t)group,
        .n_groups = group ? (uint32_t)((k + group - 1) / group) : 1,
        .row_tiles = (uint32_t)((n + SWG_CUDA_UNIT_ROWS - 1) / SWG_CUDA_UNIT_ROWS),
        .units = (uint32_t)((k + columns - 1) / columns),
        .unit_bytes = unit_bytes[type],
    };
    const uint64_t pairs = (uint64_t)m->row_tiles * m->n_groups * SWG_CUDA_UNIT_ROWS;
    m->scales_at = (uint64_t)m->row_tiles * m->units * m->unit_bytes;
    m->zeros_at = round_up(m->scales_at + pairs * scale_bytes(m), 16);
    m->bytes = round_up(m->zeros_at + (m->has_zeros ? pairs : 0), 16);
    m->bytes *= type == SWG_CUDA_F32 ? 2 : 1;
    return true;
}

/* --- Where things are ------------------------------------------------------------------------- */

/* Place of an element in its fragment: lane and number 0..7 (cuda_layout.h). */
typedef struct place {
    size_t unit, fragment, lane, number;
} place;

static place place_of(const swg_cuda_matrix *m, size_t row, size_t column)
{
    const size_t r = row % 16, c = column % 16;
    return (place){
        .unit = row / 16 * m->units + column / SWG_CUDA_UNIT_COLUMNS,
        .fragment = column % SWG_CUDA_UNIT_COLUMNS / 16,
        .lane = r % 8 * 4 + c % 8 / 2,
        .number = c / 8 * 4 + r / 8 * 2 + c % 2,
    };
}

/* Byte of a W4 code from the start of the units; its nibble is (number >> 1 & 1), the odd one for
 * rows g + 8. */
static size_t w4_byte(const swg_cuda_matrix *m, place p)
{
    const size_t nibble = p.number / 2 + p.number % 2 * 4;
    return p.unit * m->unit_bytes + p.lane * 16 + p.fragment * 4 + nibble / 2;
}

static size_t w8_byte(const swg_cuda_matrix *m, place p)
{
    /* a0 a4 a1 a5 | a2 a6 a3 a7 */
    static const uint8_t byte_of[8] = {0, 2, 4, 6, 1, 3, 5, 7};
    return p.unit * m->unit_bytes + p.fragment / 2 * 512 + p.lane * 16 + p.fragment % 2 * 8 +
           byte_of[p.number];
}

static size_t f16_byte(const swg_cuda_matrix *m, place p)
{
    return p.unit * m->unit_bytes + p.fragment * 512 + p.lane * 16 + p.number * 2;
}

/* Number of the scale of a row and group, of rows g and g + 8 next to each other. */
static size_t scale_number(const swg_cuda_matrix *m, size_t row, size_t group)
{
    return (row / 16 * m->n_groups + group) * 16 + row % 8 * 2 + row % 16 / 8;
}

static size_t group_of(const swg_cuda_matrix *m, size_t column)
{
    return m->group ? column / m->group : 0;
}

/* --- Packing ---------------------------------------------------------------------------------- */

static void put_w4(const swg_cuda_matrix *m, uint8_t *units, size_t row, size_t column,
                   uint8_t code)
{
    const place p = place_of(m, row, column);
    uint8_t *byte = units + w4_byte(m, p);
    const unsigned shift = p.number / 2 % 2 * 4;
    *byte = (uint8_t)((*byte & ~(15u << shift)) | (code & 15u) << shift);
}

/* A row, two neighbouring columns at a time: they are in one lane, with numbers 2j and 2j + 1, and
 * so two bytes apart. */
static void pack_row_w4(const swg_cuda_matrix *m, uint8_t *units, size_t row, const uint8_t *codes)
{
    const unsigned shift = row % 16 / 8 * 4, keep = 0xf0u >> shift;
    for (size_t c = 0; c < m->k; c += 2) {
        uint8_t *word = units + w4_byte(m, place_of(m, row, c));
        for (size_t i = 0; i < 2 && c + i < m->k; i++)
            word[2 * i] = (uint8_t)((word[2 * i] & keep) | (codes[c + i] & 15u) << shift);
    }
}

static void pack_row_w8(const swg_cuda_matrix *m, uint8_t *units, size_t row, const uint8_t *codes)
{
    for (size_t c = 0; c < m->k; c += 2) {
        uint8_t *word = units + w8_byte(m, place_of(m, row, c));
        word[0] = codes[c];
        if (c + 1 < m->k)
            word[2] = codes[c + 1];
    }
}

void swg_cuda_pack_codes(const swg_cuda_matrix *m, void *packed, size_t row, size_t n_rows,
                         const uint8_t *codes)
{
    for (size_t r = 0; r < n_rows; r++)
        if (m->type == SWG_CUDA_W4)
            pack_row_w4(m, packed, row + r, codes + r * m->k);
        else
            pack_row_w8(m, packed, row + r, codes + r * m->k);
}

void swg_cuda_pack_f16(const swg_cuda_matrix *m, void *packed, size_t row, size_t n_rows,
                       const uint16_t *values)
{
    for (size_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < m->k; c += 2) {
            const size_t n = c + 1 < m->k ? 2 : 1; /* neighbours in the lane, too */
            memcpy((uint8_t *)packed + f16_byte(m, place_of(m, row + r, c)), values + r * m->k + c,
                   n * sizeof *values);
        }
}

void swg_cuda_pack_scales(const swg_cuda_matrix *m, void *packed, size_t row, size_t n_rows,
                          const float *scales)
{
    uint8_t *to = (uint8_t *)packed + m->scales_at;
    for (size_t r = 0; r < n_rows; r++)
        for (size_t g = 0; g < m->n_groups; g++) {
            const float scale = scales[r * m->n_groups + g];
            const uint16_t half = swg_f32_to_f16(scale);
            const size_t bytes = scale_bytes(m);
            memcpy(to + scale_number(m, row + r, g) * bytes,
                   m->scale_type == SWG_CUDA_SCALE_F16 ? (const void *)&half : &scale, bytes);
        }
}

void swg_cuda_pack_zeros(const swg_cuda_matrix *m, void *packed, size_t row, size_t n_rows,
                         const uint8_t *zeros)
{
    uint8_t *to = (uint8_t *)packed + m->zeros_at;
    for (size_t r = 0; r < n_rows; r++)
        for (size_t g = 0; g < m->n_groups; g++)
            to[scale_number(m, row + r, g)] = zeros[r * m->n_groups + g];
}

/* The row's largest magnitude goes to [2^13, 2^14), far from the end of a half's range, so that
 * values down to 2^-38 of it keep a bfloat16's eight bits. What rounding takes away stays in w. */
static void pack_float_row(const swg_cuda_matrix *m, uint8_t *packed, size_t row, float *w)
{
    float largest = 0;
    for (size_t c = 0; c < m->k; c++)
        largest = fmaxf(largest, fabsf(w[c]));
    int exponent = 0;
    frexpf(largest, &exponent);
    exponent = largest > 0 ? exponent - 14 : 0;
    exponent = exponent < -126 ? -126 : exponent; /* the scale stays a normal number */
    const float scale = ldexpf(1, exponent);
    for (size_t c = 0; c < m->k; c++) {
        const uint16_t half = swg_f32_to_f16(ldexpf(w[c], -exponent));
        memcpy(packed + f16_byte(m, place_of(m, row, c)), &half, sizeof half);
        w[c] = isfinite(w[c]) ? w[c] - scale * swg_f16_to_f32(half) : 0;
    }
    swg_cuda_pack_scales(m, packed, row, 1, &scale);
}

swg_cuda_matrix swg_cuda_plane(const swg_cuda_matrix *m, unsigned number)
{
    swg_cuda_matrix plane = *m;
    if (m->type != SWG_CUDA_F32)
        return plane;
    plane.type = SWG_CUDA_F16;
    plane.bytes = m->bytes / 2;
    plane.data = m->data ? (const uint8_t *)m->data + number * plane.bytes : NULL;
    return plane;
}

void swg_cuda_pack_floats(const swg_cuda_matrix *m, void *packed, size_t row, size_t n_rows,
                          float *values)
{
    const swg_cuda_matrix plane = swg_cuda_plane(m, 0);
    for (size_t r = 0; r < n_rows; r++)
        for (unsigned p = 0; p < (m->type == SWG_CUDA_F32 ? 2 : 1); p++)
            pack_float_row(&plane, (uint8_t *)packed + p * plane.bytes, row + r, values + r * m->k);
}

/* --- 2:4 -------------------------------------------------------------------------------------- */

/* Bit of the place of stored column `stored`, two bits each. mma.sp.m16n8k32 takes the places of a
 * fragment, 16 stored columns of 16 rows, from two lanes of every four: a word with row g in its
 * low half and row g + 8 in its high half, eight stored columns each, the first in the lowest bits.
 * Even fragments are served by lanes 4g and 4g + 1, odd ones by the other two, so that two words
 * per lane are enough for a unit:
 *
 *     | lane 0: of fragment 0, of fragment 2 | lane 1: likewise | lane 2: of 1, of 3 | ... */
static size_t places_bit(const swg_cuda_matrix *m, size_t row, size_t stored)
{
    const size_t unit = row / 16 * m->units + stored / SWG_CUDA_UNIT_COLUMNS;
    const size_t fragment = stored % SWG_CUDA_UNIT_COLUMNS / 16, within = stored % 16;
    const size_t lane = row % 8 * 4 + fragment % 2 * 2 + within / 8;
    const size_t word = lane * 2 + fragment / 2;
    return (unit * m->unit_bytes + 512 + word * 4) * 8 + row % 16 / 8 * 16 + within % 8 * 2;
}

static void put_place(const swg_cuda_matrix *m, uint8_t *units, size_t row, size_t stored,
                      unsigned column)
{
    const size_t bit = places_bit(m, row, stored);
    units[bit / 8] = (uint8_t)((units[bit / 8] & ~(3u << bit % 8)) | column << bit % 8);
}

/* The two columns of four that are stored, ascending. Where fewer are, columns with `zero` codes
 * fill up. False when more are. */
static bool choose_two(const bool is_stored[4], unsigned chosen[2])
{
    unsigned n = 0;
    for (unsigned i = 0; i < 4; i++)
        if (is_stored[i]) {
            if (n == 2)
                return false;
            chosen[n++] = i;
        }
    if (n == 0) {
        chosen[0] = 0;
        chosen[1] = 1;
    } else if (n == 1) {
        const unsigned only = chosen[0];
        chosen[0] = only == 3 ? 2 : only;
        chosen[1] = only == 3 ? 3 : only + 1;
    }
    return true;
}

/* The code of a column that is not stored means 0, and is the zero point: packing zeros comes
 * first for asymmetric matrices. */
static uint8_t zero_code(const swg_cuda_matrix *m, const uint8_t *packed, size_t row, size_t column)
{
    return m->has_zeros ? packed[m->zeros_at + scale_number(m, row, group_of(m, column))]
                        : (uint8_t)8;
}

bool swg_cuda_pack_sparse(const swg_cuda_matrix *m, void *packed, size_t row, size_t n_rows,
                          const uint8_t *codes, const bool *is_stored)
{
    uint8_t *units = packed;
    for (size_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < (size_t)m->units * 2 * SWG_CUDA_UNIT_COLUMNS; c += 4) {
            bool stored[4] = {false};
            unsigned chosen[2];
            for (size_t i = 0; i < 4 && c + i < m->k; i++)
                stored[i] = is_stored[r * m->k + c + i];
            if (!choose_two(stored, chosen))
                return false;
            for (size_t i = 0; i < 2; i++) {
                const size_t column = c + chosen[i];
                const uint8_t code = stored[chosen[i]] ? codes[r * m->k + column]
                                     : column < m->k   ? zero_code(m, packed, row + r, column)
                                                       : 8;
                put_w4(m, units, row + r, c / 2 + i, code);
                put_place(m, units, row + r, c / 2 + i, chosen[i]);
            }
        }
    return true;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static unsigned w4_code(const swg_cuda_matrix *m, const uint8_t *units, size_t row, size_t column)
{
    const place p = place_of(m, row, column);
    return units[w4_byte(m, p)] >> p.number / 2 % 2 * 4 & 15u;
}

/* The code of a 2:4 matrix; whether it is stored at all. */
static bool s4_code(const swg_cuda_matrix *m, const uint8_t *units, size_t row, size_t column,
                    unsigned *code)
{
    for (size_t i = 0; i < 2; i++) {
        const size_t stored = column / 4 * 2 + i, bit = places_bit(m, row, stored);
        if ((units[bit / 8] >> bit % 8 & 3u) == column % 4) {
            *code = w4_code(m, units, row, stored);
            return true;
        }
    }
    return false;
}

static float scale_at(const swg_cuda_matrix *m, const uint8_t *units, size_t number)
{
    const uint8_t *at = units + m->scales_at + number * scale_bytes(m);
    float scale;
    uint16_t half;
    if (m->scale_type == SWG_CUDA_SCALE_F32) {
        memcpy(&scale, at, sizeof scale);
        return scale;
    }
    memcpy(&half, at, sizeof half);
    return swg_f16_to_f32(half);
}

float swg_cuda_packed_at(const swg_cuda_matrix *m, const void *packed, size_t row, size_t column)
{
    const uint8_t *units = packed;
    const size_t number = scale_number(m, row, group_of(m, column));
    const float scale = scale_at(m, units, number);
    uint16_t half;
    const int zero = m->has_zeros ? units[m->zeros_at + number] : m->type == SWG_CUDA_W8 ? 128 : 8;
    unsigned code = 0;
    switch (m->type) {
    case SWG_CUDA_F16:
        memcpy(&half, units + f16_byte(m, place_of(m, row, column)), sizeof half);
        return scale * swg_f16_to_f32(half);
    case SWG_CUDA_F32: {
        const swg_cuda_matrix plane = swg_cuda_plane(m, 0);
        return swg_cuda_packed_at(&plane, units, row, column) +
               swg_cuda_packed_at(&plane, units + plane.bytes, row, column);
    }
    case SWG_CUDA_W8:
        code = units[w8_byte(m, place_of(m, row, column))];
        break;
    case SWG_CUDA_W4:
        code = w4_code(m, units, row, column);
        break;
    default:
        if (!s4_code(m, units, row, column, &code))
            return 0;
    }
    return scale * (float)((int)code - zero);
}
