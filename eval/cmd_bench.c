/* swage bench: speed of a model, beside what the machine can do in the same run. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "eval/cmd_bench.h"
#include "eval/cmd_bench_kernels.h"
#include "eval/shape.h"
#include "kernels/linalg.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/device.h"
#include "runtime/kv_type.h"

typedef swg_bench_arguments arguments;
typedef swg_bench benchmark;

/* The widths that formats exist for, and plain numbers. */
static const char bit_words[] = ""
#define SWG_INTEGER_FORMAT(name, bits) "|" #bits
#include "runtime/base/weight_formats.def"
                                "|16|32";

static const char isa_words[] = ""
#define SWG_ISA(token, priority, needs) "|" #token
#include "kernels/isas.def"
#undef SWG_ISA
    ;

static const swg_option options[] = {
    SWG_OPTION_STRING(
        arguments, shape, 0, "shape", "KEY=N,...",
        "measure random weights of this shape, made in memory, instead of a model: "
        "d_model, n_layers, d_ff, n_heads, vocab; n_kv_heads, head_dim, context, tied"),
    SWG_OPTION_CHOICE(arguments, bits, 0, "bits", bit_words + 1, "4",
                      "bits of the random weights; 16 = BF16, 32 = F32"),
    SWG_OPTION_CHOICE(arguments, group_size, 0, "group-size", "32|64|128|256|row", "64",
                      "columns that share a scale, of the random weights"),
    SWG_OPTION_CHOICE(arguments, scale_type, 0, "scale-type", "f16|bf16|f32|i8", "f16",
                      "type of the random weights' scales"),
    SWG_OPTION_FLAG(arguments, asymmetric, 0, "asymmetric", "random weights with zero points"),
    SWG_OPTION_DOUBLE(arguments, sparsity, 0, "sparsity", "R", 0, 0.99, "0",
                      "of --shape: share of zeros in the layers' matrices, stored sparse"),
    SWG_OPTION_CHOICE(arguments, pattern, 0, "pattern", "2:4", NULL,
                      "of --shape: two of every four weights, stored as such"),
    SWG_OPTION_CHOICE(arguments, block, 0, "block", "16x1|32x1", NULL,
                      "with --sparsity: zeros in blocks of rows"),
    SWG_OPTION_INT(arguments, prompt, 0, "prompt", "N", 0, 1 << 20, "512",
                   "tokens of the prefill (0 = skip), at most the model's number of positions"),
    SWG_OPTION_INT(arguments, generate, 0, "generate", "N", 0, 1 << 20, "64",
                   "tokens decoded one by one (0 = skip)"),
    SWG_OPTION_INT(arguments, depth, 0, "depth", "N", 0, 1 << 20, "0",
                   "tokens in the KV cache before decoding begins"),
    SWG_OPTION_INT(arguments, repeats, 0, "repeats", "N", 1, 1000, "3",
                   "runs of each, after a warm-up; medians are reported"),
    SWG_OPTION_CHOICE(
        arguments, scenario, 0, "scenario", "single-stream|offline", NULL,
        "also requests of --prompt tokens read and --generate made: one after another "
        "(default with --requests), or in batches"),
    SWG_OPTION_INT(arguments, requests, 0, "requests", "N", 1, 1000000, NULL,
                   "of the scenario (default: 10, or two batches)"),
    SWG_OPTION_INT(arguments, batch, 0, "batch", "N", 1, 1024, NULL,
                   "of --scenario offline: requests computed together (default: 16)"),
    SWG_OPTION_DOUBLE(
        arguments, max_ttft_ms, 0, "max-ttft-ms", "X", 0, 1e9, NULL,
        "of single-stream: exit 7 when the median time to the first token is above X"),
    SWG_OPTION_INT(arguments, chunk, 0, "chunk", "N", 1, 1 << 16, "256",
                   "prompt tokens processed together"),
    SWG_OPTION_INT(arguments, seed, 0, "seed", "S", 0, 9007199254740992.0, "1",
                   "seed of the random weights and tokens"),
    SWG_OPTION_CHOICE(arguments, activations, 0, "activations", SWG_ACT_CHOICES, NULL,
                      swg_act_help),
    SWG_OPTION_CHOICE(arguments, kv_cache, 0, "kv-cache", SWG_KV_TYPE_CHOICES, "f32",
                      swg_kv_type_help),
    SWG_OPTION_CHOICE(arguments, device, 0, "device", SWG_DEVICE_CHOICES, "cpu", swg_device_help),
    SWG_OPTION_STRING(arguments, against, 0, "against", "MODEL",
                      "also measure this model, in turn with the first, and give the ratio"),
    SWG_OPTION_CHOICE(arguments, against_isa, 0, "against-isa", isa_words + 1, NULL,
                      "also measure the same model with no kernels above this instruction set"),
    SWG_OPTION_STRING(arguments, batches, 0, "batches", "N,N,...",
                      "decode that many sequences at once, each in turn"),
    SWG_OPTION_STRING(arguments, depths, 0, "depths", "N,N,...",
                      "decode behind that many tokens, each in turn"),
    SWG_OPTION_CHOICE(arguments, format, 0, "format", "text|csv|markdown", NULL,
                      "form of the table of --against, --against-isa, --batches and --depths "
                      "(default text)"),
    SWG_OPTION_FLAG(arguments, load, 0, "load",
                    "also the time to load the model from storage and from the page cache"),
    SWG_OPTION_FLAG(arguments, no_limits, 0, "no-limits",
                    "do not measure the machine's own limits"),
    SWG_OPTION_FLAG(
        arguments, profile, 0, "profile",
        "also time every operation of one more prefill and decoding, beside the limits"),
    SWG_OPTION_FLAG(arguments, kernels, 0, "kernels",
                    "check and time every kernel on every instruction set instead of a model"),
};

