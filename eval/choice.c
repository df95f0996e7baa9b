/* The task of multiple choice: see choice.h. With a reference both models answer every item, and
 * the items on which they differ are counted both ways. */
#include "eval/choice.h"

#include <math.h>
#include <stdio.h>

#include "eval/compare.h"
#include "eval/task.h"
#include "runtime/base/mem.h"

typedef struct run_state {
    const swg_eval_input *in;
    swg_choice_scorer *scorer, *scorer_ref; /* the latter NULL without a reference */
    swg_choice_item item;
    uint64_t n, right[SWG_CHOICE_RULES], right_ref[SWG_CHOICE_RULES];
    uint64_t gained, lost; /* items that only the model, only the reference has right, by sums */
} run_state;

static void count(const swg_choice_item *item, const double *scores, uint64_t *right)
{
    for (int rule = 0; rule < SWG_CHOICE_RULES; rule++)
        right[rule] += swg_choice_pick(item, scores, (swg_choice_rule)rule) == item->gold;
}

static swg_status answer(void *context, const swg_json *root, const char *where)
{
    run_state *r = context;
    double scores[SWG_MAX_CHOICES], scores_ref[SWG_MAX_CHOICES];
    SWG_TRY(swg_choice_item_read(r->in->choice_format, root, where, r->in->prefix, &r->item));
    SWG_TRY(swg_choice_score(r->scorer, &r->item, where, scores));
    count(&r->item, scores, r->right);
    r->n++;
    if (!r->scorer_ref)
        return SWG_OK;
    SWG_TRY(swg_choice_score(r->scorer_ref, &r->item, where, scores_ref));
    count(&r->item, scores_ref, r->right_ref);
    const bool is_right = swg_choice_pick(&r->item, scores, SWG_CHOICE_BY_SUM) == r->item.gold;
    const bool was_right = swg_choice_pick(&r->item, scores_ref, SWG_CHOICE_BY_SUM) == r->item.gold;
    r->gained += is_right && !was_right;
    r->lost += was_right && !is_right;
    return SWG_OK;
}

/* --- Report ----------------------------------------------------------------------------------- */

static const struct {
    const char *key, *title;
} rules[SWG_CHOICE_RULES] = {
    [SWG_CHOICE_BY_SUM] = {"accuracy", "accuracy"},
    [SWG_CHOICE_BY_CHARACTER] = {"accuracy_norm", "by character"},
    [SWG_CHOICE_BY_BYTE] = {"accuracy_bytes", "by byte"},
};

/* Of a mean of zeros and ones: the sample's standard deviation / sqrt n. */
static double error_of(double share, double n)
{
    return n > 1 ? sqrt(share * (1 - share) / (n - 1)) : 0;
}

static void report_rule(const run_state *r, int rule, swg_eval_report *out)
{
    char key[64];
    const double n = (double)r->n, share = (double)r->right[rule] / n;
    swg_json_double(&out->json, rules[rule].key, share);
    snprintf(key, sizeof key, "%s_standard_error", rules[rule].key);
    swg_json_double(&out->json, key, error_of(share, n));
    swg_strbuf_printf(&out->text, "%-14s%.4f +- %.4f (standard error)", rules[rule].title, share,
                      error_of(share, n));
    if (r->scorer_ref) {
        const double ref = (double)r->right_ref[rule] / n;
        snprintf(key, sizeof key, "%s_ref", rules[rule].key);
        swg_json_double(&out->json, key, ref);
        swg_strbuf_printf(&out->text, "; the reference's %.4f", ref);
    }
    swg_strbuf_puts(&out->text, "\n");
}

/* The verdict is McNemar's. The smallest difference is that of the paired mean of n items that are
 * gained (-1), lost (1) or neither (0): its error says nothing where no item changed. */
static swg_comparison compare(const run_state *r, double p)
{
    const double n = (double)r->n, sum = (double)r->lost - (double)r->gained;
    const double squares = (double)r->lost + (double)r->gained - sum * sum / n;
    swg_comparison made =
        swg_compare_difference(sum / n, r->n > 1 ? sqrt(squares / (n - 1) / n) : 0, r->n);
    made.verdict = p >= 0.05             ? SWG_VERDICT_INDISTINGUISHABLE
                   : r->gained > r->lost ? SWG_VERDICT_BETTER
                                         : SWG_VERDICT_WORSE;
    return made;
}

static void report_flips(const run_state *r, swg_eval_report *out)
{
    const double p = swg_mcnemar(r->gained, r->lost);
    const swg_comparison c = compare(r, p);
    swg_json_uint(&out->json, "items_gained", r->gained);
    swg_json_uint(&out->json, "items_lost", r->lost);
    swg_json_double(&out->json, "mcnemar_p", p);
    swg_json_string(&out->json, "verdict", swg_verdict_text(c.verdict));
    swg_json_double(&out->json, "smallest_detectable_accuracy_difference", c.smallest_detectable);
    swg_strbuf_printf(&out->text,
                      "flips         %llu items right only here, %llu only in the reference "
                      "(McNemar's p %.3g)\n"
                      "verdict       %s",
                      (unsigned long long)r->gained, (unsigned long long)r->lost, p,
                      swg_verdict_text(c.verdict));
    if (isfinite(c.smallest_detectable))
        swg_strbuf_printf(&out->text,
                          "; a difference of %.4f would have been found four times in five",
                          c.smallest_detectable);
    swg_strbuf_puts(&out->text, "\n");
}

static swg_status run(const swg_eval_input *in, swg_eval_report *out)
{
    swg_status status = SWG_OK;
    run_state r = {.in = in};
    if (in->max_tokens)
        return swg_error(SWG_USAGE, "--max-tokens cuts a --text; --data is used whole");
    if (in->stride)
        return swg_error(SWG_USAGE, "--stride is for windows of a --text; --data has none");
    if (in->ref && in->ref->model->hparams.vocab != in->loaded->model->hparams.vocab)
        return swg_error(
            SWG_UNSUPPORTED, "the model's vocabulary has %lld tokens, the reference's %lld",
            (long long)in->loaded->model->hparams.vocab, (long long)in->ref->model->hparams.vocab);
    SWG_GO(swg_choice_scorer_new(in->loaded, in->loaded->tokenizer, in->context, in->activations,
                                 in->kv_type, &r.scorer));
    if (in->ref)
        SWG_GO(swg_choice_scorer_new(in->ref, in->loaded->tokenizer, in->context, SWG_ACT_F32,
                                     SWG_KV_F32, &r.scorer_ref));
    SWG_GO(
        swg_json_lines_each(in->path, in->bytes, in->length, "choosing", in->progress, answer, &r));
    for (int rule = 0; rule < SWG_CHOICE_RULES; rule++)
        report_rule(&r, rule, out);
    if (in->ref)
        report_flips(&r, out);
    swg_json_uint(&out->json, "items", r.n);
    swg_strbuf_printf(&out->text, "items         %llu\n", (unsigned long long)r.n);
done:
    swg_choice_scorer_free(&r.scorer_ref);
    swg_choice_scorer_free(&r.scorer);
    swg_choice_item_deinit(&r.item);
    return status;
}

const swg_eval_task swg_eval_task_choice = {.name = "choice",
                                            .output = SWG_OUTPUT_NEXT_TOKEN,
                                            .source = SWG_EVAL_DATA,
                                            .takes_reference = true,
                                            .run = run};
