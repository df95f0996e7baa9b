/* Statistics of a model: from the cache or by running it. See model_stats.h. */
#include "runtime/model_stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/notice.h"
#include "runtime/calibration.h"
#include "runtime/device.h"
#include "runtime/stats_file.h"
#include "runtime/stats_key.h"

struct swg_model_stats {
    swg_source *source;
    swg_model_stats_options options;
    char *key;  /* JSON: what the statistics are of */
    char *path; /* of the file */
    swg_stats_file file;
    bool was_cached;
    size_t current; /* the input in `values`; SIZE_MAX = none */
    swg_stats_values values;
    swg_layer_stats view;
};

swg_model_stats_options swg_model_stats_options_default(void)
{
    return (swg_model_stats_options){.size = sizeof(swg_model_stats_options)};
}

/* --- What they are of, and where they lie ------------------------------------------------------
 */

swg_status swg_model_stats_default_cache(char **out)
{
    const char *const cache = getenv("XDG_CACHE_HOME"), *const home = getenv("HOME");
    char *path = NULL;
    if (cache && *cache == '/') {
        path = swg_path_join(cache, "swage");
    } else if (home && *home) {
        path = swg_path_join(home, ".cache/swage");
    } else {
        *out = NULL;
        return SWG_OK;
    }
    *out = path;
    return path ? SWG_OK : SWG_NO_MEMORY;
}

/* Everything that the statistics depend on, and where they lie. */
static swg_status choose_path(swg_model_stats *s)
{
    const swg_model_stats_options *o = &s->options;
    const swg_stats_subject subject = {.hashes = o->hashes,
                                       .ids = o->ids,
                                       .n_windows = o->n_windows,
                                       .window = o->window,
                                       .device = swg_device_of(o->device)};
    char name[64];
    SWG_TRY(swg_stats_key(&subject, &s->key));
    if (o->cache)
        return swg_stats_key_path(s->key, o->cache, "statistics", &s->path);
    snprintf(name, sizeof name, ".swage-statistics.%ld", (long)getpid());
    s->path = swg_path_join(o->scratch ? o->scratch : ".", name);
    return s->path ? SWG_OK : SWG_NO_MEMORY;
}

/* --- Collecting ------------------------------------------------------------------------------- */

static swg_status write_inputs(const swg_calibration *calibration, size_t layer,
                               swg_stats_writer *writer)
{
    const swg_weight *const *weights;
    const swg_layer_stats *stats;
    size_t n;
    for (size_t i = 0; (stats = swg_calibration_input(calibration, i, &weights, &n)); i++) {
        const char **tensors;
        size_t n_tensors = 0;
        SWG_TRY(SWG_NEW(tensors, n));
        for (size_t w = 0; w < n; w++)
            if (weights[w]->tensor)
                tensors[n_tensors++] = weights[w]->tensor;
        const swg_status status = swg_stats_writer_add(writer, stats, layer, tensors, n_tensors);
        swg_free(tensors);
        SWG_TRY(status);
    }
    return SWG_OK;
}

/* All inputs of a layer: in one run, or in as many as the limit of memory makes necessary. */
static swg_status collect_layer(swg_calibration *calibration, size_t layer, bool is_last,
                                swg_stats_writer *writer)
{
    if (!is_last && swg_mem_limit() == 0) {
        SWG_TRY(swg_calibration_pass(calibration, layer));
        return write_inputs(calibration, layer, writer);
    }
    SWG_TRY(swg_calibration_observe(calibration, layer));
    SWG_TRY(write_inputs(calibration, layer, writer));
    while (swg_calibration_has_rest(calibration)) {
        SWG_TRY(swg_calibration_observe_rest(calibration, layer));
        SWG_TRY(write_inputs(calibration, layer, writer));
    }
    return is_last ? SWG_OK : swg_calibration_advance(calibration, layer);
}

static swg_status run_model(const swg_model_stats *s, swg_model *model, swg_stats_writer *writer)
{
    const swg_model_stats_options *o = &s->options;
    const size_t n_layers = (size_t)model->hparams.n_layers;
    swg_calibration_options options = swg_calibration_options_default();
    swg_calibration *calibration = NULL;
    swg_status status = SWG_OK;
    options.pool = o->pool;
    options.progress = o->progress;
    options.may_leave_rest = true;
    SWG_GO(swg_model_load_layer(model, n_layers));
    SWG_GO(swg_calibration_new(model, o->ids, o->n_windows, o->window, &options, &calibration));
    for (size_t layer = 0; layer < n_layers; layer++) {
        SWG_GO(swg_model_load_layer(model, layer));
        SWG_GO(collect_layer(calibration, layer, false, writer));
        swg_model_release_layer(model, layer);
    }
    SWG_GO(collect_layer(calibration, n_layers, true, writer));
done:
    swg_calibration_free(&calibration);
    return status;
}

