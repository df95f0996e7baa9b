/* The steps of one point of a sweep: see cmd_sweep_steps.h. Each leaves a file of JSON in the
 * point's folder, which appears when the step succeeded, so that the next run goes on after it. */
#include "eval/cmd_sweep_steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "eval/child_process.h"
#include "eval/machine.h"
#include "eval/page_cache.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"

enum { MOST_WORDS = 512 };

/* --- Keys ------------------------------------------------------------------------------------- */

static void write_words(swg_json_writer *json, const char *key, const char *const *words, size_t n)
{
    swg_json_begin_array(json, key);
    for (size_t i = 0; i < n; i++)
        swg_json_string(json, NULL, words[i]);
    swg_json_end_array(json);
}

/* A new build of the same version may compute other things. */
static void write_program(swg_json_writer *json)
{
    swg_map program = {0};
    char hash[SWG_HASH128_TEXT] = "";
    if (swg_map_open("/proc/self/exe", &program) == SWG_OK)
        swg_hash128_text(program.data, program.size, hash);
    swg_map_close(&program);
    swg_json_string(json, "version", SWAGE_VERSION);
    swg_json_string(json, "program", hash);
}

static size_t threads_of(const swg_sweep_job *job, const swg_machine *machine)
{
    return job->cli->n_threads > 0 ? job->cli->n_threads : machine->n_cpus;
}

/* Speed, and in their last digits the other figures, are those of one machine. */
static void write_machine(const swg_sweep_job *job, swg_json_writer *json)
{
    swg_machine machine;
    swg_machine_describe("", &machine);
    swg_json_uint(json, "threads", threads_of(job, &machine));
    swg_json_string(json, "cpu", machine.cpu);
    swg_json_string(json, "isa", machine.isa ? machine.isa : "");
}

swg_status swg_sweep_key(const swg_sweep_job *job, const swg_sweep_point *point,
                         char out[SWG_HASH128_TEXT])
{
    swg_json_writer json = {.compact = true};
    swg_json_begin_object(&json, NULL);
    write_program(&json);
    swg_json_string(&json, "model", job->base->hash);
    swg_json_string(&json, "text", job->text_sha256);
    write_words(&json, "accuracy", job->accuracy_words, job->n_accuracy_words);
    if (job->with_speed)
        write_words(&json, "speed", job->speed_words, job->n_speed_words);
    write_machine(job, &json);
    if (point) {
        swg_json_string(&json, "command", point->command->name);
        write_words(&json, "words", point->words, point->n_words);
        if (point->recipe)
            swg_json_string(&json, "recipe", point->recipe);
        if (point->is_calibrated)
            swg_json_string(&json, "calibration", job->calibration_sha256);
    }
    swg_json_end_object(&json);
    const swg_status status = swg_strbuf_status(&json.out);
    if (status == SWG_OK)
        swg_hash128_text(json.out.text, json.out.length, out);
    swg_json_deinit(&json);
    return status;
}

/* --- A point at work -------------------------------------------------------------------------- */

typedef struct work {
    const swg_sweep_job *job;
    const swg_sweep_point *point; /* NULL: the model itself */
    size_t index;
    const char *id;
    char *folder;      /* of the point */
    const char *model; /* what is measured */
    swg_arena arena;
    const char *words[MOST_WORDS]; /* of the step at hand */
    size_t n_words;
    char label[96];
} work;

static char *path_in(work *w, const char *name)
{
    char *const joined = swg_path_join(w->folder, name);
    char *const kept = joined ? swg_arena_strndup(&w->arena, joined, strlen(joined)) : NULL;
    swg_free(joined);
    return kept;
}

static swg_status add_words(work *w, const char *const *words, size_t n)
{
    if (w->n_words + n > MOST_WORDS)
        return swg_error(SWG_LIMIT, "%s: more than %d words on a command line", w->id, MOST_WORDS);
    for (size_t i = 0; i < n; i++)
        w->words[w->n_words++] = words[i];
    return SWG_OK;
}

