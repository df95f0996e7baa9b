/* `swage bench` over several cases: models or instruction sets side by side, batch sizes, depths of
 * context. All cases of all sides are measured in turn, round after round, so that what the machine
 * does meanwhile - other work, other clocks - meets them all alike, and ratios are taken within a
 * round. */
#ifndef SWG_EVAL_BENCH_SWEEP_H
#define SWG_EVAL_BENCH_SWEEP_H

#include "runtime/base/json_writer.h"
#include "runtime/base/progress.h"
#include "runtime/exec.h"

enum { SWG_SWEEP_SIDES = 2, SWG_SWEEP_SIZES = 16 };

/* A model, and the instruction set that caps its kernels. */
typedef struct swg_sweep_side {
    const char *name;
    const char *isa; /* as in SWAGE_ISA; NULL = that variable as it is */
    const swg_model *model;
    swg_pool *pool;
} swg_sweep_side;

typedef struct swg_sweep_sizes {
    size_t items[SWG_SWEEP_SIZES];
    size_t count;
} swg_sweep_sizes;

typedef struct swg_sweep_options {
    swg_sweep_side sides[SWG_SWEEP_SIDES];
    size_t n_sides;
    size_t prompt;           /* tokens of a prefill; 0 = none is measured */
    size_t generate;         /* steps of decoding; 0 = none is measured */
    size_t rounds;           /* >= 1, after one that is not counted */
    swg_sweep_sizes batches; /* sequences that are decoded together */
    swg_sweep_sizes depths;  /* tokens in each one's cache before */
    size_t chunk;
    swg_act_precision activations;
    swg_kv_type kv_type;
    uint64_t seed;
} swg_sweep_options;

/* A median, and the least and largest value. */
typedef struct swg_sweep_value {
    double median, least, most;
} swg_sweep_value;

/* One case of one side. */
typedef struct swg_sweep_row {
    size_t side;
    size_t batch;          /* 0: prefill */
    size_t depth;          /* tokens before; of prefill: of the prompt */
    double bytes;          /* that a step reads: weights, keys and values; 0 for prefill */
    swg_sweep_value rate;  /* tokens/s of all sequences together */
    swg_sweep_value ratio; /* to the first side's, in the same round; 1 for the first side */
    swg_sweep_value scale; /* to the same side's first batch size, in the same round */
} swg_sweep_row;

typedef struct swg_sweep {
    swg_sweep_row *rows; /* [n_rows] */
    size_t n_rows;
} swg_sweep;

/* "1,2,4" to numbers, within [least, most]; SWG_USAGE, naming `option`. */
swg_status swg_sweep_parse(const char *option, const char *text, size_t least, size_t most,
                           swg_sweep_sizes *out);

/* Apply the cap of a side until swg_sweep_uncap: models and executions choose their kernels when
 * they are made. Not to be called while other threads run. */
typedef struct swg_sweep_cap {
    char *before; /* owned; NULL where the variable was not set */
    bool is_set;
} swg_sweep_cap;
swg_status swg_sweep_cap_isa(const char *isa, swg_sweep_cap *out);
void swg_sweep_uncap(swg_sweep_cap *cap);

/* Free with swg_sweep_deinit. SWG_UNSUPPORTED for encoders; what executions return. */
swg_status swg_sweep_measure(const swg_sweep_options *options, const swg_progress *progress,
                             swg_sweep *out);
void swg_sweep_deinit(swg_sweep *sweep);

/* The rows as an aligned table, "csv" or "markdown"; `dram` is the DRAM read rate in bytes/s, 0
 * where it is not known. In JSON: member "cases" of the open object. */
void swg_sweep_print(const swg_sweep_options *options, const swg_sweep *sweep, double dram,
                     const char *format, swg_strbuf *out);
void swg_sweep_write(const swg_sweep_options *options, const swg_sweep *sweep, double dram,
                     swg_json_writer *json);

#endif
