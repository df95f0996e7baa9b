/* Tiles of AMX: eight registers of up to 16 rows of 64 bytes, whose shapes are set once for all of
 * them by a configuration (Intel Architecture Instruction Set Extensions Reference, chapter 3).
 * Shapes and contents belong to the thread. A kernel loads a configuration when it begins and
 * releases the tiles when it ends, so that nobody has to save them.
 *
 * C[m][n] += sum over k of A[m][k] B[k][n]: C has a 32-bit number for each m and n, a row of A has
 * 64 bytes of k, and row i of B has for every n the four bytes of columns 4 i to 4 i + 3. That is
 * how panels hold 16 rows of a weight (kernels.h), so n is a row of the weight and m a token. */
#ifndef SWG_KERNELS_AMX_TILES_H
#define SWG_KERNELS_AMX_TILES_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define AMX_TARGET                                                                                 \
    __attribute__((target("amx-tile,amx-int8,amx-bf16,avx512f,avx512bw,avx512dq,avx512vl,"         \
                          "avx512vnni,avx2,fma,f16c")))
#define AMX_INLINE static inline __attribute__((always_inline)) AMX_TARGET

enum { TILE_ROWS = 16, TILE_BYTES = 64, TILES = 8 };

/* The operand of ldtilecfg, palette 1. */
typedef struct tile_shapes {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16]; /* those beyond TILES are 0 */
    uint8_t rows[16];
} tile_shapes;

AMX_INLINE void tile_set_shape(tile_shapes *shapes, int tile, size_t rows, size_t row_bytes)
{
    shapes->palette = 1;
    shapes->rows[tile] = (uint8_t)rows;
    shapes->row_bytes[tile] = (uint16_t)row_bytes;
}

/* Begin with these shapes. GCC 12 takes ldtilecfg to read 8 bytes only and may leave out the stores
 * of the others, hence the asm. */
AMX_INLINE void tiles_begin(const tile_shapes *shapes)
{
    __asm__ volatile("" : : "r"(shapes) : "memory");
    _tile_loadconfig(shapes);
}

/* Begin with all tiles whole. */
AMX_INLINE void tiles_begin_whole(void)
{
    tile_shapes shapes = {0};
    for (int i = 0; i < TILES; i++)
        tile_set_shape(&shapes, i, TILE_ROWS, TILE_BYTES);
    tiles_begin(&shapes);
}

#endif
