/* The JSON text of recipes (docs/recipes.md), strict both ways. Each key of a setting is one row of
 * a table: how its value is read, how it is written. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/json/json.h"
#include "quantize/recipe.h"
#include "runtime/base/utf8.h"
#include "runtime/base/words.h"

enum { VERSION = 1, MAX_WHERE = 160 };

/* What is being read, for messages: "recipe.json" or "recipe.json: rule 2". */
typedef struct reader {
    swg_recipe *recipe;
    char where[MAX_WHERE];
} reader;

static swg_status refuse_word(const reader *r, const char *kind, const char *word,
                              const char *const *known, size_t n)
{
    const char *near = swg_nearest_word(word, known, n);
    swg_strbuf list = {0};
    for (size_t i = 0; i < n && !near; i++)
        swg_strbuf_printf(&list, "%s%s", i ? ", " : "", known[i]);
    const swg_status status =
        near ? swg_error(SWG_USAGE, "%s: unknown %s \"%.60s\"; the nearest is %s", r->where, kind,
                         word, near)
             : swg_error(SWG_USAGE, "%s: unknown %s \"%.60s\"; known: %s", r->where, kind, word,
                         swg_strbuf_text(&list));
    swg_strbuf_deinit(&list);
    return status;
}

static swg_status refuse_value(const reader *r, const char *key, const char *wanted)
{
    return swg_error(SWG_USAGE, "%s: \"%s\" is not %s", r->where, key, wanted);
}

/* The place of a string among `known`. */
static swg_status read_word(const reader *r, const swg_json *value, const char *kind,
                            const char *const *known, size_t n, size_t *out)
{
    const char *word;
    if (!swg_json_as_string(value, &word))
        return refuse_value(r, kind, "a string");
    for (size_t i = 0; i < n; i++)
        if (strcmp(known[i], word) == 0) {
            *out = i;
            return SWG_OK;
        }
    return refuse_word(r, kind, word, known, n);
}

static swg_status copy_string(reader *r, const char *text, const char **out)
{
    *out = swg_arena_strndup(&r->recipe->arena, text, strlen(text));
    return *out ? SWG_OK : SWG_NO_MEMORY;
}

/* --- The keys of a setting -------------------------------------------------------------------- */

static const char *const format_words[] = {
    "keep",
    "int",
#define SWG_CODEBOOK(name, meaning, ...) #name,
#include "quantize/codebooks.def"
#undef SWG_CODEBOOK
};
static const char *const search_words[] = {
    [SWG_SEARCH_MSE] = "mse", [SWG_SEARCH_ABSMAX] = "absmax", [SWG_SEARCH_MATRIX] = "matrix"};
static const char *const scale_words[] = {"auto", "f16", "bf16", "f32", "i8"};
static const swg_dtype scale_types[] = {SWG_SCALE_TYPE_AUTO, SWG_F16, SWG_BF16, SWG_F32, SWG_I8};
static const char *const policy_words[] = {
    [SWG_NONFINITE_ERROR] = "error", [SWG_NONFINITE_WARN] = "warn", [SWG_NONFINITE_KEEP] = "keep"};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static swg_status read_format(reader *r, const swg_json *value, swg_recipe_setting *out)
{
    size_t at = 0;
    SWG_TRY(read_word(r, value, "format", format_words, COUNT(format_words), &at));
    out->format = format_words[at];
    return SWG_OK;
}

static void write_format(const swg_recipe_setting *setting, swg_json_writer *json)
{
    swg_json_string(json, "format", setting->format);
}

/* Whether there is a scheme with such bits and groups. */
static bool is_scheme(unsigned bits, uint32_t group)
{
    const swg_recipe_setting setting = {.bits = bits, .group = group, .scale_type = SWG_F16};
    swg_scheme scheme;
    return swg_recipe_scheme(&setting, &scheme) == SWG_OK;
}

