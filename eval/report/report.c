/* What a report shows: see report.h. */
#include "eval/report/report.h"

#include <string.h>

/* The model that others were made from: its own hash, or the name that all use, is that of the
 * base. */
static bool is_base_record(const swg_result *r)
{
    return (r->base_hash && r->model_hash && strcmp(r->base_hash, r->model_hash) == 0) ||
           strcmp(r->id, "base") == 0;
}

static void choose_accuracy(swg_report *report)
{
    static const swg_metric_id metrics[] = {SWG_METRIC_kld_mean, SWG_METRIC_perplexity,
                                            SWG_METRIC_accuracy};
    for (size_t m = 0; m < sizeof metrics / sizeof *metrics && !report->has_accuracy; m++)
        for (size_t i = 0; i < report->results->count && !report->has_accuracy; i++) {
            const swg_result *r = &report->results->items[i];
            report->accuracy = metrics[m];
            report->has_accuracy = swg_result_is_ok(r) && !isnan(swg_metric_value(metrics[m], r)) &&
                                   !is_base_record(r);
        }
}

static size_t series_of(swg_report *report, const char *name)
{
    if (!name)
        name = "other";
    for (size_t i = 0; i < report->n_series; i++)
        if (strcmp(report->series[i], name) == 0)
            return i;
    if (report->n_series == SWG_REPORT_MAX_SERIES)
        return SWG_REPORT_MAX_SERIES - 1;
    report->series[report->n_series] =
        report->n_series == SWG_REPORT_MAX_SERIES - 1 ? "other" : name;
    return report->n_series++;
}

/* The models shown: all on the front and the base, then others in file order while there is room;
 * `is_on_front` is [results->count]. */
static void choose_items(swg_report *report, const bool *is_on_front)
{
    const swg_results *results = report->results;
    size_t n_front = 0, n_others = 0;
    bool has_series = false;
    for (size_t i = 0; i < results->count; i++) {
        n_front += is_on_front[i] || is_base_record(&results->items[i]);
        has_series |= results->items[i].series != NULL;
    }
    const size_t room = n_front < SWG_REPORT_MAX_SHOWN ? SWG_REPORT_MAX_SHOWN - n_front : 0;
    for (size_t i = 0; i < results->count; i++) {
        const swg_result *r = &results->items[i];
        const bool is_base = is_base_record(r);
        if (!swg_result_is_ok(r)) {
            report->n_failed++;
            continue;
        }
        if (report->n_items == SWG_REPORT_MAX_SHOWN ||
            (!is_on_front[i] && !is_base && n_others++ >= room)) {
            report->n_left_out++;
            continue;
        }
        if (is_base && !report->base)
            report->base = r;
        report->items[report->n_items++] = (swg_report_item){
            .result = r,
            .series = has_series ? series_of(report, is_base ? "base" : r->series) : 0,
            .is_on_front = is_on_front[i],
            .is_base = is_base};
    }
}

/* The models with figures of their tensors: those on the front first. */
static void choose_detailed(swg_report *report)
{
    for (int front = 1; front >= 0; front--)
        for (size_t i = 0; i < report->n_items; i++) {
            swg_report_item *item = &report->items[i];
            if (report->n_detailed < SWG_REPORT_MAX_DETAILED && item->result->n_tensors > 0 &&
                item->is_on_front == front) {
                item->is_detailed = true;
                report->n_detailed++;
            }
        }
}

swg_status swg_report_init(const swg_results *results, swg_report *out)
{
    swg_status status = SWG_OK;
    swg_report report = {.results = results};
    bool *is_on_front = NULL;
    SWG_GO(SWG_NEW(is_on_front, results->count));
    SWG_GO(SWG_NEW(report.items, SWG_REPORT_MAX_SHOWN));
    choose_accuracy(&report);
    if (report.has_accuracy)
        SWG_GO(swg_pareto_front(results->items, results->count, SWG_METRIC_file_bytes,
                                report.accuracy, is_on_front));
    choose_items(&report, is_on_front);
    choose_detailed(&report);
    *out = report;
    report.items = NULL;
done:
    swg_free(report.items);
    swg_free(is_on_front);
    return status;
}

void swg_report_deinit(swg_report *report)
{
    swg_free(report->items);
    *report = (swg_report){0};
}

bool swg_report_has(const swg_report *report, swg_metric_id metric)
{
    for (size_t i = 0; i < report->n_items; i++)
        if (!isnan(swg_metric_value(metric, report->items[i].result)))
            return true;
    return false;
}
