/* Scoring choices: see choice.h. */
#include <string.h>

#include "eval/choice.h"
#include "eval/nll.h"
#include "eval/white_space.h"
#include "runtime/base/mem.h"

/* Rows of logits that exist at a time. */
enum { PIECE = 64 };

struct swg_choice_scorer {
    const swg_session *loaded;
    const swg_tokenizer *tokenizer;
    swg_exec *exec;
    size_t vocab;
    swg_ids whole, context, read; /* of the present text; what the execution has read */
    swg_strbuf text;
    float *logits; /* [PIECE][vocab] */
};

swg_status swg_choice_scorer_new(const swg_session *loaded, const swg_tokenizer *tokenizer,
                                 size_t context, swg_act_precision activations, swg_kv_type kv_type,
                                 swg_choice_scorer **out)
{
    swg_status status = SWG_OK;
    swg_choice_scorer *s = NULL;
    const swg_exec_options options = {
        .size = sizeof options, .context = context, .activations = activations, .kv_type = kv_type};
    if (loaded->model->hparams.task != SWG_OUTPUT_NEXT_TOKEN)
        return swg_error(SWG_UNSUPPORTED, "this model does not predict the next token");
    SWG_TRY(SWG_NEW(s, 1));
    s->loaded = loaded;
    s->tokenizer = tokenizer;
    s->vocab = (size_t)loaded->model->hparams.vocab;
    SWG_GO(SWG_NEW_UNINIT(s->logits, PIECE * s->vocab));
    SWG_GO(swg_exec_new(loaded->model, loaded->pool, &options, &s->exec));
    *out = s;
    s = NULL;
done:
    swg_choice_scorer_free(&s);
    return status;
}

void swg_choice_scorer_free(swg_choice_scorer **scorer)
{
    swg_choice_scorer *s = *scorer;
    if (!s)
        return;
    swg_exec_free(&s->exec);
    swg_ids_deinit(&s->whole);
    swg_ids_deinit(&s->context);
    swg_ids_deinit(&s->read);
    swg_strbuf_deinit(&s->text);
    swg_free(s->logits);
    swg_free(s);
    *scorer = NULL;
}

/* The tokens of the whole text, and how many of them are the context's. */
static swg_status encode(swg_choice_scorer *s, const swg_strbuf *context, const swg_strbuf *ending,
                         size_t *n_context)
{
    const char *const begin = swg_strbuf_text(context), *const end = begin + context->length;
    swg_encode_options options = swg_encode_options_default();
    const size_t length = (size_t)(swg_trim_end(begin, end) - begin);
    s->whole.count = s->context.count = s->text.length = 0;
    swg_strbuf_append(&s->text, begin, context->length);
    swg_strbuf_append(&s->text, ending->text, ending->length);
    SWG_TRY(swg_strbuf_status(&s->text));
    if (length > 0) {
        SWG_TRY(swg_tokenizer_encode(s->tokenizer, begin, length, &options, &s->context));
        *n_context = s->context.count;
        return swg_tokenizer_encode(s->tokenizer, s->text.text, s->text.length, &options,
                                    &s->whole);
    }
    const int32_t bos = swg_tokenizer_bos(s->tokenizer);
    const int32_t prefix = bos >= 0 ? bos : swg_tokenizer_eos(s->tokenizer);
    if (prefix < 0)
        return swg_error(SWG_UNSUPPORTED,
                         "a choice without a context comes after BOS or the end of "
                         "text, and this tokenizer has neither");
    options.add_special = false;
    SWG_TRY(swg_tokenizer_encode(s->tokenizer, s->text.text, s->text.length, &options, &s->whole));
    *n_context = 1;
    if (s->whole.count > 0 && s->whole.data[0] == prefix)
        return SWG_OK;
    SWG_TRY(swg_reserve((void **)&s->whole.data, &s->whole.capacity, s->whole.count + 1,
                        sizeof *s->whole.data));
    memmove(s->whole.data + 1, s->whole.data, s->whole.count * sizeof *s->whole.data);
    s->whole.data[0] = prefix;
    s->whole.count++;
    return SWG_OK;
}

/* Go back to what the last text and this one begin with alike, at most `most` tokens. */
static size_t keep_common(swg_choice_scorer *s, size_t most)
{
    size_t n = 0;
    while (n < most && n < s->read.count && s->read.data[n] == s->whole.data[n])
        n++;
    if (swg_exec_truncate(s->exec, 0, n) == SWG_OK)
        return n;
    swg_exec_reset(s->exec); /* recurrent models remember no earlier state */
    return 0;
}

static swg_status remember(swg_choice_scorer *s, size_t n)
{
    SWG_TRY(swg_reserve((void **)&s->read.data, &s->read.capacity, n, sizeof *s->read.data));
    memcpy(s->read.data, s->whole.data, n * sizeof *s->read.data);
    s->read.count = n;
    return SWG_OK;
}

/* Add up the log-probabilities of tokens [n_context, count). */
static swg_status score_ending(swg_choice_scorer *s, size_t n_context, double *out)
{
    const size_t inputs = s->whole.count - 1; /* the last token predicts nothing */
    size_t at = keep_common(s, n_context - 1);
    s->read.count = 0; /* until all is read */
    if (at < n_context - 1)
        SWG_TRY(swg_exec_run(s->exec, s->whole.data + at, n_context - 1 - at, n_context - 1 - at,
                             NULL));
    *out = 0;
    for (at = n_context - 1; at < inputs;) {
        const size_t n = inputs - at < PIECE ? inputs - at : PIECE;
        SWG_TRY(swg_exec_run(s->exec, s->whole.data + at, n, 0, s->logits));
        for (size_t i = 0; i < n; i++) {
            double nll;
            SWG_TRY(swg_nll(s->logits + i * s->vocab, s->vocab, (size_t)s->whole.data[at + i + 1],
                            &nll));
            *out -= nll;
        }
        at += n;
    }
    return remember(s, inputs);
}

swg_status swg_choice_score(swg_choice_scorer *s, const swg_choice_item *item, const char *where,
                            double *scores)
{
    const size_t most = swg_exec_context(s->exec);
    for (size_t i = 0; i < item->n_choices; i++) {
        size_t n_context = 0;
        SWG_TRY(encode(s, &item->contexts[i], &item->endings[i], &n_context));
        if (n_context == 0 || s->whole.count <= n_context)
            return swg_error(SWG_CORRUPT, "%s: choice %zu has no tokens", where, i);
        if (s->whole.count - 1 > most)
            return swg_error(SWG_LIMIT,
                             "%s: choice %zu has %zu tokens with its context; the model "
                             "holds %zu",
                             where, i, s->whole.count, most + 1);
        SWG_TRY(score_ending(s, n_context, &scores[i]));
    }
    return SWG_OK;
}

size_t swg_choice_pick(const swg_choice_item *item, const double *scores, swg_choice_rule rule)
{
    size_t best = 0;
    double best_score = 0;
    for (size_t i = 0; i < item->n_choices; i++) {
        const size_t per = rule == SWG_CHOICE_BY_CHARACTER ? item->characters[i]
                           : rule == SWG_CHOICE_BY_BYTE    ? item->bytes[i]
                                                           : 1;
        const double score = scores[i] / (double)per;
        if (i == 0 || score > best_score) {
            best = i;
            best_score = score;
        }
    }
    return best;
}