static swg_status read_bits(reader *r, const swg_json *value, swg_recipe_setting *out)
{
    int64_t bits = 0;
    if (!swg_json_as_int(value, &bits))
        return refuse_value(r, "bits", "a whole number");
    if (bits < 1 || bits > 8 || !is_scheme((unsigned)bits, 64)) {
        char known[32] = "";
        for (unsigned i = 1; i <= 8; i++)
            if (is_scheme(i, 64))
                snprintf(known + strlen(known), sizeof known - strlen(known), "%s%u",
                         *known ? ", " : "", i);
        return swg_error(SWG_USAGE, "%s: the bits of a code are %s, not %lld%s", r->where, known,
                         (long long)bits, bits == 16 ? " (the format \"keep\")" : "");
    }
    out->bits = (unsigned)bits;
    return SWG_OK;
}

static void write_bits(const swg_recipe_setting *setting, swg_json_writer *json)
{
    swg_json_uint(json, "bits", setting->bits);
}

static swg_status read_group(reader *r, const swg_json *value, swg_recipe_setting *out)
{
    static const char *const words[] = {"auto", "row"};
    int64_t group;
    size_t at = 0;
    if (swg_json_as_int(value, &group)) {
        if (group < 1 || group > UINT16_MAX || !is_scheme(4, (uint32_t)group))
            return swg_error(SWG_USAGE,
                             "%s: a group has 32, 64, 128 or 256 columns or is \"row\" or "
                             "\"auto\", not %lld",
                             r->where, (long long)group);
        out->group = (uint32_t)group;
        return SWG_OK;
    }
    SWG_TRY(read_word(r, value, "group", words, COUNT(words), &at));
    out->group = at == 0 ? SWG_GROUP_AUTO : 0;
    return SWG_OK;
}

static void write_group(const swg_recipe_setting *setting, swg_json_writer *json)
{
    if (setting->group == 0 || setting->group == SWG_GROUP_AUTO)
        swg_json_string(json, "group", setting->group ? "auto" : "row");
    else
        swg_json_uint(json, "group", setting->group);
}

static swg_status read_zero_points(reader *r, const swg_json *value, swg_recipe_setting *out)
{
    return swg_json_as_bool(value, &out->zero_points)
               ? SWG_OK
               : refuse_value(r, "zero_points", "true or false");
}

static void write_zero_points(const swg_recipe_setting *setting, swg_json_writer *json)
{
    swg_json_bool(json, "zero_points", setting->zero_points);
}

static swg_status read_scale_type(reader *r, const swg_json *value, swg_recipe_setting *out)
{
    size_t at = 0;
    SWG_TRY(read_word(r, value, "scale_type", scale_words, COUNT(scale_words), &at));
    out->scale_type = scale_types[at];
    return SWG_OK;
}

static void write_scale_type(const swg_recipe_setting *setting, swg_json_writer *json)
{
    for (size_t i = 0; i < COUNT(scale_types); i++)
        if (scale_types[i] == setting->scale_type)
            swg_json_string(json, "scale_type", scale_words[i]);
}

static swg_status read_method(reader *r, const swg_json *value, swg_recipe_setting *out)
{
    const char *word;
    if (!swg_json_as_string(value, &word) || !*word)
        return refuse_value(r, "method", "the name of a method");
    return copy_string(r, word, &out->method);
}

static void write_method(const swg_recipe_setting *setting, swg_json_writer *json)
{
    swg_json_string(json, "method", setting->method);
}

static swg_status read_search(reader *r, const swg_json *value, swg_recipe_setting *out)
{
    size_t at = 0;
    SWG_TRY(read_word(r, value, "search", search_words, COUNT(search_words), &at));
    out->search = (swg_scale_search)at;
    return SWG_OK;
}

static void write_search(const swg_recipe_setting *setting, swg_json_writer *json)
{
    swg_json_string(json, "search", search_words[setting->search]);
}

/* "2:4" */
static bool parse_pattern(const char *text, swg_sparsity *out)
{
    unsigned n = 0, m = 0;
    int end = 0;
    char again[16];
    if (sscanf(text, "%2u:%2u%n", &n, &m, &end) != 2 || text[end] || n < 1 || n >= m || m > 64)
        return false;
    snprintf(again, sizeof again, "%u:%u", n, m);
    *out = (swg_sparsity){.n = (uint8_t)n, .m = (uint8_t)m};
    return strcmp(again, text) == 0;
}

