/* int3: 3-bit integers, eight levels a group: for methods that choose codes by the layer's inputs. */
#include "runtime/base/weight_formats/weight_integers.h"

const swg_weight_format swg_weight_format_int3 = {
    SWG_INTEGER_FUNCTIONS(3),
    .usual = {.group = 64, .scale_type = SWG_F16},
};
