/* The figures by which models are compared: metrics.def as data. */
#ifndef SWG_EVAL_METRICS_H
#define SWG_EVAL_METRICS_H

#include <stdbool.h>
#include <stddef.h>

#include "eval/results.h"

typedef enum swg_metric_id {
#define SWG_METRIC(key, low, high, title, unit, better, limit) SWG_METRIC_##key,
#include "eval/metrics.def"
#undef SWG_METRIC
    SWG_N_METRICS
} swg_metric_id;

typedef enum swg_metric_unit {
    SWG_UNIT_PLAIN,
    SWG_UNIT_BYTES,
    SWG_UNIT_PERCENT, /* of a share from 0 to 1 */
    SWG_UNIT_NATS,    /* per token */
    SWG_UNIT_TOKENS_PER_S,
    SWG_UNIT_MS,
    SWG_UNIT_S
} swg_metric_unit;

typedef struct swg_metric {
    const char *key, *title;
    swg_metric_unit unit;
    bool more_is_better;
    const char *limit; /* name of its limit */
} swg_metric;

extern const swg_metric swg_metrics[SWG_N_METRICS];

/* A record's figure; NaN when it was not measured. */
double swg_metric_value(swg_metric_id metric, const swg_result *result);

/* The ends of its interval. False, with both equal to the value, when the record has none; those of
 * kld_mean and perplexity are then made of their standard errors (1.96 of them to each side). */
bool swg_metric_interval(swg_metric_id metric, const swg_result *result, double *low, double *high);

/* Whether a is better than b; false for NaN. */
bool swg_metric_is_better(swg_metric_id metric, double a, double b);

/* "80.6 MB", "0.0350", "96.5 %", "101 tokens/s" into `out`; "" for NaN. Four digits that matter. */
const char *swg_metric_format(swg_metric_id metric, double value, char out[48]);
const char *swg_unit_format(swg_metric_unit unit, double value, char out[48]);

/* The same without the unit where swg_metric_heading has it: "101". */
const char *swg_unit_format_bare(swg_metric_unit unit, double value, char out[48]);

/* The interval of a figure, likewise: "0.0341 to 0.0359". False when it has none. */
bool swg_metric_format_interval(swg_metric_id metric, const swg_result *result, char out[112]);

/* "Decode (tokens/s)", "File size": title and unit. */
const char *swg_metric_heading(swg_metric_id metric, char out[96]);

/* "bytes", "nats per token", "tokens/s"; "" for plain numbers. */
const char *swg_unit_name(swg_metric_unit unit);

/* The records that no other one beats or equals in both metrics without being equal in both: the
 * Pareto front. `is_on_front` [n] is written; failed records and those without both figures are not
 * on it. SWG_NO_MEMORY. */
swg_status swg_pareto_front(const swg_result *results, size_t n, swg_metric_id x, swg_metric_id y,
                            bool *is_on_front);

#endif
