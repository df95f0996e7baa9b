/* Batches on a CUDA device: the arrays that say where rows belong, the model's vectors, and the
 * graph of a decoding step. */
#include <string.h>

#include "runtime/backend/cuda_state.h"

/* Steps of so few rows are worth a graph: launching their operations takes longer than computing
 * them. */
enum { MOST_GRAPH_ROWS = 64, LEAST_KEYS = 256 };

/* --- Set-up ----------------------------------------------------------------------------------- */

/* Where vectors and biases will be on the device. */
static swg_status place_vectors(swg_exec *exec, swg_gpu *gpu)
{
    enum { ALIGNED = 4 }; /* floats, 16 bytes */
    const swg_model *model = exec->model;
    SWG_TRY(SWG_NEW(gpu->vector_at, model->n_weights));
    SWG_TRY(SWG_NEW(gpu->bias_at, model->n_weights));
    for (size_t i = 0; i < model->n_weights; i++) {
        const size_t n = swg_round_up(model->weights[i].n, ALIGNED);
        gpu->vector_at[i] = gpu->n_vectors;
        gpu->n_vectors += model->weights[i].vector ? n : 0;
        gpu->bias_at[i] = gpu->n_vectors;
        gpu->n_vectors += model->weights[i].bias ? n : 0;
    }
    SWG_TRY(SWG_NEW(gpu->vectors, gpu->n_vectors));
    return swg_gpu_alloc(gpu, gpu->n_vectors, sizeof(float), (void **)&gpu->d_vectors);
}

static swg_status make_angles(swg_exec *exec, swg_gpu *gpu)
{
    const swg_hparams *h = &exec->model->hparams;
    const size_t tables = swg_rope_tables(h), pairs = (size_t)h->rope.dim / 2;
    const size_t rows = exec->options.chunk;
    if (tables * pairs == 0)
        return SWG_OK;
    SWG_TRY(SWG_NEW(gpu->frequencies, tables * pairs));
    SWG_TRY(swg_gpu_alloc(gpu, tables * pairs, sizeof(double), (void **)&gpu->d_frequencies));
    SWG_TRY(swg_gpu_alloc(gpu, tables * rows * pairs, sizeof(float), (void **)&gpu->d_cosine));
    return swg_gpu_alloc(gpu, tables * rows * pairs, sizeof(float), (void **)&gpu->d_sine);
}

swg_status swg_gpu_batch_init(swg_exec *exec)
{
    swg_gpu *gpu = swg_gpu_of(exec);
    const size_t elems = SWG_GPU_ARRAYS * exec->options.chunk;
    SWG_TRY(swg_gpu_alloc(gpu, elems, sizeof(int32_t), (void **)&gpu->d_arrays));
    SWG_TRY(
        swg_gpu_status(gpu->cuda, gpu->cuda->alloc_pinned(gpu->device, elems * sizeof *gpu->pinned,
                                                          (void **)&gpu->pinned)));
    memset(gpu->pinned, 0, elems * sizeof *gpu->pinned);
    SWG_TRY(place_vectors(exec, gpu));
    return make_angles(exec, gpu);
}

/* --- A new batch ------------------------------------------------------------------------------ */

static int32_t *host_array(const swg_exec *exec, swg_gpu_array array)
{
    return swg_gpu_of(exec)->pinned + (size_t)array * exec->options.chunk;
}

static void fill_span(swg_exec *exec, const swg_span *span)
{
    const size_t window =
        exec->model->hparams.window.is_used ? (size_t)exec->model->hparams.window.size : 0;
    for (size_t i = 0; i < span->n; i++) {
        const size_t t = span->row + i, position = span->position + i, visible = position + 1;
        host_array(exec, SWG_GPU_SEQUENCES)[t] = (int32_t)span->sequence;
        host_array(exec, SWG_GPU_POSITIONS)[t] = (int32_t)position;
        host_array(exec, SWG_GPU_FROM_WINDOW)[t] =
            (int32_t)(window && visible > window ? visible - window : 0);
        host_array(exec, SWG_GPU_TO_ITSELF)[t] = (int32_t)visible;
        host_array(exec, SWG_GPU_TO_END)[t] = (int32_t)(span->position + span->n);
    }
}

/* The arrays of the batch, and the bound of the keys that a row sees: a power of two, so that it
 * seldom changes. */
static void fill_arrays(swg_exec *exec)
{
    swg_gpu *gpu = swg_gpu_of(exec);
    const swg_batch *batch = &exec->batch;
    const size_t first = (size_t)exec->model->hparams.first_position;
    size_t most = 1;
    for (size_t t = 0; t < batch->n; t++) {
        host_array(exec, SWG_GPU_IDS)[t] = batch->ids[t];
        host_array(exec, SWG_GPU_TYPES)[t] = batch->types[t];
        host_array(exec, SWG_GPU_PLACES)[t] = (int32_t)(batch->positions[t] + first);
    }
    for (size_t i = 0; i < batch->n_kept; i++)
        host_array(exec, SWG_GPU_KEPT)[i] = (int32_t)batch->kept[i];
    for (size_t s = 0; s < batch->n_spans; s++) {
        const swg_span *span = &batch->spans[s];
        fill_span(exec, span);
        most = span->position + span->n > most ? span->position + span->n : most;
    }
    gpu->most_keys = LEAST_KEYS;
    while (gpu->most_keys < most)
        gpu->most_keys *= 2;
}

