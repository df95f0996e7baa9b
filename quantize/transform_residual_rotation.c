/* Rotating the residual stream: with an orthogonal matrix Q the rows x that layers read and add to
 * become Q x (Ashkboos et al. 2024, "SliceGPT", arXiv 2401.15024, and "QuaRot", arXiv 2404.00456).
 * Embeddings are looked up rotated, matrices that add to the stream get Q before their outputs, and
 * those that read it Q^T after their inputs. In between are RMS norms, whose root mean square Q
 * leaves alone; their gains, one per channel, are folded into the matrices that follow, and
 * become 1. Norms that subtract a mean, and the output head of a tied embedding, do not fit: see
 * place_of and swg_transforms_need_head.
 *
 * Channels far larger than the others are spread over all, and a rounding error of one input of 8
 * bits is as large as any other's. */
#include "quantize/transforms.h"

/* A norm, and the matrices that read what it puts out. */
typedef struct normed {
    size_t norm;
    float *scale; /* [d_model] 1 / gain */
} normed;

typedef struct state {
    swg_rotation rotation;
    normed *norms; /* [n_norms] */
    size_t n_norms;
} state;

/* What becomes of the tensors of each role. */
typedef enum part { PART_NONE, PART_KEPT, PART_TABLE, PART_NORM, PART_READER, PART_WRITER } part;

static part part_of(swg_role role)
{
    switch (role) {
    case SWG_ROLE_EMBEDDING:
        return PART_TABLE;
    case SWG_ROLE_ATTENTION_NORM:
    case SWG_ROLE_FFN_NORM:
    case SWG_ROLE_OUTPUT_NORM:
        return PART_NORM;
    case SWG_ROLE_QUERY:
    case SWG_ROLE_KEY:
    case SWG_ROLE_VALUE:
    case SWG_ROLE_FFN_GATE:
    case SWG_ROLE_FFN_UP:
    case SWG_ROLE_HEAD:
        return PART_READER;
    case SWG_ROLE_ATTENTION_OUTPUT:
    case SWG_ROLE_FFN_DOWN:
        return PART_WRITER;
    case SWG_ROLE_QUERY_NORM:
    case SWG_ROLE_KEY_NORM:
        return PART_KEPT; /* of heads */
    default:
        return PART_NONE;
    }
}

/* The norm that the role's matrices read. */
static swg_role norm_of(swg_role role)
{
    return role == SWG_ROLE_HEAD                                  ? SWG_ROLE_OUTPUT_NORM
           : role == SWG_ROLE_FFN_GATE || role == SWG_ROLE_FFN_UP ? SWG_ROLE_FFN_NORM
                                                                  : SWG_ROLE_ATTENTION_NORM;
}

/* Refuse models with parts that a rotation does not pass. */
static swg_status check_model(const swg_transform_place *place)
{
    size_t n_heads = 0;
    for (size_t i = 0; i < swg_source_n_tensors(place->source); i++) {
        const swg_tensor_use *use = &place->uses[i];
        const char *name = swg_source_tensor(place->source, i)->name;
        const part what = part_of(use->role);
        if (use->kind != SWG_USE_WEIGHT && use->kind != SWG_USE_BIAS)
            continue;
        if (what == PART_NONE)
            return swg_error(SWG_UNSUPPORTED, "a rotation of the residual stream cannot pass %s",
                             name);
        if (what == PART_NORM && use->kind == SWG_USE_BIAS)
            return swg_error(SWG_UNSUPPORTED,
                             "%s belongs to a norm that subtracts the mean of the channels, which "
                             "a rotation mixes",
                             name);
        n_heads += use->role == SWG_ROLE_HEAD;
    }
    return n_heads ? SWG_OK
                   : swg_error(SWG_UNSUPPORTED,
                               "the output head has no tensor of its own: it would need the gains "
                               "of the last norm, and the embedding must not have them");
}

/* --- Folds ------------------------------------------------------------------------------------ */

