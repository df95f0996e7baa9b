/* The tables and lists of the page: see page_parts.h. */
#include "eval/report/page_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/report/figures.h"
#include "eval/report/markup.h"
#include "eval/results_keys.h"

const swg_scatter_axes swg_scatters[SWG_N_SCATTERS] = {
    {SWG_METRIC_file_bytes, SWG_METRIC_kld_mean},
    {SWG_METRIC_file_bytes, SWG_METRIC_perplexity},
    {SWG_METRIC_file_bytes, SWG_METRIC_accuracy},
    {SWG_METRIC_decode_tokens_per_s, SWG_METRIC_kld_mean},
    {SWG_METRIC_decode_tokens_per_s, SWG_METRIC_perplexity},
    {SWG_METRIC_prefill_tokens_per_s, SWG_METRIC_kld_mean},
    {SWG_METRIC_ttft_ms_p50, SWG_METRIC_kld_mean},
    {SWG_METRIC_file_bytes, SWG_METRIC_decode_tokens_per_s},
};

static bool has_times(const swg_report *report)
{
    for (size_t kind = 0; kind < SWG_N_TIMES; kind++)
        if (swg_time_has(report, (swg_time_kind)kind))
            return true;
    for (size_t i = 0; i < report->n_items; i++)
        if (report->items[i].result->n_histograms > 0)
            return true;
    return false;
}

static bool has_figures(const swg_report *report)
{
    for (size_t i = 0; i < SWG_N_SCATTERS; i++)
        if (swg_scatter_has_points(report, swg_scatters[i].x, swg_scatters[i].y))
            return true;
    return false;
}

static bool has_front(const swg_report *report)
{
    for (size_t i = 0; i < report->n_items; i++)
        if (report->items[i].is_on_front)
            return true;
    return false;
}

bool swg_page_has_section(const swg_report *report, const char *id)
{
    if (strcmp(id, "front") == 0)
        return has_front(report);
    if (strcmp(id, "figures") == 0)
        return has_figures(report);
    if (strcmp(id, "times") == 0)
        return has_times(report);
    if (strcmp(id, "tensors") == 0)
        return report->n_detailed > 0;
    if (strcmp(id, "failed") == 0)
        return report->n_failed > 0;
    return report->n_items > 0;
}

/* --- Tables of models ------------------------------------------------------------------------- */

static void open_scroll(swg_strbuf *out, const char *label)
{
    swg_strbuf_printf(
        out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\">\n", label);
}

static void put_heads(const swg_report *report, swg_strbuf *out)
{
    char heading[96];
    swg_strbuf_puts(out, "<thead><tr><th scope=\"col\" class=\"t\">Model</th>");
    for (size_t m = 0; m < SWG_N_METRICS; m++)
        if (swg_report_has(report, (swg_metric_id)m))
            swg_strbuf_printf(out, "<th scope=\"col\">%s</th>",
                              swg_metric_heading((swg_metric_id)m, heading));
    swg_strbuf_puts(out, "</tr></thead>\n<tbody>\n");
}

/* A figure with the half width of its interval, if it has one. */
static void put_figure(swg_metric_id metric, const swg_result *result, swg_strbuf *out)
{
    char words[48], interval[112];
    const double value = swg_metric_value(metric, result);
    if (isnan(value)) {
        swg_strbuf_puts(out, "<td data-v=\"\"></td>");
        return;
    }
    swg_strbuf_printf(out, "<td data-v=\"%.9g\">%s", value,
                      swg_unit_format_bare(swg_metrics[metric].unit, value, words));
    if (swg_metric_format_interval(metric, result, interval))
        swg_strbuf_printf(out, "<br><small>%s</small>", interval);
    swg_strbuf_puts(out, "</td>");
}

