/* Evaluation tasks: what a model is measured by. A task is for models of one kind of output, reads
 * one kind of input, and reports figures; eval/tasks.def lists them all. */
#ifndef SWG_EVAL_TASK_H
#define SWG_EVAL_TASK_H

#include <stdbool.h>
#include <stddef.h>

#include "eval/choice_item.h"
#include "eval/records.h"
#include "eval/swaps.h"
#include "eval/text_prep.h"
#include "eval/windows.h"
#include "runtime/base/progress.h"
#include "runtime/base/json_writer.h"
#include "runtime/exec.h"
#include "runtime/session.h"

typedef enum swg_eval_source {
    SWG_EVAL_TEXT, /* a text, cut into windows by a protocol */
    SWG_EVAL_DATA  /* items, one JSON object per line */
} swg_eval_source;

/* What task sensitivity needs besides. */
typedef struct swg_eval_swap {
    const char *model_path, *ref_path; /* tensors are read from both again */
    swg_swap_direction direction;
    bool by_layer;
    const char *results; /* file that a record is appended to; may be NULL */
} swg_eval_swap;

typedef struct swg_eval_input {
    const swg_session *loaded; /* with tokenizer */
    const swg_session *ref;    /* what it is compared with; NULL = nothing */
    const char *path;         /* of the text or data, for messages */
    const char *bytes;        /* [length] its contents */
    size_t length;
    const swg_prepared_text *prepared; /* texts: what `bytes` are of */
    swg_text_prep prep;
    swg_protocol protocol; /* for texts */
    size_t context;        /* longest window or item in tokens; 0 = by protocol and model */
    size_t stride;         /* tokens between windows that overlap; 0 = by protocol */
    size_t max_tokens;     /* of the text to use; 0 = all */
    swg_choice_format choice_format; /* of multiple-choice data */
    const char *prefix;              /* text before every context of such data; "" for none */
    swg_act_precision activations;
    swg_kv_type kv_type;          /* of the model; what it is compared with has floats */
    const swg_progress *progress; /* may be NULL */
    swg_eval_swap swap;
    swg_records *records; /* begun, with what the model and the text are; NULL = no file of them */
} swg_eval_input;

/* What a task writes its figures to: members of an open JSON object, and lines of text. */
typedef struct swg_eval_report {
    swg_json_writer json;
    swg_strbuf text;
    double kld_mean, perplexity_increase; /* for gates: relative to the reference's; NaN where they
                                             were not measured */
} swg_eval_report;

typedef struct swg_eval_task {
    const char *name;
    swg_output_kind output; /* of the models it is for */
    swg_eval_source source;
    bool needs_reference; /* compares with another model */
    bool takes_reference; /* measures one model, or compares it with another one */
    bool has_records;     /* writes a record of every window or item */
    swg_status (*run)(const swg_eval_input *input, swg_eval_report *report);
} swg_eval_task;

/* The task and protocol for a model whose output is `output`: those asked for by name, or (NULL)
 * the first that fit it and, with `has_reference`, compare with one. `protocol` is written for
 * texts only. SWG_USAGE for unknown names, for a task that reads the other source, and for a
 * protocol without a text; SWG_UNSUPPORTED, naming what to use instead, for those of other models.
 */
swg_status swg_eval_choose(const char *task_name, const char *protocol_name, swg_eval_source source,
                           bool has_reference, swg_output_kind output, const swg_eval_task **task,
                           swg_protocol *protocol);

#endif