/* Command, model and the options that all commands have. */
static swg_status begin_words(work *w, const char *command, const char *model)
{
    const char *const first[] = {command, model, "--json", "--quiet", "--no-progress"};
    char number[32];
    w->n_words = 0;
    SWG_TRY(add_words(w, first, sizeof first / sizeof *first));
    if (w->job->cli->n_threads > 0) {
        snprintf(number, sizeof number, "%zu", w->job->cli->n_threads);
        const char *const threads[] = {"--threads",
                                       swg_arena_strndup(&w->arena, number, strlen(number))};
        SWG_TRY(threads[1] ? add_words(w, threads, 2) : SWG_NO_MEMORY);
    }
    if (swg_mem_limit() > 0) {
        snprintf(number, sizeof number, "%llu", (unsigned long long)swg_mem_limit());
        const char *const limit[] = {"--max-memory",
                                     swg_arena_strndup(&w->arena, number, strlen(number))};
        SWG_TRY(limit[1] ? add_words(w, limit, 2) : SWG_NO_MEMORY);
    }
    return SWG_OK;
}

/* Run the words, with the output NAME.json and the log NAME.log in the point's folder. */
static swg_status run_step(work *w, const char *name, int *exit_code)
{
    char file[64];
    snprintf(file, sizeof file, "%s.json", name);
    char *const output = path_in(w, file);
    snprintf(file, sizeof file, "%s.log", name);
    char *const log = path_in(w, file);
    if (!output || !log)
        return SWG_NO_MEMORY;
    snprintf(w->label, sizeof w->label, "%s: %.60s", name, w->id);
    const swg_child child = {.words = w->words,
                             .n_words = w->n_words,
                             .output = output,
                             .log = log,
                             .progress = w->job->cli->progress,
                             .label = w->label,
                             .done = w->index,
                             .total = w->job->n_points};
    return swg_child_run(&child, exit_code);
}

static bool is_done(work *w, const char *name)
{
    char file[64];
    snprintf(file, sizeof file, "%s.json", name);
    char *const path = path_in(w, file);
    return path && swg_path_exists(path);
}

static swg_status write_text(work *w, const char *name, const char *text)
{
    swg_file_writer *writer = NULL;
    char *const path = path_in(w, name);
    swg_status status = path ? SWG_OK : SWG_NO_MEMORY;
    SWG_GO(status);
    SWG_GO(swg_file_create(path, true, 0, &writer));
    SWG_GO(swg_file_append(writer, text, strlen(text)));
    status = swg_file_commit(&writer);
done:
    swg_file_abort(&writer);
    return status;
}

/* Words of the command that makes the model. */
static swg_status compress_words(work *w)
{
    const swg_sweep_point *const point = w->point;
    const char *const output[] = {"--output", w->model};
    SWG_TRY(begin_words(w, point->command->name, w->job->model));
    SWG_TRY(add_words(w, output, 2));
    SWG_TRY(add_words(w, point->words, point->n_words));
    if (point->recipe) {
        const char *const recipe[] = {"--recipe", path_in(w, "recipe.json")};
        SWG_TRY(recipe[1] ? write_text(w, "recipe.json", point->recipe) : SWG_NO_MEMORY);
        SWG_TRY(add_words(w, recipe, 2));
    }
    if (point->is_calibrated) {
        const char *const text[] = {"--calibration", w->job->calibration};
        SWG_TRY(add_words(w, text, 2));
    }
    return SWG_OK;
}

/* --- Steps ------------------------------------------------------------------------------------ */

static swg_status compress(work *w, int *exit_code)
{
    const char *const force[] = {"--force"};
    if (!w->point || (is_done(w, "compress") && swg_path_exists(w->model)))
        return SWG_OK;
    SWG_TRY(compress_words(w));
    SWG_TRY(add_words(w, force, 1));
    return run_step(w, "compress", exit_code);
}

/* Loading from storage: no more than one token is computed. */
static swg_status load_cold(work *w, int *exit_code)
{
    const char *const once[] = {"--prompt",  "1", "--generate", "0",
                                "--repeats", "1", "--no-limits"};
    bool is_cold = false;
    if (!w->job->with_speed || is_done(w, "load"))
        return SWG_OK;
    SWG_TRY(swg_page_cache_drop(w->model, &is_cold));
    if (!is_cold)
        return SWG_OK;
    SWG_TRY(begin_words(w, "bench", w->model));
    SWG_TRY(add_words(w, once, sizeof once / sizeof *once));
    return run_step(w, "load", exit_code);
}

/* The machine's limits are measured beside the model itself. */
static swg_status measure_speed(work *w, int *exit_code)
{
    const char *const no_limits[] = {"--no-limits"};
    if (!w->job->with_speed || is_done(w, "speed"))
        return SWG_OK;
    SWG_TRY(begin_words(w, "bench", w->model));
    SWG_TRY(add_words(w, w->job->speed_words, w->job->n_speed_words));
    if (w->point)
        SWG_TRY(add_words(w, no_limits, 1));
    return run_step(w, "speed", exit_code);
}

