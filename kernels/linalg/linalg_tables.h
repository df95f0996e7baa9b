/* The two implementations of linalg.h. */
#ifndef SWG_KERNELS_LINALG_LINALG_TABLES_H
#define SWG_KERNELS_LINALG_LINALG_TABLES_H

#include "kernels/linalg.h"

/* The definition, in plain C. */
extern const swg_linalg swg_linalg_plain;

/* Load OpenBLAS from the shared library `library` for `core` (an OPENBLAS_CORETYPE; NULL = its own
 * choice) and fill `out`. Changes the environment while it loads. SWG_UNSUPPORTED with a sentence
 * when it is absent, lacks a function or gets a product wrong. Only one call at a time per
 * process. */
swg_status swg_linalg_open(const char *library, const char *core, swg_linalg *out);

/* The status, with its sentence, for a factorisation that broke down at `row` (from 0). */
swg_status swg_linalg_not_positive(size_t row, size_t n);
swg_status swg_linalg_singular(size_t row, size_t n);

#endif
