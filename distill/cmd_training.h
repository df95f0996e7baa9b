/* What the commands that train have in common: the options of the optimizer and the loop, the log
 * and the progress that they print. */
#ifndef SWG_DISTILL_CMD_TRAINING_H
#define SWG_DISTILL_CMD_TRAINING_H

#include "distill/distill.h"
#include "runtime/cli/cli.h"

typedef struct swg_training_arguments {
    const char *log;
    int64_t window, steps, batch, accumulate, held_out, judge_every, save_every, warm_up, seed;
    double minutes, rate, final_rate, decay;
    bool resume, checkpoints;
    int64_t rank;
    double alpha;
    swg_string_list adapted, frozen;
} swg_training_arguments;

/* Rows of an option table for a swg_training_arguments that is the field `training` of `type`. */
#define SWG_TRAINING_OPTIONS(type, rate_note, usual_decay, usual_held_out)                         \
    SWG_OPTION_INT(type, training.window, 0, "window", "N", 0, 1 << 20, "0",                       \
                   "tokens read together; 0 = 512, or the model's positions if those are fewer"),  \
        SWG_OPTION_INT(type, training.steps, 0, "steps", "N", 0, 1 << 30, "0",                     \
                       "steps to train for; the result is then the same every time"),              \
        SWG_OPTION_DOUBLE(type, training.minutes, 0, "minutes", "N", 0, 1e6, "0",                  \
                          "minutes to train for, instead or at most"),                             \
        SWG_OPTION_INT(type, training.batch, 0, "batch", "N", 1, 4096, "4",                        \
                       "windows that run forward and backward together"),                          \
        SWG_OPTION_INT(type, training.accumulate, 0, "accumulate", "N", 1, 4096, "1",              \
                       "batches per step, whose gradients are added"),                             \
        SWG_OPTION_FLAG(type, training.checkpoints, 0, "checkpoint-activations",                   \
                        "run layers again for their gradients instead of keeping what they "       \
                        "computed: less memory, and slower"),                                      \
        SWG_OPTION_DOUBLE(type, training.rate, 0, "rate", "R", 0, 1, "0",                          \
                          "rate of the optimizer (AdamW) after its warm-up; 0 = " rate_note),      \
        SWG_OPTION_DOUBLE(type, training.final_rate, 0, "final-rate", "F", 0, 1, "0.1",            \
                          "fraction of the rate that a cosine falls to; 1 = a constant rate"),     \
        SWG_OPTION_INT(type, training.warm_up, 0, "warm-up", "N", 0, 1 << 30, "20",                \
                       "steps over which the rate rises"),                                         \
        SWG_OPTION_DOUBLE(type, training.decay, 0, "weight-decay", "D", 0, 10, usual_decay,        \
                          "decoupled decay of matrices"),                                          \
        SWG_OPTION_INT(type, training.held_out, 0, "held-out", "N", 0, 1 << 20, "0",               \
                       "windows at the text's end to judge by; 0 = " usual_held_out),              \
        SWG_OPTION_INT(type, training.judge_every, 0, "judge-every", "N", 0, 1 << 30, "0",         \
                       "steps between two judgements; the best weights are kept; 0 = 50"),         \
        SWG_OPTION_INT(type, training.save_every, 0, "save-every", "N", 0, 1 << 30, "200",         \
                       "steps after which what --resume needs is saved beside the output; "        \
                       "0 = only when interrupted"),                                               \
        SWG_OPTION_FLAG(                                                                           \
            type, training.resume, 0, "resume",                                                    \
            "continue a training that was stopped: with the same arguments the result "            \
            "is what it would have been"),                                                         \
        SWG_OPTION_INT(type, training.seed, 0, "seed", "N", 0, INT64_MAX, "0",                     \
                       "of the order of the windows, and of weights that training begins with"),   \
        SWG_OPTION_INT(type, training.rank, 0, "lora-rank", "R", 0, 4096, "0",                     \
                       "train only low-rank adapters of this rank, merged into the weights at "    \
                       "the end; 0 = train the weights themselves"),                               \
        SWG_OPTION_DOUBLE(type, training.alpha, 0, "lora-alpha", "A", 0, 1e6, "0",                 \
                          "an adapter counts A / R times; 0 = twice the rank"),                    \
        {.kind = SWG_OPTION_IS_LIST,                                                               \
         .name = "lora-target",                                                                    \
         .metavar = "PATTERN",                                                                     \
         .help = "matrices with matching names get adapters (may be repeated; default: every "     \
                 "matrix of every layer)",                                                         \
         .offset = offsetof(type, training.adapted)},                                              \
        {.kind = SWG_OPTION_IS_LIST,                                                               \
         .name = "freeze",                                                                         \
         .metavar = "PATTERN",                                                                     \
         .help = "tensors with matching names stay as they are (may be repeated)",                 \
         .offset = offsetof(type, training.frozen)},                                               \
        SWG_OPTION_STRING(type, training.log, 0, "log", "FILE",                                    \
                          "write one JSON object per step; --force replaces an existing file")

