/* Choosing and opening the device of the CUDA backend: see cuda_device.h. */
#include "runtime/backend/cuda_device.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static swg_gpu_device opened; /* device = NULL: not yet */

swg_status swg_gpu_status(const swg_cuda *cuda, int result)
{
    switch (result) {
    case SWG_CUDA_OK:
        return SWG_OK;
    case SWG_CUDA_NO_DEVICE:
    case SWG_CUDA_NO_KERNEL:
    case SWG_CUDA_UNSUPPORTED:
        return swg_error(SWG_UNSUPPORTED, "CUDA: %s", cuda->message());
    case SWG_CUDA_NO_MEMORY:
        return swg_error(SWG_NO_MEMORY, "CUDA: %s", cuda->message());
    default:
        return swg_error(SWG_FAILED, "CUDA: %s", cuda->message());
    }
}

/* The build of the kernels that the environment asks for. */
static swg_status find_build(const swg_cuda **out)
{
    const char *name = getenv("SWAGE_CUDA");
    if (!name || !*name)
        name = "gpu";
    if (strcmp(name, "gpu") != 0 && strcmp(name, "host") != 0)
        return swg_error(SWG_USAGE, "SWAGE_CUDA is \"%s\"; it is gpu or host", name);
    *out = swg_cuda_find(name);
    if (*out)
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED, strcmp(name, "gpu") == 0
                                          ? "this program was built without CUDA"
                                          : "this program was built without the executor of CUDA "
                                            "kernels on this processor (SWAGE_CUDA=host)");
}

static swg_status open_first(swg_gpu_device *out)
{
    int count;
    swg_cuda_info info;
    swg_gpu_device device = {0};
    SWG_TRY(find_build(&device.cuda));
    SWG_TRY(swg_gpu_status(device.cuda, device.cuda->count(&count)));
    SWG_TRY(swg_gpu_status(device.cuda, device.cuda->info(0, &info)));
    SWG_TRY(swg_gpu_status(device.cuda, device.cuda->open(0, &device.device)));
    snprintf(device.description, sizeof device.description, "cuda: %s", info.name);
    *out = device;
    return SWG_OK;
}

swg_status swg_gpu_device_open(const swg_gpu_device **out)
{
    pthread_mutex_lock(&lock);
    const swg_status status = opened.device ? SWG_OK : open_first(&opened);
    pthread_mutex_unlock(&lock);
    if (status == SWG_OK)
        *out = &opened;
    return status;
}
