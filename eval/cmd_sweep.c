/* swage sweep: make a model by every recipe of a list or grid, measure each, and put the figures
 * side by side. The work of one point is in cmd_sweep_steps.c, the list in cmd_sweep_grid.c. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "eval/cmd_sweep_steps.h"
#include "eval/windows.h"
#include "runtime/activations.h"
#include "runtime/base/file.h"
#include "runtime/base/hash.h"
#include "runtime/kv_type.h"

typedef struct arguments {
    const char *text, *calibration, *recipe, *output;
    const char *protocol, *context, *stride, *max_tokens, *activations, *kv_cache;
    const char *prompt, *generate, *repeats;
    bool no_speed, keep_models, dry_run;
} arguments;

static const char protocol_words[] = ""
#define SWG_PROTOCOL(id, name, output, context, overlap, bos, text) "|" name
#include "eval/protocols.def"
#undef SWG_PROTOCOL
    ;

static const swg_option options[] = {
    {.kind = SWG_OPTION_IS_STRING,
     .name = "text",
     .metavar = "FILE",
     .help = "text that every model is scored on",
     .offset = offsetof(arguments, text),
     .is_required = true},
    SWG_OPTION_STRING(arguments, calibration, 'c', "calibration", "FILE",
                      "text given to every run as its --calibration, unless the run says "
                      "\"calibration\": false"),
    {.kind = SWG_OPTION_IS_STRING,
     .letter = 'r',
     .name = "recipe",
     .metavar = "FILE",
     .help = "JSON with the runs to compare (docs/sweep.md)",
     .offset = offsetof(arguments, recipe),
     .is_required = true},
    {.kind = SWG_OPTION_IS_STRING,
     .letter = 'o',
     .name = "output",
     .metavar = "DIR",
     .help = "folder for results.jsonl, results.csv and what the steps printed; a sweep that is "
             "there already goes on",
     .offset = offsetof(arguments, output),
     .is_required = true},
    SWG_OPTION_CHOICE(arguments, protocol, 0, "protocol", protocol_words + 1, NULL,
                      "as for swage eval, like the next five"),
    SWG_OPTION_STRING(arguments, context, 0, "context", "N", "tokens per window"),
    SWG_OPTION_STRING(arguments, stride, 0, "stride", "N",
                      "tokens between the beginnings of windows"),
    SWG_OPTION_STRING(arguments, max_tokens, 0, "max-tokens", "N",
                      "use only the first N tokens of the text"),
    SWG_OPTION_CHOICE(arguments, activations, 0, "activations", SWG_ACT_CHOICES, NULL,
                      swg_act_help),
    SWG_OPTION_CHOICE(arguments, kv_cache, 0, "kv-cache", SWG_KV_TYPE_CHOICES, NULL,
                      swg_kv_type_help),
    SWG_OPTION_STRING(arguments, prompt, 0, "prompt", "N",
                      "as for swage bench, like the next two: tokens of a prefill"),
    SWG_OPTION_STRING(arguments, generate, 0, "generate", "N", "tokens decoded one by one"),
    SWG_OPTION_STRING(arguments, repeats, 0, "repeats", "N", "runs of each, after a warm-up"),
    SWG_OPTION_FLAG(arguments, no_speed, 0, "no-speed",
                    "measure size and accuracy only: the machine is busy with other work"),
    SWG_OPTION_FLAG(arguments, keep_models, 0, "keep-models",
                    "keep every model as DIR/points/ID/model.swg"),
    SWG_OPTION_FLAG(arguments, dry_run, 'n', "dry-run", "check and list the points; make nothing"),
};

/* Words for swage eval and swage bench: an option and its value, where it is given. */
enum { MOST_PAIRS = 8 };
typedef struct pairs {
    const char *words[2 * MOST_PAIRS];
    size_t n;
} pairs;

static void add_pair(pairs *to, const char *option, const char *value)
{
    if (!value)
        return;
    to->words[to->n++] = option;
    to->words[to->n++] = value;
}

