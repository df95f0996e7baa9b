/* swage prune: from options to a recipe, from a source to a sink, through the driver that quantize
 * uses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prune/allocate.h"
#include "prune/cmd_prune_report.h"
#include "prune/cmd_prune_structured.h"
#include "prune/prune.h"
#include "quantize/calibrated.h"
#include "quantize/cmd_calibration.h"
#include "quantize/cmd_transforms.h"
#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/device.h"

typedef struct arguments {
    const char *output, *recipe, *method, *pattern, *block, *allocate, *calibration;
    const char *bits, *group_size, *quant_method, *embedding_bits, *tokenizer, *tensors;
    const char *statistics, *cache, *device;
    swg_string_list parameters, keep, structured, transform;
    double sparsity;
    int64_t level, calibration_tokens, calibration_window;
    bool asymmetric, requantize, dense, dry_run, force, calibration_documents, no_cache, no_refit;
} arguments;

/* Tables as options' choices: "|a|b". */
static const char method_words[] = ""
#define SWG_PRUNE_METHOD(name, needs, scope, rest, parameters, meaning) "|" #name
#include "prune/prune_methods.def"
#undef SWG_PRUNE_METHOD
    ;
static const char method_help[] = "how zeros are chosen (default: magnitude, or gradual with "
                                  "--calibration)"
#define SWG_PRUNE_METHOD(name, needs, scope, rest, parameters, meaning) "; " #name " = " meaning
#include "prune/prune_methods.def"
#undef SWG_PRUNE_METHOD
    ;
static const char allocation_words[] = ""
#define SWG_ALLOCATION(name, needs, meaning) "|" #name
#include "prune/allocations.def"
#undef SWG_ALLOCATION
    ;
static const char allocation_help[] = "how a ratio is spread over the matrices (default uniform)"
#define SWG_ALLOCATION(name, needs, meaning) "; " #name " = " meaning
#include "prune/allocations.def"
#undef SWG_ALLOCATION
    ;
static const char structure_help[] =
    "remove floor(count * R) whole parts instead, and write the smaller model"
#define SWG_STRUCTURE(name, word, meaning) "; " word " = " meaning
#include "prune/structures.def"
#undef SWG_STRUCTURE
    ;
static const char quant_method_words[] = ""
#define SWG_QUANT_METHOD(name, needs, parameters, meaning) "|" #name
#include "quantize/quant_methods.def"
#undef SWG_QUANT_METHOD
    ;
static const char transform_help[] =
    "with --bits: change the checkpoint before, in a way that only rounding notices"
#define SWG_TRANSFORM(name, word, needs, meaning) "; " word " = " meaning
#include "quantize/transforms.def"
#undef SWG_TRANSFORM
    ;
static const char bit_words[] = ""
#define SWG_INTEGER_FORMAT(name, bits) "|" #bits
#include "runtime/base/weight_formats.def"
    ;
static const char bit_or_keep_words[] = ""
#define SWG_INTEGER_FORMAT(name, bits) "|" #bits
#include "runtime/base/weight_formats.def"
                                        "|16";

