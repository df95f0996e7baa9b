/* swage quantize: from options to a recipe, from a source to a sink. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/provenance.h"
#include "kernels/linalg.h"
#include "quantize/calibrated.h"
#include "quantize/calibration_text.h"
#include "quantize/cmd_quantize_report.h"
#include "quantize/journal.h"
#include "quantize/transforms.h"
#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/base/notice.h"
#include "runtime/hparams.h"
#include "runtime/verdict.h"

typedef struct arguments {
    const char *output, *recipe, *method, *format, *bits, *group_size, *embedding_bits,
        *embedding_group_size;
    const char *scale_type, *scale_search, *tokenizer, *nonfinite, *calibration, *statistics,
        *cache;
    swg_string_list keep, bits_for, transform;
    int64_t level, calibration_tokens, calibration_window;
    bool asymmetric, requantize, allow_unrunnable, dry_run, force, calibration_documents, no_cache;
} arguments;

/* "|rtn|...": the table's names as an option's choices. */
static const char method_words[] = ""
#define SWG_QUANT_METHOD(name, needs, parameters, meaning) "|" #name
#include "quantize/quant_methods.def"
#undef SWG_QUANT_METHOD
    ;
static const char method_help[] = "how codes are chosen (default rtn)"
#define SWG_QUANT_METHOD(name, needs, parameters, meaning) "; " #name " = " meaning
#include "quantize/quant_methods.def"
#undef SWG_QUANT_METHOD
    ;

/* Likewise of what codes are. */
static const char format_words[] = "int"
#define SWG_CODEBOOK(name, meaning, ...) "|" #name
#include "quantize/codebooks.def"
#undef SWG_CODEBOOK
    ;
static const char format_help[] =
    "what the codes of linear weights are: int = integers (default); at 4 bits also numbers of a "
    "codebook"
#define SWG_CODEBOOK(name, meaning, ...) "; " #name " = " meaning
#include "quantize/codebooks.def"
#undef SWG_CODEBOOK
    ;

/* "|4|8...": the widths that there are formats of. */
static const char bit_words[] = ""
#define SWG_INTEGER_FORMAT(name, bits) "|" #bits
#include "runtime/base/weight_formats.def"
    ;
static const char bit_or_keep_words[] = ""
#define SWG_INTEGER_FORMAT(name, bits) "|" #bits
#include "runtime/base/weight_formats.def"
                                        "|16";

/* ": NAME = meaning; ..." for the help. */
static const char transform_help[] =
    "change the checkpoint before, in a way that only rounding notices"
#define SWG_TRANSFORM(name, word, needs, meaning) ". " word ": " meaning
#include "quantize/transforms.def"
#undef SWG_TRANSFORM
    ;

