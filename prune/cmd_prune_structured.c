/* swage prune --structured: see cmd_prune_structured.h. */
#include "prune/cmd_prune_structured.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "prune/structured.h"
#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"

#define DAMPING 0.01

typedef struct job {
    const swg_cli *cli;
    const swg_structured_arguments *a;
    swg_structured_request request;
    swg_source *source;
    swg_structured *structured;
    swg_pool *pool;
    swg_calibration_ids calibration;
    swg_input_hashes *hashes;
    swg_model_stats *statistics;
    swg_sink_meta meta;
    char *provenance;
    uint64_t file_bytes, parameters_before, parameters_after;
    bool is_exact;
    double elapsed_s;
} job;

static uint64_t count_elems(const swg_tensor_desc *descs, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += swg_tensor_elems(&descs[i]);
    return sum;
}

static swg_status prepare(job *j)
{
    const swg_structured_arguments *a = j->a;
    swg_source_options source_options = swg_source_options_default();
    source_options.tokenizer = a->tokenizer;
    for (size_t i = 0; i < a->structures->count; i++)
        SWG_TRY(swg_structured_request_add(&j->request, a->structures->items[i]));
    if (!a->calibration.text)
        return swg_error(SWG_USAGE,
                         "--structured chooses by what flows through the model: it needs "
                         "a text, --calibration FILE");
    if ((a->calibration.cache || a->calibration.no_cache) &&
        j->request.ratio[SWG_STRUCTURE_HIDDEN] == 0)
        return swg_error(SWG_USAGE,
                         "--%s is about full statistics, which only --structured hidden uses",
                         a->calibration.cache ? "cache" : "no-cache");
    SWG_TRY(swg_source_open(a->input, &source_options, &j->source));
    SWG_TRY(swg_structured_open(j->source, &j->request, &j->structured));
    SWG_TRY(swg_pool_new(j->cli->n_threads, &j->pool));
    SWG_TRY(swg_calibration_arguments_read(&a->calibration, j->source, 0, &j->calibration));
    for (size_t i = 0; i < swg_source_n_tensors(j->source); i++)
        j->parameters_before += swg_tensor_elems(swg_source_tensor(j->source, i));
    return swg_sink_meta_from_source(j->source, &j->meta);
}

/* Hidden channels are chosen, and their readers refitted, by the whole model as it is. */
static swg_status open_statistics(job *j)
{
    const swg_statistics_request request = {.cli = j->cli,
                                            .arguments = &j->a->calibration,
                                            .ids = &j->calibration,
                                            .source = j->source,
                                            .hashes = j->hashes,
                                            .pool = j->pool,
                                            .output = j->a->output};
    return j->request.ratio[SWG_STRUCTURE_HIDDEN] > 0
               ? swg_statistics_open(&request, &j->statistics)
               : SWG_OK;
}

/* What the result depends on: the ratios, the text, and what was chosen. */
static void write_options(const job *j, swg_json_writer *json)
{
    swg_json_begin_object(json, NULL);
    swg_json_begin_object(json, "structured");
    for (int i = 0; i < SWG_STRUCTURE_COUNT; i++)
        if (j->request.ratio[i] > 0)
            swg_json_double(json, swg_structure_word((swg_structure)i), j->request.ratio[i]);
    swg_json_bool(json, "refit", j->a->refit);
    swg_json_end_object(json);
    swg_json_begin_object(json, "calibration");
    swg_calibration_arguments_write(&j->a->calibration, &j->calibration, NULL, json);
    swg_json_end_object(json);
    swg_json_end_object(json);
}

static swg_status add_history(job *j)
{
    swg_json_writer options = {.compact = true};
    write_options(j, &options);
    swg_status status = swg_strbuf_status(&options.out);
    if (status == SWG_OK)
        status = swg_command_history(j->source, "prune", options.out.text, NULL, j->hashes,
                                     &j->provenance);
    swg_json_deinit(&options);
    return status;
}

