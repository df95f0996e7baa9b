/* What the derivatives share: gradients of values, rows on all threads, and the batch's indices. */
#include "runtime/backend/tape_state.h"

float *swg_tape_gradient_of(swg_tape *tape, swg_value value)
{
    const size_t elems = value.rows * value.columns;
    for (size_t i = 0; i < tape->n_gradients; i++)
        if (tape->gradients[i].value == value.data && elems <= tape->gradients[i].elems)
            return tape->gradients[i].data;
    if (tape->n_gradients == SWG_TAPE_MAX_VALUES) {
        tape->status = swg_error(SWG_LIMIT, "a layer of more than %d values", SWG_TAPE_MAX_VALUES);
        return NULL;
    }
    swg_tape_gradient *gradient = &tape->gradients[tape->n_gradients];
    gradient->value = value.data;
    gradient->elems = elems;
    gradient->data = swg_arena_calloc(&tape->gradient_memory, elems, sizeof(float));
    if (!gradient->data) {
        tape->status = SWG_NO_MEMORY;
        return NULL;
    }
    tape->n_gradients++;
    return gradient->data;
}

enum { ROW_BLOCK = 32 };

typedef struct row_blocks {
    size_t n;
    swg_tape_rows *rows;
    void *context;
} row_blocks;

static swg_status run_block(void *context, size_t index)
{
    const row_blocks *b = context;
    const size_t begin = index * ROW_BLOCK, left = b->n - begin;
    b->rows(b->context, begin, begin + (left < ROW_BLOCK ? left : ROW_BLOCK));
    return SWG_OK;
}

void swg_tape_over_rows(swg_tape *tape, size_t n, swg_tape_rows *rows, void *context)
{
    row_blocks blocks = {.n = n, .rows = rows, .context = context};
    (void)swg_pool_for(tape->inner.pool, swg_ceil_div(n, ROW_BLOCK), run_block, &blocks);
}

size_t swg_tape_index(const swg_tape *tape, swg_index index, size_t t)
{
    const swg_batch *batch = &tape->inner.batch;
    switch (index) {
    case SWG_INDEX_POSITION:
        return batch->positions[t] + (size_t)tape->inner.model->hparams.first_position;
    case SWG_INDEX_TYPE:
        return (size_t)batch->types[t];
    default:
        return (size_t)batch->ids[t];
    }
}
