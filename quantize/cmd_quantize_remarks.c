/* Remarks on a finished quantization: see cmd_quantize_remarks.h. A kind of remark is a row of a
 * table: for which tensors it is made, and the number that goes with them. */
#include "quantize/cmd_quantize_remarks.h"

#include <stdio.h>

typedef struct remark {
    const char *key; /* in the history */
    /* What is remarked of a quantized tensor; 0 = nothing. */
    double (*number)(const swg_plan_entry *entry, const swg_tensor_report *report);
    const char *text; /* "N matrices ...", on standard error; NULL = the table tells */
    const char *unit; /* of the number, there; NULL = it is not told */
} remark;

static double rows_kept(const swg_plan_entry *entry, const swg_tensor_report *report)
{
    (void)entry;
    return (double)report->stats.n_fallback_rows;
}

/* 1 for matrices that another method than the plan's rounded to nearest. */
static double is_rounded(const swg_plan_entry *entry, const swg_tensor_report *report)
{
    return report->method != entry->method;
}

static double raised_damping(const swg_plan_entry *entry, const swg_tensor_report *report)
{
    (void)entry;
    return report->stats.n_attempts > 1 ? report->stats.damping : 0;
}

static double dead_inputs(const swg_plan_entry *entry, const swg_tensor_report *report)
{
    (void)entry;
    return (double)report->stats.n_dead;
}

/* With fewer tokens than inputs the second moments have no inverse but for damping. */
static double too_few_tokens(const swg_plan_entry *entry, const swg_tensor_report *report)
{
    (void)entry;
    const swg_quant_stats *stats = &report->stats;
    return stats->n_tokens < stats->n_inputs ? (double)stats->n_tokens : 0;
}

static const remark remarks[] = {
    {"rows_kept_rtn", rows_kept, NULL, NULL},
    {"rounded_to_nearest", is_rounded,
     "have no input on the calibration text and were rounded to nearest", NULL},
    {"damping_raised", raised_damping,
     "have inputs whose second moments are not positive definite with the damping asked for",
     "of the mean diagonal was added"},
    {"dead_inputs", dead_inputs,
     "have inputs that are 0 on the whole calibration text, the weights of which were rounded to "
     "nearest",
     "such inputs"},
    {"tokens_seen", too_few_tokens,
     "have more inputs than there are calibration tokens (a longer text or a larger "
     "--calibration-tokens tells more)",
     "tokens"},
};
enum { N_REMARKS = sizeof remarks / sizeof *remarks };

static double number_of(const swg_quantize_state *j, const remark *r, size_t i)
{
    return j->plan.entries[i].is_quantized ? r->number(&j->plan.entries[i], &j->reports[i]) : 0;
}

/* The tensors with a remark, and the first of them in the plan's order. */
static size_t count(const swg_quantize_state *j, const remark *r, size_t *first)
{
    size_t n = 0;
    for (size_t place = 0; place < j->plan.n_entries; place++) {
        const size_t i = j->plan.order[place];
        if (number_of(j, r, i) == 0)
            continue;
        if (n++ == 0)
            *first = i;
    }
    return n;
}

void swg_quantize_remarks_say(const swg_quantize_state *j)
{
    for (size_t k = 0; k < N_REMARKS; k++) {
        const remark *r = &remarks[k];
        size_t first = 0;
        const size_t n = r->text ? count(j, r, &first) : 0;
        char number[96] = "";
        if (n == 0)
            continue;
        if (r->unit)
            snprintf(number, sizeof number, ", %g %s", number_of(j, r, first), r->unit);
        swg_cli_say(j->cli, "%zu of %zu quantized matrices %s: %s%s%s", n, j->plan.n_quantized,
                    r->text, n > 1 ? "first " : "", j->inputs[first].name, number);
    }
}

void swg_quantize_remarks_write(const swg_quantize_state *j, swg_json_writer *json)
{
    for (size_t k = 0; j->reports && k < N_REMARKS; k++) {
        const remark *r = &remarks[k];
        size_t first;
        if (count(j, r, &first) == 0)
            continue;
        swg_json_begin_object(json, r->key);
        for (size_t i = 0; i < j->plan.n_entries; i++) {
            const double number = number_of(j, r, i);
            if (number >= 1)
                swg_json_uint(json, j->inputs[i].name, (uint64_t)number);
            else if (number > 0)
                swg_json_double(json, j->inputs[i].name, number);
        }
        swg_json_end_object(json);
    }
}
