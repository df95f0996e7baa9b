/* Which vector extensions of x86 run here. A feature counts only when the operating system also
 * saves its registers. Each call queries the processor (CPUID, XGETBV). */
#ifndef SWG_KERNELS_X86_X86_FEATURES_H
#define SWG_KERNELS_X86_X86_FEATURES_H

#include <stdbool.h>

#include "kernels/streams.h"

bool swg_x86_has_avx2(void);    /* and FMA, F16C */
bool swg_x86_has_avxvnni(void); /* and AVX2, FMA, F16C */
bool swg_x86_has_avx512(void);  /* F, BW, DQ, VL; and AVX2, FMA, F16C */
bool swg_x86_has_avx512vnni(void);
bool swg_x86_has_avx512vbmi2(void); /* and all of the above but AVX-VNNI */
/* Tiles with 8-bit integers and BF16, and avx512vbmi2. Linux gives the tile registers only to
 * programs that ask; this asks, for all threads of the process. */
bool swg_x86_has_amx(void);

/* The OPENBLAS_CORETYPE whose kernels use the best of these that runs here; NULL when none does. */
const char *swg_x86_blas_core(void);

/* How processors of this one's maker read memory fastest; left as it is where none was measured. */
void swg_x86_streams(swg_streams *streams);

#endif
