/* A model's skeleton: the table of weights, their memory, and figures about them. */
#include "runtime/model.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/numeric.h"
#include "runtime/model_build.h"

swg_status swg_model_begin(const char *config, size_t length, swg_model **out)
{
    swg_status status = SWG_OK;
    swg_model *model = NULL;
    SWG_GO(SWG_NEW(model, 1));
    SWG_GO(swg_hparams_read(config, length, &model->arch, &model->hparams));
    model->weights = swg_arena_calloc(
        &model->small, (size_t)SWG_ROLE_COUNT * (size_t)model->hparams.n_layers, sizeof(swg_weight));
    if (!model->weights)
        SWG_GO(SWG_NO_MEMORY);
    *out = model;
    model = NULL;
done:
    swg_model_free(&model);
    return status;
}

void swg_model_free(swg_model **model)
{
    swg_model *m = *model;
    if (!m)
        return;
    swg_pages_deinit(&m->matrices);
    swg_arena_deinit(&m->small);
    swg_free(m);
    *model = NULL;
}

size_t swg_dim_size(const swg_hparams *h, swg_dim dim)
{
    switch (dim) {
    case SWG_DIM_ONE:
        return 1;
    case SWG_DIM_D_MODEL:
        return (size_t)h->d_model;
    case SWG_DIM_D_FF:
        return (size_t)h->d_ff;
    case SWG_DIM_VOCAB:
        return (size_t)h->vocab;
    case SWG_DIM_QUERY:
        return (size_t)(h->n_heads * h->head_dim);
    case SWG_DIM_KV:
        return (size_t)(h->n_kv_heads * h->head_dim);
    }
    return 0;
}

swg_weight *swg_model_slot(swg_model *model, swg_role role, size_t layer)
{
    return &model->weights[(size_t)role * (size_t)model->hparams.n_layers + layer];
}

const swg_weight *swg_model_weight(const swg_model *model, swg_role role, size_t layer)
{
    const swg_weight *weight = &model->weights[(size_t)role * (size_t)model->hparams.n_layers + layer];
    if (weight->n > 0)
        return weight;
    const swg_weight *embedding =
        &model->weights[(size_t)SWG_ROLE_EMBEDDING * (size_t)model->hparams.n_layers];
    return role == SWG_ROLE_HEAD && model->hparams.tied_head && embedding->n > 0 ? embedding : NULL;
}

static bool is_per_layer(swg_role role)
{
    static const bool flags[SWG_ROLE_COUNT] = {
#define SWG_ROLE(name, per_layer) per_layer,
#include "runtime/roles.def"
#undef SWG_ROLE
    };
    return flags[role];
}

size_t swg_tensor_row_layers(const swg_model *model, const swg_tensor_row *row)
{
    return is_per_layer(row->role) ? (size_t)model->hparams.n_layers : 1;
}

void swg_tensor_row_name(const char *pattern, size_t layer, char out[SWG_TENSOR_NAME_BYTES])
{
    const char *mark = strstr(pattern, "{L}");
    if (mark)
        snprintf(out, SWG_TENSOR_NAME_BYTES, "%.*s%zu%s", (int)(mark - pattern), pattern, layer,
                 mark + strlen("{L}"));
    else
        snprintf(out, SWG_TENSOR_NAME_BYTES, "%s", pattern);
}

static bool is_float(swg_dtype dtype)
{
    return dtype == SWG_F32 || dtype == SWG_F16 || dtype == SWG_BF16;
}

