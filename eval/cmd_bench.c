/* swage bench: speed of a model, beside what the machine can do in the same run. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "eval/bench_profile.h"
#include "eval/bench_sweep.h"
#include "eval/cmd_bench_kernels.h"
#include "eval/latency.h"
#include "eval/machine.h"
#include "eval/requests.h"
#include "eval/shape.h"
#include "kernels/limits/limits.h"
#include "kernels/linalg.h"
#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/cli/cli.h"
#include "runtime/device.h"
#include "runtime/kv_type.h"
#include "runtime/session.h"

typedef struct arguments {
    const char *shape, *group_size, *activations, *kv_cache, *scale_type;
    const char *bits, *device;
    const char *against, *against_isa, *batches, *depths, *format;
    int64_t prompt, generate, depth, repeats, requests, chunk, seed;
    double max_ttft_ms;
    const char *pattern, *block;
    double sparsity;
    bool asymmetric, no_limits, kernels, profile;
} arguments;

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
    SWG_OPTION_INT(arguments, requests, 0, "requests", "N", 0, 1000000, "0",
                   "also N requests one after another: --prompt tokens read, --generate made"),
    SWG_OPTION_DOUBLE(arguments, max_ttft_ms, 0, "max-ttft-ms", "X", 0, 1e9, NULL,
                      "with --requests: exit 7 when the median time to the first token is above X"),
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
    SWG_OPTION_FLAG(arguments, no_limits, 0, "no-limits",
                    "do not measure the machine's own limits"),
    SWG_OPTION_FLAG(
        arguments, profile, 0, "profile",
        "also time every operation of one more prefill and decoding, beside the limits"),
    SWG_OPTION_FLAG(arguments, kernels, 0, "kernels",
                    "check and time every kernel on every instruction set instead of a model"),
};

/* Everything a benchmark uses and measures. */
typedef struct benchmark {
    const swg_cli *cli;
    const arguments *args;
    swg_session loaded;
    swg_exec *exec;
    size_t prompt, generate; /* as measured: at most the model's number of positions */
    swg_act_precision activations;
    swg_dram_limit dram;     /* zero with --no-limits */
    swg_compute_limit peak;  /* the same; of the activations' arithmetic, int8 or f32 */
    swg_latency latency;
    swg_requests requests;   /* empty without --requests */
    swg_bench_profile profile; /* empty without --profile */
    uint64_t peak_rss_bytes; /* of loading and running, without the buffers of the limits */
} benchmark;

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
                 args->pattern ? "2of4" : args->block ? "block" : "sparse",
                 args->block ? args->block : "");
    snprintf(name, sizeof name, "%sint%s-%s%s-%s-%s", prefix, args->bits, is_row ? "" : "g", args->group_size,
             args->asymmetric ? "asym" : "sym", args->scale_type);
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
    if (args->requests || args->profile)
        return swg_error(SWG_USAGE,
                         "--%s measures one case: not with --against, --against-isa, "
                         "--batches or --depths",
                         args->requests ? "requests" : "profile");
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
    SWG_TRY(check_cases(b->args));
    const bool has_model = b->cli->n_positionals == 1;
    if (has_model == (b->args->shape != NULL))
        return swg_error(SWG_USAGE, "give either a MODEL or --shape");
    SWG_TRY(check_sparsity(b->args));
    if (!has_model)
        return make_random(b, out);
    return swg_session_open_on(b->args->device, b->cli->positionals[0], NULL, false,
                               b->cli->n_threads, b->cli->progress, out);
}

static bool is_float(const benchmark *b)
{
    return swg_act_is_float(b->activations);
}

