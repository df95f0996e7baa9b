/* What a model is computed on: see device.h. */
#include "runtime/device.h"

#include "runtime/backend/backend.h"

const char swg_device_help[] =
    "what computes: the processors, the first CUDA GPU, or auto: the GPU if there is one that can";

bool swg_device_is_cpu(const swg_model *model)
{
    return !model->backend->device;
}

const char *swg_device_name(const swg_model *model)
{
    return swg_device_is_cpu(model) ? "cpu" : model->backend->device();
}

swg_status swg_device_precision(const swg_model *model, const char *name, swg_act_precision usual,
                                swg_act_precision *out)
{
    const bool is_cpu = swg_device_is_cpu(model);
    const swg_act_precision precision = name ? swg_act_named(name) : is_cpu ? usual : SWG_ACT_F16;
    if (!is_cpu && precision == SWG_ACT_F32)
        return swg_error(SWG_UNSUPPORTED, "--activations f32 on %s: its products take f16 or int8",
                         swg_device_name(model));
    *out = precision;
    return SWG_OK;
}