static const swg_option options[] = {
    {.kind = SWG_OPTION_IS_STRING,
     .letter = 'o',
     .name = "output",
     .metavar = "FILE",
     .help = "the .swg to write",
     .offset = offsetof(arguments, output),
     .is_required = true},
    SWG_OPTION_STRING(
        arguments, recipe, 'r', "recipe", "FILE",
        "JSON that says what is done to each tensor (docs/recipes.md); only --keep and "
        "--bits-for can add to it"),
    SWG_OPTION_CHOICE(arguments, format, 0, "format", format_words, NULL, format_help),
    SWG_OPTION_CHOICE(arguments, bits, 0, "bits", bit_words + 1, NULL,
                      "bits per linear weight (default 4)"),
    SWG_OPTION_CHOICE(arguments, group_size, 0, "group-size", "auto|32|64|128|256|row", NULL,
                      "weights of a row that share a scale (default auto: 64, or 32 at 8 bits)"),
    SWG_OPTION_FLAG(arguments, asymmetric, 0, "asymmetric", "store a zero point for every group"),
    SWG_OPTION_CHOICE(arguments, scale_type, 0, "scale-type", "auto|f16|bf16|f32", NULL,
                      "number format of the scales (default auto: f16, or bf16 at 8 bits)"),
    SWG_OPTION_CHOICE(arguments, scale_search, 0, "scale-search", "mse|absmax", NULL,
                      "scale with the least squared error (default mse), or from the largest "
                      "weight"),
    SWG_OPTION_CHOICE(arguments, method, 0, "method", method_words + 1, NULL, method_help),
    SWG_OPTION_STRING(arguments, calibration, 'c', "calibration", "FILE",
                      "text to run the model on, collecting statistics of its weights' inputs: "
                      "required by methods other than rtn; rtn weights errors by them"),
    SWG_OPTION_INT(arguments, calibration_tokens, 0, "calibration-tokens", "N", 2, 1 << 30, "32768",
                   "largest number of tokens of that text to read"),
    SWG_OPTION_INT(arguments, calibration_window, 0, "calibration-window", "N", 0, 1 << 20, "0",
                   "tokens read together; 0 = 512, or the model's positions if those are fewer"),
    SWG_OPTION_FLAG(arguments, calibration_documents, 0, "calibration-documents",
                    "blank lines of that text separate documents that each begin with BOS"),
    SWG_OPTION_CHOICE(arguments, statistics, 0, "statistics", "full|sequential|paired", "full",
                      "what that text is read by: the whole model as it is, once, for all recipes "
                      "(default); layer by layer, with the layers already quantized; or that and "
                      "the model as it is side by side, so that each weight makes up for the "
                      "errors before it (slowest, closest)"),
    SWG_OPTION_STRING(arguments, cache, 0, "cache", "DIR",
                      "folder that keeps full statistics for the next recipe (default "
                      "$XDG_CACHE_HOME/swage, or ~/.cache/swage)"),
    SWG_OPTION_FLAG(arguments, no_cache, 0, "no-cache",
                    "collect statistics anew, into a temporary file beside the output"),
    SWG_OPTION_CHOICE(arguments, embedding_bits, 0, "embedding-bits", bit_or_keep_words + 1, NULL,
                      "bits of embeddings and output heads (default 8); 16 keeps them unchanged"),
    SWG_OPTION_CHOICE(arguments, embedding_group_size, 0, "embedding-group-size",
                      "auto|32|64|128|256|row", NULL,
                      "the same for embeddings (default auto: --group-size, or at least 128 at 8 "
                      "bits)"),
    SWG_OPTION_LIST(arguments, keep, 0, "keep", "PATTERN",
                    "store the tensors with matching names unchanged"),
    SWG_OPTION_LIST(arguments, transform, 0, "transform", "NAME", transform_help),
    SWG_OPTION_LIST(
        arguments, bits_for, 0, "bits-for", "PATTERN=N[,KEY:VALUE]",
        "N bits, as for --bits, or 16 (keep) for the tensors with matching names; later ones win. "
        "Keys are those of a recipe's rules, such as group, zero_points, scale_type, method"),
    SWG_OPTION_FLAG(arguments, requantize, 0, "requantize",
                    "re-quantize tensors that are already quantized (adds a second loss)"),
    SWG_OPTION_FLAG(arguments, allow_unrunnable, 0, "allow-unrunnable",
                    "quantize a model that swage cannot run, and so cannot measure"),
    SWG_OPTION_CHOICE(arguments, nonfinite, 0, "nonfinite", "error|warn|keep", NULL,
                      "what to do about NaN and infinities in tensors that are kept unchanged: "
                      "fail (default), keep them with a warning, or keep them"),
    SWG_OPTION_STRING(arguments, tokenizer, 0, "tokenizer", "FILE",
                      "tokenizer, or GGUF with one, to pack instead of the one found"),
    SWG_OPTION_INT(arguments, level, 0, "level", "N", 0, 22, "0",
                   "zstd level; 0 = the container's default"),
    SWG_OPTION_FLAG(arguments, dry_run, 'n', "dry-run",
                    "print the plan, an upper bound of its bytes, and memory; write nothing"),
    SWG_OPTION_FLAG(arguments, force, 'f', "force", "replace an existing output"),
};

/* --- From options to the recipe --------------------------------------------------------------- */

static uint32_t group_of(const char *word)
{
    return !word || strcmp(word, "auto") == 0 ? SWG_GROUP_AUTO
           : strcmp(word, "row") == 0         ? 0
                                              : (uint32_t)strtoul(word, NULL, 10);
}

static swg_dtype scale_type_of(const char *word)
{
    swg_dtype type; /* the option's choices but "auto" are words of types */
    return word && swg_dtype_parse_word(word, strlen(word), &type) ? type : SWG_SCALE_TYPE_AUTO;
}

