/* Quantization: float matrices to integer codes with a scale (and zero point) per group.
 *
 *     swg_quantize_job job = {.name = "q_proj.weight", .rows = n, .cols = k, .scheme = scheme,
 *                             .read_rows = read_rows, .context = context};
 *     void *planes[SWG_PLANE_KINDS] = {[SWG_PLANE_CODES] = codes, [SWG_PLANE_SCALES] = scales};
 *     swg_quant_stats stats;
 *     SWG_TRY(swg_quantize_tensor(SWG_QUANT_rtn, &job, planes, &stats));
 *     printf("%s %.2f dB\n", job.name, swg_quant_snr_db(&stats));
 *
 * plan.h decides which tensor of a model gets which scheme; group_grid.h finds the grid of one
 * group. What a method stores depends only on the job: never on the number of threads, and for rtn
 * not on the instruction set either. */
#ifndef SWG_QUANTIZE_QUANTIZE_H
#define SWG_QUANTIZE_QUANTIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quantize/group_grid.h"
#include "runtime/layer_stats.h"
#include "quantize/recipe.h"
#include "runtime/base/progress.h"
#include "runtime/base/status.h"
#include "runtime/base/tensor.h"
#include "runtime/base/thread.h"
#include "runtime/sensitivity.h"

/* --- Methods ---------------------------------------------------------------------------------- */

typedef enum swg_quant_method {
#define SWG_QUANT_METHOD(name, needs, parameters, meaning) SWG_QUANT_##name,
#include "quantize/quant_methods.def"
#undef SWG_QUANT_METHOD
    SWG_QUANT_METHOD_COUNT
} swg_quant_method;

const char *swg_quant_method_name(swg_quant_method method);

/* Whether the method cannot work without statistics of the layer's inputs. */
bool swg_quant_method_needs_stats(swg_quant_method method);

/* Whether it cannot work without the sensitivity of predictions to the matrix's rows. */
bool swg_quant_method_needs_sensitivity(swg_quant_method method);

/* Method of that name; SWG_USAGE, naming the nearest or else all, when there is none. */
swg_status swg_quant_method_find(const char *name, swg_quant_method *out);

/* SWG_USAGE when the method does not have one of the parameters, naming those it has, or when one
 * is not a number in its range. */
swg_status swg_quant_method_check(swg_quant_method method, const swg_parameter *parameters,
                                  size_t n);

/* --- One matrix ------------------------------------------------------------------------------- */

/* Rows [row_begin, row_begin + n_rows) of the matrix as float [n_rows][cols]. Called from several
 * threads at once, each row once by the method. */
typedef swg_status swg_read_rows(void *context, uint64_t row_begin, uint64_t n_rows, float *out);

/* What to quantize. All pointers are views and stay the caller's. */
typedef struct swg_quantize_job {
    const char *name;        /* for messages */
    uint64_t rows, cols;     /* n outputs, k inputs; >= 1 */
    swg_scheme scheme;       /* of codes, group 0 (row) or >= 1 */
    const int8_t *codebook;  /* [SWG_LEVELS] ascending numbers of a scheme with a codebook; NULL =
                                fitted to the matrix, some rows of which are then read twice */
    swg_scale_search search; /* 0 = least squared error */
    const swg_parameter *parameters; /* [n_parameters] of the method */
    size_t n_parameters;
    const swg_layer_stats *stats; /* of the layer's inputs, k = cols: columns count by their
                                     importance; NULL = none, all columns count the same */
    const swg_row_sensitivity *sensitivity; /* of the model's predictions to errors in the rows;
                                               NULL = not measured */
    const uint8_t *mask; /* rows of ceil(cols / 8) bytes: bit c % 8 of byte c / 8 is 0 where a
                            weight must become zero; NULL = no mask */
    float *updated; /* [rows][cols]: receives the weights as the method leaves them, for codes the
                       values that they mean; NULL = not wanted. Undefined after a failure */
    struct swg_shared_factor *factor; /* of the matrix before (second_order.h), taken again by one
                                         with the same input; NULL = none is kept */
    swg_read_rows *read_rows;
    void *context;          /* of read_rows */
    uint64_t rows_per_read; /* read_rows is cheapest in multiples of this; 0 = any */
    swg_pool *pool;         /* NULL = the caller's thread alone */
    const swg_levels *levels; /* set by swg_quantize_tensor for methods */
} swg_quantize_job;

