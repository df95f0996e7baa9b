/* A model in memory: hyper-parameters and weights, ready to run.
 *
 *     swg_source *source; swg_model *model;
 *     SWG_TRY(swg_source_open("model.swg", NULL, &source));
 *     SWG_TRY(swg_model_load(source, pool, NULL, &model));   // the source may be closed now
 *
 * Weights are owned by the model, in the kernels' layout, on huge pages, in the order in which a
 * token visits them. A loaded model is read-only and may serve several executions (exec.h) at
 * once. */
#ifndef SWG_RUNTIME_MODEL_H
#define SWG_RUNTIME_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/formats.h"
#include "kernels/kernels.h"
#include "runtime/base/mem.h"
#include "runtime/base/progress.h"
#include "runtime/base/status.h"
#include "runtime/base/thread.h"

typedef enum swg_role {
#define SWG_ROLE(name, is_per_layer) SWG_ROLE_##name,
#include "runtime/roles.def"
#undef SWG_ROLE
    SWG_ROLE_COUNT
} swg_role;

/* Hyper-parameters over all architectures; which configuration key fills which field, within which
 * range, is a table of the architecture's file (arch/arch.h). */
typedef struct swg_hparams {
    int64_t n_layers, d_model, d_ff, vocab;
    int64_t n_heads, n_kv_heads, head_dim;
    int64_t max_positions;  /* longest context the model was made for */
    double norm_eps;
    double rope_theta;
    bool rope_interleaved;  /* rotary pairs are (2i, 2i+1) instead of (i, i + head_dim / 2) */
    bool tied_head;         /* the output head is the embedding */
    int64_t bos_id, eos_id; /* -1 = none */
} swg_hparams;

/* One weight. A matrix is quantized (`packed`) or plain (`plain`, row-major in its own element
 * type); a vector (norm) is plain F32 with n = its length and k = 1. */
typedef struct swg_weight {
    swg_scheme scheme;
    size_t n, k;       /* [n_out, k_in] */
    swg_packed packed; /* quantized schemes */
    const void *plain; /* plain schemes */
    const float *bias; /* [n], or NULL */
    size_t bytes;      /* in memory */
} swg_weight;

typedef struct swg_arch swg_arch; /* runtime/arch/arch.h */

typedef struct swg_model {
    const swg_arch *arch;
    swg_hparams hparams;
    swg_weight *weights; /* [SWG_ROLE_COUNT][n_layers]; see swg_model_weight */
    swg_pages matrices;
    swg_arena small;     /* vectors, biases and `weights` */
    uint64_t n_parameters;
    double load_s;       /* seconds that loading took */
    uint64_t load_bytes; /* canonical (decompressed) bytes that were loaded */
} swg_model;

/* The weight of a role (layer 0 for roles outside layers), or NULL when this model has none. For a
 * tied head it is the embedding. */
const swg_weight *swg_model_weight(const swg_model *model, swg_role role, size_t layer);

/* Bytes of weights that decoding one token reads: every matrix once, of an untied embedding one
 * row. */
uint64_t swg_model_bytes_per_token(const swg_model *model);

/* Multiply-adds with matrices that one token costs, times two. */
uint64_t swg_model_ops_per_token(const swg_model *model);

/* Load all weights. SWG_UNSUPPORTED for architectures and tensors that are not known, SWG_CORRUPT
 * where configuration and tensors contradict each other. `pool` and `progress` may be NULL. */
swg_status swg_model_load(swg_source *source, swg_pool *pool, const swg_progress *progress,
                          swg_model **out);

/* A model of that configuration (JSON text) with random weights, every matrix in `scheme`, without
 * any file: to measure speed. The same seed gives the same weights. SWG_LIMIT when they are larger
 * than the machine's memory. */
swg_status swg_model_random(const char *config, size_t length, swg_scheme scheme, uint64_t seed,
                            swg_pool *pool, swg_model **out);

void swg_model_free(swg_model **model); /* NULL inside is accepted */

/* Parse a configuration alone: which architecture and what sizes. */
swg_status swg_hparams_read(const char *config, size_t length, const swg_arch **arch,
                            swg_hparams *out);

/* Read any plain or quantized row of a weight as float [k]: embedding look-up. */
void swg_weight_row(const swg_weight *weight, const swg_kernels *kernels, size_t row, float *out);

#endif