static swg_status recipe_from_options(const arguments *a, swg_recipe **out)
{
    swg_recipe_preset preset = swg_recipe_preset_default();
    if (a->bits)
        preset.bits = (unsigned)strtoul(a->bits, NULL, 10);
    if (a->embedding_bits)
        preset.embedding_bits = (unsigned)strtoul(a->embedding_bits, NULL, 10);
    if (a->method)
        preset.method = a->method;
    if (a->format)
        preset.format = a->format;
    preset.group = group_of(a->group_size);
    preset.embedding_group = group_of(a->embedding_group_size);
    preset.scale_type = scale_type_of(a->scale_type);
    preset.asymmetric = a->asymmetric;
    preset.search = a->scale_search && strcmp(a->scale_search, "absmax") == 0 ? SWG_SEARCH_ABSMAX
                                                                              : SWG_SEARCH_MSE;
    SWG_TRY(swg_recipe_from_preset(&preset, out));
    (*out)->level = (int)a->level;
    (*out)->requantize = a->requantize;
    (*out)->transforms = a->transform.items;
    (*out)->n_transforms = a->transform.count;
    if (a->nonfinite)
        (*out)->nonfinite = strcmp(a->nonfinite, "warn") == 0   ? SWG_NONFINITE_WARN
                            : strcmp(a->nonfinite, "keep") == 0 ? SWG_NONFINITE_KEEP
                                                                : SWG_NONFINITE_ERROR;
    return SWG_OK;
}

/* A recipe file is complete; an option on the same subject could only contradict it. */
static swg_status recipe_from_file(const arguments *a, swg_recipe **out)
{
    enum { MOST_BYTES = 64 << 20 };
    const struct {
        const char *name;
        bool is_given;
    } others[] = {{"format", a->format},
                  {"bits", a->bits},
                  {"group-size", a->group_size},
                  {"asymmetric", a->asymmetric},
                  {"scale-type", a->scale_type},
                  {"scale-search", a->scale_search},
                  {"method", a->method},
                  {"embedding-bits", a->embedding_bits},
                  {"embedding-group-size", a->embedding_group_size},
                  {"transform", a->transform.count},
                  {"requantize", a->requantize},
                  {"nonfinite", a->nonfinite},
                  {"level", a->level}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i].is_given)
            return swg_error(SWG_USAGE, "--%s is given by the recipe %s; use one of the two",
                             others[i].name, a->recipe);
    char *text = NULL;
    size_t length = 0;
    SWG_TRY(swg_file_read(a->recipe, MOST_BYTES, &text, &length));
    const swg_status status = swg_recipe_parse(text, length, a->recipe, out);
    swg_free(text);
    return status;
}

/* The setting in "PATTERN=N,KEY:VALUE,...", after the last "=", as JSON. */
static void write_setting(const char *words, swg_json_writer *json)
{
    swg_json_begin_object(json, NULL);
    for (const char *at = words; *at; at += *at == ',') {
        const size_t length = strcspn(at, ","), key_length = strcspn(at, ":,");
        const bool has_key = key_length < length;
        const char *const value = has_key ? at + key_length + 1 : at;
        const size_t value_length = length - (size_t)(value - at);
        char key[32];
        snprintf(key, sizeof key, "%.*s", has_key ? (int)key_length : 4, has_key ? at : "bits");
        const bool is_number = value_length && strspn(value, "0123456789.") >= value_length;
        const bool is_flag = (value_length == 4 && memcmp(value, "true", 4) == 0) ||
                             (value_length == 5 && memcmp(value, "false", 5) == 0);
        if (!has_key && value_length == 2 && memcmp(value, "16", 2) == 0)
            swg_json_string(json, "format", "keep");
        else if (is_number || is_flag)
            swg_json_raw(json, key, value, value_length);
        else
            swg_json_string_n(json, key, value, value_length);
        at += length;
    }
    swg_json_end_object(json);
}

static swg_status add_bits_for(const char *text, swg_recipe *recipe)
{
    const char *equals = strrchr(text, '=');
    char origin[128];
    swg_json_writer json = {.compact = true};
    swg_recipe_rule rule = {.origin = "--bits-for", .n_tensors = 1};
    swg_status status = SWG_OK;
    if (!equals || equals == text || !equals[1])
        return swg_error(SWG_USAGE, "--bits-for takes PATTERN=N[,KEY:VALUE...], not \"%s\"", text);
    snprintf(origin, sizeof origin, "--bits-for %.100s", text);
    char *const pattern = swg_strndup(text, (size_t)(equals - text));
    SWG_GO(pattern ? SWG_OK : SWG_NO_MEMORY);
    write_setting(equals + 1, &json);
    SWG_GO(swg_strbuf_status(&json.out));
    SWG_GO(swg_recipe_setting_parse(recipe, json.out.text, json.out.length, origin, &rule.setting));
    rule.tensors = (const char *const *)&pattern;
    SWG_GO(swg_recipe_add_rule(recipe, &rule));
done:
    swg_free(pattern);
    swg_json_deinit(&json);
    return status;
}

