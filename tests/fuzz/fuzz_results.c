/* The reader of results: what it takes can be written, and reads back as the same records; the
 * report holds its texts as text. */
#include <stdlib.h>
#include <string.h>

#include "eval/report/report.h"
#include "eval/results.h"
#include "tests/fuzz/fuzz.h"

/* Whether both are written alike: every value is compared by its text. */
static void write_all(const swg_results *results, swg_strbuf *out)
{
    for (size_t i = 0; i < results->count; i++)
        if (swg_result_write(&results->items[i], out) != SWG_OK)
            abort();
}

static swg_status pass(void *context, const char *name, const swg_strbuf *svg)
{
    (void)context;
    (void)name;
    return svg->length > 0 ? SWG_OK : SWG_FAILED;
}

/* Whatever the records say, the page's own script is the only one. */
static void report_on(const swg_results *results)
{
    swg_report report;
    swg_strbuf page = {0};
    if (swg_report_init(results, &report) != SWG_OK || swg_report_html(&report, &page) != SWG_OK)
        abort();
    const char *script = strstr(page.text, "<script");
    if (!script || strstr(script + 1, "<script") || strstr(page.text, "nan\""))
        abort();
    page.length = 0;
    if (swg_report_markdown(&report, &page) != SWG_OK ||
        swg_report_figures(&report, pass, NULL) != SWG_OK)
        abort();
    swg_strbuf_deinit(&page);
    swg_report_deinit(&report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    swg_results read = {0}, again = {0};
    swg_strbuf once = {0}, twice = {0}, csv = {0};
    if (swg_results_parse((const char *)data, size, "input", &read) == SWG_OK) {
        write_all(&read, &once);
        if (swg_results_parse(swg_strbuf_text(&once), once.length, "written", &again) != SWG_OK ||
            again.count != read.count || again.cut_line || again.n_replaced)
            abort();
        write_all(&again, &twice);
        if (strcmp(swg_strbuf_text(&once), swg_strbuf_text(&twice)) != 0)
            abort();
        swg_results_write_csv(&read, &csv);
        swg_results_write_tensors_csv(&read, &csv);
        report_on(&read);
    }
    swg_strbuf_deinit(&csv);
    swg_strbuf_deinit(&twice);
    swg_strbuf_deinit(&once);
    swg_results_deinit(&again);
    swg_results_deinit(&read);
    return 0;
}
