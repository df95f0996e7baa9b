/* The AVX-512 set with VBMI and VBMI2: the operations that gain from it over AVX-512 with VNNI. */
#include "kernels/isa_table.h"
#include "kernels/x86/x86_features.h"

#define SWG_VARIANT(op) swg_##op##__avx512vbmi2
#include "kernels/variants.h"

const swg_isa_table swg_table__avx512vbmi2 = {
    .is_available = swg_x86_has_avx512vbmi2,
    .kernels = {.expand = SWG_VARIANT(expand), .matvec_sparse = SWG_VARIANT(matvec_sparse)},
    .blas_core = swg_x86_blas_core,
};
