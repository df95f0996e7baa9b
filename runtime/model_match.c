/* Matching an architecture's tensor rows with a checkpoint's tensors, both ways: every required
 * weight must be found with the right shape, and every tensor must belong to a weight or be
 * ignored. */
#include <string.h>

#include "runtime/base/sparse_pack.h"
#include "runtime/model_build.h"

typedef struct matcher {
    swg_source *source;
    const char *prefix; /* the value of "{P}" in this checkpoint */
    bool *is_used;      /* [source tensors] */
} matcher;

/* A tensor of the source that a row names; `tensor` = SIZE_MAX when there is none. */
typedef struct found_tensor {
    size_t tensor;
    bool is_stacked;
    char name[SWG_TENSOR_NAME_BYTES]; /* if it is missing, its first possible name */
} found_tensor;

/* The tensor of a weight, under the first of its names that exists. */
static found_tensor find_tensor(const matcher *m, const swg_tensor_row *row, size_t layer,
                                size_t expert)
{
    found_tensor found;
    for (const char *pattern = row->pattern; pattern;) {
        found.is_stacked = swg_tensor_pattern_is_stacked(row->role, pattern);
        pattern = swg_tensor_row_name(pattern, m->prefix, layer, expert, found.name);
        found.tensor = swg_source_find(m->source, found.name);
        if (found.tensor != SIZE_MAX)
            return found;
    }
    swg_tensor_row_name(row->pattern, m->prefix, layer, expert, found.name);
    return found;
}

/* The tensor must have `total_rows` rows of k columns (k = 0: be a vector of that length), once or
 * for each of n_experts. */
static swg_status check_shape(const matcher *m, size_t tensor, size_t n_experts, size_t total_rows,
                              size_t k)
{
    const swg_tensor_desc *desc = swg_source_tensor(m->source, tensor);
    swg_tensor_desc meant = {0};
    if (n_experts)
        meant.shape[meant.rank++] = n_experts;
    meant.shape[meant.rank++] = total_rows;
    if (k)
        meant.shape[meant.rank++] = k;
    bool matches = desc->rank == meant.rank;
    for (uint32_t i = 0; matches && i < meant.rank; i++)
        matches = desc->shape[i] == meant.shape[i];
    if (matches)
        return SWG_OK;
    char has[SWG_SHAPE_TEXT_BYTES], implied[SWG_SHAPE_TEXT_BYTES];
    return swg_error(SWG_CORRUPT, "%s: tensor %s has shape %s; config.json implies %s",
                     swg_source_path(m->source), desc->name, swg_tensor_shape_text(desc, has),
                     swg_tensor_shape_text(&meant, implied));
}

static swg_status missing(const matcher *m, const swg_hparams *h, const swg_tensor_row *row,
                          const char *name)
{
    const bool may_lack =
        (row->flags & SWG_TENSOR_OPTIONAL) || ((row->flags & SWG_TENSOR_TIED) && h->tied_head);
    return may_lack
               ? SWG_OK
               : swg_error(SWG_CORRUPT, "%s has no tensor %s", swg_source_path(m->source), name);
}

static swg_status match_bias(swg_model *model, matcher *m, const found_tensor *found,
                             swg_weight *weight)
{
    char name[SWG_TENSOR_NAME_BYTES];
    swg_weight_origin *origin = swg_model_origin(model, weight);
    swg_tensor_bias_name(found->name, name);
    origin->bias = swg_source_find(m->source, name);
    if (origin->bias == SIZE_MAX)
        return weight->bias
                   ? swg_error(SWG_CORRUPT, "%s has no tensor %s", swg_source_path(m->source), name)
                   : SWG_OK;
    m->is_used[origin->bias] = true;
    if (!weight->bias)
        SWG_TRY(swg_model_declare_bias(model, weight));
    const size_t n_experts = found->is_stacked ? (size_t)model->hparams.experts.count : 0;
    return check_shape(m, origin->bias, n_experts, origin->range.total_rows, 0);
}

/* Whether two tensors of the source hold the same bytes, plane by plane. */
static swg_status is_same(swg_source *source, size_t a, size_t b, bool *out)
{
    enum { CHUNK_BYTES = 1 << 20 };
    size_t n_a, n_b;
    const swg_plane *planes = swg_source_planes(source, a, &n_a);
    const swg_plane *others = swg_source_planes(source, b, &n_b);
    uint8_t *bytes[2] = {NULL, NULL};
    swg_status status = SWG_OK;
    bool same = n_a == n_b && swg_scheme_equal(swg_source_tensor(source, a)->scheme,
                                               swg_source_tensor(source, b)->scheme);
    for (size_t p = 0; same && p < n_a; p++) {
        same = planes[p].kind == others[p].kind && planes[p].rows == others[p].rows &&
               planes[p].row_bytes == others[p].row_bytes;
        const uint64_t fit = CHUNK_BYTES / (planes[p].row_bytes + 1) + 1;
        for (size_t i = 0; same && i < 2; i++) {
            swg_free(bytes[i]);
            SWG_GO(SWG_NEW_UNINIT(bytes[i], (size_t)(fit * planes[p].row_bytes)));
        }
        for (uint64_t row = 0; same && row < planes[p].rows; row += fit) {
            const uint64_t left = planes[p].rows - row, n = left < fit ? left : fit;
            SWG_GO(swg_source_read(source, a, planes[p].kind, row, n, bytes[0]));
            SWG_GO(swg_source_read(source, b, planes[p].kind, row, n, bytes[1]));
            same = memcmp(bytes[0], bytes[1], (size_t)(n * planes[p].row_bytes)) == 0;
        }
    }
    *out = same;
done:
    swg_free(bytes[0]);
    swg_free(bytes[1]);
    return status;
}

