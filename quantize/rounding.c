/* Learned rounding (learned_rounding.h) in place of the column sweep, with all else as gptq does
 * it: coordinate descent after it, and plain rounding where that loses less. */
#include "quantize/gptq.h"
#include "quantize/methods.h"

enum { DEFAULT_STEPS = 200, DEFAULT_SWEEPS = 8 };
static const double default_rate = 1;

swg_status swg_quantize__rounding(const swg_quantize_job *job, void *const planes[SWG_PLANE_KINDS],
                                  swg_quant_stats *stats)
{
    const swg_learning_options learning = {
        .n_steps = (unsigned)swg_quantize_job_number(job, "steps", DEFAULT_STEPS),
        .rate = swg_quantize_job_number(job, "rate", default_rate)};
    const unsigned sweeps = (unsigned)swg_quantize_job_number(job, "sweeps", DEFAULT_SWEEPS);
    const swg_gptq_options options = {
        .damping = swg_quantize_job_number(job, "damping", SWG_DAMPING_DEFAULT),
        .refine = {.max_sweeps = sweeps, .tolerance = 1e-4},
        .learning = &learning};
    return swg_gptq_run(job, &options, planes, stats);
}
