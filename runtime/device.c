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

swg_act_precision swg_device_precision(const swg_model *model, const char *name,
                                       swg_act_precision usual)
{
    if (name)
        return swg_act_named(name);
    return swg_device_is_cpu(model) ? usual : SWG_ACT_F16;
}
