/* Latency of requests: see requests.h. */
#include "eval/requests.h"

#include <math.h>
#include <stdlib.h>

#include "eval/latency.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"
#include "runtime/session.h"

/* What one request works with. */
typedef struct runner {
    swg_exec *exec;
    const swg_requests_options *options;
    int32_t *ids;  /* [prompt + generate] */
    float *logits; /* [n_outputs] */
    double *times; /* [generate + 1] s: the beginning, and when every token was there */
} runner;

static swg_status run_request(runner *r)
{
    const size_t prompt = r->options->prompt;
    swg_exec_reset(r->exec);
    r->times[0] = r->options->clock();
    SWG_TRY(swg_exec_run(r->exec, r->ids, prompt, prompt - 1, r->logits));
    r->times[1] = r->options->clock();
    for (size_t i = 1; i < r->options->generate; i++) {
        SWG_TRY(swg_exec_run(r->exec, r->ids + prompt + i - 1, 1, 0, r->logits));
        r->times[i + 1] = r->options->clock();
    }
    return SWG_OK;
}

static void take_times(const runner *r, swg_requests *out)
{
    const size_t last = r->options->generate, i = out->n++;
    out->ttft[i] = 1e3 * (r->times[1] - r->times[0]);
    out->e2e[i] = 1e3 * (r->times[last] - r->times[0]);
    out->tpot[i] = last > 1 ? (out->e2e[i] - out->ttft[i]) / (double)(last - 1) : 0;
    for (size_t token = 2; token <= last; token++)
        out->gaps[out->n_gaps++] = 1e3 * (r->times[token] - r->times[token - 1]);
}

static swg_status make_buffers(runner *r, const swg_model *model, swg_requests *made)
{
    const swg_requests_options *o = r->options;
    size_t gaps;
    if (!swg_size_mul(o->requests, o->generate, &gaps))
        return swg_error(SWG_LIMIT, "%zu requests of %zu tokens are too many", o->requests,
                         o->generate);
    SWG_TRY(SWG_NEW(r->ids, o->prompt + o->generate));
    SWG_TRY(SWG_NEW(r->logits, (size_t)model->hparams.n_outputs));
    SWG_TRY(SWG_NEW(r->times, o->generate + 1));
    SWG_TRY(SWG_NEW(made->ttft, o->requests));
    SWG_TRY(SWG_NEW(made->tpot, o->requests));
    SWG_TRY(SWG_NEW(made->e2e, o->requests));
    SWG_TRY(SWG_NEW(made->gaps, gaps));
    swg_rng rng = swg_rng_seeded(o->seed);
    for (size_t i = 0; i < o->prompt + o->generate; i++)
        r->ids[i] = (int32_t)(swg_rng_next(&rng) % (uint64_t)model->hparams.vocab);
    return SWG_OK;
}

swg_status swg_requests_measure(swg_exec *exec, const swg_model *model,
                                const swg_requests_options *options, const swg_progress *progress,
                                swg_requests *out)
{
    swg_status status = SWG_OK;
    runner r = {.exec = exec, .options = options};
    swg_requests made = {0};
    SWG_GO(make_buffers(&r, model, &made));
    for (size_t i = 0; i <= options->requests; i++) {
        SWG_GO(swg_progress_step(progress, "requests", "runs", i, options->requests + 1));
        SWG_GO(run_request(&r));
        if (i > 0) /* the first warms up */
            take_times(&r, &made);
    }
    SWG_GO(swg_check_logits(r.logits, 1, (size_t)model->hparams.n_outputs));
    swg_sort_ascending(made.ttft, made.n);
    swg_sort_ascending(made.tpot, made.n);
    swg_sort_ascending(made.e2e, made.n);
    swg_sort_ascending(made.gaps, made.n_gaps);
    *out = made;
    made = (swg_requests){0};
done:
    swg_requests_deinit(&made);
    swg_free(r.times);
    swg_free(r.logits);
    swg_free(r.ids);
    return status;
}

void swg_requests_deinit(swg_requests *requests)
{
    swg_free(requests->ttft);
    swg_free(requests->tpot);
    swg_free(requests->e2e);
    swg_free(requests->gaps);
    *requests = (swg_requests){0};
}

swg_quantile_interval swg_quantile_with_interval(const double *ascending, size_t n, double q)
{
    const double tail = 0.025;
    swg_quantile_interval out = {NAN, NAN, NAN};
    if (!swg_quantile(ascending, n, q, &out.value))
        return out;
    double below = 0; /* probability that at most k values are below the quantile */
    for (size_t k = 0; k < n; k++) {
        below += exp(lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1) +
                     (double)k * log(q) + (double)(n - k) * log1p(-q));
        if (below <= tail)
            out.low = ascending[k];
        if (below >= 1 - tail && isnan(out.high))
            out.high = ascending[k];
    }
    return out;
}
