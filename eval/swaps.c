/* Swapping tensors between two checkpoints: see swaps.h. */
#include "eval/swaps.h"

#include <stdio.h>
#include <string.h>

#include "eval/tensor_place.h"
#include "runtime/base/mem.h"

/* A tensor of both checkpoints, by its index there. */
typedef struct pair {
    size_t in_model, in_base;
    size_t swap; /* that it belongs to; SIZE_MAX: it does not differ */
} pair;

struct swg_swaps {
    swg_model *host;
    swg_source *source, *base;
    swg_swap_direction direction;
    pair *pairs;
    size_t n_pairs;
    swg_swap *swaps;
    size_t n_swaps;
    swg_arena arena;
};

/* --- What differs ----------------------------------------------------------------------------- */

static swg_status match(swg_source *source, swg_source *base, size_t index, size_t *out)
{
    const swg_tensor_desc *mine = swg_source_tensor(source, index);
    const size_t found = swg_source_find(base, mine->name);
    if (found == SIZE_MAX)
        return swg_error(SWG_UNSUPPORTED,
                         "%s has a tensor %s, but %s has not: both must have the same tensors",
                         swg_source_path(source), mine->name, swg_source_path(base));
    const swg_tensor_desc *other = swg_source_tensor(base, found);
    bool is_same = mine->rank == other->rank;
    for (uint32_t i = 0; is_same && i < mine->rank; i++)
        is_same = mine->shape[i] == other->shape[i];
    if (!is_same) {
        char a[SWG_SHAPE_TEXT_BYTES], b[SWG_SHAPE_TEXT_BYTES];
        return swg_error(SWG_UNSUPPORTED, "tensor %s has shape %s in %s, but %s in %s", mine->name,
                         swg_tensor_shape_text(mine, a), swg_source_path(source),
                         swg_tensor_shape_text(other, b), swg_source_path(base));
    }
    *out = found;
    return SWG_OK;
}

/* The tensor's values as floats, in memory of their own. */
static swg_status read_values(swg_source *source, size_t index, float **out)
{
    const swg_tensor_desc *desc = swg_source_tensor(source, index);
    float *values = NULL;
    SWG_TRY(SWG_NEW_UNINIT(values, swg_tensor_elems(desc)));
    const swg_status status = swg_source_read_f32(source, index, 0, swg_tensor_rows(desc), values);
    if (status == SWG_OK)
        *out = values;
    else
        swg_free(values);
    return status;
}

static swg_status values_differ(const swg_swaps *s, const pair *p, bool *out)
{
    swg_status status = SWG_OK;
    float *a = NULL, *b = NULL;
    const size_t bytes =
        (size_t)swg_tensor_elems(swg_source_tensor(s->source, p->in_model)) * sizeof *a;
    SWG_GO(read_values(s->source, p->in_model, &a));
    SWG_GO(read_values(s->base, p->in_base, &b));
    *out = memcmp(a, b, bytes) != 0;
done:
    swg_free(a);
    swg_free(b);
    return status;
}

/* --- Swaps ------------------------------------------------------------------------------------ */

static bool is_weight(const swg_model *model, const char *tensor)
{
    for (size_t i = 0; i < model->n_weights; i++)
        if (model->weights[i].n && model->weights[i].tensor &&
            strcmp(model->weights[i].tensor, tensor) == 0)
            return true;
    return false;
}

static const char *keep(swg_swaps *s, const char *text)
{
    return swg_arena_strndup(&s->arena, text, strlen(text));
}

/* The swap of a layer, if there is one yet. */
static size_t find_layer(const swg_swaps *s, int64_t layer)
{
    for (size_t i = 0; i < s->n_swaps; i++)
        if (s->swaps[i].layer == layer)
            return i;
    return SIZE_MAX;
}

static swg_status add_swap(swg_swaps *s, pair *p, bool by_layer)
{
    const swg_tensor_desc *desc = swg_source_tensor(s->source, p->in_model);
    char kind[SWG_TENSOR_KIND_BYTES], name[48], scheme[SWG_SCHEME_NAME_BYTES];
    const int64_t layer = swg_tensor_place(desc->name, kind);
    const bool is_group = by_layer && layer >= 0;
    p->swap = is_group ? find_layer(s, layer) : SIZE_MAX;
    if (p->swap == SIZE_MAX) {
        swg_swap *made = &s->swaps[p->swap = s->n_swaps];
        snprintf(name, sizeof name, "layer %lld", (long long)layer);
        *made =
            (swg_swap){.name = keep(s, is_group ? name : desc->name),
                       .layer = layer,
                       .kind = keep(s, is_group ? "layer" : kind),
                       .scheme = keep(s, is_group ? "" : swg_scheme_name(desc->scheme, scheme))};
        if (!made->name || !made->kind || !made->scheme)
            return SWG_NO_MEMORY;
        s->n_swaps++;
    }
    s->swaps[p->swap].parameters += swg_tensor_elems(desc);
    return SWG_OK;
}