/* The model's vectors, when they have changed. */
static void upload_vectors(swg_exec *exec)
{
    swg_gpu *gpu = swg_gpu_of(exec);
    const swg_model *model = exec->model;
    if (gpu->revision == model->revision || gpu->n_vectors == 0)
        return;
    for (size_t i = 0; i < model->n_weights; i++) {
        const swg_weight *weight = &model->weights[i];
        if (weight->vector)
            memcpy(gpu->vectors + gpu->vector_at[i], weight->vector,
                   weight->n * sizeof *weight->vector);
        if (weight->bias)
            memcpy(gpu->vectors + gpu->bias_at[i], weight->bias, weight->n * sizeof *weight->bias);
    }
    SWG_GPU_CALL(gpu, copy_in, gpu->d_vectors, gpu->vectors, gpu->n_vectors * sizeof(float));
    gpu->revision = model->revision;
}

static bool is_dynamic(const swg_hparams *h)
{
    return h->rope.scaling == SWG_ROPE_DYNAMIC;
}

/* Frequencies of a text of that many positions. */
static void upload_frequencies(swg_exec *exec, size_t length)
{
    swg_gpu *gpu = swg_gpu_of(exec);
    const swg_hparams *h = &exec->model->hparams;
    const size_t tables = swg_rope_tables(h), pairs = (size_t)h->rope.dim / 2;
    for (size_t table = 0; table < tables; table++)
        for (size_t i = 0; i < pairs; i++)
            gpu->frequencies[table * pairs + i] = swg_rope_frequency(h, table, i, length);
    SWG_GPU_CALL(gpu, copy_in, gpu->d_frequencies, gpu->frequencies,
                 tables * pairs * sizeof(double));
}

/* Angles of rows [row, row + n). */
static void compute_angles(swg_exec *exec, size_t row, size_t n)
{
    swg_gpu *gpu = swg_gpu_of(exec);
    const swg_hparams *h = &exec->model->hparams;
    const size_t pairs = (size_t)h->rope.dim / 2;
    for (size_t table = 0; table < swg_rope_tables(h); table++) {
        const size_t at = (table * exec->options.chunk + row) * pairs;
        SWG_GPU_CALL(gpu, rope_angles, swg_gpu_array_of(exec, SWG_GPU_POSITIONS) + row,
                     gpu->d_frequencies + table * pairs, n, pairs, gpu->d_cosine + at,
                     gpu->d_sine + at);
    }
}

/* --- Graphs ----------------------------------------------------------------------------------- */

static bool is_same(const swg_gpu_step *a, const swg_gpu_step *b)
{
    return a->rows == b->rows && a->kept == b->kept && a->most_keys == b->most_keys &&
           a->revision == b->revision;
}

/* Whether the calls of this batch are those of any other with the same swg_gpu_step. */
static bool is_repeatable(const swg_exec *exec)
{
    const swg_batch *batch = &exec->batch;
    const swg_hparams *h = &exec->model->hparams;
    return batch->is_whole && batch->n <= MOST_GRAPH_ROWS && batch->n_spans == batch->n &&
           !h->is_encoder && !exec->options.observer && !is_dynamic(h) &&
           h->recurrent.units[0] == 0;
}

static void choose_mode(swg_exec *exec)
{
    swg_gpu *gpu = swg_gpu_of(exec);
    const swg_gpu_step step = {.rows = exec->batch.n,
                               .kept = exec->batch.n_kept,
                               .most_keys = gpu->most_keys,
                               .revision = exec->model->revision};
    const bool is_second = is_repeatable(exec) && is_same(&step, &gpu->last);
    gpu->last = is_repeatable(exec) ? step : (swg_gpu_step){0};
    if (gpu->status != SWG_OK || !is_second)
        return;
    if (gpu->graph && is_same(&step, &gpu->captured)) {
        gpu->mode = SWG_GPU_REPLAY;
        return;
    }
    swg_gpu_drop_graph(gpu);
    swg_gpu_note(gpu, gpu->cuda->graph_begin(gpu->stream));
    if (gpu->status != SWG_OK)
        return;
    gpu->mode = SWG_GPU_CAPTURE;
    gpu->captured = step;
}

void swg_gpu_launch(swg_gpu *gpu)
{
    const swg_gpu_mode mode = gpu->mode;
    if (mode == SWG_GPU_DIRECT)
        return;
    gpu->mode = SWG_GPU_DIRECT;
    if (mode == SWG_GPU_CAPTURE) {
        swg_cuda_graph *graph = NULL; /* ended also when a call has failed */
        swg_gpu_note(gpu, gpu->cuda->graph_end(gpu->stream, &graph));
        gpu->graph = graph;
    }
    if (gpu->status == SWG_OK)
        swg_gpu_note(gpu, gpu->cuda->graph_launch(gpu->stream, gpu->graph));
    else
        swg_gpu_drop_graph(gpu);
}

void swg_gpu_begin(swg_exec *exec)
{
    swg_gpu *gpu = swg_gpu_of(exec);
    const swg_batch *batch = &exec->batch;
    const swg_hparams *h = &exec->model->hparams;
    gpu->status = SWG_OK;
    gpu->mode = SWG_GPU_DIRECT;
    fill_arrays(exec);
    upload_vectors(exec);
    SWG_GPU_CALL(gpu, copy_in, gpu->d_arrays, gpu->pinned,
                 SWG_GPU_ARRAYS * exec->options.chunk * sizeof *gpu->pinned);
    if (!gpu->frequencies) {
        choose_mode(exec);
        return;
    }
    if (is_dynamic(h)) {
        for (size_t s = 0; s < batch->n_spans; s++) {
            upload_frequencies(exec, batch->spans[s].length);
            compute_angles(exec, batch->spans[s].row, batch->spans[s].n);
        }
        return;
    }
    if (!gpu->has_frequencies) {
        upload_frequencies(exec, 0);
        gpu->has_frequencies = true;
    }
    choose_mode(exec);
    if (batch->n > 0)
        compute_angles(exec, 0, batch->n);
}