swg_status swg_model_declare(swg_model *model, const swg_tensor_row *row, size_t layer,
                             swg_scheme scheme)
{
    swg_weight *weight = swg_model_slot(model, row->role, layer);
    const size_t n = swg_dim_size(&model->hparams, row->n);
    const size_t k = swg_dim_size(&model->hparams, row->k);
    if (!is_float(scheme.dtype))
        return swg_error(SWG_UNSUPPORTED, "weights of type %s cannot be computed with",
                         swg_dtype_name(scheme.dtype));
    model->n_parameters += (uint64_t)n * k;
    if (row->k == SWG_DIM_ONE) { /* a vector: kept as F32 */
        float *values = swg_arena_calloc(&model->small, n, sizeof *values);
        if (!values)
            return SWG_NO_MEMORY;
        *weight = (swg_weight){.scheme = swg_scheme_plain(SWG_F32), .n = n, .k = 1,
                               .plain = values, .bytes = n * sizeof *values};
        return SWG_OK;
    }
    *weight = (swg_weight){.scheme = scheme, .n = n, .k = k};
    if (swg_scheme_is_quantized(scheme)) {
        /* Longer groups could overflow the kernels' 32-bit sums. */
        const size_t longest = (size_t)1 << 16;
        if (swg_scheme_group_length(scheme, k) > longest)
            return swg_error(SWG_UNSUPPORTED, "a quantization group of %zu columns is longer than %zu",
                             swg_scheme_group_length(scheme, k), longest);
        weight->packed = swg_packed_layout(scheme, n, k);
        weight->bytes = swg_packed_bytes(&weight->packed);
    } else {
        weight->bytes = n * k * swg_dtype_bits(scheme.dtype) / 8;
    }
    return SWG_OK;
}

/* Visit the declared matrices in table order, layer by layer: the order in which a token reads
 * them, so that decoding walks through memory once, forwards. */
static size_t place_matrices(swg_model *model, uint8_t *memory)
{
    const swg_arch *arch = model->arch;
    size_t offset = 0;
    size_t row = 0;
    while (row < arch->n_tensors) {
        size_t end = row + 1;
        const bool in_layers = is_per_layer(arch->tensors[row].role);
        while (end < arch->n_tensors && is_per_layer(arch->tensors[end].role) == in_layers)
            end++;
        const size_t layers = in_layers ? (size_t)model->hparams.n_layers : 1;
        for (size_t layer = 0; layer < layers; layer++) {
            for (size_t i = row; i < end; i++) {
                swg_weight *weight = swg_model_slot(model, arch->tensors[i].role, layer);
                if (weight->n == 0 || arch->tensors[i].k == SWG_DIM_ONE)
                    continue;
                if (memory && swg_scheme_is_quantized(weight->scheme))
                    weight->packed.panels = memory + offset;
                else if (memory)
                    weight->plain = memory + offset;
                offset += swg_round_up(weight->bytes, SWG_ALIGNMENT);
            }
        }
        row = end;
    }
    return offset;
}

swg_status swg_model_allocate(swg_model *model)
{
    SWG_TRY(swg_pages_init(&model->matrices, place_matrices(model, NULL)));
    place_matrices(model, model->matrices.data);
    return SWG_OK;
}

/* Sum `amount` over the matrices that a token's products visit. */
static uint64_t sum_over_products(const swg_model *model, bool in_bytes)
{
    uint64_t sum = 0;
    for (int role = 0; role < SWG_ROLE_COUNT; role++) {
        if (role == SWG_ROLE_EMBEDDING) /* a look-up; tied, it is counted as the head */
            continue;
        const size_t layers = is_per_layer((swg_role)role) ? (size_t)model->hparams.n_layers : 1;
        for (size_t layer = 0; layer < layers; layer++) {
            const swg_weight *weight = swg_model_weight(model, (swg_role)role, layer);
            if (weight && weight->k > 1)
                sum += in_bytes ? weight->bytes : 2 * (uint64_t)weight->n * weight->k;
        }
    }
    return sum;
}

uint64_t swg_model_bytes_per_token(const swg_model *model)
{
    return sum_over_products(model, true);
}

uint64_t swg_model_ops_per_token(const swg_model *model)
{
    return sum_over_products(model, false);
}

void swg_weight_row(const swg_weight *weight, const swg_kernels *kernels, size_t row, float *out)
{
    if (swg_scheme_is_quantized(weight->scheme)) {
        kernels->dequantize(&weight->packed, row, 1, out);
        return;
    }
    const size_t first = row * weight->k;
    if (weight->scheme.dtype == SWG_F32)
        memcpy(out, (const float *)weight->plain + first, weight->k * sizeof *out);
    else if (weight->scheme.dtype == SWG_F16)
        kernels->f16_to_f32((const uint16_t *)weight->plain + first, weight->k, out);
    else
        kernels->bf16_to_f32((const uint16_t *)weight->plain + first, weight->k, out);
}
