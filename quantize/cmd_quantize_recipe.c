/* From the options of swage quantize to a recipe. See cmd_quantize_job.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quantize/cmd_quantize_job.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"

/* --- What the options ask for ---------------------------------------------------------------- */

bool swg_quantize_has_target(const swg_quantize_arguments *a)
{
    return a->target_bytes || a->target_bits > 0 || a->max_kld > 0;
}

swg_calibration_arguments swg_quantize_calibration(const swg_quantize_arguments *a)
{
    return (swg_calibration_arguments){.text = a->calibration,
                                       .tokens = a->calibration_tokens,
                                       .window = a->calibration_window,
                                       .documents = a->calibration_documents,
                                       .cache = a->cache,
                                       .no_cache = a->no_cache,
                                       .device = a->device};
}

bool swg_quantize_is_free(const swg_quantize_arguments *a)
{
    return a->calibration && !a->method && !a->recipe && !swg_quantize_has_target(a);
}

const char *swg_quantize_statistics(const swg_quantize_state *j)
{
    return j->recipe->statistics ? j->recipe->statistics : "none";
}

bool swg_quantize_is_sequential(const swg_quantize_state *j)
{
    const char *statistics = swg_quantize_statistics(j);
    return strcmp(statistics, "sequential") == 0 || strcmp(statistics, "paired") == 0;
}

/* --- The recipe ------------------------------------------------------------------------------ */

static uint32_t group_of(const char *word)
{
    return !word || strcmp(word, "auto") == 0 ? SWG_GROUP_AUTO
           : strcmp(word, "row") == 0         ? 0
                                              : (uint32_t)strtoul(word, NULL, 10);
}

static swg_dtype scale_type_of(const char *word)
{
    swg_dtype type; /* the option's choices but "auto" are words of types */
    return word && swg_dtype_parse_word(word, strlen(word), &type) ? type : SWG_SCALE_TYPE_AUTO;
}

/* What goes with a text unless the options say otherwise. */
static const char free_method[] = "gptq";
static const char *const free_transforms[] = {"awq"};

static swg_status recipe_from_options(const swg_quantize_arguments *a, swg_recipe **out)
{
    swg_recipe_preset preset = swg_recipe_preset_default();
    if (a->bits)
        preset.bits = (unsigned)strtoul(a->bits, NULL, 10);
    if (a->embedding_bits)
        preset.embedding_bits = (unsigned)strtoul(a->embedding_bits, NULL, 10);
    if (a->method || swg_quantize_is_free(a))
        preset.method = a->method ? a->method : free_method;
    if (a->format)
        preset.format = a->format;
    preset.group = group_of(a->group_size);
    preset.embedding_group = group_of(a->embedding_group_size);
    preset.scale_type = scale_type_of(a->scale_type);
    preset.asymmetric = a->asymmetric;
    preset.search = a->scale_search && strcmp(a->scale_search, "absmax") == 0 ? SWG_SEARCH_ABSMAX
                                                                              : SWG_SEARCH_MSE;
    SWG_TRY(swg_recipe_from_preset(&preset, out));
    (*out)->level = (int)a->level;
    (*out)->requantize = a->requantize;
    (*out)->transforms = a->transform.items;
    (*out)->n_transforms = a->transform.count;
    if (a->transform.count == 0 && swg_quantize_is_free(a)) {
        (*out)->transforms = free_transforms;
        (*out)->n_transforms = sizeof free_transforms / sizeof *free_transforms;
    }
    if (a->nonfinite)
        (*out)->nonfinite = strcmp(a->nonfinite, "warn") == 0   ? SWG_NONFINITE_WARN
                            : strcmp(a->nonfinite, "keep") == 0 ? SWG_NONFINITE_KEEP
                                                                : SWG_NONFINITE_ERROR;
    return SWG_OK;
}

/* A recipe file is complete; an option on the same subject could only contradict it. */
static swg_status recipe_from_file(const swg_quantize_arguments *a, swg_recipe **out)
{
    enum { MOST_BYTES = 64 << 20 };
    const struct {
        const char *name;
        bool is_given;
    } others[] = {{"format", a->format},
                  {"bits", a->bits},
                  {"group-size", a->group_size},
                  {"asymmetric", a->asymmetric},
                  {"scale-type", a->scale_type},
                  {"scale-search", a->scale_search},
                  {"method", a->method},
                  {"embedding-bits", a->embedding_bits},
                  {"embedding-group-size", a->embedding_group_size},
                  {"transform", a->transform.count},
                  {"requantize", a->requantize},
                  {"nonfinite", a->nonfinite},
                  {"level", a->level}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i].is_given)
            return swg_error(SWG_USAGE, "--%s is given by the recipe %s; use one of the two",
                             others[i].name, a->recipe);
    char *text = NULL;
    size_t length = 0;
    SWG_TRY(swg_file_read(a->recipe, MOST_BYTES, &text, &length));
    const swg_status status = swg_recipe_parse(text, length, a->recipe, out);
    swg_free(text);
    return status;
}

