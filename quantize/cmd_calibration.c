/* What commands with a calibration text have in common: see cmd_calibration.h. */
#include "quantize/cmd_calibration.h"

#include <string.h>

#include "kernels/linalg.h"
#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/base/notice.h"
#include "runtime/device.h"
#include "runtime/hparams.h"

swg_status swg_calibration_arguments_read(const swg_calibration_arguments *a, swg_source *source,
                                          size_t held_out, swg_calibration_ids *out)
{
    const swg_calibration_source from = {.path = a->text,
                                         .max_tokens = (size_t)a->tokens,
                                         .window = (size_t)a->window,
                                         .documents = a->documents,
                                         .held_out = held_out};
    const char *device;
    const swg_arch *arch;
    swg_hparams hparams;
    size_t length;
    if (!a->text)
        return SWG_OK;
    SWG_TRY(swg_device_choose(a->device, &device));
    const char *config = swg_source_config(source, &length);
    SWG_TRY(swg_hparams_read(config, length, &arch, &hparams));
    SWG_TRY(swg_calibration_ids_read(source, &from, (size_t)hparams.max_positions, out));
    out->text.device = device;
    return SWG_OK;
}

void swg_calibration_arguments_write(const swg_calibration_arguments *a,
                                     const swg_calibration_ids *ids, const char *statistics,
                                     swg_json_writer *json)
{
    swg_json_string(json, "text_sha256", ids->sha256);
    swg_json_uint(json, "windows", ids->text.n_windows);
    swg_json_uint(json, "window_tokens", ids->text.window);
    swg_json_bool(json, "documents", a->documents);
    if (statistics)
        swg_json_string(json, "statistics", statistics);
    swg_json_string(json, "linear_algebra", swg_linalg_name());
    if (swg_device_of(ids->text.device))
        swg_json_string(json, "device", swg_device_of(ids->text.device));
}

/* --- Statistics of the whole model ------------------------------------------------------------ */

swg_status swg_statistics_folder(const swg_calibration_arguments *a, char **out)
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

static void tell(const swg_statistics_request *r, const swg_model_stats *stats, double seconds)
{
    const char *path = swg_model_stats_path(stats);
    char bytes[32];
    swg_format_bytes(swg_model_stats_file_bytes(stats), bytes);
    if (swg_model_stats_were_cached(stats))
        swg_cli_say(r->cli, "statistics taken from %s", path);
    else if (path)
        swg_cli_say(r->cli, "statistics collected in %.1f s and kept in %s (%s)", seconds, path,
                    bytes);
    else
        swg_cli_say(r->cli, "statistics collected in %.1f s (%s, not kept)", seconds, bytes);
}

/* How they are collected; `cache` and `scratch` are folders, or NULL. */
static swg_model_stats_options options_of(const swg_statistics_request *r, const char *cache,
                                          const char *scratch)
{
    swg_model_stats_options how = swg_model_stats_options_default();
    how.pool = r->pool;
    how.progress = r->cli->progress;
    how.ids = r->ids->text.ids;
    how.n_windows = r->ids->text.n_windows;
    how.window = r->ids->text.window;
    how.device = r->ids->text.device;
    how.hashes = r->hashes;
    how.cache = cache;
    how.scratch = scratch;
    return how;
}

swg_status swg_statistics_open(const swg_statistics_request *r, swg_model_stats **out)
{
    const double start = swg_clock_s();
    char *cache = NULL, *scratch = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_statistics_folder(r->arguments, &cache));
    scratch = swg_path_dirname(r->output);
    SWG_GO(scratch ? SWG_OK : SWG_NO_MEMORY);
    const swg_model_stats_options how = options_of(r, cache, scratch);
    status = swg_model_stats_open(r->source, &how, out);
    if (status == SWG_IO && cache && strstr(swg_error_message(), cache))
        status = swg_error_context(status, "statistics could not be kept (--cache DIR keeps them "
                                           "elsewhere, --no-cache does not)");
    SWG_GO(status);
    tell(r, *out, swg_clock_s() - start);
done:
    swg_free(cache);
    swg_free(scratch);
    return status;
}

swg_status swg_statistics_find(const swg_statistics_request *r, bool *out)
{
    char *cache = NULL;
    swg_status status = SWG_OK;
    *out = false;
    SWG_GO(swg_statistics_folder(r->arguments, &cache));
    if (cache && r->hashes) {
        const swg_model_stats_options how = options_of(r, cache, NULL);
        SWG_GO(swg_model_stats_find(&how, out));
    }
done:
    swg_free(cache);
    return status;
}

/* --- History ---------------------------------------------------------------------------------- */

swg_status swg_command_history(swg_source *source, const char *command, const char *options,
                               const swg_recipe *recipe, swg_input_hashes *hashes, char **out)
{
    swg_json_writer json = {.compact = true};
    swg_status status = SWG_OK;
    if (recipe) {
        swg_recipe_write(recipe, &json, NULL);
        SWG_GO(swg_strbuf_status(&json.out));
    }
    const swg_step step = {.command = command,
                           .options = options && *options ? options : NULL,
                           .recipe = recipe ? swg_strbuf_text(&json.out) : NULL};
    status = swg_provenance_add(source, &step, hashes, out);
done:
    swg_json_deinit(&json);
    return status;
}
