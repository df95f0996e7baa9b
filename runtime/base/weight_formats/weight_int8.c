/* int8: 8-bit integers. Their steps are so small that the cost is in the scales: hence BF16, whose
 * range covers every weight, and groups of 128 or more for embeddings, whose rows are looked up one
 * by one. */
#include "runtime/base/weight_formats/weight_integers.h"

const swg_weight_format swg_weight_format_int8 = {
    SWG_INTEGER_FUNCTIONS(8),
    .usual = {.group = 32, .least_table_group = 128, .scale_type = SWG_BF16},
};