/* A text is read as the option or the recipe says, or else in the usual way; without one there is
 * nothing to read. */
static swg_status take_statistics(const swg_quantize_arguments *a, swg_recipe *recipe)
{
    if (!a->calibration)
        return recipe->statistics
                   ? swg_error(SWG_USAGE,
                               "the recipe %s asks for %s statistics of a text; --calibration FILE "
                               "gives one",
                               a->recipe, recipe->statistics)
                   : SWG_OK;
    if (a->statistics && recipe->statistics)
        return swg_error(SWG_USAGE, "--statistics is given by the recipe %s; use one of the two",
                         a->recipe);
    const bool is_usual = swg_quantize_is_free(a) || swg_quantize_has_target(a);
    if (!recipe->statistics)
        recipe->statistics = a->statistics ? a->statistics : is_usual ? "paired" : "full";
    return SWG_OK;
}

/* The setting in "PATTERN=N,KEY:VALUE,...", after the last "=", as JSON. */
static void write_setting(const char *words, swg_json_writer *json)
{
    swg_json_begin_object(json, NULL);
    for (const char *at = words; *at; at += *at == ',') {
        const size_t length = strcspn(at, ","), key_length = strcspn(at, ":,");
        const bool has_key = key_length < length;
        const char *const value = has_key ? at + key_length + 1 : at;
        const size_t value_length = length - (size_t)(value - at);
        char key[32];
        snprintf(key, sizeof key, "%.*s", has_key ? (int)key_length : 4, has_key ? at : "bits");
        const bool is_number = value_length && strspn(value, "0123456789.") >= value_length;
        const bool is_flag = (value_length == 4 && memcmp(value, "true", 4) == 0) ||
                             (value_length == 5 && memcmp(value, "false", 5) == 0);
        if (!has_key && value_length == 2 && memcmp(value, "16", 2) == 0)
            swg_json_string(json, "format", "keep");
        else if (is_number || is_flag)
            swg_json_raw(json, key, value, value_length);
        else
            swg_json_string_n(json, key, value, value_length);
        at += length;
    }
    swg_json_end_object(json);
}

static swg_status add_bits_for(const char *text, swg_recipe *recipe)
{
    const char *equals = strrchr(text, '=');
    char origin[128];
    swg_json_writer json = {.compact = true};
    swg_recipe_rule rule = {.origin = "--bits-for", .n_tensors = 1};
    swg_status status = SWG_OK;
    if (!equals || equals == text || !equals[1])
        return swg_error(SWG_USAGE, "--bits-for takes PATTERN=N[,KEY:VALUE...], not \"%s\"", text);
    snprintf(origin, sizeof origin, "--bits-for %.100s", text);
    char *const pattern = swg_strndup(text, (size_t)(equals - text));
    SWG_GO(pattern ? SWG_OK : SWG_NO_MEMORY);
    write_setting(equals + 1, &json);
    SWG_GO(swg_strbuf_status(&json.out));
    SWG_GO(swg_recipe_setting_parse(recipe, json.out.text, json.out.length, origin, &rule.setting));
    rule.tensors = (const char *const *)&pattern;
    SWG_GO(swg_recipe_add_rule(recipe, &rule));
done:
    swg_free(pattern);
    swg_json_deinit(&json);
    return status;
}

swg_status swg_quantize_recipe_add_patterns(const swg_quantize_arguments *a, swg_recipe *recipe)
{
    for (size_t i = 0; i < a->bits_for.count; i++)
        SWG_TRY(add_bits_for(a->bits_for.items[i], recipe));
    for (size_t i = 0; i < a->keep.count; i++) {
        const swg_recipe_rule keep = {
            .tensors = &a->keep.items[i],
            .n_tensors = 1,
            .setting = {.given = SWG_RECIPE_FORMAT | SWG_RECIPE_SPARSITY, .format = "keep"},
            .origin = "--keep"};
        SWG_TRY(swg_recipe_add_rule(recipe, &keep));
    }
    return SWG_OK;
}

swg_status swg_quantize_recipe_make(const swg_quantize_arguments *a, swg_recipe **out)
{
    swg_recipe *recipe = NULL;
    swg_status status = SWG_OK;
    if (a->sensitivity && !swg_quantize_has_target(a))
        return swg_error(SWG_USAGE,
                         "--sensitivity is what a search weighs its estimates by: it goes "
                         "with --target-bytes, --target-bits or --max-kld");
    SWG_GO(a->recipe ? recipe_from_file(a, &recipe) : recipe_from_options(a, &recipe));
    SWG_GO(take_statistics(a, recipe));
    SWG_GO(swg_quantize_recipe_add_patterns(a, recipe));
    *out = recipe;
    recipe = NULL;
done:
    swg_recipe_free(&recipe);
    return status;
}
