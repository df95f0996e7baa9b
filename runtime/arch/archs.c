/* The table of architectures. */
#include "runtime/arch/arch.h"

#define SWG_ARCH(name) extern const swg_arch swg_arch_##name;
#include "runtime/arch/archs.def"
#undef SWG_ARCH

const swg_arch *const swg_archs[] = {
#define SWG_ARCH(name) &swg_arch_##name,
#include "runtime/arch/archs.def"
#undef SWG_ARCH
    NULL};
