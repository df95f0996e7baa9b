/* See cmd_quantize_report.h. */
#include "quantize/cmd_quantize_report.h"

#include <inttypes.h>
#include <string.h>

#include "runtime/base/scheme_counts.h"
#include "runtime/base/words.h"

/* --- Totals ------------------------------------------------------------------------------------
 */

typedef struct totals {
    uint64_t parameters; /* elements of tensors that are floats or codes, tied ones once */
    uint64_t input_bytes;
    swg_quant_stats quantized; /* tied tensors once */
} totals;

static totals add_up(const swg_quantize_result *r)
{
    totals sum = {0};
    for (size_t i = 0; i < r->plan->n_entries; i++) {
        const swg_dtype dtype = r->inputs[i].scheme.dtype;
        const bool is_parameter = dtype == SWG_F32 || dtype == SWG_F16 || dtype == SWG_BF16;
        if (swg_source_same_as(r->source, i) != i)
            continue;
        sum.input_bytes += swg_tensor_bytes(&r->inputs[i]);
        if (is_parameter)
            sum.parameters += swg_tensor_elems(&r->inputs[i]);
        if (r->reports && r->plan->entries[i].is_quantized)
            swg_quant_stats_add(&sum.quantized, &r->reports[i].stats);
    }
    return sum;
}

static double bits_each(uint64_t bytes, uint64_t elems)
{
    return elems ? 8.0 * (double)bytes / (double)elems : 0;
}

/* --- Table -------------------------------------------------------------------------------------
 */

static bool is_listed(const swg_quantize_result *r, size_t i)
{
    return r->tensors && swg_pattern_matches(r->tensors, r->plan->entries[i].desc.name);
}

static int name_width(const swg_quantize_result *r)
{
    size_t width = strlen("tensor");
    for (size_t i = 0; i < r->plan->n_entries; i++) {
        const size_t length = strlen(r->plan->entries[i].desc.name);
        width = is_listed(r, i) && length > width ? length : width;
    }
    return width < 64 ? (int)width : 64;
}

static void table_row(swg_strbuf *out, const swg_quantize_result *r, size_t i, int width)
{
    const swg_plan_entry *entry = &r->plan->entries[i];
    char scheme[SWG_SCHEME_NAME_BYTES];
    const uint64_t raw = swg_tensor_bytes(&entry->desc);
    swg_strbuf_printf(out, "%-*s  %-9s  %-20s", width, entry->desc.name,
                      swg_plan_class_name(entry->kind),
                      swg_scheme_name(entry->desc.scheme, scheme));
    if (!r->reports) {
        swg_strbuf_printf(out, "  %7.3f  %12" PRIu64,
                          bits_each(raw, swg_tensor_elems(&entry->desc)), raw);
    } else {
        const swg_quant_stats *stats = &r->reports[i].stats;
        if (entry->is_quantized)
            swg_strbuf_printf(out, "  %9.6f  %7.2f", swg_quant_relative_error(stats),
                              swg_quant_snr_db(stats));
        else
            swg_strbuf_printf(out, "  %9s  %7s", "-", "-");
        swg_strbuf_printf(out, "  %7.3f  %12" PRIu64 "  %12" PRIu64,
                          swg_quant_bits_per_weight(stats), raw, r->reports[i].stored_bytes);
    }
    swg_strbuf_printf(out, "%s%s\n", *entry->why ? "  kept: " : "", entry->why);
}

/* The index of the quantized tensor with the largest error of those that come after `before` in
 * this order (SIZE_MAX: of all); SIZE_MAX when there is none. */
static size_t next_worst(const swg_quantize_result *r, size_t before)
{
    size_t worst = SIZE_MAX;
    double worst_error = 0;
    const double limit =
        before == SIZE_MAX ? 0 : swg_quant_relative_error(&r->reports[before].stats);
    for (size_t i = 0; i < r->plan->n_entries; i++) {
        const double error = swg_quant_relative_error(&r->reports[i].stats);
        const bool is_after = before == SIZE_MAX || error < limit || (error == limit && i > before);
        if (r->plan->entries[i].is_quantized && is_after && error > worst_error) {
            worst = i;
            worst_error = error;
        }
    }
    return worst;
}

/* What hurts most, for users who do not ask for the table. */
static void put_worst(swg_strbuf *out, const swg_quantize_result *r)
{
    enum { N_SHOWN = 3 };
    size_t i = next_worst(r, SIZE_MAX), n = 0;
    for (; i != SIZE_MAX && n < N_SHOWN; i = next_worst(r, i), n++)
        swg_strbuf_printf(out, "%s%s %.2f dB",
                          n ? ", " : "largest errors: ", r->plan->entries[i].desc.name,
                          swg_quant_snr_db(&r->reports[i].stats));
    if (n > 0)
        swg_strbuf_puts(out, " (all: --tensors '*')\n");
}

