/* Candidates for how a matrix is quantized, and what each would cost: bytes in the file, and
 * divergence of the model's predictions. Estimates come from a few of the matrix's rows, so that
 * all candidates of a model together take a fraction of the time of quantizing it once.
 *
 * The divergence of an error D in the weights is taken as (runtime/sensitivity.h)
 *     1/2 sum_i F_i (D H D^T)_ii / n_tokens          nats per token,
 * where D is what remains when each column's error is compensated by those that follow: in column j
 * an error e then costs e^2 / U[j][j]^2, U being the factor of second_order.h. Bytes are those of
 * the planes after Huffman coding, which is what the container does to codes. */
#ifndef SWG_QUANTIZE_CANDIDATE_H
#define SWG_QUANTIZE_CANDIDATE_H

#include <stddef.h>
#include <stdint.h>

#include "quantize/quantize.h"
#include "quantize/recipe.h"
#include "runtime/sensitivity.h"

/* One way to store a matrix. */
typedef struct swg_candidate {
    const char *method; /* of quant_methods.def */
    unsigned bits;
    uint32_t group; /* 0 = the whole row */
    bool zero_points;
    swg_dtype scale_type;
    double step_loss; /* method entropy: its parameter "loss"; otherwise 0 */
} swg_candidate;

/* All of them for a method, or for every method that has any (NULL), in *out [*n], which the caller
 * frees: of gptq every width of weight_formats.def with every length of group, with and without
 * zero points (beside entropy in groups of 64 alone), the same of rtn when that is asked for; of
 * entropy steps a sixteenth of a bit apart. SWG_USAGE for methods that have none. */
swg_status swg_candidates(const char *method, swg_candidate **out, size_t *n);

/* The setting of a recipe that asks for it; `parameter` (for its parameters) must outlive that. */
void swg_candidate_setting(const swg_candidate *candidate, swg_parameter *parameter,
                           swg_recipe_setting *out);

typedef struct swg_candidate_cost {
    double loss;  /* nats per token */
    double bytes; /* of all planes, compressed */
} swg_candidate_cost;

/* The matrix. `job` gives name, sizes, rows, statistics (NULL = none) and pool; the rest of it is
 * ignored. */
typedef struct swg_candidate_matrix {
    const swg_quantize_job *job;
    const swg_row_sensitivity *sensitivity; /* of its rows */
    const float *weights;                   /* [cols] what a squared error in a column costs, by
                                               swg_candidate_weights; NULL = without statistics: 1 */
} swg_candidate_matrix;

/* Cost of every candidate: out [n]. SWG_CORRUPT and SWG_UNSUPPORTED for weights
 * that cannot be quantized, naming the tensor; SWG_NO_MEMORY; what reading returns. The result does
 * not depend on the number of threads. */
swg_status swg_candidates_cost(const swg_candidate_matrix *matrix, const swg_candidate *candidates,
                               size_t n, swg_candidate_cost *out);

/* 1 / U[j][j]^2 per token of an input with second moments, out [k]. Fails as
 * swg_second_order_init. */
swg_status swg_candidate_weights(const swg_layer_stats *stats, float *out);

/* Bits that Huffman coding takes for symbols with these counts [n], n <= 256. */
double swg_huffman_bits(const uint64_t *counts, size_t n);

#endif
