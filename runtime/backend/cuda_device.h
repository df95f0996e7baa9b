/* The device that the CUDA backend computes on: one per process, opened when it is first needed and
 * kept until the end. Only this header includes the kernels' interface; private to
 * runtime/backend/cuda*.c.
 *
 * It is the first GPU that the driver shows (CUDA_VISIBLE_DEVICES chooses). SWAGE_CUDA=host takes
 * the executor on this processor instead (kernels/cuda/simt.h), where the program was built with
 * it: for tests, never chosen by itself, and named in every output. */
#ifndef SWG_RUNTIME_BACKEND_CUDA_DEVICE_H
#define SWG_RUNTIME_BACKEND_CUDA_DEVICE_H

#include "kernels/cuda/swg_cuda.h"
#include "runtime/base/status.h"

typedef struct swg_gpu_device {
    const swg_cuda *cuda;
    swg_cuda_device *device;
    char description[192]; /* "cuda: NVIDIA H100 80GB HBM3" */
} swg_gpu_device;

/* The device. SWG_UNSUPPORTED, with the reason, when there is none that the program was built for;
 * SWG_USAGE for another SWAGE_CUDA. Safe from several threads. */
swg_status swg_gpu_device_open(const swg_gpu_device **out);

/* The result of a call of the kernels' interface, with its sentence. */
swg_status swg_gpu_status(const swg_cuda *cuda, int result);

#endif
