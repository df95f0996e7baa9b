/* The task of multiple choice: see choice.h. With a reference both models answer every item, and
 * the items on which they differ are counted both ways. */
#include "eval/choice.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/compare.h"
#include "eval/task.h"
#include "runtime/base/hash.h"
#include "runtime/base/mem.h"

/* Scores of one item, the model's and the reference's. */
typedef struct choice_record {
    size_t n_choices;
    double scores[2][SWG_MAX_CHOICES];
} choice_record;

typedef struct run_state {
    const swg_eval_input *in;
    swg_choice_scorer *scorer, *scorer_ref; /* the latter NULL without a reference */
    swg_choice_item item;
    choice_record *read; /* [n_read] what the file of records had */
    size_t n_read, read_capacity;
    uint64_t n, right[SWG_CHOICE_RULES], right_ref[SWG_CHOICE_RULES];
    uint64_t gained, lost; /* items that only the model, only the reference has right, by sums */
} run_state;

/* --- Records ---------------------------------------------------------------------------------- */

static const char *const score_keys[] = {"scores", "scores_ref"};

static swg_status read_scores(const swg_json *root, const char *key, const char *where,
                              double *scores, size_t *n)
{
    const swg_json *list = swg_json_get(root, key);
    const size_t count =
        list && swg_json_kind_of(list) == SWG_JSON_ARRAY ? swg_json_count(list) : 0;
    if (count < 2 || count > SWG_MAX_CHOICES || (*n && *n != count))
        return swg_error(SWG_CORRUPT, "%s: \"%s\" is not a list of the choices' scores", where,
                         key);
    *n = 0;
    for (const swg_json *v = swg_json_first(list); v; v = swg_json_next(v))
        if (!swg_json_as_double(v, &scores[(*n)++]))
            return swg_error(SWG_CORRUPT, "%s: \"%s\" holds something that is not a number", where,
                             key);
    return SWG_OK;
}

static swg_status read_record(void *context, const swg_json *root, const char *where)
{
    run_state *r = context;
    choice_record record = {0};
    int64_t index;
    if (!swg_json_as_int(swg_json_get(root, "index"), &index) || index != (int64_t)r->n_read)
        return swg_error(SWG_CORRUPT, "%s: \"index\" is missing or not %zu, the next item", where,
                         r->n_read);
    for (int which = 0; which < (r->in->ref ? 2 : 1); which++)
        SWG_TRY(
            read_scores(root, score_keys[which], where, record.scores[which], &record.n_choices));
    SWG_TRY(swg_reserve((void **)&r->read, &r->read_capacity, r->n_read + 1, sizeof *r->read));
    r->read[r->n_read++] = record;
    return SWG_OK;
}

static swg_status add_record(const run_state *r, double scores[2][SWG_MAX_CHOICES])
{
    swg_json_writer json = {.compact = true};
    swg_json_begin_object(&json, NULL);
    swg_json_uint(&json, "index", r->n);
    swg_json_uint(&json, "gold", r->item.gold);
    swg_json_uint(&json, "picked", swg_choice_pick(&r->item, scores[0], SWG_CHOICE_BY_SUM));
    for (int which = 0; which < (r->in->ref ? 2 : 1); which++) {
        swg_json_begin_array(&json, score_keys[which]);
        for (size_t i = 0; i < r->item.n_choices; i++)
            swg_json_double(&json, NULL, scores[which][i]);
        swg_json_end_array(&json);
    }
    swg_json_end_object(&json);
    return swg_records_append(r->in->records, &json);
}

static swg_status open_records(run_state *r)
{
    if (!r->in->records)
        return SWG_OK;
    swg_json_writer *head = &r->in->records->head;
    swg_json_string(head, "data_format", swg_choice_format_name(r->in->choice_format));
    swg_json_uint(head, "context", r->in->context);
    char prefix[SWG_HASH128_TEXT];
    swg_hash128_text(r->in->prefix, strlen(r->in->prefix), prefix);
    swg_json_string(head, "prefix_hash", prefix);
    return swg_records_open(r->in->records, read_record, r);
}

/* --- Items ------------------------------------------------------------------------------------ */

