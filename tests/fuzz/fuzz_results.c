/* The reader of results: what it takes can be written, and reads back as the same records. */
#include <stdlib.h>
#include <string.h>

#include "eval/results.h"
#include "tests/fuzz/fuzz.h"

/* Whether both are written alike: every value is compared by its text. */
static void write_all(const swg_results *results, swg_strbuf *out)
{
    for (size_t i = 0; i < results->count; i++)
        if (swg_result_write(&results->items[i], out) != SWG_OK)
            abort();
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
    }
    swg_strbuf_deinit(&csv);
    swg_strbuf_deinit(&twice);
    swg_strbuf_deinit(&once);
    swg_results_deinit(&again);
    swg_results_deinit(&read);
    return 0;
}
