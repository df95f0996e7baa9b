/* Sampler: see sampler.h. Candidates are ordered by (score descending, id ascending), a total
 * order, so that every cut is the same on every machine. Nothing is sorted in full: quickselect
 * moves the best to the front in growing batches until a cut is known to lie inside. */
#include "runtime/text/sampler.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/rng.h"

enum { FIRST_BATCH = 64, BATCH_GROWTH = 4 };

typedef struct candidate {
    float score; /* logit / temperature */
    int32_t id;
    double weight; /* exp(score - highest score) */
} candidate;

struct swg_sampler {
    swg_sampler_options options;
    size_t n_vocab;
    swg_rng rng;
    candidate *candidates; /* [n_vocab] */
    int32_t *recent;       /* [repetition_window] ring */
    size_t n_recent, next_recent;
    uint32_t *recent_count; /* [n_vocab]: times in the ring */
};

swg_sampler_options swg_sampler_options_default(void)
{
    return (swg_sampler_options){
        .top_p = 1.0f, .repetition_penalty = 1.0f, .repetition_window = 64};
}

static swg_status check_options(const swg_sampler_options *o)
{
    if (!(o->temperature >= 0.0f) || !isfinite(o->temperature))
        return swg_error(SWG_USAGE, "temperature is %g, but must be 0 or more", o->temperature);
    if (!(o->top_p > 0.0f && o->top_p <= 1.0f))
        return swg_error(SWG_USAGE, "top-p is %g, but must be above 0 and at most 1", o->top_p);
    if (!(o->min_p >= 0.0f && o->min_p <= 1.0f))
        return swg_error(SWG_USAGE, "min-p is %g, but must be from 0 to 1", o->min_p);
    if (!(o->repetition_penalty > 0.0f) || !isfinite(o->repetition_penalty))
        return swg_error(SWG_USAGE, "repetition penalty is %g, but must be above 0",
                         o->repetition_penalty);
    return SWG_OK;
}

swg_status swg_sampler_new(const swg_sampler_options *options, size_t n_vocab, swg_sampler **out)
{
    swg_sampler *sampler = NULL;
    swg_status status;
    SWG_TRY(check_options(options));
    if (n_vocab == 0 || n_vocab > INT32_MAX)
        return swg_error(SWG_USAGE, "cannot sample from a vocabulary of %zu tokens", n_vocab);
    SWG_GO(SWG_NEW(sampler, 1));
    sampler->options = *options;
    sampler->n_vocab = n_vocab;
    sampler->rng = swg_rng_seeded(options->seed);
    SWG_GO(SWG_NEW(sampler->candidates, n_vocab));
    if (options->repetition_penalty != 1.0f) {
        SWG_GO(SWG_NEW(sampler->recent, options->repetition_window));
        SWG_GO(SWG_NEW(sampler->recent_count, n_vocab));
    }
    *out = sampler;
    sampler = NULL;
done:
    swg_sampler_free(&sampler);
    return status;
}

void swg_sampler_free(swg_sampler **sampler)
{
    if (!*sampler)
        return;
    swg_free((*sampler)->candidates);
    swg_free((*sampler)->recent);
    swg_free((*sampler)->recent_count);
    SWG_FREE(*sampler);
}

void swg_sampler_accept(swg_sampler *sampler, int32_t id)
{
    const size_t window = sampler->options.repetition_window;
    if (!sampler->recent || window == 0 || id < 0 || (size_t)id >= sampler->n_vocab)
        return;
    if (sampler->n_recent == window)
        sampler->recent_count[sampler->recent[sampler->next_recent]]--;
    else
        sampler->n_recent++;
    sampler->recent[sampler->next_recent] = id;
    sampler->recent_count[id]++;
    sampler->next_recent = (sampler->next_recent + 1) % window;
}

/* --- Order ------------------------------------------------------------------------------------ */

static bool is_before(const candidate *a, const candidate *b)
{
    return a->score > b->score || (a->score == b->score && a->id < b->id);
}

static int compare(const void *a, const void *b)
{
    return is_before(a, b) ? -1 : 1;
}

static void swap(candidate *a, candidate *b)
{
    const candidate kept = *a;
    *a = *b;
    *b = kept;
}

/* Move the median of three places to the end, as pivot: sorted inputs must not be the worst case.
 */
static void choose_pivot(candidate *c, size_t low, size_t high)
{
    const size_t middle = low + (high - low) / 2;
    if (is_before(&c[middle], &c[low]))
        swap(&c[middle], &c[low]);
    if (is_before(&c[high], &c[low]))
        swap(&c[high], &c[low]);
    if (is_before(&c[middle], &c[high]))
        swap(&c[middle], &c[high]);
}

