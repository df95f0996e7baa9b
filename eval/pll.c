/* Pseudo-log-likelihood: see pll.h. */
#include "eval/pll.h"

#include <string.h>

#include "eval/text_task.h"
#include "eval/window_records.h"
#include "runtime/base/mem.h"
#include "runtime/encoder_input.h"

typedef struct run_state {
    swg_exec *exec;
    size_t vocab;
    int32_t mask;
    int32_t *ids;  /* [longest window], one of them masked */
    float *logits; /* [longest window][vocab] */
} run_state;

static swg_status score_window(void *context, swg_scoring *scoring, const swg_window *window,
                               swg_window_record *out)
{
    const run_state *s = context;
    const int32_t *ids = scoring->windows->ids + window->begin;
    memcpy(s->ids, ids, window->count * sizeof *ids);
    for (size_t i = window->first_scored; i < window->first_scored + window->n_scored; i++) {
        double nll;
        s->ids[i] = s->mask;
        SWG_TRY(swg_exec_encode(s->exec, s->ids, NULL, window->count, s->logits));
        s->ids[i] = ids[i];
        SWG_TRY(swg_nll(s->logits + i * s->vocab, s->vocab, (size_t)ids[i], &nll));
        out->nll += nll;
        SWG_TRY(swg_scoring_advance(scoring, 1));
    }
    return SWG_OK;
}

swg_status swg_pll_measure(swg_exec *exec, const swg_model *model, int32_t mask,
                           const swg_windows *windows, swg_window_records *records,
                           const swg_progress *progress, swg_score *out)
{
    swg_status status = SWG_OK;
    const size_t longest = swg_windows_longest(windows);
    run_state s = {.exec = exec, .vocab = (size_t)model->hparams.vocab, .mask = mask};
    size_t elems;
    if (!swg_size_mul(longest, s.vocab, &elems))
        return swg_error(SWG_LIMIT, "windows of %zu tokens are too long", longest);
    SWG_GO(SWG_NEW(s.ids, longest));
    SWG_GO(SWG_NEW_UNINIT(s.logits, elems));
    const swg_window_scorer scorer = {.context = &s, .score = score_window, .records = records};
    SWG_GO(swg_score_windows(windows, &scorer, progress, out));
done:
    swg_free(s.logits);
    swg_free(s.ids);
    return status;
}

static swg_status measure(const swg_eval_input *in, swg_exec *exec, const swg_windows *windows,
                          swg_window_records *records, swg_score *out)
{
    int32_t mask;
    SWG_TRY(swg_encoder_mask(in->loaded->tokenizer, &mask));
    return swg_pll_measure(exec, in->loaded->model, mask, windows, records, in->progress, out);
}

static swg_status run(const swg_eval_input *in, swg_eval_report *out)
{
    static const swg_text_score score = {.measure = measure,
                                         .sign = -1,
                                         .exp_key = "pseudo_perplexity",
                                         .mean_key = "mean_pll",
                                         .error_key = "mean_pll_standard_error",
                                         .exp_title = "pseudo-perpl.",
                                         .mean_title = "mean PLL"};
    return swg_eval_text(in, &score, out);
}

const swg_eval_task swg_eval_task_pll = {.name = "pll",
                                         .output = SWG_OUTPUT_MASKED_TOKEN,
                                         .source = SWG_EVAL_TEXT,
                                         .has_records = true,
                                         .run = run};
