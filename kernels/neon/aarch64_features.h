/* Which vector extensions of AArch64 run here, as the operating system reports them. */
#ifndef SWG_KERNELS_NEON_AARCH64_FEATURES_H
#define SWG_KERNELS_NEON_AARCH64_FEATURES_H

#include <stdbool.h>

bool swg_aarch64_has_neon(void);    /* part of every AArch64 processor that runs Linux */
bool swg_aarch64_has_dotprod(void); /* sdot and udot of signed and unsigned bytes */

#endif
