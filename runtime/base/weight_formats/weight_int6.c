/* int6: 6-bit integers, sixty-four levels per group, computed in the 8-bit panel: between 4 and 8 bits, for
 * the layers that hurt most under a budget of bytes. */
#include "runtime/base/weight_formats/weight_integers.h"

const swg_weight_format swg_weight_format_int6 = {
    SWG_INTEGER_FUNCTIONS(6),
    .usual = {.group = 64, .scale_type = SWG_F16},
};
