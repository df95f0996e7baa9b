/* What precisions share that round the input of a product, element by element, and are exact
 * otherwise. */
#include "runtime/backend/cpu_act.h"

swg_status swg_cpu_rounded_init(swg_exec *exec, size_t k)
{
    swg_cpu *cpu = swg_cpu_of(exec);
    cpu->act_state = swg_arena_calloc(&cpu->arena, exec->options.chunk * k, sizeof(float));
    return cpu->act_state ? SWG_OK : SWG_NO_MEMORY;
}

typedef struct rounding {
    const swg_cpu_product *product;
    swg_cpu_round *round;
} rounding;

static void round_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const rounding *r = context;
    const size_t columns = r->product->x.columns;
    float *rounded = swg_cpu_of(exec)->act_state;
    r->round(swg_cpu_row(r->product->x, begin), (end - begin) * columns, rounded + begin * columns);
}

void swg_cpu_round_input(swg_cpu_product *product, swg_cpu_round *round)
{
    const size_t rows = product->x.rows;
    rounding r = {product, round};
    swg_cpu_over_rows(product->exec, rows, rows * product->x.columns, round_rows, &r);
    product->x.data = swg_cpu_of(product->exec)->act_state;
    swg_cpu_split_input(product);
}