static swg_status check_sparsity(const arguments *args)
{
    const bool is_sparse = args->pattern || args->sparsity > 0;
    if ((is_sparse || args->block) && !args->shape)
        return swg_error(SWG_USAGE, "--sparsity, --pattern and --block are of --shape; a model's "
                                    "file says how its matrices are stored");
    if (args->pattern && (args->sparsity > 0 || args->block))
        return swg_error(SWG_USAGE, "--pattern %s says the sparsity; --%s cannot be given with it",
                         args->pattern, args->block ? "block" : "sparsity");
    if (args->block && !is_sparse)
        return swg_error(SWG_USAGE, "--block is of use only with --sparsity");
    if (is_sparse && (strcmp(args->bits, "16") == 0 || strcmp(args->bits, "32") == 0))
        return swg_error(SWG_USAGE, "sparse matrices of --bits %s are computed with as dense ones",
                         args->bits);
    return SWG_OK;
}

static swg_status scheme_of(const arguments *args, swg_scheme *out)
{
    char name[SWG_SCHEME_NAME_BYTES];
    SWG_TRY(check_sparsity(args));
    if (strcmp(args->bits, "16") == 0 || strcmp(args->bits, "32") == 0) {
        *out = swg_scheme_plain(strcmp(args->bits, "16") == 0 ? SWG_BF16 : SWG_F32);
        return SWG_OK;
    }
    const bool is_row = strcmp(args->group_size, "row") == 0;
    char prefix[16] = "";
    if (args->pattern || args->sparsity > 0)
        snprintf(prefix, sizeof prefix, "%s%s-",
                 args->pattern ? "2of4"
                 : args->block ? "block"
                               : "sparse",
                 args->block ? args->block : "");
    snprintf(name, sizeof name, "%sint%s-%s%s-%s-%s", prefix, args->bits, is_row ? "" : "g",
             args->group_size, args->asymmetric ? "asym" : "sym", args->scale_type);
    return swg_scheme_parse(name, strlen(name), out);
}

/* Whether several cases are measured in turn (bench_sweep.h). */
static bool has_cases(const arguments *args)
{
    return args->against || args->against_isa || args->batches || args->depths;
}

