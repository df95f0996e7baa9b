/* The capabilities that Linux passes to every program (getauxval). */
#include "kernels/neon/aarch64_features.h"

#include <asm/hwcap.h>
#include <sys/auxv.h>

bool swg_aarch64_has_neon(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_ASIMD) != 0;
}

bool swg_aarch64_has_dotprod(void)
{
    return swg_aarch64_has_neon() && (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
}
