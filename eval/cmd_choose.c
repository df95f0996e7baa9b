/* swage choose: the best of measured models within limits, and why. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/choose.h"
#include "runtime/base/words.h"
#include "runtime/cli/cli.h"

/* An option per metric, --max-... or --min-..., named in metrics.def. */
typedef struct arguments {
    const char *best;
    const char *limits[SWG_N_METRICS];
} arguments;

#define PREFIX_LESS "max-"
#define PREFIX_MORE "min-"
#define WORDS_LESS  " at most this"
#define WORDS_MORE  " at least this"

static const swg_option options[] = {
    SWG_OPTION_STRING(arguments, best, 0, "best", "FIGURE",
                      "figure by which the best one is taken, named as in its limit: kld, bytes, "
                      "decode-per-s (default: the smallest when its bytes are not limited, else "
                      "the most accurate)"),
#define SWG_METRIC(key, low, high, title, unit, better, limit)                                     \
    SWG_OPTION_STRING(arguments, limits[SWG_METRIC_##key], 0, PREFIX_##better limit, "N",          \
                      title WORDS_##better),
#include "eval/metrics.def"
#undef SWG_METRIC
};

typedef struct job {
    const swg_cli *cli;
    const arguments *args;
    swg_results results;
    swg_limits limits;
    swg_metric_id best;
    swg_choice choice;
    swg_strbuf text;
} job;

static const char *prefix_of(size_t metric)
{
    return swg_metrics[metric].more_is_better ? "min" : "max";
}

static swg_status parse_limit(size_t metric, const char *text, double *out)
{
    char *end;
    char option[64];
    uint64_t bytes;
    *out = NAN;
    if (!text)
        return SWG_OK;
    snprintf(option, sizeof option, "%s-%s", prefix_of(metric), swg_metrics[metric].limit);
    if (swg_metrics[metric].unit == SWG_UNIT_BYTES) {
        SWG_TRY(swg_parse_bytes(option, text, &bytes));
        *out = (double)bytes;
        return SWG_OK;
    }
    const double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < 0)
        return swg_error(SWG_USAGE, "--%s takes a number from 0 on, not \"%s\"", option, text);
    if (swg_metrics[metric].unit == SWG_UNIT_PERCENT && value > 1)
        return swg_error(SWG_USAGE, "--%s takes a share from 0 to 1, not \"%s\"", option, text);
    *out = value;
    return SWG_OK;
}

/* The first of divergence, perplexity and accuracy that any model has; the base's divergence is not
 * measured. */
static swg_metric_id accuracy_of(const swg_results *results)
{
    static const swg_metric_id metrics[] = {SWG_METRIC_kld_mean, SWG_METRIC_perplexity,
                                            SWG_METRIC_accuracy};
    for (size_t m = 0; m < sizeof metrics / sizeof *metrics; m++)
        for (size_t i = 0; i < results->count; i++)
            if (swg_result_is_ok(&results->items[i]) &&
                !isnan(swg_metric_value(metrics[m], &results->items[i])))
                return metrics[m];
    return SWG_METRIC_file_bytes;
}

/* The metric of that name; SWG_N_METRICS for none. */
static swg_status read_best(const char *name, swg_metric_id *out)
{
    const char *names[SWG_N_METRICS];
    *out = SWG_N_METRICS;
    for (size_t m = 0; m < SWG_N_METRICS && name; m++) {
        names[m] = swg_metrics[m].limit;
        if (strcmp(name, names[m]) == 0)
            *out = (swg_metric_id)m;
    }
    if (!name || *out != SWG_N_METRICS)
        return SWG_OK;
    const char *nearest = swg_nearest_word(name, names, SWG_N_METRICS);
    return swg_error(SWG_USAGE, "--best: there is no figure \"%s\"%s%s%s", name,
                     nearest ? "; did you mean \"" : "; swage choose --help lists them",
                     nearest ? nearest : "", nearest ? "\"?" : "");
}

static swg_status read_arguments(job *j)
{
    bool has_limit = false;
    for (size_t m = 0; m < SWG_N_METRICS; m++) {
        SWG_TRY(parse_limit(m, j->args->limits[m], &j->limits.limit[m]));
        has_limit |= j->args->limits[m] != NULL;
    }
    if (!has_limit && !j->args->best)
        return swg_error(SWG_USAGE,
                         "give a limit, for example --max-bytes or --max-kld, or --best");
    return read_best(j->args->best, &j->best);
}

/* --- Words ------------------------------------------------------------------------------------ */

/* Texts come from a file: control characters must not reach the terminal. */
static void put_plain(const char *text, swg_strbuf *out)
{
    for (; *text; text++)
        if (text[0] == '\xc2' && (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] < 0xa0)
            swg_strbuf_append(out, "?", *text++ != '\0');
        else
            swg_strbuf_append(out, (unsigned char)*text < 0x20 || *text == 0x7f ? "?" : text, 1);
}

/* "KL divergence 0.1524, above 0.0500; First token, median not measured": why it is excluded. */
static void put_reasons(const job *j, const swg_candidate *c, swg_strbuf *out)
{
    char value[48], limit[48];
    const char *separator = "";
    if (!swg_result_is_ok(c->result)) {
        swg_strbuf_puts(out, "failed: ");
        put_plain(c->result->reason ? c->result->reason : "no reason given", out);
        return;
    }
    for (size_t m = 0; m < SWG_N_METRICS; m++) {
        const swg_metric_id metric = (swg_metric_id)m;
        const double measured = swg_metric_value(metric, c->result);
        const bool lacks_best = metric == j->best && isnan(measured);
        if (!c->is_broken[m] && !lacks_best)
            continue;
        swg_strbuf_printf(out, "%s%s ", separator, swg_metrics[m].title);
        if (isnan(measured))
            swg_strbuf_puts(out, "not measured");
        else
            swg_strbuf_printf(out, "%s, %s %s", swg_metric_format(metric, measured, value),
                              swg_metrics[m].more_is_better ? "below" : "above",
                              swg_metric_format(metric, j->limits.limit[m], limit));
        separator = "; ";
    }
}

/* The figures that decided: the one it is best by, and those that are limited. */
static void put_figures(const job *j, const swg_candidate *c, swg_strbuf *out)
{
    char value[48], limit[48];
    swg_strbuf_printf(out, "%s %s", swg_metrics[j->best].title,
                      swg_metric_format(j->best, swg_metric_value(j->best, c->result), value));
    for (size_t m = 0; m < SWG_N_METRICS; m++) {
        const double at = j->limits.limit[m];
        if (!isnan(at))
            swg_strbuf_printf(
                out, "%s%s %s, at %s %s", m == j->best ? " (" : "; ", swg_metrics[m].title,
                swg_metric_format((swg_metric_id)m, swg_metric_value((swg_metric_id)m, c->result),
                                  value),
                swg_metrics[m].more_is_better ? "least" : "most",
                swg_metric_format((swg_metric_id)m, at, limit));
        if (!isnan(at) && m == j->best)
            swg_strbuf_puts(out, ")");
    }
}

static swg_status print_text(job *j)
{
    swg_strbuf *out = &j->text;
    const swg_choice *choice = &j->choice;
    swg_strbuf_printf(out, "%schosen      ", swg_cli_style(j->cli, SWG_STYLE_HEADING));
    put_plain(choice->candidates[0].result->id, out);
    swg_strbuf_printf(out, "%s\nbecause     the best %s of %zu within the limits: ",
                      swg_cli_style(j->cli, SWG_STYLE_NONE), swg_metrics[j->best].title,
                      choice->n_fitting);
    put_figures(j, &choice->candidates[0], out);
    swg_strbuf_puts(out, "\n");
    for (size_t i = 1; i < choice->count; i++) {
        const swg_candidate *c = &choice->candidates[i];
        const bool fits = i < choice->n_fitting;
        swg_strbuf_puts(out, i == 1 && fits ? "runner-up   "
                             : fits         ? "fits too    "
                                            : "excluded    ");
        put_plain(c->result->id, out);
        swg_strbuf_puts(out, ": ");
        fits ? put_figures(j, c, out) : put_reasons(j, c, out);
        swg_strbuf_puts(out, "\n");
    }
    if (choice->candidates[0].result->recipe)
        swg_strbuf_printf(out, "recipe      %s\n", choice->candidates[0].result->recipe);
    SWG_TRY(swg_strbuf_status(out));
    return swg_cli_print(out->text, out->length);
}

static void json_candidate(const job *j, const swg_candidate *c, bool fits, swg_json_writer *json)
{
    swg_json_begin_object(json, NULL);
    swg_json_string(json, "id", c->result->id);
    swg_json_bool(json, "fits", fits);
    swg_json_double(json, swg_metrics[j->best].key, swg_metric_value(j->best, c->result));
    swg_json_begin_array(json, "exceeds");
    for (size_t m = 0; m < SWG_N_METRICS; m++)
        if (c->is_broken[m])
            swg_json_string(json, NULL, swg_metrics[m].key);
    swg_json_end_array(json);
    swg_json_end_object(json);
}

static swg_status print_json(const job *j)
{
    swg_json_writer json = {0};
    const swg_candidate *chosen = &j->choice.candidates[0];
    swg_cli_json_begin(j->cli, &json);
    swg_json_string(&json, "results", j->cli->positionals[0]);
    swg_json_string(&json, "best", swg_metrics[j->best].key);
    swg_json_string(&json, "chosen", chosen->result->id);
    if (chosen->result->recipe)
        swg_json_raw(&json, "recipe", chosen->result->recipe, strlen(chosen->result->recipe));
    else
        swg_json_null(&json, "recipe");
    if (j->choice.n_fitting > 1)
        swg_json_string(&json, "runner_up", j->choice.candidates[1].result->id);
    else
        swg_json_null(&json, "runner_up");
    swg_json_begin_array(&json, "candidates");
    for (size_t i = 0; i < j->choice.count; i++)
        json_candidate(j, &j->choice.candidates[i], i < j->choice.n_fitting, &json);
    swg_json_end_array(&json);
    return swg_cli_json_print(&json);
}

/* The error that none fits: the nearest one, and what it lacks. */
static swg_status nothing_fits(job *j)
{
    const swg_candidate *nearest = &j->choice.candidates[0];
    if (isinf(nearest->excess))
        return swg_error(SWG_GATE,
                         "no model is within the limits, and none has all limited figures");
    put_reasons(j, nearest, &j->text);
    SWG_TRY(swg_strbuf_status(&j->text));
    return swg_error(SWG_GATE, "no model is within the limits; the nearest is %s: %s",
                     nearest->result->id, j->text.text);
}

static swg_status run(const swg_cli *cli, const void *raw_arguments)
{
    swg_status status = SWG_OK;
    job j = {.cli = cli, .args = raw_arguments};
    SWG_GO(read_arguments(&j));
    SWG_GO(swg_results_read(cli->positionals[0], &j.results));
    if (j.results.count == 0)
        SWG_GO(swg_error(SWG_FAILED, "%s holds no records", cli->positionals[0]));
    if (j.best == SWG_N_METRICS)
        j.best = isnan(j.limits.limit[SWG_METRIC_file_bytes]) ? SWG_METRIC_file_bytes
                                                              : accuracy_of(&j.results);
    SWG_GO(swg_choose(&j.results, &j.limits, j.best, &j.choice));
    if (j.choice.n_fitting == 0)
        SWG_GO(nothing_fits(&j));
    status = cli->json ? print_json(&j) : print_text(&j);
done:
    swg_choice_deinit(&j.choice);
    swg_results_deinit(&j.results);
    swg_strbuf_deinit(&j.text);
    return status;
}

static const swg_example examples[] = {
    {"swage choose out --max-kld 0.05", "the smallest model whose divergence is at most 0.05"},
    {"swage choose out --max-bytes 80M --min-decode-per-s 100",
     "the most accurate of those that are small and fast enough"},
};

const swg_command swg_command_choose = {
    .name = "choose",
    .synopsis = "RESULTS --max-bytes N --max-kld N --max-ttft-ms N ... [--best FIGURE]",
    .summary = "choose the best of measured models within limits",
    .description =
        "RESULTS is a results.jsonl, or a folder with one (docs/results-format.md). Of the models "
        "within all limits, the best one is named with its recipe, then why, the runner-up, and "
        "what "
        "excluded each of the others. A model without a limited figure is excluded. When none "
        "fits, "
        "the exit code is 7 and the message names the nearest one: the one whose worst excess, as "
        "a "
        "share of its limit, is smallest.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .arguments_bytes = sizeof(arguments),
    .min_positionals = 1,
    .max_positionals = 1,
    .examples = examples,
    .n_examples = sizeof examples / sizeof examples[0],
    .run = run,
};
