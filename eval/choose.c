/* Choosing a model among measured ones: see choose.h. */
#include "eval/choose.h"

#include <math.h>
#include <stdlib.h>

/* The share of the limit by which a value breaks it; 0 when it keeps it. */
static double excess_of(swg_metric_id metric, double value, double limit)
{
    if (isnan(value))
        return INFINITY;
    if (!swg_metric_is_better(metric, limit, value))
        return 0;
    return fabs(value - limit) / (limit != 0 ? fabs(limit) : 1);
}

static swg_candidate judge(const swg_result *result, const swg_limits *limits, swg_metric_id best)
{
    swg_candidate c = {.result = result};
    for (size_t m = 0; m < SWG_N_METRICS; m++) {
        const double limit = limits->limit[m];
        if (isnan(limit))
            continue;
        const double excess =
            excess_of((swg_metric_id)m, swg_metric_value((swg_metric_id)m, result), limit);
        c.is_broken[m] = excess > 0;
        c.n_broken += excess > 0;
        c.excess = fmax(c.excess, excess);
    }
    if (!swg_result_is_ok(result) || isnan(swg_metric_value(best, result)))
        c.excess = INFINITY;
    return c;
}

/* A candidate with the key by which fitting ones are compared: less is better. */
typedef struct ranked {
    swg_candidate candidate;
    double key;
} ranked;

static int compare_doubles(double a, double b)
{
    return a < b ? -1 : a > b;
}

static int compare_ranked(const void *a, const void *b)
{
    const ranked *p = a, *q = b;
    int order = compare_doubles(p->candidate.excess, q->candidate.excess);
    if (order == 0 && p->candidate.excess == 0)
        order = compare_doubles(p->key, q->key);
    if (order == 0)
        order = compare_doubles((double)p->candidate.result->file_bytes,
                                (double)q->candidate.result->file_bytes);
    if (order == 0)
        order = p->candidate.result < q->candidate.result ? -1 : 1;
    return order;
}

swg_status swg_choose(const swg_results *results, const swg_limits *limits, swg_metric_id best,
                      swg_choice *out)
{
    swg_status status = SWG_OK;
    swg_choice choice = {.count = results->count};
    ranked *sorted = NULL;
    SWG_GO(SWG_NEW(sorted, results->count));
    SWG_GO(SWG_NEW(choice.candidates, results->count));
    for (size_t i = 0; i < results->count; i++) {
        const double value = swg_metric_value(best, &results->items[i]);
        sorted[i] = (ranked){judge(&results->items[i], limits, best),
                             swg_metrics[best].more_is_better ? -value : value};
    }
    qsort(sorted, results->count, sizeof *sorted, compare_ranked);
    for (size_t i = 0; i < results->count; i++) {
        choice.candidates[i] = sorted[i].candidate;
        choice.n_fitting += sorted[i].candidate.excess == 0;
    }
    *out = choice;
    choice.candidates = NULL;
done:
    swg_free(choice.candidates);
    swg_free(sorted);
    return status;
}

void swg_choice_deinit(swg_choice *choice)
{
    swg_free(choice->candidates);
    *choice = (swg_choice){0};
}
