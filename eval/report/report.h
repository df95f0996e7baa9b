/* A report of measurements: one HTML file without anything from outside, its figures as SVG files,
 * or a Markdown table.
 *
 *     swg_report report;
 *     SWG_TRY(swg_report_init(&results, &report));   // chooses what is shown
 *     SWG_TRY(swg_report_html(&report, &page));
 *     swg_report_deinit(&report);
 *
 * The same records give the same bytes. What is shown is bounded, and says what was left out, so
 * that a page stays readable. All texts of records are escaped (markup.h). */
#ifndef SWG_EVAL_REPORT_REPORT_H
#define SWG_EVAL_REPORT_REPORT_H

#include "eval/metrics.h"
#include "eval/results.h"

enum {
    SWG_REPORT_MAX_SHOWN = 400,    /* models in tables and figures */
    SWG_REPORT_MAX_DETAILED = 12,  /* of these with figures and tables of their tensors */
    SWG_REPORT_MAX_TENSORS = 1000, /* rows of such a table */
    SWG_REPORT_MAX_FIGURES = 4 + 4 + 3 * SWG_REPORT_MAX_DETAILED + 24,
    SWG_REPORT_MAX_SERIES = 8 /* the last one is "other" where there are more */
};

/* One model as the report shows it. */
typedef struct swg_report_item {
    const swg_result *result;
    size_t series;
    bool is_on_front; /* the Pareto front of size and accuracy */
    bool is_base;     /* the model that others were made from */
    bool is_detailed;
} swg_report_item;

typedef struct swg_report {
    const swg_results *results;
    swg_report_item *items; /* [n_items] those that succeeded, in file order */
    size_t n_items;
    size_t n_left_out; /* further ones that succeeded */
    size_t n_failed, n_detailed;
    swg_metric_id accuracy; /* the first of KL divergence, perplexity, accuracy that was measured */
    bool has_accuracy;
    const swg_result *base; /* NULL when it is not among the records */
    const char *series[SWG_REPORT_MAX_SERIES];
    size_t n_series; /* 0 when the records do not name any */
} swg_report;

/* The report keeps views of `results`, which must outlive it. SWG_NO_MEMORY. */
swg_status swg_report_init(const swg_results *results, swg_report *out);
void swg_report_deinit(swg_report *report);

/* Whether any model shown has that figure. */
bool swg_report_has(const swg_report *report, swg_metric_id metric);

/* The whole page; the table of models in Markdown. SWG_NO_MEMORY. */
swg_status swg_report_html(const swg_report *report, swg_strbuf *out);
swg_status swg_report_markdown(const swg_report *report, swg_strbuf *out);

/* The figures as separate SVG files: call `visit` with "size-kld_mean.svg" and its text until it
 * fails. */
typedef swg_status swg_report_visitor(void *context, const char *name, const swg_strbuf *svg);
swg_status swg_report_figures(const swg_report *report, swg_report_visitor *visit, void *context);

#endif
