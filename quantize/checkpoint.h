/* Quantizing a whole checkpoint: every tensor of a source, as planned, into a sink.
 *
 * Tensors go through one at a time: at most one is held in memory, as it will be stored, beside
 * the pages of the one being read, so memory does not grow with the model. */
#ifndef SWG_QUANTIZE_CHECKPOINT_H
#define SWG_QUANTIZE_CHECKPOINT_H

#include "formats/formats.h"
#include "quantize/plan.h"
#include "quantize/quantize.h"
#include "runtime/model_stats.h"

/* The text that statistics of the weights' inputs are collected on: windows of equal length, each
 * read from an empty sequence. */
typedef struct swg_calibration_text {
    const int32_t *ids; /* [n_windows][window] */
    size_t n_windows, window;
    const char *device; /* the backend that runs the model on it; NULL = the first */
} swg_calibration_text;

/* What chooses the zeros of matrices that the plan makes sparse (prune/, which this folder does not
 * know). */
typedef struct swg_pruner {
    /* Prune a matrix w [rows][cols] in place: is_zero [rows][cols] marks the weights that were
     * removed, which are 0 now; *is_refit: the others have changed to make up for them. `job` has
     * name, sizes, statistics, pool and, in `mask`, zeros of the source that w need not have. */
    swg_status (*prune)(const swg_plan_entry *entry, const swg_quantize_job *job, float *w,
                        bool *is_zero, bool *is_refit);
} swg_pruner;

/* What may change a plan on the way, by what has come out so far. */
typedef struct swg_steering {
    /* With `calibration` only: before the matrices of every layer, and those outside layers.
     * Settings of entries that are not written yet may change, in the caller's plan, its order may
     * not. Of written ones the reports are complete, of others 0. */
    swg_status (*steer)(void *context);
    void *context;
} swg_steering;

/* Maps folded into the source's tensors: transforms.h. */
typedef struct swg_transforms swg_transforms;

/* Matrices that are finished already: journal.h. */
typedef struct swg_journal swg_journal;

typedef struct swg_quantize_options {
    size_t size;                  /* of this struct */
    swg_pool *pool;               /* default NULL: the caller's thread alone */
    const swg_progress *progress; /* default NULL: none */
    bool keep_nonfinite;          /* store NaN and infinities of tensors that are kept as they are;
                                     default false: SWG_CORRUPT. What is quantized may never have
                                     any. */
    swg_model_stats *statistics;  /* of the unchanged model, for every matrix with an input;
                                     default NULL: none */
    swg_transforms *transforms;   /* default NULL. Else those whose source is quantized, and
                                     `statistics` are of the source beneath */
    const swg_calibration_text *calibration; /* default NULL. Else statistics are collected on the
                                                way instead, with the layers that are already
                                                quantized (calibrated.h) */
    const swg_sensitivity *sensitivity;      /* of the source's predictions; default NULL */
    bool is_paired; /* with `calibration`: the original model reads it beside, and weights are
                       fitted to give what it gives (calibrated.h); default false */
    const swg_steering *steering;     /* default NULL: the plan stays as it is */
    const swg_pruner *pruner;         /* default NULL: a plan with sparsity is refused */
    struct swg_shared_factor *factor; /* default NULL: swg_quantize_checkpoint has its own */
    swg_journal *journal; /* default NULL. Else dense matrices that it has are taken from there, and
                             others are added */
} swg_quantize_options;

swg_quantize_options swg_quantize_options_default(void);

/* The result for one tensor. */
typedef struct swg_tensor_report {
    swg_quant_stats stats;   /* elems and bytes always; errors of quantized tensors */
    uint64_t stored_bytes;   /* in the output, after compression */
    uint64_t n_nonfinite;    /* NaN and infinities that were kept */
    uint64_t n_pruned;       /* weights that the plan made zero */
    swg_quant_method method; /* that chose the codes of a quantized tensor */
} swg_tensor_report;

/* Descriptions of all tensors of a source, as an array to plan for; the caller frees it with
 * swg_free, and the names live as long as the source. */
swg_status swg_quantize_source_descs(const swg_source *source, swg_tensor_desc **out);

/* What the source's architecture says of these tensors, to plan with: *out [n tensors], which the
 * caller frees with swg_free; NULL when its architecture is not known. SWG_UNSUPPORTED when another
 * program has quantized the weights. */
swg_status swg_quantize_source_uses(const swg_source *source, const swg_tensor_desc *tensors,
                                    swg_tensor_use **out);

/* The plan's descriptions in the plan's order, as an array to open a sink with; the caller frees it
 * with swg_free. */
swg_status swg_quantize_output_descs(const swg_plan *plan, swg_tensor_desc **out);

/* Whether swg_quantize_checkpoint does everything that a plan asks for. SWG_UNSUPPORTED, naming the
 * tensor, for sparsity unless `may_prune`; SWG_USAGE for methods that need statistics of the
 * layers' inputs unless there are some, or a text to collect them on. */
swg_status swg_quantize_check_plan(const swg_plan *plan, bool is_calibrated, bool may_prune);

/* Measure the sensitivity that methods of the plan need, on the first windows of the text: *out is
 * NULL when none does. A plan of NULL always needs it. Fails as swg_sensitivity_measure; free with
 * swg_sensitivity_free. */
swg_status swg_quantize_measure_sensitivity(swg_source *source, const swg_plan *plan,
                                            const swg_calibration_text *text,
                                            const swg_sensitivity_options *options,
                                            swg_sensitivity **out);

/* Write all tensors of the plan, made for this source's tensors, in the plan's order, to a sink
 * opened with the plan's descriptions in that order. `reports` [n_entries], in the order of the
 * entries, is filled as far as the work came. Fails with what swg_quantize_check_plan, reading,
 * quantizing or writing returns, naming the tensor. */
swg_status swg_quantize_checkpoint(swg_source *source, const swg_plan *plan,
                                   const swg_quantize_options *options, swg_sink *sink,
                                   swg_tensor_report *reports);

/* Upper bound of the memory that swg_quantize_checkpoint without calibration adds to the process on
 * `n_threads`; calibration holds one layer of the model, its statistics and the text's rows too. */
uint64_t swg_quantize_peak_bytes(const swg_plan *plan, size_t n_threads);

#endif
