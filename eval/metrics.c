/* The figures by which models are compared: see metrics.h. */
#include "eval/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define LESS false
#define MORE true
const swg_metric swg_metrics[SWG_N_METRICS] = {
#define SWG_METRIC(name, low, high, words, how, better, option)                                    \
    [SWG_METRIC_##name] = {.key = #name,                                                           \
                           .title = (words),                                                       \
                           .unit = SWG_UNIT_##how,                                                 \
                           .more_is_better = (better),                                             \
                           .limit = (option)},
#include "eval/metrics.def"
#undef SWG_METRIC
};

/* Counts and numbers alike, -1 and NaN as NaN. */
static double of_count(int64_t count)
{
    return count < 0 ? NAN : (double)count;
}

static double of_number(double number)
{
    return number;
}

#define VALUE(field) _Generic((field), int64_t : of_count, double : of_number)(field)

static void values_of(swg_metric_id metric, const swg_result *r, double *value, double *low,
                      double *high)
{
    *value = *low = *high = NAN;
    switch (metric) {
#define SWG_METRIC(key, low_key, high_key, title, unit, better, limit)                             \
    case SWG_METRIC_##key:                                                                         \
        *value = VALUE(r->key);                                                                    \
        *low = VALUE(r->low_key);                                                                  \
        *high = VALUE(r->high_key);                                                                \
        break;
#include "eval/metrics.def"
#undef SWG_METRIC
    case SWG_N_METRICS:
        *value = *low = *high = NAN;
    }
}

double swg_metric_value(swg_metric_id metric, const swg_result *result)
{
    double value, low, high;
    values_of(metric, result, &value, &low, &high);
    return value;
}

bool swg_metric_interval(swg_metric_id metric, const swg_result *r, double *low, double *high)
{
    const double errors = 1.96;
    double value;
    values_of(metric, r, &value, low, high);
    if (isnan(*low) || isnan(*high)) {
        *low = *high = value;
        if (metric == SWG_METRIC_kld_mean && !isnan(r->kld_mean_standard_error)) {
            *low = fmax(0, value - errors * r->kld_mean_standard_error);
            *high = value + errors * r->kld_mean_standard_error;
        } else if (metric == SWG_METRIC_perplexity && !isnan(r->standard_error)) {
            *low = value * exp(-errors * r->standard_error);
            *high = value * exp(errors * r->standard_error);
        }
    }
    return *low < *high && isfinite(*low) && isfinite(*high);
}

bool swg_metric_is_better(swg_metric_id metric, double a, double b)
{
    return swg_metrics[metric].more_is_better ? a > b : a < b;
}

/* --- Words ------------------------------------------------------------------------------------ */

/* Four digits that matter, without an exponent where that is readable. */
static void format_number(double value, char out[48])
{
    const double size = fabs(value);
    if (size != 0 && (size < 1e-4 || size >= 1e7)) {
        snprintf(out, 48, "%.2e", value);
        return;
    }
    const int digits = size >= 1000 || size == 0 ? 0
                       : size >= 100             ? 1
                       : size >= 10              ? 2
                       : size >= 1               ? 3
                       : size >= 0.01            ? 4
                       : size >= 0.001           ? 5
                                                 : 6;
    snprintf(out, 48, "%.*f", digits, value);
}

