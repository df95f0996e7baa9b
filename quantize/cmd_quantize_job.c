/* The work of swage quantize: see cmd_quantize_job.h. */
#include "quantize/cmd_quantize_job.h"

#include <string.h>

#include "formats/untied.h"
#include "quantize/calibrated.h"
#include "quantize/cmd_quantize_remarks.h"
#include "quantize/cmd_transforms.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/verdict.h"

/* Windows of the text that a search verifies its recipe on, and tokens that transforms are fitted on
 * where they alone need full statistics: they choose one number per input, which more tokens hardly
 * move. */
enum { HELD_OUT = 4, FITTING_TOKENS = 8192 };

static swg_status read_calibration(swg_quantize_state *j)
{
    const swg_calibration_arguments from = swg_quantize_calibration(j->a);
    SWG_TRY(swg_calibration_arguments_read(
        &from, j->file, swg_quantize_has_target(j->a) ? HELD_OUT : 0, &j->calibration));
    return j->a->calibration
               ? swg_calibration_ids_sample(&j->calibration, FITTING_TOKENS, &j->sampled)
               : SWG_OK;
}

static swg_status check_arguments(const swg_quantize_arguments *a, const char *input)
{
    if (swg_path_is_same(input, a->output))
        return swg_error(SWG_USAGE, "%s is both the input and the output", input);
    if (a->cache && a->no_cache)
        return swg_error(SWG_USAGE, "--cache and --no-cache exclude each other");
    if (!a->calibration && strcmp(a->device, "cpu") != 0)
        return swg_error(SWG_USAGE, "--device is of use only with --calibration");
    return a->dry_run ? SWG_OK : swg_sink_check_path(a->output, a->force);
}

static swg_status open_transforms(swg_quantize_state *j)
{
    const swg_transforms_request request = {.cli = j->cli,
                                            .source = j->source,
                                            .uses = j->uses,
                                            .has_text = j->a->calibration != NULL,
                                            .is_usual = swg_quantize_is_free(j->a) &&
                                                        j->a->transform.count == 0};
    SWG_TRY(swg_command_transforms_open(&request, j->recipe, &j->transforms_need_stats,
                                        &j->transforms));
    j->transformed = j->transforms ? swg_transforms_source(j->transforms) : j->source;
    return swg_quantize_source_descs(j->transformed, &j->changed);
}

static swg_status make_plan(swg_quantize_state *j)
{
    SWG_TRY(
        swg_plan_make(j->changed, swg_source_n_tensors(j->source), j->uses, j->recipe, &j->plan));
    SWG_TRY(swg_quantize_check_plan(&j->plan, j->a->calibration != NULL, false));
    if (j->a->calibration && swg_quantize_is_sequential(j))
        SWG_TRY(swg_quantize_order_by_layers(j->uses, &j->plan));
    return swg_quantize_output_descs(&j->plan, &j->outputs);
}

swg_status swg_quantize_plan_again(swg_quantize_state *j)
{
    swg_plan_deinit(&j->plan);
    SWG_FREE(j->outputs);
    return make_plan(j);
}

static swg_status look_at_source(swg_quantize_state *j)
{
    SWG_FREE(j->inputs);
    SWG_FREE(j->uses);
    SWG_TRY(swg_quantize_source_descs(j->source, &j->inputs));
    return swg_quantize_source_uses(j->source, j->inputs, &j->uses);
}

/* An output head that is the embedding becomes a tensor of its own. */
static swg_status untie_head(swg_quantize_state *j)
{
    size_t embedding = SIZE_MAX, length;
    const swg_arch *arch;
    swg_hparams hparams;
    char head[SWG_HEAD_NAME_BYTES], bytes[32];
    for (size_t i = 0; j->uses && i < swg_source_n_tensors(j->source); i++) {
        if (j->uses[i].role == SWG_ROLE_HEAD && j->uses[i].kind == SWG_USE_WEIGHT)
            return SWG_OK;
        if (j->uses[i].role == SWG_ROLE_EMBEDDING && j->uses[i].kind == SWG_USE_WEIGHT)
            embedding = i;
    }
    const char *config = swg_source_config(j->source, &length);
    if (embedding == SIZE_MAX)
        return SWG_OK;
    SWG_TRY(swg_hparams_read(config, length, &arch, &hparams));
    if (!hparams.tied_head || !swg_tensor_head_name(arch, head))
        return SWG_OK;
    swg_cli_say(j->cli, "the output head is the embedding; it becomes a tensor of its own, %s more",
                swg_format_bytes(swg_tensor_bytes(&j->inputs[embedding]), bytes));
    SWG_TRY(swg_source_untie(j->file, embedding, head, &j->source));
    return look_at_source(j);
}

