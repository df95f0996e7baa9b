/* The AMX set: the operations that gain from tiles, and their peak loop. */
#include "kernels/amx/split_amx.h"
#include "kernels/isa_table.h"
#include "kernels/x86/x86_features.h"

#define SWG_VARIANT(op) swg_##op##__amx
#include "kernels/variants.h"

enum { PEAK_PRODUCTS = 4, PARTS = 3 /* of a float, by a weight of one part (split.h) */ };

/* The function `name`: four products of whole tiles, on sums of their own, in every round. */
#define TILE_PEAK_LOOP(name, PRODUCT)                                                              \
    AMX_TARGET static int32_t name(int32_t rounds, int32_t seed)                                   \
    {                                                                                              \
        _Alignas(TILE_BYTES) int32_t numbers[PEAK_PRODUCTS][TILE_ROWS * SWG_PANEL_ROWS];           \
        for (size_t i = 0; i < TILE_ROWS * SWG_PANEL_ROWS; i++)                                    \
            numbers[0][i] = seed;                                                                  \
        tiles_begin_whole();                                                                       \
        _tile_loadd(4, numbers, TILE_BYTES);                                                       \
        _tile_loadd(5, numbers, TILE_BYTES);                                                       \
        _tile_loadd(6, numbers, TILE_BYTES);                                                       \
        _tile_loadd(7, numbers, TILE_BYTES);                                                       \
        _tile_zero(0);                                                                             \
        _tile_zero(1);                                                                             \
        _tile_zero(2);                                                                             \
        _tile_zero(3);                                                                             \
        for (int32_t i = 0; i < rounds; i++) {                                                     \
            PRODUCT(0, 4, 6);                                                                      \
            PRODUCT(1, 4, 7);                                                                      \
            PRODUCT(2, 5, 6);                                                                      \
            PRODUCT(3, 5, 7);                                                                      \
        }                                                                                          \
        _tile_stored(0, numbers[0], TILE_BYTES);                                                   \
        _tile_stored(1, numbers[1], TILE_BYTES);                                                   \
        _tile_stored(2, numbers[2], TILE_BYTES);                                                   \
        _tile_stored(3, numbers[3], TILE_BYTES);                                                   \
        _tile_release();                                                                           \
        return numbers[0][0] ^ numbers[1][0] ^ numbers[2][0] ^ numbers[3][0];                      \
    }

TILE_PEAK_LOOP(int8_peak, _tile_dpbssd)
TILE_PEAK_LOOP(split_peak, _tile_dpbf16ps)

const swg_isa_table swg_table__amx = {
    .is_available = swg_x86_has_amx,
    .kernels = {.matmul_w4 = SWG_VARIANT(matmul_w4),
                .matmul_w8 = SWG_VARIANT(matmul_w8),
                .matmul_c4 = SWG_VARIANT(matmul_c4)},
    .peaks[SWG_PEAK_INT8] = {int8_peak, PEAK_PRODUCTS *TILE_ROWS *SWG_PANEL_ROWS *TILE_BYTES * 2.0},
    .peaks[SWG_PEAK_SPLIT] = {split_peak,
                              PEAK_PRODUCTS *TILE_ROWS *SWG_PANEL_ROWS *TILE_BYTES * 1.0 / PARTS},
    .split = &swg_split__amx,
    .blas_core = swg_x86_blas_core,
};
