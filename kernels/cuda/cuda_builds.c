/* The builds of the CUDA kernels that this program contains (swg_cuda.h). */
#include "kernels/cuda/swg_cuda.h"

#include <string.h>

#ifdef SWAGE_CUDA_GPU
extern const swg_cuda swg_cuda_build_gpu;
#endif
#ifdef SWAGE_CUDA_HOST
extern const swg_cuda swg_cuda_build_host;
extern void swg_cuda_build_host_fault(int fault);
#endif
#ifdef SWG_TRACE
extern bool swg_cuda_build_host_access(unsigned number, swg_cuda_access *out);
#endif

const swg_cuda *swg_cuda_find(const char *name)
{
    static const swg_cuda *const builds[] = {
#ifdef SWAGE_CUDA_GPU
        &swg_cuda_build_gpu,
#endif
#ifdef SWAGE_CUDA_HOST
        &swg_cuda_build_host,
#endif
        NULL,
    };
    for (size_t i = 0; builds[i]; i++)
        if (strcmp(builds[i]->name, name) == 0)
            return builds[i];
    return NULL;
}

bool swg_cuda_host_fault(int fault)
{
#ifdef SWAGE_CUDA_HOST
    swg_cuda_build_host_fault(fault);
    return true;
#else
    return fault == 0;
#endif
}

bool swg_cuda_host_access(unsigned number, swg_cuda_access *out)
{
#ifdef SWG_TRACE
    return swg_cuda_build_host_access(number, out);
#else
    (void)number;
    (void)out;
    return false;
#endif
}
