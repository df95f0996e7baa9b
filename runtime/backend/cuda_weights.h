/* Matrices as the CUDA backend stores them. Private to runtime/backend/cuda*.c. */
#ifndef SWG_RUNTIME_BACKEND_CUDA_WEIGHTS_H
#define SWG_RUNTIME_BACKEND_CUDA_WEIGHTS_H

#include "runtime/backend/backend_weights.h"
#include "runtime/backend/cuda_device.h"

extern const swg_backend_weights swg_gpu_weights;

/* A matrix that is loaded, as the kernels take it. */
swg_cuda_matrix swg_gpu_matrix(const swg_weight *weight);

#endif
