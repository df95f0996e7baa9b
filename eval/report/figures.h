/* The figures of a report as SVG elements: each has a title and a description, and every mark has
 * its figures as a title of its own. They use the classes of swg_figure_css. */
#ifndef SWG_EVAL_REPORT_FIGURES_H
#define SWG_EVAL_REPORT_FIGURES_H

#include "eval/report/report.h"

/* How a figure is drawn: as part of a page, wide (at least 640 pixels) or for a narrow screen, or
 * as a file of its own. */
typedef enum swg_figure_form {
    SWG_FIGURE_WIDE,
    SWG_FIGURE_NARROW,
    SWG_FIGURE_BOTH, /* of a page, the same in both */
    SWG_FIGURE_FILE
} swg_figure_form;

/* Marks of one model each: x against y with the front of those two, error bars, and names of the
 * models on it. `name` is unique in the page: ids are made of it. SWG_NO_MEMORY. */
swg_status swg_scatter_svg(const swg_report *report, swg_metric_id x, swg_metric_id y,
                           swg_figure_form form, const char *name, swg_strbuf *out);

/* Whether a scatter would have at least one mark besides the base. */
bool swg_scatter_has_points(const swg_report *report, swg_metric_id x, swg_metric_id y);

/* Figures of a model's tensors by layer and kind, as coloured cells. */
typedef enum swg_heat_field {
    SWG_HEAT_ERROR, /* the first of sensitivity_kld, weighted_error, relative_error that is there */
    SWG_HEAT_BITS,
    SWG_HEAT_SPARSITY,
    SWG_N_HEAT_FIELDS
} swg_heat_field;

const char *swg_heat_title(const swg_report *report, swg_heat_field field);
bool swg_heat_has(const swg_report *report, const swg_result *result, swg_heat_field field);
/* One colour scale for all models of the report. */
swg_status swg_heat_svg(const swg_report *report, const swg_result *result, swg_heat_field field,
                        swg_figure_form form, const char *name, swg_strbuf *out);

/* Times: a bar from the median to the 99th percentile for each model, and the distribution of one
 * model. */
typedef enum swg_time_kind {
    SWG_TIME_ttft_ms,
    SWG_TIME_tpot_ms,
    SWG_TIME_token_ms,
    SWG_TIME_e2e_ms,
    SWG_N_TIMES
} swg_time_kind;

const char *swg_time_key(swg_time_kind kind); /* "ttft_ms" */
const char *swg_time_title(swg_time_kind kind);
bool swg_time_has(const swg_report *report, swg_time_kind kind);
swg_status swg_times_svg(const swg_report *report, swg_time_kind kind, swg_figure_form form,
                         const char *name, swg_strbuf *out);
swg_status swg_histogram_svg(const swg_result *result, const swg_result_histogram *histogram,
                             swg_figure_form form, const char *name, swg_strbuf *out);

/* The mark of a series alone, for legends. */
void swg_series_mark(size_t series, swg_strbuf *out);

#endif
