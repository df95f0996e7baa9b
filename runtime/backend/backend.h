/* What a backend implements: the vocabulary of forward.h, on memory of its own. A backend is one
 * row of backends.def and one set of files here that defines `const swg_backend
 * swg_backend_<name>`; no other code knows its internals.
 *
 *     const swg_backend *backend;
 *     SWG_TRY(swg_backend_find("cpu", &backend));
 *
 * Operations return nothing: one that fails leaves its status for `finish`, and those after it do
 * nothing. They may still be running when they return. An execution calls its backend from one
 * thread; the batch (exec_state.h) does not change between `begin` and `finish`. */
#ifndef SWG_RUNTIME_BACKEND_BACKEND_H
#define SWG_RUNTIME_BACKEND_BACKEND_H

#include "runtime/backend/backend_weights.h"
#include "runtime/forward.h"

/* The backend with that name; NULL means the first row of the table. SWG_USAGE, listing the names,
 * when there is none. */
swg_status swg_backend_find(const char *name, const swg_backend **out);

/* The same for a model, if the backend can run it here: otherwise SWG_UNSUPPORTED, with the reason.
 * "auto" is cuda if it can, or else the first row; a notice (base/notice.h) then gives the reason.
 */
swg_status swg_backend_choose(const char *name, const swg_hparams *hparams,
                              const swg_backend **out);

/* Sums over rows of values (runtime/exec_sums.h), of a backend whose values are not in host memory.
 */
struct swg_exec_sums {
    swg_exec *exec;
    size_t k;
    bool has_products;
    void *moments, *products; /* the backend's */
};
struct swg_exec_products {
    swg_exec *exec;
    size_t m, k, max_rows;
    void *sum, *a, *b; /* the backend's: the sum, and the rows that are being added */
};
typedef struct swg_backend_sums {
    swg_status (*begin)(swg_exec_sums *sums); /* `end` is called after a failure, too */
    void (*end)(swg_exec_sums *sums);
    void (*add)(swg_exec_sums *sums, swg_value x); /* rows of x [rows][k] */
    swg_status (*read)(const swg_exec_sums *sums, double *magnitudes, double *squares,
                       float *products);

    /* Sums of products of rows in host memory; the same rules. */
    swg_status (*products_begin)(swg_exec_products *products);
    void (*products_end)(swg_exec_products *products);
    void (*products_add)(swg_exec_products *products, const float *a, const float *b, size_t rows);
    swg_status (*products_read)(const swg_exec_products *products, float *out);
} swg_backend_sums;

struct swg_backend {
    const char *name;
    const swg_backend_weights *weights; /* how it stores matrices */

    const swg_backend_sums *sums; /* NULL: values are host memory */

    /* Whether it can run such a model here; SWG_UNSUPPORTED with the reason. NULL: always. */
    swg_status (*check)(const swg_hparams *hparams);

    /* What it computes on, for reports: "cuda: NVIDIA H100". NULL: this machine's processors. */
    const char *(*device)(void);

    /* Set and release exec->backend_state: scratch memory, and the caches or recurrent states of
     * all sequences. exec->options has its defaults filled in. After a failed init, deinit is
     * called if backend_state was set. */
    swg_status (*init)(swg_exec *exec);
    void (*deinit)(swg_exec *exec);

    /* A value of rows * columns floats, zeroed; freeing a value whose data is NULL does nothing. */
    swg_status (*value_new)(swg_exec *exec, size_t rows, size_t columns, swg_value *out);
    void (*value_free)(swg_exec *exec, swg_value *value);

    /* Copy dense host rows [rows][columns] into a value, and out of it once all earlier operations
     * are done. */
    void (*upload)(swg_exec *exec, const float *host, swg_value value);
    void (*download)(swg_exec *exec, swg_value value, float *host);

    /* A value for rows that `download` will copy to `host`, which stays valid until then. Where
     * values are host memory this is `host` itself. */
    swg_value (*output)(swg_exec *exec, float *host, size_t rows, size_t columns);

    /* The rows in host memory, valid until the next call; NULL when an operation has failed. */
    const float *(*host_rows)(swg_exec *exec, swg_value value);

    /* Move the rows with these indices, in ascending order, to the front of the value. */
    void (*gather)(swg_exec *exec, swg_value value, const size_t *rows, size_t n);

    /* A new batch is about to be computed. */
    void (*begin)(swg_exec *exec);
    /* Wait for all operations since then; returns the status of the first that failed. */
    swg_status (*finish)(swg_exec *exec);

    void (*embed)(swg_exec *exec, const swg_weight *weight, swg_index index, bool is_added,
                  swg_value x);
    void (*rmsnorm)(swg_exec *exec, const swg_weight *weight, swg_value x, swg_value y);
    void (*layernorm)(swg_exec *exec, const swg_weight *weight, swg_value x, swg_value y);
    void (*linears)(swg_exec *exec, swg_value x, size_t count, const swg_weight *const *weights,
                    const swg_value *y);
    void (*rope)(swg_exec *exec, size_t layer, swg_value x);
    void (*attend)(swg_exec *exec, size_t layer, swg_attend_options options, swg_value q,
                   swg_value k, swg_value v, swg_value y);
    void (*recur)(swg_exec *exec, swg_cell cell, const swg_weight *weight, size_t layer,
                  swg_value gates, swg_value states, swg_value y);
    void (*silu_mul)(swg_exec *exec, swg_value gate, swg_value up);
    void (*activate)(swg_exec *exec, swg_activation activation, swg_value x);
    void (*mul)(swg_exec *exec, swg_value x, swg_value y);
    void (*scale)(swg_exec *exec, float factor, swg_value x);
    void (*add)(swg_exec *exec, swg_value x, swg_value y);
    void (*add_vector)(swg_exec *exec, const swg_weight *vector, swg_value x);
};

#endif
