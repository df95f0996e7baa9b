/* swage quantize: its options, and what it does in which order. */
#include "quantize/cmd_quantize_job.h"
#include "quantize/cmd_quantize_report.h"
#include "quantize/cmd_quantize_search.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/device.h"

typedef swg_quantize_arguments arguments;

/* "|rtn|...": the table's names as an option's choices. */
static const char method_words[] = ""
#define SWG_QUANT_METHOD(name, needs, parameters, meaning) "|" #name
#include "quantize/quant_methods.def"
#undef SWG_QUANT_METHOD
    ;
static const char method_help[] =
    "how codes are chosen (default rtn; with --calibration gptq on paired statistics, after awq)"
#define SWG_QUANT_METHOD(name, needs, parameters, meaning) "; " #name " = " meaning
#include "quantize/quant_methods.def"
#undef SWG_QUANT_METHOD
    ;

static const char transform_help[] =
    "change the checkpoint before, in a way that only rounding notices"
#define SWG_TRANSFORM(name, word, needs, meaning) ". " word ": " meaning
#include "quantize/transforms.def"
#undef SWG_TRANSFORM
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
    SWG_OPTION_CHOICE(arguments, scale_type, 0, "scale-type", "auto|f16|bf16|f32|i8", NULL,
                      "number format of the scales (default auto: f16, or bf16 at 8 bits); i8 = "
                      "integers, with one "
                      "float per row that multiplies them"),
    SWG_OPTION_CHOICE(arguments, scale_search, 0, "scale-search", "mse|absmax", NULL,
                      "scale with the least squared error (default mse), or from the largest "
                      "weight"),
    SWG_OPTION_CHOICE(arguments, method, 0, "method", method_words + 1, NULL, method_help),
    SWG_OPTION_STRING(arguments, calibration, 'c', "calibration", "FILE",
                      "text to run the model on, collecting statistics of its weights' inputs: "
                      "codes are then chosen by gptq unless --method or --recipe says otherwise "
                      "(rtn weights errors by them)"),
    SWG_OPTION_INT(arguments, calibration_tokens, 0, "calibration-tokens", "N", 2, 1 << 30, "32768",
                   "largest number of tokens of that text to read"),
    SWG_OPTION_INT(arguments, calibration_window, 0, "calibration-window", "N", 0, 1 << 20, "0",
                   "tokens read together; 0 = 512, or the model's positions if those are fewer"),
    SWG_OPTION_FLAG(arguments, calibration_documents, 0, "calibration-documents",
                    "blank lines of that text separate documents that each begin with BOS"),
    SWG_OPTION_CHOICE(
        arguments, statistics, 0, "statistics", "full|sequential|paired", NULL,
        "what that text is read by: the whole model as it is, once, for all recipes "
        "(default with --method or --recipe, but not with a target); layer by layer, with the "
        "layers already quantized; or that and "
        "the model as it is side by side, so that each weight makes up for the "
        "errors before it (slowest, closest; default otherwise)"),
    SWG_OPTION_STRING(arguments, cache, 0, "cache", "DIR",
                      "folder that keeps full statistics for the next recipe (default "
                      "$XDG_CACHE_HOME/swage, or ~/.cache/swage)"),
    SWG_OPTION_FLAG(arguments, no_cache, 0, "no-cache",
                    "collect statistics anew, into a temporary file beside the output"),
    SWG_OPTION_CHOICE(arguments, device, 0, "device", SWG_DEVICE_CHOICES, "cpu",
                      swg_device_calibration_help),
    SWG_OPTION_STRING(arguments, target_bytes, 0, "target-bytes", "N",
                      "search for the recipe with the least divergence whose file takes at most N "
                      "bytes (K, M, G = powers of 1024)"),
    SWG_OPTION_DOUBLE(arguments, target_bits, 0, "target-bits", "B", 0, 64, NULL,
                      "the same for a file of B bits per parameter"),
    SWG_OPTION_DOUBLE(
        arguments, max_kld, 0, "max-kld", "X", 0, 100, NULL,
        "search for the smallest file whose predictions diverge by at most X nats per "
        "token on text held out of the calibration"),
    SWG_OPTION_STRING(arguments, sensitivity, 0, "sensitivity", "FILE",
                      "with a target: results of `swage eval --sensitivity --results`, by which "
                      "the search weighs its estimates of matrices"),
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
    SWG_OPTION_STRING(arguments, tensors, 0, "tensors", "PATTERN",
                      "list the tensors with matching names, '*' all, with scheme, error and bytes "
                      "(--dry-run lists all)"),
    SWG_OPTION_FLAG(arguments, dry_run, 'n', "dry-run",
                    "print the plan, an upper bound of its bytes, and memory; write nothing"),
    SWG_OPTION_FLAG(arguments, force, 'f', "force", "replace an existing output"),
};

