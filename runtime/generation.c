/* Generating text: see generation.h. */
#include "runtime/generation.h"

#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/progress.h"

struct swg_generation {
    const swg_session *session;
    swg_generation_options options;
    swg_exec *exec;
    swg_sampler *sampler;
    swg_decoder *decoder;
    float *logits;
    swg_ids read;       /* what the model has read */
    swg_strbuf pending; /* decoded, but perhaps the beginning of a stop */
    swg_generation_result result;
};

swg_act_precision swg_generation_precision(const swg_model *model)
{
    uint64_t quantized = 0, all = 0;
    for (size_t i = 0; i < model->n_weights; i++) {
        const swg_weight *weight = &model->weights[i];
        if (weight->n == 0 || weight->vector)
            continue;
        const uint64_t elements = (uint64_t)weight->n * weight->k;
        all += elements;
        quantized += swg_scheme_is_plain(weight->scheme) ? 0 : elements;
    }
    return quantized < all / 2 ? SWG_ACT_F32 : SWG_ACT_INT8;
}

swg_status swg_generation_new(const swg_session *session, const swg_generation_options *options,
                              swg_generation **out)
{
    const size_t vocab = (size_t)session->model->hparams.vocab;
    const swg_exec_options exec_options = {.size = sizeof exec_options,
                                           .context = options->context,
                                           .activations = options->activations,
                                           .kv_type = options->kv_type};
    swg_generation *g;
    swg_status status;
    SWG_GO(SWG_NEW(g, 1));
    g->session = session;
    g->options = *options;
    SWG_GO(swg_exec_new(session->model, session->pool, &exec_options, &g->exec));
    SWG_GO(SWG_NEW(g->logits, vocab));
    SWG_GO(swg_sampler_new(&options->sampling, vocab, &g->sampler));
    SWG_GO(swg_decoder_new(session->tokenizer, NULL, &g->decoder));
    *out = g;
    g = NULL;
done:
    swg_generation_free(&g);
    return status;
}

void swg_generation_free(swg_generation **generation)
{
    swg_generation *g = *generation;
    if (!g)
        return;
    swg_decoder_free(&g->decoder);
    swg_sampler_free(&g->sampler);
    swg_exec_free(&g->exec);
    swg_free(g->logits);
    swg_ids_deinit(&g->read);
    swg_strbuf_deinit(&g->pending);
    SWG_FREE(*generation);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static swg_status keep(swg_generation *g, int32_t id)
{
    SWG_TRY(swg_reserve((void **)&g->read.data, &g->read.capacity, g->read.count + 1, sizeof id));
    g->read.data[g->read.count++] = id;
    return SWG_OK;
}

/* Forget what differs from `ids`, and at least the last one, whose logits are wanted. */
static swg_status rewind_to(swg_generation *g, const int32_t *ids, size_t n)
{
    size_t shared = 0;
    while (shared < g->read.count && shared + 1 < n && g->read.data[shared] == ids[shared])
        shared++;
    const swg_status status = swg_exec_truncate(g->exec, 0, shared);
    if (status == SWG_UNSUPPORTED) { /* recurrent: there is only the last state */
        swg_exec_reset(g->exec);
        shared = 0;
    } else {
        SWG_TRY(status);
    }
    g->read.count = shared;
    return SWG_OK;
}

swg_status swg_generation_read(swg_generation *g, const int32_t *ids, size_t n, swg_strbuf *prompt)
{
    swg_strbuf text = {0};
    const double start = swg_clock_s();
    const size_t most = swg_exec_context(g->exec);
    swg_status status;
    if (n > most)
        return swg_error(SWG_LIMIT, "the prompt has %zu tokens; the context holds %zu", n, most);
    SWG_TRY(rewind_to(g, ids, n));
    const size_t from = g->read.count;
    SWG_TRY(swg_exec_run(g->exec, ids + from, n - from, n - from - 1, g->logits));
    g->result = (swg_generation_result){.prefill_s = swg_clock_s() - start};
    SWG_GO(swg_decoder_finish(g->decoder, &text)); /* starts over */
    text.length = 0;
    for (size_t i = 0; i < n; i++) {
        if (i >= from) {
            swg_sampler_accept(g->sampler, ids[i]);
            SWG_GO(keep(g, ids[i]));
        }
        SWG_GO(swg_decoder_feed(g->decoder, ids[i], prompt ? prompt : &text));
        text.length = 0;
    }
done:
    swg_strbuf_deinit(&text);
    return status;
}

/* --- Continuing ------------------------------------------------------------------------------- */

/* A text ends with its end token, or where the next one would begin. */
static bool is_end(const swg_generation *g, int32_t id)
{
    return !g->options.ignore_end && (swg_tokenizer_is_end(g->session->tokenizer, id) ||
                                      id == swg_tokenizer_bos(g->session->tokenizer));
}

/* Where the first stop in the pending text begins, or SIZE_MAX. */
static size_t find_stop(const swg_generation *g)
{
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < g->options.n_stops && g->pending.length > 0; i++) {
        const char *stop = g->options.stops[i];
        const char *found = memmem(g->pending.text, g->pending.length, stop, strlen(stop));
        if (found && (size_t)(found - g->pending.text) < first)
            first = (size_t)(found - g->pending.text);
    }
    return first;
}

