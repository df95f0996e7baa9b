/* Hyper-parameters from config.json: architecture by "model_type", fields by its table of rows.
 * Every value is checked for kind and range here, once. */
#include <math.h>
#include <string.h>

#include "formats/json.h"
#include "runtime/arch/arch.h"
#include "runtime/model.h"

static const swg_arch *find_arch(const char *model_type)
{
    for (const swg_arch *const *arch = swg_archs; *arch; arch++)
        for (const char *const *name = (*arch)->model_types; *name; name++)
            if (strcmp(*name, model_type) == 0)
                return *arch;
    return NULL;
}

/* The value of an integer row: a number, or for token ids also the first of a list. */
static bool read_integer(const swg_hparam_row *row, const swg_json *value, double *out)
{
    if (row->kind == SWG_HPARAM_TOKEN && swg_json_kind_of(value) == SWG_JSON_ARRAY)
        value = swg_json_first(value);
    int64_t number;
    if (!swg_json_as_int(value, &number))
        return false;
    *out = (double)number;
    return true;
}

static bool read_value(const swg_hparam_row *row, const swg_json *value, double *out)
{
    if (row->kind == SWG_HPARAM_DOUBLE)
        return swg_json_as_double(value, out);
    if (row->kind != SWG_HPARAM_BOOL)
        return read_integer(row, value, out);
    bool flag;
    if (!swg_json_as_bool(value, &flag))
        return false;
    *out = flag;
    return true;
}

static void store(const swg_hparam_row *row, double number, swg_hparams *out)
{
    void *field = (char *)out + row->offset;
    if (row->kind == SWG_HPARAM_DOUBLE)
        *(double *)field = number;
    else if (row->kind == SWG_HPARAM_BOOL)
        *(bool *)field = number != 0;
    else
        *(int64_t *)field = (int64_t)number;
}

/* For "... is not %s". */
static const char *const kind_meanings[] = {
    [SWG_HPARAM_INT] = "a whole number",
    [SWG_HPARAM_DOUBLE] = "a number",
    [SWG_HPARAM_BOOL] = "true or false",
    [SWG_HPARAM_TOKEN] = "a token id or a list of them",
};

static swg_status read_row(const swg_json *root, const swg_hparam_row *row, swg_hparams *out)
{
    const swg_json *value = swg_json_get(root, row->key);
    double number = row->fallback;
    if (!value || swg_json_kind_of(value) == SWG_JSON_NULL) {
        if (!row->has_default)
            return swg_error(SWG_CORRUPT, "config.json: \"%s\" is missing", row->key);
    } else {
        if (!read_value(row, value, &number))
            return swg_error(SWG_CORRUPT, "config.json: \"%s\" is not %s", row->key,
                             kind_meanings[row->kind]);
        if (!(number >= row->min && number <= row->max))
            return swg_error(SWG_CORRUPT, "config.json: \"%s\" is %.17g; %.17g to %.17g is possible",
                             row->key, number, row->min, row->max);
    }
    store(row, number, out);
    return SWG_OK;
}

static swg_status check_demand(const swg_json *root, const swg_demand_row *demand)
{
    const swg_json *value = swg_json_get(root, demand->key);
    if (!value || swg_json_kind_of(value) == SWG_JSON_NULL)
        return SWG_OK;
    const char *text = NULL;
    const bool is_string = swg_json_as_string(value, &text);
    if (demand->value && is_string && strcmp(text, demand->value) == 0)
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED, "config.json: \"%s\" is %s; only %s is supported", demand->key,
                     is_string ? text : swg_json_kind_name(swg_json_kind_of(value)),
                     demand->value ? demand->value : "null");
}

static swg_status read_fields(const swg_json *root, const swg_arch **arch, swg_hparams *out)
{
    const char *model_type;
    if (!swg_json_as_string(swg_json_get(root, "model_type"), &model_type))
        return swg_error(SWG_CORRUPT, "config.json: \"model_type\" is missing or not a string");
    *arch = find_arch(model_type);
    if (!*arch)
        return swg_error(SWG_UNSUPPORTED, "config.json: architecture \"%s\" is not supported",
                         model_type);
    for (size_t i = 0; i < (*arch)->n_hparams; i++)
        SWG_TRY(read_row(root, &(*arch)->hparams[i], out));
    for (const swg_demand_row *demand = (*arch)->demands; demand->key; demand++)
        SWG_TRY(check_demand(root, demand));
    return (*arch)->check(out);
}

swg_status swg_hparams_read(const char *config, size_t length, const swg_arch **arch,
                            swg_hparams *out)
{
    swg_json_doc *doc = NULL;
    SWG_TRY(swg_json_parse(config, length, "config.json", &doc));
    const swg_arch *found = NULL;
    swg_hparams hparams = {0};
    const swg_status status = read_fields(swg_json_root(doc), &found, &hparams);
    swg_json_free(&doc);
    if (status != SWG_OK)
        return status;
    *arch = found;
    *out = hparams;
    return SWG_OK;
}