static swg_status check_cases(const arguments *args)
{
    if (!has_cases(args))
        return args->format ? swg_error(SWG_USAGE, "--format is of --against, --against-isa, "
                                                   "--batches and --depths")
                            : SWG_OK;
    if (args->against && args->against_isa)
        return swg_error(SWG_USAGE, "give either --against or --against-isa");
    if (args->against_isa && strcmp(args->device, "cpu") != 0)
        return swg_error(SWG_USAGE,
                         "--against-isa compares processors' kernels: not on --device "
                         "%s",
                         args->device);
    const char *const of_one_case = args->scenario   ? "scenario"
                                    : args->requests ? "requests"
                                    : args->load     ? "load"
                                    : args->profile  ? "profile"
                                                     : NULL;
    if (of_one_case)
        return swg_error(SWG_USAGE,
                         "--%s measures one case: not with --against, --against-isa, "
                         "--batches or --depths",
                         of_one_case);
    if (args->depths && args->depth)
        return swg_error(SWG_USAGE, "give either --depth or --depths");
    return SWG_OK;
}

static swg_status make_random(benchmark *b, swg_session *out)
{
    swg_strbuf config = {0};
    swg_scheme scheme;
    swg_status status = SWG_OK;
    SWG_GO(scheme_of(b->args, &scheme));
    SWG_GO(swg_shape_config(b->args->shape, &config));
    SWG_GO(swg_pool_new(b->cli->n_threads, &out->pool));
    const swg_model_options how = {.size = sizeof how,
                                   .pool = out->pool,
                                   .backend = b->args->device,
                                   .random_density = 1 - b->args->sparsity};
    SWG_GO(swg_model_random(config.text, config.length, scheme, (uint64_t)b->args->seed, &how,
                            &out->model));
done:
    swg_strbuf_deinit(&config);
    return status;
}

/* The model of side 0, or the one that it is compared with. */
static swg_status load(benchmark *b, swg_session *out)
{
    const bool has_model = b->cli->n_positionals == 1;
    if (has_model == (b->args->shape != NULL))
        return swg_error(SWG_USAGE, "give either a MODEL or --shape");
    SWG_TRY(check_sparsity(b->args));
    if (!has_model)
        return make_random(b, out);
    return swg_session_open_on(b->args->device, b->cli->positionals[0], NULL, false,
                               b->cli->n_threads, b->cli->progress, out);
}

/* Weights that stay in half of the last-level cache are read from there: its rate is then the
 * limit. Whole turns of every thread (limits.c); 0 = memory. */
static size_t limit_buffer(const benchmark *b)
{
    const size_t turns = swg_pool_threads(b->loaded.pool) * 1024 * 1024;
    const uint64_t bytes = swg_model_bytes_per_token(b->loaded.model);
    const long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    const size_t buffer = swg_round_up((size_t)bytes, turns);
    return cache > 0 && buffer <= (size_t)cache / 2 ? buffer : 0;
}

/* The peak of the arithmetic that products use: of the instruction set whose kernels run
 * (SWAGE_ISA), or of float products, for which BLAS chooses by itself. */
static swg_compute_limit arithmetic_peak(benchmark *b, const swg_kernels *kernels)
{
    swg_pool *pool = b->loaded.pool;
    if (!swg_bench_is_float(b))
        return swg_limits_int8_peak(pool, swg_kernels_isa_of(kernels, SWG_OP_matmul_w4));
    return swg_linalg_split() ? swg_limits_split_peak(pool)
                              : swg_limits_f32_peak(pool, SWG_ISA_COUNT - 1);
}

/* Limits drift on shared machines: they are measured before and after, and the better is used. */
static swg_status measure_limits(benchmark *b)
{
    if (!swg_bench_has_limits(b))
        return SWG_OK;
    swg_dram_limit dram;
    b->is_cached = limit_buffer(b) > 0;
    SWG_TRY(swg_limits_dram_read(b->loaded.pool, limit_buffer(b), &dram));
    if (dram.bytes_per_s > b->dram.bytes_per_s)
        b->dram = dram;
    const swg_kernels *kernels;
    SWG_TRY(swg_kernels_best(&kernels));
    const swg_compute_limit peak = arithmetic_peak(b, kernels);
    if (peak.ops_per_s > b->peak.ops_per_s)
        b->peak = peak;
    return SWG_OK;
}