static swg_status measure_accuracy(work *w, int *exit_code)
{
    const char *const text[] = {"--text", w->job->text, "--ref", w->job->model};
    if (is_done(w, "accuracy"))
        return SWG_OK;
    SWG_TRY(begin_words(w, "eval", w->model));
    SWG_TRY(add_words(w, text, w->point ? 4 : 2));
    SWG_TRY(add_words(w, w->job->accuracy_words, w->job->n_accuracy_words));
    return run_step(w, "accuracy", exit_code);
}

static const struct step {
    const char *name;
    swg_status (*run)(work *w, int *exit_code);
} steps[] = {{"compress", compress},
             {"load", load_cold},
             {"speed", measure_speed},
             {"accuracy", measure_accuracy}};
enum { N_STEPS = sizeof steps / sizeof *steps };

/* What an earlier run left counts if it was for the same key. */
static swg_status begin_folder(work *w, const char *key)
{
    char *old = NULL;
    size_t length = 0;
    char *const path = path_in(w, "key");
    SWG_TRY(path ? swg_make_folders(w->folder) : SWG_NO_MEMORY);
    const bool is_same = swg_path_exists(path) &&
                         swg_file_read(path, SWG_HASH128_TEXT, &old, &length) == SWG_OK &&
                         strcmp(old, key) == 0;
    swg_free(old);
    if (is_same)
        return SWG_OK;
    for (size_t i = 0; i < N_STEPS; i++) {
        char file[64];
        snprintf(file, sizeof file, "%s.json", steps[i].name);
        char *const stale = path_in(w, file);
        if (!stale)
            return SWG_NO_MEMORY;
        unlink(stale);
    }
    return write_text(w, "key", key);
}

/* --- The record ------------------------------------------------------------------------------- */

static const char *const from_compress[] = {
    "elapsed_s", "compress_s", "peak_memory_bytes", "compress_peak_bytes", "command", NULL, "model",
    NULL,        NULL};
static const char *const from_load[] = {"load_s", "load_cold_s", NULL};
static const char *const from_speed[] = {
    "load_s", "load_warm_s", "activations", "speed_activations", "command", NULL, "model",
    NULL,     "parameters",  NULL,          "kv_cache",          NULL,      NULL};
static const char *const from_accuracy[] = {"elapsed_s", "eval_s", "command", NULL,
                                            "model",     NULL,     NULL};

/* Only its load time: everything else was measured on one token. */
static swg_status add_cold_load(work *w, swg_result *record)
{
    swg_result load = swg_result_default();
    if (!is_done(w, "load"))
        return SWG_OK;
    char *const path = path_in(w, "load.json");
    SWG_TRY(path ? swg_sweep_record_add(path, from_load, &w->arena, &load) : SWG_NO_MEMORY);
    record->load_cold_s = load.load_cold_s;
    return SWG_OK;
}

static swg_status add_step(work *w, const char *name, const char *const *renamed,
                           swg_result *record)
{
    char file[64];
    if (!is_done(w, name))
        return SWG_OK;
    snprintf(file, sizeof file, "%s.json", name);
    char *const path = path_in(w, file);
    return path ? swg_sweep_record_add(path, renamed, &w->arena, record) : SWG_NO_MEMORY;
}

/* The machine's, under the keys that swage bench has; texts that the system does not say are
 * absent. */
static swg_status describe_machine(work *w, swg_result *record)
{
    swg_machine machine;
    swg_machine_describe("", &machine);
    record->isa = machine.isa;
    record->threads = (int64_t)threads_of(w->job, &machine);
    record->machine_memory_bytes = (int64_t)machine.memory_bytes;
    if (!*machine.cpu)
        return SWG_OK;
    record->cpu = swg_arena_strndup(&w->arena, machine.cpu, strlen(machine.cpu));
    return record->cpu ? SWG_OK : SWG_NO_MEMORY;
}

static void describe(const work *w, const char *key, swg_result *record)
{
    const swg_sweep_job *const job = w->job;
    record->id = w->id;
    record->key = key;
    record->base_model = job->model;
    record->base_hash = job->base->hash;
    record->model = w->point ? (job->keep_models ? w->model : NULL) : job->model;
    record->series = w->point ? w->point->series : NULL;
    record->command = w->point ? w->point->command->name : NULL;
    if (w->point && w->point->is_calibrated) {
        record->calibration = job->calibration;
        record->calibration_sha256 = job->calibration_sha256;
    }
    record->parameters = (int64_t)job->base->parameters;
    record->tool_version = SWAGE_VERSION;
}

