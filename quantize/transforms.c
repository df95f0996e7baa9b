/* The table of transforms and chains of them; see transforms.h. Each transform is a set of folds
 * over the source of the one before. */
#include "quantize/transforms.h"

#include <string.h>

#include "runtime/base/strbuf.h"
#include "runtime/base/words.h"

enum { NO_STATS = false, STATS = true };

static const struct {
    const char *word;
    bool needs_stats;
    const swg_transform *transform;
} table[] = {
#define SWG_TRANSFORM(name, word, needs, meaning) {word, needs, &swg_transform_##name},
#include "quantize/transforms.def"
#undef SWG_TRANSFORM
};
enum { N_TRANSFORMS = sizeof table / sizeof *table };

typedef struct link {
    const swg_transform *transform;
    swg_transform_place place; /* its source is the one beneath */
    swg_folds folds;
    swg_source *folded;
    void *state;
} link;

struct swg_transforms {
    swg_arena arena;
    swg_hparams hparams;
    link *links;
    size_t n_links;
    swg_layer_stats adapted;
    float *hessian;
    double *mean_square;
};

static swg_status find(const char *name, size_t *out)
{
    const char *words[N_TRANSFORMS];
    for (size_t i = 0; i < N_TRANSFORMS; i++) {
        words[i] = table[i].word;
        if (strcmp(name, table[i].word) == 0) {
            *out = i;
            return SWG_OK;
        }
    }
    const char *near = swg_nearest_word(name, words, N_TRANSFORMS);
    if (near)
        return swg_error(SWG_USAGE, "unknown transform \"%.60s\"; the nearest is %s", name, near);
    swg_strbuf known = {0};
    for (size_t i = 0; i < N_TRANSFORMS; i++)
        swg_strbuf_printf(&known, "%s%s", i ? ", " : "", words[i]);
    const swg_status status = swg_error(SWG_USAGE, "unknown transform \"%.60s\"; known: %s", name,
                                        swg_strbuf_text(&known));
    swg_strbuf_deinit(&known);
    return status;
}

swg_status swg_transforms_check(const char *const *names, size_t n_names, bool *needs_stats)
{
    *needs_stats = false;
    for (size_t i = 0; i < n_names; i++) {
        size_t at = 0;
        SWG_TRY(find(names[i], &at));
        *needs_stats |= table[at].needs_stats;
    }
    return SWG_OK;
}

bool swg_transforms_need_head(const char *const *names, size_t n_names)
{
    for (size_t i = 0; i < n_names; i++)
        for (size_t at = 0; at < N_TRANSFORMS; at++)
            if (strcmp(names[i], table[at].word) == 0 && table[at].transform->needs_head)
                return true;
    return false;
}

static swg_status open_link(link *l, const char *name, const swg_transform_place *place)
{
    size_t at = 0;
    SWG_TRY(find(name, &at));
    l->transform = table[at].transform;
    l->place = *place;
    SWG_TRY(swg_folds_init(&l->folds, place->source));
    const swg_status status = l->transform->open(&l->place, &l->folds, &l->state);
    if (status != SWG_OK)
        return swg_error_context(status, "transform %s", name);
    return swg_folds_open(&l->folds, &l->folded);
}

/* Statistics are of the inputs before all transforms. */
static swg_status check_order(const char *const *names, size_t n_names)
{
    const char *mixer = NULL;
    for (size_t i = 0; i < n_names; i++) {
        size_t at = 0;
        SWG_TRY(find(names[i], &at));
        if (mixer && table[at].needs_stats)
            return swg_error(SWG_UNSUPPORTED,
                             "transform %s needs statistics of inputs, which %s mixes: name it "
                             "first",
                             names[i], mixer);
        mixer = table[at].transform->mixes_inputs ? names[i] : mixer;
    }
    return SWG_OK;
}

static swg_status open_links(swg_transforms *t, swg_source *source, const swg_tensor_use *uses,
                             const char *const *names, size_t n_names, uint64_t seed)
{
    const swg_arch *arch;
    size_t length;
    if (!uses)
        return swg_error(SWG_UNSUPPORTED, "transforms need a model whose architecture is known");
    const char *config = swg_source_config(source, &length);
    SWG_TRY(swg_hparams_read(config, length, &arch, &t->hparams));
    SWG_TRY(SWG_NEW(t->links, n_names));
    swg_transform_place place = {
        .source = source, .uses = uses, .hparams = &t->hparams, .seed = seed, .arena = &t->arena};
    SWG_TRY(check_order(names, n_names));
    for (; t->n_links < n_names; place.source = t->links[t->n_links++].folded) {
        const swg_status status = open_link(&t->links[t->n_links], names[t->n_links], &place);
        t->n_links += status != SWG_OK; /* so that it is released */
        SWG_TRY(status);
    }
    return SWG_OK;
}

swg_status swg_transforms_open(swg_source *source, const swg_tensor_use *uses,
                               const char *const *names, size_t n_names, uint64_t seed,
                               swg_transforms **out)
{
    swg_transforms *t = NULL;
    SWG_TRY(SWG_NEW(t, 1));
    const swg_status status = open_links(t, source, uses, names, n_names, seed);
    if (status == SWG_OK) {
        *out = t;
        t = NULL;
    }
    swg_transforms_free(&t);
    return status;
}

void swg_transforms_free(swg_transforms **transforms)
{
    swg_transforms *t = *transforms;
    if (!t)
        return;
    while (t->n_links > 0) {
        link *l = &t->links[--t->n_links];
        swg_source_close(&l->folded);
        swg_folds_deinit(&l->folds);
    }
    swg_free(t->links);
    swg_free(t->hessian);
    swg_free(t->mean_square);
    swg_arena_deinit(&t->arena);
    swg_free(t);
    *transforms = NULL;
}

swg_status swg_transforms_fit(swg_transforms *t, const swg_plan *plan, swg_model_stats *stats,
                              swg_pool *pool)
{
    const swg_transform_means means = {.plan = plan, .stats = stats, .pool = pool};
    for (size_t i = 0; i < t->n_links; i++)
        if (t->links[i].transform->fit)
            SWG_TRY(t->links[i].transform->fit(&t->links[i].place, &means, t->links[i].state));
    return SWG_OK;
}

swg_source *swg_transforms_source(const swg_transforms *t)
{
    return t->links[t->n_links - 1].folded;
}

swg_status swg_transforms_adapt(swg_transforms *t, const char *tensor,
                                const swg_layer_stats **stats)
{
    if (!*stats)
        return SWG_OK;
    const size_t k = (*stats)->k, place = swg_source_find(t->links[0].place.source, tensor);
    swg_layer_stats current = **stats, next;
    SWG_FREE(t->hessian);
    SWG_FREE(t->mean_square);
    SWG_TRY(SWG_NEW_UNINIT(t->hessian, k * k));
    SWG_TRY(SWG_NEW_UNINIT(t->mean_square, k));
    for (size_t i = 0; i < t->n_links; i++, current = next)
        SWG_TRY(swg_folds_stats(&t->links[i].folds, place, &current, t->hessian, t->mean_square,
                                &next));
    t->adapted = current;
    *stats = &t->adapted;
    return SWG_OK;
}

size_t swg_transform_find(const swg_transform_place *place, swg_use_kind kind, swg_role role,
                          size_t layer)
{
    const size_t n = swg_source_n_tensors(place->source);
    for (size_t i = 0; i < n; i++)
        if (place->uses[i].kind == kind && place->uses[i].role == role &&
            place->uses[i].is_per_layer && place->uses[i].layer == layer)
            return i;
    return SIZE_MAX;
}
