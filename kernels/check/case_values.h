/* What the checks of operations share: sizes on the edges of vectors, panels and groups, values
 * from an operation's domain, buffers, and the comparison with double precision. */
#ifndef SWG_KERNELS_CHECK_CASE_VALUES_H
#define SWG_KERNELS_CHECK_CASE_VALUES_H

#include "kernels/check/check_case.h"

enum { CHECK_TIMED_ELEMENTS = 16384, CHECK_TIMED_ROW = 2048 };

/* --- Sizes --- */

/* A random number below n. */
size_t swg_check_below(swg_rng *rng, size_t n);
/* The size of case `index`: the edges in order, then random sizes up to `largest`. */
size_t swg_check_size(swg_check_case *c, size_t index, size_t largest);
/* A random edge up to `largest`, for the sizes that are not the main one of a case. */
size_t swg_check_edge(swg_check_case *c, size_t largest);

/* --- Values --- */

typedef enum swg_check_flavour {
    CHECK_NORMAL,
    CHECK_ZEROS,
    CHECK_TIES,
    CHECK_OUTLIER,
    CHECK_TINY,
    CHECK_LARGE,
    CHECK_FLAVOURS
} swg_check_flavour;

const char *swg_check_flavour_name(swg_check_flavour kind);
/* Normal for even input numbers and for timing, any flavour for odd ones. */
swg_check_flavour swg_check_any_flavour(swg_check_case *c, size_t index, bool for_timing);
/* Values of the flavour; none exceeds about 5 * large in magnitude, none is NaN. */
void swg_check_fill(swg_check_case *c, float *x, size_t n, swg_check_flavour kind, float large);

/* --- Buffers --- */

/* Append a buffer of `bytes` bytes and set *out, a pointer of any type, to its initial value: zeros
 * for inputs, a pattern for outputs. SWG_NO_MEMORY. */
swg_status swg_check_add_buffer(swg_check_case *c, const char *name, swg_check_role role,
                                size_t bytes, void *out);
/* The case's text: "n 17, tiny, in place". */
void swg_check_describe(swg_check_case *c, swg_check_flavour kind);

/* --- Reference --- */

#define CHECK_EPS      0x1p-24  /* relative error of one rounding to float */
#define CHECK_DENORMAL 0x1p-149 /* its absolute error near zero */

/* The contents of buffer number `buffer` before the call. */
const void *swg_check_initial(const swg_check_case *c, size_t buffer);
/* Whether got is within bound of wanted; if not, a sentence in `failure`. */
bool swg_check_near(double got, double wanted, double bound, const char *what, size_t index,
                    char failure[SWG_CHECK_TEXT_BYTES]);

#endif
