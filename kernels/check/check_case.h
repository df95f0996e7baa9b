/* Shared by the files of the kernel checker: one input of one operation, as buffers and sizes, and
 * how an operation is checked. */
#ifndef SWG_KERNELS_CHECK_CHECK_CASE_H
#define SWG_KERNELS_CHECK_CHECK_CASE_H

#include "kernels/check/check.h"
#include "runtime/base/mem.h"
#include "runtime/base/rng.h"

enum { SWG_CHECK_BUFFERS = 8, SWG_CHECK_QUERIES = 16, SWG_CHECK_KEYS = 600, SWG_CHECK_RUNS = 8 };

typedef enum swg_check_role { CHECK_IN, CHECK_OUT, CHECK_SCRATCH } swg_check_role;

/* An argument in memory. CHECK_OUT is compared as a whole: bytes that the operation must not write
 * keep their initial value. */
typedef struct swg_check_buffer {
    const char *name;
    swg_check_role role;
    size_t bytes;
    void *initial; /* the case's arena */
} swg_check_buffer;

/* Each operation's generator says which buffers it has. */
typedef struct swg_check_case {
    swg_op_id op;
    swg_check_buffer buffers[SWG_CHECK_BUFFERS];
    size_t n_buffers;
    swg_arena arena;
    swg_rng *rng;
    size_t n, k, m, group;    /* elements; columns; tokens or queries; group */
    swg_packed w;             /* panels: the address of buffer 0 when it runs */
    size_t row_begin, n_rows; /* packing, dequantizing */
    size_t panel_begin, panel_end, stride, y_stride; /* products; key stride of attention */
    uint32_t key_begin[SWG_CHECK_QUERIES], key_end[SWG_CHECK_QUERIES];
    size_t n_runs, run_first[SWG_CHECK_RUNS + 1]; /* run r holds keys run_first[r] .. [r + 1] - 1 */
    float eps, scale;
    swg_kv_type kv_type; /* of attention's keys and values */
    swg_sparse_kind sparse_kind;
    bool in_place;
    double ops, bytes; /* of one call, for timing */
    char text[160];    /* "n 17, tiny" */
} swg_check_case;

/* How one operation is checked: swg_check__<op>, defined in its subject's file. */
typedef struct swg_op_check {
    /* Fill `c` (zeroed but for op, rng and, for timing, the tokens m) with input `index`: edges
     * first, then random. With `for_timing` the input is the operation's usual size. */
    swg_status (*generate)(swg_check_case *c, size_t index, bool for_timing);
    /* Call the operation of `kernels` with the buffers at these addresses. */
    void (*invoke)(const swg_check_case *c, const swg_kernels *kernels, void *const at[]);
    /* Compare the scalar variant's outputs at these addresses with a plain computation in double
     * precision from c's initial buffers, which shares no code with the kernels. They may differ by
     * the number of the operation's roundings times half a unit in the last place (CHECK_EPS) times
     * the sum of the magnitudes that are rounded. False with a sentence in `failure`. */
    bool (*reference)(const swg_check_case *c, void *const at[],
                      char failure[SWG_CHECK_TEXT_BYTES]);
} swg_op_check;

#define SWG_OP(name, result, arguments) extern const swg_op_check swg_check__##name;
#include "kernels/ops.def"
#undef SWG_OP

#endif
