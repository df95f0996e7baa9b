/* Perplexity: see perplexity.h. A window goes through the layers in parts of the execution's chunk,
 * and a part through the head in pieces, since logits are the largest values here: memory does not
 * grow with the context, and layers need not be cut as small as the head. */
#include "eval/perplexity.h"

#include "eval/text_task.h"
#include "eval/window_records.h"
#include "runtime/base/mem.h"

/* Logits of a piece stay below this. */
static const size_t piece_bytes = (size_t)64 << 20;

typedef struct run_state {
    swg_exec *exec;
    swg_pool *pool;
    size_t n_layers, vocab;
    size_t part, piece;     /* rows: of the layers, of the head */
    float *rows[2];         /* [part][widest]: a layer's input and output, alternating */
    float *logits;          /* [piece][vocab] */
    double *nll;            /* [piece] */
    const int32_t *targets; /* of the piece's rows */
} run_state;

static swg_status score_row(void *context, size_t row)
{
    const run_state *s = context;
    return swg_nll(s->logits + row * s->vocab, s->vocab, (size_t)s->targets[row], &s->nll[row]);
}

/* Rows of tokens [at, at + n) as they leave the last layer. */
static swg_status run_layers(run_state *s, const int32_t *ids, size_t at, size_t n,
                             const float **out)
{
    SWG_TRY(swg_exec_begin(s->exec, 0, at, ids + at, NULL, n, s->rows[0]));
    for (size_t layer = 0; layer < s->n_layers; layer++)
        SWG_TRY(
            swg_exec_layer(s->exec, layer, 0, at, n, s->rows[layer % 2], s->rows[(layer + 1) % 2]));
    *out = s->rows[s->n_layers % 2];
    return SWG_OK;
}

/* Add the scores of n rows that leave the last layer, whose next tokens are `targets`. */
static swg_status score_rows(run_state *s, swg_scoring *scoring, const float *rows,
                             const int32_t *targets, size_t n, double *sum)
{
    const size_t width = swg_exec_width(s->exec, s->n_layers);
    const size_t n_pieces = swg_ceil_div(n, s->piece);
    for (size_t i = 0; i < n_pieces; i++) { /* of equal size */
        const size_t begin = i * n / n_pieces, end = (i + 1) * n / n_pieces;
        SWG_TRY(swg_exec_end(s->exec, end - begin, rows + begin * width, s->logits));
        s->targets = targets + begin;
        SWG_TRY(swg_pool_for(s->pool, end - begin, score_row, s));
        for (size_t row = 0; row < end - begin; row++)
            *sum += s->nll[row];
        SWG_TRY(swg_scoring_advance(scoring, end - begin));
    }
    return SWG_OK;
}

static swg_status score_window(void *context, swg_scoring *scoring, const swg_window *window,
                               swg_window_record *out)
{
    run_state *s = context;
    const int32_t *ids = scoring->windows->ids + window->begin;
    const size_t inputs = window->count - 1; /* the last token predicts nothing */
    const size_t first_row = window->first_scored - 1;
    swg_exec_reset(s->exec);
    for (size_t at = 0; at < inputs; at += s->part) {
        const size_t n = inputs - at < s->part ? inputs - at : s->part;
        const size_t skipped = first_row > at ? first_row - at : 0;
        const float *rows;
        SWG_TRY(run_layers(s, ids, at, n, &rows));
        if (skipped < n)
            SWG_TRY(score_rows(s, scoring, rows + skipped * swg_exec_width(s->exec, s->n_layers),
                               ids + at + skipped + 1, n - skipped, &out->nll));
        else
            SWG_TRY(swg_scoring_advance(scoring, 0));
    }
    return SWG_OK;
}

static swg_status make_buffers(run_state *s)
{
    size_t widest = 0;
    for (size_t layer = 0; layer <= s->n_layers; layer++)
        if (swg_exec_width(s->exec, layer) > widest)
            widest = swg_exec_width(s->exec, layer);
    for (int i = 0; i < 2; i++)
        SWG_TRY(SWG_NEW_UNINIT(s->rows[i], s->part * widest));
    SWG_TRY(SWG_NEW_UNINIT(s->logits, s->piece * s->vocab));
    return SWG_NEW(s->nll, s->piece);
}

swg_status swg_perplexity_measure(swg_exec *exec, const swg_model *model, swg_pool *pool,
                                  const swg_windows *windows, swg_window_records *records,
                                  const swg_progress *progress, swg_score *out)
{
    swg_status status = SWG_OK;
    run_state s = {.exec = exec,
                   .pool = pool,
                   .n_layers = (size_t)model->hparams.n_layers,
                   .vocab = (size_t)model->hparams.vocab,
                   .part = swg_exec_chunk(exec)};
    s.piece = piece_bytes / (s.vocab * sizeof(float));
    s.piece = s.piece < 1 ? 1 : s.piece > s.part ? s.part : s.piece;
    SWG_GO(make_buffers(&s));
    const swg_window_scorer scorer = {.context = &s, .score = score_window, .records = records};
    SWG_GO(swg_score_windows(windows, &scorer, progress, out));
done:
    swg_free(s.rows[0]);
    swg_free(s.rows[1]);
    swg_free(s.nll);
    swg_free(s.logits);
    return status;
}

static swg_status measure(const swg_eval_input *in, swg_exec *exec, const swg_windows *windows,
                          swg_window_records *records, swg_score *out)
{
    return swg_perplexity_measure(exec, in->loaded->model, in->loaded->pool, windows, records,
                                  in->progress, out);
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

const swg_eval_task swg_eval_task_perplexity = {.name = "perplexity",
                                                .output = SWG_OUTPUT_NEXT_TOKEN,
                                                .source = SWG_EVAL_TEXT,
                                                .has_records = true,
                                                .run = run};
