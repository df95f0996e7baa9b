/* See cmd_transforms.h. */
#include "quantize/cmd_transforms.h"

swg_status swg_command_transforms_open(const swg_transforms_request *request, swg_recipe *recipe,
                                       bool *needs_stats, swg_transforms **out)
{
    bool needs = false;
    *needs_stats = false;
    *out = NULL;
    if (recipe->n_transforms == 0)
        return SWG_OK;
    SWG_TRY(swg_transforms_check(recipe->transforms, recipe->n_transforms, &needs));
    if (needs && !request->has_text)
        return swg_error(SWG_USAGE, "the recipe's transforms need statistics of the layers' "
                                    "inputs; --calibration FILE gives a text to collect them on");
    const swg_status status =
        swg_transforms_open(request->source, request->uses, recipe->transforms,
                            recipe->n_transforms, recipe->seed, out);
    if (status == SWG_UNSUPPORTED && request->is_usual) {
        swg_cli_say(request->cli, "transforms are left out: %s", swg_error_message());
        recipe->n_transforms = 0;
        return SWG_OK;
    }
    *needs_stats = status == SWG_OK && needs;
    return status;
}