static swg_status add_norm(const swg_transform_place *place, swg_folds *folds, size_t tensor,
                           state *s)
{
    normed *norm = &s->norms[s->n_norms];
    norm->norm = tensor;
    norm->scale = swg_arena_calloc(place->arena, s->rotation.n, sizeof *norm->scale);
    if (!norm->scale)
        return SWG_NO_MEMORY;
    s->n_norms++;
    return swg_folds_add(folds, tensor, SWG_FOLD_ROWS, (swg_fold){.scale = norm->scale});
}

/* The scales of the norm that a matrix reads. */
static const float *scale_of(const swg_transform_place *place, const state *s,
                             const swg_tensor_use *reader)
{
    for (size_t i = 0; i < s->n_norms; i++) {
        const swg_tensor_use *norm = &place->uses[s->norms[i].norm];
        if (norm->role == norm_of(reader->role) && norm->layer == reader->layer)
            return s->norms[i].scale;
    }
    return NULL;
}

static swg_status add_matrix(const swg_transform_place *place, swg_folds *folds, size_t tensor,
                             state *s)
{
    const swg_tensor_use *use = &place->uses[tensor];
    const part what = part_of(use->role);
    swg_fold fold = {.rotation = &s->rotation};
    if (what == PART_WRITER)
        return swg_folds_add(folds, tensor, SWG_FOLD_ROWS, fold);
    if (use->kind == SWG_USE_BIAS || (what != PART_READER && what != PART_TABLE))
        return SWG_OK;
    if (what == PART_READER)
        fold.scale = scale_of(place, s, use);
    if (what == PART_READER && !fold.scale)
        return swg_error(SWG_UNSUPPORTED, "%s has no norm of its own before it",
                         swg_source_tensor(place->source, tensor)->name);
    return swg_folds_add(folds, tensor, SWG_FOLD_COLUMNS, fold);
}

static swg_status open(const swg_transform_place *place, swg_folds *folds, void **out)
{
    const size_t n = swg_source_n_tensors(place->source);
    swg_rng rng = swg_rng_seeded(place->seed);
    state *s = swg_arena_calloc(place->arena, 1, sizeof *s);
    if (!s)
        return SWG_NO_MEMORY;
    SWG_TRY(check_model(place));
    SWG_TRY(swg_rotation_make((size_t)place->hparams->d_model, &rng, place->arena, &s->rotation));
    s->norms = swg_arena_calloc(place->arena, n, sizeof *s->norms);
    if (!s->norms)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        if (place->uses[i].kind == SWG_USE_WEIGHT && part_of(place->uses[i].role) == PART_NORM)
            SWG_TRY(add_norm(place, folds, i, s));
    for (size_t i = 0; i < n; i++)
        if (place->uses[i].kind == SWG_USE_WEIGHT || place->uses[i].kind == SWG_USE_BIAS)
            SWG_TRY(add_matrix(place, folds, i, s));
    *out = s;
    return SWG_OK;
}

/* Gains are read now: transforms before this one may have changed them. */
static swg_status fit(const swg_transform_place *place, const swg_transform_means *means,
                      void *context)
{
    const state *s = context;
    (void)means;
    for (size_t i = 0; i < s->n_norms; i++) {
        float *scale = s->norms[i].scale;
        SWG_TRY(swg_source_read_f32(place->source, s->norms[i].norm, 0, 1, scale));
        for (size_t c = 0; c < s->rotation.n; c++) {
            if (scale[c] == 0)
                return swg_error(SWG_UNSUPPORTED,
                                 "transform residual-rotation: the gain of channel %zu in %s is 0",
                                 c, swg_source_tensor(place->source, s->norms[i].norm)->name);
            scale[c] = 1 / scale[c];
        }
    }
    return SWG_OK;
}

const swg_transform swg_transform_residual_rotation = {
    .mixes_inputs = true, .needs_head = true, .open = open, .fit = fit};
