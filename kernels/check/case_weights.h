/* What the checks of operations on packed weights share: schemes, planes, and reading packed
 * numbers as drawn in kernels.h. */
#ifndef SWG_KERNELS_CHECK_CASE_WEIGHTS_H
#define SWG_KERNELS_CHECK_CASE_WEIGHTS_H

#include "kernels/check/case_values.h"

/* A scheme that the case's operation takes; a usual one for timing. */
swg_scheme swg_check_any_scheme(swg_check_case *c, size_t index, bool for_timing);
/* The case's text: "n 17, k 33, int4_g32", then `more`. */
void swg_check_describe_weights(swg_check_case *c, const char *more);

/* Canonical planes of all rows. */
typedef struct swg_check_planes {
    uint8_t *codes, *zeros;
    void *scales, *row_scales;
} swg_check_planes;

/* Random canonical planes of all rows, in the case's arena, and a codebook in the case's weights.
 * Any code bytes are valid; `full` sets every code to the largest. SWG_NO_MEMORY. */
swg_status swg_check_make_planes(swg_check_case *c, bool full, swg_check_planes *out);
/* Buffer 0: the packed weights of such planes, complete. SWG_NO_MEMORY. */
swg_status swg_check_add_weights(swg_check_case *c, bool full);

int swg_check_panel_code(const swg_packed *w, const uint8_t *panels, size_t row, size_t column);
/* The code, or the byte that it means in a codebook. */
int swg_check_panel_number(const swg_packed *w, const uint8_t *panels, size_t row, size_t column);
float swg_check_panel_row_scale(const swg_packed *w, const uint8_t *panels, size_t row);
/* A scale as it was packed, and times its row's. */
double swg_check_panel_own_scale(const swg_packed *w, const uint8_t *panels, size_t row,
                                 size_t group);
double swg_check_panel_scale(const swg_packed *w, const uint8_t *panels, size_t row, size_t group);
int swg_check_panel_zero(const swg_packed *w, const uint8_t *panels, size_t row, size_t group);

#endif
