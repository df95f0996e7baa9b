/* Sums over the rows that weights are multiplied with, made where an execution computes: on a device,
 * rows would otherwise have to be copied to the processors to be added up. An observer whose `sums`
 * names the sums that an input belongs to has its rows added to them (runtime/exec.h). */
#ifndef SWG_RUNTIME_EXEC_SUMS_H
#define SWG_RUNTIME_EXEC_SUMS_H

#include "runtime/exec.h"

/* Whether the execution's backend makes sums: those that compute in host memory do not. */
bool swg_exec_has_sums(const swg_exec *exec);

/* Sums of no rows of k columns; with_products: x^T x, too. The execution must outlive them.
 * SWG_NO_MEMORY. */
swg_status swg_exec_sums_new(swg_exec *exec, size_t k, bool with_products, swg_exec_sums **out);
void swg_exec_sums_free(swg_exec_sums **sums); /* NULL inside is accepted */

/* magnitudes [k] = the sum of |x| over all rows, squares [k] that of x^2, and, unless NULL,
 * products [k][k] that of x^T x on and below the diagonal. Waits for the operations before. Returns
 * the status of the first that failed. */
swg_status swg_exec_sums_read(const swg_exec_sums *sums, double *magnitudes, double *squares,
                              float *products);

/* The same of rows that are in host memory: a sum of a^T b [m][k] for a [rows][m] and b [rows][k].
 * It begins with no rows; at most max_rows will be added at a time. The execution, whose backend
 * makes sums, must outlive it. SWG_NO_MEMORY. */
swg_status swg_exec_products_new(swg_exec *exec, size_t m, size_t k, size_t max_rows,
                                 swg_exec_products **out);
void swg_exec_products_free(swg_exec_products **products); /* NULL inside is accepted */

/* Add rows, which may change as soon as this returns. Where a and b are the same array, only what
 * is on and below the diagonal is added up. */
void swg_exec_products_add(swg_exec_products *products, const float *a, const float *b,
                           size_t rows);

/* out [m][k] = the sum. Returns the status of the first operation that failed. */
swg_status swg_exec_products_read(const swg_exec_products *products, float *out);

#endif
