/* The scalar set: the definition of every operation. */
#include "kernels/variants.h"

const swg_kernels swg_table__scalar = {
#define SWG_OP(name, exactness, result, arguments) .name = swg_##name##__scalar,
#include "kernels/ops.def"
#undef SWG_OP
};