static swg_status make_recipe(const arguments *a, swg_recipe **out)
{
    swg_recipe *recipe = NULL;
    swg_status status = SWG_OK;
    SWG_GO(a->recipe ? recipe_from_file(a, &recipe) : recipe_from_options(a, &recipe));
    for (size_t i = 0; i < a->bits_for.count; i++)
        SWG_GO(add_bits_for(a->bits_for.items[i], recipe));
    for (size_t i = 0; i < a->keep.count; i++) {
        const swg_recipe_rule keep = {
            .tensors = &a->keep.items[i],
            .n_tensors = 1,
            .setting = {.given = SWG_RECIPE_FORMAT | SWG_RECIPE_SPARSITY, .format = "keep"},
            .origin = "--keep"};
        SWG_GO(swg_recipe_add_rule(recipe, &keep));
    }
    *out = recipe;
    recipe = NULL;
done:
    swg_recipe_free(&recipe);
    return status;
}

/* --- The work --------------------------------------------------------------------------------- */

/* Everything between an open source and the printed result. */
typedef struct job {
    const swg_cli *cli;
    const arguments *a;
    swg_recipe *recipe;
    swg_source *source;
    swg_transforms *transforms;        /* NULL = none */
    swg_source *transformed;           /* `source` itself without transforms; else theirs */
    swg_tensor_desc *inputs, *changed; /* [plan.n_entries] of `source`, of `transformed` */
    swg_tensor_desc *outputs;          /* [plan.n_entries], in the plan's order */
    swg_tensor_use *uses;              /* [plan.n_entries]; NULL = the architecture is not known */
    swg_plan plan;
    swg_pool *pool;
    swg_sink_meta meta;
    swg_calibration_ids calibration; /* empty without --calibration */
    swg_model_stats *statistics;     /* full ones of it, when opened */
    bool needs_stats;                /* so do transforms, however codes are chosen */
    swg_journal *journal;            /* of a calibrated run */
    char *provenance;
} job;

/* The calibration text, if one is given. */
static swg_status read_calibration(job *j)
{
    const arguments *a = j->a;
    const swg_calibration_source from = {.path = a->calibration,
                                         .max_tokens = (size_t)a->calibration_tokens,
                                         .window = (size_t)a->calibration_window,
                                         .documents = a->calibration_documents};
    const swg_arch *arch;
    swg_hparams hparams;
    size_t length;
    if (!a->calibration)
        return SWG_OK;
    const char *config = swg_source_config(j->source, &length);
    SWG_TRY(swg_hparams_read(config, length, &arch, &hparams));
    return swg_calibration_ids_read(j->source, &from, (size_t)hparams.max_positions,
                                    &j->calibration);
}

/* Whether statistics are collected while layers are quantized. */
static bool is_sequential(const arguments *a)
{
    return strcmp(a->statistics, "full") != 0;
}

static swg_status check_arguments(const arguments *a, const char *input)
{
    if (swg_path_is_same(input, a->output))
        return swg_error(SWG_USAGE, "%s is both the input and the output", input);
    if (!a->force && !a->dry_run && swg_path_exists(a->output))
        return swg_error(SWG_USAGE, "output %s exists; use --force to replace it", a->output);
    if (a->cache && a->no_cache)
        return swg_error(SWG_USAGE, "--cache and --no-cache exclude each other");
    return SWG_OK;
}

static swg_status open_transforms(job *j)
{
    const swg_recipe *recipe = j->recipe;
    j->transformed = j->source;
    if (recipe->n_transforms == 0)
        return SWG_OK;
    SWG_TRY(swg_transforms_check(recipe->transforms, recipe->n_transforms, &j->needs_stats));
    if (j->needs_stats && !j->a->calibration)
        return swg_error(SWG_USAGE,
                         "the recipe's transforms need statistics of the layers' inputs; "
                         "--calibration FILE gives a text to collect them on");
    SWG_TRY(swg_transforms_open(j->source, j->uses, recipe->transforms, recipe->n_transforms,
                                recipe->seed, &j->transforms));
    j->transformed = swg_transforms_source(j->transforms);
    return SWG_OK;
}

