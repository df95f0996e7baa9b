/* Prototypes of every variant, swg_<op>__<isa>, and the tables that list them. A prototype without
 * a function behind it is harmless: only what a table names is linked. */
#ifndef SWG_KERNELS_VARIANTS_H
#define SWG_KERNELS_VARIANTS_H

#include "kernels/kernels.h"

#define SWG_OP(name, exactness, result, arguments) result swg_##name##__scalar arguments;
#include "kernels/ops.def"
#undef SWG_OP
#define SWG_OP(name, exactness, result, arguments) result swg_##name##__avx2 arguments;
#include "kernels/ops.def"
#undef SWG_OP
#define SWG_OP(name, exactness, result, arguments) result swg_##name##__avxvnni arguments;
#include "kernels/ops.def"
#undef SWG_OP
#define SWG_OP(name, exactness, result, arguments) result swg_##name##__avx512 arguments;
#include "kernels/ops.def"
#undef SWG_OP

#define SWG_ISA(token, priority, needs) extern const swg_kernels swg_table__##token;
#include "kernels/isas.def"
#undef SWG_ISA

#endif