static const swg_option options[] = {
    {.kind = SWG_OPTION_IS_STRING,
     .letter = 'o',
     .name = "output",
     .metavar = "OUT",
     .help = "what to write: a folder or .safetensors, whose matrices stay dense, a .swg, which "
             "stores what is left, or any other output of `swage convert`",
     .offset = offsetof(arguments, output),
     .is_required = true},
    SWG_OPTION_CHOICE(arguments, method, 0, "method", method_words + 1, NULL, method_help),
    SWG_OPTION_DOUBLE(arguments, sparsity, 's', "sparsity", "R", 0, 0.9999, "0",
                      "fraction of the linear weights to make zero"),
    SWG_OPTION_STRING(arguments, pattern, 0, "pattern", "N:M",
                      "keep N of every M neighbours in a row instead: 2:4, 4:8, 1:4"),
    SWG_OPTION_STRING(arguments, block, 0, "block", "Rx1",
                      "remove weights in blocks of R rows (2 to 64) of one column: 16x1, 32x1"),
    SWG_OPTION_CHOICE(arguments, allocate, 0, "allocate", allocation_words + 1, NULL,
                      allocation_help),
    SWG_OPTION_LIST(
        arguments, parameters, 0, "parameter", "KEY=NUMBER",
        "parameter of the method: damping, steps (of refitting), rounds, block (columns) "
        "of sparsegpt"),
    SWG_OPTION_STRING(arguments, calibration, 'c', "calibration", "FILE",
                      "text to run the model on, collecting statistics of its weights' inputs: "
                      "required by methods other than magnitude"),
    SWG_OPTION_INT(arguments, calibration_tokens, 0, "calibration-tokens", "N", 2, 1 << 30, "32768",
                   "largest number of tokens of that text to read"),
    SWG_OPTION_INT(arguments, calibration_window, 0, "calibration-window", "N", 0, 1 << 20, "0",
                   "tokens read together; 0 = 512, or the model's positions if those are fewer"),
    SWG_OPTION_FLAG(arguments, calibration_documents, 0, "calibration-documents",
                    "blank lines of that text separate documents that each begin with BOS"),
    SWG_OPTION_CHOICE(
        arguments, statistics, 0, "statistics", "full|sequential|paired", NULL,
        "what reads that text: full = the whole model as it is, once, for all recipes; sequential "
        "= layer by layer, with the layers already pruned; paired (default where a method needs "
        "the text) = the same, with the unchanged model beside, and each matrix makes up for the "
        "errors before it"),
    SWG_OPTION_STRING(arguments, cache, 0, "cache", "DIR",
                      "folder that keeps full statistics for the next recipe (default "
                      "$XDG_CACHE_HOME/swage, or ~/.cache/swage)"),
    SWG_OPTION_FLAG(arguments, no_cache, 0, "no-cache",
                    "collect full statistics anew, into a temporary file beside the output"),
    SWG_OPTION_CHOICE(arguments, device, 0, "device", SWG_DEVICE_CHOICES, "cpu",
                      swg_device_calibration_help),
    SWG_OPTION_LIST(arguments, structured, 0, "structured", "WHAT=R", structure_help),
    SWG_OPTION_FLAG(arguments, no_refit, 0, "no-refit",
                    "with --structured: leave the weights that stay as they are"),
    SWG_OPTION_CHOICE(arguments, bits, 'b', "bits", bit_words + 1, NULL,
                      "also quantize what is left to this many bits, one making up for the other"),
    SWG_OPTION_CHOICE(arguments, group_size, 0, "group-size", "32|64|128|256|row", NULL,
                      "with --bits: weights of a row that share a scale"),
    SWG_OPTION_FLAG(arguments, asymmetric, 0, "asymmetric",
                    "with --bits: store a zero point for every group"),
    SWG_OPTION_CHOICE(
        arguments, quant_method, 0, "quant-method", quant_method_words + 1, NULL,
        "with --bits: how codes are chosen (default rtn, or gptq with --calibration)"),
    SWG_OPTION_LIST(arguments, transform, 0, "transform", "NAME", transform_help),
    SWG_OPTION_CHOICE(arguments, embedding_bits, 0, "embedding-bits", bit_or_keep_words + 1, NULL,
                      "with --bits: bits of embeddings and output heads (default 8); 16 keeps them "
                      "unchanged"),
    SWG_OPTION_STRING(arguments, recipe, 'r', "recipe", "FILE",
                      "JSON that says what is done to each tensor (docs/recipes.md) instead of "
                      "these options"),
    SWG_OPTION_LIST(arguments, keep, 0, "keep", "PATTERN",
                    "leave the tensors with matching names unchanged"),
    SWG_OPTION_FLAG(arguments, requantize, 0, "requantize",
                    "accept tensors that are already quantized (adds a second loss)"),
    SWG_OPTION_FLAG(arguments, dense, 0, "dense", "store dense matrices in a .swg too"),
    SWG_OPTION_STRING(arguments, tokenizer, 0, "tokenizer", "FILE",
                      "tokenizer, or GGUF with one, to pack instead of the one found"),
    SWG_OPTION_INT(arguments, level, 0, "level", "N", 0, 22, "0",
                   "zstd level of a .swg; 0 = the container's default"),
    SWG_OPTION_STRING(arguments, tensors, 0, "tensors", "PATTERN",
                      "list the tensors with matching names, '*' all, with scheme, zeros and bytes "
                      "(--dry-run lists all)"),
    SWG_OPTION_FLAG(arguments, dry_run, 'n', "dry-run",
                    "print the plan and an upper bound of its bytes; write nothing"),
    SWG_OPTION_FLAG(arguments, force, 'f', "force", "replace an existing output"),
};