/* Bytes at the end of the pending text that may be the beginning of a stop. */
static size_t held_back(const swg_generation *g)
{
    size_t most = 0;
    for (size_t i = 0; i < g->options.n_stops; i++) {
        const char *stop = g->options.stops[i];
        size_t n = strlen(stop) - 1;
        if (n > g->pending.length)
            n = g->pending.length;
        while (n > most && memcmp(g->pending.text + g->pending.length - n, stop, n) != 0)
            n--;
        most = n > most ? n : most;
    }
    return most;
}

/* Let go of what no stop can take any more; with `all`, of everything. */
static swg_status release(swg_generation *g, bool all, swg_generation_print *print, void *context,
                          swg_strbuf *out)
{
    swg_strbuf *pending = &g->pending;
    SWG_TRY(swg_strbuf_status(pending));
    const size_t stop = find_stop(g);
    const size_t n = stop != SIZE_MAX ? stop : pending->length - (all ? 0 : held_back(g));
    if (stop != SIZE_MAX)
        g->result.finish = "stop";
    if (n > 0) {
        swg_strbuf_append(out, pending->text, n);
        SWG_TRY(swg_strbuf_status(out));
        if (print)
            SWG_TRY(print(context, pending->text, n));
        memmove(pending->text, pending->text + n, pending->length - n);
        pending->length -= n;
    }
    return SWG_OK;
}

/* The tokens up to an end; result.finish is set when there is one. */
static swg_status generate(swg_generation *g, swg_generation_print *print, void *context,
                           swg_strbuf *out)
{
    while (g->result.n_generated < g->options.max_tokens) {
        int32_t id;
        SWG_TRY(swg_sampler_pick(g->sampler, g->logits, &id));
        if (is_end(g, id)) {
            g->result.finish = "end";
            return SWG_OK;
        }
        g->result.n_generated++;
        swg_sampler_accept(g->sampler, id);
        SWG_TRY(swg_decoder_feed(g->decoder, id, &g->pending));
        SWG_TRY(release(g, false, print, context, out));
        if (swg_is_interrupted())
            return swg_error(SWG_INTERRUPTED, "interrupted");
        if (g->result.finish || g->result.n_generated == g->options.max_tokens)
            return SWG_OK;
        if (swg_exec_position(g->exec) == swg_exec_context(g->exec)) {
            g->result.finish = "context";
            return SWG_OK;
        }
        SWG_TRY(swg_exec_run(g->exec, &id, 1, 0, g->logits));
        SWG_TRY(keep(g, id));
    }
    return SWG_OK;
}

swg_status swg_generation_continue(swg_generation *g, swg_generation_print *print, void *context,
                                   swg_strbuf *out)
{
    const double start = swg_clock_s();
    g->pending.length = 0;
    SWG_TRY(generate(g, print, context, out));
    g->result.decode_s = swg_clock_s() - start;
    if (!g->result.finish || strcmp(g->result.finish, "stop") != 0) {
        SWG_TRY(swg_decoder_finish(g->decoder, &g->pending));
        SWG_TRY(release(g, true, print, context, out));
    }
    if (!g->result.finish)
        g->result.finish = "length";
    return SWG_OK;
}

swg_generation_result swg_generation_last(const swg_generation *g)
{
    return g->result;
}
