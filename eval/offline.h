/* Throughput when all requests are there at once, as in MLPerf's offline scenario: they are
 * computed in batches, every weight once for all of a batch. */
#ifndef SWG_EVAL_OFFLINE_H
#define SWG_EVAL_OFFLINE_H

#include "eval/latency.h"

typedef struct swg_offline_options {
    size_t prompt;         /* tokens of a prompt, or of an encoder's text, >= 1 */
    size_t generate;       /* tokens generated, >= 1; encoders: 0 */
    size_t requests;       /* measured, >= 1, after one batch that is not */
    size_t batch;          /* requests computed together, >= 1; the last batch may have fewer */
    uint64_t seed;         /* of the random token ids */
    double (*clock)(void); /* seconds; swg_clock_s, or a test's */
} swg_offline_options;

typedef struct swg_offline {
    size_t requests, batches;
    double seconds;                /* of all batches */
    double requests_per_s;         /* over that time */
    double output_tokens_per_s;    /* tokens generated, over that time; 0 for encoders */
    double total_tokens_per_s;     /* tokens read and generated, over that time */
    swg_rate batch_requests_per_s; /* of single batches */
} swg_offline;

/* `exec` has min(batch, requests) sequences of prompt + generate positions; it is reset.
 * SWG_FAILED when the logits are not finite. */
swg_status swg_offline_measure(swg_exec *exec, const swg_model *model,
                               const swg_offline_options *options, const swg_progress *progress,
                               swg_offline *out);

#endif
