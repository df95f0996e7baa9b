/* Loading weights: blocks of rows are read in parallel, and each is decompressed, checked and
 * passed to the backend while it is in cache. */
#include <stdatomic.h>
#include <string.h>

#include "formats/huggingface/quantization_config.h"
#include "runtime/base/clock.h"
#include "runtime/base/numeric.h"
#include "runtime/base/sparse_pack.h"
#include "runtime/model_build.h"

/* A piece of work: rows of one plane of one weight. */
typedef struct load_block {
    const swg_weight *weight;
    size_t tensor; /* in the source */
    swg_plane_kind kind;
    uint64_t source_row, row_begin, n_rows; /* in the tensor's plane, in the weight's */
    size_t bytes;
    bool is_expanded; /* read as numbers: the weight's scheme is not the tensor's */
    bool is_sparse;   /* all planes of the weight */
} load_block;

/* Sparse matrices are read so many steps of rows at a time. */
enum { SPARSE_STEPS = 8 };

typedef struct loader {
    swg_model *model;
    load_block *blocks;
    size_t n_blocks, blocks_capacity;
    uint8_t **scratch; /* [threads], each of the largest block's bytes */
    size_t scratch_bytes;
    uint64_t bytes; /* of all blocks */
    atomic_size_t *left; /* [n_layers + 1] blocks of the layer that are not stored yet */
    atomic_uint_fast64_t done_bytes;
} loader;

/* Read the weight's elements from a tensor that holds one vector, or one per expert. */
static swg_status read_vector(swg_model *model, const swg_weight *weight, size_t tensor, float *out)
{
    const swg_row_range range = swg_model_origin(model, weight)->range;
    const swg_tensor_desc *desc = swg_source_tensor(model->source, tensor);
    const size_t row = desc->rank > 1 ? weight->expert : 0;
    model->load_bytes += swg_tensor_bytes(desc) * range.n_rows / swg_tensor_elems(desc);
    if (range.n_rows == range.total_rows)
        return swg_source_read_f32(model->source, tensor, row, 1, out);
    float *whole;
    SWG_TRY(SWG_NEW_UNINIT(whole, range.total_rows));
    const swg_status status = swg_source_read_f32(model->source, tensor, row, 1, whole);
    if (status == SWG_OK)
        memcpy(out, whole + range.first_row, range.n_rows * sizeof *out);
    swg_free(whole);
    return status;
}

static swg_status read_vectors(swg_model *model, const swg_weight *weight,
                               const swg_weight_origin *origin)
{
    if (swg_weight_is_vector(weight)) {
        SWG_TRY(read_vector(model, weight, origin->tensor, (float *)weight->vector));
        swg_model_transform(origin->row, (float *)weight->vector, weight->n);
    }
    if (origin->bias != SIZE_MAX)
        SWG_TRY(read_vector(model, weight, origin->bias, (float *)weight->bias));
    return SWG_OK;
}

/* Cut one plane of a matrix into blocks of rows. */
static swg_status add_plane(loader *l, const swg_weight *weight, size_t tensor,
                            const swg_plane *plane, bool is_expanded)
{
    swg_source *source = l->model->source;
    size_t n_stored;
    const swg_plane_kind stored = swg_source_planes(source, tensor, &n_stored)->kind;
    const uint64_t best =
        swg_source_rows_per_read(source, tensor, is_expanded ? stored : plane->kind);
    const uint64_t step = swg_round_up(best ? best : 1, swg_model_storage(l->model)->row_step);
    uint64_t first, n;
    const swg_status status = swg_model_plane_rows(weight, swg_source_tensor(source, tensor),
                                                   weight->first_row, plane, &first, &n);
    if (status != SWG_OK)
        return swg_error_context(status, "%s: tensor %s", swg_source_path(source), weight->tensor);
    for (uint64_t at = 0; at < n; at += step) {
        SWG_TRY(swg_reserve((void **)&l->blocks, &l->blocks_capacity, l->n_blocks + 1,
                            sizeof *l->blocks));
        const uint64_t n_rows = n - at < step ? n - at : step;
        const size_t bytes = (size_t)(n_rows * plane->row_bytes);
        l->blocks[l->n_blocks++] = (load_block){.weight = weight,
                                                .tensor = tensor,
                                                .kind = plane->kind,
                                                .source_row = first + at,
                                                .row_begin = at,
                                                .n_rows = n_rows,
                                                .bytes = bytes,
                                                .is_expanded = is_expanded};
        l->bytes += bytes;
        if (bytes > l->scratch_bytes)
            l->scratch_bytes = bytes;
    }
    return SWG_OK;
}