static void format_bytes(double bytes, char out[48])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t unit = 0;
    for (; bytes >= 999.5 && unit + 1 < sizeof units / sizeof *units; unit++)
        bytes /= 1000;
    snprintf(out, 48, unit == 0 || bytes >= 99.95 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

const char *swg_unit_name(swg_metric_unit unit)
{
    static const char *const names[] = {
        [SWG_UNIT_PLAIN] = "",    [SWG_UNIT_BYTES] = "bytes",
        [SWG_UNIT_PERCENT] = "%", [SWG_UNIT_NATS] = "nats per token",
        [SWG_UNIT_MS] = "ms",     [SWG_UNIT_TOKENS_PER_S] = "tokens/s",
        [SWG_UNIT_S] = "s"};
    return names[unit];
}

const char *swg_unit_format(swg_metric_unit unit, double value, char out[48])
{
    char number[48];
    out[0] = '\0';
    if (isnan(value))
        return out;
    switch (unit) {
    case SWG_UNIT_BYTES:
        format_bytes(value, out);
        break;
    case SWG_UNIT_PERCENT:
        snprintf(out, 48, "%.1f %%", 100 * value);
        break;
    case SWG_UNIT_MS:
    case SWG_UNIT_S:
    case SWG_UNIT_TOKENS_PER_S:
        format_number(value, number);
        snprintf(out, 48, "%.30s %s", number, swg_unit_name(unit));
        break;
    case SWG_UNIT_PLAIN:
    case SWG_UNIT_NATS:
        format_number(value, out);
        break;
    }
    return out;
}

const char *swg_unit_format_bare(swg_metric_unit unit, double value, char out[48])
{
    const bool is_bare = unit == SWG_UNIT_MS || unit == SWG_UNIT_S || unit == SWG_UNIT_TOKENS_PER_S;
    return swg_unit_format(is_bare ? SWG_UNIT_PLAIN : unit, value, out);
}

bool swg_metric_format_interval(swg_metric_id metric, const swg_result *result, char out[112])
{
    char from[48], to[48];
    double low, high;
    if (!swg_metric_interval(metric, result, &low, &high))
        return false;
    const swg_metric_unit unit = swg_metrics[metric].unit;
    snprintf(out, 112, "%s to %s", swg_unit_format_bare(unit, low, from),
             swg_unit_format_bare(unit, high, to));
    return true;
}

const char *swg_metric_heading(swg_metric_id metric, char out[96])
{
    const swg_metric *m = &swg_metrics[metric];
    if (m->unit == SWG_UNIT_PLAIN || m->unit == SWG_UNIT_BYTES || m->unit == SWG_UNIT_PERCENT)
        snprintf(out, 96, "%s", m->title);
    else
        snprintf(out, 96, "%s (%s)", m->title, swg_unit_name(m->unit));
    return out;
}

const char *swg_metric_format(swg_metric_id metric, double value, char out[48])
{
    return swg_unit_format(swg_metrics[metric].unit, value, out);
}

/* --- Pareto front ----------------------------------------------------------------------------- */

typedef struct candidate {
    double x, y; /* signs turned so that less is better */
    size_t index;
} candidate;

static int compare_candidates(const void *a, const void *b)
{
    const candidate *p = a, *q = b;
    if (p->x != q->x)
        return p->x < q->x ? -1 : 1;
    if (p->y != q->y)
        return p->y < q->y ? -1 : 1;
    return p->index < q->index ? -1 : p->index > q->index;
}

swg_status swg_pareto_front(const swg_result *results, size_t n, swg_metric_id x, swg_metric_id y,
                            bool *is_on_front)
{
    candidate *sorted;
    size_t count = 0;
    SWG_TRY(SWG_NEW(sorted, n));
    for (size_t i = 0; i < n; i++) {
        const double a = swg_metric_value(x, &results[i]), b = swg_metric_value(y, &results[i]);
        is_on_front[i] = false;
        if (swg_result_is_ok(&results[i]) && !isnan(a) && !isnan(b))
            sorted[count++] = (candidate){swg_metrics[x].more_is_better ? -a : a,
                                          swg_metrics[y].more_is_better ? -b : b, i};
    }
    qsort(sorted, count, sizeof *sorted, compare_candidates);
    double best = INFINITY, best_x = INFINITY;
    for (size_t i = 0; i < count; i++) {
        if (sorted[i].y < best || (sorted[i].y == best && sorted[i].x == best_x)) {
            is_on_front[sorted[i].index] = true;
            best = sorted[i].y;
            best_x = sorted[i].x;
        }
    }
    swg_free(sorted);
    return SWG_OK;
}