static void put_schemes(swg_strbuf *out, const swg_quantize_result *r)
{
    swg_scheme_counts schemes = {0};
    for (size_t i = 0; i < r->plan->n_entries; i++)
        swg_scheme_counts_add(&schemes, r->plan->entries[i].desc.scheme);
    swg_strbuf_puts(out, "\nschemes: ");
    swg_scheme_counts_put(&schemes, out);
}

/* What the search expected, what was measured, and what it took. */
static void table_search(swg_strbuf *out, const swg_quantize_search_report *search)
{
    if (!search->tokens_scored) {
        swg_strbuf_printf(out, "divergence: %.4f nats per token estimated\n", search->loss);
        return;
    }
    swg_strbuf_printf(out,
                      "divergence: %.4f +- %.4f nats per token on the text held out (%.4f "
                      "estimated; the first try had %.2f times its estimate)\n",
                      search->kld, search->kld_standard_error, search->loss,
                      search->measured_per_estimate);
    for (size_t i = 1; i < search->n_verified; i++)
        swg_strbuf_printf(out, "also verified: %s, %.4f with %" PRIu64 " bytes\n",
                          search->verified[i].what, search->verified[i].kld,
                          search->verified[i].bytes);
    swg_strbuf_printf(out,
                      "search: %.1f s, %.0f %% of the %.1f s that statistics and quantizing once "
                      "took\n",
                      search->search_s, 100 * search->search_s / search->quantize_s,
                      search->quantize_s);
}

static void put_totals(swg_strbuf *out, const swg_quantize_result *r)
{
    const totals sum = add_up(r);
    char bytes[32], from[32], peak[32];
    swg_strbuf_printf(out, "%zu of %zu tensors quantized", r->plan->n_quantized,
                      r->plan->n_entries);
    if (r->reports)
        swg_strbuf_printf(out, ", relative error %.6f, %.2f dB",
                          swg_quant_relative_error(&sum.quantized),
                          swg_quant_snr_db(&sum.quantized));
    if (r->reports && sum.quantized.plain_output_noise > 0)
        swg_strbuf_printf(out,
                          "\noutput error %.3f times that of round to nearest; %" PRIu64
                          " rows kept rounded to nearest",
                          sum.quantized.output_noise / sum.quantized.plain_output_noise,
                          sum.quantized.n_fallback_rows);
    put_schemes(out, r);
    swg_strbuf_printf(out,
                      "\ntensors: %" PRIu64 " bytes before, %" PRIu64 " after (%.3f bits per "
                      "parameter) without compression\n",
                      sum.input_bytes, r->plan->bytes, bits_each(r->plan->bytes, sum.parameters));
    swg_strbuf_printf(out,
                      "file: %s, %s%" PRIu64 " bytes (%s from %s of tensors), %.3f bits per "
                      "parameter in total\n",
                      r->output,
                      r->is_exact ? ""
                      : r->search ? "about "
                                  : "at most ",
                      r->file_bytes, swg_format_bytes(r->file_bytes, bytes),
                      swg_format_bytes(sum.input_bytes, from),
                      bits_each(r->file_bytes, sum.parameters));
    if (r->search)
        table_search(out, r->search);
    if (!r->is_exact && !r->search)
        swg_strbuf_puts(out,
                        "the file size is an upper bound: what compression saves is known only "
                        "after the run\n");
    if (r->peak_memory_bytes)
        swg_strbuf_printf(out, "memory: %s%s at the peak\n",
                          r->reports         ? ""
                          : r->is_calibrated ? "about "
                                             : "at most ",
                          swg_format_bytes(r->peak_memory_bytes, peak));
    if (r->reports)
        swg_strbuf_printf(out, "time: %.2f s\n", r->elapsed_s);
}

static void put_table(swg_strbuf *out, const swg_quantize_result *r)
{
    const int width = name_width(r);
    swg_strbuf_printf(out, "%-*s  %-9s  %-20s", width, "tensor", "role", "scheme");
    if (r->reports)
        swg_strbuf_printf(out, "  %9s  %7s  %7s  %12s  %12s\n", "rel.error", "SNR dB", "bits",
                          "bytes", "stored");
    else
        swg_strbuf_printf(out, "  %7s  %12s\n", "bits", "bytes");
    for (size_t i = 0; i < r->plan->n_entries; i++)
        if (is_listed(r, r->plan->order[i]))
            table_row(out, r, r->plan->order[i], width);
    swg_strbuf_puts(out, "\n");
}