/* --- From options to the recipe --------------------------------------------------------------- */

static swg_status sparsity_of(const arguments *a, swg_sparsity *out)
{
    unsigned n = 0, m = 0, rows = 0;
    int end = 0;
    swg_sparsity sparsity = {.ratio = a->sparsity};
    if (a->pattern && (a->sparsity > 0 || a->block))
        return swg_error(SWG_USAGE, "--pattern %s says the sparsity; --%s cannot be given with it",
                         a->pattern, a->block ? "block" : "sparsity");
    if (a->pattern) {
        if (sscanf(a->pattern, "%3u:%3u%n", &n, &m, &end) != 2 || a->pattern[end] || n < 1 ||
            n >= m || m > 64)
            return swg_error(SWG_USAGE,
                             "--pattern %s is not N:M with N from 1 to M - 1 and M up to 64",
                             a->pattern);
        sparsity = (swg_sparsity){.n = (uint8_t)n, .m = (uint8_t)m};
    }
    if (a->block) {
        if (sscanf(a->block, "%3ux1%n", &rows, &end) != 1 || end == 0 || a->block[end] ||
            rows < 2 || rows > 64)
            return swg_error(SWG_USAGE, "--block %s is not Rx1 with R from 2 to 64", a->block);
        sparsity.block = (uint8_t)rows;
    }
    if (swg_sparsity_is_dense(sparsity))
        return swg_error(SWG_USAGE, "nothing would be pruned: give --sparsity, --pattern or a "
                                    "--recipe");
    *out = sparsity;
    return SWG_OK;
}

/* "KEY=NUMBER"; the name is a copy that the recipe's arena owns. */
static swg_status read_parameter(const char *text, swg_recipe *recipe, swg_parameter *out)
{
    const char *equals = strchr(text, '=');
    char *end = NULL;
    const double number = equals ? strtod(equals + 1, &end) : 0;
    if (!equals || equals == text || end == equals + 1 || *end)
        return swg_error(SWG_USAGE, "--parameter takes KEY=NUMBER, not \"%s\"", text);
    const char *name = swg_arena_strndup(&recipe->arena, text, (size_t)(equals - text));
    *out = (swg_parameter){.name = name, .number = number};
    return name ? SWG_OK : SWG_NO_MEMORY;
}

static swg_status add_pruning(const arguments *a, swg_recipe *recipe)
{
    swg_recipe_rule rule = {
        .classes = 1u << SWG_PLAN_CLASS_LINEAR,
        .origin = "the options",
        .setting = {.given = SWG_RECIPE_SPARSITY | SWG_RECIPE_PRUNE | SWG_RECIPE_PRUNE_PARAMETERS,
                    .prune = a->method        ? a->method
                             : a->calibration ? "gradual"
                                              : "magnitude"}};
    swg_parameter *parameters =
        swg_arena_calloc(&recipe->arena, a->parameters.count, sizeof *parameters);
    if (!parameters)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < a->parameters.count; i++)
        SWG_TRY(read_parameter(a->parameters.items[i], recipe, &parameters[i]));
    rule.setting.prune_parameters = parameters;
    rule.setting.n_prune_parameters = a->parameters.count;
    SWG_TRY(sparsity_of(a, &rule.setting.sparsity));
    return swg_recipe_add_rule(recipe, &rule);
}

