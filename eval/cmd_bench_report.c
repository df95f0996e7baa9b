/* What `swage bench` prints: see cmd_bench.h. */
#include <math.h>
#include <string.h>

#include "eval/cmd_bench.h"
#include "eval/machine.h"
#include "kernels/linalg.h"
#include "runtime/base/mem.h"
#include "runtime/device.h"

bool swg_bench_is_float(const swg_bench *b)
{
    return swg_act_is_float(b->activations);
}

/* The processors' limits say nothing about a GPU. */
bool swg_bench_has_limits(const swg_bench *b)
{
    return !b->args->no_limits && swg_device_is_cpu(b->loaded.model);
}

/* What decoding a token reads: the weights, and the keys and values of as many positions as there
 * are on average. */
static double decode_bytes(const swg_bench *b)
{
    const double positions = (double)b->args->depth + 0.5 * (double)(b->generate + 1);
    const double cache = (double)swg_exec_cache_bytes(b->exec) / (double)swg_exec_context(b->exec);
    return (double)swg_model_bytes_per_token(b->loaded.model) + cache * positions;
}

/* Shares of the limits: of the DRAM read rate by what decoding reads, of the arithmetic peak by
 * prefill's products; 0 when the limit is unknown. */
static double decode_share(const swg_bench *b)
{
    const double rate = decode_bytes(b) * b->latency.decode_tokens_per_s.median;
    return b->dram.bytes_per_s > 0 ? rate / b->dram.bytes_per_s : 0;
}

/* Operations (twice the multiply-adds) of one input row with a weight; 0 when the model does not
 * have the weight. */
static double ops_of(const swg_model *model, swg_role role)
{
    const swg_weight *weight = swg_model_weight(model, role, 0);
    return weight ? 2.0 * (double)weight->n * (double)weight->k : 0;
}

static double prefill_share(const swg_bench *b)
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

static void write_requests(const swg_bench *b, swg_json_writer *json)
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
    for (size_t i = 0; i < n; i++) {
        char key[32];
        for (size_t j = 0; j < sizeof percents / sizeof percents[0]; j++) {
            const swg_quantile_interval at =
                swg_quantile_with_interval(times[i], counts[i], percents[j] / 100.0);
            snprintf(key, sizeof key, "%s_p%d", keys[i], percents[j]);
            swg_json_double(json, key, at.value);
            snprintf(key, sizeof key, "%s_p%d_low", keys[i], percents[j]);
            swg_json_double(json, key, at.low);
            snprintf(key, sizeof key, "%s_p%d_high", keys[i], percents[j]);
            swg_json_double(json, key, at.high);
        }
        snprintf(key, sizeof key, "%s_max", keys[i]);
        swg_json_double(json, key, counts[i] ? times[i][counts[i] - 1] : NAN);
    }
}

static void print_requests(const swg_bench *b, swg_strbuf *out)
{
    static const char *const titles[] = {"first token", "per token", "between two", "request"};
    const double *times[4];
    size_t counts[4];
    if (!b->requests.n)
        return;
    swg_strbuf_printf(out,
                      "%-14s%zu, one after another; ms at 50, 90 and 99 %% (95 %% interval), and "
                      "the slowest\n",
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
        if (counts[i])
            swg_strbuf_printf(out, "; %.3f", times[i][counts[i] - 1]);
        swg_strbuf_puts(out, "\n");
    }
}

/* Times that something else on the machine caused: of single tokens and, in scenario single-stream,
 * of tokens and requests. */
static swg_status count_outliers(const swg_bench *b, size_t *outliers, size_t *times_counted)
{
    const double *const times[] = {b->latency.token_ms, b->requests.ttft, b->requests.gaps};
    const size_t counts[] = {b->latency.n_tokens, b->requests.n, b->requests.n_gaps};
    *outliers = *times_counted = 0;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        size_t n;
        SWG_TRY(swg_count_outliers(times[i], counts[i], &n));
        *outliers += n;
        *times_counted += counts[i];
    }
    return SWG_OK;
}

static void write_offline(const swg_bench *b, swg_json_writer *json)
{
    const swg_offline *const o = &b->offline;
    if (!b->is_offline)
        return;
    swg_json_string(json, "scenario", "offline");
    swg_json_uint(json, "requests", o->requests);
    swg_json_uint(json, "batch", b->batch);
    swg_json_double(json, "requests_per_s", o->requests_per_s);
    swg_json_double(json, "requests_per_s_least", o->batch_requests_per_s.least);
    swg_json_double(json, "requests_per_s_most", o->batch_requests_per_s.most);
    write_measured(json, "output_tokens_per_s", o->output_tokens_per_s);
    swg_json_double(json, "total_tokens_per_s", o->total_tokens_per_s);
}