/* {"ratio": 0.5, "block": "16x1"} */
static bool parse_blocks(const swg_json *value, swg_sparsity *out)
{
    const char *shape;
    double ratio;
    unsigned rows = 0;
    char again[16];
    const swg_json *ratio_item = swg_json_get(value, "ratio");
    const swg_json *block_item = swg_json_get(value, "block");
    if (swg_json_count(value) != 2 || !ratio_item || !block_item ||
        !swg_json_as_double(ratio_item, &ratio) || !(ratio > 0 && ratio < 1) ||
        !swg_json_as_string(block_item, &shape) || sscanf(shape, "%2ux1", &rows) != 1 || rows < 2 ||
        rows > 64)
        return false;
    snprintf(again, sizeof again, "%ux1", rows);
    *out = (swg_sparsity){.ratio = ratio, .block = (uint8_t)rows};
    return strcmp(again, shape) == 0;
}

/* With the number or pattern that was given, where it can be printed. */
static swg_status refuse_sparsity(const reader *r, const swg_json *value)
{
    char wanted[256], given[32] = "";
    const char *text;
    double number;
    if (swg_json_as_double(value, &number))
        snprintf(given, sizeof given, "%g is not ", number);
    else if (swg_json_as_string(value, &text) && strlen(text) < 16 &&
             swg_name_is_printable(text, strlen(text)))
        snprintf(given, sizeof given, "\"%s\" is not ", text);
    snprintf(wanted, sizeof wanted,
             "valid: %sa fraction of the weights from 0 to less than 1, a pattern N:M such as "
             "\"2:4\" with N < M <= 64, or {\"ratio\": R, \"block\": \"16x1\"} with 2 to 64 rows",
             given[0] ? given : "expected ");
    return refuse_value(r, "sparsity", wanted);
}

static swg_status read_sparsity(reader *r, const swg_json *value, swg_recipe_setting *out)
{
    double ratio;
    const char *pattern;
    swg_sparsity sparsity = {0};
    const bool is_object = swg_json_kind_of(value) == SWG_JSON_OBJECT;
    if (swg_json_as_double(value, &ratio) && ratio >= 0 && ratio < 1)
        sparsity.ratio = ratio;
    else if (is_object ? !parse_blocks(value, &sparsity)
                       : !swg_json_as_string(value, &pattern) || !parse_pattern(pattern, &sparsity))
        return refuse_sparsity(r, value);
    out->sparsity = sparsity;
    return SWG_OK;
}

static void write_sparsity(const swg_recipe_setting *setting, swg_json_writer *json)
{
    char pattern[16];
    const swg_sparsity sparsity = setting->sparsity;
    if (sparsity.m) {
        snprintf(pattern, sizeof pattern, "%u:%u", sparsity.n, sparsity.m);
        swg_json_string(json, "sparsity", pattern);
    } else if (sparsity.block) {
        snprintf(pattern, sizeof pattern, "%ux1", sparsity.block);
        swg_json_begin_object(json, "sparsity");
        swg_json_double(json, "ratio", sparsity.ratio);
        swg_json_string(json, "block", pattern);
        swg_json_end_object(json);
    } else {
        swg_json_double(json, "sparsity", sparsity.ratio);
    }
}

static swg_status read_parameter_list(reader *r, const swg_json *value, const char *key,
                                      const swg_parameter **out, size_t *n_out)
{
    if (swg_json_kind_of(value) != SWG_JSON_OBJECT)
        return refuse_value(r, key, "an object");
    swg_parameter *list = swg_arena_calloc(&r->recipe->arena, swg_json_count(value), sizeof *list);
    if (!list)
        return SWG_NO_MEMORY;
    size_t n = 0;
    for (const swg_json *item = swg_json_first(value); item; item = swg_json_next(item)) {
        swg_parameter *parameter = &list[n++];
        const char *word;
        bool flag;
        SWG_TRY(copy_string(r, swg_json_key(item), &parameter->name));
        if (swg_json_as_string(item, &word))
            SWG_TRY(copy_string(r, word, &parameter->word));
        else if (swg_json_as_bool(item, &flag))
            parameter->number = flag;
        else if (!swg_json_as_double(item, &parameter->number))
            return refuse_value(r, parameter->name, "a number, a string, true or false");
    }
    *out = list;
    *n_out = n;
    return SWG_OK;
}

