/* Transforms of a checkpoint before it is quantized: linear maps folded into tensors (fold.h) that
 * cancel each other, so the model computes what it did, to rounding, but rounds better.
 *
 *     swg_transforms *transforms;
 *     SWG_TRY(swg_transforms_open(source, uses, names, n_names, seed, &transforms));
 *     SWG_TRY(swg_transforms_fit(transforms, &plan, statistics, pool));    // after planning
 *     ... quantize swg_transforms_source(transforms) ...
 *     swg_transforms_free(&transforms);
 *
 * Opening decides which tensors change, so that outputs can be planned; their numbers may be read
 * after fitting. */
#ifndef SWG_QUANTIZE_TRANSFORMS_H
#define SWG_QUANTIZE_TRANSFORMS_H

#include "quantize/fold.h"
#include "quantize/plan.h"
#include "runtime/arch/tensor_use.h"
#include "runtime/base/mem.h"
#include "runtime/hparams.h"
#include "runtime/model_stats.h"

typedef struct swg_transforms swg_transforms;

/* Whether one of these names a transform that needs statistics. SWG_USAGE, naming the nearest or
 * all, for a word that is not a transform. */
swg_status swg_transforms_check(const char *const *names, size_t n_names, bool *needs_stats);

/* Whether one of them needs an output head with a tensor of its own (formats/untied.h). */
bool swg_transforms_need_head(const char *const *names, size_t n_names);

/* `uses` [n_tensors] is what swg_tensor_uses says (NULL: SWG_UNSUPPORTED, the architecture is not
 * known). SWG_UNSUPPORTED, naming the transform, for a model without a place for it. Source and
 * uses must outlive the result. */
swg_status swg_transforms_open(swg_source *source, const swg_tensor_use *uses,
                               const char *const *names, size_t n_names, uint64_t seed,
                               swg_transforms **out);
void swg_transforms_free(swg_transforms **transforms); /* NULL inside is accepted */

/* Choose the maps. `plan` says how the tensors will be stored; `stats` (of the untransformed
 * source) may be NULL when no transform needs them. */
swg_status swg_transforms_fit(swg_transforms *transforms, const swg_plan *plan,
                              swg_model_stats *stats, swg_pool *pool);

swg_source *swg_transforms_source(const swg_transforms *transforms);

/* Statistics of an input as the transformed model has it, from the untransformed model's: *stats is
 * replaced by one that is valid until the next call. SWG_NO_MEMORY. */
swg_status swg_transforms_adapt(swg_transforms *transforms, const char *tensor,
                                const swg_layer_stats **stats);

/* --- For the authors of transforms ------------------------------------------------------------ */

/* What a transform works on: the source beneath it and what its tensors are for. */
typedef struct swg_transform_place {
    swg_source *source;
    const swg_tensor_use *uses;
    const swg_hparams *hparams;
    uint64_t seed;
    swg_arena *arena; /* of maps */
} swg_transform_place;

/* What maps are fitted by. */
typedef struct swg_transform_means {
    const swg_plan *plan;
    swg_model_stats *stats;
    swg_pool *pool;
} swg_transform_means;

typedef struct swg_transform {
    bool mixes_inputs; /* of layers: transforms after it cannot be fitted by statistics */
    bool needs_head;   /* an output head with a tensor of its own */
    /* Add folds, with maps of the arena that `fit`, or open itself, fills; *state is handed to fit.
     * SWG_UNSUPPORTED when the model has no tensors for it. */
    swg_status (*open)(const swg_transform_place *place, swg_folds *folds, void **state);
    swg_status (*fit)(const swg_transform_place *place, const swg_transform_means *means,
                      void *state); /* NULL: open has filled the maps */
} swg_transform;

#define SWG_TRANSFORM(name, word, needs, meaning) extern const swg_transform swg_transform_##name;
#include "quantize/transforms.def"
#undef SWG_TRANSFORM

/* The tensor of a role in a layer; SIZE_MAX when there is none of its own (fused, or absent).
 * `kind` tells a weight from its bias. */
size_t swg_transform_find(const swg_transform_place *place, swg_use_kind kind, swg_role role,
                          size_t layer);

#endif