swg_status swg_quantize_prepare(swg_quantize_state *j, const char *input)
{
    const swg_quantize_arguments *a = j->a;
    swg_source_options source_options = swg_source_options_default();
    source_options.tokenizer = a->tokenizer;
    SWG_TRY(swg_quantize_recipe_make(a, &j->recipe));
    SWG_TRY(check_arguments(a, input));
    SWG_TRY(swg_source_open(input, &source_options, &j->file));
    SWG_TRY(swg_verdict_admit(j->file, a->allow_unrunnable));
    j->source = j->file;
    SWG_TRY(look_at_source(j));
    if (swg_transforms_need_head(j->recipe->transforms, j->recipe->n_transforms))
        SWG_TRY(untie_head(j));
    if (!j->uses)
        swg_cli_note(j->cli, "the architecture of %s is not known; tensors are classified by name",
                     input);
    SWG_TRY(open_transforms(j));
    SWG_TRY(make_plan(j));
    SWG_TRY(read_calibration(j));
    SWG_TRY(swg_pool_new(j->cli->n_threads, &j->pool));
    SWG_TRY(swg_sink_meta_from_source(j->file, &j->meta));
    j->meta.config = swg_source_config(j->source, &j->meta.config_length);
    return SWG_OK;
}

/* What the history records of the calibration text: everything that the result depends on. */
static void write_options(const swg_quantize_state *j, const char *extra, swg_json_writer *json,
                          const char *key)
{
    const swg_calibration_arguments from = swg_quantize_calibration(j->a);
    if (!j->a->calibration)
        return;
    swg_json_begin_object(json, key);
    swg_json_begin_object(json, "calibration");
    swg_calibration_arguments_write(&from, &j->calibration, swg_quantize_statistics(j), json);
    swg_json_end_object(json);
    swg_quantize_remarks_write(j, json);
    if (extra)
        swg_json_raw(json, "search", extra, strlen(extra));
    swg_json_end_object(json);
}

swg_status swg_quantize_add_provenance(swg_quantize_state *j, const char *extra, bool has_hashes)
{
    swg_json_writer options = {.compact = true};
    write_options(j, extra, &options, NULL);
    swg_status status = swg_strbuf_status(&options.out);
    SWG_FREE(j->provenance);
    if (status == SWG_OK)
        status = swg_command_history(j->file, "quantize", options.out.text, j->recipe,
                                     has_hashes ? j->hashes : NULL, &j->provenance);
    swg_json_deinit(&options);
    return status;
}

static void warn_of_nonfinite(const swg_quantize_state *j)
{
    for (size_t i = 0; i < j->plan.n_entries && j->recipe->nonfinite == SWG_NONFINITE_WARN; i++)
        if (j->reports[i].n_nonfinite)
            swg_cli_say(j->cli, "tensor %s has %llu values that are not finite", j->inputs[i].name,
                        (unsigned long long)j->reports[i].n_nonfinite);
}

swg_status swg_quantize_fit_transforms(swg_quantize_state *j)
{
    return j->transforms ? swg_transforms_fit(j->transforms, &j->plan, j->statistics, j->pool)
                         : SWG_OK;
}

/* Hash this program's file, as "" where it cannot be read. Piece by piece: a debug build's file
 * would be the largest part of the process otherwise. */
static swg_status hash_program(char out[SWG_HASH128_TEXT])
{
    static const size_t piece_bytes = (size_t)1 << 20;
    swg_map program = {0};
    if (swg_map_open("/proc/self/exe", &program) != SWG_OK)
        return SWG_OK;
    swg_hash_stream *hash = swg_hash_stream_new();
    for (size_t at = 0; hash && at < program.size; at += piece_bytes) {
        const size_t left = program.size - at, n = left < piece_bytes ? left : piece_bytes;
        swg_hash_stream_add(hash, program.data + at, n);
        swg_map_release(&program, at, n);
    }
    swg_map_close(&program);
    if (!hash)
        return SWG_NO_MEMORY;
    swg_hash_stream_text(&hash, out);
    return SWG_OK;
}

/* Open the journal beside the output. Its key is all that matrices depend on besides their own
 * settings: this program, the inputs, the text, the arithmetic, and, where later layers see what
 * earlier ones became or scales depend on schemes, the whole recipe. */
