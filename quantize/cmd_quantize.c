/* swage quantize: options, patterns, the way from a source to a sink. */
#include <stdlib.h>
#include <string.h>

#include "quantize/cmd_quantize_report.h"
#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"

typedef struct arguments {
    const char *output, *method, *bits, *group_size, *embedding_bits, *embedding_group_size;
    const char *scale_type, *scale_search, *tokenizer, *nonfinite;
    swg_string_list keep, bits_for;
    int64_t level;
    bool asymmetric, requantize, dry_run, force;
} arguments;

/* "|rtn|...": the table's names as an option's choices. */
static const char method_words[] = ""
#define SWG_QUANT_METHOD(name, meaning) "|" #name
#include "quantize/quant_methods.def"
#undef SWG_QUANT_METHOD
    ;

static const swg_option options[] = {
    {.kind = SWG_OPTION_IS_STRING,
     .letter = 'o',
     .name = "output",
     .metavar = "FILE",
     .help = "the .swg to write",
     .offset = offsetof(arguments, output),
     .is_required = true},
    SWG_OPTION_CHOICE(arguments, bits, 0, "bits", "4|8", "4", "bits of a linear weight"),
    SWG_OPTION_CHOICE(arguments, group_size, 0, "group-size", "auto|32|64|128|256|row", "auto",
                      "weights of a row that share a scale; auto = 64 at 4 bits, 32 at 8 bits"),
    SWG_OPTION_FLAG(arguments, asymmetric, 0, "asymmetric", "store a zero point for every group"),
    SWG_OPTION_CHOICE(arguments, scale_type, 0, "scale-type", "auto|f16|bf16|f32", "auto",
                      "number format of the scales; auto = f16 at 4 bits, bf16 at 8 bits"),
    SWG_OPTION_CHOICE(arguments, scale_search, 0, "scale-search", "mse|absmax", "mse",
                      "scale with the least squared error, or from the largest weight"),
    SWG_OPTION_CHOICE(arguments, method, 0, "method", method_words + 1, "rtn",
                      "how codes are chosen"),
    SWG_OPTION_CHOICE(arguments, embedding_bits, 0, "embedding-bits", "4|8|16", "8",
                      "bits of embeddings and output heads; 16 keeps them as they are"),
    SWG_OPTION_CHOICE(arguments, embedding_group_size, 0, "embedding-group-size",
                      "auto|32|64|128|256|row", "auto",
                      "the same for embeddings; auto = --group-size, at 8 bits at least 128"),
    SWG_OPTION_LIST(arguments, keep, 0, "keep", "PATTERN",
                    "store the tensors with such names as they are"),
    SWG_OPTION_LIST(arguments, bits_for, 0, "bits-for", "PATTERN=N",
                    "4, 8 or 16 (keep) bits for the tensors with such names; later ones win"),
    SWG_OPTION_FLAG(arguments, requantize, 0, "requantize",
                    "accept tensors that are quantized already, and lose twice"),
    SWG_OPTION_CHOICE(arguments, nonfinite, 0, "nonfinite", "error|warn|keep", "error",
                      "what to do about NaN and infinities in tensors that are kept as they are: "
                      "fail, keep them and say so, or keep them"),
    SWG_OPTION_STRING(arguments, tokenizer, 0, "tokenizer", "FILE",
                      "tokenizer, or GGUF with one, to pack instead of the one found"),
    SWG_OPTION_INT(arguments, level, 0, "level", "N", 0, 22, "0",
                   "zstd level; 0 = the container's default"),
    SWG_OPTION_FLAG(arguments, dry_run, 'n', "dry-run",
                    "print the plan, its bytes and memory; write nothing"),
    SWG_OPTION_FLAG(arguments, force, 'f', "force", "replace an existing output"),
};

/* --- From words to the recipe ----------------------------------------------------------------- */

static uint32_t group_of(const char *word)
{
    return strcmp(word, "row") == 0 ? 0 : (uint32_t)strtoul(word, NULL, 10);
}

