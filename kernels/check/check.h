/* The checker of kernels, which is also their benchmark: every variant that runs here, called
 * directly, on inputs from the operation's domain, with buffers that end (and then start) at an
 * unmapped page; its outputs must be the scalar variant's bytes, and the scalar variant's must be
 * within a derived bound of a plain double-precision computation. Nothing is timed that was not
 * checked.
 *
 *     swg_check_options options = swg_check_options_default();
 *     options.on_result = print_row;
 *     swg_check_report report;
 *     SWG_TRY(swg_kernels_check(&options, &report));
 *     if (report.n_failed) ...
 *
 * While it runs, SIGSEGV and SIGBUS are caught (a variant that leaves its buffers is a result, not
 * a crash), so only one check may run at a time, and nothing else may rely on these signals. */
#ifndef SWG_KERNELS_CHECK_CHECK_H
#define SWG_KERNELS_CHECK_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

enum { SWG_CHECK_TEXT_BYTES = 320 };

/* One variant of one operation. */
typedef struct swg_check_result {
    swg_op_id op;
    const char *isa; /* token; the candidate's name for a candidate */
    size_t n_cases;  /* checked, each with both placements of its buffers */
    size_t n_failed;
    char failure[SWG_CHECK_TEXT_BYTES];  /* first failing case; "" when none */
    char workload[SWG_CHECK_TEXT_BYTES]; /* what was timed; "" when not timed */
    double seconds;                      /* best time of one call; 0 when not timed */
    double bytes_per_s;                  /* memory the operation must move, per second */
    double ops_per_s; /* arithmetic, a multiply-add = 2, per second; 0 where none is counted */
} swg_check_result;

typedef void swg_check_callback(void *context, const swg_check_result *result);

typedef struct swg_check_options {
    size_t size;           /* of this struct */
    uint64_t seed;         /* default 1 */
    size_t cases;          /* inputs per operation: edges first, then random; default 480 */
    bool timing;           /* default false */
    double timing_seconds; /* spent on each variant; default 0.02 */
    size_t timing_tokens;  /* of the timed products; default 48, at most 64; 1 shows bandwidth */
    const swg_kernels *candidate;  /* check the rows of this table (a new variant, or one with a
                                      planted fault) instead of the built-in ones; default NULL */
    const char *candidate_name;    /* default "candidate" */
    swg_check_callback *on_result; /* called for every variant; default NULL */
    void *context;
} swg_check_options;

typedef struct swg_check_report {
    size_t n_variants, n_cases, n_failed; /* n_failed counts variants */
    char failure[SWG_CHECK_TEXT_BYTES];   /* of the first failing variant */
} swg_check_report;

swg_check_options swg_check_options_default(void);

/* Check (and time) every variant. A variant that fails is a result: it is counted in the report and
 * SWG_OK is returned. SWG_USAGE (timing_tokens), SWG_NO_MEMORY and SWG_FAILED (no guard pages) are
 * failures of the check itself. */
swg_status swg_kernels_check(const swg_check_options *options, swg_check_report *report);

#endif