static swg_status recipe_from_options(const arguments *a, swg_recipe **out)
{
    swg_recipe_preset preset = swg_recipe_preset_default();
    const bool has_group = a->group_size && strcmp(a->group_size, "row") != 0;
    preset.bits = a->bits ? (unsigned)strtoul(a->bits, NULL, 10) : preset.bits;
    if (a->embedding_bits)
        preset.embedding_bits = (unsigned)strtoul(a->embedding_bits, NULL, 10);
    if (a->group_size)
        preset.group = has_group ? (uint32_t)strtoul(a->group_size, NULL, 10) : 0;
    preset.asymmetric = a->asymmetric;
    preset.method = a->quant_method ? a->quant_method : a->calibration ? "gptq" : "rtn";
    SWG_TRY(a->bits ? swg_recipe_from_preset(&preset, out) : swg_recipe_new(out));
    (*out)->requantize = a->requantize;
    (*out)->level = (int)a->level;
    (*out)->transforms = a->transform.items;
    (*out)->n_transforms = a->transform.count;
    return add_pruning(a, *out);
}

static swg_status recipe_from_file(const arguments *a, swg_recipe **out)
{
    enum { MOST_BYTES = 64 << 20 };
    char *text = NULL;
    size_t length = 0;
    const bool has_others = a->method || a->sparsity > 0 || a->pattern || a->block || a->bits ||
                            a->parameters.count || a->group_size || a->asymmetric ||
                            a->quant_method || a->embedding_bits || a->requantize || a->level ||
                            a->transform.count;
    if (has_others)
        return swg_error(SWG_USAGE,
                         "the recipe %s says what is done; of the options on that, only --keep and "
                         "--allocate can be given with it",
                         a->recipe);
    SWG_TRY(swg_file_read(a->recipe, MOST_BYTES, &text, &length));
    const swg_status status = swg_recipe_parse(text, length, a->recipe, out);
    swg_free(text);
    return status;
}

/* A text is read as the option or the recipe says; the usual way is found by the plan. */
static swg_status take_statistics(const arguments *a, swg_recipe *recipe)
{
    if (!a->calibration && recipe->statistics)
        return swg_error(SWG_USAGE,
                         "the recipe %s asks for %s statistics of a text; --calibration FILE "
                         "gives one",
                         a->recipe, recipe->statistics);
    if (a->statistics && recipe->statistics)
        return swg_error(SWG_USAGE, "--statistics is given by the recipe %s; use one of the two",
                         a->recipe);
    if (a->statistics)
        recipe->statistics = a->statistics;
    return SWG_OK;
}

static swg_status make_recipe(const arguments *a, swg_recipe **out)
{
    swg_status status = a->recipe ? recipe_from_file(a, out) : recipe_from_options(a, out);
    if (status == SWG_OK)
        status = take_statistics(a, *out);
    for (size_t i = 0; status == SWG_OK && i < a->keep.count; i++) {
        const swg_recipe_rule keep = {
            .tensors = &a->keep.items[i],
            .n_tensors = 1,
            .setting = {.given = SWG_RECIPE_FORMAT | SWG_RECIPE_SPARSITY, .format = "keep"},
            .origin = "--keep"};
        status = swg_recipe_add_rule(*out, &keep);
    }
    return status;
}

/* --- The work --------------------------------------------------------------------------------- */

/* Everything between an open source and the printed result. */
typedef struct job {
    const swg_cli *cli;
    const arguments *a;
    swg_recipe *recipe;
    swg_source *source;
    swg_transforms *transforms; /* the recipe's; NULL = none */
    bool transforms_need_stats; /* of the whole model */
    swg_source *transformed;    /* theirs; `source` itself without */
    swg_tensor_desc *changed;   /* [plan.n_entries] of `transformed` */
    swg_tensor_desc *outputs;   /* [plan.n_entries] in the plan's order */
    swg_tensor_use *uses;       /* [plan.n_entries]; NULL = the architecture is not known */
    swg_plan plan;
    swg_pool *pool;
    swg_sink_meta meta;
    swg_calibration_ids calibration; /* empty without --calibration */
    swg_input_hashes *hashes;
    swg_model_stats *statistics; /* of the whole model, where something needs them */
    char *provenance;
} job;

