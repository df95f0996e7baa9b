/* Perplexity: see perplexity.h. Logits exist for one piece of a window at a time, so memory does
 * not grow with the context. */
#include "eval/perplexity.h"

#include "eval/text_task.h"
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

static swg_status score_row(void *context, size_t row)
{
    const scorer *s = context;
    return swg_nll(s->logits + row * s->vocab, s->vocab, (size_t)s->targets[row], &s->nll[row]);
}

static swg_status score_window(void *context, swg_scoring *scoring, const swg_window *window,
                               double *sum)
{
    scorer *s = context;
    const int32_t *ids = scoring->windows->ids + window->begin;
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
        SWG_TRY(swg_scoring_advance(scoring, n - first));
        at += n;
    }
    return SWG_OK;
}

swg_status swg_perplexity_measure(swg_exec *exec, const swg_model *model, swg_pool *pool,
                                  const swg_windows *windows, const swg_progress *progress,
                                  swg_score *out)
{
    swg_status status = SWG_OK;
    scorer s = {.exec = exec, .pool = pool, .vocab = (size_t)model->hparams.vocab};
    s.piece = piece_bytes / (s.vocab * sizeof(float));
    s.piece = s.piece < 1 ? 1 : s.piece > MAX_PIECE ? MAX_PIECE : s.piece;
    SWG_GO(SWG_NEW_UNINIT(s.logits, s.piece * s.vocab));
    SWG_GO(SWG_NEW(s.nll, s.piece));
    SWG_GO(swg_score_windows(windows, score_window, &s, progress, out));
done:
    swg_free(s.nll);
    swg_free(s.logits);
    return status;
}

static swg_status measure(const swg_eval_input *in, swg_exec *exec, const swg_windows *windows,
                          swg_score *out)
{
    return swg_perplexity_measure(exec, in->loaded->model, in->loaded->pool, windows, in->progress,
                                  out);
}

static swg_status run(const swg_eval_input *in, swg_eval_report *out)
{
    static const swg_text_score score = {.measure = measure,
                                         .sign = 1,
                                         .exp_key = "perplexity",
                                         .mean_key = "mean_nll",
                                         .error_key = "mean_nll_standard_error",
                                         .exp_title = "perplexity",
                                         .mean_title = "mean NLL"};
    return swg_eval_text(in, &score, out);
}

const swg_eval_task swg_eval_task_perplexity = {
    .name = "perplexity", .output = SWG_OUTPUT_NEXT_TOKEN, .source = SWG_EVAL_TEXT, .run = run};