static swg_status list_pairs(swg_swaps *s, bool by_layer)
{
    const size_t n = swg_source_n_tensors(s->source);
    SWG_TRY(SWG_NEW(s->pairs, n));
    SWG_TRY(SWG_NEW(s->swaps, n));
    for (size_t i = 0; i < n; i++) {
        pair *p = &s->pairs[s->n_pairs];
        bool differs = false;
        if (swg_source_same_as(s->source, i) != i ||
            !is_weight(s->host, swg_source_tensor(s->source, i)->name))
            continue;
        *p = (pair){.in_model = i, .swap = SIZE_MAX};
        SWG_TRY(match(s->source, s->base, i, &p->in_base));
        s->n_pairs++;
        SWG_TRY(values_differ(s, p, &differs));
        if (differs)
            SWG_TRY(add_swap(s, p, by_layer));
    }
    return SWG_OK;
}

swg_status swg_swaps_new(swg_model *host, swg_source *source, swg_source *base,
                         swg_swap_direction direction, bool by_layer, swg_swaps **out)
{
    swg_status status = SWG_OK;
    swg_swaps *s = NULL;
    SWG_GO(SWG_NEW(s, 1));
    *s = (swg_swaps){.host = host, .source = source, .base = base, .direction = direction};
    SWG_GO(list_pairs(s, by_layer));
    *out = s;
    s = NULL;
done:
    swg_swaps_free(&s);
    return status;
}

void swg_swaps_free(swg_swaps **swaps)
{
    swg_swaps *s = *swaps;
    if (!s)
        return;
    swg_free(s->pairs);
    swg_free(s->swaps);
    swg_arena_deinit(&s->arena);
    swg_free(s);
    *swaps = NULL;
}

size_t swg_swaps_count(const swg_swaps *swaps)
{
    return swaps->n_swaps;
}

swg_swap *swg_swaps_at(swg_swaps *swaps, size_t index)
{
    return &swaps->swaps[index];
}

/* --- Replacing -------------------------------------------------------------------------------- */

/* Biases of the weights that come from a tensor, where the other checkpoint has them. The host is
 * the model of `source`, whose indices its weights know. */
static swg_status replace_biases(const swg_swaps *s, const char *tensor, swg_source *from)
{
    for (size_t i = 0; i < s->host->n_weights; i++) {
        const swg_weight *weight = &s->host->weights[i];
        const size_t bias = weight->tensor && strcmp(weight->tensor, tensor) == 0
                                ? swg_model_bias_tensor(s->host, weight)
                                : SIZE_MAX;
        size_t there = bias;
        float *values = NULL;
        if (bias == SIZE_MAX)
            continue;
        if (from != s->source)
            SWG_TRY(match(s->source, from, bias, &there));
        SWG_TRY(read_values(from, there, &values));
        swg_model_replace_bias(s->host, weight, values + weight->first_row);
        swg_free(values);
    }
    return SWG_OK;
}

static swg_status replace(const swg_swaps *s, const pair *p, bool with_base)
{
    swg_source *const from = with_base ? s->base : s->source;
    const size_t index = with_base ? p->in_base : p->in_model;
    float *values = NULL;
    SWG_TRY(read_values(from, index, &values));
    swg_tensor_desc desc = *swg_source_tensor(from, index);
    desc.scheme = swg_scheme_plain(SWG_F32);
    desc.n_stored = 0;
    const void *const planes[SWG_PLANE_KINDS] = {[SWG_PLANE_VALUES] = values};
    const swg_status status = swg_model_replace_tensor(s->host, &desc, planes);
    swg_free(values);
    return status == SWG_OK ? replace_biases(s, desc.name, from) : status;
}

static swg_status replace_all(const swg_swaps *s, size_t swap, bool with_base)
{
    for (size_t i = 0; i < s->n_pairs; i++)
        if (s->pairs[i].swap == swap)
            SWG_TRY(replace(s, &s->pairs[i], with_base));
    return SWG_OK;
}

swg_status swg_swaps_begin(swg_swaps *s)
{
    for (size_t i = 0; i < s->n_pairs; i++)
        SWG_TRY(replace(s, &s->pairs[i], s->direction == SWG_SWAP_INTO_REF));
    return SWG_OK;
}

swg_status swg_swaps_apply(swg_swaps *s, size_t index)
{
    return replace_all(s, index, s->direction == SWG_SWAP_INTO_MODEL);
}

swg_status swg_swaps_revert(swg_swaps *s, size_t index)
{
    return replace_all(s, index, s->direction == SWG_SWAP_INTO_REF);
}