static swg_calibration_arguments calibration_arguments(const arguments *a)
{
    return (swg_calibration_arguments){.text = a->calibration,
                                       .tokens = a->calibration_tokens,
                                       .window = a->calibration_window,
                                       .documents = a->calibration_documents,
                                       .cache = a->cache,
                                       .no_cache = a->no_cache,
                                       .device = a->device};
}

static bool needs_statistics(const swg_plan_entry *entry)
{
    swg_prune_method method;
    return (entry->is_quantized && swg_quant_method_needs_stats(entry->method)) ||
           (!swg_sparsity_is_dense(entry->sparsity) &&
            swg_prune_method_find(entry->prune, &method) == SWG_OK &&
            swg_prune_method_needs_stats(method));
}

/* Where nothing says how statistics are collected and a method needs them: the usual way. */
static void settle_statistics(job *j)
{
    for (size_t i = 0; i < j->plan.n_entries && j->a->calibration && !j->recipe->statistics; i++)
        if (needs_statistics(&j->plan.entries[i]))
            j->recipe->statistics = "paired";
}

static bool is_statistics(const job *j, const char *how)
{
    return j->recipe->statistics && strcmp(j->recipe->statistics, how) == 0;
}

/* Whether statistics are collected while layers are pruned. */
static bool is_sequential(const job *j)
{
    return j->recipe->statistics && !is_statistics(j, "full");
}

/* Options on the text that change nothing are said, not refused: the runs of a sweep share them. */
static void say_unused(const job *j)
{
    const arguments *a = j->a;
    const bool is_whole = is_statistics(j, "full") || j->transforms_need_stats;
    bool is_used = j->transforms_need_stats || is_statistics(j, "paired") ||
                   swg_allocation_needs_text(a->allocate);
    for (size_t i = 0; i < j->plan.n_entries; i++)
        is_used |= needs_statistics(&j->plan.entries[i]);
    if (a->calibration && !is_used)
        swg_cli_say(j->cli,
                    "%s changes nothing: no method here looks at inputs; with --statistics paired "
                    "every method would",
                    a->calibration);
    else if ((a->cache || a->no_cache) && !is_whole)
        swg_cli_say(j->cli, "--%s changes nothing: only full statistics are kept",
                    a->cache ? "cache" : "no-cache");
}

static swg_status open_statistics(job *j)
{
    const swg_calibration_arguments from = calibration_arguments(j->a);
    const swg_statistics_request request = {.cli = j->cli,
                                            .arguments = &from,
                                            .ids = &j->calibration,
                                            .source = j->source,
                                            .hashes = j->hashes,
                                            .pool = j->pool,
                                            .output = j->a->output};
    SWG_TRY(swg_input_hashes_start(j->source, j->cli->n_threads, &j->hashes));
    if (is_statistics(j, "full") || j->transforms_need_stats)
        SWG_TRY(swg_statistics_open(&request, &j->statistics));
    return j->transforms ? swg_transforms_fit(j->transforms, &j->plan, j->statistics, j->pool)
                         : SWG_OK;
}

static swg_status read_uses(job *j)
{
    swg_tensor_desc *inputs;
    SWG_TRY(swg_quantize_source_descs(j->source, &inputs));
    const swg_status status = swg_quantize_source_uses(j->source, inputs, &j->uses);
    swg_free(inputs);
    return status;
}

static swg_status open_transforms(job *j)
{
    const swg_transforms_request request = {
        .cli = j->cli, .source = j->source, .uses = j->uses, .has_text = j->a->calibration != NULL};
    SWG_TRY(swg_command_transforms_open(&request, j->recipe, &j->transforms_need_stats,
                                        &j->transforms));
    j->transformed = j->transforms ? swg_transforms_source(j->transforms) : j->source;
    return swg_quantize_source_descs(j->transformed, &j->changed);
}

