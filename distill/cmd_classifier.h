/* What `swage train` and `swage distill` have in common when labelled texts are given: training a
 * classifier, from files to files. */
#ifndef SWG_DISTILL_CMD_CLASSIFIER_H
#define SWG_DISTILL_CMD_CLASSIFIER_H

#include "distill/cmd_training.h"
#include "distill/student.h"

typedef struct swg_classifier_arguments {
    const char *data, *eval_data;
    int64_t epochs;
} swg_classifier_arguments;

/* The rate when none is given: small for what was trained before, larger for small models. */
#define SWG_CLASSIFIER_RATES "0.00005 or, for recurrent models, 0.001"

/* Rows of an option table for a swg_classifier_arguments that is the field `labelled` of `type`. */
#define SWG_CLASSIFIER_OPTIONS(type)                                                               \
    SWG_OPTION_STRING(type, labelled.data, 0, "data", "FILE",                                      \
                      "train a classifier on the lines {\"text\": ..., \"label\": ...} of this "   \
                      "file, instead of --text"),                                                  \
        SWG_OPTION_STRING(type, labelled.eval_data, 0, "eval-data", "FILE",                        \
                          "lines that every epoch is judged by: the best weights are kept"),       \
        SWG_OPTION_INT(type, labelled.epochs, 0, "epochs", "N", 0, 1 << 20, "0",                   \
                       "with --data: passes over its lines")

/* Rows of its table of needs. */
#define SWG_CLASSIFIER_NEEDS                                                                       \
    {"eval-data", "data"},                                                                         \
    {                                                                                              \
        "epochs", "data"                                                                           \
    }

typedef struct swg_classifier_request {
    const swg_cli *cli;
    const char *command; /* for the history */
    const swg_classifier_arguments *labelled;
    const swg_training_arguments *training;
    const char *output;
    bool force;
    int level;
    swg_source *start;                 /* what the classifier is made of */
    swg_source *origin;                /* whose files are hashed and whose history goes on */
    swg_source *teacher;               /* a classifier, or NULL */
    const swg_student_choice *student; /* of a teacher, or NULL */
    double kl, ce, temperature;        /* of a teacher; ce is 1 without */
} swg_classifier_request;

/* SWG_USAGE when with --data options are given that do not belong to it, like a number of steps. */
swg_status swg_classifier_check(const swg_classifier_arguments *labelled,
                                const swg_training_arguments *training);

/* Train, write the output and print the result. */
swg_status swg_classifier_run(const swg_classifier_request *request);

#endif