/* How much is measured: the lengths requested, limited to what the model supports. */
static swg_status choose_lengths(benchmark *b)
{
    const arguments *args = b->args;
    const swg_hparams *h = &b->loaded.model->hparams;
    const size_t most = (size_t)h->max_positions, depth = (size_t)args->depth;
    b->prompt = (size_t)args->prompt;
    b->generate = (size_t)args->generate;
    if (h->is_encoder && b->generate > 0) {
        swg_cli_say(b->cli, "this model reads whole texts: decoding is not measured");
        b->generate = 0;
    }
    if (h->learned_positions && b->prompt > most) {
        swg_cli_say(b->cli,
                    "this model supports %zu positions: prompt shortened from %zu to %zu tokens",
                    most, b->prompt, most);
        b->prompt = most;
    }
    if (h->learned_positions && b->generate > 0 && depth < most && b->generate > most - depth) {
        swg_cli_say(b->cli,
                    "this model supports %zu positions: decoding shortened from %zu to %zu tokens",
                    most, b->generate, most - depth);
        b->generate = most - depth;
    }
    return b->prompt || b->generate
               ? SWG_OK
               : swg_error(SWG_USAGE, "--prompt and --generate are both 0: nothing to measure");
}

/* Said before the model is loaded. */
static swg_status check_scenario(const arguments *args, benchmark *b)
{
    enum { DEFAULT_REQUESTS = 10, DEFAULT_BATCH = 16 };
    const bool has_scenario = args->scenario || args->requests > 0;
    b->is_offline = args->scenario && strcmp(args->scenario, "offline") == 0;
    if (args->batch && !b->is_offline)
        return swg_error(SWG_USAGE, "--batch is of --scenario offline");
    if (!isnan(args->max_ttft_ms) && (!has_scenario || b->is_offline))
        return swg_error(SWG_USAGE, "--max-ttft-ms is about single requests: give --scenario "
                                    "single-stream or --requests");
    b->batch = b->is_offline ? args->batch ? (size_t)args->batch : DEFAULT_BATCH : 1;
    b->n_requests = args->requests   ? (size_t)args->requests
                    : b->is_offline  ? 2 * b->batch
                    : args->scenario ? DEFAULT_REQUESTS
                                     : 0;
    if (b->n_requests > 0 && b->batch > b->n_requests)
        b->batch = b->n_requests;
    return SWG_OK;
}

static swg_status check_requests(const benchmark *b)
{
    const bool is_encoder = b->loaded.model->hparams.is_encoder;
    if (b->n_requests == 0)
        return SWG_OK;
    if (is_encoder && !b->is_offline)
        return swg_error(SWG_UNSUPPORTED, "--requests one after another are for models that "
                                          "generate; this one reads texts: --scenario offline");
    if (b->prompt == 0 || (b->generate == 0 && !is_encoder))
        return swg_error(SWG_USAGE, "--requests need a --prompt and tokens to --generate");
    return SWG_OK;
}

/* An execution of as many sequences as are computed together; b->activations_bytes is what it
 * takes beside its cache. */
static swg_status make_exec(benchmark *b, size_t context, size_t sequences)
{
    const swg_exec_options how = {.size = sizeof how,
                                  .context = context,
                                  .chunk = (size_t)b->args->chunk,
                                  .activations = b->activations,
                                  .kv_type = swg_kv_type_named(b->args->kv_cache),
                                  .sequences = sequences};
    swg_exec_free(&b->exec);
    const uint64_t before = swg_mem_in_use();
    SWG_TRY(swg_exec_new(b->loaded.model, b->loaded.pool, &how, &b->exec));
    const uint64_t taken = swg_mem_in_use() - before, cache = swg_exec_cache_bytes(b->exec);
    b->activations_bytes = taken > cache ? taken - cache : 0;
    return SWG_OK;
}

static swg_status measure_offline(benchmark *b)
{
    const swg_offline_options how = {.prompt = b->prompt,
                                     .generate = b->generate,
                                     .requests = b->n_requests,
                                     .batch = b->batch,
                                     .seed = (uint64_t)b->args->seed,
                                     .clock = swg_clock_s};
    SWG_TRY(make_exec(b, b->prompt + b->generate, b->batch));
    return swg_offline_measure(b->exec, b->loaded.model, &how, b->cli->progress, &b->offline);
}

