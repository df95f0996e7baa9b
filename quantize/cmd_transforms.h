/* A recipe's transforms of the checkpoint, as commands open them. */
#ifndef SWG_QUANTIZE_CMD_TRANSFORMS_H
#define SWG_QUANTIZE_CMD_TRANSFORMS_H

#include "quantize/recipe.h"
#include "quantize/transforms.h"
#include "runtime/cli/cli.h"

/* Where the checkpoint is transformed. */
typedef struct swg_transforms_request {
    const swg_cli *cli;
    swg_source *source;
    const swg_tensor_use *uses; /* [tensors of the source]; NULL = the architecture is not known */
    bool has_text;              /* statistics can be collected */
    bool is_usual;              /* nobody asked for the transforms: a model may lack a place */
} swg_transforms_request;

/* Open the transforms that the recipe names: *out is NULL when it names none, or when they are the
 * usual ones and the model has no place for them; then a message says so and the recipe loses them.
 * *needs_stats: fitting them takes statistics of the whole model. SWG_USAGE for unknown names, and
 * for those that need statistics without a text; else as swg_transforms_open. */
swg_status swg_command_transforms_open(const swg_transforms_request *request, swg_recipe *recipe,
                                       bool *needs_stats, swg_transforms **out);

#endif
