/* Recipes in memory: rules, presets, and applying them to tensors. See recipe.h; recipe_json.c
 * reads and writes the JSON text. */
#include "quantize/recipe.h"

#include <string.h>

#include "runtime/base/words.h"
#include "runtime/base/weight_format.h"

const char *swg_plan_class_name(swg_plan_class kind)
{
    static const char *const names[SWG_PLAN_CLASS_COUNT] = {"linear", "embedding", "head", "router",
                                                            "other"};
    return names[kind];
}

const swg_parameter *swg_parameter_find(const swg_parameter *parameters, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(parameters[i].name, name) == 0)
            return &parameters[i];
    return NULL;
}

/* --- Building --------------------------------------------------------------------------------- */

swg_status swg_recipe_new(swg_recipe **out)
{
    swg_recipe *recipe;
    SWG_TRY(SWG_NEW(recipe, 1));
    recipe->defaults = (swg_recipe_setting){.given = SWG_RECIPE_ALL,
                                            .format = "keep",
                                            .bits = 4,
                                            .group = SWG_GROUP_AUTO,
                                            .scale_type = SWG_SCALE_TYPE_AUTO,
                                            .method = "rtn",
                                            .search = SWG_SEARCH_MSE};
    *out = recipe;
    return SWG_OK;
}

void swg_recipe_free(swg_recipe **recipe)
{
    if (!*recipe)
        return;
    swg_free((*recipe)->rules);
    swg_arena_deinit(&(*recipe)->arena);
    SWG_FREE(*recipe);
}

static swg_status copy_word(swg_recipe *recipe, const char **word)
{
    if (*word)
        *word = swg_arena_strndup(&recipe->arena, *word, strlen(*word));
    return *word ? SWG_OK : SWG_NO_MEMORY;
}

static swg_status copy_parameters(swg_recipe *recipe, const swg_parameter **parameters, size_t n)
{
    swg_parameter *copies = swg_arena_calloc(&recipe->arena, n, sizeof *copies);
    if (!copies)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        copies[i] = (*parameters)[i];
        SWG_TRY(copy_word(recipe, &copies[i].name));
        if (copies[i].word)
            SWG_TRY(copy_word(recipe, &copies[i].word));
    }
    *parameters = copies;
    return SWG_OK;
}

static swg_status copy_setting(swg_recipe *recipe, swg_recipe_setting *setting)
{
    if (setting->given & SWG_RECIPE_FORMAT)
        SWG_TRY(copy_word(recipe, &setting->format));
    if (setting->given & SWG_RECIPE_METHOD)
        SWG_TRY(copy_word(recipe, &setting->method));
    if (setting->given & SWG_RECIPE_PRUNE && setting->prune)
        SWG_TRY(copy_word(recipe, &setting->prune));
    SWG_TRY(copy_parameters(recipe, &setting->prune_parameters, setting->n_prune_parameters));
    return copy_parameters(recipe, &setting->parameters, setting->n_parameters);
}

swg_status swg_recipe_add_rule(swg_recipe *recipe, const swg_recipe_rule *rule)
{
    SWG_TRY(swg_reserve((void **)&recipe->rules, &recipe->rule_capacity, recipe->n_rules + 1,
                        sizeof *recipe->rules));
    swg_recipe_rule copy = *rule;
    SWG_TRY(copy_setting(recipe, &copy.setting));
    SWG_TRY(copy_word(recipe, &copy.origin));
    const char **names = swg_arena_calloc(&recipe->arena, rule->n_tensors, sizeof *names);
    if (!names)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < rule->n_tensors; i++) {
        names[i] = rule->tensors[i];
        SWG_TRY(copy_word(recipe, &names[i]));
    }
    copy.tensors = names;
    recipe->rules[recipe->n_rules++] = copy;
    return SWG_OK;
}

/* --- Presets ---------------------------------------------------------------------------------- */

