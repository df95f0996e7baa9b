/* The training loop: a student learns to predict what a teacher predicts, or what follows in the
 * text, on windows of a text in an order drawn anew for every pass, with the last windows held out
 * to judge by. The weights of the best judgement are what remains. */
#ifndef SWG_DISTILL_DISTILL_H
#define SWG_DISTILL_DISTILL_H

#include "distill/losses.h"
#include "distill/memory_need.h"
#include "distill/teacher_cache.h"
#include "distill/trainer.h"
#include "runtime/base/progress.h"

/* One line of the log. */
typedef struct swg_distill_record {
    uint64_t step;
    double rate;
    double loss;          /* mean per token over the step */
    double gradient_norm; /* before scaling */
    double seconds, tokens_per_s;
    bool is_judged;               /* the three below are known */
    double kld, nll, nll_teacher; /* means per token of the held-out windows, nats; kld and
                                     nll_teacher are 0 without a teacher */
    double epoch, accuracy, macro_f1; /* of classifiers (classify_texts.h) */
    bool is_best;
} swg_distill_record;

typedef struct swg_distill_options {
    size_t size;    /* of this struct */
    swg_pool *pool; /* default NULL; also the trainer's */
    const swg_progress *progress;
    const int32_t *ids; /* [n_windows][window] */
    size_t n_windows, window;
    size_t held_out;      /* of them, the last; at least 1 */
    uint64_t steps;       /* at most; 0 = no limit but the seconds */
    double seconds;       /* at most; 0 = no limit but the steps */
    size_t batch;         /* windows that run forward and backward together */
    size_t accumulate;    /* batches whose gradients are added for a step */
    double rate, warm_up; /* of the optimizer; steps over which it rises */
    double final_rate;    /* the fraction of the rate that a cosine ends at */
    swg_adamw adamw;
    double weights[SWG_LOSS_COUNT]; /* of the losses */
    double temperature;
    const swg_teacher_cache *cache; /* default NULL; of these windows: the teacher's predictions */
    uint64_t seed;
    uint64_t judge_every; /* steps */
    const char *state;    /* file to save to what training continues from; default NULL: none */
    const char *identity; /* what the result depends on, as a text that is saved with it */
    uint64_t save_every;  /* steps; it is saved on an interruption too */
    bool resume;          /* continue from the state */
    void (*planned)(void *context, const swg_memory_need *need); /* of log_context: before all
                                                                    steps */
    void (*resumed)(void *context, uint64_t step); /* of log_context: after so many steps */
    void (*log)(void *context, const swg_distill_record *record);
    void *log_context;
} swg_distill_options;
swg_distill_options swg_distill_options_default(void);

/* What came of it. */
typedef struct swg_distill_result {
    uint64_t steps, tokens;
    swg_distill_record first, best; /* judgements before training, and of what remains */
    double seconds;
} swg_distill_result;

/* Train. `teacher` has the student's vocabulary (SWG_USAGE otherwise, with both sizes); NULL: its
 * predictions are in a cache, or only losses that need none have a weight (SWG_USAGE otherwise; a
 * cache has no rows between layers). SWG_FAILED
 * when the loss or a gradient stops being finite, or exceeds ten times that of the first step:
 * naming step and rate; the trainer then has the best weights so far, which *out describes. On
 * SWG_INTERRUPTED too.
 *
 * Resumed, it goes on as if it had not been stopped: weights and judgements are the same bits.
 * SWG_USAGE when the state was saved with another identity, or the model and teacher at its
 * beginning were others. */
swg_status swg_distill(swg_trainer *trainer, const swg_model *teacher,
                       const swg_distill_options *options, swg_distill_result *out);

#endif