static void put_row(const swg_report *report, size_t index, swg_strbuf *out)
{
    const swg_report_item *item = &report->items[index];
    swg_strbuf_printf(out, "<tr><th scope=\"row\"><a href=\"#m%zu\">", index);
    swg_markup_short(out, item->result->id, 80);
    swg_strbuf_puts(out, "</a>");
    if (item->is_base)
        swg_strbuf_puts(out, " <small>(base)</small>");
    swg_strbuf_puts(out, "</th>");
    for (size_t m = 0; m < SWG_N_METRICS; m++)
        if (swg_report_has(report, (swg_metric_id)m))
            put_figure((swg_metric_id)m, item->result, out);
    swg_strbuf_puts(out, "</tr>\n");
}

/* What intervals are. */
static double confidence_of(const swg_report *report)
{
    for (size_t i = 0; i < report->n_items; i++)
        if (!isnan(report->items[i].result->confidence))
            return report->items[i].result->confidence;
    return 0.95;
}

void swg_page_model_table(const swg_report *report, swg_strbuf *out)
{
    if (report->n_items == 0)
        return;
    swg_strbuf_printf(out,
                      "<section id=\"models\">\n<h2>All models</h2>\n<p class=\"quiet\">Small "
                      "figures are intervals: %.0f %% for accuracy and latency, slowest to fastest "
                      "repeat for rates.</p>\n",
                      100 * confidence_of(report));
    open_scroll(out, "Table of all models");
    swg_strbuf_puts(out, "<table class=\"sort\">\n");
    put_heads(report, out);
    for (size_t i = 0; i < report->n_items; i++)
        put_row(report, i, out);
    swg_strbuf_puts(out, "</tbody></table>\n</div>\n</section>\n");
}

static void put_times_smaller(const swg_report *report, const swg_result *r, swg_strbuf *out)
{
    if (report->base && report->base->file_bytes > 0 && r->file_bytes > 0)
        swg_strbuf_printf(out, "<td data-v=\"%.6g\">%.2f \xC3\x97</td>",
                          (double)report->base->file_bytes / (double)r->file_bytes,
                          (double)report->base->file_bytes / (double)r->file_bytes);
}

void swg_page_front_table(const swg_report *report, swg_strbuf *out)
{
    if (!has_front(report))
        return;
    static const swg_metric_id shown[] = {SWG_METRIC_file_bytes, SWG_METRIC_kld_mean,
                                          SWG_METRIC_perplexity, SWG_METRIC_accuracy,
                                          SWG_METRIC_decode_tokens_per_s};
    enum { N = sizeof shown / sizeof *shown };
    char heading[96];
    swg_strbuf_printf(out,
                      "<section id=\"front\">\n<h2>The front</h2>\n<p class=\"quiet\">The models "
                      "that no other one beats in both file size and %s: choose among "
                      "these.</p>\n",
                      swg_metrics[report->accuracy].title);
    open_scroll(out, "Table of the front");
    swg_strbuf_puts(out, "<table class=\"sort\">\n<thead><tr><th scope=\"col\" "
                         "class=\"t\">Model</th>");
    for (size_t m = 0; m < N; m++)
        if (swg_report_has(report, shown[m]))
            swg_strbuf_printf(out, "<th scope=\"col\">%s</th>",
                              swg_metric_heading(shown[m], heading));
    if (report->base && report->base->file_bytes > 0)
        swg_strbuf_puts(out, "<th scope=\"col\">Smaller than the base</th>");
    swg_strbuf_puts(out, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < report->n_items; i++) {
        const swg_report_item *item = &report->items[i];
        if (!item->is_on_front)
            continue;
        swg_strbuf_printf(out, "<tr><th scope=\"row\"><a href=\"#m%zu\">", i);
        swg_markup_short(out, item->result->id, 80);
        swg_strbuf_puts(out, "</a></th>");
        for (size_t m = 0; m < N; m++)
            if (swg_report_has(report, shown[m]))
                put_figure(shown[m], item->result, out);
        put_times_smaller(report, item->result, out);
        swg_strbuf_puts(out, "</tr>\n");
    }
    swg_strbuf_puts(out, "</tbody></table>\n</div>\n</section>\n");
}

