/* The page: header, figures, tables, details. See report.h. The style sheet and the script are
 * named by their hashes in the page's security policy, so that nothing else could run or load even
 * if an escape were missing. */
#include "eval/report/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/report/figures.h"
#include "eval/report/markup.h"
#include "eval/report/page_parts.h"
#include "eval/report/palette.h"
#include "runtime/base/hash.h"

/* Base64 of the SHA-256 of a text, as policies name it. */
static void put_hash(swg_strbuf *out, const char *text, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char hex[SWG_SHA256_TEXT], base64[45];
    uint8_t bytes[33] = {0}; /* 32, and one that pads the last group of three */
    swg_sha256_text(text, length, hex);
    for (size_t i = 0; i < 32; i++) {
        const char pair[] = {hex[2 * i], hex[2 * i + 1], '\0'};
        bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    for (size_t i = 0; i < 11; i++) {
        const uint32_t group =
            (uint32_t)bytes[3 * i] << 16 | (uint32_t)bytes[3 * i + 1] << 8 | bytes[3 * i + 2];
        for (size_t k = 0; k < 4; k++)
            base64[4 * i + k] = digits[(group >> (18 - 6 * k)) & 63];
    }
    base64[43] = '=';
    base64[44] = '\0';
    swg_strbuf_printf(out, "'sha256-%s'", base64);
}

static void write_head(const char *title, const swg_strbuf *style, swg_strbuf *out)
{
    swg_strbuf_puts(out,
                    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                    "img-src data:; style-src ");
    put_hash(out, swg_strbuf_text(style), style->length);
    swg_strbuf_puts(out, "; script-src ");
    put_hash(out, swg_page_script, strlen(swg_page_script));
    swg_strbuf_puts(out,
                    "; base-uri 'none'; form-action 'none'\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                    "<meta name=\"color-scheme\" content=\"light dark\">\n"
                    "<meta name=\"generator\" content=\"swage " SWAGE_VERSION "\">\n"
                    "<link rel=\"icon\" href=\"data:,\">\n<title>");
    swg_markup_short(out, title, 120);
    swg_strbuf_puts(out, "</title>\n<style>");
    swg_strbuf_append(out, swg_strbuf_text(style), style->length);
    swg_strbuf_puts(out, "</style>\n</head>\n");
}

/* The name of what all models were made from; NULL when they do not agree. */
static const char *common_base(const swg_report *report)
{
    const char *name = NULL;
    for (size_t i = 0; i < report->n_items; i++) {
        const char *base = report->items[i].result->base_model;
        if (!base)
            continue;
        if (name && strcmp(name, base) != 0)
            return NULL;
        name = base;
    }
    return name;
}

static void write_summary(const swg_report *report, swg_strbuf *out)
{
    size_t n_front = 0;
    for (size_t i = 0; i < report->n_items; i++)
        n_front += report->items[i].is_on_front;
    swg_strbuf_printf(out, "<p>%zu models measured", report->n_items + report->n_left_out);
    if (n_front > 0)
        swg_strbuf_printf(out, "; %zu on the front: no other model is both smaller and %s", n_front,
                          report->accuracy == SWG_METRIC_kld_mean ? "closer to the base"
                                                                  : "more accurate");
    swg_strbuf_puts(out, ".");
    if (report->n_failed > 0)
        swg_strbuf_printf(out, " <a class=\"bad\" href=\"#failed\">%zu failed</a>.",
                          report->n_failed);
    if (report->n_left_out > 0)
        swg_strbuf_printf(out,
                          " %zu of them are left out here, the front is complete; <code>swage "
                          "report --csv</code> lists all.",
                          report->n_left_out);
    swg_strbuf_puts(out, "</p>\n");
    if (report->results->cut_line)
        swg_strbuf_printf(out,
                          "<p class=\"bad\">Line %zu, the last one of the results, was written "
                          "half and is left out.</p>\n",
                          report->results->cut_line);
    swg_page_machines(report, out);
}

static void write_header(const swg_report *report, const char *title, swg_strbuf *out)
{
    static const struct {
        const char *id, *words;
    } links[] = {{"front", "The front"},
                 {"figures", "Size, speed, accuracy"},
                 {"models", "All models"},
                 {"times", "Latency"},
                 {"tensors", "Tensors"},
                 {"failed", "Failed"},
                 {"provenance", "Recipes and provenance"}};
    swg_strbuf_puts(out, "<body>\n<header>\n<h1>");
    swg_markup_text(out, title);
    swg_strbuf_puts(out, "</h1>\n");
    write_summary(report, out);
    swg_strbuf_puts(out, "<nav aria-label=\"Sections\"><ul>");
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (swg_page_has_section(report, links[i].id))
            swg_strbuf_printf(out, "<li><a href=\"#%s\">%s</a></li>", links[i].id, links[i].words);
    swg_strbuf_puts(out, "</ul></nav>\n</header>\n<main>\n");
}

/* One figure in both widths. */
static swg_status write_scatter(const swg_report *report, swg_metric_id x, swg_metric_id y,
                                swg_strbuf *out)
{
    char name[96];
    if (!swg_scatter_has_points(report, x, y))
        return SWG_OK;
    snprintf(name, sizeof name, "%s-%s", swg_metrics[x].key, swg_metrics[y].key);
    swg_strbuf_printf(out, "<figure>\n<h3>%s against %s</h3>\n", swg_metrics[y].title,
                      swg_metrics[x].title);
    SWG_TRY(swg_scatter_svg(report, x, y, SWG_FIGURE_WIDE, name, out));
    SWG_TRY(swg_scatter_svg(report, x, y, SWG_FIGURE_NARROW, name, out));
    swg_strbuf_printf(out,
                      "<figcaption>Better is %s and %s. The dashed line joins the models that no "
                      "other one beats in both.</figcaption>\n"
                      "</figure>\n",
                      swg_metrics[y].more_is_better ? "above" : "below",
                      swg_metrics[x].more_is_better ? "to the right" : "to the left");
    return SWG_OK;
}

static void write_legend(const swg_report *report, swg_strbuf *out)
{
    if (report->n_series < 2)
        return;
    swg_strbuf_puts(out, "<ul class=\"legend\" aria-label=\"Series\">");
    for (size_t i = 0; i < report->n_series; i++) {
        swg_strbuf_puts(out, "<li>");
        swg_series_mark(i, out);
        swg_markup_short(out, report->series[i], 60);
        swg_strbuf_puts(out, "</li>");
    }
    swg_strbuf_puts(out, "</ul>\n");
}

static swg_status write_figures(const swg_report *report, swg_strbuf *out)
{
    if (!swg_page_has_section(report, "figures"))
        return SWG_OK;
    swg_strbuf_puts(out, "<section id=\"figures\">\n<h2>Size, speed, accuracy</h2>\n");
    write_legend(report, out);
    swg_strbuf_puts(out, "<div class=\"grid\">\n");
    for (size_t i = 0; i < SWG_N_SCATTERS; i++)
        SWG_TRY(write_scatter(report, swg_scatters[i].x, swg_scatters[i].y, out));
    swg_strbuf_puts(out, "</div>\n</section>\n");
    return SWG_OK;
}

static swg_status write_times(const swg_report *report, swg_strbuf *out)
{
    enum { MAX_HISTOGRAMS = 24 };
    if (!swg_page_has_section(report, "times"))
        return SWG_OK;
    size_t n = 0;
    char name[96];
    swg_strbuf_puts(out, "<section id=\"times\">\n<h2>Latency</h2>\n");
    for (size_t kind = 0; kind < SWG_N_TIMES; kind++) {
        if (!swg_time_has(report, (swg_time_kind)kind))
            continue;
        swg_strbuf_printf(out, "<figure>\n<h3>%s</h3>\n", swg_time_title((swg_time_kind)kind));
        SWG_TRY(swg_times_svg(report, (swg_time_kind)kind, SWG_FIGURE_WIDE,
                              swg_time_key((swg_time_kind)kind), out));
        SWG_TRY(swg_times_svg(report, (swg_time_kind)kind, SWG_FIGURE_NARROW,
                              swg_time_key((swg_time_kind)kind), out));
        swg_strbuf_puts(out, "<figcaption>Mark: median; bar: to the 99th percentile, with a line "
                             "across at the 90th; thin lines with ends: "
                             "intervals.</figcaption>\n</figure>\n");
    }
    swg_strbuf_puts(out, "<div class=\"grid\">\n");
    for (size_t i = 0; i < report->n_items; i++)
        for (size_t h = 0; h < report->items[i].result->n_histograms && n < MAX_HISTOGRAMS; h++) {
            snprintf(name, sizeof name, "histogram-%zu", n++);
            swg_strbuf_puts(out, "<figure>\n<figcaption>");
            swg_markup_short(out, report->items[i].result->id, 60);
            swg_strbuf_puts(out, "</figcaption>\n");
            SWG_TRY(swg_histogram_svg(report->items[i].result,
                                      &report->items[i].result->histograms[h], SWG_FIGURE_BOTH,
                                      name, out));
            swg_strbuf_puts(out, "</figure>\n");
        }
    swg_strbuf_puts(out, "</div>\n</section>\n");
    return SWG_OK;
}

static swg_status write_heats(const swg_report *report, size_t index, swg_strbuf *out)
{
    const swg_result *r = report->items[index].result;
    char name[96];
    for (size_t field = 0; field < SWG_N_HEAT_FIELDS; field++) {
        if (!swg_heat_has(report, r, (swg_heat_field)field))
            continue;
        snprintf(name, sizeof name, "heat-%zu-%zu", index, field);
        const char *title = swg_heat_title(report, (swg_heat_field)field);
        swg_strbuf_printf(out,
                          "<figure>\n<figcaption>%s</figcaption>\n<div class=\"scroll\" "
                          "tabindex=\"0\" role=\"region\" aria-label=\"%s\">\n",
                          title, title);
        SWG_TRY(swg_heat_svg(report, r, (swg_heat_field)field, SWG_FIGURE_BOTH, name, out));
        swg_strbuf_puts(out, "</div>\n</figure>\n");
    }
    return SWG_OK;
}

static swg_status write_tensors(const swg_report *report, swg_strbuf *out)
{
    bool is_first = true;
    if (!swg_page_has_section(report, "tensors"))
        return SWG_OK;
    swg_strbuf_puts(out,
                    "<section id=\"tensors\">\n<h2>Tensors</h2>\n"
                    "<p class=\"quiet\">All models share one scale of colours per figure.</p>\n");
    for (size_t i = 0; i < report->n_items; i++) {
        if (!report->items[i].is_detailed)
            continue;
        swg_strbuf_printf(out, "<details%s>\n<summary><strong>", is_first ? " open" : "");
        swg_markup_short(out, report->items[i].result->id, 120);
        swg_strbuf_printf(out, "</strong>: %zu tensors</summary>\n<div class=\"grid\">\n",
                          report->items[i].result->n_tensors);
        SWG_TRY(write_heats(report, i, out));
        swg_strbuf_puts(out, "</div>\n");
        swg_page_tensor_table(report->items[i].result, out);
        swg_strbuf_puts(out, "</details>\n");
        is_first = false;
    }
    swg_strbuf_puts(out, "</section>\n");
    return SWG_OK;
}

static void write_foot(swg_strbuf *out)
{
    swg_strbuf_puts(out,
                    "</main>\n<footer class=\"quiet\"><p>Made by swage " SWAGE_VERSION
                    " from a results.jsonl. Everything is in this file: nothing is loaded, and "
                    "the script only sorts tables.</p></footer>\n<script>");
    swg_strbuf_puts(out, swg_page_script);
    swg_strbuf_puts(out, "</script>\n</body>\n</html>\n");
}

swg_status swg_report_html(const swg_report *report, swg_strbuf *out)
{
    swg_status status = SWG_OK;
    swg_strbuf style = {0}, title = {0};
    const char *base = common_base(report);
    swg_strbuf_printf(&title, "%s%s", base ? "Compression of " : "Compression report",
                      base ? base : "");
    swg_palette_css(&style);
    swg_strbuf_puts(&style, swg_figure_css);
    swg_strbuf_puts(&style, swg_page_css);
    SWG_GO(swg_strbuf_status(&title));
    SWG_GO(swg_strbuf_status(&style));
    write_head(title.text, &style, out);
    write_header(report, title.text, out);
    swg_page_front_table(report, out);
    SWG_GO(write_figures(report, out));
    swg_page_model_table(report, out);
    SWG_GO(write_times(report, out));
    SWG_GO(write_tensors(report, out));
    swg_page_failed(report, out);
    swg_page_provenance(report, out);
    write_foot(out);
    status = swg_strbuf_status(out);
done:
    swg_strbuf_deinit(&title);
    swg_strbuf_deinit(&style);
    return status;
}
