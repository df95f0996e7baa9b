/* The second-order engine of methods gptq, entropy and rounding; see gptq.c. */
#ifndef SWG_QUANTIZE_GPTQ_H
#define SWG_QUANTIZE_GPTQ_H

#include "quantize/learned_rounding.h"
#include "quantize/quantize.h"
#include "quantize/refine_codes.h"
#include "quantize/second_order.h"

typedef struct swg_gptq_options {
    double damping; /* of the Hessian, relative to the mean of its diagonal */
    swg_refine_options refine;
    /* The step size of every row, `steps` [job->rows], positive, in place of grids found group by
     * group: for schemes of one group per row. NULL = grids are searched. */
    swg_status (*row_steps)(const swg_quantize_job *job, const swg_second_order *so, float *steps);
    const swg_learning_options *learning; /* also learn codes, and keep the better row by row; NULL
                                             = the column sweep alone */
} swg_gptq_options;

/* A method's whole work (methods.h). SWG_FAILED when the job has no second moments. */
swg_status swg_gptq_run(const swg_quantize_job *job, const swg_gptq_options *options,
                        void *const planes[SWG_PLANE_KINDS], swg_quant_stats *stats);

/* The symmetric grid of that step as the scheme can store it. The scale type's largest or least
 * positive number where the step is beyond. */
swg_grid swg_gptq_step_grid(swg_scheme scheme, float step);

/* A number that the job gives as a parameter, or `fallback`. */
double swg_quantize_job_number(const swg_quantize_job *job, const char *name, double fallback);

#endif