static swg_status make_plan(job *j)
{
    const bool is_calibrated = j->a->calibration != NULL;
    swg_plan_deinit(&j->plan);
    SWG_TRY(
        swg_plan_make(j->changed, swg_source_n_tensors(j->source), j->uses, j->recipe, &j->plan));
    settle_statistics(j);
    SWG_TRY(swg_prune_check_plan(&j->plan, is_calibrated));
    return swg_quantize_check_plan(&j->plan, is_calibrated, true);
}

/* Ratios of their own for the matrices: rules of the recipe, which then says all that was done. */
static swg_status allocate(job *j)
{
    const swg_allocation_job work = {.source = j->source,
                                     .plan = &j->plan,
                                     .text = j->a->calibration ? &j->calibration.text : NULL,
                                     .pool = j->pool,
                                     .progress = j->cli->progress};
    if (!j->a->allocate)
        return SWG_OK;
    SWG_TRY(swg_allocate_sparsity(j->a->allocate, &work, j->recipe));
    return make_plan(j);
}

static swg_status prepare(job *j, const char *input)
{
    const arguments *a = j->a;
    swg_source_options source_options = swg_source_options_default();
    source_options.tokenizer = a->tokenizer;
    SWG_TRY(make_recipe(a, &j->recipe));
    SWG_TRY(swg_source_open(input, &source_options, &j->source));
    SWG_TRY(read_uses(j));
    SWG_TRY(open_transforms(j));
    SWG_TRY(make_plan(j));
    say_unused(j);
    if (!j->uses)
        swg_cli_note(j->cli, "the architecture of %s is not known; tensors are classified by name",
                     input);
    const swg_calibration_arguments from = calibration_arguments(a);
    SWG_TRY(swg_calibration_arguments_read(&from, j->source, 0, &j->calibration));
    SWG_TRY(swg_pool_new(j->cli->n_threads, &j->pool));
    SWG_TRY(allocate(j));
    if (is_sequential(j))
        SWG_TRY(swg_quantize_order_by_layers(j->uses, &j->plan));
    /* Containers keep every scheme, and the history; other formats neither. */
    if (!a->dense && swg_sink_keeps_provenance(a->output, NULL))
        SWG_TRY(swg_prune_choose_storage(&j->plan));
    SWG_TRY(swg_quantize_output_descs(&j->plan, &j->outputs));
    return swg_sink_meta_from_source(j->source, &j->meta);
}

static void write_options(const job *j, swg_json_writer *json)
{
    const swg_calibration_arguments from = calibration_arguments(j->a);
    if (!j->a->calibration)
        return;
    swg_json_begin_object(json, NULL);
    swg_json_begin_object(json, "calibration");
    swg_calibration_arguments_write(&from, &j->calibration, j->recipe->statistics, json);
    swg_json_end_object(json);
    swg_json_end_object(json);
}

/* The history with this step's entry. Without hashes: for a dry run. */
static swg_status add_provenance(job *j, swg_input_hashes *hashes)
{
    swg_json_writer options_json = {.compact = true};
    write_options(j, &options_json);
    swg_status status = swg_strbuf_status(&options_json.out);
    if (status == SWG_OK)
        status = swg_command_history(j->source, "prune", options_json.out.text, j->recipe, hashes,
                                     &j->provenance);
    swg_json_deinit(&options_json);
    return status;
}

static swg_prune_result result_of(const job *j)
{
    return (swg_prune_result){.source = j->source,
                              .inputs = j->changed,
                              .output = j->a->output,
                              .tensors = j->a->dry_run && !j->a->tensors ? "*" : j->a->tensors,
                              .recipe = j->recipe,
                              .plan = &j->plan};
}

static swg_status dry_run(job *j, const swg_sink_options *sink_options)
{
    swg_prune_result result = result_of(j);
    SWG_TRY(add_provenance(j, NULL));
    j->meta.provenance = j->provenance;
    SWG_TRY(swg_sink_plan_bytes(j->a->output, sink_options, &j->meta, j->outputs, j->plan.n_entries,
                                &result.file_bytes, &result.is_exact));
    return swg_prune_print(j->cli, &result);
}