static void write_parameter_list(const swg_parameter *parameters, size_t n, const char *key,
                                 swg_json_writer *json)
{
    swg_json_begin_object(json, key);
    for (size_t i = 0; i < n; i++) {
        const swg_parameter *parameter = &parameters[i];
        const double number = parameter->number;
        if (parameter->word)
            swg_json_string(json, parameter->name, parameter->word);
        else if (number == rint(number) && fabs(number) < 0x1p53)
            swg_json_int(json, parameter->name, (int64_t)number);
        else
            swg_json_double(json, parameter->name, parameter->number);
    }
    swg_json_end_object(json);
}

static swg_status read_parameters(reader *r, const swg_json *value, swg_recipe_setting *out)
{
    return read_parameter_list(r, value, "parameters", &out->parameters, &out->n_parameters);
}

static void write_parameters(const swg_recipe_setting *setting, swg_json_writer *json)
{
    write_parameter_list(setting->parameters, setting->n_parameters, "parameters", json);
}

static swg_status read_prune(reader *r, const swg_json *value, swg_recipe_setting *out)
{
    const char *word;
    if (!swg_json_as_string(value, &word) || !*word)
        return refuse_value(r, "prune", "the name of a method");
    return copy_string(r, word, &out->prune);
}

/* Dense recipes say nothing about pruning. */
static void write_prune(const swg_recipe_setting *setting, swg_json_writer *json)
{
    if (setting->prune)
        swg_json_string(json, "prune", setting->prune);
}

static swg_status read_prune_parameters(reader *r, const swg_json *value, swg_recipe_setting *out)
{
    return read_parameter_list(r, value, "prune_parameters", &out->prune_parameters,
                               &out->n_prune_parameters);
}

static void write_prune_parameters(const swg_recipe_setting *setting, swg_json_writer *json)
{
    if (setting->n_prune_parameters)
        write_parameter_list(setting->prune_parameters, setting->n_prune_parameters,
                             "prune_parameters", json);
}

static const struct {
    unsigned field;
    swg_status (*read)(reader *r, const swg_json *value, swg_recipe_setting *out);
    void (*write)(const swg_recipe_setting *setting, swg_json_writer *json);
} setting_keys[] = {
    {SWG_RECIPE_FORMAT, read_format, write_format},
    {SWG_RECIPE_BITS, read_bits, write_bits},
    {SWG_RECIPE_GROUP, read_group, write_group},
    {SWG_RECIPE_ZERO_POINTS, read_zero_points, write_zero_points},
    {SWG_RECIPE_SCALE_TYPE, read_scale_type, write_scale_type},
    {SWG_RECIPE_METHOD, read_method, write_method},
    {SWG_RECIPE_SEARCH, read_search, write_search},
    {SWG_RECIPE_SPARSITY, read_sparsity, write_sparsity},
    {SWG_RECIPE_PARAMETERS, read_parameters, write_parameters},
    {SWG_RECIPE_PRUNE, read_prune, write_prune},
    {SWG_RECIPE_PRUNE_PARAMETERS, read_prune_parameters, write_prune_parameters},
};

/* The keys of a rule: those of a setting, in the order of setting_keys, then the two that select.
 */
static const char *const rule_words[] = {
    "format",   "bits",       "group", "zero_points",      "scale_type", "method", "search",
    "sparsity", "parameters", "prune", "prune_parameters", "classes",    "tensors"};
enum {
    N_SETTING_KEYS = COUNT(setting_keys),
    CLASSES_KEY = N_SETTING_KEYS,
    TENSORS_KEY,
    N_RULE_KEYS
};
_Static_assert(N_RULE_KEYS == COUNT(rule_words), "a name for every key of a rule");

static size_t place_of(const char *key, const char *const *known, size_t n)
{
    size_t at = 0;
    while (at < n && strcmp(known[at], key) != 0)
        at++;
    return at;
}

