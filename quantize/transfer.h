/* One tensor of a plan, from a source to a sink: quantized, or copied as it is. Shared by
 * quantizing whole checkpoints tensor by tensor (checkpoint.c) and layer by layer (calibrated.c).
 */
#ifndef SWG_QUANTIZE_TRANSFER_H
#define SWG_QUANTIZE_TRANSFER_H

#include "quantize/checkpoint.h"
#include "quantize/shifted_target.h"
#include "runtime/base/strbuf.h"
#include "runtime/layer_stats.h"
#include "runtime/model.h"

/* What a tensor's codes are chosen by beside its values; all NULL = by those alone. */
typedef struct swg_transfer_means {
    const swg_layer_stats *stats;     /* of its input */
    const swg_shifted_target *target; /* what it is to become in place of what is stored */
    swg_model *model;                 /* a loaded model that is given the result */
} swg_transfer_means;

/* Write the tensor at `place` of the plan's order. Fills `report`. Fails with what reading,
 * quantizing or writing returns, naming the tensor. */
swg_status swg_transfer_tensor(swg_source *source, const swg_plan *plan, size_t place,
                               const swg_quantize_options *options, swg_transfer_means means,
                               swg_sink *sink, swg_tensor_report *report);

/* Everything in an entry that the codes of its matrix depend on, as text: what the journal finds
 * finished matrices by. */
swg_status swg_transfer_setting(const swg_plan_entry *entry, swg_strbuf *out);

/* Whether the journal (NULL = none) has the matrix of that entry. */
bool swg_transfer_is_finished(const swg_plan_entry *entry, swg_journal *journal);

#endif
