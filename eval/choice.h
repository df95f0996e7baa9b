/* Multiple choice by log-likelihood, scored as lm-evaluation-harness does. */
#ifndef SWG_EVAL_CHOICE_H
#define SWG_EVAL_CHOICE_H

#include "eval/choice_item.h"
#include "runtime/exec.h"
#include "runtime/session.h"

/* Scores a model gives to the choices of an item: sums of the log-probabilities of their endings'
 * tokens, nats. The ending's tokens are those that the whole text has after as many as the context
 * alone has; white space at the context's end counts to the ending. An empty context is BOS, or the
 * end of text where the tokenizer has no BOS. */
typedef struct swg_choice_scorer swg_choice_scorer;

/* `context` is the longest text in tokens, 0 = the model's positions. The session must outlive the
 * scorer, which computes with its pool. SWG_UNSUPPORTED for models that do not predict tokens. */
swg_status swg_choice_scorer_new(const swg_session *loaded, const swg_tokenizer *tokenizer,
                                 size_t context, swg_act_precision activations, swg_kv_type kv_type,
                                 swg_choice_scorer **out);
void swg_choice_scorer_free(swg_choice_scorer **scorer);

/* scores [n_choices]. Parts of a text that was scored before are not computed again. SWG_LIMIT
 * naming `where` for a text longer than the context, SWG_CORRUPT for an ending without tokens,
 * SWG_FAILED for logits that are not finite. */
swg_status swg_choice_score(swg_choice_scorer *scorer, const swg_choice_item *item,
                            const char *where, double *scores);

/* The three rules by which a choice is picked: the largest sum, sum per character, sum per byte;
 * the first among equals. */
typedef enum swg_choice_rule {
    SWG_CHOICE_BY_SUM,
    SWG_CHOICE_BY_CHARACTER,
    SWG_CHOICE_BY_BYTE,
    SWG_CHOICE_RULES
} swg_choice_rule;
size_t swg_choice_pick(const swg_choice_item *item, const double *scores, swg_choice_rule rule);

#endif
