/* What `swage bench` was asked for and what it measured: cmd_bench.c measures, cmd_bench_report.c
 * prints it. Private to these two. */
#ifndef SWG_EVAL_CMD_BENCH_H
#define SWG_EVAL_CMD_BENCH_H

#include "eval/bench_profile.h"
#include "eval/bench_sweep.h"
#include "eval/energy.h"
#include "eval/latency.h"
#include "eval/load_times.h"
#include "eval/memory_use.h"
#include "eval/offline.h"
#include "eval/requests.h"
#include "kernels/limits/limits.h"
#include "runtime/cli/cli.h"
#include "runtime/session.h"

typedef struct swg_bench_arguments {
    const char *shape, *group_size, *activations, *kv_cache, *scale_type;
    const char *bits, *device, *scenario;
    const char *against, *against_isa, *batches, *depths, *format;
    int64_t prompt, generate, depth, repeats, requests, batch, chunk, seed;
    double max_ttft_ms;
    const char *pattern, *block;
    double sparsity;
    bool asymmetric, load, no_limits, kernels, profile;
} swg_bench_arguments;

/* Everything a benchmark uses and measures. */
typedef struct swg_bench {
    const swg_cli *cli;
    const swg_bench_arguments *args;
    swg_session loaded;
    swg_exec *exec;
    size_t prompt, generate; /* as measured: at most the model's number of positions */
    size_t n_requests;       /* 0: no scenario */
    size_t batch;            /* requests computed together */
    bool is_offline;
    swg_act_precision activations;
    swg_dram_limit dram;    /* zero with --no-limits */
    bool is_cached;         /* dram is of the last-level cache, which holds the weights */
    swg_compute_limit peak; /* the same; of the activations' arithmetic, int8 or f32 */
    swg_latency latency;
    swg_requests requests;     /* of scenario single-stream; else empty */
    swg_offline offline;       /* of scenario offline; else empty */
    swg_energy before, after;  /* the scenario */
    swg_load_times load_times; /* NaN where not measured */
    swg_bench_profile profile; /* empty without --profile */
    uint64_t peak_rss_bytes;   /* of loading and running, without the buffers of the limits */
    uint64_t weights_bytes, activations_bytes; /* of the program's own memory */
    swg_memory_use memory; /* at the end, while everything is held; 0 where not known */
} swg_bench;

/* Whether activations are floats, and whether the processors' limits are measured. */
bool swg_bench_is_float(const swg_bench *bench);
bool swg_bench_has_limits(const swg_bench *bench);

/* Print the figures to standard output. */
swg_status swg_bench_report_json(const swg_bench *bench);
swg_status swg_bench_report_text(const swg_bench *bench);
swg_status swg_bench_report_cases(const swg_bench *bench, const swg_sweep_options *cases,
                                  const swg_sweep *sweep);

#endif