void swg_page_failed(const swg_report *report, swg_strbuf *out)
{
    size_t n = 0;
    if (report->n_failed == 0)
        return;
    swg_strbuf_puts(out, "<section id=\"failed\">\n<h2>Failed</h2>\n");
    open_scroll(out, "Table of failed models");
    swg_strbuf_puts(out, "<table>\n<thead><tr><th scope=\"col\" class=\"t\">Model</th><th "
                         "scope=\"col\" class=\"t\">Reason</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < report->results->count && n < SWG_REPORT_MAX_SHOWN; i++) {
        const swg_result *r = &report->results->items[i];
        if (swg_result_is_ok(r))
            continue;
        n++;
        swg_strbuf_puts(out, "<tr><th scope=\"row\">");
        swg_markup_short(out, r->id, 80);
        swg_strbuf_puts(out, "</th><td class=\"t w\">");
        swg_markup_short(out, r->reason ? r->reason : "", 1000);
        swg_strbuf_puts(out, "</td></tr>\n");
    }
    swg_strbuf_puts(out, "</tbody></table>\n</div>\n");
    if (n < report->n_failed)
        swg_strbuf_printf(out, "<p class=\"quiet\">%zu further ones are left out.</p>\n",
                          report->n_failed - n);
    swg_strbuf_puts(out, "</section>\n");
}

/* --- Tensors ---------------------------------------------------------------------------------- */

static void put_tensor_heads(const swg_result *result, bool *is_shown, swg_strbuf *out)
{
    swg_strbuf_puts(out, "<thead><tr>");
    for (size_t k = 0; k < swg_n_result_tensor_keys; k++) {
        const swg_result_key *key = &swg_result_tensor_keys[k];
        is_shown[k] = false;
        for (size_t t = 0; t < result->n_tensors && !is_shown[k]; t++)
            is_shown[k] = swg_result_has(key, &result->tensors[t]);
        if (is_shown[k])
            swg_strbuf_printf(out, "<th scope=\"col\"%s>%s</th>",
                              key->kind == SWG_RESULT_IS_TEXT ? " class=\"t\"" : "", key->name);
    }
    swg_strbuf_puts(out, "</tr></thead>\n<tbody>\n");
}

static void put_tensor_value(const swg_result_key *key, const swg_result_tensor *tensor,
                             bool is_name, swg_strbuf *out)
{
    const bool is_text = key->kind == SWG_RESULT_IS_TEXT;
    const char *end = is_name ? "</th>" : "</td>";
    swg_strbuf_puts(out, is_name ? "<th scope=\"row\">" : is_text ? "<td class=\"t\">" : "<td ");
    if (is_text)
        swg_markup_short(out, swg_result_has(key, tensor) ? swg_result_text_at(key, tensor) : "",
                         120);
    else if (!swg_result_has(key, tensor))
        swg_strbuf_puts(out, "data-v=\"\">");
    else if (key->kind == SWG_RESULT_IS_COUNT)
        swg_strbuf_printf(out, "data-v=\"%lld\">%lld", (long long)swg_result_count_at(key, tensor),
                          (long long)swg_result_count_at(key, tensor));
    else
        swg_strbuf_printf(out, "data-v=\"%.9g\">%.4g", swg_result_number_at(key, tensor),
                          swg_result_number_at(key, tensor));
    swg_strbuf_puts(out, end);
}

void swg_page_tensor_table(const swg_result *result, swg_strbuf *out)
{
    enum { MAX_KEYS = 32 };
    bool is_shown[MAX_KEYS] = {false};
    size_t n = 0;
    swg_strbuf_puts(out, "<details class=\"noprint\">\n<summary>Table of tensors</summary>\n");
    open_scroll(out, "Table of tensors");
    swg_strbuf_puts(out, "<table class=\"sort\">\n");
    put_tensor_heads(result, is_shown, out);
    for (; n < result->n_tensors && n < SWG_REPORT_MAX_TENSORS; n++) {
        swg_strbuf_puts(out, "<tr>");
        for (size_t k = 0; k < swg_n_result_tensor_keys && k < MAX_KEYS; k++)
            if (is_shown[k])
                put_tensor_value(&swg_result_tensor_keys[k], &result->tensors[n], k == 0, out);
        swg_strbuf_puts(out, "</tr>\n");
    }
    swg_strbuf_puts(out, "</tbody></table>\n</div>\n");
    if (n < result->n_tensors)
        swg_strbuf_printf(out, "<p class=\"quiet\">%zu further tensors are left out.</p>\n",
                          result->n_tensors - n);
    swg_strbuf_puts(out, "</details>\n");
}

