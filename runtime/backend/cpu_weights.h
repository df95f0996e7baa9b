/* Matrices as the CPU backend stores them. Private to runtime/backend/cpu*.c. */
#ifndef SWG_RUNTIME_BACKEND_CPU_WEIGHTS_H
#define SWG_RUNTIME_BACKEND_CPU_WEIGHTS_H

#include "kernels/kernels.h"
#include "runtime/backend/backend_weights.h"

extern const swg_backend_weights swg_cpu_weights;

/* The panels of a quantized matrix. */
const swg_packed *swg_cpu_packed(const swg_weight *weight);

/* Whether the panels of a matrix are to be sparse: of sparse formats, where the kernels are faster
 * with such panels. */
bool swg_cpu_stays_sparse(const swg_weight *weight);

/* Whether a placed matrix has sparse panels; and `count` of them, up to SWG_CPU_EXPANDED, from
 * number `begin` on as dense ones in `panels` (count * panel_bytes of the matrix). The view's row 0
 * is the first of them. */
enum { SWG_CPU_EXPANDED = 4 };
bool swg_cpu_is_sparse(const swg_weight *weight);
/* One panel times the tokens of x, at most SWG_SPARSE_TOKENS: its rows of each token's y. */
void swg_cpu_matvec_sparse(const swg_weight *weight, size_t panel, const swg_act *x, float *y,
                           size_t y_stride);
swg_packed swg_cpu_expand(const swg_weight *weight, size_t begin, size_t count, uint8_t *panels);

/* Rows [row, row + n_rows) of a plain matrix times m tokens of k floats x: y[t * y_stride + i] for
 * row + i and token t. */
void swg_cpu_matvec(const swg_weight *weight, size_t row, size_t n_rows, const float *x, size_t m,
                    float *y, size_t y_stride);

/* Rows [row, row + n_rows) as floats [n_rows][k]: in place where they are F32, otherwise converted
 * into `scratch` of that size. Sparse panels are expanded in `panels` on the way (one panel's
 * bytes), or walked through much more slowly where it is NULL. */
const float *swg_cpu_rows_f32(const swg_weight *weight, size_t row, size_t n_rows, uint8_t *panels,
                              float *scratch);
bool swg_cpu_is_f32(const swg_weight *weight); /* in place: no scratch is needed */

/* Row `row` of a plain matrix, in its type, and those after it. */
const void *swg_cpu_values(const swg_weight *weight, size_t row);

#endif
