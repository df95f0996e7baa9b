/* What swage quantize learns of the model before it quantizes: statistics of the calibration text
 * and sensitivities, from the cache or by running the model, the transforms fitted by them, and the
 * memory that all of it takes. See cmd_quantize_job.h. */
#include "quantize/cmd_quantize_job.h"

#include <string.h>

#include "quantize/memory_plan.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"

/* Whether full statistics serve codes, and not transforms and the estimates of a search alone. */
static bool codes_need_full_statistics(const swg_quantize_state *j)
{
    return !swg_quantize_is_sequential(j);
}

static bool needs_full_statistics(const swg_quantize_state *j)
{
    return j->a->calibration && (codes_need_full_statistics(j) || j->transforms_need_stats ||
                                 swg_quantize_has_target(j->a));
}

/* Statistics in the cache are of the file as it is. */
static swg_calibration_arguments calibration_of(const swg_quantize_state *j)
{
    swg_calibration_arguments from = swg_quantize_calibration(j->a);
    from.no_cache |= j->source != j->file;
    return from;
}

/* `from` must outlive the result. */
static swg_statistics_request statistics_request(const swg_quantize_state *j,
                                                 const swg_calibration_arguments *from)
{
    return (swg_statistics_request){.cli = j->cli,
                                    .arguments = from,
                                    .ids = codes_need_full_statistics(j) ? &j->calibration
                                                                         : &j->sampled,
                                    .source = j->source,
                                    .hashes = j->hashes,
                                    .pool = j->pool,
                                    .output = j->a->output};
}

/* Full statistics of the calibration text, if they are asked for or transforms need them. */
static swg_status open_statistics(swg_quantize_state *j)
{
    const swg_calibration_arguments from = calibration_of(j);
    const swg_statistics_request request = statistics_request(j, &from);
    return needs_full_statistics(j) ? swg_statistics_open(&request, &j->statistics) : SWG_OK;
}

static bool needs_sensitivity(const swg_quantize_state *j)
{
    bool is_needed = swg_quantize_has_target(j->a);
    for (size_t i = 0; i < j->plan.n_entries; i++)
        is_needed |= j->plan.entries[i].is_quantized &&
                     swg_quant_method_needs_sensitivity(j->plan.entries[i].method);
    return is_needed;
}

swg_status swg_quantize_plan_memory(const swg_quantize_state *j, uint64_t *peak)
{
    const bool is_sequential = swg_quantize_is_sequential(j);
    bool is_cached = false;
    if (!j->a->calibration) {
        *peak = swg_quantize_peak_bytes(&j->plan, swg_pool_threads(j->pool));
        return SWG_OK;
    }
    const swg_calibration_arguments from = calibration_of(j);
    const swg_statistics_request statistics = statistics_request(j, &from);
    SWG_TRY(swg_statistics_find(&statistics, &is_cached));
    const swg_memory_request request = {.source = j->source,
                                        .plan = &j->plan,
                                        .text = &j->calibration.text,
                                        .pool = j->pool,
                                        .collects = needs_full_statistics(j) && !is_cached,
                                        .is_sequential = is_sequential,
                                        .is_paired =
                                            strcmp(swg_quantize_statistics(j), "paired") == 0,
                                        .needs_sensitivity = needs_sensitivity(j),
                                        .verifies = swg_quantize_has_target(j->a)};
    swg_memory_plan plan;
    SWG_TRY(swg_memory_plan_make(&request, &plan));
    *peak = plan.peak;
    return SWG_OK;
}

/* Sensitivities, where a target or a method needs them. Those of a transformed checkpoint depend on
 * how the transforms were fitted, and are not kept. */
static swg_status open_sensitivity(swg_quantize_state *j)
{
    const double start = swg_clock_s();
    const swg_calibration_arguments from = calibration_of(j);
    swg_sensitivity_options how = swg_sensitivity_options_default();
    char *cache = NULL;
    swg_status status = SWG_OK;
    how.pool = j->pool;
    how.progress = j->cli->progress;
    how.hashes = j->hashes;
    if (!j->transforms)
        SWG_GO(swg_statistics_folder(&from, &cache));
    how.cache = cache;
    SWG_GO(swg_quantize_measure_sensitivity(j->transformed,
                                            swg_quantize_has_target(j->a) ? NULL : &j->plan,
                                            &j->calibration.text, &how, &j->sensitivity));
    if (j->sensitivity && swg_sensitivity_was_cached(j->sensitivity))
        swg_cli_say(j->cli, "sensitivities taken from %s", cache);
    else if (j->sensitivity)
        swg_cli_say(j->cli, "sensitivities measured in %.1f s", swg_clock_s() - start);
done:
    swg_free(cache);
    return status;
}

swg_status swg_quantize_open_statistics(swg_quantize_state *j)
{
    uint64_t peak;
    char bytes[32];
    SWG_TRY(swg_input_hashes_start(j->file, j->cli->n_threads, &j->hashes));
    if (j->a->calibration) {
        SWG_TRY(swg_quantize_plan_memory(j, &peak));
        swg_cli_say(j->cli, "about %s of memory will be needed at the peak",
                    swg_format_bytes(peak, bytes));
    }
    SWG_TRY(open_statistics(j));
    SWG_TRY(swg_quantize_fit_transforms(j));
    return j->a->calibration ? open_sensitivity(j) : SWG_OK;
}
