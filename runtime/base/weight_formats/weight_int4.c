/* int4: 4-bit integers; the usual width of linear weights. */
#include "runtime/base/weight_formats/weight_integers.h"

const swg_weight_format swg_weight_format_int4 = {
    SWG_INTEGER_FUNCTIONS(4),
    .usual = {.group = 64, .scale_type = SWG_F16},
};