/* One member of a setting; the first `n_known` of rule_words are allowed here. */
static swg_status read_setting_key(reader *r, const swg_json *item, size_t n_known,
                                   swg_recipe_setting *out, size_t *place)
{
    *place = place_of(swg_json_key(item), rule_words, n_known);
    if (*place == n_known)
        return refuse_word(r, "key", swg_json_key(item), rule_words, n_known);
    if (*place >= N_SETTING_KEYS)
        return SWG_OK;
    out->given |= setting_keys[*place].field;
    return setting_keys[*place].read(r, item, out);
}

/* Bits alone imply codes. */
static void complete_setting(swg_recipe_setting *setting)
{
    if (setting->given & SWG_RECIPE_BITS && !(setting->given & SWG_RECIPE_FORMAT)) {
        setting->given |= SWG_RECIPE_FORMAT;
        setting->format = "int";
    }
}

/* --- Rules ------------------------------------------------------------------------------------ */

/* A string or an array of strings, at least one. */
static swg_status read_list(reader *r, const swg_json *value, const char *key,
                            const char *const **out, size_t *n_out)
{
    const bool is_array = swg_json_kind_of(value) == SWG_JSON_ARRAY;
    const size_t n = is_array ? swg_json_count(value) : 1;
    const char **list = swg_arena_calloc(&r->recipe->arena, n, sizeof *list);
    const swg_json *item = is_array ? swg_json_first(value) : value;
    if (!list)
        return SWG_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        const char *text;
        if (!swg_json_as_string(item, &text) || !*text)
            return refuse_value(r, key, "a string or an array of strings");
        SWG_TRY(copy_string(r, text, &list[i]));
        item = is_array ? swg_json_next(item) : NULL;
    }
    if (n == 0)
        return refuse_value(r, key, "an array with at least one element");
    *out = list;
    *n_out = n;
    return SWG_OK;
}

static swg_status read_classes(reader *r, const swg_json *value, unsigned *out)
{
    const char *known[SWG_PLAN_CLASS_COUNT];
    const char *const *names;
    size_t n = 0;
    for (int i = 0; i < SWG_PLAN_CLASS_COUNT; i++)
        known[i] = swg_plan_class_name((swg_plan_class)i);
    SWG_TRY(read_list(r, value, "classes", &names, &n));
    for (size_t i = 0; i < n; i++) {
        const size_t class = place_of(names[i], known, SWG_PLAN_CLASS_COUNT);
        if (class == SWG_PLAN_CLASS_COUNT)
            return refuse_word(r, "class", names[i], known, SWG_PLAN_CLASS_COUNT);
        *out |= 1u << class;
    }
    return SWG_OK;
}

static swg_status read_rule(reader *r, const swg_json *value)
{
    swg_recipe_rule rule = {0};
    char origin[MAX_WHERE + 16];
    if (swg_json_kind_of(value) != SWG_JSON_OBJECT)
        return refuse_value(r, "rules", "an array of objects");
    for (const swg_json *item = swg_json_first(value); item; item = swg_json_next(item)) {
        size_t place = 0;
        SWG_TRY(read_setting_key(r, item, N_RULE_KEYS, &rule.setting, &place));
        if (place == CLASSES_KEY)
            SWG_TRY(read_classes(r, item, &rule.classes));
        else if (place == TENSORS_KEY)
            SWG_TRY(read_list(r, item, "tensors", &rule.tensors, &rule.n_tensors));
    }
    if (rule.setting.given == 0)
        return swg_error(SWG_USAGE, "%s: a rule without any setting", r->where);
    complete_setting(&rule.setting);
    snprintf(origin, sizeof origin, "%s: pattern", r->where);
    rule.origin = origin;
    return swg_recipe_add_rule(r->recipe, &rule);
}

static swg_status read_rules(reader *r, const swg_json *value)
{
    if (swg_json_kind_of(value) != SWG_JSON_ARRAY)
        return refuse_value(r, "rules", "an array of objects");
    const size_t length = strlen(r->where);
    size_t n = 0;
    for (const swg_json *item = swg_json_first(value); item; item = swg_json_next(item)) {
        snprintf(r->where + length, sizeof r->where - length, ": rule %zu", ++n);
        SWG_TRY(read_rule(r, item));
    }
    r->where[length] = '\0';
    return SWG_OK;
}

/* --- The whole -------------------------------------------------------------------------------- */

