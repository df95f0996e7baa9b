/* The table of a model's weights: declaring, finding and visiting them. */
#include "runtime/base/sparse_pack.h"
#include "runtime/model_build.h"

static bool has_role(const swg_arch *arch, swg_role role)
{
    for (size_t i = 0; i < arch->n_tensors; i++)
        if (arch->tensors[i].role == role)
            return true;
    return false;
}

/* Room for the weights of every role that the architecture has. */
swg_status swg_model_make_table(swg_model *model)
{
    const size_t n_layers = (size_t)model->hparams.n_layers;
    for (int role = 0; role < SWG_ROLE_COUNT; role++) {
        model->first_weight[role] = model->n_weights;
        if (has_role(model->arch, (swg_role)role))
            model->n_weights += swg_role_layers(&model->hparams, (swg_role)role) *
                                swg_role_experts(&model->hparams, (swg_role)role);
    }
    model->first_weight[SWG_ROLE_COUNT] = model->n_weights;
    model->weights = swg_arena_calloc(&model->small, model->n_weights, sizeof *model->weights);
    model->origins = swg_arena_calloc(&model->small, model->n_weights, sizeof *model->origins);
    model->layers = swg_arena_calloc(&model->small, n_layers + 1, sizeof *model->layers);
    return model->weights && model->origins && model->layers ? SWG_OK : SWG_NO_MEMORY;
}

/* --- Declaring -------------------------------------------------------------------------------- */

swg_weight *swg_model_slot(swg_model *model, swg_role role, size_t layer, size_t expert)
{
    return &model->weights[model->first_weight[role] +
                           layer * swg_role_experts(&model->hparams, role) + expert];
}

swg_weight_origin *swg_model_origin(const swg_model *model, const swg_weight *weight)
{
    return &model->origins[weight - model->weights];
}

const swg_backend_weights *swg_model_storage(const swg_model *model)
{
    return model->backend->weights;
}

swg_status swg_model_declare_bias(swg_model *model, swg_weight *weight)
{
    weight->bias = swg_arena_calloc(&model->small, weight->n, sizeof *weight->bias);
    if (!weight->bias)
        return SWG_NO_MEMORY;
    model->n_parameters += weight->n;
    return SWG_OK;
}

static swg_status declare_vector(swg_model *model, swg_weight *weight)
{
    if (!swg_scheme_is_plain(weight->scheme) || !swg_dtype_is_float(weight->scheme.dtype))
        return swg_error(SWG_UNSUPPORTED, "weights of type %s cannot be computed with",
                         swg_dtype_name(weight->scheme.dtype));
    weight->scheme = swg_scheme_plain(SWG_F32);
    weight->vector = swg_arena_calloc(&model->small, weight->n, sizeof *weight->vector);
    weight->bytes = weight->n * sizeof *weight->vector;
    return weight->vector ? SWG_OK : SWG_NO_MEMORY;
}

swg_status swg_model_declare(swg_model *model, const swg_tensor_row *row, size_t layer,
                             size_t expert, swg_scheme scheme)
{
    swg_weight *weight = swg_model_slot(model, row->role, layer, expert);
    *weight = (swg_weight){.role = row->role,
                           .layer = layer,
                           .expert = expert,
                           .scheme = scheme,
                           .n = swg_dim_size(&model->hparams, row->n, layer),
                           .k = swg_dim_size(&model->hparams, row->k, layer)};
    *swg_model_origin(model, weight) =
        (swg_weight_origin){.row = row, .tensor = SIZE_MAX, .bias = SIZE_MAX};
    model->n_parameters += (uint64_t)weight->n * weight->k;
    if (row->k == SWG_DIM_ONE)
        SWG_TRY(declare_vector(model, weight));
    else
        SWG_TRY(swg_model_storage(model)->check(weight));
    if (swg_tensor_row_has_bias(&model->hparams, row))
        SWG_TRY(swg_model_declare_bias(model, weight));
    if (row->k != SWG_DIM_ONE)
        weight->bytes = swg_model_storage(model)->bytes(weight);
    return SWG_OK;
}

swg_scheme swg_model_held_scheme(const swg_model *model, swg_scheme scheme)
{
    const bool is_sparse = swg_weight_format_of(scheme)->sparse && swg_scheme_is_quantized(scheme);
    return is_sparse && swg_model_storage(model)->store_sparse ? scheme
                                                               : swg_scheme_expanded(scheme);
}

swg_status swg_model_plane_rows(const swg_weight *weight, const swg_tensor_desc *desc,
                                uint64_t first_row, const swg_plane *plane, uint64_t *first,
                                uint64_t *n)
{
    const uint64_t rows = swg_tensor_rows(desc);
    if (swg_plane_is_shared(plane->kind)) {
        *first = 0;
        *n = plane->rows;
        return SWG_OK;
    }
    if (plane->rows != rows && weight->n != rows)
        return swg_error(
            SWG_UNSUPPORTED, "a tensor whose %s have %llu rows for %llu cannot be split by rows",
            swg_plane_name(plane->kind), (unsigned long long)plane->rows, (unsigned long long)rows);
    *first = plane->rows == rows ? first_row : 0;
    *n = plane->rows == rows ? weight->n : plane->rows;
    return SWG_OK;
}

/* --- Finding ---------------------------------------------------------------------------------- */

const swg_weight *swg_model_expert(const swg_model *model, swg_role role, size_t layer,
                                   size_t expert)
{
    const size_t first = model->first_weight[role];
    const size_t index = first + layer * swg_role_experts(&model->hparams, role) + expert;
    const bool has_slot = index < model->first_weight[role + 1];
    if (has_slot && model->weights[index].n > 0)
        return &model->weights[index];
    return role == SWG_ROLE_HEAD && model->hparams.tied_head
               ? swg_model_expert(model, SWG_ROLE_EMBEDDING, 0, 0)
               : NULL;
}

const swg_weight *swg_model_weight(const swg_model *model, swg_role role, size_t layer)
{
    return swg_model_expert(model, role, layer, 0);
}

swg_status swg_model_visit(swg_model *model, size_t layer, swg_row_visitor *visit, void *context)
{
    const swg_arch *arch = model->arch;
    const bool is_outside = layer == (size_t)model->hparams.n_layers;
    for (size_t row = 0, end; row < arch->n_tensors; row = end) {
        const swg_role role = arch->tensors[row].role;
        end = swg_expert_run_end(arch, row);
        if ((swg_role_scope_of(role) == SWG_PER_MODEL) != is_outside)
            continue;
        for (size_t expert = 0; expert < swg_role_experts(&model->hparams, role); expert++)
            for (size_t i = row; i < end; i++)
                if (swg_tensor_row_applies(&model->hparams, &arch->tensors[i]))
                    SWG_TRY(
                        visit(model, &arch->tensors[i], is_outside ? 0 : layer, expert, context));
    }
    return SWG_OK;
}

void swg_model_transform(const swg_tensor_row *row, float *values, size_t n)
{
    if (row->transform == SWG_TRANSFORM_PLUS_ONE)
        for (size_t i = 0; i < n; i++)
            values[i] += 1.0f;
}