static swg_status resolve(const arguments *a, swg_quantize_recipe *out)
{
    swg_plan_rules rules = swg_plan_rules_default((unsigned)strtoul(a->bits, NULL, 10));
    rules.embedding_bits = (unsigned)strtoul(a->embedding_bits, NULL, 10);
    rules.asymmetric = a->asymmetric;
    rules.requantize = a->requantize;
    if (strcmp(a->group_size, "auto") != 0)
        rules.group = group_of(a->group_size);
    rules.embedding_group = strcmp(a->embedding_group_size, "auto") == 0
                                ? swg_plan_embedding_group(rules.embedding_bits, rules.group)
                                : group_of(a->embedding_group_size);
    const char *type = a->scale_type;
    if (strcmp(type, "auto") != 0)
        rules.scale_type = strcmp(type, "f16") == 0    ? SWG_F16
                           : strcmp(type, "bf16") == 0 ? SWG_BF16
                                                       : SWG_F32;
    *out = (swg_quantize_recipe){
        .rules = rules,
        .search = strcmp(a->scale_search, "mse") == 0 ? SWG_SEARCH_MSE : SWG_SEARCH_ABSMAX,
        .level = (int)a->level,
        .nonfinite = a->nonfinite,
        .keep = &a->keep,
        .bits_for = &a->bits_for,
    };
    return swg_quant_method_find(a->method, &out->method);
}

/* The tensor name, else the part of one, that the user may have meant; NULL = none is near. Lives
 * in the arena. */
static swg_status nearest_name(const char *pattern, const swg_tensor_desc *tensors, size_t n,
                               swg_arena *arena, const char **out)
{
    void *block = NULL; /* of n_words pointers */
    size_t n_words = 0, capacity = 0;
    swg_status status = SWG_OK;
    *out = NULL;
    for (int by_part = 0; by_part < 2 && !*out; by_part++) {
        n_words = 0;
        for (size_t i = 0; i < n; i++) {
            const char *name = tensors[i].name;
            while (*name) {
                const size_t length = by_part ? strcspn(name, ".") : strlen(name);
                SWG_GO(swg_reserve(&block, &capacity, n_words + 1, sizeof(char *)));
                const char **words = block;
                words[n_words] = swg_arena_strndup(arena, name, length);
                if (!words[n_words++])
                    SWG_GO(SWG_NO_MEMORY);
                name += length + (name[length] == '.');
            }
        }
        *out = swg_nearest_word(pattern, block, n_words);
    }
done:
    swg_free(block);
    return status;
}

/* Set the bits of all tensors that match; a pattern without any is a mistake of the user's. One
 * that asks for fewer bits means the matrices among them: 'layers.0.*' also matches norms. */
static swg_status apply_pattern(const char *option, const char *pattern, uint8_t bits,
                                const swg_tensor_desc *tensors, size_t n, uint8_t *overrides)
{
    size_t matched = 0, set = 0;
    for (size_t i = 0; i < n; i++)
        if (swg_pattern_matches(pattern, tensors[i].name)) {
            matched++;
            if (bits == SWG_PLAN_KEEP || swg_plan_is_matrix(&tensors[i])) {
                overrides[i] = bits;
                set++;
            }
        }
    if (set)
        return SWG_OK;
    if (matched)
        return swg_error(SWG_USAGE,
                         "--%s %s matches no matrix of floats, and only those can have %u bits",
                         option, pattern, bits);
    swg_arena arena = {0};
    const char *near;
    swg_status status = nearest_name(pattern, tensors, n, &arena, &near);
    if (status == SWG_OK)
        status = swg_error(SWG_USAGE, "--%s %s matches none of the %zu tensors%s%s", option,
                           pattern, n, near ? "; the nearest is " : "", near ? near : "");
    swg_arena_deinit(&arena);
    return status;
}