/* A head that the configuration calls tied but that the checkpoint stores: a copy of the embedding
 * stays tied; a fine-tune's own head counts, whatever the configuration says. */
static swg_status settle_tied_head(swg_model *model, const matcher *m, size_t head)
{
    const swg_weight *embedding = swg_model_weight(model, SWG_ROLE_EMBEDDING, 0);
    bool same = true;
    if (embedding)
        SWG_TRY(is_same(m->source, swg_model_origin(model, embedding)->tensor, head, &same));
    model->hparams.tied_head = same;
    return SWG_OK;
}

static swg_status match_weight(swg_model *model, const swg_tensor_row *row, size_t layer,
                               size_t expert, void *context)
{
    matcher *m = context;
    const swg_hparams *h = &model->hparams;
    const found_tensor found = find_tensor(m, row, layer, expert);
    if (found.tensor == SIZE_MAX)
        return missing(m, h, row, found.name);
    m->is_used[found.tensor] = true;
    if ((row->flags & SWG_TENSOR_TIED) && h->tied_head) {
        SWG_TRY(settle_tied_head(model, m, found.tensor));
        if (h->tied_head)
            return SWG_OK;
    }
    const swg_tensor_desc *desc = swg_source_tensor(m->source, found.tensor);
    const swg_row_range range = swg_tensor_row_range(model->arch, h, row, layer);
    SWG_TRY(check_shape(m, found.tensor, found.is_stacked ? (size_t)h->experts.count : 0,
                        range.total_rows,
                        row->k == SWG_DIM_ONE ? 0 : swg_dim_size(h, row->k, layer)));
    const swg_status status =
        swg_model_declare(model, row, layer, expert, swg_model_held_scheme(model, desc->scheme));
    if (status != SWG_OK)
        return swg_error_context(status, "tensor %s", found.name);
    swg_weight *weight = swg_model_slot(model, row->role, layer, expert);
    swg_weight_origin *origin = swg_model_origin(model, weight);
    weight->tensor = swg_arena_strndup(&model->small, found.name, strlen(found.name));
    weight->first_row = range.first_row + (found.is_stacked ? expert * range.total_rows : 0);
    weight->n_stored = swg_sparse_stored(weight->scheme, desc);
    if (weight->n_stored)
        weight->bytes = swg_model_storage(model)->bytes(weight);
    origin->tensor = found.tensor;
    origin->range = range;
    origin->is_stacked = found.is_stacked;
    if (!weight->tensor)
        return SWG_NO_MEMORY;
    return weight->bias || (row->flags & SWG_BIAS_MAY) ? match_bias(model, m, &found, weight)
                                                       : SWG_OK;
}

static bool has_tensor(const void *context, const char *name)
{
    const matcher *m = context;
    return swg_source_find(m->source, name) != SIZE_MAX;
}

/* Whether the name is that of a weight, or its bias, in the head of another kind of model. */
static bool is_of_a_head(const matcher *m, const swg_model *model, const char *name)
{
    const swg_arch *arch = model->arch;
    for (const swg_tensor_row *row = arch->tensors; row < arch->tensors + arch->n_tensors; row++) {
        if (swg_tensor_row_applies(&model->hparams, row))
            continue;
        for (const char *pattern = row->pattern; pattern;) {
            char weight[SWG_TENSOR_NAME_BYTES], bias[SWG_TENSOR_NAME_BYTES];
            pattern = swg_tensor_row_name(pattern, m->prefix, 0, 0, weight);
            swg_tensor_bias_name(weight, bias);
            if (strcmp(name, weight) == 0 || strcmp(name, bias) == 0)
                return true;
        }
    }
    return false;
}

static swg_status refuse_unused(const swg_model *model, matcher *m)
{
    const swg_arch *arch = model->arch;
    for (const char *const *pattern = arch->ignored; *pattern; pattern++)
        for (int64_t layer = 0; layer < model->hparams.n_layers; layer++) {
            char name[SWG_TENSOR_NAME_BYTES];
            swg_tensor_row_name(*pattern, m->prefix, (size_t)layer, 0, name);
            const size_t tensor = swg_source_find(m->source, name);
            if (tensor != SIZE_MAX)
                m->is_used[tensor] = true;
        }
    for (size_t i = 0; i < swg_source_n_tensors(m->source); i++)
        if (!m->is_used[i] && !(model->hparams.task == SWG_OUTPUT_HIDDEN_STATE &&
                                is_of_a_head(m, model, swg_source_tensor(m->source, i)->name)))
            return swg_error(SWG_UNSUPPORTED,
                             "%s: tensor %s is not part of architecture %s with %lld layers",
                             swg_source_path(m->source), swg_source_tensor(m->source, i)->name,
                             arch->name, (long long)model->hparams.n_layers);
    return SWG_OK;
}

swg_status swg_model_match(swg_model *model)
{
    swg_status status = SWG_OK;
    const size_t n_layers = (size_t)model->hparams.n_layers;
    matcher m = {.source = model->source};
    SWG_GO(SWG_NEW(m.is_used, swg_source_n_tensors(m.source)));
    m.prefix = swg_arch_choose_prefix(model->arch, has_tensor, &m);
    SWG_GO(swg_model_visit(model, n_layers, match_weight, &m));
    for (size_t layer = 0; layer < n_layers; layer++)
        SWG_GO(swg_model_visit(model, layer, match_weight, &m));
    SWG_GO(refuse_unused(model, &m));
done:
    swg_free(m.is_used);
    return status;
}
