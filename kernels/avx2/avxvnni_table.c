/* The operations that have a variant in this instruction set; for the others the next lower
 * priority serves. */
#include "kernels/variants.h"

const swg_kernels swg_table__avxvnni = {.pack_codes = NULL};