/* A matrix in a sparse format of codes is one block: where its rows go depends on those before. */
static swg_status add_sparse(loader *l, const swg_weight *weight, size_t tensor)
{
    const swg_tensor_desc *desc = swg_source_tensor(l->model->source, tensor);
    const size_t bytes = (size_t)(swg_tensor_bytes(desc) * weight->n / desc->shape[0]);
    SWG_TRY(
        swg_reserve((void **)&l->blocks, &l->blocks_capacity, l->n_blocks + 1, sizeof *l->blocks));
    l->blocks[l->n_blocks++] = (load_block){.weight = weight,
                                            .tensor = tensor,
                                            .source_row = weight->first_row,
                                            .n_rows = weight->n,
                                            .bytes = bytes,
                                            .is_sparse = true};
    l->bytes += bytes;
    return SWG_OK;
}

/* Vectors are read at once, matrices are cut into blocks. */
static swg_status add_weight(swg_model *model, const swg_tensor_row *row, size_t layer,
                             size_t expert, void *context)
{
    loader *l = context;
    const swg_weight *weight = swg_model_slot(model, row->role, layer, expert);
    if (weight->n == 0)
        return SWG_OK;
    const swg_weight_origin *origin = swg_model_origin(model, weight);
    SWG_TRY(read_vectors(model, weight, origin));
    if (swg_weight_is_vector(weight))
        return SWG_OK;
    size_t n_planes;
    const swg_plane *planes = swg_source_planes(model->source, origin->tensor, &n_planes);
    const swg_tensor_desc *desc = swg_source_tensor(model->source, origin->tensor);
    const bool is_expanded = !swg_scheme_equal(desc->scheme, weight->scheme);
    if (swg_weight_format_of(weight->scheme)->sparse)
        return add_sparse(l, weight, origin->tensor);
    swg_plane expanded[SWG_PLANE_KINDS];
    if (is_expanded) {
        swg_tensor_desc plain = *desc;
        plain.scheme = weight->scheme;
        n_planes = swg_tensor_planes(&plain, expanded);
        planes = expanded;
    }
    for (size_t p = 0; p < n_planes; p++)
        SWG_TRY(add_plane(l, weight, origin->tensor, &planes[p], is_expanded));
    return SWG_OK;
}

/* Rows of values, whatever format they are stored in, as elements of the weight's type. */
static swg_status read_expanded(swg_source *source, const load_block *block, void *rows)
{
    const size_t count = (size_t)block->n_rows * block->weight->k;
    float *numbers;
    SWG_TRY(SWG_NEW_UNINIT(numbers, count));
    const swg_status status =
        swg_source_read_f32(source, block->tensor, block->source_row, block->n_rows, numbers);
    for (size_t i = 0; status == SWG_OK && i < count; i++)
        swg_float_store(block->weight->scheme.dtype, rows, i, numbers[i]);
    swg_free(numbers);
    return status;
}

/* Rows of a sparse matrix, as many as are read together. */
typedef struct sparse_rows {
    swg_source *source;
    size_t tensor;
    bool *is_stored;
    uint8_t *codes, *scales, *zeros;
} sparse_rows;

static swg_status read_plane(void *context, swg_plane_kind kind, uint64_t row_begin,
                             uint64_t n_rows, void *out)
{
    const sparse_rows *rows = context;
    return swg_source_read(rows->source, rows->tensor, kind, row_begin, n_rows, out);
}