static void print_offline(const swg_bench *b, swg_strbuf *out)
{
    const swg_offline *const o = &b->offline;
    if (!b->is_offline)
        return;
    swg_strbuf_printf(out, "%-14s%zu in batches of %zu: %.3f requests/s (%.3f to %.3f)", "offline",
                      o->requests, b->batch, o->requests_per_s, o->batch_requests_per_s.least,
                      o->batch_requests_per_s.most);
    if (o->output_tokens_per_s > 0)
        swg_strbuf_printf(out, ", %.1f tokens/s generated", o->output_tokens_per_s);
    swg_strbuf_printf(out, ", %.1f tokens/s with those read\n", o->total_tokens_per_s);
}

/* Of the scenario; why not, where there is none. */
static const char *energy_reason(const swg_bench *b)
{
    if (b->n_requests == 0)
        return "measured with --scenario";
    return b->before.n == 0 ? b->before.reason : "the counter wrapped at an unknown value";
}

static void write_energy(const swg_bench *b, swg_json_writer *json)
{
    const double joules = swg_energy_between(&b->before, &b->after);
    swg_json_double(json, "energy_j", joules);
    if (isnan(joules))
        swg_json_string(json, "energy_reason", energy_reason(b));
}

static void print_energy(const swg_bench *b, swg_strbuf *out)
{
    const double joules = swg_energy_between(&b->before, &b->after);
    if (!isnan(joules))
        swg_strbuf_printf(out, "%-14s%.3f J per request, of all that the packages did\n", "energy",
                          joules / (double)b->n_requests);
    else if (b->n_requests > 0)
        swg_strbuf_printf(out, "%-14snot measured: %s\n", "energy", energy_reason(b));
}

/* Memory on a device is not this process's. */
static void write_memory(const swg_bench *b, swg_json_writer *json)
{
    const bool is_own = swg_device_is_cpu(b->loaded.model);
    swg_json_uint(json, "peak_rss_bytes", b->peak_rss_bytes);
    write_measured(json, "peak_pss_bytes", (double)b->memory.pss);
    write_measured(json, "pss_anon_bytes", (double)b->memory.pss_anon);
    write_measured(json, "pss_file_bytes", (double)b->memory.pss_file);
    write_measured(json, "weights_memory_bytes", is_own ? (double)b->weights_bytes : 0);
    write_measured(json, "activations_memory_bytes", is_own ? (double)b->activations_bytes : 0);
}

static void print_memory(const swg_bench *b, swg_strbuf *out)
{
    char bytes[4][32];
    swg_strbuf_printf(out, "%-14s%s", "peak memory", swg_format_bytes(b->peak_rss_bytes, bytes[0]));
    if (swg_device_is_cpu(b->loaded.model))
        swg_strbuf_printf(out, ", of these the model %s, KV cache %s, activations %s",
                          swg_format_bytes(b->weights_bytes, bytes[1]),
                          swg_format_bytes(swg_exec_cache_bytes(b->exec), bytes[2]),
                          swg_format_bytes(b->activations_bytes, bytes[3]));
    swg_strbuf_puts(out, "\n");
    if (b->memory.pss > 0)
        swg_strbuf_printf(out, "%-14s%s, %s of it the process's own, %s of files\n", "PSS",
                          swg_format_bytes(b->memory.pss, bytes[0]),
                          swg_format_bytes(b->memory.pss_anon, bytes[1]),
                          swg_format_bytes(b->memory.pss_file, bytes[2]));
}