static swg_status prepare(job *j, const char *input)
{
    const arguments *a = j->a;
    swg_source_options source_options = swg_source_options_default();
    source_options.tokenizer = a->tokenizer;
    SWG_TRY(make_recipe(a, &j->recipe));
    SWG_TRY(check_arguments(a, input));
    SWG_TRY(swg_source_open(input, &source_options, &j->source));
    SWG_TRY(swg_verdict_admit(j->source, a->allow_unrunnable));
    SWG_TRY(swg_quantize_source_descs(j->source, &j->inputs));
    SWG_TRY(swg_quantize_source_uses(j->source, j->inputs, &j->uses));
    SWG_TRY(open_transforms(j));
    SWG_TRY(swg_quantize_source_descs(j->transformed, &j->changed));
    SWG_TRY(
        swg_plan_make(j->changed, swg_source_n_tensors(j->source), j->uses, j->recipe, &j->plan));
    if (!j->uses)
        swg_cli_note(j->cli, "the architecture of %s is not known; tensors are classified by name",
                     input);
    SWG_TRY(swg_quantize_check_plan(&j->plan, a->calibration != NULL, false));
    SWG_TRY(read_calibration(j));
    if (a->calibration && is_sequential(a))
        SWG_TRY(swg_quantize_order_by_layers(j->uses, &j->plan));
    SWG_TRY(swg_quantize_output_descs(&j->plan, &j->outputs));
    SWG_TRY(swg_pool_new(j->cli->n_threads, &j->pool));
    return swg_sink_meta_from_source(j->source, &j->meta);
}

/* What the history records of the calibration text: everything that the result depends on. */
static void write_options(const job *j, swg_json_writer *json, const char *key)
{
    if (!j->a->calibration)
        return;
    swg_json_begin_object(json, key);
    swg_json_begin_object(json, "calibration");
    swg_json_string(json, "text_sha256", j->calibration.sha256);
    swg_json_uint(json, "windows", j->calibration.text.n_windows);
    swg_json_uint(json, "window_tokens", j->calibration.text.window);
    swg_json_bool(json, "documents", j->a->calibration_documents);
    swg_json_string(json, "statistics", j->a->statistics);
    swg_json_string(json, "linear_algebra", swg_linalg_name());
    swg_json_end_object(json);
    swg_json_end_object(json);
}

/* The history with this step's entry. Without hashes: for a dry run. */
static swg_status add_provenance(job *j, swg_input_hashes *hashes)
{
    swg_status status = SWG_OK;
    swg_json_writer recipe = {.compact = true}, options_json = {.compact = true};
    swg_recipe_write(j->recipe, &recipe, NULL);
    SWG_GO(swg_strbuf_status(&recipe.out));
    write_options(j, &options_json, NULL);
    SWG_GO(swg_strbuf_status(&options_json.out));
    const swg_step step = {.command = "quantize",
                           .options = options_json.out.length ? options_json.out.text : NULL,
                           .recipe = swg_strbuf_text(&recipe.out)};
    SWG_GO(swg_provenance_add(j->source, &step, hashes, &j->provenance));
done:
    swg_json_deinit(&options_json);
    swg_json_deinit(&recipe);
    return status;
}

static swg_status print(const job *j, const swg_quantize_result *result)
{
    return j->cli->json ? swg_quantize_print_json(j->cli, result)
                        : swg_quantize_print_table(result);
}

static swg_quantize_result result_of(const job *j)
{
    return (swg_quantize_result){.source = j->source,
                                 .inputs = j->inputs,
                                 .output = j->a->output,
                                 .recipe = j->recipe,
                                 .plan = &j->plan};
}

static swg_status dry_run(job *j, const swg_sink_options *sink_options)
{
    swg_quantize_result result = result_of(j);
    SWG_TRY(add_provenance(j, NULL));
    j->meta.provenance = j->provenance;
    SWG_TRY(swg_sink_plan_bytes(j->a->output, sink_options, &j->meta, j->outputs, j->plan.n_entries,
                                &result.file_bytes, &result.is_exact));
    if (!j->a->calibration) /* what calibration needs beside is not estimated */
        result.peak_memory_bytes = swg_quantize_peak_bytes(&j->plan, swg_pool_threads(j->pool));
    return print(j, &result);
}

