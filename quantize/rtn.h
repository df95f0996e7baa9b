/* The engine of methods that round every weight to the nearest code of its group's grid; see rtn.c.
 */
#ifndef SWG_QUANTIZE_RTN_H
#define SWG_QUANTIZE_RTN_H

#include "quantize/quantize.h"

/* The grid of a group x [n], whose errors `importance` [n] weighs (NULL: all the same). Fails as
 * swg_grid_search does. */
typedef swg_status swg_find_grid(const swg_quantize_job *job, const swg_grid_space *space,
                                 const float *x, const float *importance, size_t n, swg_grid *out);

/* A method's whole work (methods.h). */
swg_status swg_rtn_run(const swg_quantize_job *job, swg_find_grid *find_grid,
                       void *const planes[SWG_PLANE_KINDS], swg_quant_stats *stats);

#endif