static swg_status collect(const swg_model_stats *s)
{
    swg_model_options model_options = swg_model_options_default();
    swg_stats_writer *writer = NULL;
    swg_model *model = NULL;
    swg_status status = SWG_OK;
    model_options.pool = s->options.pool;
    model_options.backend = s->options.device;
    SWG_GO(swg_model_open(s->source, &model_options, &model));
    SWG_GO(swg_stats_writer_new(s->path, s->key, &writer));
    SWG_GO(run_model(s, model, writer));
    SWG_GO(swg_stats_writer_commit(&writer));
done:
    swg_stats_writer_abort(&writer);
    swg_model_free(&model);
    return status;
}

/* Collect into the file and open it. A temporary file loses its name at once: nothing can leave it
 * behind. */
static swg_status collect_and_open(swg_model_stats *s)
{
    s->was_cached = false;
    SWG_TRY(collect(s));
    const swg_status status = swg_stats_file_open(s->path, s->key, &s->file);
    if (!s->options.cache)
        (void)unlink(s->path);
    return status;
}

/* --- Life ------------------------------------------------------------------------------------- */

static swg_status begin(swg_model_stats *s)
{
    SWG_TRY(choose_path(s));
    if (!s->options.cache || !swg_path_exists(s->path))
        return collect_and_open(s);
    const swg_status status = swg_stats_file_open(s->path, s->key, &s->file);
    s->was_cached = status == SWG_OK;
    if (status != SWG_CORRUPT && status != SWG_UNSUPPORTED)
        return status;
    swg_notice("%s; the statistics were collected anew", swg_error_message());
    return collect_and_open(s);
}

swg_status swg_model_stats_find(const swg_model_stats_options *options, bool *is_cached)
{
    swg_model_stats s = {.options = *options};
    swg_status status = SWG_OK;
    bool found = false;
    SWG_GO(choose_path(&s));
    found = options->cache && swg_stats_file_open(s.path, s.key, &s.file) == SWG_OK;
    *is_cached = found;
done:
    swg_stats_file_close(&s.file);
    swg_free(s.path);
    swg_free(s.key);
    return status;
}

swg_status swg_model_stats_open(swg_source *source, const swg_model_stats_options *options,
                                swg_model_stats **out)
{
    swg_model_stats *s = NULL;
    SWG_TRY(swg_options_check("swg_model_stats_options", options->size, sizeof *options));
    if (options->n_windows == 0 || options->window == 0)
        return swg_error(SWG_USAGE, "there are no windows of text to collect statistics on");
    SWG_TRY(SWG_NEW(s, 1));
    s->source = source;
    s->options = *options;
    s->current = SIZE_MAX;
    const swg_status status = begin(s);
    if (status == SWG_OK) {
        *out = s;
        s = NULL;
    }
    swg_model_stats_free(&s);
    return status;
}

void swg_model_stats_free(swg_model_stats **stats)
{
    swg_model_stats *s = *stats;
    if (!s)
        return;
    swg_stats_values_deinit(&s->values);
    swg_stats_file_close(&s->file);
    swg_free(s->path);
    swg_free(s->key);
    SWG_FREE(*stats);
}

/* --- Use -------------------------------------------------------------------------------------- */

static size_t find_input(const swg_stats_file *file, const char *tensor)
{
    for (size_t i = 0; i < file->n_inputs; i++)
        for (size_t t = 0; t < file->inputs[i].n_tensors; t++)
            if (strcmp(file->inputs[i].tensors[t], tensor) == 0)
                return i;
    return SIZE_MAX;
}

/* Read an input. Where the cache turns out to be damaged, all statistics are collected anew. */
static swg_status load(swg_model_stats *s, size_t index)
{
    const swg_status status = swg_stats_file_read(&s->file, index, &s->values);
    if (status != SWG_CORRUPT || !s->was_cached)
        return status;
    swg_notice("%s; the statistics were collected anew", swg_error_message());
    swg_stats_file_close(&s->file);
    SWG_TRY(collect_and_open(s));
    return swg_stats_file_read(&s->file, index, &s->values);
}

swg_status swg_model_stats_get(swg_model_stats *s, const char *tensor, const swg_layer_stats **out)
{
    const size_t index = find_input(&s->file, tensor);
    if (index == SIZE_MAX) {
        *out = NULL;
        return SWG_OK;
    }
    if (index != s->current) {
        swg_stats_values_deinit(&s->values);
        s->current = SIZE_MAX;
        SWG_TRY(load(s, index));
        s->current = index;
    }
    const swg_stats_input *in = &s->file.inputs[index];
    s->view = (swg_layer_stats){.name = in->tensors[0],
                                .k = in->k,
                                .n_tokens = in->n_tokens,
                                .hessian = s->values.hessian,
                                .mean_abs = s->values.mean_abs,
                                .mean_square = s->values.mean_square};
    *out = &s->view;
    return SWG_OK;
}

bool swg_model_stats_were_cached(const swg_model_stats *s)
{
    return s->was_cached;
}

const char *swg_model_stats_path(const swg_model_stats *s)
{
    return s->options.cache ? s->path : NULL;
}

uint64_t swg_model_stats_file_bytes(const swg_model_stats *s)
{
    return s->file.map.size;
}
