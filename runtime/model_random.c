/* A model of a given shape with random weights, generated without any file, for measuring speed
 * when no checkpoint of that size is at hand. Codes are uniform, and scales are such that
 * activations neither grow nor vanish: speed does not depend on anything else. */
#include <math.h>
#include <string.h>

#include "runtime/base/numeric.h"
#include "runtime/base/rng.h"
#include "runtime/base/sparse_pack.h"
#include "runtime/model_build.h"

/* Blocks of rows have their own generators, so that any thread may fill any block. */
typedef struct fill_job {
    const swg_backend_weights *storage;
    const swg_weight *weight;
    uint64_t seed;
} fill_job;

static void fill_bytes(uint8_t *out, size_t bytes, swg_rng *rng)
{
    uint64_t word = 0;
    for (size_t i = 0; i < bytes; i++, word >>= 8) {
        if (i % 8 == 0)
            word = swg_rng_next(rng);
        out[i] = (uint8_t)word;
    }
}

/* Canonical rows of one plane. */
static swg_status fill_plane(const swg_weight *w, const swg_plane *plane, size_t n_rows,
                             uint8_t *out, swg_rng *rng)
{
    const size_t bytes = n_rows * (size_t)plane->row_bytes, n = bytes / plane->elem_bytes;
    /* Uniform codes have a standard deviation of 2^bits / sqrt(12); the sum over k inputs of equal
     * size grows by sqrt(k). */
    const float scale = sqrtf(12.0f / (float)w->k) / (float)(1u << w->scheme.bits);
    const float value = sqrtf(3.0f / (float)w->k);
    switch (plane->kind) {
    case SWG_PLANE_VALUES:
        for (size_t i = 0; i < n; i++)
            swg_float_store(w->scheme.dtype, out, i, value * (float)(2 * swg_rng_uniform(rng) - 1));
        return SWG_OK;
    case SWG_PLANE_CODES:
        fill_bytes(out, bytes, rng);
        return SWG_OK;
    case SWG_PLANE_SCALES:
        if (swg_scheme_has_row_scales(w->scheme))
            memset(out, 1, n);
        for (size_t i = 0; !swg_scheme_has_row_scales(w->scheme) && i < n; i++)
            swg_float_store(w->scheme.scale_type, out, i, scale);
        return SWG_OK;
    case SWG_PLANE_ROW_SCALES:
        for (size_t i = 0; i < n; i++)
            swg_float_store(SWG_BF16, out, i, scale);
        return SWG_OK;
    case SWG_PLANE_ZEROS:
        memset(out, (int)swg_scheme_symmetric_zero(w->scheme), bytes);
        return SWG_OK;
    case SWG_PLANE_CODEBOOK:
        for (size_t i = 0; i < bytes; i++)
            out[i] = (uint8_t)(i - bytes / 2); /* uniform codes, as of integers */
        return SWG_OK;
    default:
        return swg_error(SWG_UNSUPPORTED, "planes of %s cannot be generated",
                         swg_plane_name(plane->kind));
    }
}

/* One step of rows, all planes. */
static swg_status fill_rows(void *context, size_t index)
{
    const fill_job *job = context;
    const swg_weight *w = job->weight;
    const size_t step = job->storage->row_step, row = index * step;
    const size_t n_rows = w->n - row < step ? w->n - row : step;
    const swg_tensor_desc desc = {.scheme = w->scheme, .rank = 2, .shape = {w->n, w->k}};
    swg_rng rng = swg_rng_seeded(job->seed + index);
    swg_status status = SWG_OK;
    swg_plane planes[SWG_PLANE_KINDS];
    uint8_t *rows = NULL;
    const size_t n_planes = swg_tensor_planes(&desc, planes);
    for (size_t p = 0; p < n_planes; p++) {
        const bool is_shared = swg_plane_is_shared(planes[p].kind);
        const size_t n = is_shared ? 1 : n_rows;
        if (is_shared && index > 0)
            continue;
        SWG_GO(SWG_NEW_UNINIT(rows, n * (size_t)planes[p].row_bytes));
        SWG_GO(fill_plane(w, &planes[p], n, rows, &rng));
        SWG_GO(job->storage->store(w, planes[p].kind, row, n, rows));
        SWG_FREE(rows);
    }
done:
    swg_free(rows);
    return status;
}

/* The rows that a random model has: optional ones are left out. */
static bool is_wanted(const swg_model *model, const swg_tensor_row *row)
{
    return !(row->flags & SWG_TENSOR_OPTIONAL) &&
           !((row->flags & SWG_TENSOR_TIED) && model->hparams.tied_head);
}

/* What all matrices of a random model have in common. */
typedef struct recipe {
    swg_scheme scheme;
    double density;
    uint64_t seed;
} recipe;

