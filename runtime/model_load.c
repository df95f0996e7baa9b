/* Loading a model from a checkpoint: match the architecture's tensor rows with the checkpoint's
 * tensors, both ways, then read blocks of rows in parallel - decompressing, checking and repacking
 * each block while it is in cache. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/model_build.h"

/* A piece of work: rows of one plane of one weight. */
typedef struct load_block {
    size_t tensor; /* in the source */
    swg_plane_kind kind;
    swg_weight *weight;
    uint64_t source_row, row_begin, n_rows; /* in the tensor, in the weight */
    size_t bytes;
} load_block;

typedef struct loader {
    swg_source *source;
    swg_model *model;
    const swg_kernels *kernels;
    const swg_progress *progress;
    const char *prefix; /* what "{P}" stands for in this checkpoint */
    bool *is_used;      /* [source tensors] */
    load_block *blocks;
    size_t n_blocks, blocks_capacity;
    uint8_t **scratch; /* [threads], each of the largest block's bytes */
    size_t scratch_bytes;
    atomic_uint_fast64_t done_bytes;
} loader;

static swg_status check_shape(const loader *l, const swg_tensor_desc *desc, size_t n, size_t k,
                              bool is_vector)
{
    const swg_tensor_desc meant = {.rank = is_vector ? 1 : 2, .shape = {n, is_vector ? 0 : k}};
    const bool matches =
        desc->rank == meant.rank && desc->shape[0] == n && (is_vector || desc->shape[1] == k);
    if (matches)
        return SWG_OK;
    char has[SWG_SHAPE_TEXT_BYTES], implied[SWG_SHAPE_TEXT_BYTES];
    return swg_error(SWG_CORRUPT, "%s: tensor %s has shape %s; config.json implies %s",
                     swg_source_path(l->source), desc->name, swg_tensor_shape_text(desc, has),
                     swg_tensor_shape_text(&meant, implied));
}

/* The tensor of a row and layer under the first of its names that is there, and that name (of a
 * missing tensor: its first name). SIZE_MAX when there is none. */
static size_t find_tensor(const loader *l, const swg_tensor_row *row, size_t layer,
                          char name[SWG_TENSOR_NAME_BYTES])
{
    for (const char *pattern = row->pattern; pattern;) {
        pattern = swg_tensor_row_name(pattern, l->prefix, layer, name);
        const size_t tensor = swg_source_find(l->source, name);
        if (tensor != SIZE_MAX)
            return tensor;
    }
    swg_tensor_row_name(row->pattern, l->prefix, layer, name);
    return SIZE_MAX;
}

static swg_row_range range_of(const loader *l, const swg_tensor_row *row, size_t layer)
{
    return swg_tensor_row_range(l->model->arch, &l->model->hparams, row, layer);
}

/* Read those elements of a small tensor of one dimension as floats. */
static swg_status read_vector(loader *l, size_t tensor, swg_row_range range, float *out)
{
    const swg_tensor_desc *desc = swg_source_tensor(l->source, tensor);
    SWG_TRY(check_shape(l, desc, range.total_rows, 1, true));
    l->is_used[tensor] = true;
    l->model->load_bytes += swg_tensor_bytes(desc) * range.n_rows / range.total_rows;
    if (range.n_rows == range.total_rows)
        return swg_source_read_f32(l->source, tensor, 0, 1, out);
    float *whole;
    SWG_TRY(SWG_NEW_UNINIT(whole, range.total_rows));
    const swg_status status = swg_source_read_f32(l->source, tensor, 0, 1, whole);
    if (status == SWG_OK)
        memcpy(out, whole + range.first_row, range.n_rows * sizeof *out);
    swg_free(whole);
    return status;
}

static swg_status load_bias(loader *l, swg_row_range range, const char *weight_name,
                            swg_weight *weight)
{
    char name[SWG_TENSOR_NAME_BYTES];
    swg_tensor_bias_name(weight_name, name);
    const size_t tensor = swg_source_find(l->source, name);
    if (tensor == SIZE_MAX)
        return weight->bias
                   ? swg_error(SWG_CORRUPT, "%s has no tensor %s", swg_source_path(l->source), name)
                   : SWG_OK;
    if (!weight->bias) {
        weight->bias = swg_arena_calloc(&l->model->small, weight->n, sizeof *weight->bias);
        if (!weight->bias)
            return SWG_NO_MEMORY;
        l->model->n_parameters += weight->n;
    }
    return read_vector(l, tensor, range, (float *)weight->bias);
}

