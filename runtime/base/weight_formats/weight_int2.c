/* int2: 2-bit integers, four levels a group: for methods that choose codes by the layer's inputs,
 * and for short groups. */
#include "runtime/base/weight_formats/weight_integers.h"

const swg_weight_format swg_weight_format_int2 = {
    SWG_INTEGER_FUNCTIONS(2),
    .usual = {.group = 64, .scale_type = SWG_F16},
};
