/* swage bench --kernels: see cmd_bench_kernels.h. */
#include "eval/cmd_bench_kernels.h"

#include "kernels/check/check.h"

/* The table being printed: JSON or text. */
typedef struct table {
    const swg_cli *cli;
    swg_json_writer json;
    swg_strbuf text;
} table;

static void add_json(swg_json_writer *json, const swg_check_result *result)
{
    swg_json_begin_object(json, NULL);
    swg_json_string(json, "op", swg_op_name(result->op));
    swg_json_string(json, "isa", result->isa);
    swg_json_uint(json, "cases", result->n_cases);
    swg_json_uint(json, "failed", result->n_failed);
    swg_json_string(json, "workload", result->workload);
    swg_json_double(json, "seconds", result->seconds);
    swg_json_double(json, "bytes_per_s", result->bytes_per_s);
    swg_json_double(json, "ops_per_s", result->ops_per_s);
    if (result->n_failed)
        swg_json_string(json, "failure", result->failure);
    swg_json_end_object(json);
}

static void add_row(void *context, const swg_check_result *result)
{
    table *t = context;
    if (t->cli->json) {
        add_json(&t->json, result);
        return;
    }
    swg_strbuf_printf(&t->text, "%-17s %-8s %6zu %6zu %9.3f %9.1f %9.1f  %s\n",
                      swg_op_name(result->op), result->isa, result->n_cases, result->n_failed,
                      1e6 * result->seconds, 1e-9 * result->bytes_per_s, 1e-9 * result->ops_per_s,
                      result->n_failed ? result->failure : result->workload);
}

static swg_status print_table(table *t)
{
    if (t->cli->json) {
        swg_json_end_array(&t->json);
        return swg_cli_json_print(&t->json);
    }
    SWG_TRY(swg_strbuf_status(&t->text));
    return swg_cli_print(t->text.text, t->text.length);
}

swg_status swg_bench_kernels(const swg_cli *cli, uint64_t seed)
{
    table t = {.cli = cli};
    swg_check_report report;
    swg_check_options options = swg_check_options_default();
    options.seed = seed;
    options.timing = true;
    options.on_result = add_row;
    options.context = &t;
    if (cli->json) {
        swg_cli_json_begin(cli, &t.json);
        swg_json_begin_array(&t.json, "kernels");
    } else {
        swg_strbuf_printf(&t.text, "%-17s %-8s %6s %6s %9s %9s %9s  %s\n", "operation", "set",
                          "cases", "failed", "us", "GB/s", "GOP/s", "workload");
    }
    swg_status status = swg_kernels_check(&options, &report);
    if (status == SWG_OK)
        status = print_table(&t);
    if (status == SWG_OK && report.n_failed)
        status = swg_error(SWG_FAILED, "%zu kernel variants disagree with their definition: %s",
                           report.n_failed, report.failure);
    swg_strbuf_deinit(&t.text);
    swg_json_deinit(&t.json);
    return status;
}