/* The error of quantizing one matrix (or several, added up). */
typedef struct swg_quant_stats {
    uint64_t elems;
    uint64_t bytes;       /* of all planes */
    double signal;        /* sum of w^2 */
    double noise;         /* sum of (w' - w)^2, w' the value the runtime will compute */
    double max_abs_error; /* largest |w' - w| */
    /* Of methods that work by statistics; otherwise 0. */
    double output_noise;       /* sum of (x w' - x w)^2 over the calibration rows x */
    double plain_output_noise; /* the same of rounding to nearest on importance-weighted grids */
    uint64_t n_fallback_rows;  /* rows where that lost less, and was kept */
    double damping;            /* largest added to the Hessian's diagonal, relative to its mean */
    unsigned n_attempts;       /* most factorizations that a matrix took: above 1, `damping` is more
                                  than was asked for */
    /* Of all methods, where there are statistics; otherwise 0. */
    uint64_t n_inputs; /* columns */
    uint64_t n_dead;   /* columns whose input was 0 throughout: nothing tells what they cost */
    uint64_t n_tokens; /* rows that the statistics saw. Of a sum: of the matrix with the fewest */
} swg_quant_stats;

/* Choose codes, scales and zero points of the whole matrix by `method` and write them to `planes`:
 * the canonical layout of tensor.h, by kind, every byte (padding bits are 0). Needs about 256 KiB,
 * or one row if that is more, of scratch per thread. On failure the planes are undefined; `stats`
 * is written only on success. SWG_CORRUPT for weights that are NaN or infinite, SWG_UNSUPPORTED for
 * weights beyond the scale type or a scheme outside the above, both naming tensor, row and column;
 * SWG_FAILED when the method needs statistics and there are none, or they have another number of
 * columns; SWG_NO_MEMORY; SWG_INTERRUPTED; or what read_rows returns. */
swg_status swg_quantize_tensor(swg_quant_method method, const swg_quantize_job *job,
                               void *const planes[SWG_PLANE_KINDS], swg_quant_stats *stats);

/* Relative Frobenius error |W' - W| / |W| (0 for 0 / 0), signal-to-noise ratio in dB (infinite
 * without noise), stored bits per weight before compression (scales and zero points included). */
double swg_quant_relative_error(const swg_quant_stats *stats);
double swg_quant_snr_db(const swg_quant_stats *stats);
double swg_quant_bits_per_weight(const swg_quant_stats *stats);
void swg_quant_stats_add(swg_quant_stats *sum, const swg_quant_stats *part);

/* --- For the authors of methods --------------------------------------------------------------- */

/* Where the parts of a matrix go. */
typedef struct swg_quant_planes {
    swg_scheme scheme;
    size_t cols, group, n_groups, code_row_bytes;
    uint8_t *codes;
    void *scales;
    void *row_scales; /* NULL but under 8-bit scales */
    uint8_t *zeros;   /* NULL for symmetric schemes */
} swg_quant_planes;

/* View of a job's planes. */
swg_quant_planes swg_quant_planes_view(const swg_quantize_job *job,
                                       void *const planes[SWG_PLANE_KINDS]);

/* The columns' importance from the job's statistics, [cols], which the caller frees with swg_free;
 * NULL when there are none. SWG_NO_MEMORY. */
swg_status swg_quantize_job_importance(const swg_quantize_job *job, float **out);

/* Which grids the groups of a row can have. Of a scheme with 8-bit scales the row's scale is such
 * that the largest scale that its weights x [cols] would have is 127; `importance` [cols] is as in
 * swg_grid_search, as is failure. */
swg_status swg_quantize_job_space(const swg_quantize_job *job, const float *x,
                                  const float *importance, swg_grid_space *out);

/* Store the grid of group `g` of a row, and the codes (one per byte, [cols]) of a whole row.
 * Different rows may be stored from different threads. */
void swg_quant_planes_store_grid(const swg_quant_planes *planes, uint64_t row, size_t g,
                                 swg_grid grid);
void swg_quant_planes_store_codes(const swg_quant_planes *planes, uint64_t row,
                                  const uint8_t *codes);

/* Zero the weights x [cols] of a row that the job's mask says are zero. */
void swg_quantize_job_mask_row(const swg_quantize_job *job, uint64_t row, float *x);

/* If the job has `updated`: the weights of group `g` of a row become what their codes mean. */
void swg_quant_planes_update(const swg_quant_planes *planes, const swg_quantize_job *job,
                             uint64_t row, size_t g, swg_grid grid, const uint8_t *codes);

/* Add n weights and their codes to the signal, noise and largest error of `stats`. */
void swg_quant_stats_measure(swg_quant_stats *stats, swg_grid grid, const float *x,
                             const uint8_t *codes, size_t n);

#endif