static swg_status load_sparse(loader *l, const load_block *block)
{
    const swg_backend_weights *storage = swg_model_storage(l->model);
    const swg_weight *weight = block->weight;
    const swg_scheme scheme = weight->scheme;
    const size_t k = weight->k, groups = swg_scheme_groups(scheme, k);
    const size_t step = storage->row_step * SPARSE_STEPS;
    swg_status status = SWG_OK;
    sparse_rows rows = {.source = l->model->source, .tensor = block->tensor};
    const swg_tensor_desc *desc = swg_source_tensor(rows.source, rows.tensor);
    const swg_plane_reader from = {.read = read_plane, .context = &rows};
    SWG_GO(SWG_NEW_UNINIT(rows.is_stored, step * k));
    SWG_GO(SWG_NEW(rows.codes, step * k));
    SWG_GO(SWG_NEW_UNINIT(rows.scales, step * groups * swg_dtype_bits(scheme.scale_type) / 8));
    if (scheme.asymmetric)
        SWG_GO(SWG_NEW_UNINIT(rows.zeros, step * groups));
    for (uint64_t at = 0; at < block->n_rows; at += step) {
        const uint64_t n = block->n_rows - at < step ? block->n_rows - at : step;
        const uint64_t row = block->source_row + at;
        SWG_GO(swg_sparse_read_codes(desc, &from, row, n, rows.is_stored, rows.codes));
        SWG_GO(read_plane(&rows, SWG_PLANE_SCALES, row, n, rows.scales));
        if (rows.zeros)
            SWG_GO(read_plane(&rows, SWG_PLANE_ZEROS, row, n, rows.zeros));
        SWG_GO(storage->store_sparse(weight, at, n, rows.is_stored, rows.codes, rows.scales,
                                     rows.zeros));
    }
done:
    swg_free(rows.is_stored);
    swg_free(rows.codes);
    swg_free(rows.scales);
    swg_free(rows.zeros);
    return status;
}

static swg_status load_planes(loader *l, const load_block *block)
{
    const swg_backend_weights *storage = swg_model_storage(l->model);
    void *direct = storage->direct(block->weight, block->kind, block->row_begin);
    void *rows = direct ? direct : l->scratch[swg_pool_thread_index()];
    if (block->is_expanded)
        SWG_TRY(read_expanded(l->model->source, block, rows));
    else
        SWG_TRY(swg_source_read(l->model->source, block->tensor, block->kind, block->source_row,
                                block->n_rows, rows));
    return direct ? SWG_OK
                  : storage->store(block->weight, block->kind, block->row_begin, block->n_rows,
                                   rows);
}

/* The layer that a block's weight is in; n_layers: outside layers. */
static size_t layer_of(const loader *l, const load_block *block)
{
    return swg_role_scope_of(block->weight->role) == SWG_PER_MODEL
               ? (size_t)l->model->hparams.n_layers
               : block->weight->layer;
}

/* The model has copies: the pages that these were read from are not needed beside them. */
static swg_status release_pages(swg_model *model, const swg_tensor_row *row, size_t layer,
                                size_t expert, void *context)
{
    (void)context;
    const swg_weight *weight = swg_model_slot(model, row->role, layer, expert);
    if (weight->n > 0)
        swg_source_release(model->source, swg_model_origin(model, weight)->tensor);
    return SWG_OK;
}

/* With the last block of a layer its matrices are complete. */
static swg_status count_block(loader *l, const load_block *block)
{
    const size_t layer = layer_of(l, block);
    if (atomic_fetch_sub(&l->left[layer], 1) > 1)
        return SWG_OK;
    SWG_TRY(swg_model_complete(l->model, &l->model->layers[layer].pages));
    return swg_model_visit(l->model, layer, release_pages, NULL);
}

static swg_status load_block_of(void *context, size_t index)
{
    loader *l = context;
    const load_block *block = &l->blocks[index];
    SWG_TRY(block->is_sparse ? load_sparse(l, block) : load_planes(l, block));
    SWG_TRY(count_block(l, block));
    const uint64_t done = atomic_fetch_add(&l->done_bytes, block->bytes) + block->bytes;
    if (swg_pool_thread_index() == 0)
        return swg_progress_step(l->model->progress, "loading", "B", done, l->bytes);
    return SWG_OK;
}

