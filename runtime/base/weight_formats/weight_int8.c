/* int8: 8-bit integers. Their steps are so small that the scale is what costs: BF16's range covers
 * every weight, and tables of embeddings, whose rows are looked up one by one, take groups of 128
 * or more. */
#include "runtime/base/weight_formats/weight_integers.h"

const swg_weight_format swg_weight_format_int8 = {
    SWG_INTEGER_FUNCTIONS(8),
    .usual = {.group = 32, .least_table_group = 128, .scale_type = SWG_BF16},
};
