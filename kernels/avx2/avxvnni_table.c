/* The operations that gain from AVX-VNNI over AVX2. For the operations not listed the next lower
 * priority serves. */
#include "kernels/variants.h"

const swg_kernels swg_table__avxvnni = {
    .matmul_w4 = swg_matmul_w4__avxvnni,
    .matmul_w8 = swg_matmul_w8__avxvnni,
};
