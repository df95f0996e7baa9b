/* A model's skeleton: the table of weights, their memory, and figures about them. */
#include "runtime/model.h"

#include <stdio.h>
#include <string.h>

#include "formats/json/json.h"
#include "runtime/base/numeric.h"
#include "runtime/model_build.h"

/* The label of class `index`: id2label's member of that key. */
static swg_status copy_label(swg_model *model, const swg_json *map, size_t index, const char **out)
{
    char key[32];
    const char *text;
    snprintf(key, sizeof key, "%zu", index);
    if (!swg_json_as_string(swg_json_get(map, key), &text))
        return swg_error(SWG_CORRUPT,
                         "config.json: \"id2label\" has %zu members, but none with the key \"%s\" "
                         "and a string",
                         swg_json_count(map), key);
    *out = swg_arena_strndup(&model->small, text, strlen(text));
    return *out ? SWG_OK : SWG_NO_MEMORY;
}

static swg_status read_labels(swg_model *model, const char *config, size_t length)
{
    swg_status status = SWG_OK;
    swg_json_doc *doc = NULL;
    const size_t count = (size_t)model->hparams.n_labels;
    if (count == 0)
        return SWG_OK;
    SWG_GO(swg_json_parse(config, length, "config.json", &doc));
    const swg_json *map = swg_json_get(swg_json_root(doc), "id2label");
    if (!map || swg_json_kind_of(map) != SWG_JSON_OBJECT)
        goto done;
    const char **labels = swg_arena_calloc(&model->small, count, sizeof *labels);
    if (!labels)
        SWG_GO(SWG_NO_MEMORY);
    for (size_t i = 0; i < count; i++)
        SWG_GO(copy_label(model, map, i, &labels[i]));
    model->labels = labels;
done:
    swg_json_free(&doc);
    return status;
}

swg_status swg_model_begin(const char *config, size_t length, swg_model **out)
{
    swg_status status = SWG_OK;
    swg_model *model = NULL;
    SWG_GO(SWG_NEW(model, 1));
    SWG_GO(swg_hparams_read(config, length, &model->arch, &model->hparams));
    model->weights =
        swg_arena_calloc(&model->small, (size_t)SWG_ROLE_COUNT * (size_t)model->hparams.n_layers,
                         sizeof(swg_weight));
    if (!model->weights)
        SWG_GO(SWG_NO_MEMORY);
    SWG_GO(read_labels(model, config, length));
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

swg_weight *swg_model_slot(swg_model *model, swg_role role, size_t layer)
{
    return &model->weights[(size_t)role * (size_t)model->hparams.n_layers + layer];
}

const swg_weight *swg_model_weight(const swg_model *model, swg_role role, size_t layer)
{
    const swg_weight *weight =
        &model->weights[(size_t)role * (size_t)model->hparams.n_layers + layer];
    if (weight->n > 0)
        return weight;
    const swg_weight *embedding =
        &model->weights[(size_t)SWG_ROLE_EMBEDDING * (size_t)model->hparams.n_layers];
    return role == SWG_ROLE_HEAD && model->hparams.tied_head && embedding->n > 0 ? embedding : NULL;
}

static bool is_float(swg_dtype dtype)
{
    return dtype == SWG_F32 || dtype == SWG_F16 || dtype == SWG_BF16;
}

/* Sizes of a quantized matrix; longer groups could overflow the kernels' 32-bit sums. */
static swg_status declare_packed(swg_weight *weight)
{
    const size_t longest = (size_t)1 << 16;
    const size_t group = swg_scheme_group_length(weight->scheme, weight->k);
    if (group > longest)
        return swg_error(SWG_UNSUPPORTED, "a quantization group of %zu columns is longer than %zu",
                         group, longest);
    weight->packed = swg_packed_layout(weight->scheme, weight->n, weight->k);
    weight->bytes = swg_packed_bytes(&weight->packed);
    return SWG_OK;
}

swg_status swg_model_declare(swg_model *model, const swg_tensor_row *row, size_t layer,
                             swg_scheme scheme)
{
    swg_weight *weight = swg_model_slot(model, row->role, layer);
    const size_t n = swg_dim_size(&model->hparams, row->n, layer);
    const size_t k = swg_dim_size(&model->hparams, row->k, layer);
    if (!is_float(scheme.dtype))
        return swg_error(SWG_UNSUPPORTED, "weights of type %s cannot be computed with",
                         swg_dtype_name(scheme.dtype));
    *weight = (swg_weight){.scheme = scheme, .n = n, .k = k};
    model->n_parameters += (uint64_t)n * k;
    if (swg_tensor_row_has_bias(&model->hparams, row)) {
        weight->bias = swg_arena_calloc(&model->small, n, sizeof *weight->bias);
        if (!weight->bias)
            return SWG_NO_MEMORY;
        model->n_parameters += n;
    }
    if (row->k == SWG_DIM_ONE) { /* a vector: kept as F32 */
        weight->scheme = swg_scheme_plain(SWG_F32);
        weight->plain = swg_arena_calloc(&model->small, n, sizeof(float));
        weight->bytes = n * sizeof(float);
        return weight->plain ? SWG_OK : SWG_NO_MEMORY;
    }
    if (swg_scheme_is_quantized(scheme))
        return declare_packed(weight);
    weight->bytes = n * k * swg_dtype_bits(scheme.dtype) / 8;
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
        const bool in_layers = swg_role_is_per_layer(arch->tensors[row].role);
        while (end < arch->n_tensors && swg_role_is_per_layer(arch->tensors[end].role) == in_layers)
            end++;
        const size_t layers = in_layers ? (size_t)model->hparams.n_layers : 1;
        for (size_t layer = 0; layer < layers; layer++) {
            for (size_t i = row; i < end; i++) {
                swg_weight *weight = swg_model_slot(model, arch->tensors[i].role, layer);
                if (weight->n == 0 || arch->tensors[i].k == SWG_DIM_ONE ||
                    !swg_tensor_row_applies(&model->hparams, &arch->tensors[i]))
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
        /* Look-ups; a tied embedding is counted as the head. */
        if (role == SWG_ROLE_EMBEDDING || role == SWG_ROLE_POSITION_EMBEDDING ||
            role == SWG_ROLE_TYPE_EMBEDDING)
            continue;
        const size_t layers =
            swg_role_is_per_layer((swg_role)role) ? (size_t)model->hparams.n_layers : 1;
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

swg_status swg_model_must_continue(const swg_model *model, const char *what)
{
    if (!model->hparams.is_encoder)
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED,
                     "architecture %s is an encoder: it reads whole texts and predicts no next "
                     "token, so there is no %s",
                     model->arch->name, what);
}