/* "PATTERN=N"; the pattern is cut off in `pattern` [SWG_MAX_NAME + 1]. */
static swg_status split_bits_for(const char *text, char *pattern, uint8_t *bits)
{
    const char *equals = strrchr(text, '=');
    const size_t length = equals ? (size_t)(equals - text) : 0;
    if (length == 0 || length > SWG_MAX_NAME)
        return swg_error(SWG_USAGE, "--bits-for takes PATTERN=N, not \"%s\"", text);
    if (strcmp(equals, "=4") != 0 && strcmp(equals, "=8") != 0 && strcmp(equals, "=16") != 0)
        return swg_error(SWG_USAGE, "--bits-for %s: the bits are 4, 8 or 16 (keep), not \"%s\"",
                         text, equals + 1);
    memcpy(pattern, text, length);
    pattern[length] = '\0';
    *bits = (uint8_t)strtoul(equals + 1, NULL, 10);
    return SWG_OK;
}

static swg_status make_plan(const arguments *a, const swg_quantize_recipe *recipe,
                            const swg_tensor_desc *tensors, size_t n, swg_plan *out)
{
    uint8_t *overrides;
    swg_status status = SWG_OK;
    SWG_TRY(SWG_NEW(overrides, n));
    for (size_t i = 0; i < a->bits_for.count; i++) {
        char pattern[SWG_MAX_NAME + 1];
        uint8_t bits = 0;
        SWG_GO(split_bits_for(a->bits_for.items[i], pattern, &bits));
        SWG_GO(apply_pattern("bits-for", pattern, bits, tensors, n, overrides));
    }
    for (size_t i = 0; i < a->keep.count; i++)
        SWG_GO(apply_pattern("keep", a->keep.items[i], SWG_PLAN_KEEP, tensors, n, overrides));
    SWG_GO(swg_plan_make(tensors, n, &recipe->rules, overrides, out));
done:
    swg_free(overrides);
    return status;
}

/* --- The work --------------------------------------------------------------------------------- */

/* Everything between an open source and the printed result. */
typedef struct job {
    const swg_cli *cli;
    const arguments *a;
    swg_quantize_recipe recipe;
    swg_source *source;
    swg_tensor_desc *inputs, *outputs; /* [plan.n_entries] */
    swg_plan plan;
    swg_pool *pool;
    swg_sink_meta meta;
    char *provenance;
} job;

static swg_status prepare(job *j, const char *input)
{
    const arguments *a = j->a;
    const swg_source_options source_options = {.tokenizer = a->tokenizer};
    SWG_TRY(resolve(a, &j->recipe));
    if (swg_path_is_same(input, a->output))
        return swg_error(SWG_USAGE, "%s is both the input and the output", input);
    SWG_TRY(swg_source_open(input, &source_options, &j->source));
    const size_t n = swg_source_n_tensors(j->source);
    SWG_TRY(swg_quantize_source_descs(j->source, &j->inputs));
    SWG_TRY(make_plan(a, &j->recipe, j->inputs, n, &j->plan));
    SWG_TRY(SWG_NEW(j->outputs, n));
    for (size_t i = 0; i < n; i++)
        j->outputs[i] = j->plan.entries[i].desc;
    SWG_TRY(swg_pool_new(j->cli->n_threads, &j->pool));
    return swg_sink_meta_from_source(j->source, &j->meta);
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
                                 .recipe = &j->recipe,
                                 .plan = &j->plan};
}

static swg_status dry_run(job *j, const swg_sink_options *sink_options)
{
    swg_quantize_result result = result_of(j);
    SWG_TRY(swg_sink_plan_bytes(j->a->output, sink_options, &j->meta, j->outputs, j->plan.n_entries,
                                &result.file_bytes, &result.is_exact));
    result.peak_memory_bytes = swg_quantize_peak_bytes(&j->plan, swg_pool_threads(j->pool));
    return print(j, &result);
}

