/* A model's weights and the parts of its forward pass in double precision, for tests that compare a
 * step of training with a reference: gradients are central differences, the step is AdamW's
 * formula. Sizes are those of the tests' own small models. */
#ifndef SWG_TESTS_DISTILL_DOUBLE_MODEL_H
#define SWG_TESTS_DISTILL_DOUBLE_MODEL_H

#include "distill/distill.h"
#include "quantize/plan.h"
#include "runtime/model.h"

enum { WIDTH = 8, FF = 12, HEADS = 4, DIM = WIDTH / HEADS, LONGEST = 6, MOST_NUMBERS = 4096 };

/* All numbers of a model in w [MOST_NUMBERS], in the order of its weights; returns how many. A head
 * that is the embedding is not one. The functions below find weights as the last call placed them.
 */
size_t double_read(const swg_model *model, double *w);

/* A weight's numbers, or NULL: the model has none. */
const double *double_find(const double *w, swg_role role, size_t layer, bool is_bias);

/* y [n] = W x [k] (+ b) */
void double_linear(const double *w, swg_role role, size_t layer, const double *x, size_t k,
                   size_t n, double *y);

/* A layer norm where there is a bias, else a root-mean-square norm; y may be x. */
void double_norm(const double *w, swg_role role, size_t layer, double eps, const double *x,
                 double *y);

/* Attention of a query over `n` keys and values [n][WIDTH], of which n_kv * DIM columns are used.
 */
void double_attend(const double *q, const double (*k)[WIDTH], const double (*v)[WIDTH], size_t n,
                   size_t n_kv, double *y);

/* AdamW's first step with the gradient of loss(w); returns its norm before it is scaled. */
double double_step(double *w, double (*loss)(const double *w), const swg_distill_options *how);

/* Every number of a checkpoint that is made in memory random, norms near 1: all of them matter. */
void double_randomize(swg_source *source);

/* A step of training that is compared with the reference. */
typedef struct double_trial {
    swg_source *source;
    swg_tensor_desc *descs;
    swg_plan plan;
    swg_trainer *trainer;
    swg_distill_options options; /* of one step on cross-entropy alone; its log keeps the record */
    swg_distill_record record;
    double w[MOST_NUMBERS]; /* before the step */
} double_trial;

/* A trainer of a new model of that config.json, and the options of its step. */
void double_begin(double_trial *trial, const char *config, const swg_trainer_options *how);

/* The trainer has made the step: compare its loss, gradient and weights with those of `loss`. */
void double_compare(double_trial *trial, double (*loss)(const double *w));
void double_end(double_trial *trial);

#endif
