/* swage report: measurements of models as a page, a table, or figures. */
#include "eval/report/report.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/cli/cli.h"

typedef struct arguments {
    const char *output, *svg;
    bool markdown, csv, tensors, force;
} arguments;

static const swg_option options[] = {
    SWG_OPTION_STRING(arguments, output, 'o', "output", "FILE",
                      "where to write the page (default: the table in Markdown, on stdout)"),
    SWG_OPTION_FLAG(arguments, markdown, 0, "markdown", "write the table of models in Markdown"),
    SWG_OPTION_FLAG(arguments, csv, 0, "csv", "write all records as comma-separated values"),
    SWG_OPTION_FLAG(arguments, tensors, 0, "tensors",
                    "with --csv: a line per tensor, not per model"),
    SWG_OPTION_STRING(arguments, svg, 0, "svg", "FOLDER",
                      "write the figures as SVG files into this folder too"),
    SWG_OPTION_FLAG(arguments, force, 0, "force", "replace existing outputs"),
};

typedef struct job {
    const swg_cli *cli;
    const arguments *args;
    swg_results results;
    swg_report report;
    swg_strbuf text; /* what goes to the output or to stdout */
    size_t n_figures;
} job;

static swg_status check_arguments(const arguments *args)
{
    if (args->markdown && args->csv)
        return swg_error(SWG_USAGE, "give either --markdown or --csv");
    if (args->tensors && !args->csv)
        return swg_error(SWG_USAGE, "--tensors goes with --csv");
    return SWG_OK;
}

static swg_status write_file(const char *path, bool force, const swg_strbuf *text)
{
    swg_file_writer *writer = NULL;
    SWG_TRY(swg_file_create(path, force, text->length, &writer));
    const swg_status status = swg_file_append(writer, swg_strbuf_text(text), text->length);
    if (status != SWG_OK) {
        swg_file_abort(&writer);
        return status;
    }
    return swg_file_commit(&writer);
}

static swg_status write_figure(void *context, const char *name, const swg_strbuf *svg)
{
    job *j = context;
    char *path = swg_path_join(j->args->svg, name);
    if (!path)
        return SWG_NO_MEMORY;
    const swg_status status = write_file(path, j->args->force, svg);
    swg_free(path);
    j->n_figures += status == SWG_OK;
    return status;
}

static swg_status make_text(job *j)
{
    const arguments *args = j->args;
    if (args->csv)
        args->tensors ? swg_results_write_tensors_csv(&j->results, &j->text)
                      : swg_results_write_csv(&j->results, &j->text);
    else if (args->markdown || !args->output)
        return swg_report_markdown(&j->report, &j->text);
    else
        return swg_report_html(&j->report, &j->text);
    return swg_strbuf_status(&j->text);
}

static swg_status print_json(const job *j)
{
    swg_json_writer json = {0};
    swg_cli_json_begin(j->cli, &json);
    swg_json_string(&json, "results", j->cli->positionals[0]);
    swg_json_uint(&json, "records", j->results.count);
    swg_json_uint(&json, "failed", j->report.n_failed);
    swg_json_uint(&json, "replaced", j->results.n_replaced);
    if (j->results.cut_line)
        swg_json_uint(&json, "cut_line", j->results.cut_line);
    else
        swg_json_null(&json, "cut_line");
    if (j->report.has_accuracy)
        swg_json_string(&json, "accuracy", swg_metrics[j->report.accuracy].key);
    else
        swg_json_null(&json, "accuracy");
    swg_json_begin_array(&json, "front");
    for (size_t i = 0; i < j->report.n_items; i++)
        if (j->report.items[i].is_on_front)
            swg_json_string(&json, NULL, j->report.items[i].result->id);
    swg_json_end_array(&json);
    if (j->args->output)
        swg_json_string(&json, "output", j->args->output);
    else
        swg_json_null(&json, "output");
    swg_json_uint(&json, "figures", j->n_figures);
    return swg_cli_json_print(&json);
}

static swg_status run(const swg_cli *cli, const void *raw_arguments)
{
    swg_status status = SWG_OK;
    job j = {.cli = cli, .args = raw_arguments};
    SWG_GO(check_arguments(j.args));
    SWG_GO(swg_results_read(cli->positionals[0], &j.results));
    if (j.results.cut_line)
        swg_cli_say(cli, "line %zu, the last one, was written half and is left out",
                    j.results.cut_line);
    if (j.results.count == 0)
        SWG_GO(swg_error(SWG_FAILED, "%s holds no records", cli->positionals[0]));
    SWG_GO(swg_report_init(&j.results, &j.report));
    if (j.args->svg) {
        SWG_GO(swg_make_folders(j.args->svg));
        SWG_GO(swg_report_figures(&j.report, write_figure, &j));
    }
    SWG_GO(make_text(&j));
    if (j.args->output)
        SWG_GO(write_file(j.args->output, j.args->force, &j.text));
    if (cli->json)
        status = print_json(&j);
    else if (!j.args->output)
        status = swg_cli_print(swg_strbuf_text(&j.text), j.text.length);
done:
    swg_strbuf_deinit(&j.text);
    swg_report_deinit(&j.report);
    swg_results_deinit(&j.results);
    return status;
}

static const swg_example examples[] = {
    {"swage report out/results.jsonl -o report.html", "everything on one page"},
    {"swage report out --markdown", "the table of models; `out` holds a results.jsonl"},
    {"swage report out --csv -o models.csv", "all figures for a spreadsheet"},
    {"swage report out -o report.html --svg figures", "the figures as files besides"},
};

const swg_command swg_command_report = {
    .name = "report",
    .synopsis = "RESULTS [-o FILE] [--markdown | --csv [--tensors]] [--svg FOLDER]",
    .summary = "show measurements of models: a page, a table, figures",
    .description = "RESULTS is a results.jsonl, or a folder with one (docs/results-format.md). The "
                   "page is one "
                   "HTML file that loads nothing and reads without a script: size, speed and "
                   "accuracy with the "
                   "Pareto front and intervals, figures of tensors by layer, distributions of "
                   "latency, and the "
                   "recipe and provenance of every model. The same records give the same bytes.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 1,
    .max_positionals = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
};