static swg_status read_version(reader *r, const swg_json *value)
{
    int64_t version;
    if (!swg_json_as_int(value, &version))
        return refuse_value(r, "recipe", "the number of a version");
    return version == VERSION
               ? SWG_OK
               : swg_error(SWG_UNSUPPORTED, "%s: unknown recipe version %lld; only %d is supported",
                           r->where, (long long)version, VERSION);
}

static swg_status read_seed(reader *r, const swg_json *value)
{
    int64_t seed;
    if (!swg_json_as_int(value, &seed) || seed < 0)
        return refuse_value(r, "seed", "a whole number from 0 to 2^53");
    r->recipe->seed = (uint64_t)seed;
    return SWG_OK;
}

static swg_status read_nonfinite(reader *r, const swg_json *value)
{
    size_t at = 0;
    SWG_TRY(read_word(r, value, "nonfinite", policy_words, COUNT(policy_words), &at));
    r->recipe->nonfinite = (swg_nonfinite_policy)at;
    return SWG_OK;
}

static swg_status read_requantize(reader *r, const swg_json *value)
{
    return swg_json_as_bool(value, &r->recipe->requantize)
               ? SWG_OK
               : refuse_value(r, "requantize", "true or false");
}

static swg_status read_container(reader *r, const swg_json *value)
{
    static const char *const keys[] = {"level"};
    if (swg_json_kind_of(value) != SWG_JSON_OBJECT)
        return refuse_value(r, "container", "an object");
    for (const swg_json *item = swg_json_first(value); item; item = swg_json_next(item)) {
        int64_t level;
        if (strcmp(swg_json_key(item), "level") != 0)
            return refuse_word(r, "key", swg_json_key(item), keys, COUNT(keys));
        if (!swg_json_as_int(item, &level) || level < 0 || level > 22)
            return refuse_value(r, "level", "a whole number from 0 to 22");
        r->recipe->level = (int)level;
    }
    return SWG_OK;
}

/* The words are checked by the command that transforms. */
static swg_status read_transforms(reader *r, const swg_json *value)
{
    return read_list(r, value, "transforms", &r->recipe->transforms, &r->recipe->n_transforms);
}

static const char *const statistics_words[] = {"full", "sequential", "paired"};

static swg_status read_statistics(reader *r, const swg_json *value)
{
    size_t at = 0;
    SWG_TRY(read_word(r, value, "statistics", statistics_words, COUNT(statistics_words), &at));
    r->recipe->statistics = statistics_words[at];
    return SWG_OK;
}

static swg_status read_defaults(reader *r, const swg_json *value)
{
    if (swg_json_kind_of(value) != SWG_JSON_OBJECT)
        return refuse_value(r, "defaults", "an object");
    for (const swg_json *item = swg_json_first(value); item; item = swg_json_next(item)) {
        size_t place;
        SWG_TRY(read_setting_key(r, item, N_SETTING_KEYS, &r->recipe->defaults, &place));
    }
    return SWG_OK;
}

static const char *const recipe_words[] = {"recipe",     "seed",      "nonfinite",
                                           "requantize", "container", "transforms",
                                           "statistics", "defaults",  "rules"};
static swg_status (*const recipe_readers[])(reader *r, const swg_json *value) = {
    read_version,    read_seed,       read_nonfinite, read_requantize, read_container,
    read_transforms, read_statistics, read_defaults,  read_rules};
_Static_assert(COUNT(recipe_words) == COUNT(recipe_readers), "a reader for every key of a recipe");

static swg_status read_recipe(reader *r, const swg_json *root)
{
    if (swg_json_kind_of(root) != SWG_JSON_OBJECT)
        return swg_error(SWG_USAGE, "%s: a recipe is a JSON object", r->where);
    const swg_json *inner = swg_json_get(root, "recipe");
    if (inner && swg_json_kind_of(inner) == SWG_JSON_OBJECT)
        root = inner;
    if (!swg_json_get(root, "recipe"))
        return swg_error(SWG_USAGE, "%s: the key \"recipe\", the version (%d), is missing",
                         r->where, VERSION);
    for (const swg_json *item = swg_json_first(root); item; item = swg_json_next(item)) {
        const size_t at = place_of(swg_json_key(item), recipe_words, COUNT(recipe_words));
        if (at == COUNT(recipe_words))
            return refuse_word(r, "key", swg_json_key(item), recipe_words, COUNT(recipe_words));
        SWG_TRY(recipe_readers[at](r, item));
    }
    return SWG_OK;
}