swg_status swg_quantize_print_table(const swg_quantize_result *result)
{
    swg_strbuf out = {0};
    if (result->tensors)
        put_table(&out, result);
    put_totals(&out, result);
    if (result->reports && !result->tensors)
        put_worst(&out, result);
    swg_status status = swg_strbuf_status(&out);
    if (status == SWG_OK)
        status = swg_cli_print(swg_strbuf_text(&out), out.length);
    swg_strbuf_deinit(&out);
    return status;
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static void json_tensor(swg_json_writer *json, const swg_quantize_result *r, size_t i)
{
    const swg_plan_entry *entry = &r->plan->entries[i];
    char scheme[SWG_SCHEME_NAME_BYTES];
    const uint64_t raw = swg_tensor_bytes(&entry->desc);
    swg_json_begin_object(json, NULL);
    swg_json_string(json, "name", entry->desc.name);
    swg_json_string(json, "role", swg_plan_class_name(entry->kind));
    swg_json_begin_array(json, "shape");
    for (uint32_t d = 0; d < entry->desc.rank; d++)
        swg_json_uint(json, NULL, entry->desc.shape[d]);
    swg_json_end_array(json);
    swg_json_string(json, "scheme_before", swg_scheme_name(r->inputs[i].scheme, scheme));
    swg_json_string(json, "scheme", swg_scheme_name(entry->desc.scheme, scheme));
    swg_json_bool(json, "quantized", entry->is_quantized);
    if (entry->is_quantized)
        swg_json_string(json, "method",
                        swg_quant_method_name(r->reports ? r->reports[i].method : entry->method));
    if (*entry->why)
        swg_json_string(json, "kept_because", entry->why);
    swg_json_double(json, "bits_per_weight", bits_each(raw, swg_tensor_elems(&entry->desc)));
    swg_json_uint(json, "raw_bytes", raw);
    if (r->reports) {
        const swg_quant_stats *stats = &r->reports[i].stats;
        swg_json_uint(json, "stored_bytes", r->reports[i].stored_bytes);
        if (r->reports[i].n_nonfinite)
            swg_json_uint(json, "nonfinite", r->reports[i].n_nonfinite);
        if (entry->is_quantized) {
            swg_json_double(json, "relative_error", swg_quant_relative_error(stats));
            swg_json_double(json, "snr_db", swg_quant_snr_db(stats));
            swg_json_double(json, "max_abs_error", stats->max_abs_error);
            if (stats->plain_output_noise > 0) {
                swg_json_double(json, "output_noise", stats->output_noise);
                swg_json_double(json, "output_noise_rtn", stats->plain_output_noise);
                swg_json_uint(json, "rows_kept_rtn", stats->n_fallback_rows);
                swg_json_double(json, "damping", stats->damping);
            }
            if (stats->n_tokens > 0) {
                swg_json_uint(json, "tokens_seen", stats->n_tokens);
                swg_json_uint(json, "dead_inputs", stats->n_dead);
            }
        }
    }
    swg_json_end_object(json);
}

swg_status swg_quantize_print_json(const swg_cli *cli, const swg_quantize_result *r)
{
    const totals sum = add_up(r);
    swg_json_writer json = {0};
    swg_cli_json_begin(cli, &json);
    swg_json_string(&json, "input", swg_source_path(r->file));
    swg_json_string(&json, "input_format", swg_source_format(r->file));
    swg_json_string(&json, "output", r->output);
    swg_json_bool(&json, "dry_run", !r->reports);
    swg_recipe_write(r->recipe, &json, "recipe");
    swg_json_begin_array(&json, "tensors");
    for (size_t i = 0; i < r->plan->n_entries; i++)
        json_tensor(&json, r, r->plan->order[i]);
    swg_json_end_array(&json);
    if (r->search) {
        swg_json_begin_object(&json, "search");
        swg_quantize_search_write(r->search, r->search->decisions, &json);
        swg_json_uint(&json, "tries", r->search->n_tries);
        swg_json_double(&json, "search_s", r->search->search_s);
        swg_json_double(&json, "quantize_s", r->search->quantize_s);
        if (r->search->quantize_s > 0)
            swg_json_double(&json, "search_share", r->search->search_s / r->search->quantize_s);
        swg_json_end_object(&json);
    }
    swg_json_uint(&json, "tensors_quantized", r->plan->n_quantized);
    swg_json_uint(&json, "parameters", sum.parameters);
    swg_json_uint(&json, "input_tensor_bytes", sum.input_bytes);
    swg_json_uint(&json, "output_tensor_bytes", r->plan->bytes);
    swg_json_uint(&json, "file_bytes", r->file_bytes);
    swg_json_bool(&json, "file_bytes_is_exact", r->is_exact);
    swg_json_double(&json, "file_bits_per_parameter", bits_each(r->file_bytes, sum.parameters));
    if (r->peak_memory_bytes)
        swg_json_uint(&json, "peak_memory_bytes", r->peak_memory_bytes);
    if (r->reports) {
        swg_json_double(&json, "relative_error", swg_quant_relative_error(&sum.quantized));
        swg_json_double(&json, "snr_db", swg_quant_snr_db(&sum.quantized));
        swg_json_double(&json, "elapsed_s", r->elapsed_s);
    }
    return swg_cli_json_print(&json);
}
