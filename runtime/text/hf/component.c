/* Components of tokenizer.json: choosing a reader by "type", and typed access to members. */
#include "runtime/text/hf/component.h"

#include <string.h>

static const char file_name[] = "tokenizer.json";

swg_status swg_component_read(const char *family, const swg_component *table, size_t n_rows,
                              swg_tokenizer *tokenizer, const swg_json *json)
{
    if (swg_json_is_null(json))
        return SWG_OK;
    const char *type;
    if (!swg_json_as_string(swg_json_get(json, "type"), &type))
        return swg_error(SWG_CORRUPT, "%s: a %s has no \"type\"", file_name, family);
    for (size_t i = 0; i < n_rows; i++)
        if (strcmp(table[i].type, type) == 0)
            return table[i].read(tokenizer, json);
    return swg_error(SWG_UNSUPPORTED, "%s: %s of type \"%.100s\" is not supported", file_name,
                     family, type);
}

swg_status swg_component_read_all(swg_tokenizer *tokenizer, const swg_json *json, const char *key,
                                  swg_component_reader *read)
{
    const swg_json *all = swg_json_get(json, key);
    if (!all || swg_json_kind_of(all) != SWG_JSON_ARRAY)
        return swg_error(SWG_CORRUPT, "%s: a Sequence has no array \"%s\"", file_name, key);
    for (const swg_json *item = swg_json_first(all); item; item = swg_json_next(item))
        SWG_TRY(read(tokenizer, item));
    return SWG_OK;
}

swg_status swg_component_wrong_kind(const char *key, const swg_json *value, const char *wanted)
{
    return swg_error(SWG_CORRUPT, "%s: \"%s\" is of kind %s, not %s", file_name, key,
                     swg_json_kind_name(swg_json_kind_of(value)), wanted);
}

swg_status swg_component_bool(const swg_json *json, const char *key, bool fallback, bool *out)
{
    const swg_json *value = swg_json_get(json, key);
    *out = fallback;
    if (swg_json_is_null(value) || swg_json_as_bool(value, out))
        return SWG_OK;
    return swg_component_wrong_kind(key, value, "boolean");
}

swg_status swg_component_string(const swg_json *json, const char *key, const char *fallback,
                                const char **out)
{
    const swg_json *value = swg_json_get(json, key);
    *out = fallback;
    if (swg_json_is_null(value) || swg_json_as_string(value, out))
        return SWG_OK;
    return swg_component_wrong_kind(key, value, "string");
}

swg_status swg_component_text(swg_tokenizer *tokenizer, const swg_json *json, const char *key,
                              const char **out)
{
    const char *text;
    SWG_TRY(swg_component_string(json, key, NULL, &text));
    if (!text)
        return swg_error(SWG_CORRUPT, "%s: a component lacks \"%s\"", file_name, key);
    *out = swg_arena_strndup(&tokenizer->arena, text, strlen(text));
    return *out ? SWG_OK : SWG_NO_MEMORY;
}

swg_status swg_component_pattern(swg_tokenizer *tokenizer, const swg_json *json, const char **text,
                                 bool *is_literal, const swg_regex **out)
{
    const swg_json *pattern = swg_json_get(json, "pattern");
    *is_literal = swg_json_get(pattern, "String") != NULL;
    if (!swg_json_as_string(swg_json_get(pattern, *is_literal ? "String" : "Regex"), text))
        return swg_error(SWG_CORRUPT,
                         "%s: a pattern is neither {\"Regex\": ...} nor "
                         "{\"String\": ...}",
                         file_name);
    SWG_TRY(swg_regex_compile(*text, *is_literal, &tokenizer->patterns));
    *out = tokenizer->patterns;
    return SWG_OK;
}