/* --- Provenance ------------------------------------------------------------------------------- */

/* All keys of a record that no table of models shows. */
static bool is_provenance(const swg_result_key *key)
{
    static const char *const elsewhere[] = {"id", "status", "reason", "recipe"};
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (strcmp(key->name, elsewhere[i]) == 0)
            return false;
    return true;
}

static void put_definition(const swg_result_key *key, const swg_result *r, swg_strbuf *out)
{
    swg_strbuf_printf(out, "<dt title=\"%s\">%s</dt><dd>", key->text, key->name);
    if (key->kind == SWG_RESULT_IS_COUNT)
        swg_strbuf_printf(out, "%lld", (long long)swg_result_count_at(key, r));
    else if (key->kind == SWG_RESULT_IS_NUMBER)
        swg_strbuf_printf(out, "%.9g", swg_result_number_at(key, r));
    else
        swg_markup_short(out, swg_result_text_at(key, r), 2000);
    swg_strbuf_puts(out, "</dd>\n");
}

void swg_page_provenance(const swg_report *report, swg_strbuf *out)
{
    enum { MAX_RECIPE_BYTES = 16 << 10 };
    if (report->n_items == 0)
        return;
    swg_strbuf_puts(out, "<section id=\"provenance\">\n<h2>Recipes and provenance</h2>\n");
    for (size_t i = 0; i < report->n_items; i++) {
        const swg_result *r = report->items[i].result;
        swg_strbuf_printf(out, "<details id=\"m%zu\">\n<summary><strong>", i);
        swg_markup_short(out, r->id, 120);
        swg_strbuf_puts(out, "</strong></summary>\n");
        if (r->recipe) {
            swg_strbuf_puts(out, "<pre>");
            swg_markup_json(out, r->recipe, MAX_RECIPE_BYTES);
            swg_strbuf_puts(out, "</pre>\n");
        }
        swg_strbuf_puts(out, "<dl>\n");
        for (size_t k = 0; k < swg_n_result_keys; k++)
            if (is_provenance(&swg_result_keys[k]) && swg_result_has(&swg_result_keys[k], r))
                put_definition(&swg_result_keys[k], r, out);
        swg_strbuf_puts(out, "</dl>\n</details>\n");
    }
    swg_strbuf_puts(out, "</section>\n");
}

/* --- Where and how it was measured ------------------------------------------------------------ */

/* Distinct values of a text, joined by commas; at most five. */
static void put_distinct(const swg_report *report, const char *name, const char *title,
                         swg_strbuf *out)
{
    enum { MOST = 5 };
    const swg_result_key *key = swg_result_key_find(swg_result_keys, swg_n_result_keys, name);
    const char *seen[MOST];
    size_t n = 0;
    for (size_t i = 0; i < report->n_items && n < MOST; i++) {
        const char *text = swg_result_text_at(key, report->items[i].result);
        bool is_new = text && *text;
        for (size_t k = 0; is_new && k < n; k++)
            is_new = strcmp(seen[k], text) != 0;
        if (!is_new)
            continue;
        swg_strbuf_printf(out, "%s%s", n ? ", " : title, n ? "" : " ");
        swg_markup_short(out, text, 100);
        seen[n++] = text;
    }
    if (n > 0)
        swg_strbuf_puts(out, ". ");
}

void swg_page_machines(const swg_report *report, swg_strbuf *out)
{
    swg_strbuf_puts(out, "<p class=\"quiet\">");
    put_distinct(report, "cpu", "Measured on", out);
    put_distinct(report, "isa", "Kernels:", out);
    put_distinct(report, "protocol", "Protocol:", out);
    put_distinct(report, "text", "Text:", out);
    put_distinct(report, "tool_version", "swage", out);
    swg_strbuf_puts(out, "</p>\n");
}
