/* What a model is computed on: see device.h. */
#include "runtime/device.h"

#include "runtime/backend/backend.h"

const char swg_device_help[] =
    "what computes: the processors, the first CUDA GPU, or auto: the GPU if there is one that can";

const char swg_device_calibration_help[] =
    "what runs the model on the calibration text: the processors, the first CUDA GPU, or auto";

bool swg_device_is_cpu(const swg_model *model)
{
    return !model->backend->device;
}

const char *swg_device_name(const swg_model *model)
{
    return swg_device_is_cpu(model) ? "cpu" : model->backend->device();
}

swg_status swg_device_choose(const char *name, const char **out)
{
    const swg_backend *backend;
    SWG_TRY(swg_backend_choose(name, NULL, &backend));
    *out = backend->name;
    return SWG_OK;
}

const char *swg_device_of(const char *name)
{
    const swg_backend *backend;
    if (swg_backend_find(name, &backend) != SWG_OK || !backend->device)
        return NULL;
    return backend->device();
}

swg_act_precision swg_device_precision(const swg_model *model, const char *name,
                                       swg_act_precision usual)
{
    if (name)
        return swg_act_named(name);
    return swg_device_is_cpu(model) ? usual : SWG_ACT_F16;
}