/* Rows of its table of needs. */
#define SWG_TRAINING_NEEDS                                                                         \
    {"lora-alpha", "lora-rank"},                                                                   \
    {                                                                                              \
        "lora-target", "lora-rank"                                                                 \
    }

/* What a command prints while it trains. */
typedef struct swg_training_log {
    const swg_cli *cli;
    FILE *file; /* NULL: no log */
    bool has_teacher;
    bool is_of_classifier, is_judged; /* ... by other texts */
    swg_memory_need need;             /* known when the first step begins */
} swg_training_log;

/* Members of an open object: what the training was to take, and what the process took. */
void swg_training_log_write_memory(const swg_training_log *log, swg_json_writer *json);

/* Put what is usual for texts where 0 was left. */
void swg_training_settle(swg_training_arguments *arguments, double usual_rate,
                         int64_t usual_held_out);

/* SWG_USAGE when neither steps nor minutes were given. */
swg_status swg_training_check(const swg_training_arguments *arguments);

/* What of a trainer's options the arguments say. */
void swg_training_set(const swg_training_arguments *arguments, swg_trainer_options *out);

/* SWG_USAGE when the log exists and is neither continued nor, by `force`, replaced; SWG_IO when it
 * cannot be written. */
swg_status swg_training_log_open(const swg_training_arguments *arguments, const swg_cli *cli,
                                 bool force, bool has_teacher, swg_training_log *out);
void swg_training_log_close(swg_training_log *log);

/* Members of an open object that say what of the arguments a result depends on; the second writes
 * those alone that say which weights are trained. */
void swg_training_write(const swg_training_arguments *arguments, swg_json_writer *json);
void swg_training_write_trained(const swg_training_arguments *arguments, swg_json_writer *json);

/* A training on its way to an output. Zero-initialise to start. */
typedef struct swg_training {
    const swg_training_arguments *arguments;
    const char *output;
    char *state;              /* "OUT.swage-resume" */
    swg_json_writer settings; /* what the result depends on, as one compact object */
    swg_training_log log;
    swg_distill_result result;
} swg_training;

/* The loop's options as the training says, whose settings are complete; text, pool and losses are
 * left to set. SWG_NO_MEMORY. */
swg_status swg_training_begin(swg_training *training, swg_distill_options *out);

/* What a trainer writes: views of the command's own. */
typedef struct swg_training_output {
    const char *path, *provenance;
    bool force; /* an existing output is replaced */
    int level;  /* of zstd; 0 = the container's default */
    swg_pool *pool;
    const swg_sink_meta *meta;
    const swg_tensor_desc *tensors; /* [n_tensors] */
    size_t n_tensors;
} swg_training_output;

/* Whether the output's format can hold what will be trained, before it is; `provenance` may be
 * NULL.
 */
swg_status swg_training_check_output(const swg_training_output *output);

/* Write the trained weights to the output, whole or not at all; *bytes = its size. */
swg_status swg_training_write_output(swg_trainer *trainer, const swg_training_output *output,
                                     uint64_t *bytes);

/* After the output was written, or could not be: `status` is that of the loop, and what the command
 * returns. The state is removed when training is over; when it diverged, the sentence says which
 * weights were written. */
swg_status swg_training_end(swg_training *training, swg_status status);
void swg_training_deinit(swg_training *training);

/* Whether there is something to write after the loop returned `status`: all went well, or it
 * diverged after weights that are better than the first. */
bool swg_training_has_result(const swg_training *training, swg_status status);

#endif
