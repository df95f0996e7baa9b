/* Replacing the values of weights of a loaded model. New memory is filled before it takes the place
 * of the old, so a failure changes nothing; a matrix that was replaced by floats of the same type
 * before, as training does after every step, is written over. */
#include <string.h>

#include "runtime/base/numeric.h"
#include "runtime/model_build.h"

/* Whether `desc` is valid and has that many rows (for a vector, elements) with the weight's
 * columns, once or for each of n_experts. */
static swg_status check_desc(const swg_weight *weight, const swg_tensor_desc *desc,
                             size_t n_experts, size_t n_rows)
{
    swg_tensor_desc wanted = {0}, named = *desc;
    if (n_experts)
        wanted.shape[wanted.rank++] = n_experts;
    wanted.shape[wanted.rank++] = n_rows;
    if (!swg_weight_is_vector(weight))
        wanted.shape[wanted.rank++] = weight->k;
    named.name = weight->tensor ? weight->tensor : swg_role_name(weight->role);
    bool matches = desc->rank == wanted.rank;
    for (uint32_t i = 0; matches && i < wanted.rank; i++)
        matches = desc->shape[i] == wanted.shape[i];
    if (matches)
        return swg_tensor_desc_check(&named);
    char has[SWG_SHAPE_TEXT_BYTES], must[SWG_SHAPE_TEXT_BYTES];
    return swg_error(SWG_USAGE, "%s has shape %s and cannot be replaced by a tensor of shape %s",
                     named.name, swg_tensor_shape_text(&wanted, must),
                     swg_tensor_shape_text(desc, has));
}

/* Elements [first, first + n) of a plane of floats. */
static swg_status replace_vector(swg_model *model, swg_weight *weight, swg_scheme scheme,
                                 const void *values, size_t first)
{
    if (!swg_scheme_is_plain(scheme) || !swg_dtype_is_float(scheme.dtype))
        return swg_error(SWG_UNSUPPORTED, "weights of type %s cannot be computed with",
                         swg_dtype_name(scheme.dtype));
    float *vector = (float *)weight->vector;
    for (size_t i = 0; i < weight->n; i++)
        vector[i] = swg_float_load(scheme.dtype, values, first + i);
    swg_model_transform(swg_model_origin(model, weight)->row, vector, weight->n);
    return SWG_OK;
}

/* Store the matrix's rows of the planes, which begin at first_row, in its memory. */
static swg_status store_planes(swg_model *model, const swg_weight *weight,
                               const swg_tensor_desc *desc, const void *const *data,
                               uint64_t first_row, swg_pages *memory)
{
    const swg_backend_weights *storage = swg_model_storage(model);
    swg_plane planes[SWG_PLANE_KINDS];
    const size_t n_planes = swg_tensor_planes(desc, planes);
    for (size_t p = 0; p < n_planes; p++) {
        const swg_plane_kind kind = planes[p].kind;
        uint64_t first, n;
        SWG_TRY(swg_model_plane_rows(weight, desc, first_row, &planes[p], &first, &n));
        SWG_TRY(storage->store(weight, kind, 0, n,
                               (const uint8_t *)data[kind] + first * planes[p].row_bytes));
    }
    return swg_model_complete(model, memory);
}

/* Give `next` memory of its own and fill it. */
static swg_status fill_matrix(swg_model *model, swg_weight *next, const swg_tensor_desc *desc,
                              const void *const *data, uint64_t first_row, swg_pages *memory)
{
    const swg_backend_weights *storage = swg_model_storage(model);
    SWG_TRY(storage->check(next));
    next->bytes = storage->bytes(next);
    SWG_TRY(storage->memory_new(memory, next->bytes));
    SWG_TRY(storage->place(next, memory->data));
    return store_planes(model, next, desc, data, first_row, memory);
}

/* The weight's rows begin at first_row of the given tensor. */
static swg_status replace_rows(swg_model *model, swg_weight *weight, const swg_tensor_desc *desc,
                               const void *const *data, uint64_t first_row)
{
    const swg_backend_weights *storage = swg_model_storage(model);
    swg_weight_origin *origin = swg_model_origin(model, weight);
    model->revision++;
    if (swg_weight_is_vector(weight))
        return replace_vector(model, weight, desc->scheme, data[SWG_PLANE_VALUES], (size_t)first_row);
    if (!weight->memory)
        return swg_error(SWG_USAGE, "%s of layer %zu cannot be replaced: it is not loaded",
                         swg_role_name(weight->role), weight->layer);
    if (origin->own.data && swg_scheme_is_plain(desc->scheme) &&
        swg_scheme_equal(desc->scheme, weight->scheme))
        return store_planes(model, weight, desc, data, first_row, &origin->own);
    swg_pages memory = {0};
    swg_weight next = *weight;
    next.scheme = desc->scheme;
    const swg_status status = fill_matrix(model, &next, desc, data, first_row, &memory);
    if (status != SWG_OK) {
        storage->memory_free(&memory);
        return status;
    }
    storage->memory_free(&origin->own);
    origin->own = memory;
    *weight = next;
    return SWG_OK;
}

swg_status swg_model_replace(swg_model *model, const swg_weight *weight,
                             const swg_tensor_desc *desc, const void *const planes[SWG_PLANE_KINDS])
{
    SWG_TRY(check_desc(weight, desc, 0, weight->n));
    return replace_rows(model, &model->weights[weight - model->weights], desc, planes, 0);
}

swg_status swg_model_replace_tensor(swg_model *model, const swg_tensor_desc *desc,
                                    const void *const planes[SWG_PLANE_KINDS])
{
    bool is_found = false;
    for (size_t i = 0; i < model->n_weights; i++) {
        swg_weight *weight = &model->weights[i];
        if (weight->n == 0 || !weight->tensor || strcmp(weight->tensor, desc->name) != 0)
            continue;
        is_found = true;
        const swg_weight_origin *origin = swg_model_origin(model, weight);
        SWG_TRY(check_desc(weight, desc,
                           origin->is_stacked ? (size_t)model->hparams.experts.count : 0,
                           origin->range.total_rows));
        SWG_TRY(replace_rows(model, weight, desc, planes, weight->first_row));
    }
    return is_found ? SWG_OK
                    : swg_error(SWG_USAGE, "the model has no weight from a tensor %s", desc->name);
}

size_t swg_model_bias_tensor(const swg_model *model, const swg_weight *weight)
{
    return weight->n && weight->bias ? swg_model_origin(model, weight)->bias : SIZE_MAX;
}

void swg_model_replace_bias(swg_model *model, const swg_weight *weight, const float *values)
{
    (void)model;
    memcpy((float *)weight->bias, values, weight->n * sizeof *values);
}
