/* How a backend stores a model's matrices: how much memory a matrix takes, where it is, and how the
 * canonical planes of a checkpoint (base/tensor.h) get there. The loader knows nothing else about
 * the layout. Vectors and biases are host floats in swg_weight.
 *
 * For every matrix:  check -> bytes -> place -> direct or store, plane by plane -> complete, once
 * for all matrices in the same memory -> row_f32. */
#ifndef SWG_RUNTIME_BACKEND_BACKEND_WEIGHTS_H
#define SWG_RUNTIME_BACKEND_BACKEND_WEIGHTS_H

#include "runtime/model.h"

typedef struct swg_backend_weights {
    /* Memory for matrices, zeroed, aligned to SWG_ALIGNMENT at least. */
    swg_status (*memory_new)(swg_pages *out, size_t bytes);
    void (*memory_free)(swg_pages *memory);

    /* `store` and `direct` are called for rows that begin at a multiple of this. */
    size_t row_step;

    /* Whether the backend can compute with a matrix of that scheme and shape; only scheme, n and k
     * are set. SWG_UNSUPPORTED with a sentence otherwise. */
    swg_status (*check)(const swg_weight *weight);

    /* Bytes that the prepared matrix takes. */
    size_t (*bytes)(const swg_weight *weight);

    /* Set weight->memory to `memory`, which has that many bytes, and prepare it for `store`. */
    swg_status (*place)(swg_weight *weight, void *memory);

    /* Where to write that plane's rows unchanged, from this row on, or NULL when they have to go
     * through `store`. */
    void *(*direct)(const swg_weight *weight, swg_plane_kind kind, uint64_t row);

    /* Store canonical rows [row, row + n_rows) of a plane of a placed matrix. Called from several
     * threads for disjoint rows; n_rows is a multiple of row_step unless it ends the plane. */
    swg_status (*store)(const swg_weight *weight, swg_plane_kind kind, uint64_t row,
                        uint64_t n_rows, const void *rows);

    /* Store rows of a matrix in a sparse format of codes: is_stored and codes [n_rows][k], rows of
     * the planes of scales and (or NULL) zeros. Called in the order of rows from one thread; n_rows
     * is a multiple of row_step unless it ends the matrix. NULL: such matrices are expanded. */
    swg_status (*store_sparse)(const swg_weight *weight, uint64_t row, uint64_t n_rows,
                               const bool *is_stored, const uint8_t *codes, const void *scales,
                               const uint8_t *zeros);

    /* All matrices in that memory have been stored, or stored again. Called from any thread; NULL:
     * nothing is left to do. */
    swg_status (*complete)(swg_pages *memory);

    /* One row as floats, for embedding look-up. `out` is [k]. */
    void (*row_f32)(const swg_weight *weight, size_t row, float *out);
} swg_backend_weights;

#endif