static void warn_of_nonfinite(const job *j, const swg_tensor_report *reports)
{
    for (size_t i = 0; i < j->plan.n_entries && strcmp(j->a->nonfinite, "warn") == 0; i++)
        if (reports[i].n_nonfinite)
            swg_cli_say(j->cli, "tensor %s holds %llu numbers that are not finite",
                        j->outputs[i].name, (unsigned long long)reports[i].n_nonfinite);
}

static swg_status write_output(job *j, const swg_sink_options *sink_options)
{
    const swg_quantize_options quantize_options = {.method = j->recipe.method,
                                                   .search = j->recipe.search,
                                                   .pool = j->pool,
                                                   .progress = j->cli->progress,
                                                   .keep_nonfinite =
                                                       strcmp(j->a->nonfinite, "error") != 0};
    const double start = swg_clock_s();
    swg_quantize_result result = result_of(j);
    swg_tensor_report *reports = NULL;
    swg_sink *sink = NULL;
    swg_status status = SWG_OK;
    SWG_GO(SWG_NEW(reports, j->plan.n_entries));
    SWG_GO(swg_quantize_provenance(j->source, &j->recipe, &j->provenance));
    j->meta.provenance = j->provenance;
    SWG_GO(
        swg_sink_open(j->a->output, sink_options, &j->meta, j->outputs, j->plan.n_entries, &sink));
    SWG_GO(swg_quantize_checkpoint(j->source, &j->plan, &quantize_options, sink, reports));
    SWG_GO(swg_sink_finish(&sink, &result.file_bytes));
    warn_of_nonfinite(j, reports);
    result.is_exact = true;
    result.reports = reports;
    result.peak_memory_bytes = swg_peak_rss_bytes();
    result.elapsed_s = swg_clock_s() - start;
    SWG_GO(print(j, &result));
done:
    swg_sink_abort(&sink);
    swg_free(reports);
    return status;
}

static swg_status run(const swg_cli *cli, const void *values)
{
    const arguments *a = values;
    job j = {.cli = cli, .a = a};
    swg_status status = SWG_OK;
    SWG_GO(prepare(&j, cli->positionals[0]));
    const swg_sink_options sink_options = {
        .force = a->force, .level = j.recipe.level, .pool = j.pool};
    SWG_GO(a->dry_run ? dry_run(&j, &sink_options) : write_output(&j, &sink_options));
done:
    swg_sink_meta_deinit(&j.meta);
    swg_free(j.provenance);
    swg_pool_free(&j.pool);
    swg_plan_deinit(&j.plan);
    swg_free(j.outputs);
    swg_free(j.inputs);
    swg_source_close(&j.source);
    return status;
}

static const swg_example examples[] = {
    {"swage quantize model -o model.swg", "4 bits in groups of 64, embeddings 8 bits"},
    {"swage quantize model -o model.swg --bits 8 --group-size row", "8 bits, one scale a row"},
    {"swage quantize model -o model.swg --bits-for 'model.layers.0.*=8' --keep embed_tokens "
     "--dry-run",
     "what a mixed recipe would do"},
};

const swg_command swg_command_quantize = {
    .name = "quantize",
    .synopsis = "MODEL -o OUT.swg [--bits 4|8] [--group-size N|row] [options]",
    .summary = "quantize a checkpoint to 4 or 8 bits and pack it",
    .description =
        "Reads a checkpoint tensor by tensor, quantizes its linear weights and embeddings, and "
        "writes one compressed container. Vectors (norms, biases) stay as they are.\n\n"
        "Every group of weights gets the scale (and, with --asymmetric, the zero point) with the "
        "least squared error. The table shows for each tensor the relative error "
        "|W' - W| / |W|, the signal-to-noise ratio, the bits of a weight with its share of the "
        "scales, and bytes before and after zstd.\n\n"
        "A weight that is NaN or infinite cannot be quantized. In tensors that are kept it is an "
        "error too, unless --nonfinite says otherwise.\n\n"
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