static swg_status write_output(job *j, const swg_sink_options *sink_options)
{
    swg_quantize_options how = swg_quantize_options_default();
    how.pool = j->pool;
    how.progress = j->cli->progress;
    how.pruner = &swg_pruner_by_table;
    const double start = swg_clock_s();
    swg_prune_result result = result_of(j);
    swg_tensor_report *reports = NULL;
    swg_sink *sink = NULL;
    swg_status status = SWG_OK;
    SWG_GO(open_statistics(j));
    how.statistics = is_statistics(j, "full") ? j->statistics : NULL;
    how.transforms = j->transforms;
    how.calibration = is_sequential(j) ? &j->calibration.text : NULL;
    how.is_paired = is_statistics(j, "paired");
    SWG_GO(SWG_NEW(reports, j->plan.n_entries));
    SWG_GO(
        swg_sink_open(j->a->output, sink_options, &j->meta, j->outputs, j->plan.n_entries, &sink));
    SWG_GO(swg_quantize_checkpoint(j->transformed, &j->plan, &how, sink, reports));
    SWG_GO(add_provenance(j, j->hashes));
    SWG_GO(swg_sink_set_provenance(sink, j->provenance));
    SWG_GO(swg_sink_finish(&sink, &result.file_bytes));
    result.is_exact = true;
    result.reports = reports;
    result.peak_memory_bytes = swg_peak_rss_bytes();
    result.elapsed_s = swg_clock_s() - start;
    SWG_GO(swg_prune_print(j->cli, &result));
done:
    swg_sink_abort(&sink);
    swg_free(reports);
    return status;
}

static swg_status check_arguments(const arguments *a, const char *input)
{
    if (swg_path_is_same(input, a->output))
        return swg_error(SWG_USAGE, "%s is both the input and the output", input);
    if ((a->dense || a->level) && !swg_sink_keeps_provenance(a->output, NULL))
        return swg_error(SWG_USAGE, "--%s is about a .swg, which %s is not",
                         a->dense ? "dense" : "level", a->output);
    return a->dry_run ? SWG_OK : swg_sink_check_path(a->output, a->force);
}

/* Options on single weights make no sense for a model that becomes smaller; a second command can
 * prune or quantize that one. */
static swg_status run_structured(const swg_cli *cli, const arguments *a)
{
    const char *const other = a->recipe             ? "recipe"
                              : a->method           ? "method"
                              : a->sparsity > 0     ? "sparsity"
                              : a->pattern          ? "pattern"
                              : a->block            ? "block"
                              : a->allocate         ? "allocate"
                              : a->parameters.count ? "parameter"
                              : a->bits             ? "bits"
                              : a->group_size       ? "group-size"
                              : a->asymmetric       ? "asymmetric"
                              : a->quant_method     ? "quant-method"
                              : a->embedding_bits   ? "embedding-bits"
                              : a->transform.count  ? "transform"
                              : a->statistics       ? "statistics"
                              : a->keep.count       ? "keep"
                              : a->requantize       ? "requantize"
                              : a->dense            ? "dense"
                              : a->tensors          ? "tensors"
                                                    : NULL;
    const swg_structured_arguments structured = {.input = cli->positionals[0],
                                                 .output = a->output,
                                                 .tokenizer = a->tokenizer,
                                                 .structures = &a->structured,
                                                 .calibration = calibration_arguments(a),
                                                 .level = (int)a->level,
                                                 .refit = !a->no_refit,
                                                 .dry_run = a->dry_run,
                                                 .force = a->force};
    if (other)
        return swg_error(
            SWG_USAGE,
            "--%s is about single weights and cannot be given with --structured: prune "
            "the smaller model in a second command",
            other);
    return swg_prune_structured(cli, &structured);
}