static swg_status measure_requests(benchmark *b)
{
    const swg_requests_options how = {.prompt = b->prompt,
                                      .generate = b->generate,
                                      .requests = b->n_requests,
                                      .seed = (uint64_t)b->args->seed,
                                      .clock = swg_clock_s};
    if (b->n_requests == 0)
        return SWG_OK;
    swg_energy_read("", &b->before);
    SWG_TRY(b->is_offline ? measure_offline(b)
                          : swg_requests_measure(b->exec, b->loaded.model, &how, b->cli->progress,
                                                 &b->requests));
    swg_energy_read("", &b->after);
    return SWG_OK;
}

/* Exit code 7 for a median above its limit, or with too few requests for one. */
static swg_status check_gate(const benchmark *b)
{
    if (isnan(b->args->max_ttft_ms))
        return SWG_OK;
    const double median = swg_quantile_with_interval(b->requests.ttft, b->requests.n, 0.5).value;
    if (isnan(median))
        return swg_error(SWG_GATE,
                         "too few requests (%zu) for a median time to the first token, which "
                         "--max-ttft-ms limits",
                         b->requests.n);
    if (median <= b->args->max_ttft_ms)
        return SWG_OK;
    return swg_error(SWG_GATE,
                     "the median time to the first token is %.6g ms, above the limit of %.6g",
                     median, b->args->max_ttft_ms);
}

/* The memory for running is still held; by now the peak may be that of the limits' buffers. */
static void take_memory(benchmark *b)
{
    const uint64_t running = swg_bench_has_limits(b) ? swg_rss_bytes() : swg_peak_rss_bytes();
    if (running > b->peak_rss_bytes)
        b->peak_rss_bytes = running;
    swg_memory_use_read("", &b->memory);
}

static swg_status measure(benchmark *b)
{
    const arguments *args = b->args;
    b->activations = swg_device_precision(b->loaded.model, args->activations, SWG_ACT_INT8);
    SWG_TRY(choose_lengths(b));
    SWG_TRY(check_requests(b));
    size_t behind = b->generate ? (size_t)args->depth + b->generate : 0;
    if (b->n_requests && behind < b->prompt + b->generate)
        behind = b->prompt + b->generate;
    const swg_latency_options latency_options = {.prompt = b->prompt,
                                                 .generate = b->generate,
                                                 .depth = b->generate ? (size_t)args->depth : 0,
                                                 .repeats = (size_t)args->repeats,
                                                 .seed = (uint64_t)args->seed};
    SWG_TRY(make_exec(b, b->prompt > behind ? b->prompt : behind, 1));
    b->peak_rss_bytes = swg_peak_rss_bytes();
    SWG_TRY(measure_limits(b));
    SWG_TRY(swg_latency_measure(b->exec, b->loaded.model, &latency_options, b->cli->progress,
                                &b->latency));
    if (args->profile)
        SWG_TRY(swg_bench_profile_measure(b->exec, b->loaded.model, b->prompt, b->generate,
                                          latency_options.depth, &b->profile));
    SWG_TRY(measure_requests(b));
    take_memory(b);
    return measure_limits(b);
}

/* The second side, if there is one. */
static swg_status load_other(benchmark *b, swg_session *out)
{
    const arguments *args = b->args;
    if (args->against)
        return swg_session_open_on(args->device, args->against, NULL, false, b->cli->n_threads,
                                   b->cli->progress, out);
    if (!args->against_isa)
        return SWG_OK;
    swg_sweep_cap cap;
    SWG_TRY(swg_sweep_cap_isa(args->against_isa, &cap));
    const swg_status status = load(b, out);
    swg_sweep_uncap(&cap);
    return status;
}