static swg_status print(const swg_quantize_state *j, const swg_quantize_result *result)
{
    return j->cli->json ? swg_quantize_print_json(j->cli, result)
                        : swg_quantize_print_table(result);
}

static swg_quantize_result result_of(const swg_quantize_state *j)
{
    return (swg_quantize_result){.file = j->file,
                                 .source = j->source,
                                 .inputs = j->inputs,
                                 .output = j->a->output,
                                 .tensors = j->a->dry_run && !j->a->tensors ? "*" : j->a->tensors,
                                 .recipe = j->recipe,
                                 .plan = &j->plan,
                                 .is_calibrated = j->a->calibration != NULL};
}

/* The recipe that the search finds, by its estimates alone. */
static swg_status dry_search(swg_quantize_state *j)
{
    swg_quantize_search_report search = {0};
    uint64_t bytes;
    SWG_TRY(swg_quantize_search(j, &search, &bytes));
    swg_quantize_result result = result_of(j);
    result.search = &search;
    result.file_bytes = bytes;
    const swg_status status = print(j, &result);
    swg_free(search.decisions);
    return status;
}

static swg_status dry_run(swg_quantize_state *j)
{
    swg_quantize_result result = result_of(j);
    swg_sink_options sink_options = swg_sink_options_default();
    sink_options.force = j->a->force;
    sink_options.level = j->recipe->level;
    if (swg_quantize_has_target(j->a))
        return dry_search(j);
    SWG_TRY(swg_quantize_add_provenance(j, NULL, false));
    j->meta.provenance = j->provenance;
    SWG_TRY(swg_sink_plan_bytes(j->a->output, &sink_options, &j->meta, j->outputs,
                                j->plan.n_entries, &result.file_bytes, &result.is_exact));
    if (j->a->calibration) /* tells whether statistics are in the cache */
        SWG_TRY(swg_input_hashes_start(j->file, j->cli->n_threads, &j->hashes));
    SWG_TRY(swg_quantize_plan_memory(j, &result.peak_memory_bytes));
    return print(j, &result);
}

static swg_status write_output(swg_quantize_state *j)
{
    const double start = swg_clock_s();
    uint64_t bytes;
    swg_quantize_search_report search = {0};
    if (swg_quantize_has_target(j->a)) {
        SWG_TRY(swg_quantize_search(j, &search, &bytes));
    } else {
        SWG_TRY(swg_quantize_open_statistics(j));
        SWG_TRY(swg_quantize_write(j, j->a->output, NULL, j->a->force, &bytes));
    }
    swg_journal_finish(&j->journal);
    swg_quantize_result result = result_of(j);
    result.search = swg_quantize_has_target(j->a) ? &search : NULL;
    result.file_bytes = bytes;
    result.is_exact = true;
    result.reports = j->reports;
    result.peak_memory_bytes = swg_peak_rss_bytes();
    result.elapsed_s = swg_clock_s() - start;
    const swg_status status = print(j, &result);
    swg_free(search.decisions);
    return status;
}

static swg_status run(const swg_cli *cli, const void *values)
{
    const arguments *a = values;
    swg_quantize_state state = {.cli = cli, .a = a};
    swg_status status = swg_quantize_prepare(&state, cli->positionals[0]);
    if (status == SWG_OK)
        status = a->dry_run ? dry_run(&state) : write_output(&state);
    swg_quantize_state_deinit(&state);
    return status;
}

static const swg_option_need needs[] = {
    {"calibration-tokens", "calibration"},
    {"calibration-window", "calibration"},
    {"calibration-documents", "calibration"},
    {"statistics", "calibration"},
};

static const swg_example examples[] = {
    {"swage quantize model -o model.swg", "4 bits in groups of 64, embeddings 8 bits"},
    {"swage quantize model -o model.swg --bits 8 --group-size row", "8 bits, one scale per row"},
    {"swage quantize model -o model.swg --bits-for 'model.layers.0.*=8' --keep embed_tokens "
     "--dry-run",
     "show what a mixed recipe would do"},
    {"swage quantize model -o model.swg --recipe recipe.json", "quantize as a recipe file says"},
    {"swage quantize model -o model.swg --calibration book.txt",
     "codes chosen by the weights' inputs on a text"},
    {"swage quantize model -o model.swg --target-bytes 90M --calibration book.txt",
     "the best recipe that fits 90 MiB"},
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
        "With a target (--target-bytes, --target-bits or --max-kld) the recipe is searched: each "
        "matrix gets the width, group and steps that serve the model's predictions best within "
        "it, as estimated from the calibration text and checked on text held out of it; --method "
        "restricts the search.\n\n"
        "A PATTERN with * and ? matches whole tensor names; without them it names one or more "
        "dot-separated parts of a name. A pattern that matches nothing is an error.",
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .needs = needs,
    .n_needs = sizeof needs / sizeof *needs,
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 1,
    .max_positionals = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof *examples,
    .run = run,
};