typedef struct sweep {
    const swg_cli *cli;
    const arguments *a;
    swg_sweep_plan plan;
    swg_model_identity base;
    char text_sha256[SWG_SHA256_TEXT], calibration_sha256[SWG_SHA256_TEXT];
    pairs accuracy, speed;
    swg_sweep_job job;
    char *results_path;
    swg_results results;            /* as they are in the file now */
    char (*keys)[SWG_HASH128_TEXT]; /* [n_points + 1]; the first is the model's own */
    size_t n_made, n_kept, n_failed;
    int lock; /* descriptor of DIR/lock; -1 = not open */
} sweep;

/* Point i of the sweep, and its id: the model itself comes first. */
static const swg_sweep_point *point_at(const sweep *s, size_t i)
{
    return i == 0 ? NULL : &s->plan.points[i - 1];
}

static const char *id_at(const sweep *s, size_t i)
{
    return i == 0 ? SWG_SWEEP_BASE_ID : s->plan.points[i - 1].id;
}

/* --- Preparation ------------------------------------------------------------------------------ */

static swg_status hash_text(const char *path, char out[SWG_SHA256_TEXT])
{
    swg_map file = {0};
    SWG_TRY(swg_map_open(path, &file));
    if (file.size == 0) {
        swg_map_close(&file);
        return swg_error(SWG_USAGE, "%s is empty", path);
    }
    swg_sha256_text(file.data, file.size, out);
    swg_map_close(&file);
    return SWG_OK;
}

static void make_job(sweep *s)
{
    const arguments *a = s->a;
    add_pair(&s->accuracy, "--protocol", a->protocol);
    add_pair(&s->accuracy, "--context", a->context);
    add_pair(&s->accuracy, "--stride", a->stride);
    add_pair(&s->accuracy, "--max-tokens", a->max_tokens);
    add_pair(&s->accuracy, "--activations", a->activations);
    add_pair(&s->accuracy, "--kv-cache", a->kv_cache);
    add_pair(&s->speed, "--prompt", a->prompt);
    add_pair(&s->speed, "--generate", a->generate);
    add_pair(&s->speed, "--repeats", a->repeats);
    s->job = (swg_sweep_job){.cli = s->cli,
                             .model = s->cli->positionals[0],
                             .base = &s->base,
                             .folder = a->output,
                             .text = a->text,
                             .text_sha256 = s->text_sha256,
                             .calibration = a->calibration,
                             .calibration_sha256 = s->calibration_sha256,
                             .accuracy_words = s->accuracy.words,
                             .n_accuracy_words = s->accuracy.n,
                             .speed_words = s->speed.words,
                             .n_speed_words = s->speed.n,
                             .with_speed = !a->no_speed,
                             .keep_models = a->keep_models,
                             .n_points = s->plan.n_points + 1};
}

static swg_status read_results(sweep *s)
{
    swg_results_deinit(&s->results);
    return swg_path_exists(s->results_path) ? swg_results_read(s->results_path, &s->results)
                                            : SWG_OK;
}

static swg_status prepare(sweep *s)
{
    const arguments *a = s->a;
    SWG_TRY(swg_sweep_plan_read(a->recipe, a->calibration != NULL, &s->plan));
    SWG_TRY(hash_text(a->text, s->text_sha256));
    if (a->calibration)
        SWG_TRY(hash_text(a->calibration, s->calibration_sha256));
    if (swg_path_exists(a->output) && !swg_path_is_directory(a->output))
        return swg_error(SWG_USAGE, "output %s exists and is not a folder", a->output);
    SWG_TRY(swg_model_identify(s->cli->positionals[0], s->cli->n_threads, &s->base));
    make_job(s);
    SWG_TRY(SWG_NEW(s->keys, s->job.n_points));
    for (size_t i = 0; i < s->job.n_points; i++)
        SWG_TRY(swg_sweep_key(&s->job, point_at(s, i), s->keys[i]));
    s->results_path = swg_path_join(a->output, "results.jsonl");
    SWG_TRY(s->results_path ? SWG_OK : SWG_NO_MEMORY);
    return read_results(s);
}

