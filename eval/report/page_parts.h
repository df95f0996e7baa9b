/* The tables and lists of the page, and which sections it has. */
#ifndef SWG_EVAL_REPORT_PAGE_PARTS_H
#define SWG_EVAL_REPORT_PAGE_PARTS_H

#include "eval/report/report.h"

/* The scatters of a report, in order; those without points are left out. */
typedef struct swg_scatter_axes {
    swg_metric_id x, y;
} swg_scatter_axes;
enum { SWG_N_SCATTERS = 8 };
extern const swg_scatter_axes swg_scatters[SWG_N_SCATTERS];

/* Whether the page has the section of that id. */
bool swg_page_has_section(const swg_report *report, const char *id);

/* Each appends a section, or nothing where there is nothing to show. */
void swg_page_front_table(const swg_report *report, swg_strbuf *out);
void swg_page_model_table(const swg_report *report, swg_strbuf *out);
void swg_page_failed(const swg_report *report, swg_strbuf *out);
void swg_page_provenance(const swg_report *report, swg_strbuf *out);

/* The machines and protocols of the measurements, a paragraph; the tensors of one model, a table
 * that can be sorted. */
void swg_page_machines(const swg_report *report, swg_strbuf *out);
void swg_page_tensor_table(const swg_result *result, swg_strbuf *out);

#endif