/* Rearrange c[low .. n) so that c[low .. keep) are the first of it in order of rank, unsorted. */
static void select_best(candidate *c, size_t low, size_t keep, size_t n)
{
    size_t high = n - 1;
    while (low < high && keep < n) {
        choose_pivot(c, low, high);
        size_t store = low;
        for (size_t i = low; i < high; i++)
            if (is_before(&c[i], &c[high]))
                swap(&c[i], &c[store++]);
        swap(&c[store], &c[high]);
        if (store == keep)
            return;
        if (store < keep)
            low = store + 1;
        else
            high = store - 1;
    }
}

/* --- Cuts ------------------------------------------------------------------------------------- */

/* Weights of c[0 .. n); the highest score weighs 1. Returns their sum, in the order they stand. */
static double weigh(candidate *c, size_t n, float highest)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        c[i].weight = exp((double)c[i].score - (double)highest);
        sum += c[i].weight;
    }
    return sum;
}

/* How many of the likeliest are needed for the share `top_p` of `total`; they come to the front. */
static size_t nucleus(candidate *c, size_t n, double top_p, double total)
{
    double sum = 0.0;
    size_t sorted = 0;
    for (size_t batch = FIRST_BATCH; sorted < n; batch *= BATCH_GROWTH) {
        const size_t end = batch < n - sorted ? sorted + batch : n;
        select_best(c, sorted, end, n);
        qsort(c + sorted, end - sorted, sizeof *c, compare);
        for (; sorted < end; sorted++) {
            sum += c[sorted].weight;
            if (sum >= top_p * total)
                return sorted + 1;
        }
    }
    return n;
}

/* Drop what is less than `min_p` times as likely as the best (weight 1), keeping the order. */
static size_t drop_unlikely(candidate *c, size_t n, double min_p)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (c[i].weight >= min_p)
            c[kept++] = c[i];
    return kept;
}

static float penalized(const swg_sampler *sampler, const float *logits, size_t id)
{
    const float logit = logits[id], penalty = sampler->options.repetition_penalty;
    if (!sampler->recent_count || sampler->recent_count[id] == 0)
        return logit;
    return logit > 0.0f ? logit / penalty : logit * penalty;
}

/* Candidates from logits, those that are minus infinity left out; *best is the first in order. */
static swg_status gather(swg_sampler *sampler, const float *logits, size_t *n, candidate *best)
{
    const float temperature = sampler->options.temperature;
    size_t count = 0;
    for (size_t id = 0; id < sampler->n_vocab; id++) {
        const float logit = penalized(sampler, logits, id);
        if (!(logit < INFINITY))
            return swg_error(
                SWG_FAILED,
                "logit %zu of %zu is %g: the model's weights are damaged or too coarse; "
                "`swage verify` names tensors that hold NaN or infinity",
                id, sampler->n_vocab, (double)logit);
        if (logit == -INFINITY)
            continue;
        candidate *c = &sampler->candidates[count++];
        *c = (candidate){.score = temperature > 0.0f ? logit / temperature : logit,
                         .id = (int32_t)id};
        if (count == 1 || c->score > best->score)
            *best = *c;
    }
    if (count == 0)
        return swg_error(SWG_FAILED, "all %zu logits are minus infinity: no token is possible",
                         sampler->n_vocab);
    *n = count;
    return SWG_OK;
}

swg_status swg_sampler_pick(swg_sampler *sampler, const float *logits, int32_t *id)
{
    const swg_sampler_options *options = &sampler->options;
    candidate *c = sampler->candidates, best = {0};
    size_t n = 0;
    SWG_TRY(gather(sampler, logits, &n, &best));
    if (options->temperature == 0.0f || isinf(best.score)) {
        *id = best.id;
        return SWG_OK;
    }
    if (options->top_k > 0 && options->top_k < n) {
        select_best(c, 0, options->top_k, n);
        n = options->top_k;
        qsort(c, n, sizeof *c, compare);
    }
    double total = weigh(c, n, best.score);
    if (options->top_p < 1.0f)
        n = nucleus(c, n, options->top_p, total);
    n = drop_unlikely(c, n, options->min_p);
    total = 0.0;
    for (size_t i = 0; i < n; i++)
        total += c[i].weight;
    double point = swg_rng_uniform(&sampler->rng) * total;
    size_t chosen = 0;
    while (chosen + 1 < n && point >= c[chosen].weight)
        point -= c[chosen++].weight;
    *id = c[chosen].id;
    return SWG_OK;
}