static swg_status missing(const loader *l, const swg_tensor_row *row, const char *name)
{
    const bool may_lack = (row->flags & SWG_TENSOR_OPTIONAL) ||
                          ((row->flags & SWG_TENSOR_TIED) && l->model->hparams.tied_head);
    return may_lack
               ? SWG_OK
               : swg_error(SWG_CORRUPT, "%s has no tensor %s", swg_source_path(l->source), name);
}

/* Find and declare one weight; vectors are read at once. */
static swg_status match_weight(loader *l, const swg_tensor_row *row, size_t layer)
{
    char name[SWG_TENSOR_NAME_BYTES];
    const size_t tensor = find_tensor(l, row, layer, name);
    const swg_hparams *h = &l->model->hparams;
    if (tensor == SIZE_MAX)
        return missing(l, row, name);
    l->is_used[tensor] = true;
    if ((row->flags & SWG_TENSOR_TIED) && h->tied_head)
        return SWG_OK; /* some checkpoints spell the tied head out; the embedding is what counts */
    const swg_tensor_desc *desc = swg_source_tensor(l->source, tensor);
    const bool is_vector = row->k == SWG_DIM_ONE;
    const swg_row_range range = range_of(l, row, layer);
    SWG_TRY(check_shape(l, desc, range.total_rows, swg_dim_size(h, row->k, layer), is_vector));
    const swg_status status = swg_model_declare(l->model, row, layer, desc->scheme);
    if (status != SWG_OK)
        return swg_error_context(status, "tensor %s", name);
    swg_weight *weight = swg_model_slot(l->model, row->role, layer);
    if (is_vector)
        SWG_TRY(read_vector(l, tensor, range, (float *)weight->plain));
    if (weight->bias || (row->flags & SWG_BIAS_MAY))
        SWG_TRY(load_bias(l, range, name, weight));
    return SWG_OK;
}

static bool has_tensor(const void *context, const char *name)
{
    const loader *l = context;
    return swg_source_find(l->source, name) != SIZE_MAX;
}

static swg_status refuse_unused(loader *l)
{
    const swg_arch *arch = l->model->arch;
    for (const char *const *pattern = arch->ignored; *pattern; pattern++)
        for (int64_t layer = 0; layer < l->model->hparams.n_layers; layer++) {
            char name[SWG_TENSOR_NAME_BYTES];
            swg_tensor_row_name(*pattern, l->prefix, (size_t)layer, name);
            const size_t tensor = swg_source_find(l->source, name);
            if (tensor != SIZE_MAX)
                l->is_used[tensor] = true;
        }
    for (size_t i = 0; i < swg_source_n_tensors(l->source); i++)
        if (!l->is_used[i])
            return swg_error(SWG_UNSUPPORTED,
                             "%s: tensor %s is not part of architecture %s with %lld layers",
                             swg_source_path(l->source), swg_source_tensor(l->source, i)->name,
                             arch->name, (long long)l->model->hparams.n_layers);
    return SWG_OK;
}

/* Cut one plane of a matrix into blocks of whole panels. */
static swg_status add_plane(loader *l, swg_weight *weight, const swg_plane *plane, load_block block)
{
    const uint64_t best = swg_source_rows_per_read(l->source, block.tensor, plane->kind);
    const uint64_t step = swg_round_up(best ? best : 1, SWG_PANEL_ROWS);
    const uint64_t first_row = block.source_row;
    block.weight = weight;
    block.kind = plane->kind;
    for (uint64_t at = 0; at < weight->n; at += step) {
        SWG_TRY(swg_reserve((void **)&l->blocks, &l->blocks_capacity, l->n_blocks + 1,
                            sizeof *l->blocks));
        block.row_begin = at;
        block.source_row = first_row + at;
        block.n_rows = weight->n - at < step ? weight->n - at : step;
        block.bytes = (size_t)(block.n_rows * plane->row_bytes);
        l->blocks[l->n_blocks++] = block;
        l->model->load_bytes += block.bytes;
        if (block.bytes > l->scratch_bytes)
            l->scratch_bytes = block.bytes;
    }
    return SWG_OK;
}