static swg_status run(const swg_cli *cli, const void *values)
{
    const arguments *a = values;
    job j = {.cli = cli, .a = a};
    swg_status status = SWG_OK;
    SWG_TRY(check_arguments(a, cli->positionals[0]));
    if (a->structured.count)
        return run_structured(cli, a);
    SWG_GO(prepare(&j, cli->positionals[0]));
    swg_sink_options sink_options = swg_sink_options_default();
    sink_options.force = a->force;
    sink_options.level = j.recipe->level;
    sink_options.pool = j.pool;
    SWG_GO(a->dry_run ? dry_run(&j, &sink_options) : write_output(&j, &sink_options));
done:
    swg_model_stats_free(&j.statistics);
    swg_input_hashes_free(&j.hashes);
    swg_calibration_ids_deinit(&j.calibration);
    swg_sink_meta_deinit(&j.meta);
    swg_free(j.provenance);
    swg_pool_free(&j.pool);
    swg_plan_deinit(&j.plan);
    swg_free(j.outputs);
    swg_transforms_free(&j.transforms);
    swg_free(j.changed);
    swg_free(j.uses);
    swg_source_close(&j.source);
    swg_recipe_free(&j.recipe);
    return status;
}

static const swg_option_need needs[] = {
    {"calibration-tokens", "calibration"},
    {"calibration-window", "calibration"},
    {"calibration-documents", "calibration"},
    {"statistics", "calibration"},
    {"cache", "calibration"},
    {"no-cache", "calibration"},
    {"device", "calibration"},
    {"no-refit", "structured"},
    {"group-size", "bits"},
    {"asymmetric", "bits"},
    {"quant-method", "bits"},
    {"transform", "bits"},
    {"embedding-bits", "bits"},
};

static const swg_option_exclusion exclusions[] = {{"cache", "no-cache"}};

static const swg_example examples[] = {
    {"swage prune model -o pruned --sparsity 0.3", "zero the smallest 30 % of each matrix"},
    {"swage prune model -o pruned.swg --pattern 2:4 --method wanda --calibration book.txt",
     "two of every four weights, chosen with their inputs"},
    {"swage prune model -o pruned.swg --sparsity 0.5 --bits 4 --calibration book.txt",
     "prune and quantize, each making up for the other"},
    {"swage prune model -o pruned.swg --sparsity 0.5 --block 16x1 --dry-run",
     "what blocks would take"},
    {"swage prune model -o smaller --structured ffn=0.25 --calibration book.txt",
     "an ordinary checkpoint with a quarter fewer feed-forward channels"},
};

const swg_command swg_command_prune = {
    .name = "prune",
    .synopsis =
        "MODEL -o OUT --sparsity R|--pattern N:M|--structured WHAT=R [--method M] [options]",
    .summary = "make weights zero, in any pattern, and store what is left",
    .description =
        "Makes exactly the given share of every linear weight matrix zero: floor(count * R) "
        "weights of each row (wanda, gradual) or of the whole matrix (the others), N of M "
        "neighbours, or blocks. Weights that are zero already are removed first, and stay zero.\n\n"
        "With --calibration the model runs on a text, layer by layer, each layer after those "
        "before it were pruned. With --bits what is left is quantized too, in the same pass: "
        "codes are chosen to make up for the weights that were removed.\n\n"
        "A .swg holds a bit mask and what is left, two of four with positions of two bits, or "
        "lists of blocks, whichever is smallest; other outputs hold ordinary matrices with "
        "zeros.\n\n"
        "--structured removes whole layers, heads or channels: the output is a smaller ordinary "
        "model. Those go whose absence changes the outputs of the weights that read them least, "
        "and all weights that stay are refitted by least squares to make up for them.\n\n"
        "All of this but --structured is a recipe, which the output carries in its history and "
        "`swage inspect` "
        "prints: --recipe applies it to another checkpoint, or repeats it byte for byte.",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .needs = needs,
    .n_needs = sizeof needs / sizeof *needs,
    .exclusions = exclusions,
    .n_exclusions = sizeof exclusions / sizeof *exclusions,
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 1,
    .max_positionals = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof *examples,
    .run = run,
};
