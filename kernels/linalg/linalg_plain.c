/* Linear algebra in plain C: the definition of each function of linalg.h, used where OpenBLAS is
 * absent. Loops run along rows, in memory order. */
#include <math.h>

#include "kernels/linalg/linalg_tables.h"

enum { LANES = 16 }; /* of a dot product's sums, so that the compiler can use vectors */

#define REAL    float
#define NAME(f) plain_s##f
#define ROOT    sqrtf
#include "kernels/linalg/linalg_plain_body.h"
#undef REAL
#undef NAME
#undef ROOT

#define REAL    double
#define NAME(f) plain_d##f
#define ROOT    sqrt
#include "kernels/linalg/linalg_plain_body.h"

const swg_linalg swg_linalg_plain = {
    .name = "plain C",
    .sgemm = plain_sgemm,
    .dgemm = plain_dgemm,
    .ssyrk = plain_ssyrk,
    .dsyrk = plain_dsyrk,
    .spotrf = plain_spotrf,
    .dpotrf = plain_dpotrf,
    .spotri = plain_spotri,
    .dpotri = plain_dpotri,
    .strtri = plain_strtri,
    .dtrtri = plain_dtrtri,
    .strsm = plain_strsm,
    .dtrsm = plain_dtrsm,
};
