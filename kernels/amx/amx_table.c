/* The AMX set: the operations that gain from tiles, and their peak loop. */
#include "kernels/amx/split_amx.h"
#include "kernels/isa_table.h"
#include "kernels/x86/x86_features.h"

#define SWG_VARIANT(op) swg_##op##__amx
#include "kernels/variants.h"

enum { PEAK_PRODUCTS = 4 };

/* Four products of whole tiles, on sums of their own. */
AMX_TARGET static int32_t int8_peak(int32_t rounds, int32_t seed)
{
    _Alignas(TILE_BYTES) int32_t numbers[TILE_ROWS * SWG_PANEL_ROWS];
    for (size_t i = 0; i < TILE_ROWS * SWG_PANEL_ROWS; i++)
        numbers[i] = seed;
    tiles_begin_whole();
    _tile_loadd(4, numbers, TILE_BYTES);
    _tile_loadd(5, numbers, TILE_BYTES);
    _tile_loadd(6, numbers, TILE_BYTES);
    _tile_loadd(7, numbers, TILE_BYTES);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int32_t i = 0; i < rounds; i++) {
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(1, 4, 7);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
    }
    int32_t result = 0;
    _tile_stored(0, numbers, TILE_BYTES);
    result ^= numbers[0];
    _tile_stored(1, numbers, TILE_BYTES);
    result ^= numbers[0];
    _tile_stored(2, numbers, TILE_BYTES);
    result ^= numbers[0];
    _tile_stored(3, numbers, TILE_BYTES);
    result ^= numbers[0];
    _tile_release();
    return result;
}

const swg_isa_table swg_table__amx = {
    .is_available = swg_x86_has_amx,
    .kernels = {.matmul_w4 = SWG_VARIANT(matmul_w4),
                .matmul_w8 = SWG_VARIANT(matmul_w8),
                .matmul_c4 = SWG_VARIANT(matmul_c4)},
    .peaks[SWG_PEAK_INT8] = {int8_peak, PEAK_PRODUCTS *TILE_ROWS *SWG_PANEL_ROWS *TILE_BYTES * 2.0},
    .split = &swg_split__amx,
    .blas_core = swg_x86_blas_core,
};