static swg_status add_blocks(loader *l, const swg_tensor_row *row, size_t layer)
{
    char name[SWG_TENSOR_NAME_BYTES];
    swg_weight *weight = swg_model_slot(l->model, row->role, layer);
    if (weight->n == 0 || row->k == SWG_DIM_ONE)
        return SWG_OK;
    const size_t tensor = find_tensor(l, row, layer, name);
    size_t n_planes;
    const swg_plane *const planes = swg_source_planes(l->source, tensor, &n_planes);
    for (size_t p = 0; p < n_planes; p++)
        SWG_TRY(add_plane(
            l, weight, &planes[p],
            (load_block){.tensor = tensor, .source_row = range_of(l, row, layer).first_row}));
    return SWG_OK;
}

/* Visit the rows that this model has, layer by layer. */
static swg_status for_each_row(loader *l,
                               swg_status (*visit)(loader *, const swg_tensor_row *, size_t))
{
    const swg_arch *arch = l->model->arch;
    for (size_t i = 0; i < arch->n_tensors; i++) {
        const swg_tensor_row *row = &arch->tensors[i];
        if (!swg_tensor_row_applies(&l->model->hparams, row))
            continue;
        for (size_t layer = 0; layer < swg_tensor_row_layers(&l->model->hparams, row); layer++)
            SWG_TRY(visit(l, row, layer));
    }
    return SWG_OK;
}

static swg_status load_one(void *context, size_t index)
{
    loader *l = context;
    const load_block *block = &l->blocks[index];
    const swg_packed *packed = &block->weight->packed;
    void *target = l->scratch[swg_pool_thread_index()];
    if (block->kind == SWG_PLANE_VALUES)
        target =
            (uint8_t *)block->weight->plain + block->row_begin * (block->bytes / block->n_rows);
    SWG_TRY(swg_source_read(l->source, block->tensor, block->kind, block->source_row, block->n_rows,
                            target));
    const size_t row = (size_t)block->row_begin, n_rows = (size_t)block->n_rows;
    if (block->kind == SWG_PLANE_CODES)
        l->kernels->pack_codes(packed, row, n_rows, target);
    else if (block->kind == SWG_PLANE_SCALES)
        l->kernels->pack_scales(packed, row, n_rows, target);
    else if (block->kind == SWG_PLANE_ZEROS)
        l->kernels->pack_zeros(packed, row, n_rows, target);
    const uint64_t done = atomic_fetch_add(&l->done_bytes, block->bytes) + block->bytes;
    if (swg_pool_thread_index() == 0)
        return swg_progress_step(l->progress, "loading", "B", done, l->model->load_bytes);
    return SWG_OK;
}

static swg_status load_matrices(loader *l, swg_pool *pool)
{
    SWG_TRY(for_each_row(l, add_blocks));
    const size_t n_threads = swg_pool_threads(pool);
    SWG_TRY(SWG_NEW(l->scratch, n_threads));
    for (size_t t = 0; t < n_threads; t++)
        SWG_TRY(SWG_NEW_UNINIT(l->scratch[t], l->scratch_bytes));
    return swg_pool_for(pool, l->n_blocks, load_one, l);
}

static swg_status load_all(loader *l, swg_pool *pool)
{
    l->prefix = swg_arch_choose_prefix(l->model->arch, has_tensor, l);
    SWG_TRY(for_each_row(l, match_weight));
    SWG_TRY(refuse_unused(l));
    SWG_TRY(swg_model_allocate(l->model));
    return load_matrices(l, pool);
}

static void loader_deinit(loader *l, swg_pool *pool)
{
    for (size_t t = 0; l->scratch && t < swg_pool_threads(pool); t++)
        swg_free(l->scratch[t]);
    swg_free(l->scratch);
    swg_free(l->blocks);
    swg_free(l->is_used);
}

swg_status swg_model_load(swg_source *source, swg_pool *pool, const swg_progress *progress,
                          swg_model **out)
{
    swg_status status = SWG_OK;
    const double start = swg_clock_s();
    loader l = {.source = source, .progress = progress};
    size_t length;
    const char *config = swg_source_config(source, &length);
    SWG_GO(swg_kernels_best(&l.kernels));
    status = swg_model_begin(config, length, &l.model);
    if (status != SWG_OK) {
        swg_error_context(status, "%s", swg_source_path(source));
        goto done;
    }
    SWG_GO(SWG_NEW(l.is_used, swg_source_n_tensors(source)));
    SWG_GO(load_all(&l, pool));
    l.model->load_s = swg_clock_s() - start;
    *out = l.model;
    l.model = NULL;
done:
    swg_model_free(&l.model);
    loader_deinit(&l, pool);
    return status;
}
