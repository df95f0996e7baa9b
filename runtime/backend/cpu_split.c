/* Products of more than a few tokens with exact weights on processors that multiply tiles of
 * bfloat16 (kernels/split.h). The input is split into parts once, blocks of the weights as their
 * turn comes: straight from their memory where split.h has a function for that, otherwise by way of
 * floats. Columns of the input that are in the cache meet all rows of a turn before the next ones
 * do. */
#include "kernels/linalg.h"
#include "runtime/backend/cpu_act.h"

/* Tokens whose parts, of a block's columns, stay in the second-level cache: 1 MB. */
enum { CACHED_TOKENS = 256 };

_Static_assert((int)SWG_TILE_ROWS <= (int)SWG_SPLIT_ROWS &&
                   (int)SWG_TILE_ROWS % SWG_SPLIT_STEP == 0,
               "a unit of rows is a block");

/* Whether any product may be with exact inputs, for more tokens than the kernels of plain weights
 * take. */
static bool has_exact_products(const swg_exec *exec)
{
    const swg_model *model = exec->model;
    if (exec->options.chunk <= SWG_PLAIN_TOKENS)
        return false;
    bool is_exact = exec->options.activations != SWG_ACT_INT8;
    for (size_t i = 0; i < model->n_weights && !is_exact; i++)
        is_exact = model->weights[i].n > 0 && swg_scheme_is_plain(model->weights[i].scheme);
    return is_exact;
}

swg_status swg_cpu_split_init(swg_exec *exec, size_t k)
{
    swg_cpu *cpu = swg_cpu_of(exec);
    cpu->split = has_exact_products(exec) ? swg_linalg_split() : NULL;
    if (!cpu->split)
        return SWG_OK;
    cpu->split_inputs = swg_arena_calloc(&cpu->arena, swg_split_elems(exec->options.chunk, k),
                                         sizeof *cpu->split_inputs);
    return cpu->split_inputs ? SWG_OK : SWG_NO_MEMORY;
}

bool swg_cpu_is_split(const swg_cpu_product *product)
{
    return swg_cpu_of(product->exec)->split && product->x.rows > SWG_PLAIN_TOKENS;
}

static void split_rows(void *context, swg_exec *exec, size_t begin, size_t end)
{
    const swg_value x = ((const swg_cpu_product *)context)->x;
    const swg_cpu *cpu = swg_cpu_of(exec);
    const size_t row = begin * SWG_SPLIT_STEP, row_end = end * SWG_SPLIT_STEP;
    cpu->split->inputs(swg_cpu_row(x, row), (row_end < x.rows ? row_end : x.rows) - row, x.columns,
                       x.columns, cpu->split_inputs + swg_split_elems(row, x.columns));
}

void swg_cpu_split_input(swg_cpu_product *product)
{
    const swg_value x = product->x;
    if (swg_cpu_is_split(product))
        swg_cpu_over_rows(product->exec, swg_ceil_div(x.rows, SWG_SPLIT_STEP), x.rows * x.columns,
                          split_rows, product);
}

/* --- Blocks of weights ------------------------------------------------------------------------ */

/* Rows [row, row + n) of a weight. */
typedef struct weight_rows {
    const swg_split *split;
    const swg_weight *weight;
    const float *floats; /* the same as floats, or NULL: the block is made without */
    size_t row, n;
} weight_rows;

static bool is_packed(const swg_weight *weight)
{
    return !swg_scheme_is_plain(weight->scheme) && !swg_cpu_is_sparse(weight) &&
           swg_split_takes(swg_cpu_packed(weight));
}

/* Whether blocks are made from the weight as it is stored. */
static bool is_direct(const swg_weight *weight)
{
    return swg_scheme_is_plain(weight->scheme)
               ? weight->scheme.dtype == SWG_F32 || weight->scheme.dtype == SWG_BF16
               : is_packed(weight);
}

static void fill_block(const weight_rows *rows, size_t column, size_t n_columns,
                       swg_split_block *block)
{
    const swg_weight *weight = rows->weight;
    const size_t k = weight->k;
    if (rows->floats)
        rows->split->weights_f32(rows->floats + column, rows->n, n_columns, k, block);
    else if (is_packed(weight))
        rows->split->weights_packed(swg_cpu_packed(weight), rows->row, column, rows->n, n_columns,
                                    block);
    else if (swg_cpu_is_f32(weight))
        rows->split->weights_f32((const float *)swg_cpu_values(weight, rows->row) + column, rows->n,
                                 n_columns, k, block);
    else
        rows->split->weights_bf16((const uint16_t *)swg_cpu_values(weight, rows->row) + column,
                                  rows->n, n_columns, k, block);
}

/* Columns of a weight's blocks: about as many in each, and whole groups. */
static size_t block_columns(const swg_weight *weight)
{
    const swg_packed *packed = is_packed(weight) ? swg_cpu_packed(weight) : NULL;
    const size_t step = packed && packed->n_groups > 1 ? packed->group : SWG_SPLIT_STEP;
    const size_t most = SWG_SPLIT_COLUMNS / step * step;
    return swg_round_up(swg_ceil_div(weight->k, swg_ceil_div(weight->k, most)), step);
}

/* --- Products --------------------------------------------------------------------------------- */

/* Some tokens times units [begin, end) of product number `which`: one unit, or a direct weight. */
static void compute_units(const swg_cpu_product *product, size_t which, size_t token, size_t begin,
                          size_t end)
{
    const swg_cpu *cpu = swg_cpu_of(product->exec);
    const swg_cpu_thread *thread = &cpu->threads[swg_pool_thread_index()];
    const swg_weight *weight = product->weights[which];
    const swg_value x = product->x, y = product->y[which];
    const size_t k = weight->k, columns = block_columns(weight), left = x.rows - token;
    const size_t n_tokens = left < CACHED_TOKENS ? left : CACHED_TOKENS;
    weight_rows rows = {.split = cpu->split, .weight = weight};
    for (size_t column = 0; column < k; column += columns)
        for (size_t unit = begin; unit < end; unit++) {
            rows.row = unit * SWG_TILE_ROWS;
            rows.n = weight->n - rows.row < SWG_TILE_ROWS ? weight->n - rows.row : SWG_TILE_ROWS;
            if (!is_direct(weight) && column == 0)
                rows.floats =
                    swg_cpu_rows_f32(weight, rows.row, rows.n, thread->panels, thread->tile);
            fill_block(&rows, column, k - column < columns ? k - column : columns, thread->block);
            cpu->split->multiply(cpu->split_inputs + swg_split_elems(token, k), n_tokens, k, column,
                                 thread->block, swg_cpu_row(y, token) + rows.row, y.columns,
                                 column > 0);
        }
}

void swg_cpu_compute_split(const swg_cpu_product *product, size_t which, size_t begin, size_t end)
{
    const size_t step = is_direct(product->weights[which]) ? end - begin : 1;
    for (size_t token = 0; token < product->x.rows; token += CACHED_TOKENS)
        for (size_t unit = begin; unit < end; unit += step)
            compute_units(product, which, token, unit, unit + step);
}
