/* Losses of one position and their slopes by the student's logits, or by a row between its layers.
 * losses.def lists them.
 *
 *   kl   T^2 KL(p || q), p and q the softmax of the teacher's and the student's logits over T
 *        (Hinton et al. 2015, arXiv 1503.02531): slope T (q - p)
 *   ce   -log q[target] at T = 1: slope q - (1 at the target)
 *   hidden_mse      mean of (x - y)^2 over the n columns: slope 2 (x - y) / n
 *   attention_mse   the same of a query's n scores (Jiao et al. 2020, TinyBERT, arXiv 1909.10351)
 *   hidden_cosine   1 - xy / (|x| |y|): slope (x xy / |x|^2 - y) / (|x| |y|); 1 where a row is 0 */
#ifndef SWG_DISTILL_LOSSES_H
#define SWG_DISTILL_LOSSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum swg_loss {
#define SWG_LOSS(name, domain, meaning) SWG_LOSS_##name,
#include "distill/losses.def"
#undef SWG_LOSS
    SWG_LOSS_COUNT
} swg_loss;

/* A prediction of which the likeliest tokens alone are known. */
typedef struct swg_top_k {
    size_t k;
    const int32_t *ids; /* [k], each once */
    const float *p;     /* [k] their probabilities */
    float rest;         /* the probability of all other tokens together */
} swg_top_k;

/* What a position is judged by. */
typedef struct swg_loss_input {
    size_t n;             /* logits, columns of a row, or scores */
    const float *student; /* [n] */
    const float *teacher; /* [n]; not needed by ce, nor with `top` */
    const swg_top_k *top; /* what kl compares with instead of the teacher's logits, at the
                             temperature: the tokens that are not in it count as one; or NULL */
    int32_t target;       /* the token that follows, or -1: not known, and ce is 0 */
    double temperature;   /* > 0 */
    float *work;          /* [2][n] for kl and ce, whose contents are lost */
} swg_loss_input;

/* The loss in nats; adds weight times its slope to slopes [n] unless that is NULL. slopes must not
 * be the student's numbers. */
typedef double swg_loss_function(const swg_loss_input *input, double weight, float *slopes);

#define SWG_LOSS(name, domain, meaning) swg_loss_function swg_loss_##name;
#include "distill/losses.def"
#undef SWG_LOSS

/* p [n] = softmax(x / t); returns the logarithm of the sum of exp(x / t), to the accuracy of
 * floats.
 */
double swg_loss_softmax(const float *x, size_t n, double t, float *p);

/* The function of a loss, and what it compares. */
typedef enum swg_loss_domain {
    SWG_LOSS_OF_LOGITS,
    SWG_LOSS_OF_ROWS,
    SWG_LOSS_OF_SCORES
} swg_loss_domain;
swg_loss_function *swg_loss_of(swg_loss loss);
swg_loss_domain swg_loss_domain_of(swg_loss loss);

/* Whether a loss of that domain has a weight. */
bool swg_loss_is_wanted(const double weights[SWG_LOSS_COUNT], swg_loss_domain domain);

#endif
