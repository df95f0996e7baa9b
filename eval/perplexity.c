/* Perplexity: see perplexity.h. Logits exist for one piece of a window at a time, so memory does
 * not grow with the context. */
#include "eval/perplexity.h"

#include <math.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"

/* Logits of a piece stay below this. */
static const size_t piece_bytes = (size_t)32 << 20;
enum { MAX_PIECE = 256 };

typedef struct scorer {
    swg_exec *exec;
    swg_pool *pool;
    size_t vocab, piece;
    float *logits;          /* [piece][vocab] */
    double *nll;            /* [piece] */
    const int32_t *targets; /* of the piece's rows */
} scorer;

/* -log softmax(logits)[target] */
static swg_status score_row(void *context, size_t row)
{
    const scorer *s = context;
    const float *logits = s->logits + row * s->vocab;
    float largest = logits[0];
    for (size_t i = 1; i < s->vocab; i++)
        largest = logits[i] > largest ? logits[i] : largest;
    double sum = 0;
    for (size_t i = 0; i < s->vocab; i++)
        sum += exp((double)logits[i] - (double)largest);
    s->nll[row] = log(sum) + (double)largest - (double)logits[s->targets[row]];
    return isfinite(s->nll[row])
               ? SWG_OK
               : swg_error(SWG_FAILED, "the model's logits are not finite; its weights are damaged "
                                       "or too coarse");
}

/* Sum of the scored tokens' negative log-likelihoods of one window. */
static swg_status score_window(scorer *s, const swg_windows *windows, const swg_window *window,
                               double *sum)
{
    const int32_t *ids = windows->ids + window->begin;
    const size_t inputs = window->count - 1; /* the last token predicts nothing */
    const size_t first_row = window->first_scored - 1;
    *sum = 0;
    swg_exec_reset(s->exec);
    for (size_t at = 0; at < inputs;) {
        const size_t n = inputs - at < s->piece ? inputs - at : s->piece;
        const size_t skipped = first_row > at ? first_row - at : 0;
        const size_t first = skipped < n ? skipped : n;
        SWG_TRY(swg_exec_run(s->exec, ids + at, n, first, s->logits));
        s->targets = ids + at + first + 1;
        SWG_TRY(swg_pool_for(s->pool, n - first, score_row, s));
        for (size_t row = 0; row < n - first; row++)
            *sum += s->nll[row];
        at += n;
    }
    return SWG_OK;
}

/* Standard error of a ratio of sums over windows (linearised): windows, not tokens, are taken as
 * independent, because tokens of one window are not. */
static double standard_error(const double *sums, const swg_windows *windows, double mean,
                             uint64_t scored)
{
    const size_t n = windows->n_windows;
    double squares = 0;
    for (size_t i = 0; i < n; i++) {
        const double tokens = (double)(windows->windows[i].count - windows->windows[i].first_scored);
        const double residual = sums[i] - mean * tokens;
        squares += residual * residual;
    }
    return n < 2 ? 0 : sqrt(squares * (double)n / (double)(n - 1)) / (double)scored;
}

static swg_status measure(scorer *s, const swg_windows *windows, const swg_progress *progress,
                          double *sums, swg_perplexity *out)
{
    swg_perplexity result = {.n_windows = windows->n_windows};
    const double start = swg_clock_s();
    double total = 0;
    for (size_t i = 0; i < windows->n_windows; i++) {
        SWG_TRY(swg_progress_step(progress, "scoring", "windows", i, windows->n_windows));
        SWG_TRY(score_window(s, windows, &windows->windows[i], &sums[i]));
        total += sums[i];
        result.tokens_scored += windows->windows[i].count - windows->windows[i].first_scored;
    }
    SWG_TRY(swg_progress_step(progress, "scoring", "windows", windows->n_windows,
                              windows->n_windows));
    result.mean_nll = total / (double)result.tokens_scored;
    result.perplexity = exp(result.mean_nll);
    result.standard_error =
        standard_error(sums, windows, result.mean_nll, result.tokens_scored);
    result.seconds = swg_clock_s() - start;
    *out = result;
    return SWG_OK;
}

swg_status swg_perplexity_measure(swg_exec *exec, const swg_model *model, swg_pool *pool,
                                  const swg_windows *windows, const swg_progress *progress,
                                  swg_perplexity *out)
{
    swg_status status = SWG_OK;
    double *sums = NULL;
    scorer s = {.exec = exec, .pool = pool, .vocab = (size_t)model->hparams.vocab};
    s.piece = piece_bytes / (s.vocab * sizeof(float));
    s.piece = s.piece < 1 ? 1 : s.piece > MAX_PIECE ? MAX_PIECE : s.piece;
    SWG_GO(SWG_NEW_UNINIT(s.logits, s.piece * s.vocab));
    SWG_GO(SWG_NEW(s.nll, s.piece));
    SWG_GO(SWG_NEW(sums, windows->n_windows));
    SWG_GO(measure(&s, windows, progress, sums, out));
done:
    swg_free(sums);
    swg_free(s.nll);
    swg_free(s.logits);
    return status;
}
