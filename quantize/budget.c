/* See budget.h. */
#include "quantize/budget.h"

#include <math.h>
#include <stdint.h>

/* Halvings of the multiplier's interval, on a logarithmic scale. */
enum { HALVINGS = 100 };

/* The least cost + multiplier * size of every item. An infinite multiplier asks for the smallest
 * size, then the least cost. */
static void choose(const swg_allocation *a, double multiplier, size_t *choice)
{
    for (size_t i = 0; i < a->n_items; i++) {
        const double *costs = a->costs + i * a->n_candidates;
        const double *sizes = a->sizes + i * a->n_candidates;
        size_t best = 0;
        for (size_t c = 1; c < a->n_candidates; c++) {
            const bool is_better =
                isinf(multiplier)
                    ? sizes[c] < sizes[best] || (sizes[c] == sizes[best] && costs[c] < costs[best])
                    : costs[c] + multiplier * sizes[c] < costs[best] + multiplier * sizes[best];
            best = is_better ? c : best;
        }
        choice[i] = best;
    }
}

double swg_allocation_sum(const swg_allocation *a, const double *of, const size_t *choice)
{
    double sum = 0;
    for (size_t i = 0; i < a->n_items; i++)
        sum += of[i * a->n_candidates + choice[i]];
    return sum;
}

/* The step that lowers the cost most among those that the rest of the limit allows. */
static bool find_step(const swg_allocation *a, double left, size_t fixed, const size_t *choice,
                      size_t *item, size_t *to)
{
    double most = 0;
    for (size_t i = 0; i < a->n_items; i++) {
        const double *costs = a->costs + i * a->n_candidates;
        const double *sizes = a->sizes + i * a->n_candidates;
        for (size_t c = 0; c < a->n_candidates; c++) {
            const double gain = costs[choice[i]] - costs[c];
            if (i == fixed || gain <= most || sizes[c] - sizes[choice[i]] > left)
                continue;
            most = gain;
            *item = i;
            *to = c;
        }
    }
    return most > 0;
}

/* Spend what the limit leaves over. */
static void fill(const swg_allocation *a, double limit, size_t fixed, size_t *choice)
{
    size_t item, to;
    double left = limit - swg_allocation_sum(a, a->sizes, choice);
    while (find_step(a, left, fixed, choice, &item, &to)) {
        choice[item] = to;
        left = limit - swg_allocation_sum(a, a->sizes, choice);
    }
}

/* The step to a smaller size that costs least per unit. */
static bool find_step_down(const swg_allocation *a, size_t fixed, const size_t *choice,
                           size_t *item, size_t *to)
{
    double least = INFINITY;
    for (size_t i = 0; i < a->n_items; i++) {
        const double *costs = a->costs + i * a->n_candidates;
        const double *sizes = a->sizes + i * a->n_candidates;
        for (size_t c = 0; c < a->n_candidates; c++) {
            const double saved = sizes[choice[i]] - sizes[c];
            const double price =
                saved > 0 && i != fixed ? (costs[c] - costs[choice[i]]) / saved : INFINITY;
            if (price >= least)
                continue;
            least = price;
            *item = i;
            *to = c;
        }
    }
    return least < INFINITY;
}

bool swg_allocation_repair(const swg_allocation *a, double limit, size_t fixed, size_t *choice)
{
    size_t item, to;
    while (swg_allocation_sum(a, a->sizes, choice) > limit) {
        if (!find_step_down(a, fixed, choice, &item, &to))
            return false;
        choice[item] = to;
    }
    fill(a, limit, fixed, choice);
    return true;
}

bool swg_allocate(const swg_allocation *a, double limit, size_t *choice)
{
    double low = 1e-300, high = 1e300; /* multipliers */
    choose(a, INFINITY, choice);
    if (swg_allocation_sum(a, a->sizes, choice) > limit)
        return false;
    for (int i = 0; i < HALVINGS; i++) {
        const double middle = sqrt(low) * sqrt(high);
        choose(a, middle, choice);
        if (swg_allocation_sum(a, a->sizes, choice) <= limit)
            high = middle;
        else
            low = middle;
    }
    choose(a, high, choice);
    if (swg_allocation_sum(a, a->sizes, choice) > limit)
        choose(a, INFINITY, choice);
    fill(a, limit, SIZE_MAX, choice);
    return true;
}
