/* Prototypes of variants of every operation: the scalar ones, on which others may fall back, and
 * those of the including file's instruction set, which has defined SWG_VARIANT(op) as
 * swg_##op##__<isa>. A prototype without a function is harmless: only the functions named in the
 * set's table are linked. */
#ifndef SWG_KERNELS_VARIANTS_H
#define SWG_KERNELS_VARIANTS_H

#include "kernels/kernels.h"

#define SWG_OP(name, result, arguments) result swg_##name##__scalar arguments;
#include "kernels/ops.def"
#undef SWG_OP

#ifdef SWG_VARIANT
#define SWG_OP(name, result, arguments) result SWG_VARIANT(name) arguments;
#include "kernels/ops.def"
#undef SWG_OP
#endif

#endif