static swg_status declare_row(swg_model *model, const swg_tensor_row *row, size_t layer,
                              size_t expert, void *context)
{
    const recipe *how = context;
    if (!is_wanted(model, row))
        return SWG_OK;
    if (row->k == SWG_DIM_ONE)
        return swg_model_declare(model, row, layer, expert, swg_scheme_plain(SWG_F32));
    const bool is_sparse = swg_weight_format_of(how->scheme)->sparse != NULL;
    if (!is_sparse || swg_role_scope_of(row->role) == SWG_PER_MODEL)
        return swg_model_declare(model, row, layer, expert,
                                 is_sparse ? swg_sparse_dense(how->scheme) : how->scheme);
    SWG_TRY(swg_model_declare(model, row, layer, expert, how->scheme));
    swg_weight *weight = swg_model_slot(model, row->role, layer, expert);
    if (how->scheme.block && weight->n % how->scheme.block != 0)
        return swg_error(SWG_USAGE, "blocks of %u rows do not divide the %zu rows of %s",
                         how->scheme.block, weight->n, swg_role_name(weight->role));
    if (how->scheme.format == SWG_FORMAT_pairs && weight->k % 4 != 0)
        return swg_error(SWG_USAGE, "pattern 2:4 does not divide the %zu columns of %s", weight->k,
                         swg_role_name(weight->role));
    weight->n_stored = swg_model_random_stored(how->scheme, weight->n, weight->k, how->density);
    weight->bytes = swg_model_storage(model)->bytes(weight);
    return SWG_OK;
}

static swg_status fill_weight(swg_model *model, const swg_tensor_row *row, size_t layer,
                              size_t expert, void *context)
{
    const recipe *how = context;
    const swg_weight *weight = swg_model_slot(model, row->role, layer, expert);
    if (swg_weight_is_vector(weight))
        for (size_t i = 0; i < weight->n; i++)
            ((float *)weight->vector)[i] = 1.0f; /* norms */
    if (weight->n == 0 || swg_weight_is_vector(weight))
        return SWG_OK;
    const fill_job job = {.storage = swg_model_storage(model),
                          .weight = weight,
                          .seed = how->seed + ((uint64_t)(weight - model->weights) << 28)};
    if (weight->n_stored)
        return swg_model_random_fill_sparse(job.storage, weight, how->density, job.seed);
    return swg_pool_for(model->pool, swg_ceil_div(weight->n, job.storage->row_step), fill_rows,
                        (void *)&job);
}

/* Refuse what cannot fit before any of it is generated: the size of a checkpoint's file bounds its
 * shapes, here nothing does. */
static swg_status check_memory(const swg_model *model, swg_scheme scheme)
{
    const swg_arch *arch = model->arch;
    const double bits = scheme.bits ? scheme.bits : swg_dtype_bits(scheme.dtype);
    double bytes = 0;
    for (size_t i = 0; i < arch->n_tensors; i++) {
        const swg_tensor_row *row = &arch->tensors[i];
        if (is_wanted(model, row) && swg_tensor_row_applies(&model->hparams, row))
            bytes += (double)swg_role_layers(&model->hparams, row->role) *
                     (double)swg_role_experts(&model->hparams, row->role) * bits / 8 *
                     (double)swg_dim_size(&model->hparams, row->n, 0) *
                     (double)swg_dim_size(&model->hparams, row->k, 0);
    }
    const double machine = (double)swg_machine_memory_bytes();
    return machine > 0 && bytes > machine
               ? swg_error(SWG_LIMIT,
                           "weights of %.1f GB do not fit the machine's %.1f GB of memory",
                           1e-9 * bytes, 1e-9 * machine)
               : SWG_OK;
}

swg_status swg_model_random(const char *config, size_t length, swg_scheme scheme, uint64_t seed,
                            const swg_model_options *options, swg_model **out)
{
    swg_status status = SWG_OK;
    swg_model *model = NULL;
    recipe how = {.scheme = scheme,
                  .density = options && options->random_density > 0 ? options->random_density : 0.5,
                  .seed = seed};
    SWG_GO(swg_model_begin(config, length, options, &model));
    SWG_GO(check_memory(model, scheme));
    const size_t n_layers = (size_t)model->hparams.n_layers;
    for (size_t layer = 0; layer <= n_layers; layer++) {
        SWG_GO(swg_model_visit(model, layer, declare_row, &how));
        SWG_GO(swg_model_reserve(model, layer));
        SWG_GO(swg_model_visit(model, layer, fill_weight, &how));
        SWG_GO(swg_model_complete(model, &model->layers[layer].pages));
        model->layers[layer].is_loaded = true;
    }
    model->pool = NULL;
    model->progress = NULL;
    *out = model;
    model = NULL;
done:
    swg_model_free(&model);
    return status;
}