static void print_load(const swg_bench *b, swg_strbuf *out)
{
    const swg_model *const model = b->loaded.model;
    if (model->load_s > 0)
        swg_strbuf_printf(out, "%-14s%.3f s, %.2f GB/s of raw weights\n", "load", model->load_s,
                          1e-9 * (double)model->load_bytes / model->load_s);
    if (!b->args->load)
        return;
    if (isnan(b->load_times.cold_s))
        swg_strbuf_printf(out, "%-14snot measured: its files stayed in the page cache\n",
                          "load, cold");
    else
        swg_strbuf_printf(out, "%-14s%.3f s\n", "load, cold", b->load_times.cold_s);
    swg_strbuf_printf(out, "%-14s%.3f s\n", "load, warm", b->load_times.warm_s);
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

swg_status swg_bench_report_json(const swg_bench *b)
{
    static const struct {
        const char *key;
        double q;
    } quantiles[] = {{"token_ms_p50", 0.5}, {"token_ms_p90", 0.9}, {"token_ms_p99", 0.99}};
    swg_json_writer json = {0};
    size_t outliers, n_times;
    SWG_TRY(count_outliers(b, &outliers, &n_times));
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
    write_offline(b, &json);
    write_energy(b, &json);
    swg_json_uint(&json, "outliers", outliers);
    swg_json_double(&json, "load_cold_s", b->load_times.cold_s);
    swg_json_double(&json, "load_warm_s", b->load_times.warm_s);
    swg_json_double(&json, "load_s", b->loaded.model->load_s);
    swg_json_uint(&json, "load_bytes", b->loaded.model->load_bytes);
    swg_json_uint(&json, "parameters", b->loaded.model->n_parameters);
    swg_json_uint(&json, "weight_bytes_per_token", swg_model_bytes_per_token(b->loaded.model));
    swg_json_uint(&json, "ops_per_token", swg_model_ops_per_token(b->loaded.model));
    write_measured(&json, "dram_read_bytes_per_s", b->dram.bytes_per_s);
    const double share = prefill_share(b);
    swg_json_string(&json, "read_from", b->is_cached ? "cache" : "DRAM");
    write_measured(&json, "int8_ops_per_s", swg_bench_is_float(b) ? 0 : b->peak.ops_per_s);
    write_measured(&json, "f32_ops_per_s", swg_bench_is_float(b) ? b->peak.ops_per_s : 0);
    write_measured(&json, "decode_share_of_dram_read", decode_share(b));
    write_measured(&json, "prefill_share_of_int8_peak", swg_bench_is_float(b) ? 0 : share);
    write_measured(&json, "prefill_share_of_f32_peak", swg_bench_is_float(b) ? share : 0);
    swg_json_string(&json, "linalg", swg_linalg_name());
    write_memory(b, &json);
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

swg_status swg_bench_report_text(const swg_bench *b)
{
    char bytes[32];
    swg_strbuf out = {0};
    size_t outliers, n_times;
    SWG_TRY(count_outliers(b, &outliers, &n_times));
    const swg_model *model = b->loaded.model;
    print_rate(b->cli, &out, "prefill", b->latency.prefill_tokens_per_s);
    print_rate(b->cli, &out, "decode", b->latency.decode_tokens_per_s);
    print_requests(b, &out);
    print_offline(b, &out);
    if (outliers > 0)
        swg_strbuf_printf(&out,
                          "%-14s%zu of %zu times are far from their median: something else "
                          "was at work\n",
                          "outliers", outliers, n_times);
    print_energy(b, &out);
    print_load(b, &out);
    swg_strbuf_printf(&out, "%-14s%s per token\n", "weights",
                      swg_format_bytes(swg_model_bytes_per_token(model), bytes));
    swg_strbuf_printf(&out, "%-14s%s, %s\n", "KV cache", b->args->kv_cache,
                      swg_format_bytes(swg_exec_cache_bytes(b->exec), bytes));
    if (swg_bench_has_limits(b)) {
        char turn[32];
        swg_strbuf_printf(&out, "%-14s%.1f GB/s (%s%s, %zu streams per thread)",
                          b->is_cached ? "cache read" : "DRAM read",
                          1e-9 * b->dram.bytes_per_s,
                          b->dram.turn_bytes ? "alternating every " : "each thread its own part",
                          b->dram.turn_bytes ? swg_format_bytes(b->dram.turn_bytes, turn) : "",
                          b->dram.streams);
        if (b->generate)
            swg_strbuf_printf(&out, "; decoding takes %.0f %%", 100 * decode_share(b));
        swg_strbuf_printf(&out, "\n%-14s%.0f GOP/s (%s)",
                          swg_bench_is_float(b) ? "f32 peak" : "int8 peak",
                          1e-9 * b->peak.ops_per_s, swg_isa_name(b->peak.isa));
        if (b->prompt)
            swg_strbuf_printf(&out, "; prefill takes %.0f %%", 100 * prefill_share(b));
        swg_strbuf_puts(&out, "\n");
    }
    swg_strbuf_printf(&out, "%-14s%s\n", "device", swg_device_name(model));
    swg_strbuf_printf(&out, "%-14s%s\n", "f32 products", swg_linalg_name());
    print_memory(b, &out);
    swg_strbuf_printf(&out, "%-14s%zu\n", "threads", swg_pool_threads(b->loaded.pool));
    swg_bench_profile_print(&b->profile, b->dram.bytes_per_s, b->peak.ops_per_s, &out);
    print_machine(&out);
    swg_status status = swg_strbuf_status(&out);
    if (status == SWG_OK)
        status = swg_cli_print(out.text, out.length);
    swg_strbuf_deinit(&out);
    return status;
}

swg_status swg_bench_report_cases(const swg_bench *b, const swg_sweep_options *cases,
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