/* The processors' limits say nothing about a GPU. */
static bool has_limits(const benchmark *b)
{
    return !b->args->no_limits && swg_device_is_cpu(b->loaded.model);
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

/* Limits drift on shared machines: they are measured before and after, and the better is used. */
static swg_status measure_limits(benchmark *b)
{
    if (!has_limits(b))
        return SWG_OK;
    swg_dram_limit dram;
    SWG_TRY(swg_limits_dram_read(b->loaded.pool, limit_buffer(b), &dram));
    if (dram.bytes_per_s > b->dram.bytes_per_s)
        b->dram = dram;
    const swg_isa best = SWG_ISA_COUNT - 1;
    const swg_compute_limit peak = is_float(b) ? swg_limits_f32_peak(b->loaded.pool, best)
                                               : swg_limits_int8_peak(b->loaded.pool, best);
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

static swg_status check_requests(const benchmark *b)
{
    const arguments *args = b->args;
    if (args->requests == 0)
        return isnan(args->max_ttft_ms)
                   ? SWG_OK
                   : swg_error(SWG_USAGE, "--max-ttft-ms is about --requests: give their number");
    if (b->loaded.model->hparams.is_encoder)
        return swg_error(SWG_UNSUPPORTED, "--requests are for models that generate");
    if (b->prompt == 0 || b->generate == 0)
        return swg_error(SWG_USAGE, "--requests need a --prompt and tokens to --generate");
    return SWG_OK;
}

static swg_status measure_requests(benchmark *b)
{
    const swg_requests_options how = {.prompt = b->prompt,
                                      .generate = b->generate,
                                      .requests = (size_t)b->args->requests,
                                      .seed = (uint64_t)b->args->seed,
                                      .clock = swg_clock_s};
    return b->args->requests ? swg_requests_measure(b->exec, b->loaded.model, &how,
                                                    b->cli->progress, &b->requests)
                             : SWG_OK;
}

/* Exit code 7 for a median above its limit, or with too few requests for one. */
static swg_status check_gate(const benchmark *b)
{
    if (isnan(b->args->max_ttft_ms))
        return SWG_OK;
    const double median = swg_quantile_with_interval(b->requests.ttft, b->requests.n, 0.5).value;
    if (median <= b->args->max_ttft_ms)
        return SWG_OK;
    return swg_error(SWG_GATE,
                     "the median time to the first token is %.6g ms, above the limit of %.6g",
                     median, b->args->max_ttft_ms);
}

static swg_status measure(benchmark *b)
{
    const arguments *args = b->args;
    b->activations = swg_device_precision(b->loaded.model, args->activations, SWG_ACT_INT8);
    SWG_TRY(choose_lengths(b));
    SWG_TRY(check_requests(b));
    size_t behind = b->generate ? (size_t)args->depth + b->generate : 0;
    if (args->requests && behind < b->prompt + b->generate)
        behind = b->prompt + b->generate;
    const swg_exec_options exec_options = {.size = sizeof exec_options,
                                           .context = b->prompt > behind ? b->prompt : behind,
                                           .chunk = (size_t)args->chunk,
                                           .activations = b->activations,
                                           .kv_type = swg_kv_type_named(args->kv_cache)};
    const swg_latency_options latency_options = {.prompt = b->prompt,
                                                 .generate = b->generate,
                                                 .depth = b->generate ? (size_t)args->depth : 0,
                                                 .repeats = (size_t)args->repeats,
                                                 .seed = (uint64_t)args->seed};
    SWG_TRY(swg_exec_new(b->loaded.model, b->loaded.pool, &exec_options, &b->exec));
    b->peak_rss_bytes = swg_peak_rss_bytes();
    SWG_TRY(measure_limits(b));
    SWG_TRY(swg_latency_measure(b->exec, b->loaded.model, &latency_options, b->cli->progress,
                                &b->latency));
    SWG_TRY(measure_requests(b));
    if (args->profile)
        SWG_TRY(swg_bench_profile_measure(b->exec, b->loaded.model, b->prompt, b->generate,
                                          latency_options.depth, &b->profile));
    /* The memory for running is still held; by now the peak is that of the limits' buffers. */
    const uint64_t running = has_limits(b) ? swg_rss_bytes() : swg_peak_rss_bytes();
    if (running > b->peak_rss_bytes)
        b->peak_rss_bytes = running;
    return measure_limits(b);
}

/* Shares of the limits: of the DRAM read rate by decoding's weights, of the arithmetic peak by
 * prefill's products; 0 when the limit is unknown. */
static double decode_share(const benchmark *b)
{
    const double rate =
        (double)swg_model_bytes_per_token(b->loaded.model) * b->latency.decode_tokens_per_s.median;
    return b->dram.bytes_per_s > 0 ? rate / b->dram.bytes_per_s : 0;
}

/* Operations (twice the multiply-adds) of one input row with a weight; 0 when the model does not
 * have the weight. */
static double ops_of(const swg_model *model, swg_role role)
{
    const swg_weight *weight = swg_model_weight(model, role, 0);
    return weight ? 2.0 * (double)weight->n * (double)weight->k : 0;
}

static double prefill_share(const benchmark *b)
{
    const swg_model *model = b->loaded.model;
    double per_token = (double)swg_model_ops_per_token(model);
    /* Weights used for one position only: the head, or the pooler and the classifier. */
    if (model->hparams.one_output)
        per_token -= ops_of(model, SWG_ROLE_POOLER) + ops_of(model, SWG_ROLE_CLASSIFIER);
    else if (!model->hparams.is_encoder)
        per_token -= ops_of(model, SWG_ROLE_HEAD);
    const double rate = per_token * b->latency.prefill_tokens_per_s.median;
    return b->peak.ops_per_s > 0 ? rate / b->peak.ops_per_s : 0;
}

/* A figure that is 0 was not measured: null. */
static void write_measured(swg_json_writer *json, const char *key, double value)
{
    if (value > 0)
        swg_json_double(json, key, value);
    else
        swg_json_null(json, key);
}

static void write_rate(swg_json_writer *json, const char *key, swg_rate rate)
{
    char name[64];
    write_measured(json, key, rate.median);
    snprintf(name, sizeof name, "%s_least", key);
    write_measured(json, name, rate.least);
    snprintf(name, sizeof name, "%s_most", key);
    write_measured(json, name, rate.most);
}

/* The distributions of requests: key, title, and where they are. */
static size_t list_times(const swg_requests *r, const double *times[4], size_t counts[4])
{
    times[0] = r->ttft, times[1] = r->tpot, times[2] = r->gaps, times[3] = r->e2e;
    counts[0] = counts[3] = r->n;
    counts[1] = r->n_gaps ? r->n : 0;
    counts[2] = r->n_gaps;
    return 4;
}

static void write_requests(const benchmark *b, swg_json_writer *json)
{
    static const char *const keys[] = {"ttft_ms", "tpot_ms", "gap_ms", "e2e_ms"};
    static const int percents[] = {50, 90, 99};
    const double *times[4];
    size_t counts[4];
    if (!b->requests.n)
        return;
    swg_json_string(json, "scenario", "single-stream");
    swg_json_uint(json, "requests", b->requests.n);
    const size_t n = list_times(&b->requests, times, counts);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < sizeof percents / sizeof percents[0]; j++) {
            char key[32];
            const swg_quantile_interval at =
                swg_quantile_with_interval(times[i], counts[i], percents[j] / 100.0);
            snprintf(key, sizeof key, "%s_p%d", keys[i], percents[j]);
            swg_json_double(json, key, at.value);
            snprintf(key, sizeof key, "%s_p%d_low", keys[i], percents[j]);
            swg_json_double(json, key, at.low);
            snprintf(key, sizeof key, "%s_p%d_high", keys[i], percents[j]);
            swg_json_double(json, key, at.high);
        }
}

static void print_requests(const benchmark *b, swg_strbuf *out)
{
    static const char *const titles[] = {"first token", "per token", "between two", "request"};
    const double *times[4];
    size_t counts[4];
    if (!b->requests.n)
        return;
    swg_strbuf_printf(out, "%-14s%zu, one after another; ms at 50, 90 and 99 %% (95 %% interval)\n",
                      "requests", b->requests.n);
    const size_t n = list_times(&b->requests, times, counts);
    for (size_t i = 0; i < n; i++) {
        swg_strbuf_printf(out, "%-14s", titles[i]);
        for (size_t j = 0; j < 3; j++) {
            static const double shares[] = {0.5, 0.9, 0.99};
            const swg_quantile_interval at =
                swg_quantile_with_interval(times[i], counts[i], shares[j]);
            if (isnan(at.value))
                swg_strbuf_printf(out, "%stoo few", j ? "; " : "");
            else if (isnan(at.low) || isnan(at.high))
                swg_strbuf_printf(out, "%s%.3f", j ? "; " : "", at.value);
            else
                swg_strbuf_printf(out, "%s%.3f (%.3f to %.3f)", j ? "; " : "", at.value, at.low,
                                  at.high);
        }
        swg_strbuf_puts(out, "\n");
    }
}

/* What the figures depend on besides the model; null where the system does not say. */
static void write_machine(swg_json_writer *json)
{
    swg_machine m;
    swg_machine_describe("", &m);
    const char *const texts[][2] = {{"cpu", m.cpu},
                                    {"isa", m.isa ? m.isa : ""},
                                    {"cpu_governor", m.governor},
                                    {"huge_pages", m.huge_pages}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (*texts[i][1])
            swg_json_string(json, texts[i][0], texts[i][1]);
        else
            swg_json_null(json, texts[i][0]);
    swg_json_uint(json, "cpus", m.n_cpus);
    swg_json_uint(json, "machine_memory_bytes", m.memory_bytes);
}

static void print_machine(swg_strbuf *out)
{
    swg_machine m;
    swg_machine_describe("", &m);
    swg_strbuf_printf(out, "%-14s%s, %zu processors, %s; governor %s, huge pages %s\n", "machine",
                      *m.cpu ? m.cpu : "unknown", m.n_cpus, m.isa ? m.isa : "unknown",
                      *m.governor ? m.governor : "not known",
                      *m.huge_pages ? m.huge_pages : "not known");
}

static swg_status report_json(const benchmark *b)
{
    static const struct {
        const char *key;
        double q;
    } quantiles[] = {{"token_ms_p50", 0.5}, {"token_ms_p90", 0.9}, {"token_ms_p99", 0.99}};
    swg_json_writer json = {0};
    swg_cli_json_begin(b->cli, &json);
    swg_json_string(&json, "model", b->args->shape ? b->args->shape : b->cli->positionals[0]);
    swg_json_uint(&json, "threads", swg_pool_threads(b->loaded.pool));
    swg_json_uint(&json, "prompt", b->prompt);
    swg_json_uint(&json, "generate", b->generate);
    swg_json_int(&json, "depth", b->args->depth);
    swg_json_int(&json, "repeats", b->args->repeats);
    swg_json_string(&json, "activations", swg_act_name(b->activations));
    swg_json_string(&json, "device", swg_device_name(b->loaded.model));
    swg_json_string(&json, "kv_cache", b->args->kv_cache);
    swg_json_uint(&json, "kv_cache_bytes", swg_exec_cache_bytes(b->exec));
    write_rate(&json, "prefill_tokens_per_s", b->latency.prefill_tokens_per_s);
    write_rate(&json, "decode_tokens_per_s", b->latency.decode_tokens_per_s);
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        double value;
        if (swg_quantile(b->latency.token_ms, b->latency.n_tokens, quantiles[i].q, &value))
            swg_json_double(&json, quantiles[i].key, value);
        else
            swg_json_null(&json, quantiles[i].key);
    }
    write_requests(b, &json);
    swg_json_double(&json, "load_s", b->loaded.model->load_s);
    swg_json_uint(&json, "load_bytes", b->loaded.model->load_bytes);
    swg_json_uint(&json, "parameters", b->loaded.model->n_parameters);
    swg_json_uint(&json, "weight_bytes_per_token", swg_model_bytes_per_token(b->loaded.model));
    swg_json_uint(&json, "ops_per_token", swg_model_ops_per_token(b->loaded.model));
    write_measured(&json, "dram_read_bytes_per_s", b->dram.bytes_per_s);
    swg_json_string(&json, "read_from", limit_buffer(b) ? "cache" : "DRAM");
    const double share = prefill_share(b);
    write_measured(&json, "int8_ops_per_s", is_float(b) ? 0 : b->peak.ops_per_s);
    write_measured(&json, "f32_ops_per_s", is_float(b) ? b->peak.ops_per_s : 0);
    write_measured(&json, "decode_share_of_dram_read", decode_share(b));
    write_measured(&json, "prefill_share_of_int8_peak", is_float(b) ? 0 : share);
    write_measured(&json, "prefill_share_of_f32_peak", is_float(b) ? share : 0);
    swg_json_string(&json, "linalg", swg_linalg_name());
    swg_json_uint(&json, "peak_rss_bytes", b->peak_rss_bytes);
    write_machine(&json);
    if (b->args->profile)
        swg_bench_profile_write(&b->profile, &json);
    return swg_cli_json_print(&json);
}

static void print_rate(const swg_cli *cli, swg_strbuf *out, const char *what, swg_rate rate)
{
    if (rate.median > 0)
        swg_strbuf_printf(out, "%-14s%s%.1f tokens/s%s (%.1f to %.1f)\n", what,
                          swg_cli_style(cli, SWG_STYLE_HEADING), rate.median,
                          swg_cli_style(cli, SWG_STYLE_NONE), rate.least, rate.most);
}

static swg_status report_text(const benchmark *b)
{
    char bytes[32], rss[32];
    swg_strbuf out = {0};
    const swg_model *model = b->loaded.model;
    print_rate(b->cli, &out, "prefill", b->latency.prefill_tokens_per_s);
    print_rate(b->cli, &out, "decode", b->latency.decode_tokens_per_s);
    print_requests(b, &out);
    if (model->load_s > 0)
        swg_strbuf_printf(&out, "%-14s%.3f s, %.2f GB/s of raw weights\n", "load", model->load_s,
                          1e-9 * (double)model->load_bytes / model->load_s);
    swg_strbuf_printf(&out, "%-14s%s per token\n", "weights",
                      swg_format_bytes(swg_model_bytes_per_token(model), bytes));
    swg_strbuf_printf(&out, "%-14s%s, %s\n", "KV cache", b->args->kv_cache,
                      swg_format_bytes(swg_exec_cache_bytes(b->exec), bytes));
    if (has_limits(b)) {
        char turn[32];
        swg_strbuf_printf(&out, "%-14s%.1f GB/s (%s%s, %zu streams per thread)",
                          limit_buffer(b) ? "cache read" : "DRAM read", 1e-9 * b->dram.bytes_per_s,
                          b->dram.turn_bytes ? "alternating every " : "each thread its own part",
                          b->dram.turn_bytes ? swg_format_bytes(b->dram.turn_bytes, turn) : "",
                          b->dram.streams);
        if (b->generate)
            swg_strbuf_printf(&out, "; decoding takes %.0f %%", 100 * decode_share(b));
        swg_strbuf_printf(&out, "\n%-14s%.0f GOP/s (%s)", is_float(b) ? "f32 peak" : "int8 peak",
                          1e-9 * b->peak.ops_per_s, swg_isa_name(b->peak.isa));
        if (b->prompt)
            swg_strbuf_printf(&out, "; prefill takes %.0f %%", 100 * prefill_share(b));
        swg_strbuf_puts(&out, "\n");
    }
    swg_strbuf_printf(&out, "%-14s%s\n", "device", swg_device_name(model));
    swg_strbuf_printf(&out, "%-14s%s\n", "f32 products", swg_linalg_name());
    swg_strbuf_printf(&out, "%-14s%s\n%-14s%zu\n", "peak memory",
                      swg_format_bytes(b->peak_rss_bytes, rss), "threads",
                      swg_pool_threads(b->loaded.pool));
    swg_bench_profile_print(&b->profile, b->dram.bytes_per_s, b->peak.ops_per_s, &out);
    print_machine(&out);
    swg_status status = swg_strbuf_status(&out);
    if (status == SWG_OK)
        status = swg_cli_print(out.text, out.length);
    swg_strbuf_deinit(&out);
    return status;
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

static swg_status report_cases(const benchmark *b, const swg_sweep_options *cases,
                               const swg_sweep *sweep)
{
    if (b->cli->json) {
        swg_json_writer json = {0};
        swg_cli_json_begin(b->cli, &json);
        swg_json_uint(&json, "threads", swg_pool_threads(b->loaded.pool));
        write_measured(&json, "dram_read_bytes_per_s", b->dram.bytes_per_s);
        swg_sweep_write(cases, sweep, b->dram.bytes_per_s, &json);
        write_machine(&json);
        return swg_cli_json_print(&json);
    }
    swg_strbuf out = {0};
    swg_sweep_print(cases, sweep, b->dram.bytes_per_s, b->args->format ? b->args->format : "text",
                    &out);
    swg_status status = swg_strbuf_status(&out);
    if (status == SWG_OK)
        status = swg_cli_print(out.text, out.length);
    swg_strbuf_deinit(&out);
    return status;
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
    SWG_GO(report_cases(b, &cases, &sweep));
done:
    swg_sweep_deinit(&sweep);
    swg_session_close(&other);
    return status;
}

static swg_status run(const swg_cli *cli, const void *raw_arguments)
{
    swg_status status = SWG_OK;
    benchmark b = {.cli = cli, .args = raw_arguments};
    if (b.args->kernels)
        return swg_bench_kernels(cli, (uint64_t)b.args->seed);
    SWG_GO(load(&b, &b.loaded));
    if (has_cases(b.args)) {
        SWG_GO(run_cases(&b));
        goto done;
    }
    SWG_GO(measure(&b));
    SWG_GO(cli->json ? report_json(&b) : report_text(&b));
    SWG_GO(check_gate(&b));
done:
    swg_bench_profile_deinit(&b.profile);
    swg_requests_deinit(&b.requests);
    swg_latency_deinit(&b.latency);
    swg_exec_free(&b.exec);
    swg_session_close(&b.loaded);
    return status;
}

static const swg_example examples[] = {
    {"swage bench model.swg --prompt 512 --generate 64 --json", "speed of a model, as JSON"},
    {"swage bench model.swg --prompt 64 --generate 32 --requests 100 --max-ttft-ms 1000",
     "times of requests with their percentiles; exit code 7 when the first token is late"},
    {"swage bench --shape d_model=2048,n_layers=22,d_ff=5632,n_heads=32,n_kv_heads=4,vocab=32000 "
     "--bits 4 --group-size 64 --threads 2",
     "speed of a 1.1-billion-parameter shape, without any checkpoint"},
    {"swage bench --shape d_model=2048,n_layers=22,d_ff=5632,n_heads=32,n_kv_heads=4,vocab=32000 "
     "--bits 4 --sparsity 0.5",
     "the same with half of the weights pruned"},
    {"swage bench --shape d_model=2048,n_layers=22,d_ff=5632,n_heads=32,n_kv_heads=4,vocab=32000 "
     "--profile",
     "where the time goes: every operation beside what the machine could do"},
    {"swage bench int4.swg --against int8.swg --repeats 7 --format markdown",
     "two models in turn, with the ratio and its spread"},
    {"swage bench model.swg --against-isa avx2 --batches 1,2,4,8 --depths 0,2048 --prompt 0",
     "sequences decoded together, at two depths, beside the AVX2 kernels"},
    {"swage bench --kernels", "speed of every kernel, each checked against the scalar one first"},
};

const swg_command swg_command_bench = {
    .name = "bench",
    .synopsis = "MODEL | --shape KEY=N,... | --kernels [--prompt N] [--generate N]",
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
        "--requests measures what a user meets: the time to the first token, per further token "
        "((request - first token) / (tokens - 1)), between two tokens, and of whole requests, at "
        "50, "
        "90 and 99 % with intervals between order statistics; a percentile beyond which fewer than "
        "one "
        "request is expected is not given.\n\n"
        "Encoders read whole texts: prefill is one of them, and decoding is not measured. In JSON, "
        "values that were not measured are null. The machine is described beside the figures: "
        "processor, instruction set, governor, transparent huge pages and memory.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 0,
    .max_positionals = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
};