/* What the new checkpoint is, apart from its tensors. */
static swg_sink_meta new_meta(const job *j)
{
    swg_sink_meta meta = j->meta;
    meta.config = swg_structured_config_text(j->structured, &meta.config_length);
    meta.provenance = j->provenance ? j->provenance : meta.provenance;
    return meta;
}

static swg_status dry_run(job *j, const swg_sink_options *options)
{
    size_t n;
    const swg_tensor_desc *const descs = swg_structured_descs(j->structured, &n);
    SWG_TRY(add_history(j));
    const swg_sink_meta meta = new_meta(j);
    j->parameters_after = count_elems(descs, n);
    return swg_sink_plan_bytes(j->a->output, options, &meta, descs, n, &j->file_bytes,
                               &j->is_exact);
}

static swg_status write_output(job *j, const swg_sink_options *options)
{
    const double start = swg_clock_s();
    size_t n;
    swg_sink *sink = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_input_hashes_start(j->source, j->cli->n_threads, &j->hashes));
    SWG_GO(open_statistics(j));
    const swg_structured_means means = {.text = &j->calibration.text,
                                        .stats = j->statistics,
                                        .refit = j->a->refit,
                                        .damping = DAMPING,
                                        .pool = j->pool,
                                        .progress = j->cli->progress};
    SWG_GO(swg_structured_choose(j->structured, &means));
    const swg_tensor_desc *const descs = swg_structured_descs(j->structured, &n);
    const swg_sink_meta meta = new_meta(j);
    j->parameters_after = count_elems(descs, n);
    SWG_GO(swg_sink_open(j->a->output, options, &meta, descs, n, &sink));
    SWG_GO(swg_structured_write(j->structured, &means, sink));
    SWG_GO(add_history(j));
    SWG_GO(swg_sink_set_provenance(sink, j->provenance));
    SWG_GO(swg_sink_finish(&sink, &j->file_bytes));
    j->is_exact = true;
    j->elapsed_s = swg_clock_s() - start;
done:
    swg_sink_abort(&sink);
    return status;
}

/* --- What is printed -------------------------------------------------------------------------- */

static void put_error(swg_strbuf *out, double error)
{
    if (isnan(error))
        swg_strbuf_printf(out, "  %10s", "-");
    else
        swg_strbuf_printf(out, "  %10.4f", error);
}

static void put_layers(const job *j, swg_strbuf *out)
{
    const swg_structured_layer *const layers = swg_structured_layers(j->structured);
    const int64_t n = swg_structured_before(j->structured)->count[SWG_STRUCTURE_LAYERS];
    swg_strbuf_printf(out, "%5s  %10s  %10s  %10s\n", "layer", "turn", "heads", "ffn");
    for (int64_t i = 0; i < n; i++) {
        swg_strbuf_printf(out, "%5" PRId64, i);
        put_error(out, layers[i].turn);
        put_error(out, layers[i].heads_error);
        put_error(out, layers[i].ffn_error);
        swg_strbuf_puts(out, layers[i].is_kept ? "\n" : "  gone\n");
    }
    swg_strbuf_puts(out, "\n");
}

static swg_status print_text(const job *j)
{
    const swg_structured_shape *const before = swg_structured_before(j->structured);
    const swg_structured_shape *const after = swg_structured_after(j->structured);
    char bytes[32];
    swg_strbuf out = {0};
    if (!j->a->dry_run)
        put_layers(j, &out);
    for (int i = 0; i < SWG_STRUCTURE_COUNT; i++)
        swg_strbuf_printf(&out, "%-10s  %" PRId64 " -> %" PRId64 "\n",
                          swg_structure_word((swg_structure)i), before->count[i], after->count[i]);
    swg_strbuf_printf(&out, "parameters  %" PRIu64 " -> %" PRIu64 " (%.1f %%)\n",
                      j->parameters_before, j->parameters_after,
                      100 * (double)j->parameters_after / (double)j->parameters_before);
    swg_strbuf_printf(&out, "file        %s%" PRIu64 " bytes (%s)\n", j->is_exact ? "" : "at most ",
                      j->file_bytes, swg_format_bytes(j->file_bytes, bytes));
    if (!j->a->dry_run)
        swg_strbuf_printf(&out, "memory      %s at the peak\ntime        %.2f s\n",
                          swg_format_bytes(swg_peak_rss_bytes(), bytes), j->elapsed_s);
    swg_status status = swg_strbuf_status(&out);
    if (status == SWG_OK)
        status = swg_cli_print(swg_strbuf_text(&out), out.length);
    swg_strbuf_deinit(&out);
    return status;
}

