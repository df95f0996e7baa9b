/* Throughput of batches: see offline.h. */
#include "eval/offline.h"

#include "runtime/base/mem.h"
#include "runtime/base/rng.h"
#include "runtime/session.h"

/* What one measurement works with. */
typedef struct runner {
    swg_exec *exec;
    const swg_offline_options *options;
    bool is_encoder;
    size_t per_request;     /* ids of one */
    size_t batch;           /* requests that are computed together at most */
    size_t n_outputs, rows; /* columns and rows of logits that a step may give */
    int32_t *ids;           /* [batch][per_request], random */
    swg_piece *pieces;      /* [batch] */
    float *logits;          /* [rows][n_outputs] */
    double *rates;          /* [batches] requests per second */
} runner;

/* Tokens [begin, begin + n) of the first `requests` texts. */
static swg_status step(runner *r, size_t requests, size_t begin, size_t n)
{
    for (size_t i = 0; i < requests; i++)
        r->pieces[i] = (swg_piece){.sequence = i,
                                   .n = n,
                                   .ids = r->ids + i * r->per_request + begin,
                                   .first_logits = r->is_encoder ? 0 : n - 1};
    return swg_exec_step(r->exec, r->pieces, requests, r->logits);
}

/* The first token comes of reading the prompt, as in requests.h. */
static swg_status run_batch(runner *r, size_t requests, double *seconds)
{
    const size_t prompt = r->options->prompt;
    swg_exec_reset(r->exec);
    const double start = r->options->clock();
    SWG_TRY(step(r, requests, 0, prompt));
    for (size_t i = 1; i < r->options->generate; i++)
        SWG_TRY(step(r, requests, prompt + i - 1, 1));
    *seconds = r->options->clock() - start;
    return SWG_OK;
}

static swg_status make_buffers(runner *r, const swg_model *model, size_t batches)
{
    const swg_offline_options *const o = r->options;
    const swg_hparams *const h = &model->hparams;
    size_t n_ids, n_logits;
    r->is_encoder = h->is_encoder;
    r->per_request = o->prompt + o->generate;
    r->batch = o->batch < o->requests ? o->batch : o->requests;
    r->n_outputs = (size_t)h->n_outputs;
    r->rows = r->batch;
    if (!swg_size_mul(r->batch, r->per_request, &n_ids) ||
        (h->is_encoder && !h->one_output && !swg_size_mul(r->batch, o->prompt, &r->rows)) ||
        !swg_size_mul(r->rows, r->n_outputs, &n_logits))
        return swg_error(SWG_LIMIT, "a batch of %zu requests of %zu tokens is too large", r->batch,
                         r->per_request);
    SWG_TRY(SWG_NEW(r->ids, n_ids));
    SWG_TRY(SWG_NEW(r->pieces, r->batch));
    SWG_TRY(SWG_NEW(r->logits, n_logits));
    SWG_TRY(SWG_NEW(r->rates, batches));
    swg_rng rng = swg_rng_seeded(o->seed);
    for (size_t i = 0; i < n_ids; i++)
        r->ids[i] = (int32_t)(swg_rng_next(&rng) % (uint64_t)h->vocab);
    return SWG_OK;
}

static swg_status measure(runner *r, const swg_progress *progress, swg_offline *out)
{
    const swg_offline_options *const o = r->options;
    const size_t batches = out->batches;
    double seconds;
    for (size_t i = 0; i <= batches; i++) {
        SWG_TRY(swg_progress_step(progress, "offline", "batches", i, batches + 1));
        const size_t left = o->requests - (i > 0 ? (i - 1) * r->batch : 0);
        const size_t requests = left < r->batch ? left : r->batch;
        SWG_TRY(run_batch(r, requests, &seconds));
        if (i == 0) /* the first warms up */
            continue;
        out->seconds += seconds;
        r->rates[i - 1] = (double)requests / seconds;
    }
    return swg_check_logits(r->logits, r->rows, r->n_outputs);
}

swg_status swg_offline_measure(swg_exec *exec, const swg_model *model,
                               const swg_offline_options *options, const swg_progress *progress,
                               swg_offline *out)
{
    swg_status status = SWG_OK;
    runner r = {.exec = exec, .options = options};
    const size_t batch = options->batch < options->requests ? options->batch : options->requests;
    swg_offline made = {.requests = options->requests,
                        .batches = swg_ceil_div(options->requests, batch)};
    SWG_GO(make_buffers(&r, model, made.batches));
    SWG_GO(measure(&r, progress, &made));
    made.requests_per_s = (double)options->requests / made.seconds;
    made.output_tokens_per_s = (double)options->generate * made.requests_per_s;
    made.total_tokens_per_s = (double)r.per_request * made.requests_per_s;
    made.batch_requests_per_s = swg_rate_of(r.rates, made.batches);
    *out = made;
done:
    swg_free(r.rates);
    swg_free(r.logits);
    swg_free(r.pieces);
    swg_free(r.ids);
    return status;
}