static void warn_of_nonfinite(const job *j, const swg_tensor_report *reports)
{
    for (size_t i = 0; i < j->plan.n_entries && j->recipe->nonfinite == SWG_NONFINITE_WARN; i++)
        if (reports[i].n_nonfinite)
            swg_cli_say(j->cli, "tensor %s has %llu values that are not finite", j->inputs[i].name,
                        (unsigned long long)reports[i].n_nonfinite);
}

/* The folder of the cache: the user's, or the usual one if it can be used; *out NULL = none. */
static swg_status choose_cache(const arguments *a, char **out)
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

static void tell_statistics(const job *j, double seconds)
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

/* Full statistics of the calibration text, if that is what is asked for. */
static swg_status open_statistics(job *j, swg_input_hashes *hashes)
{
    const double start = swg_clock_s();
    swg_model_stats_options how = swg_model_stats_options_default();
    char *cache = NULL, *scratch = NULL;
    swg_status status = SWG_OK;
    if (!j->a->calibration || (is_sequential(j->a) && !j->needs_stats))
        return SWG_OK;
    SWG_GO(choose_cache(j->a, &cache));
    scratch = swg_path_dirname(j->a->output);
    SWG_GO(scratch ? SWG_OK : SWG_NO_MEMORY);
    how.pool = j->pool;
    how.progress = j->cli->progress;
    how.ids = j->calibration.text.ids;
    how.n_windows = j->calibration.text.n_windows;
    how.window = j->calibration.text.window;
    how.hashes = hashes;
    how.cache = cache;
    how.scratch = scratch;
    SWG_GO(swg_model_stats_open(j->source, &how, &j->statistics));
    tell_statistics(j, swg_clock_s() - start);
done:
    swg_free(cache);
    swg_free(scratch);
    return status;
}

/* Open the journal beside the output. Its key is all that matrices depend on besides their own
 * settings: this program, the inputs, the text, the arithmetic, and, where later layers see what
 * earlier ones became or transforms depend on schemes, the whole recipe. */
static swg_status open_journal(job *j, swg_input_hashes *hashes)
{
    swg_json_writer key = {.compact = true};
    swg_strbuf path = {0};
    swg_map program = {0};
    char hash[SWG_HASH128_TEXT] = "";
    swg_status status = SWG_OK;
    if (!j->a->calibration)
        return SWG_OK;
    if (swg_map_open("/proc/self/exe", &program) == SWG_OK)
        swg_hash128_text(program.data, program.size, hash);
    swg_json_begin_object(&key, NULL);
    swg_json_string(&key, "program", hash);
    SWG_GO(swg_input_hashes_write(hashes, &key));
    write_options(j, &key, "options");
    swg_json_uint(&key, "tokens_hash",
                  swg_hash64(j->calibration.text.ids, j->calibration.text.n_windows *
                                                          j->calibration.text.window *
                                                          sizeof *j->calibration.text.ids));
    if (is_sequential(j->a) || j->transforms)
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
    swg_map_close(&program);
    swg_strbuf_deinit(&path);
    swg_json_deinit(&key);
    return status;
}

static swg_status write_output(job *j, const swg_sink_options *sink_options)
{
    swg_quantize_options how = swg_quantize_options_default();
    how.pool = j->pool;
    how.progress = j->cli->progress;
    how.keep_nonfinite = j->recipe->nonfinite != SWG_NONFINITE_ERROR;
    if (j->a->calibration && is_sequential(j->a))
        how.calibration = &j->calibration.text;
    how.is_paired = strcmp(j->a->statistics, "paired") == 0;
    const double start = swg_clock_s();
    swg_quantize_result result = result_of(j);
    swg_tensor_report *reports = NULL;
    swg_input_hashes *hashes = NULL;
    swg_sink *sink = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW(reports, j->plan.n_entries));
    SWG_GO(swg_input_hashes_start(j->source, j->cli->n_threads, &hashes));
    SWG_GO(open_statistics(j, hashes));
    SWG_GO(open_journal(j, hashes));
    how.statistics = is_sequential(j->a) ? NULL : j->statistics;
    how.transforms = j->transforms;
    if (j->transforms)
        SWG_GO(swg_transforms_fit(j->transforms, &j->plan, j->statistics, j->pool));
    how.journal = j->journal;
    SWG_GO(
        swg_sink_open(j->a->output, sink_options, &j->meta, j->outputs, j->plan.n_entries, &sink));
    SWG_GO(swg_quantize_checkpoint(j->transformed, &j->plan, &how, sink, reports));
    SWG_GO(add_provenance(j, hashes));
    SWG_GO(swg_sink_set_provenance(sink, j->provenance));
    SWG_GO(swg_sink_finish(&sink, &result.file_bytes));
    swg_journal_finish(&j->journal);
    warn_of_nonfinite(j, reports);
    result.is_exact = true;
    result.reports = reports;
    result.peak_memory_bytes = swg_peak_rss_bytes();
    result.elapsed_s = swg_clock_s() - start;
    SWG_GO(print(j, &result));