static void write_error(swg_json_writer *json, const char *key, double error)
{
    if (!isnan(error))
        swg_json_double(json, key, error);
}

static void write_layers(const job *j, swg_json_writer *json)
{
    const swg_structured_layer *const layers = swg_structured_layers(j->structured);
    const int64_t n = swg_structured_before(j->structured)->count[SWG_STRUCTURE_LAYERS];
    swg_json_begin_array(json, "layers");
    for (int64_t i = 0; i < n; i++) {
        swg_json_begin_object(json, NULL);
        swg_json_bool(json, "kept", layers[i].is_kept);
        write_error(json, "turn", layers[i].turn);
        write_error(json, "heads_output_error", layers[i].heads_error);
        write_error(json, "ffn_output_error", layers[i].ffn_error);
        swg_json_end_object(json);
    }
    swg_json_end_array(json);
}

static swg_status print_json(const job *j)
{
    const swg_structured_shape *const before = swg_structured_before(j->structured);
    const swg_structured_shape *const after = swg_structured_after(j->structured);
    swg_json_writer json = {0};
    swg_cli_json_begin(j->cli, &json);
    swg_json_string(&json, "input", j->a->input);
    swg_json_string(&json, "output", j->a->output);
    swg_json_bool(&json, "dry_run", j->a->dry_run);
    swg_json_begin_object(&json, "structured");
    for (int i = 0; i < SWG_STRUCTURE_COUNT; i++) {
        swg_json_begin_object(&json, swg_structure_word((swg_structure)i));
        swg_json_int(&json, "before", before->count[i]);
        swg_json_int(&json, "after", after->count[i]);
        swg_json_end_object(&json);
    }
    swg_json_end_object(&json);
    if (!j->a->dry_run)
        write_layers(j, &json);
    swg_json_uint(&json, "parameters_before", j->parameters_before);
    swg_json_uint(&json, "parameters_after", j->parameters_after);
    swg_json_uint(&json, "file_bytes", j->file_bytes);
    swg_json_bool(&json, "file_bytes_is_exact", j->is_exact);
    if (!j->a->dry_run) {
        swg_json_uint(&json, "peak_memory_bytes", swg_peak_rss_bytes());
        swg_json_double(&json, "elapsed_s", j->elapsed_s);
    }
    return swg_cli_json_print(&json);
}

swg_status swg_prune_structured(const swg_cli *cli, const swg_structured_arguments *a)
{
    job j = {.cli = cli, .a = a};
    swg_sink_options options = swg_sink_options_default();
    swg_status status = SWG_OK;
    SWG_GO(prepare(&j));
    options.force = a->force;
    options.level = a->level;
    options.pool = j.pool;
    SWG_GO(a->dry_run ? dry_run(&j, &options) : write_output(&j, &options));
    SWG_GO(cli->json ? print_json(&j) : print_text(&j));
done:
    swg_structured_free(&j.structured);
    swg_model_stats_free(&j.statistics);
    swg_input_hashes_free(&j.hashes);
    swg_calibration_ids_deinit(&j.calibration);
    swg_sink_meta_deinit(&j.meta);
    swg_free(j.provenance);
    swg_pool_free(&j.pool);
    swg_source_close(&j.source);
    return status;
}