/* One sweep writes to a folder at a time. The lock is inherited by the steps, so that it is free
 * when the last process of a killed sweep is gone: a moment later, which is waited for. */
static swg_status lock_folder(sweep *s)
{
    enum { TRIES = 100 };
    const struct timespec pause = {.tv_nsec = 50000000};
    char *path = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_make_folders(s->a->output));
    path = swg_path_join(s->a->output, "lock");
    SWG_GO(path ? SWG_OK : SWG_NO_MEMORY);
    s->lock = open(path, O_RDWR | O_CREAT, 0666);
    if (s->lock < 0)
        SWG_GO(swg_error(SWG_IO, "cannot open %s: %s", path, strerror(errno)));
    for (int i = 0; flock(s->lock, LOCK_EX | LOCK_NB) != 0; i++) {
        SWG_GO(swg_progress_step(s->cli->progress, "waiting", "tries", (uint64_t)i, TRIES));
        if (i == TRIES)
            SWG_GO(swg_error(SWG_USAGE, "%s is in use: another sweep writes there", s->a->output));
        nanosleep(&pause, NULL);
    }
done:
    swg_free(path);
    return status;
}

/* --- The work --------------------------------------------------------------------------------- */

/* Whether the file has the point's record already. One that failed is tried again, and one whose
 * model is to be kept but is not there makes it. */
static bool is_measured(const sweep *s, size_t i)
{
    const swg_result *const found = swg_results_find(&s->results, id_at(s, i));
    const bool wants_model = s->job.keep_models && point_at(s, i);
    if (found && wants_model && !(found->model && swg_path_exists(found->model)))
        return false;
    return found && swg_result_is_ok(found) && found->key && strcmp(found->key, s->keys[i]) == 0;
}

/* All points are checked before the first is made. */
static swg_status check_points(sweep *s)
{
    for (size_t i = 1; i < s->job.n_points; i++)
        if (!is_measured(s, i))
            SWG_TRY(swg_sweep_point_check(&s->job, point_at(s, i), i));
    return SWG_OK;
}

static swg_status run_points(sweep *s)
{
    for (size_t i = 0; i < s->job.n_points; i++) {
        bool is_ok = true;
        if (is_measured(s, i)) {
            s->n_kept++;
            continue;
        }
        SWG_TRY(swg_sweep_point_run(&s->job, point_at(s, i), i, s->keys[i], &is_ok));
        s->n_made += is_ok;
        s->n_failed += !is_ok;
    }
    return read_results(s);
}

static swg_status write_csv(const sweep *s)
{
    swg_strbuf text = {0};
    swg_file_writer *writer = NULL;
    char *const path = swg_path_join(s->a->output, "results.csv");
    swg_status status = path ? SWG_OK : SWG_NO_MEMORY;
    SWG_GO(status);
    swg_results_write_csv(&s->results, &text);
    SWG_GO(swg_strbuf_status(&text));
    SWG_GO(swg_file_create(path, true, text.length, &writer));
    SWG_GO(swg_file_append(writer, text.text, text.length));
    status = swg_file_commit(&writer);
done:
    swg_file_abort(&writer);
    swg_strbuf_deinit(&text);
    swg_free(path);
    return status;
}

/* --- What is printed -------------------------------------------------------------------------- */

/* A figure right-aligned in a column; "-" where it was not measured. */
static void put_number(swg_strbuf *out, int width, int decimals, double value)
{
    if (isnan(value))
        swg_strbuf_printf(out, "  %*s", width, "-");
    else
        swg_strbuf_printf(out, "  %*.*f", width, decimals, value);
}

static double from_count(int64_t count, double unit)
{
    return count < 0 ? (double)NAN : (double)count / unit;
}