/* The automatic values for codes of that width; widths without a format are refused when the scheme
 * is made. */
static swg_usual_parameters usual_of(unsigned bits)
{
    swg_scheme scheme;
    return swg_scheme_of_bits(bits, 0, false, SWG_F16, &scheme) == SWG_OK
               ? swg_weight_format_of(scheme)->usual
               : (swg_usual_parameters){0};
}

static uint32_t automatic_group(unsigned bits)
{
    return usual_of(bits).group;
}

static uint32_t automatic_embedding_group(unsigned bits, uint32_t group)
{
    const uint32_t least = usual_of(bits).least_table_group;
    return group != 0 && group < least ? least : group;
}

static swg_dtype automatic_scale_type(unsigned bits)
{
    return usual_of(bits).scale_type;
}

swg_recipe_preset swg_recipe_preset_default(void)
{
    return (swg_recipe_preset){.size = sizeof(swg_recipe_preset),
                               .bits = 4,
                               .embedding_bits = 8,
                               .group = SWG_GROUP_AUTO,
                               .embedding_group = SWG_GROUP_AUTO,
                               .scale_type = SWG_SCALE_TYPE_AUTO,
                               .method = "rtn",
                               .search = SWG_SEARCH_MSE};
}

static swg_status add_preset_rules(const swg_recipe_preset *preset, swg_recipe *recipe)
{
    const bool keeps_embeddings = preset->embedding_bits == SWG_PRESET_KEEP;
    swg_recipe_setting *all = &recipe->defaults;
    all->bits = preset->bits;
    all->group = preset->group == SWG_GROUP_AUTO ? automatic_group(preset->bits) : preset->group;
    all->zero_points = preset->asymmetric;
    all->scale_type = preset->scale_type == SWG_SCALE_TYPE_AUTO ? automatic_scale_type(preset->bits)
                                                                : preset->scale_type;
    all->method = preset->method;
    all->search = preset->search;
    SWG_TRY(copy_setting(recipe, all));
    const swg_recipe_rule linear = {
        .classes = 1u << SWG_PLAN_CLASS_LINEAR,
        .setting = {.given = SWG_RECIPE_FORMAT, .format = preset->format ? preset->format : "int"},
        .origin = "the preset"};
    swg_recipe_rule embedding = {.classes =
                                     1u << SWG_PLAN_CLASS_EMBEDDING | 1u << SWG_PLAN_CLASS_HEAD,
                                 .setting = {.given = SWG_RECIPE_FORMAT | SWG_RECIPE_GROUP,
                                             .format = keeps_embeddings ? "keep" : "int",
                                             .bits = preset->embedding_bits,
                                             .group = preset->embedding_group},
                                 .origin = "the preset"};
    if (!keeps_embeddings)
        embedding.setting.given |= SWG_RECIPE_BITS;
    if (preset->embedding_group == SWG_GROUP_AUTO)
        embedding.setting.group = automatic_embedding_group(preset->embedding_bits, all->group);
    SWG_TRY(swg_recipe_add_rule(recipe, &linear));
    return swg_recipe_add_rule(recipe, &embedding);
}

swg_status swg_recipe_from_preset(const swg_recipe_preset *preset, swg_recipe **out)
{
    swg_recipe *recipe;
    SWG_TRY(swg_options_check("swg_recipe_preset", preset->size, sizeof *preset));
    SWG_TRY(swg_recipe_new(&recipe));
    const swg_status status = add_preset_rules(preset, recipe);
    if (status != SWG_OK)
        swg_recipe_free(&recipe);
    else
        *out = recipe;
    return status;
}

/* --- Application ------------------------------------------------------------------------------ */

#define SWG_CODEBOOK(name, meaning, ...)                                                           \
    static const int8_t values_##name[SWG_LEVELS] = {__VA_ARGS__};
#include "quantize/codebooks.def"
#undef SWG_CODEBOOK