/* The measured model's hash and size. */
static swg_status identify(work *w, swg_result *record)
{
    swg_model_identity made = *w->job->base;
    if (w->point)
        SWG_TRY(swg_model_identify(w->model, w->job->cli->n_threads, &made));
    record->model_hash = swg_arena_strndup(&w->arena, made.hash, strlen(made.hash));
    record->file_bytes = (int64_t)made.file_bytes;
    if (record->parameters > 0)
        record->bits_per_weight = 8.0 * (double)made.file_bytes / (double)record->parameters;
    return record->model_hash ? SWG_OK : SWG_NO_MEMORY;
}

static swg_status make_record(work *w, const char *key, const char *reason, swg_result *record)
{
    SWG_TRY(add_step(w, "compress", from_compress, record));
    SWG_TRY(add_step(w, "speed", from_speed, record));
    SWG_TRY(add_step(w, "accuracy", from_accuracy, record));
    SWG_TRY(add_cold_load(w, record));
    describe(w, key, record);
    SWG_TRY(describe_machine(w, record));
    if (reason) {
        record->status = "failed";
        record->reason = reason;
        return SWG_OK;
    }
    return identify(w, record);
}

static swg_status append_record(work *w, const char *key, const char *reason)
{
    swg_result record = swg_result_default();
    char *const path = swg_path_join(w->job->folder, "results.jsonl");
    swg_status status = path ? SWG_OK : SWG_NO_MEMORY;
    SWG_GO(status);
    SWG_GO(make_record(w, key, reason, &record));
    status = swg_result_append(path, &record);
done:
    swg_free(path);
    return status;
}

/* --- Points ----------------------------------------------------------------------------------- */

static swg_status begin_work(work *w)
{
    w->id = w->point ? w->point->id : SWG_SWEEP_BASE_ID;
    char *const points = swg_path_join(w->job->folder, "points");
    w->folder = points ? swg_path_join(points, w->id) : NULL;
    swg_free(points);
    if (!w->folder)
        return SWG_NO_MEMORY;
    w->model = w->point ? path_in(w, "model.swg") : w->job->model;
    return w->model ? SWG_OK : SWG_NO_MEMORY;
}

static void end_work(work *w)
{
    swg_free(w->folder);
    swg_arena_deinit(&w->arena);
}

swg_status swg_sweep_point_check(const swg_sweep_job *job, const swg_sweep_point *point,
                                 size_t index)
{
    const char *const dry[] = {"--dry-run"};
    work w = {.job = job, .point = point, .index = index};
    int exit_code = 0;
    swg_status status = SWG_OK;
    SWG_GO(begin_work(&w));
    SWG_GO(swg_make_folders(w.folder));
    SWG_GO(compress_words(&w));
    SWG_GO(add_words(&w, dry, 1));
    status = run_step(&w, "plan", &exit_code);
    if (status == SWG_FAILED)
        status = exit_code == swg_status_exit_code(SWG_USAGE)
                     ? swg_error_context(SWG_USAGE, "%s", w.id)
                     : SWG_OK;
done:
    end_work(&w);
    return status;
}

/* A step's failure as a sentence that begins with the step; SWG_OK when it is the point's own. */
static swg_status take_failure(work *w, const char *step, swg_status status, const char **reason)
{
    char sentence[1200];
    if (status != SWG_FAILED)
        return status;
    snprintf(sentence, sizeof sentence, "%s: %s", step, swg_error_message());
    *reason = swg_arena_strndup(&w->arena, sentence, strlen(sentence));
    return *reason ? SWG_OK : SWG_NO_MEMORY;
}

swg_status swg_sweep_point_run(const swg_sweep_job *job, const swg_sweep_point *point, size_t index,
                               const char *key, bool *is_ok)
{
    work w = {.job = job, .point = point, .index = index};
    const char *reason = NULL;
    int exit_code = 0;
    swg_status status = SWG_OK;
    SWG_GO(begin_work(&w));
    SWG_GO(begin_folder(&w, key));
    for (size_t i = 0; i < N_STEPS && !reason; i++) {
        status = steps[i].run(&w, &exit_code);
        SWG_GO(take_failure(&w, steps[i].name, status, &reason));
    }
    SWG_GO(append_record(&w, key, reason));
    if (point && !job->keep_models)
        unlink(w.model);
    *is_ok = !reason;
done:
    end_work(&w);
    return status;
}
