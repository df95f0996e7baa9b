/* The state of structured pruning (structured.h), shared by the files that do it: private to
 * prune/.
 */
#ifndef SWG_PRUNE_STRUCTURED_STATE_H
#define SWG_PRUNE_STRUCTURED_STATE_H

#include "prune/structured.h"
#include "runtime/base/mem.h"
#include "runtime/calibration.h"
#include "runtime/model.h"
#include "runtime/paired_calibration.h"

/* What the rows and the columns of a weight are. */
typedef enum swg_axis {
    SWG_AXIS_NONE,
    SWG_AXIS_HIDDEN,
    SWG_AXIS_HEADS,
    SWG_AXIS_KV,
    SWG_AXIS_FFN,
    SWG_AXIS_COUNT
} swg_axis;

typedef struct swg_sides {
    swg_axis rows, columns;
} swg_sides;

/* The axes of a tensor; a bias has the rows of its weight. */
swg_sides swg_structured_sides(const swg_tensor_use *use);

/* A tensor of the source and what becomes of it. */
typedef struct swg_structured_part {
    size_t tensor; /* in the source */
    swg_tensor_use use;
    swg_tensor_desc desc; /* of the output; the name belongs to the arena */
    float *values;        /* [rows][cols] at the old sizes, if they have changed; NULL = the
                             source's */
} swg_structured_part;

struct swg_structured {
    swg_source *source;
    const swg_arch *arch;
    swg_hparams hparams;
    swg_structured_shape before, after;
    swg_tensor_use *uses; /* [n tensors] */
    swg_structured_layer *layers;
    bool *layer_kept;           /* [layers before] */
    bool *kept[SWG_AXIS_COUNT]; /* what stays along an axis, [channels at the old size]; NULL = all.
                                   Those of heads, kv and ffn are of the layer at hand. */
    swg_structured_part *parts; /* [n_parts] in the order of the output */
    swg_tensor_desc *descs;     /* [n_parts] theirs */
    size_t n_parts;
    swg_json_writer config;
    swg_arena names;
    /* While the model runs. */
    const swg_structured_means *means;
    swg_model *model;
    swg_calibration *calibration; /* of the whole model, while layers are chosen */
    swg_model *original;          /* beside it, while tensors are written */
    swg_paired_calibration *pair;
};

static inline size_t swg_structured_old(const swg_structured *s, swg_structure what)
{
    return (size_t)s->before.count[what];
}

static inline size_t swg_structured_new(const swg_structured *s, swg_structure what)
{
    return (size_t)s->after.count[what];
}

static inline bool swg_structured_loses(const swg_structured *s, swg_structure what)
{
    return s->before.count[what] != s->after.count[what];
}

/* Channels along an axis at the old sizes, at the new, and whether these differ. */
size_t swg_axis_old(const swg_structured *s, swg_axis axis);
size_t swg_axis_new(const swg_structured *s, swg_axis axis);
bool swg_axis_is_cut(const swg_structured *s, swg_axis axis);

/* The values of a tensor of the source, which the caller frees with swg_free. */
swg_status swg_structured_read(const swg_structured *s, size_t tensor, float **out);

/* The source's description of a part. */
static inline const swg_tensor_desc *swg_structured_input(const swg_structured *s,
                                                          const swg_structured_part *part)
{
    return swg_source_tensor(s->source, part->tensor);
}

/* Open the model, with what is outside of its layers, and then the calibration on its embeddings as
 * they are by then, alone or beside the original; end all. */
swg_status swg_structured_begin_model(swg_structured *s, const swg_structured_means *means);
swg_status swg_structured_begin_calibration(swg_structured *s);
swg_status swg_structured_begin_pair(swg_structured *s);
void swg_structured_end(swg_structured *s);

#endif
