/* A model of a given shape with random weights, packed in place without any file: what speed is
 * measured on when no checkpoint of that size is at hand. Codes are uniform, scales such that
 * activations neither grow nor vanish: speed does not depend on more. */
#include <math.h>

#include "runtime/base/numeric.h"
#include "runtime/model_build.h"

/* Every panel has its own generator, so any thread may fill it. */
typedef struct fill_job {
    swg_weight *weight;
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

static void fill_scales(const swg_packed *w, uint8_t *panel)
{
    /* Uniform codes have a standard deviation of 2^bits / sqrt(12); the sum over k inputs of equal
     * size grows by sqrt(k). */
    const float scale = sqrtf(12.0f / (float)w->k) / (float)(1u << w->scheme.bits);
    for (size_t i = 0; i < w->n_groups * SWG_PANEL_ROWS; i++)
        swg_float_store(w->scheme.scale_type, panel + w->scales_offset, i, scale);
    if (w->scheme.asymmetric)
        for (size_t i = 0; i < w->n_groups * SWG_PANEL_ROWS; i++)
            panel[w->zeros_offset + i] = (uint8_t)swg_scheme_symmetric_zero(w->scheme);
}

static swg_status fill_panel(void *context, size_t index)
{
    const fill_job *job = context;
    const swg_packed *w = &job->weight->packed;
    uint8_t *panel = w->panels + index * w->panel_bytes;
    swg_rng rng = swg_rng_seeded(job->seed + index);
    fill_bytes(panel, w->k_padded * SWG_PANEL_ROWS * w->scheme.bits / 8, &rng);
    fill_scales(w, panel);
    return SWG_OK;
}

static swg_status fill_row(void *context, size_t index)
{
    const fill_job *job = context;
    const swg_weight *w = job->weight;
    swg_rng rng = swg_rng_seeded(job->seed + index);
    const float scale = sqrtf(3.0f / (float)w->k);
    for (size_t i = 0; i < w->k; i++)
        swg_float_store(w->scheme.dtype, (void *)w->plain, index * w->k + i,
                        scale * (float)(2 * swg_rng_uniform(&rng) - 1));
    return SWG_OK;
}

static swg_status fill_weight(swg_weight *weight, uint64_t seed, swg_pool *pool)
{
    fill_job job = {.weight = weight, .seed = seed};
    if (weight->k == 1) { /* norms */
        for (size_t i = 0; i < weight->n; i++)
            ((float *)weight->plain)[i] = 1.0f;
        return SWG_OK;
    }
    if (swg_scheme_is_quantized(weight->scheme))
        return swg_pool_for(pool, weight->packed.n_panels, fill_panel, &job);
    return swg_pool_for(pool, weight->n, fill_row, &job);
}

/* Rows that a random model has: what may be absent is. */
static bool is_wanted(const swg_model *model, const swg_tensor_row *row)
{
    return swg_tensor_row_applies(&model->hparams, row) && !(row->flags & SWG_TENSOR_OPTIONAL) &&
           !((row->flags & SWG_TENSOR_TIED) && model->hparams.tied_head);
}

/* Refuse what cannot fit before any of it is made: with a checkpoint the file's size bounds the
 * shape, here nothing does. */
static swg_status check_memory(const swg_model *model, swg_scheme scheme)
{
    const swg_arch *arch = model->arch;
    const double bits = scheme.bits ? scheme.bits : swg_dtype_bits(scheme.dtype);
    double bytes = 0;
    for (size_t i = 0; i < arch->n_tensors; i++) {
        const swg_tensor_row *row = &arch->tensors[i];
        if (is_wanted(model, row))
            bytes += (double)swg_tensor_row_layers(&model->hparams, row) * bits / 8 *
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
                            swg_pool *pool, swg_model **out)
{
    swg_status status = SWG_OK;
    swg_model *model = NULL;
    SWG_GO(swg_model_begin(config, length, &model));
    const swg_arch *arch = model->arch;
    SWG_GO(check_memory(model, scheme));
    for (size_t i = 0; i < arch->n_tensors; i++) {
        const swg_tensor_row *row = &arch->tensors[i];
        if (!is_wanted(model, row))
            continue;
        for (size_t layer = 0; layer < swg_tensor_row_layers(&model->hparams, row); layer++)
            SWG_GO(swg_model_declare(model, row, layer, scheme));
    }
    SWG_GO(swg_model_allocate(model));
    for (size_t i = 0; i < arch->n_tensors; i++)
        for (size_t layer = 0; layer < swg_tensor_row_layers(&model->hparams, &arch->tensors[i]);
             layer++) {
            swg_weight *weight = swg_model_slot(model, arch->tensors[i].role, layer);
            if (weight->n > 0 && swg_tensor_row_applies(&model->hparams, &arch->tensors[i]))
                SWG_GO(fill_weight(weight, seed + (i << 40) + (layer << 28), pool));
        }
    *out = model;
    model = NULL;
done:
    swg_model_free(&model);
    return status;
}
