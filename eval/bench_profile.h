/* `swage bench --profile`: where the time of a prefill and of decoding goes, operation by
 * operation, beside the machine's limits. */
#ifndef SWG_EVAL_BENCH_PROFILE_H
#define SWG_EVAL_BENCH_PROFILE_H

#include "runtime/base/json_writer.h"
#include "runtime/exec_profile.h"

/* One of the two phases. */
typedef struct swg_phase_profile {
    size_t tokens;         /* 0 = not measured */
    double seconds;        /* of the whole, with what lies between operations */
    swg_profile_row *rows; /* [n_rows], the slowest first */
    size_t n_rows;
} swg_phase_profile;

typedef struct swg_bench_profile {
    swg_phase_profile prefill, decode;
} swg_bench_profile;

/* Time `prompt` tokens read at once, and `generate` tokens decoded one by one behind `depth`
 * others; each after one run that is not counted. The execution is reset. What swg_profile_start
 * and running return. Free with swg_bench_profile_deinit. */
swg_status swg_bench_profile_measure(swg_exec *exec, const swg_model *model, size_t prompt,
                                     size_t generate, size_t depth, swg_bench_profile *out);
void swg_bench_profile_deinit(swg_bench_profile *profile);

/* The tables, beside the DRAM read rate (bytes/s) and the arithmetic peak (operations/s); 0 where a
 * limit is not known. */
void swg_bench_profile_print(const swg_bench_profile *profile, double dram, double peak,
                             swg_strbuf *out);

/* Member "profile" of the open object: {"prefill": {"tokens", "seconds", "operations": [...]},
 * "decode": ...}; null where there is none. */
void swg_bench_profile_write(const swg_bench_profile *profile, swg_json_writer *json);

#endif