static swg_status run_blocks(loader *l)
{
    swg_pool *pool = l->model->pool;
    const size_t n_threads = swg_pool_threads(pool);
    SWG_TRY(SWG_NEW(l->scratch, n_threads));
    for (size_t t = 0; t < n_threads; t++)
        SWG_TRY(SWG_NEW_UNINIT(l->scratch[t], l->scratch_bytes));
    SWG_TRY(SWG_NEW(l->left, (size_t)l->model->hparams.n_layers + 1));
    for (size_t i = 0; i < l->n_blocks; i++)
        l->left[layer_of(l, &l->blocks[i])]++;
    return swg_pool_for(pool, l->n_blocks, load_block_of, l);
}

/* The i-th layer of [begin, end) to load. The last comes first: of a whole model those are the
 * weights outside layers, whose large blocks would otherwise leave threads idle at the end, and
 * which files have first. */
static size_t nth_layer(size_t begin, size_t end, size_t i)
{
    return i == 0 ? end - 1 : begin + i - 1;
}

/* Layers that are loaded already stay as they are. */
swg_status swg_model_load_layers(swg_model *model, size_t begin, size_t end)
{
    swg_status status = SWG_OK;
    const double start = swg_clock_s();
    loader l = {.model = model};
    for (size_t i = 0; i < end - begin; i++) {
        const size_t layer = nth_layer(begin, end, i);
        if (!model->layers[layer].is_loaded) {
            SWG_GO(swg_model_reserve(model, layer));
            SWG_GO(swg_model_visit(model, layer, add_weight, &l));
        }
    }
    SWG_GO(run_blocks(&l));
    for (size_t layer = begin; layer < end; layer++)
        model->layers[layer].is_loaded = true;
    model->revision++;
    model->load_bytes += l.bytes;
    model->load_s += swg_clock_s() - start;
done:
    for (size_t layer = begin; status != SWG_OK && layer < end; layer++)
        if (!model->layers[layer].is_loaded)
            swg_model_unreserve(model, layer);
    for (size_t t = 0; l.scratch && t < swg_pool_threads(model->pool); t++)
        swg_free(l.scratch[t]);
    swg_free(l.scratch);
    swg_free(l.left);
    swg_free(l.blocks);
    return status;
}

swg_status swg_model_load_layer(swg_model *model, size_t layer)
{
    if (layer > (size_t)model->hparams.n_layers)
        return swg_error(SWG_USAGE, "layer %zu of a model with %lld layers", layer,
                         (long long)model->hparams.n_layers);
    if (!model->source && !model->layers[layer].is_loaded)
        return swg_error(SWG_USAGE,
                         "layer %zu was released from a model that was not opened for loading by "
                         "layers",
                         layer);
    return swg_model_load_layers(model, layer, layer + 1);
}

swg_status swg_model_open(swg_source *source, const swg_model_options *options, swg_model **out)
{
    swg_status status = SWG_OK;
    swg_model *model = NULL;
    size_t length;
    const double start = swg_clock_s();
    const char *config = swg_source_config(source, &length);
    SWG_GO(swg_foreign_quantization_refuse(source));
    status = swg_model_begin(config, length, options, &model);
    if (status != SWG_OK) {
        swg_error_context(status, "%s", swg_source_path(source));
        goto done;
    }
    model->source = source;
    SWG_GO(swg_model_match(model));
    model->load_s = swg_clock_s() - start;
    *out = model;
    model = NULL;
done:
    swg_model_free(&model);
    return status;
}

swg_status swg_model_load(swg_source *source, const swg_model_options *options, swg_model **out)
{
    swg_status status = SWG_OK;
    swg_model *model = NULL;
    SWG_GO(swg_model_open(source, options, &model));
    SWG_GO(swg_model_load_layers(model, 0, (size_t)model->hparams.n_layers + 1));
    model->source = NULL;
    model->pool = NULL;
    model->progress = NULL;
    *out = model;
    model = NULL;
done:
    swg_model_free(&model);
    return status;
}
