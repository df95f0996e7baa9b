/* Where a model's matrices are: one region of the backend's memory per layer and one for those
 * outside layers, in the order in which a token's forward pass uses them, so that decoding reads
 * each region once, forwards. A layer's region is allocated and released with the layer. */
#include "runtime/model_build.h"

typedef struct placing {
    size_t offset;
    uint8_t *memory; /* NULL: only add up sizes */
} placing;

swg_status swg_model_complete(swg_model *model, swg_pages *memory)
{
    const swg_backend_weights *storage = swg_model_storage(model);
    return storage->complete ? storage->complete(memory) : SWG_OK;
}

static swg_status place_matrix(swg_model *model, const swg_tensor_row *row, size_t layer,
                               size_t expert, void *context)
{
    placing *p = context;
    swg_weight *weight = swg_model_slot(model, row->role, layer, expert);
    if (weight->n == 0 || swg_weight_is_vector(weight))
        return SWG_OK;
    if (p->memory)
        SWG_TRY(swg_model_storage(model)->place(weight, p->memory + p->offset));
    p->offset += swg_round_up(weight->bytes, SWG_ALIGNMENT);
    return SWG_OK;
}

swg_status swg_model_reserve(swg_model *model, size_t layer)
{
    placing p = {0};
    swg_pages *pages = &model->layers[layer].pages;
    SWG_TRY(swg_model_visit(model, layer, place_matrix, &p));
    SWG_TRY(swg_model_storage(model)->memory_new(pages, p.offset));
    p = (placing){.memory = pages->data};
    const swg_status status = swg_model_visit(model, layer, place_matrix, &p);
    if (status != SWG_OK)
        swg_model_unreserve(model, layer);
    return status;
}

/* A replaced matrix reverts to what the source has. */
static swg_status forget_matrix(swg_model *model, const swg_tensor_row *row, size_t layer,
                                size_t expert, void *context)
{
    (void)context;
    swg_weight *weight = swg_model_slot(model, row->role, layer, expert);
    if (weight->n == 0 || swg_weight_is_vector(weight))
        return SWG_OK;
    swg_weight_origin *origin = swg_model_origin(model, weight);
    weight->memory = NULL;
    if (origin->own.data && model->source) {
        weight->scheme =
            swg_model_held_scheme(model, swg_source_tensor(model->source, origin->tensor)->scheme);
        weight->bytes = swg_model_storage(model)->bytes(weight);
    }
    swg_model_storage(model)->memory_free(&origin->own);
    if (model->source) /* the pages that it was loaded from */
        swg_source_release(model->source, origin->tensor);
    return SWG_OK;
}

void swg_model_unreserve(swg_model *model, size_t layer)
{
    swg_model_visit(model, layer, forget_matrix, NULL);
    swg_model_storage(model)->memory_free(&model->layers[layer].pages);
    model->revision++;
    model->layers[layer].is_loaded = false;
}

void swg_model_release_layer(swg_model *model, size_t layer)
{
    if (model->layers[layer].is_loaded)
        swg_model_unreserve(model, layer);
}

bool swg_model_has_layer(const swg_model *model, size_t layer)
{
    return model->layers[layer].is_loaded;
}