static const struct {
    const char *name;
    const int8_t *values;
} codebooks[] = {
#define SWG_CODEBOOK(name, meaning, ...) {#name, values_##name},
#include "quantize/codebooks.def"
#undef SWG_CODEBOOK
};

bool swg_recipe_codebook(const char *format, const int8_t **values)
{
    *values = NULL;
    for (size_t i = 0; i < sizeof codebooks / sizeof *codebooks; i++)
        if (strcmp(codebooks[i].name, format) == 0) {
            *values = codebooks[i].values[0] ? codebooks[i].values : NULL;
            return true;
        }
    return false;
}

swg_status swg_recipe_scheme(const swg_recipe_setting *setting, swg_scheme *out)
{
    char name[SWG_SCHEME_NAME_BYTES];
    const int8_t *values;
    swg_scheme scheme;
    if (setting->format && swg_recipe_codebook(setting->format, &values)) {
        if (setting->zero_points)
            return swg_error(SWG_USAGE,
                             "the format %s has no zero points; they belong to the format int",
                             setting->format);
        SWG_TRY(
            swg_scheme_of_codebook(setting->bits, setting->group, setting->scale_type, &scheme));
    } else
        SWG_TRY(swg_scheme_of_bits(setting->bits, setting->group, setting->zero_points,
                                   setting->scale_type, &scheme));
    swg_scheme_name(scheme, name);
    return swg_scheme_parse(name, strlen(name), out); /* refuses unknown groups */
}

/* Replace the fields that a rule gives. */
static void override(swg_recipe_setting *setting, const swg_recipe_setting *by)
{
    if (by->given & SWG_RECIPE_FORMAT)
        setting->format = by->format;
    if (by->given & SWG_RECIPE_BITS)
        setting->bits = by->bits;
    if (by->given & SWG_RECIPE_GROUP)
        setting->group = by->group;
    if (by->given & SWG_RECIPE_ZERO_POINTS)
        setting->zero_points = by->zero_points;
    if (by->given & SWG_RECIPE_SCALE_TYPE)
        setting->scale_type = by->scale_type;
    if (by->given & SWG_RECIPE_METHOD)
        setting->method = by->method;
    if (by->given & SWG_RECIPE_SEARCH)
        setting->search = by->search;
    if (by->given & SWG_RECIPE_SPARSITY)
        setting->sparsity = by->sparsity;
    if (by->given & SWG_RECIPE_PARAMETERS) {
        setting->parameters = by->parameters;
        setting->n_parameters = by->n_parameters;
    }
    if (by->given & SWG_RECIPE_PRUNE)
        setting->prune = by->prune;
    if (by->given & SWG_RECIPE_PRUNE_PARAMETERS) {
        setting->prune_parameters = by->prune_parameters;
        setting->n_prune_parameters = by->n_prune_parameters;
    }
}

/* Replace automatic values by numbers. */
static void resolve(swg_recipe_setting *setting, swg_plan_class kind)
{
    const bool is_embedding = kind == SWG_PLAN_CLASS_EMBEDDING || kind == SWG_PLAN_CLASS_HEAD;
    if (setting->group == SWG_GROUP_AUTO) {
        setting->group = automatic_group(setting->bits);
        if (is_embedding)
            setting->group = automatic_embedding_group(setting->bits, setting->group);
    }
    if (setting->scale_type == SWG_SCALE_TYPE_AUTO)
        setting->scale_type = automatic_scale_type(setting->bits);
}

static bool compresses(const swg_recipe_setting *setting)
{
    const bool is_format = setting->given & SWG_RECIPE_FORMAT;
    const bool is_sparse =
        setting->given & SWG_RECIPE_SPARSITY && !swg_sparsity_is_dense(setting->sparsity);
    return (is_format && strcmp(setting->format, "keep") != 0) || is_sparse;
}

/* The tensor name, or else part of one, that the user may have meant; NULL = none is near. Lives
 * in the arena. */
