/* How kernels read packed matrices (cuda_layout.h): single elements, scales and zero points. */
#ifndef SWG_KERNELS_CUDA_UNITS_H
#define SWG_KERNELS_CUDA_UNITS_H

#include "kernels/cuda/ops.h"

namespace SWG_BUILD
{
/* Scale number `number` (16 per row tile and group: row g's, row g + 8's, ...). */
SWG_DEVICE float scale_at(const swg_cuda_matrix &m, size_t number)
{
    const unsigned char *scales = static_cast<const unsigned char *>(m.data) + m.scales_at;
    if (m.scale_type == SWG_CUDA_SCALE_F16)
        return half_to_float(reinterpret_cast<const uint16_t *>(scales)[number]);
    return reinterpret_cast<const float *>(scales)[number];
}

SWG_DEVICE unsigned zero_at(const swg_cuda_matrix &m, size_t number)
{
    if (m.has_zeros)
        return (static_cast<const unsigned char *>(m.data) + m.zeros_at)[number];
    return m.type == SWG_CUDA_W8 ? 128 : 8;
}

/* The word, or for S4 the stored column, that holds an element; see cuda_pack.c. */
SWG_DEVICE unsigned w4_code_at(const swg_cuda_matrix &m, unsigned row, unsigned column)
{
    const unsigned r = row % 16, c = column % 16;
    const size_t unit = (size_t)(row / 16) * m.units + column / 64;
    const unsigned lane = r % 8 * 4 + c % 8 / 2, number = c / 8 * 4 + r / 8 * 2 + c % 2;
    const unsigned char *at = static_cast<const unsigned char *>(m.data) + unit * m.unit_bytes;
    const uint32_t word = reinterpret_cast<const uint32_t *>(at)[lane * 4 + column % 64 / 16];
    return word >> 4 * (number / 2 + number % 2 * 4) & 15;
}

SWG_DEVICE unsigned w8_code_at(const swg_cuda_matrix &m, unsigned row, unsigned column)
{
    const unsigned r = row % 16, c = column % 16, fragment = column % 64 / 16;
    const size_t unit = (size_t)(row / 16) * m.units + column / 64;
    const unsigned lane = r % 8 * 4 + c % 8 / 2, number = c / 8 * 4 + r / 8 * 2 + c % 2;
    const unsigned char *at = static_cast<const unsigned char *>(m.data) + unit * m.unit_bytes;
    return at[fragment / 2 * 512 + lane * 16 + fragment % 2 * 8 + number / 2 % 2 * 4 +
              number % 2 * 2 + number / 4];
}

SWG_DEVICE float f16_at(const swg_cuda_matrix &m, unsigned row, unsigned column)
{
    const unsigned r = row % 16, c = column % 16;
    const size_t unit = (size_t)(row / 16) * m.units + column / 64;
    const unsigned lane = r % 8 * 4 + c % 8 / 2, number = c / 8 * 4 + r / 8 * 2 + c % 2;
    const unsigned char *at = static_cast<const unsigned char *>(m.data) + unit * m.unit_bytes;
    return half_to_float(
        reinterpret_cast<const uint16_t *>(at)[column % 64 / 16 * 256 + lane * 8 + number]);
}

/* Where of the four columns around it a stored element of S4 belongs (cuda_pack.c). */
SWG_DEVICE unsigned s4_place_at(const swg_cuda_matrix &m, unsigned row, unsigned stored)
{
    const size_t unit = (size_t)(row / 16) * m.units + stored / 64;
    const unsigned char *at = static_cast<const unsigned char *>(m.data) + unit * m.unit_bytes;
    const unsigned fragment = stored % 64 / 16;
    const unsigned lane = row % 8 * 4 + fragment % 2 * 2 + stored % 16 / 8;
    const unsigned word = lane * 2 + fragment / 2;
    return reinterpret_cast<const uint32_t *>(at + 512)[word] >>
               (row % 16 / 8 * 16 + stored % 8 * 2) &
           3;
}

/* Element (row, column) as a float. */
SWG_DEVICE float element_at(const swg_cuda_matrix &m, unsigned row, unsigned column)
{
    const unsigned group = m.group ? column / m.group : 0;
    const size_t number =
        ((size_t)(row / 16) * m.n_groups + group) * 16 + row % 8 * 2 + row % 16 / 8;
    const float scale = scale_at(m, number);
    if (m.type == SWG_CUDA_F16)
        return scale * f16_at(m, row, column);
    if (m.type == SWG_CUDA_F32) {
        swg_cuda_matrix rest = m;
        rest.data = static_cast<const unsigned char *>(m.data) + m.bytes / 2;
        return scale * f16_at(m, row, column) + scale_at(rest, number) * f16_at(rest, row, column);
    }
    const int zero = (int)zero_at(m, number);
    if (m.type == SWG_CUDA_W8)
        return scale * (float)((int)w8_code_at(m, row, column) - zero);
    if (m.type == SWG_CUDA_W4)
        return scale * (float)((int)w4_code_at(m, row, column) - zero);
    for (unsigned stored = column / 4 * 2; stored < column / 4 * 2 + 2; stored++)
        if (s4_place_at(m, row, stored) == column % 4)
            return scale * (float)((int)w4_code_at(m, row, stored) - zero);
    return 0;
}
} // namespace SWG_BUILD

#endif