static void put_row(swg_strbuf *out, const swg_result *r, int width)
{
    const double MB = 1e6;
    swg_strbuf_printf(out, "%-*s", width, r->id);
    if (!swg_result_is_ok(r)) {
        swg_strbuf_printf(out, "  failed: %s\n", r->reason ? r->reason : "");
        return;
    }
    put_number(out, 10, 3, from_count(r->file_bytes, MB));
    put_number(out, 6, 3, r->bits_per_weight);
    put_number(out, 6, 3, r->sparsity);
    put_number(out, 10, 4, r->perplexity);
    put_number(out, 8, 5, r->kld_mean);
    put_number(out, 8, 5, r->kld_median);
    put_number(out, 8, 4, r->kld_p99);
    put_number(out, 8, 4, r->kld_max);
    put_number(out, 6, 2, 100 * r->top1_agreement);
    put_number(out, 9, 1, r->prefill_tokens_per_s);
    put_number(out, 8, 1, r->decode_tokens_per_s);
    put_number(out, 7, 1, 1e3 * r->load_cold_s);
    put_number(out, 7, 1, 1e3 * r->load_warm_s);
    put_number(out, 8, 1, from_count(r->peak_rss_bytes, MB));
    swg_strbuf_puts(out, "\n");
}

static void put_table(const sweep *s, swg_strbuf *out)
{
    int width = 8;
    for (size_t i = 0; i < s->job.n_points; i++) {
        const int length = (int)strlen(id_at(s, i));
        width = length > width ? length : width;
    }
    swg_strbuf_printf(out,
                      "%s%-*s  %10s  %6s  %6s  %10s  %8s  %8s  %8s  %8s  %6s  %9s  %8s  %7s  %7s"
                      "  %8s%s\n",
                      swg_cli_style(s->cli, SWG_STYLE_HEADING), width, "point", "MB", "bits",
                      "zeros", "perplexity", "KL mean", "median", "p99", "max", "top1 %", "prefill",
                      "decode", "cold ms", "warm ms", "peak MB",
                      swg_cli_style(s->cli, SWG_STYLE_NONE));
    for (size_t i = 0; i < s->job.n_points; i++) {
        const swg_result *const found = swg_results_find(&s->results, id_at(s, i));
        if (found)
            put_row(out, found, width);
    }
    swg_strbuf_printf(out,
                      "\n%zu points measured, %zu taken from an earlier run, %zu failed; rates in "
                      "tokens/s\nrecords: %s, %s/results.csv\n",
                      s->n_made, s->n_kept, s->n_failed, s->results_path, s->a->output);
}

static swg_status print_text(const sweep *s)
{
    swg_strbuf out = {0};
    put_table(s, &out);
    swg_status status = swg_strbuf_status(&out);
    if (status == SWG_OK)
        status = swg_cli_print(swg_strbuf_text(&out), out.length);
    swg_strbuf_deinit(&out);
    return status;
}

static swg_status print_json(const sweep *s)
{
    swg_json_writer json = {0};
    swg_strbuf line = {0};
    swg_status status = SWG_OK;
    swg_cli_json_begin(s->cli, &json);
    swg_json_string(&json, "model", s->job.model);
    swg_json_string(&json, "results", s->results_path);
    swg_json_uint(&json, "measured", s->n_made);
    swg_json_uint(&json, "kept", s->n_kept);
    swg_json_uint(&json, "failed", s->n_failed);
    swg_json_begin_array(&json, "points");
    for (size_t i = 0; i < s->job.n_points; i++) {
        const swg_result *const found = swg_results_find(&s->results, id_at(s, i));
        if (!found)
            continue;
        line.length = 0;
        SWG_GO(swg_result_write(found, &line));
        swg_json_raw(&json, NULL, line.text, line.length - 1);
    }
    swg_json_end_array(&json);
    status = swg_cli_json_print(&json);
done:
    swg_strbuf_deinit(&line);
    swg_json_deinit(&json);
    return status;
}

