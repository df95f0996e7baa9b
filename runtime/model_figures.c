/* The cost of a token: bytes of weights read, and operations. */
#include "runtime/model_build.h"

/* Sum over the weights that a token is multiplied with; amounts of experts count only for the
 * experts that a token uses. */
static uint64_t sum_over_products(const swg_model *model, uint64_t (*amount)(const swg_weight *))
{
    const swg_hparams *h = &model->hparams;
    uint64_t sum = 0, of_experts = 0;
    for (size_t i = 0; i < model->n_weights; i++) {
        const swg_weight *weight = &model->weights[i];
        if (weight->n == 0 || swg_role_kind_of(weight->role) != SWG_WEIGHT_MATRIX)
            continue;
        if (swg_role_scope_of(weight->role) == SWG_PER_EXPERT)
            of_experts += amount(weight);
        else
            sum += amount(weight);
    }
    /* A tied embedding is both looked up and multiplied with, as the head. */
    const swg_weight *head = swg_model_weight(model, SWG_ROLE_HEAD, 0);
    if (head && head->role != SWG_ROLE_HEAD)
        sum += amount(head);
    return sum + (h->experts.count
                      ? of_experts / (uint64_t)h->experts.count * (uint64_t)h->experts.active
                      : 0);
}

static uint64_t bytes_of(const swg_weight *weight)
{
    return weight->bytes;
}

static uint64_t ops_of(const swg_weight *weight)
{
    return 2 * (uint64_t)weight->n * weight->k;
}

uint64_t swg_model_bytes_per_token(const swg_model *model)
{
    return sum_over_products(model, bytes_of);
}

uint64_t swg_model_ops_per_token(const swg_model *model)
{
    return sum_over_products(model, ops_of);
}