/* Both models' scores of the present item: from the records, or computed and added to them. */
static swg_status score_item(run_state *r, const char *where, double scores[2][SWG_MAX_CHOICES])
{
    if (r->n < r->n_read) {
        const choice_record *record = &r->read[r->n];
        if (record->n_choices != r->item.n_choices)
            return swg_error(SWG_CORRUPT, "%s has %zu choices, its record in %s has %zu", where,
                             r->item.n_choices, r->in->records->path, record->n_choices);
        memcpy(scores, record->scores, sizeof record->scores);
        return SWG_OK;
    }
    SWG_TRY(swg_choice_score(r->scorer, &r->item, where, scores[0]));
    if (r->scorer_ref)
        SWG_TRY(swg_choice_score(r->scorer_ref, &r->item, where, scores[1]));
    return r->in->records ? add_record(r, scores) : SWG_OK;
}

static void count(const swg_choice_item *item, const double *scores, uint64_t *right)
{
    for (int rule = 0; rule < SWG_CHOICE_RULES; rule++)
        right[rule] += swg_choice_pick(item, scores, (swg_choice_rule)rule) == item->gold;
}

static swg_status answer(void *context, const swg_json *root, const char *where)
{
    run_state *r = context;
    double both[2][SWG_MAX_CHOICES] = {{0}};
    const double *const scores = both[0], *const scores_ref = both[1];
    SWG_TRY(swg_choice_item_read(r->in->choice_format, root, where, r->in->prefix, &r->item));
    SWG_TRY(score_item(r, where, both));
    count(&r->item, scores, r->right);
    r->n++;
    if (!r->scorer_ref)
        return SWG_OK;
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

static void report_rule(const run_state *r, int rule, swg_eval_report *out)
{
    char key[64];
    const double n = (double)r->n, share = (double)r->right[rule] / n;
    swg_json_double(&out->json, rules[rule].key, share);
    snprintf(key, sizeof key, "%s_standard_error", rules[rule].key);
    swg_json_double(&out->json, key, swg_share_standard_error(share, n));
    const swg_interval interval = swg_wilson_interval(r->right[rule], r->n);
    snprintf(key, sizeof key, "%s_low", rules[rule].key);
    swg_json_double(&out->json, key, interval.low);
    snprintf(key, sizeof key, "%s_high", rules[rule].key);
    swg_json_double(&out->json, key, interval.high);
    swg_strbuf_printf(&out->text, "%-14s%.4f (%.4f to %.4f: 95 %%, Wilson)", rules[rule].title,
                      share, interval.low, interval.high);
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
    made.judgement = p >= 0.05             ? SWG_JUDGEMENT_INDISTINGUISHABLE
                     : r->gained > r->lost ? SWG_JUDGEMENT_BETTER
                                           : SWG_JUDGEMENT_WORSE;
    return made;
}

static void report_flips(const run_state *r, swg_eval_report *out)
{
    const double p = swg_mcnemar(r->gained, r->lost);
    const swg_comparison c = compare(r, p);
    swg_json_uint(&out->json, "items_gained", r->gained);
    swg_json_uint(&out->json, "items_lost", r->lost);
    swg_json_double(&out->json, "mcnemar_p", p);
    swg_json_string(&out->json, "verdict", swg_judgement_text(c.judgement));
    swg_json_double(&out->json, "smallest_detectable_accuracy_difference", c.smallest_detectable);
    swg_strbuf_printf(&out->text,
                      "flips         %llu items right only here, %llu only in the reference "
                      "(McNemar's p %.3g)\n"
                      "verdict       %s",
                      (unsigned long long)r->gained, (unsigned long long)r->lost, p,
                      swg_judgement_text(c.judgement));
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
    SWG_GO(open_records(&r));
    SWG_GO(
        swg_json_lines_each(in->path, in->bytes, in->length, "choosing", in->progress, answer, &r));
    if (r.n_read > r.n)
        SWG_GO(swg_error(SWG_CORRUPT, "%s has records of %zu items; %s has %llu", in->records->path,
                         r.n_read, in->path, (unsigned long long)r.n));
    for (int rule = 0; rule < SWG_CHOICE_RULES; rule++)
        report_rule(&r, rule, out);
    if (in->ref)
        report_flips(&r, out);
    swg_json_uint(&out->json, "items", r.n);
    swg_strbuf_printf(&out->text, "items         %llu\n", (unsigned long long)r.n);
done:
    swg_free(r.read);
    swg_choice_scorer_free(&r.scorer_ref);
    swg_choice_scorer_free(&r.scorer);
    swg_choice_item_deinit(&r.item);
    return status;
}

const swg_eval_task swg_eval_task_choice = {.name = "choice",
                                            .output = SWG_OUTPUT_NEXT_TOKEN,
                                            .source = SWG_EVAL_DATA,
                                            .takes_reference = true,
                                            .has_records = true,
                                            .run = run};
