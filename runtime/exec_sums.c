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

swg_status swg_exec_products_new(swg_exec *exec, size_t m, size_t k, size_t max_rows,
                                 swg_exec_products **out)
{
    swg_exec_products *products;
    SWG_TRY(SWG_NEW(products, 1));
    *products = (swg_exec_products){.exec = exec, .m = m, .k = k, .max_rows = max_rows};
    const swg_status status = exec->backend->sums->products_begin(products);
    if (status == SWG_OK)
        *out = products;
    else
        swg_exec_products_free(&products);
    return status;
}

void swg_exec_products_free(swg_exec_products **products)
{
    if (!*products)
        return;
    (*products)->exec->backend->sums->products_end(*products);
    SWG_FREE(*products);
}

void swg_exec_products_add(swg_exec_products *products, const float *a, const float *b, size_t rows)
{
    products->exec->backend->sums->products_add(products, a, b, rows);
}

swg_status swg_exec_products_read(const swg_exec_products *products, float *out)
{
    return products->exec->backend->sums->products_read(products, out);
}
