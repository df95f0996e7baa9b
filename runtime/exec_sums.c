/* See exec_sums.h. */
#include "runtime/exec_sums.h"

#include "runtime/base/mem.h"
#include "runtime/exec_state.h"

bool swg_exec_has_sums(const swg_exec *exec)
{
    return exec->backend->sums != NULL;
}

swg_status swg_exec_sums_new(swg_exec *exec, size_t k, bool with_products, swg_exec_sums **out)
{
    swg_exec_sums *sums;
    SWG_TRY(SWG_NEW(sums, 1));
    *sums = (swg_exec_sums){.exec = exec, .k = k, .has_products = with_products};
    const swg_status status = exec->backend->sums->begin(sums);
    if (status == SWG_OK)
        *out = sums;
    else
        swg_exec_sums_free(&sums);
    return status;
}

void swg_exec_sums_free(swg_exec_sums **sums)
{
    if (!*sums)
        return;
    (*sums)->exec->backend->sums->end(*sums);
    SWG_FREE(*sums);
}

swg_status swg_exec_sums_read(const swg_exec_sums *sums, double *magnitudes, double *squares,
                              float *products)
{
    return sums->exec->backend->sums->read(sums, magnitudes, squares, products);
}