/* The points alone. */
static swg_status print_plan(const sweep *s)
{
    swg_strbuf out = {0};
    swg_json_writer json = {0};
    if (s->cli->json) {
        swg_cli_json_begin(s->cli, &json);
        swg_json_begin_array(&json, "points");
        for (size_t i = 0; i < s->job.n_points; i++)
            swg_json_string(&json, NULL, id_at(s, i));
        swg_json_end_array(&json);
        return swg_cli_json_print(&json);
    }
    for (size_t i = 0; i < s->job.n_points; i++)
        swg_strbuf_printf(&out, "%s%s\n", id_at(s, i), is_measured(s, i) ? " (measured)" : "");
    swg_status status = swg_strbuf_status(&out);
    if (status == SWG_OK)
        status = swg_cli_print(swg_strbuf_text(&out), out.length);
    swg_strbuf_deinit(&out);
    return status;
}

static swg_status work(sweep *s)
{
    SWG_TRY(prepare(s));
    if (s->a->dry_run)
        return print_plan(s);
    SWG_TRY(lock_folder(s));
    SWG_TRY(read_results(s));
    SWG_TRY(check_points(s));
    SWG_TRY(run_points(s));
    SWG_TRY(write_csv(s));
    SWG_TRY(s->cli->json ? print_json(s) : print_text(s));
    return s->n_failed == 0 ? SWG_OK
                            : swg_error(SWG_FAILED,
                                        "%zu of %zu points failed; their records say "
                                        "why",
                                        s->n_failed, s->job.n_points);
}

static swg_status run(const swg_cli *cli, const void *values)
{
    sweep s = {.cli = cli, .a = values, .lock = -1};
    const swg_status status = work(&s);
    if (s.lock >= 0)
        close(s.lock);
    swg_results_deinit(&s.results);
    swg_free(s.results_path);
    swg_free(s.keys);
    swg_sweep_plan_deinit(&s.plan);
    return status;
}

static const swg_option_exclusion exclusions[] = {
    {"no-speed", "prompt"}, {"no-speed", "generate"}, {"no-speed", "repeats"}};

static const swg_example examples[] = {
    {"swage sweep model --text wiki.test.raw --calibration book.txt --recipe sweep.json -o results",
     "every point of the grid in sweep.json, measured"},
    {"swage sweep model --text wiki.test.raw --calibration book.txt --recipe sweep.json -o results "
     "-n",
     "the points that there are"},
};

const swg_command swg_command_sweep = {
    .name = "sweep",
    .synopsis = "MODEL --text FILE [--calibration FILE] --recipe FILE -o DIR [options]",
    .summary = "compress by every recipe of a grid and compare size, accuracy and speed",
    .description =
        "Makes a model by every point of a list or grid of runs, and measures each beside the "
        "model itself: bytes, perplexity, divergence from the model, prefill and decode rates, "
        "time to load with a cold and a warm page cache, and peak memory. Prints one table, and "
        "writes DIR/results.jsonl (docs/results-format.md) and DIR/results.csv.\n\n"
        "A run names a command, quantize or prune, and values of its options; a list of values "
        "is an axis of a grid:\n\n"
        "    {\"sweep\": 1, \"runs\": [\n"
        "      {\"command\": \"quantize\", \"options\": {\"bits\": [3, 4]}},\n"
        "      {\"command\": \"prune\",\n"
        "       \"options\": {\"sparsity\": [0.5, 0.6], \"method\": \"wanda\"}}]}\n\n"
        "Every step of a point runs in a process of its own, so that memory is the step's own and "
        "a crash costs one point: its record says what happened, and the sweep goes on. All "
        "points are checked before the first is made.\n\n"
        "A sweep that was interrupted goes on where it was when the same command is given again: "
        "points are known by a hash of the model, the recipe, the texts and the program, and "
        "what is measured already stays. Points that failed are tried again.",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .exclusions = exclusions,
    .n_exclusions = sizeof exclusions / sizeof *exclusions,
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 1,
    .max_positionals = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof *examples,
    .run = run,
};
