/* What tasks on a text have in common: windows, an execution, a mean over the scored tokens, and
 * the details without which the figure means nothing. */
#ifndef SWG_EVAL_TEXT_TASK_H
#define SWG_EVAL_TEXT_TASK_H

#include "eval/nll.h"
#include "eval/task.h"

typedef struct swg_text_score {
    swg_status (*measure)(const swg_eval_input *input, swg_exec *exec, const swg_windows *windows,
                          swg_window_records *records, swg_score *out);
    double sign; /* of the mean reported: 1 = negative log-likelihood, -1 = log-likelihood */
    const char *exp_key, *mean_key, *error_key; /* JSON: exp(mean_nll), the mean, its error */
    const char *exp_title, *mean_title;
} swg_text_score;

/* Cut the text by the input's protocol, measure and report. */
swg_status swg_eval_text(const swg_eval_input *input, const swg_text_score *score,
                         swg_eval_report *report);

/* Its parts: cut the text, and report how it was cut, without which a figure means nothing. The
 * caller frees the windows with swg_windows_deinit. */
swg_status swg_eval_windows(const swg_eval_input *input, swg_windows *out);
void swg_eval_report_windows(const swg_eval_input *input, const swg_windows *windows,
                             uint64_t tokens_scored, swg_eval_report *report);

/* SWG_UNSUPPORTED, with both sizes, when the reference has another vocabulary. */
swg_status swg_eval_check_vocabularies(const swg_eval_input *input);

/* Into the head of records: what the windows are and how they were cut. */
void swg_eval_write_windows(const swg_eval_input *input, const swg_windows *windows,
                            swg_json_writer *head);

/* The file of records, if the input asks for one; else *out is NULL. */
swg_status swg_eval_open_records(const swg_eval_input *input, const swg_windows *windows,
                                 swg_window_records **out);

#endif