swg_status swg_recipe_parse(const char *text, size_t length, const char *what, swg_recipe **out)
{
    swg_json_doc *doc = NULL;
    reader r = {0};
    swg_status status = SWG_OK;
    snprintf(r.where, sizeof r.where, "%.100s", what);
    SWG_GO(swg_json_parse(text, length, what, &doc));
    SWG_GO(swg_recipe_new(&r.recipe));
    SWG_GO(read_recipe(&r, swg_json_root(doc)));
    *out = r.recipe;
    r.recipe = NULL;
done:
    swg_recipe_free(&r.recipe);
    swg_json_free(&doc);
    return status;
}

swg_status swg_recipe_setting_parse(swg_recipe *recipe, const char *text, size_t length,
                                    const char *what, swg_recipe_setting *out)
{
    swg_json_doc *doc = NULL;
    reader r = {.recipe = recipe};
    swg_recipe_setting setting = {0};
    swg_status status = SWG_OK;
    snprintf(r.where, sizeof r.where, "%.100s", what);
    SWG_GO(swg_json_parse(text, length, what, &doc));
    if (swg_json_kind_of(swg_json_root(doc)) != SWG_JSON_OBJECT)
        SWG_GO(swg_error(SWG_USAGE, "%s: a setting is a JSON object", what));
    for (const swg_json *item = swg_json_first(swg_json_root(doc)); item;
         item = swg_json_next(item)) {
        size_t place;
        SWG_GO(read_setting_key(&r, item, N_SETTING_KEYS, &setting, &place));
    }
    complete_setting(&setting);
    *out = setting;
done:
    swg_json_free(&doc);
    return status;
}

static void write_setting(const swg_recipe_setting *setting, swg_json_writer *json)
{
    for (size_t i = 0; i < N_SETTING_KEYS; i++)
        if (setting->given & setting_keys[i].field)
            setting_keys[i].write(setting, json);
}

static void write_rule(const swg_recipe_rule *rule, swg_json_writer *json)
{
    swg_json_begin_object(json, NULL);
    if (rule->classes) {
        swg_json_begin_array(json, "classes");
        for (int i = 0; i < SWG_PLAN_CLASS_COUNT; i++)
            if (rule->classes & 1u << i)
                swg_json_string(json, NULL, swg_plan_class_name((swg_plan_class)i));
        swg_json_end_array(json);
    }
    if (rule->n_tensors) {
        swg_json_begin_array(json, "tensors");
        for (size_t i = 0; i < rule->n_tensors; i++)
            swg_json_string(json, NULL, rule->tensors[i]);
        swg_json_end_array(json);
    }
    write_setting(&rule->setting, json);
    swg_json_end_object(json);
}

void swg_recipe_write(const swg_recipe *recipe, swg_json_writer *json, const char *key)
{
    swg_json_begin_object(json, key);
    swg_json_int(json, "recipe", VERSION);
    swg_json_uint(json, "seed", recipe->seed);
    swg_json_string(json, "nonfinite", policy_words[recipe->nonfinite]);
    swg_json_bool(json, "requantize", recipe->requantize);
    swg_json_begin_object(json, "container");
    swg_json_int(json, "level", recipe->level);
    swg_json_end_object(json);
    if (recipe->n_transforms) {
        swg_json_begin_array(json, "transforms");
        for (size_t i = 0; i < recipe->n_transforms; i++)
            swg_json_string(json, NULL, recipe->transforms[i]);
        swg_json_end_array(json);
    }
    if (recipe->statistics)
        swg_json_string(json, "statistics", recipe->statistics);
    swg_json_begin_object(json, "defaults");
    write_setting(&recipe->defaults, json);
    swg_json_end_object(json);
    swg_json_begin_array(json, "rules");
    for (size_t i = 0; i < recipe->n_rules; i++)
        write_rule(&recipe->rules[i], json);
    swg_json_end_array(json);
    swg_json_end_object(json);
}
