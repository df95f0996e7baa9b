/* Linear maps that are folded into a checkpoint's tensors without changing what the model computes:
 * a map of what flows between two tensors goes into the rows of the one that produces it, and its
 * inverse into the columns of those that consume it.
 *
 *     swg_folds folds;
 *     SWG_TRY(swg_folds_init(&folds, source));
 *     const swg_fold fold = {.scale = scale};                              // [n]
 *     SWG_TRY(swg_folds_add(&folds, norm, SWG_FOLD_ROWS, fold));
 *     SWG_TRY(swg_folds_add(&folds, q_proj, SWG_FOLD_COLUMNS, fold));
 *     ... fill the scales ...
 *     SWG_TRY(swg_folds_open(&folds, &folded));                            // a source
 *
 * A map is a scale per channel, or one orthogonal matrix that repeats along the channels
 * (rotation.h); of columns also both, the scales first. ROWS: y' = M y. COLUMNS: W' = W M^-1, since
 * the input has become M x; for scales that divides, for orthogonal matrices M^-1 = M^T. A vector
 * counts as a column of rows. */
#ifndef SWG_QUANTIZE_FOLD_H
#define SWG_QUANTIZE_FOLD_H

#include "formats/formats.h"
#include "quantize/rotation.h"
#include "runtime/layer_stats.h"

typedef enum swg_fold_side { SWG_FOLD_ROWS, SWG_FOLD_COLUMNS } swg_fold_side;

/* What is done to one side of a tensor; both NULL: nothing. The caller's. */
typedef struct swg_fold {
    const float *scale; /* [channels] */
    const swg_rotation *rotation;
} swg_fold;

typedef struct swg_folds {
    swg_source *base;
    swg_fold *rows, *columns; /* [n_tensors] */
} swg_folds;

swg_status swg_folds_init(swg_folds *out, swg_source *base); /* base must outlive them */
void swg_folds_deinit(swg_folds *folds);                     /* zero-initialised is accepted */

/* Fold a map, which must outlive the folds and be filled before rows are read, into one side of a
 * tensor. SWG_USAGE, naming the tensor, when its side is not a multiple of the rotation's size, or
 * has a map already. */
swg_status swg_folds_add(swg_folds *folds, size_t tensor, swg_fold_side side, swg_fold fold);

/* The checkpoint with all folds; close it before them. Folded tensors are F32. */
swg_status swg_folds_open(const swg_folds *folds, swg_source **out);

/* Statistics of a tensor's input after its map: x' = M x. `hessian` [k][k] and `mean_square` [k]
 * receive the arrays that *out points to; mean |x| is not known any more where M mixes. With no map
 * *out = *in. SWG_NO_MEMORY. */
swg_status swg_folds_stats(const swg_folds *folds, size_t tensor, const swg_layer_stats *in,
                           float *hessian, double *mean_square, swg_layer_stats *out);

#endif