static swg_status open_journal(swg_quantize_state *j)
{
    swg_json_writer key = {.compact = true};
    swg_strbuf path = {0};
    char hash[SWG_HASH128_TEXT] = "";
    swg_status status = SWG_OK;
    if (!j->a->calibration || j->journal)
        return SWG_OK;
    SWG_TRY(hash_program(hash));
    swg_json_begin_object(&key, NULL);
    swg_json_string(&key, "program", hash);
    SWG_GO(swg_input_hashes_write(j->hashes, &key));
    write_options(j, NULL, &key, "options");
    swg_json_uint(&key, "tokens_hash",
                  swg_hash64(j->calibration.text.ids, j->calibration.text.n_windows *
                                                          j->calibration.text.window *
                                                          sizeof *j->calibration.text.ids));
    if (swg_quantize_is_sequential(j) || j->transforms)
        swg_recipe_write(j->recipe, &key, "recipe");
    swg_json_end_object(&key);
    swg_strbuf_printf(&path, "%s.swage-resume", j->a->output);
    SWG_GO(swg_strbuf_status(&key.out));
    SWG_GO(swg_strbuf_status(&path));
    SWG_GO(swg_journal_open(path.text, key.out.text, &j->journal));
    if (swg_journal_n_found(j->journal))
        swg_cli_say(j->cli, "%zu matrices are taken from %s, which an interrupted run left",
                    swg_journal_n_found(j->journal), path.text);
done:
    swg_strbuf_deinit(&path);
    swg_json_deinit(&key);
    return status;
}

static swg_quantize_options options_of(const swg_quantize_state *j)
{
    swg_quantize_options how = swg_quantize_options_default();
    how.pool = j->pool;
    how.progress = j->cli->progress;
    how.keep_nonfinite = j->recipe->nonfinite != SWG_NONFINITE_ERROR;
    if (j->a->calibration && swg_quantize_is_sequential(j))
        how.calibration = &j->calibration.text;
    how.is_paired = strcmp(swg_quantize_statistics(j), "paired") == 0;
    how.statistics = swg_quantize_is_sequential(j) ? NULL : j->statistics;
    how.transforms = j->transforms;
    how.sensitivity = j->sensitivity;
    how.journal = j->journal;
    how.steering = j->steering;
    return how;
}

swg_status swg_quantize_write(swg_quantize_state *j, const char *path, const char *extra,
                              bool force, uint64_t *bytes)
{
    swg_sink_options sink_options = swg_sink_options_default();
    swg_sink *sink = NULL;
    swg_status status = SWG_OK;
    sink_options.force = force;
    sink_options.level = j->recipe->level;
    sink_options.pool = j->pool;
    SWG_FREE(j->reports);
    SWG_GO(SWG_NEW(j->reports, j->plan.n_entries));
    SWG_GO(open_journal(j));
    SWG_GO(swg_quantize_fit_transforms(j));
    const swg_quantize_options how = options_of(j);
    SWG_GO(swg_sink_open(path, &sink_options, &j->meta, j->outputs, j->plan.n_entries, &sink));
    SWG_GO(swg_quantize_checkpoint(j->transformed, &j->plan, &how, sink, j->reports));
    SWG_GO(swg_quantize_add_provenance(j, extra, true));
    SWG_GO(swg_sink_set_provenance(sink, j->provenance));
    SWG_GO(swg_sink_finish(&sink, bytes));
    warn_of_nonfinite(j);
    swg_quantize_remarks_say(j);
done:
    swg_sink_abort(&sink);
    return status;
}

void swg_quantize_state_deinit(swg_quantize_state *j)
{
    if (j->journal && swg_journal_n_records(j->journal))
        swg_cli_say(j->cli,
                    "%zu matrices are kept in %s.swage-resume: the same command goes on from "
                    "there",
                    swg_journal_n_records(j->journal), j->a->output);
    swg_journal_close(&j->journal);
    swg_sensitivity_free(&j->sensitivity);
    swg_model_stats_free(&j->statistics);
    swg_input_hashes_free(&j->hashes);
    swg_calibration_ids_deinit(&j->sampled);
    swg_calibration_ids_deinit(&j->calibration);
    swg_sink_meta_deinit(&j->meta);
    swg_free(j->reports);
    swg_free(j->provenance);
    swg_pool_free(&j->pool);
    swg_plan_deinit(&j->plan);
    swg_transforms_free(&j->transforms);
    swg_free(j->outputs);
    swg_free(j->changed);
    swg_free(j->uses);
    swg_free(j->inputs);
    if (j->source != j->file)
        swg_source_close(&j->source);
    swg_source_close(&j->file);
    swg_recipe_free(&j->recipe);
}
