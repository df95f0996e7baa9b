/* What swage quantize learns of the model before it quantizes: statistics of the calibration text
 * and sensitivities, from the cache or by running the model, the transforms fitted by them, and the
 * memory that all of it takes. See cmd_quantize_job.h. */
#include "quantize/cmd_quantize_job.h"

#include <string.h>

#include "quantize/memory_plan.h"
#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/base/notice.h"

/* The folder of the cache: the user's, or the usual one if it can be used; *out NULL = none. */
static swg_status choose_cache(const swg_quantize_arguments *a, char **out)
{
    char *folder = NULL;
    *out = NULL;
    if (a->no_cache)
        return SWG_OK;
    if (a->cache) {
        *out = swg_strdup(a->cache);
        return *out ? SWG_OK : SWG_NO_MEMORY;
    }
    SWG_TRY(swg_model_stats_default_cache(&folder));
    if (folder && swg_make_folders(folder) != SWG_OK) {
        swg_notice("statistics are not kept: %s", swg_error_message());
        SWG_FREE(folder);
    }
    *out = folder;
    return SWG_OK;
}

static void tell_statistics(const swg_quantize_state *j, double seconds)
{
    const char *path = swg_model_stats_path(j->statistics);
    char bytes[32];
    swg_format_bytes(swg_model_stats_file_bytes(j->statistics), bytes);
    if (swg_model_stats_were_cached(j->statistics))
        swg_cli_say(j->cli, "statistics taken from %s", path);
    else if (path)
        swg_cli_say(j->cli, "statistics collected in %.1f s and kept in %s (%s)", seconds, path,
                    bytes);
    else
        swg_cli_say(j->cli, "statistics collected in %.1f s (%s, not kept)", seconds, bytes);
}

static bool needs_full_statistics(const swg_quantize_state *j)
{
    return j->a->calibration && (!swg_quantize_is_sequential(j->a) || j->transforms_need_stats ||
                                 swg_quantize_has_target(j->a));
}

/* How statistics are collected; `cache` and `scratch` are folders, or NULL. */
static swg_model_stats_options statistics_options(const swg_quantize_state *j, const char *cache,
                                                  const char *scratch)
{
    swg_model_stats_options how = swg_model_stats_options_default();
    how.pool = j->pool;
    how.progress = j->cli->progress;
    how.ids = j->calibration.text.ids;
    how.n_windows = j->calibration.text.n_windows;
    how.window = j->calibration.text.window;
    how.hashes = j->hashes;
    how.cache = cache;
    how.scratch = scratch;
    return how;
}

/* Full statistics of the calibration text, if they are asked for or transforms need them. */
static swg_status open_statistics(swg_quantize_state *j)
{
    const double start = swg_clock_s();
    char *cache = NULL, *scratch = NULL;
    swg_status status = SWG_OK;
    if (!needs_full_statistics(j))
        return SWG_OK;
    SWG_GO(choose_cache(j->a, &cache));
    scratch = swg_path_dirname(j->a->output);
    SWG_GO(scratch ? SWG_OK : SWG_NO_MEMORY);
    const swg_model_stats_options how = statistics_options(j, cache, scratch);
    SWG_GO(swg_model_stats_open(j->source, &how, &j->statistics));
    tell_statistics(j, swg_clock_s() - start);
done:
    swg_free(cache);
    swg_free(scratch);
    return status;
}

swg_status swg_quantize_fit_transforms(swg_quantize_state *j)
{
    return j->transforms ? swg_transforms_fit(j->transforms, &j->plan, j->statistics, j->pool)
                         : SWG_OK;
}

/* Whether full statistics are in the cache. */
static swg_status find_cached(const swg_quantize_state *j, bool *out)
{
    char *cache = NULL;
    swg_status status = SWG_OK;
    *out = false;
    SWG_GO(choose_cache(j->a, &cache));
    if (cache && j->hashes) {
        const swg_model_stats_options how = statistics_options(j, cache, NULL);
        SWG_GO(swg_model_stats_find(&how, out));
    }
done:
    swg_free(cache);
    return status;
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
    const bool is_sequential = swg_quantize_is_sequential(j->a);
    bool is_cached = false;
    if (!j->a->calibration) {
        *peak = swg_quantize_peak_bytes(&j->plan, swg_pool_threads(j->pool));
        return SWG_OK;
    }
    SWG_TRY(find_cached(j, &is_cached));
    const swg_memory_request request = {.source = j->source,
                                        .plan = &j->plan,
                                        .text = &j->calibration.text,
                                        .pool = j->pool,
                                        .collects = needs_full_statistics(j) && !is_cached,
                                        .is_sequential = is_sequential,
                                        .is_paired =
                                            strcmp(swg_quantize_statistics(j->a), "paired") == 0,
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
    swg_sensitivity_options how = swg_sensitivity_options_default();
    char *cache = NULL;
    swg_status status = SWG_OK;
    how.pool = j->pool;
    how.progress = j->cli->progress;
    how.hashes = j->hashes;
    if (!j->transforms)
        SWG_GO(choose_cache(j->a, &cache));
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
    SWG_TRY(swg_input_hashes_start(j->source, j->cli->n_threads, &j->hashes));
    if (j->a->calibration) {
        SWG_TRY(swg_quantize_plan_memory(j, &peak));
        swg_cli_say(j->cli, "about %s of memory will be needed at the peak",
                    swg_format_bytes(peak, bytes));
    }
    SWG_TRY(open_statistics(j));
    SWG_TRY(swg_quantize_fit_transforms(j));
    return j->a->calibration ? open_sensitivity(j) : SWG_OK;
}
