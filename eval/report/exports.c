/* The report as other files: a Markdown table, and the figures alone. See report.h. */
#include <math.h>
#include <stdio.h>

#include "eval/report/figures.h"
#include "eval/report/markup.h"
#include "eval/report/page_parts.h"

/* --- Markdown --------------------------------------------------------------------------------- */

static void put_model(const swg_report *report, const swg_report_item *item, swg_strbuf *out)
{
    char words[48], interval[112];
    swg_strbuf_puts(out, item->is_on_front ? "| **" : "| ");
    swg_markup_markdown(out, item->result->id);
    swg_strbuf_puts(out, item->is_on_front ? "**" : "");
    for (size_t m = 0; m < SWG_N_METRICS; m++) {
        const swg_metric_id metric = (swg_metric_id)m;
        if (!swg_report_has(report, metric))
            continue;
        const double value = swg_metric_value(metric, item->result);
        swg_strbuf_printf(out, " | %s", swg_unit_format_bare(swg_metrics[m].unit, value, words));
        if (swg_metric_format_interval(metric, item->result, interval))
            swg_strbuf_printf(out, " (%s)", interval);
    }
    swg_strbuf_puts(out, " |\n");
}

static void put_models(const swg_report *report, swg_strbuf *out)
{
    char heading[96];
    swg_strbuf_puts(out, "| model");
    for (size_t m = 0; m < SWG_N_METRICS; m++)
        if (swg_report_has(report, (swg_metric_id)m))
            swg_strbuf_printf(out, " | %s", swg_metric_heading((swg_metric_id)m, heading));
    swg_strbuf_puts(out, " |\n|---");
    for (size_t m = 0; m < SWG_N_METRICS; m++)
        if (swg_report_has(report, (swg_metric_id)m))
            swg_strbuf_puts(out, "|---:");
    swg_strbuf_puts(out, "|\n");
    for (size_t i = 0; i < report->n_items; i++)
        put_model(report, &report->items[i], out);
    if (report->has_accuracy)
        swg_strbuf_printf(out,
                          "\n**Bold**: no other model beats it in both file size and %s. "
                          "Parentheses: intervals.\n",
                          swg_metrics[report->accuracy].title);
    if (report->n_left_out > 0)
        swg_strbuf_printf(out, "\n%zu further models are left out.\n", report->n_left_out);
}

swg_status swg_report_markdown(const swg_report *report, swg_strbuf *out)
{
    size_t n = 0;
    if (report->n_items > 0)
        put_models(report, out);
    if (report->n_failed > 0)
        swg_strbuf_puts(out, "\n| failed | reason |\n|---|---|\n");
    for (size_t i = 0; i < report->results->count && n < SWG_REPORT_MAX_SHOWN; i++) {
        const swg_result *r = &report->results->items[i];
        if (swg_result_is_ok(r))
            continue;
        n++;
        swg_strbuf_puts(out, "| ");
        swg_markup_markdown(out, r->id);
        swg_strbuf_puts(out, " | ");
        swg_markup_markdown(out, r->reason ? r->reason : "");
        swg_strbuf_puts(out, " |\n");
    }
    return swg_strbuf_status(out);
}

/* --- Figures ---------------------------------------------------------------------------------- */

/* Hand a finished figure on, and start anew. */
static swg_status hand_on(swg_report_visitor *visit, void *context, const char *name,
                          swg_strbuf *svg)
{
    char file[128];
    SWG_TRY(swg_strbuf_status(svg));
    snprintf(file, sizeof file, "%s.svg", name);
    SWG_TRY(visit(context, file, svg));
    svg->length = 0;
    return SWG_OK;
}

static swg_status visit_heats(const swg_report *report, size_t i, swg_report_visitor *visit,
                              void *context, swg_strbuf *svg)
{
    static const char *const fields[] = {"error", "bits", "sparsity"};
    char name[96];
    for (size_t field = 0; field < SWG_N_HEAT_FIELDS && report->items[i].is_detailed; field++) {
        if (!swg_heat_has(report, report->items[i].result, (swg_heat_field)field))
            continue;
        snprintf(name, sizeof name, "tensors-%zu-%s", i + 1, fields[field]);
        SWG_TRY(swg_heat_svg(report, report->items[i].result, (swg_heat_field)field,
                             SWG_FIGURE_FILE, name, svg));
        SWG_TRY(hand_on(visit, context, name, svg));
    }
    return SWG_OK;
}

swg_status swg_report_figures(const swg_report *report, swg_report_visitor *visit, void *context)
{
    swg_status status = SWG_OK;
    swg_strbuf svg = {0};
    char name[96];
    for (size_t i = 0; i < SWG_N_SCATTERS; i++) {
        const swg_metric_id x = swg_scatters[i].x, y = swg_scatters[i].y;
        if (!swg_scatter_has_points(report, x, y))
            continue;
        snprintf(name, sizeof name, "%s-%s", swg_metrics[x].key, swg_metrics[y].key);
        SWG_GO(swg_scatter_svg(report, x, y, SWG_FIGURE_FILE, name, &svg));
        SWG_GO(hand_on(visit, context, name, &svg));
    }
    for (size_t kind = 0; kind < SWG_N_TIMES; kind++) {
        if (!swg_time_has(report, (swg_time_kind)kind))
            continue;
        SWG_GO(swg_times_svg(report, (swg_time_kind)kind, SWG_FIGURE_FILE,
                             swg_time_key((swg_time_kind)kind), &svg));
        SWG_GO(hand_on(visit, context, swg_time_key((swg_time_kind)kind), &svg));
    }
    for (size_t i = 0; i < report->n_items; i++)
        SWG_GO(visit_heats(report, i, visit, context, &svg));
done:
    swg_strbuf_deinit(&svg);
    return status;
}
