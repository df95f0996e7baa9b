/* codebook4: 4-bit codes that mean one of sixteen 8-bit integers, chosen for the matrix: as large
 * as int4 but for 16 bytes, with levels where the weights are. Products look the integers up and go
 * on as with 8-bit codes. */
#include "runtime/base/weight_formats/weight_integers.h"

const swg_weight_format swg_weight_format_codebook4 = {
    SWG_CODEBOOK_FUNCTIONS(4),
    .usual = {.group = 64, .scale_type = SWG_F16},
};