static swg_status nearest_name(const char *pattern, const swg_recipe_tensor *tensors, size_t n,
                               swg_arena *arena, const char **out)
{
    void *block = NULL; /* of n_words pointers */
    size_t n_words = 0, capacity = 0;
    swg_status status = SWG_OK;
    *out = NULL;
    for (int by_part = 0; by_part < 2 && !*out; by_part++) {
        n_words = 0;
        for (size_t i = 0; i < n; i++) {
            const char *name = tensors[i].name;
            while (*name) {
                const size_t length = by_part ? strcspn(name, ".") : strlen(name);
                SWG_GO(swg_reserve(&block, &capacity, n_words + 1, sizeof(char *)));
                const char **words = block;
                words[n_words] = swg_arena_strndup(arena, name, length);
                if (!words[n_words++])
                    SWG_GO(SWG_NO_MEMORY);
                name += length + (name[length] == '.');
            }
        }
        *out = swg_nearest_word(pattern, block, n_words);
    }
done:
    swg_free(block);
    return status;
}

static swg_status refuse_unmatched(const char *origin, const char *pattern,
                                   const swg_recipe_tensor *tensors, size_t n)
{
    swg_arena arena = {0};
    const char *near;
    swg_status status = nearest_name(pattern, tensors, n, &arena, &near);
    if (status == SWG_OK)
        status = swg_error(SWG_USAGE, "%s %.200s matches none of the %zu tensors%s%s", origin,
                           pattern, n, near ? "; the nearest is " : "", near ? near : "");
    swg_arena_deinit(&arena);
    return status;
}

/* Apply a rule through one of its patterns (NULL = it has none). A pattern that compresses applies
 * to the matrices it matches: 'layers.0.*' also matches norms. */
static swg_status apply_pattern(const swg_recipe_rule *rule, const char *pattern,
                                const swg_recipe_tensor *tensors, size_t n,
                                swg_recipe_choice *choices)
{
    size_t n_matched = 0, n_applied = 0;
    const bool needs_matrix = compresses(&rule->setting);
    for (size_t i = 0; i < n; i++) {
        if (pattern && !swg_pattern_matches(pattern, tensors[i].name))
            continue;
        n_matched++;
        if ((rule->classes && !(rule->classes & 1u << tensors[i].kind)) ||
            (needs_matrix && !tensors[i].is_matrix))
            continue;
        n_applied++;
        override(&choices[i].setting, &rule->setting);
        if (rule->setting.given & SWG_RECIPE_FORMAT)
            choices[i].is_named = pattern != NULL;
    }
    if (pattern && n_matched == 0)
        return refuse_unmatched(rule->origin, pattern, tensors, n);
    if (pattern && n_applied == 0 && needs_matrix)
        return swg_error(SWG_USAGE,
                         "%s %s matches no matrix of floats%s, and only those can be compressed",
                         rule->origin, pattern, rule->classes ? " of that class" : "");
    return SWG_OK;
}

swg_status swg_recipe_apply(const swg_recipe *recipe, const swg_recipe_tensor *tensors, size_t n,
                            swg_recipe_choice **out)
{
    swg_status status = SWG_OK;
    swg_recipe_choice *choices;
    SWG_TRY(SWG_NEW(choices, n));
    for (size_t i = 0; i < n; i++)
        choices[i].setting = recipe->defaults;
    for (size_t r = 0; r < recipe->n_rules; r++) {
        const swg_recipe_rule *rule = &recipe->rules[r];
        if (rule->n_tensors == 0)
            SWG_GO(apply_pattern(rule, NULL, tensors, n, choices));
        for (size_t p = 0; p < rule->n_tensors; p++)
            SWG_GO(apply_pattern(rule, rule->tensors[p], tensors, n, choices));
    }
    for (size_t i = 0; i < n; i++)
        resolve(&choices[i].setting, tensors[i].kind);
    *out = choices;
    choices = NULL;
done:
    swg_free(choices);
    return status;
}