done:
    swg_sink_abort(&sink);
    swg_input_hashes_free(&hashes);
    swg_free(reports);
    return status;
}

static swg_status run(const swg_cli *cli, const void *values)
{
    const arguments *a = values;
    job j = {.cli = cli, .a = a};
    swg_status status = SWG_OK;
    SWG_GO(prepare(&j, cli->positionals[0]));
    swg_sink_options sink_options = swg_sink_options_default();
    sink_options.force = a->force;
    sink_options.level = j.recipe->level;
    sink_options.pool = j.pool;
    SWG_GO(a->dry_run ? dry_run(&j, &sink_options) : write_output(&j, &sink_options));
done:
    if (j.journal && swg_journal_n_records(j.journal))
        swg_cli_say(cli,
                    "%zu matrices are kept in %s.swage-resume: the same command goes on from "
                    "there",
                    swg_journal_n_records(j.journal), a->output);
    swg_journal_close(&j.journal);
    swg_model_stats_free(&j.statistics);
    swg_calibration_ids_deinit(&j.calibration);
    swg_sink_meta_deinit(&j.meta);
    swg_free(j.provenance);
    swg_pool_free(&j.pool);
    swg_plan_deinit(&j.plan);
    swg_transforms_free(&j.transforms);
    swg_free(j.outputs);
    swg_free(j.changed);
    swg_free(j.uses);
    swg_free(j.inputs);
    swg_source_close(&j.source);
    swg_recipe_free(&j.recipe);
    return status;
}

static const swg_example examples[] = {
    {"swage quantize model -o model.swg", "4 bits in groups of 64, embeddings 8 bits"},
    {"swage quantize model -o model.swg --bits 8 --group-size row", "8 bits, one scale per row"},
    {"swage quantize model -o model.swg --bits-for 'model.layers.0.*=8' --keep embed_tokens "
     "--dry-run",
     "show what a mixed recipe would do"},
    {"swage quantize model -o model.swg --recipe recipe.json", "quantize as a recipe file says"},
    {"swage quantize model -o model.swg --method gptq --calibration book.txt",
     "codes chosen by the weights' inputs on a text"},
};

const swg_command swg_command_quantize = {
    .name = "quantize",
    .synopsis = "MODEL -o OUT.swg [--bits N] [--group-size N|row] [options]",
    .summary = "quantize a checkpoint to codes of few bits and pack it",
    .description =
        "Reads a checkpoint tensor by tensor, quantizes its linear weights and embeddings, and "
        "writes one compressed container. Vectors (norms, biases) stay as they are.\n\n"
        "Every group of weights gets the scale (and, with --asymmetric, the zero point) with the "
        "least squared error. The table shows for each tensor the relative error "
        "|W' - W| / |W|, the signal-to-noise ratio, the bits per weight including the "
        "scales, and bytes before and after zstd.\n\n"
        "A model that swage cannot run (`swage inspect` says why) is refused before any work, "
        "unless --allow-unrunnable says that another program will run the result.\n\n"
        "A weight that is NaN or infinite cannot be quantized. In tensors that are kept it is an "
        "error too, unless --nonfinite allows it.\n\n"
        "All of this is a recipe, which the output carries in its history and `swage inspect` "
        "prints: --recipe applies it to another checkpoint, or repeats it byte for byte.\n\n"
        "A PATTERN with * and ? matches whole tensor names; without them it names one or more "
        "dot-separated parts of a name. A pattern that matches nothing is an error.",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 1,
    .max_positionals = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof *examples,
    .run = run,
};
