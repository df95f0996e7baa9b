/* swage bench --kernels: every kernel checked, then timed, by the driver the tests use. */
#ifndef SWG_EVAL_CMD_BENCH_KERNELS_H
#define SWG_EVAL_CMD_BENCH_KERNELS_H

#include "runtime/cli/cli.h"

/* Prints a table (or --json) of every variant of every operation on this machine. SWG_FAILED when
 * one disagrees with the scalar definition. */
swg_status swg_bench_kernels(const swg_cli *cli, uint64_t seed);

#endif