static swg_status choose_cases(const benchmark *b, const swg_session *other, swg_sweep_options *out)
{
    const arguments *args = b->args;
    *out = (swg_sweep_options){.n_sides = other->model ? 2 : 1,
                               .prompt = b->prompt,
                               .generate = b->generate,
                               .rounds = (size_t)args->repeats,
                               .batches = {{1}, 1},
                               .depths = {{(size_t)args->depth}, 1},
                               .chunk = (size_t)args->chunk,
                               .activations = b->activations,
                               .kv_type = swg_kv_type_named(args->kv_cache),
                               .seed = (uint64_t)args->seed};
    out->sides[0] =
        (swg_sweep_side){.name = b->cli->n_positionals ? b->cli->positionals[0] : "shape",
                         .model = b->loaded.model,
                         .pool = b->loaded.pool};
    out->sides[1] = (swg_sweep_side){.name = args->against ? args->against : args->against_isa,
                                     .isa = args->against_isa,
                                     .model = other->model,
                                     .pool = other->pool};
    if (args->batches)
        SWG_TRY(swg_sweep_parse("batches", args->batches, 1, 1024, &out->batches));
    return args->depths ? swg_sweep_parse("depths", args->depths, 0, 1 << 20, &out->depths)
                        : SWG_OK;
}

static swg_status run_cases(benchmark *b)
{
    swg_status status = SWG_OK;
    swg_session other = {0};
    swg_sweep_options cases;
    swg_sweep sweep = {0};
    b->activations = swg_device_precision(b->loaded.model, b->args->activations, SWG_ACT_INT8);
    SWG_GO(choose_lengths(b));
    SWG_GO(load_other(b, &other));
    SWG_GO(choose_cases(b, &other, &cases));
    SWG_GO(measure_limits(b));
    SWG_GO(swg_sweep_measure(&cases, b->cli->progress, &sweep));
    SWG_GO(measure_limits(b));
    SWG_GO(swg_bench_report_cases(b, &cases, &sweep));
done:
    swg_sweep_deinit(&sweep);
    swg_session_close(&other);
    return status;
}

/* The load times are measured before the model is loaded to stay. */
static swg_status load_first(benchmark *b)
{
    b->load_times = (swg_load_times){NAN, NAN};
    if (b->args->load && b->cli->n_positionals == 0)
        return swg_error(SWG_USAGE, "--load is about a model's files: give a MODEL");
    if (b->args->load)
        SWG_TRY(swg_load_times_measure(b->cli->positionals[0], b->args->device, b->cli->n_threads,
                                       b->cli->progress, &b->load_times));
    const uint64_t before = swg_mem_in_use();
    SWG_TRY(load(b, &b->loaded));
    b->weights_bytes = swg_mem_in_use() - before;
    return SWG_OK;
}

static swg_status run(const swg_cli *cli, const void *raw_arguments)
{
    swg_status status = SWG_OK;
    benchmark b = {.cli = cli, .args = raw_arguments};
    if (b.args->kernels && (cli->n_positionals || b.args->shape))
        return swg_error(SWG_USAGE,
                         "--kernels is of kernels alone: give neither a MODEL nor --shape");
    if (b.args->kernels)
        return swg_bench_kernels(cli, (uint64_t)b.args->seed);
    SWG_GO(check_scenario(b.args, &b));
    SWG_GO(check_cases(b.args));
    SWG_GO(load_first(&b));
    if (has_cases(b.args)) {
        SWG_GO(run_cases(&b));
        goto done;
    }
    SWG_GO(measure(&b));
    SWG_GO(cli->json ? swg_bench_report_json(&b) : swg_bench_report_text(&b));
    SWG_GO(check_gate(&b));
done:
    swg_bench_profile_deinit(&b.profile);
    swg_requests_deinit(&b.requests);
    swg_latency_deinit(&b.latency);
    swg_exec_free(&b.exec);
    swg_session_close(&b.loaded);
    return status;
}

static const swg_option_need needs[] = {
    {"bits", "shape"}, {"group-size", "shape"}, {"asymmetric", "shape"}};

/* Kernels are measured on inputs of their own, without a model. */
static const swg_option_exclusion exclusions[] = {
    {"kernels", "shape"},   {"kernels", "prompt"},  {"kernels", "generate"},
    {"kernels", "depth"},   {"kernels", "load"},    {"kernels", "profile"},
    {"kernels", "against"}, {"kernels", "batches"}, {"kernels", "depths"}};

