/* Speed of a model: see latency.h. */
#include "eval/latency.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"
#include "runtime/session.h"

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void swg_sort_ascending(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare_doubles);
}

static double median_of(const double *ascending, size_t n)
{
    return n % 2 ? ascending[n / 2] : 0.5 * (ascending[n / 2 - 1] + ascending[n / 2]);
}

swg_rate swg_rate_of(double *rates, size_t n)
{
    swg_sort_ascending(rates, n);
    return (swg_rate){.median = median_of(rates, n), .least = rates[0], .most = rates[n - 1]};
}

swg_status swg_count_outliers(const double *ascending, size_t n, size_t *out)
{
    const double most_deviations = 10, normal = 1.4826;
    double *distances;
    *out = 0;
    if (n < 10)
        return SWG_OK;
    SWG_TRY(SWG_NEW(distances, n));
    const double median = median_of(ascending, n);
    for (size_t i = 0; i < n; i++)
        distances[i] = fabs(ascending[i] - median);
    swg_sort_ascending(distances, n);
    const double limit = most_deviations * normal * median_of(distances, n);
    while (*out < n && distances[n - 1 - *out] > limit)
        ++*out;
    swg_free(distances);
    return SWG_OK;
}

/* What one measurement works with. */
typedef struct runner {
    swg_exec *exec;
    const swg_latency_options *options;
    const swg_progress *progress;
    bool is_encoder;
    int32_t *ids;  /* random: [max(prompt, depth + generate)] */
    float *logits; /* [n_outputs]; encoders: one such row per position */
    double *rates; /* [repeats] */
} runner;

/* Seconds of one prefill. The last position's logits are computed too, as a user would need them;
 * encoders compute those of all positions. */
static swg_status prefill_once(runner *r, double *seconds)
{
    const size_t n = r->options->prompt;
    swg_exec_reset(r->exec);
    const double start = swg_clock_s();
    SWG_TRY(r->is_encoder ? swg_exec_encode(r->exec, r->ids, NULL, n, r->logits)
                          : swg_exec_run(r->exec, r->ids, n, n - 1, r->logits));
    *seconds = swg_clock_s() - start;
    return SWG_OK;
}

static swg_status measure_prefill(runner *r, swg_latency *out)
{
    double seconds;
    for (size_t i = 0; i <= r->options->repeats; i++) {
        SWG_TRY(swg_progress_step(r->progress, "prefill", "runs", i, r->options->repeats + 1));
        SWG_TRY(prefill_once(r, &seconds));
        if (i > 0) /* the first warms up */
            r->rates[i - 1] = (double)r->options->prompt / seconds;
    }
    out->prefill_tokens_per_s = swg_rate_of(r->rates, r->options->repeats);
    return SWG_OK;
}

/* Decode `generate` tokens after `depth`; times of single tokens to `ms` unless NULL. */
static swg_status decode_once(runner *r, double *ms, double *seconds)
{
    const size_t depth = r->options->depth;
    swg_exec_reset(r->exec);
    if (depth > 0)
        SWG_TRY(swg_exec_run(r->exec, r->ids, depth, depth, NULL));
    const double start = swg_clock_s();
    double before = start;
    for (size_t i = 0; i < r->options->generate; i++) {
        SWG_TRY(swg_exec_run(r->exec, r->ids + depth + i, 1, 0, r->logits));
        const double now = swg_clock_s();
        if (ms)
            ms[i] = 1e3 * (now - before);
        before = now;
    }
    *seconds = before - start;
    return SWG_OK;
}

static swg_status measure_decode(runner *r, swg_latency *out)
{
    double seconds;
    for (size_t i = 0; i <= r->options->repeats; i++) {
        SWG_TRY(swg_progress_step(r->progress, "decode", "runs", i, r->options->repeats + 1));
        double *ms = i > 0 ? out->token_ms + (i - 1) * r->options->generate : NULL;
        SWG_TRY(decode_once(r, ms, &seconds));
        if (i > 0)
            r->rates[i - 1] = (double)r->options->generate / seconds;
    }
    out->decode_tokens_per_s = swg_rate_of(r->rates, r->options->repeats);
    out->n_tokens = r->options->repeats * r->options->generate;
    swg_sort_ascending(out->token_ms, out->n_tokens);
    return SWG_OK;
}

swg_status swg_latency_measure(swg_exec *exec, const swg_model *model,
                               const swg_latency_options *options, const swg_progress *progress,
                               swg_latency *out)
{
    swg_status status = SWG_OK;
    const size_t vocab = (size_t)model->hparams.vocab, behind = options->depth + options->generate;
    const size_t longest = options->prompt > behind ? options->prompt : behind;
    const swg_hparams *h = &model->hparams;
    const size_t rows = h->is_encoder && !h->one_output && longest > 0 ? longest : 1;
    size_t elems;
    runner r = {
        .exec = exec, .options = options, .progress = progress, .is_encoder = h->is_encoder};
    swg_latency made = {0};
    if (!swg_size_mul(rows, (size_t)h->n_outputs, &elems))
        return swg_error(SWG_LIMIT, "a text of %zu tokens is too long", longest);
    SWG_GO(SWG_NEW(r.ids, longest));
    SWG_GO(SWG_NEW(r.logits, elems));
    SWG_GO(SWG_NEW(r.rates, options->repeats));
    SWG_GO(SWG_NEW(made.token_ms, options->repeats * options->generate));
    swg_rng rng = swg_rng_seeded(options->seed);
    for (size_t i = 0; i < longest; i++)
        r.ids[i] = (int32_t)(swg_rng_next(&rng) % vocab);
    if (options->prompt > 0)
        SWG_GO(measure_prefill(&r, &made));
    if (options->generate > 0)
        SWG_GO(measure_decode(&r, &made));
    SWG_GO(swg_check_logits(r.logits, 1, (size_t)h->n_outputs)); /* nonsense has no speed */
    *out = made;
    made = (swg_latency){0};
done:
    swg_latency_deinit(&made);
    swg_free(r.rates);
    swg_free(r.logits);
    swg_free(r.ids);
    return status;
}

void swg_latency_deinit(swg_latency *latency)
{
    swg_free(latency->token_ms);
    *latency = (swg_latency){0};
}

bool swg_quantile(const double *ascending, size_t n, double q, double *out)
{
    const double slack = 1e-9; /* 10 * (1 - 0.9) is a little less than 1 in floating point */
    const double beyond = q < 0.5 ? q : 1 - q;
    if (n == 0 || (double)n * beyond < 1 - slack)
        return false;
    const size_t rank = (size_t)ceil(q * (double)n - slack);
    *out = ascending[rank > 0 ? rank - 1 : 0];
    return true;
}