static const swg_example examples[] = {
    {"swage bench model.swg --prompt 512 --generate 64 --json", "speed of a model, as JSON"},
    {"swage bench model.swg --prompt 64 --generate 32 --requests 100 --max-ttft-ms 1000",
     "times of requests with their percentiles; exit code 7 when the first token is late"},
    {"swage bench model.swg --prompt 64 --generate 32 --scenario offline --batch 16 --load",
     "throughput of requests in batches, and the time to load the model cold and warm"},
    {"swage bench --shape d_model=2048,n_layers=22,d_ff=5632,n_heads=32,n_kv_heads=4,vocab=32000 "
     "--bits 4 --group-size 64 --threads 2",
     "speed of a 1.1-billion-parameter shape, without any checkpoint"},
    {"swage bench --shape d_model=2048,n_layers=22,d_ff=5632,n_heads=32,n_kv_heads=4,vocab=32000 "
     "--bits 4 --sparsity 0.5",
     "the same with half of the weights pruned"},
    {"swage bench --shape d_model=2048,n_layers=22,d_ff=5632,n_heads=32,n_kv_heads=4,vocab=32000 "
     "--profile",
     "where the time goes: every operation beside what the machine could do"},
    {"swage bench quantized.swg --against model.swg --repeats 7 --format markdown",
     "two models in turn, with the ratio and its spread"},
    {"swage bench model.swg --against-isa avx2 --batches 1,2,4,8 --depths 0,2048 --prompt 0",
     "sequences decoded together, at two depths, beside the AVX2 kernels"},
    {"swage bench --kernels", "speed of every kernel, each checked against the scalar one first"},
};

const swg_command swg_command_bench = {
    .name = "bench",
    .synopsis = "MODEL | --shape KEY=N,... [--prompt N] [--generate N] | --kernels",
    .summary = "measure a model's speed beside the machine's limits",
    .description =
        "Prefill and decode rates are medians over --repeats runs after a warm-up. The machine's "
        "own "
        "limits - the best DRAM read rate over several access patterns, and the peak of its "
        "arithmetic (int8 dot products, or f32 multiply-adds where activations are floats) - are "
        "measured before and after in the same run, because rates mean little without them. "
        "Decoding reads every weight once per token: its share of the DRAM rate (of the last-level "
        "cache's, for weights that fit half of it) says how much "
        "faster it could be; prefill's share of the peak likewise.\n\n"
        "--against, --against-isa, --batches and --depths make a table of cases. All of them are "
        "measured in turn, --repeats times, and ratios are taken within a round, so that what else "
        "the machine does meets them alike; after the median stand the least and the largest.\n\n"
        "--scenario single-stream measures what a user meets: the time to the first token, per "
        "further token ((request - first token) / (tokens - 1)), between two tokens, and of whole "
        "requests, at 50, 90 and 99 % with intervals between order statistics; a percentile beyond "
        "which fewer than one request is expected is not given. --scenario offline has all "
        "requests "
        "at once and computes them in batches: requests and tokens per second. Times more than ten "
        "robust standard deviations from their median are counted as outliers. Energy is that of "
        "the processor's packages during the scenario, where their counters can be read.\n\n"
        "--load asks the system to drop the model's files from the page cache, loads it, and loads "
        "it again; where files stay in the cache (file systems in memory, files that others have "
        "mapped) the cold time is null and a note says so. Memory is split into the model, keys "
        "and "
        "values, and everything else that running takes; the proportional set (PSS) counts shared "
        "pages in parts.\n\n"
        "Encoders read whole texts: prefill is one of them, and decoding is not measured. In JSON, "
        "values that were not measured are null. The machine is described beside the figures: "
        "processor, instruction set, governor, transparent huge pages and memory.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .needs = needs,
    .n_needs = sizeof needs / sizeof needs[0],
    .exclusions = exclusions,
    .n_exclusions = sizeof exclusions / sizeof exclusions[0],
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 0,
    .max_positionals = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
};
