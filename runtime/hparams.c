/* Hyper-parameters from config.json: the architecture by "model_type", the fields by its table of
 * rows. Every value is checked for kind and range once, here. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/json/json.h"
#include "runtime/arch/arch.h"
#include "runtime/model.h"

enum { KEY_BYTES = 128 };

static const swg_arch *find_arch(const swg_arch *const *archs, const char *model_type)
{
    for (const swg_arch *const *arch = archs; *arch; arch++)
        for (const char *const *name = (*arch)->model_types; *name; name++)
            if (strcmp(*name, model_type) == 0)
                return *arch;
    return NULL;
}

/* --- Keys ------------------------------------------------------------------------------------- */

/* Copy the next piece of `list`, up to `separator`, to `out`; returns where to continue, or
 * NULL. */
static const char *next_piece(const char *list, char separator, char out[KEY_BYTES])
{
    const size_t length = strcspn(list, (const char[]){separator, '\0'});
    snprintf(out, KEY_BYTES, "%.*s", (int)length, list);
    return list[length] ? list + length + 1 : NULL;
}

/* The member that dots lead to, or NULL. */
static const swg_json *follow(const swg_json *root, const char *path)
{
    char name[KEY_BYTES];
    for (const char *rest = path; rest && root;) {
        rest = next_piece(rest, '.', name);
        root = swg_json_get(root, name);
    }
    return root;
}

/* The first of the keys that has a value, with its name in `found`; a null key counts only when no
 * key has a value (then the last key is named). */
static const swg_json *look_up(const swg_json *root, const char *keys, char found[KEY_BYTES])
{
    const swg_json *null = NULL;
    for (const char *rest = keys; rest;) {
        rest = next_piece(rest, '|', found);
        const swg_json *value = follow(root, found);
        if (!swg_json_is_null(value))
            return value;
        null = value ? value : null;
    }
    return null;
}

/* --- Values ----------------------------------------------------------------------------------- */

/* The number of `text` in "a|b,c" - 0, 1, 1 - or -1. */
static int word_number(const char *words, const char *text)
{
    char group[4 * KEY_BYTES], word[KEY_BYTES];
    int number = 0;
    for (const char *rest = words; rest; number++) {
        const size_t length = strcspn(rest, "|");
        snprintf(group, sizeof group, "%.*s", (int)length, rest);
        rest = rest[length] ? rest + length + 1 : NULL;
        for (const char *left = group; left;) {
            left = next_piece(left, ',', word);
            if (*word && strcmp(word, text) == 0)
                return number;
        }
    }
    return -1;
}

static swg_status unknown_word(const char *key, const char *text, const char *words)
{
    char list[512];
    size_t length = 0;
    for (const char *at = words + (*words == '|'); *at && length + 3 < sizeof list; at++) {
        list[length++] = *at == '|' ? ',' : *at;
        if (*at == '|' || *at == ',')
            list[length++] = ' ';
    }
    list[length] = '\0';
    return swg_error(SWG_UNSUPPORTED, "config.json: \"%s\" is %.80s; supported is %s", key, text,
                     list);
}

/* For "... is not %s". */
static const char *const kind_meanings[] = {
    [SWG_HPARAM_INT] = "a whole number",
    [SWG_HPARAM_INT_OR_NONE] = "a whole number or null",
    [SWG_HPARAM_DOUBLE] = "a number",
    [SWG_HPARAM_BOOL] = "true or false",
    [SWG_HPARAM_TOKEN] = "a token id or a list of them",
    [SWG_HPARAM_WORD] = "a string",
    [SWG_HPARAM_MEMBERS] = "an object",
    [SWG_HPARAM_LAYERS] = "a list of one string per layer",
    [SWG_HPARAM_UNITS] = "a whole number or a list of one per layer",
};

static swg_status wrong_kind(const swg_hparam_row *row, const char *key)
{
    return swg_error(SWG_CORRUPT, "config.json: \"%s\" is not %s", key, kind_meanings[row->kind]);
}

static const swg_json *first_of_list(const swg_json *value)
{
    return swg_json_kind_of(value) == SWG_JSON_ARRAY ? swg_json_first(value) : value;
}

/* The value as one number; kinds that fill several fields are read elsewhere. */
static swg_status read_number(const swg_hparam_row *row, const char *key, const swg_json *value,
                              double *out)
{
    bool flag;
    int64_t integer;
    const char *text;
    switch (row->kind) {
    case SWG_HPARAM_DOUBLE:
        return swg_json_as_double(value, out) ? SWG_OK : wrong_kind(row, key);
    case SWG_HPARAM_BOOL:
        if (!swg_json_as_bool(value, &flag))
            return wrong_kind(row, key);
        *out = flag;
        return SWG_OK;
    case SWG_HPARAM_MEMBERS:
        if (swg_json_kind_of(value) != SWG_JSON_OBJECT)
            return wrong_kind(row, key);
        *out = (double)swg_json_count(value);
        return SWG_OK;
    case SWG_HPARAM_WORD:
        if (!swg_json_as_string(first_of_list(value), &text))
            return wrong_kind(row, key);
        *out = word_number(row->words, text);
        return *out >= 0 ? SWG_OK : unknown_word(key, text, row->words);
    default:
        if (!swg_json_as_int(row->kind == SWG_HPARAM_TOKEN ? first_of_list(value) : value,
                             &integer))
            return wrong_kind(row, key);
        *out = (double)integer;
        return SWG_OK;
    }
}

static swg_status check_range(const swg_hparam_row *row, const char *key, double number)
{
    if (row->kind == SWG_HPARAM_WORD || (number >= row->min && number <= row->max))
        return SWG_OK;
    return swg_error(SWG_CORRUPT,
                     "config.json: \"%s\" is %.17g; it must be between %.17g and %.17g", key,
                     number, row->min, row->max);
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

static swg_status read_layers(const swg_hparam_row *row, const char *key, const swg_json *value,
                              swg_layer_set *out)
{
    if (swg_json_kind_of(value) != SWG_JSON_ARRAY || swg_json_count(value) > SWG_MAX_LAYERS)
        return wrong_kind(row, key);
    const int last = word_number(row->words, strrchr(row->words, '|') + 1);
    for (const swg_json *item = swg_json_first(value); item; item = swg_json_next(item)) {
        const char *text;
        if (!swg_json_as_string(item, &text))
            return wrong_kind(row, key);
        const int number = word_number(row->words, text);
        if (number < 0)
            return unknown_word(key, text, row->words);
        if (number == last)
            out->bits[out->count / 64] |= (uint64_t)1 << out->count % 64;
        out->count++;
    }
    return SWG_OK;
}

/* One number for all layers (n_layers is known: its row comes first) or a list of them. */
static swg_status read_units(const swg_hparam_row *row, const char *key, const swg_json *value,
                             int64_t *units, int64_t n_layers)
{
    const bool is_list = swg_json_kind_of(value) == SWG_JSON_ARRAY;
    const int64_t count = is_list ? (int64_t)swg_json_count(value) : n_layers;
    if (count > SWG_MAX_RECURRENT_LAYERS)
        return wrong_kind(row, key);
    const swg_json *item = is_list ? swg_json_first(value) : value;
    for (int64_t i = 0; i < count; i++) {
        if (!swg_json_as_int(item, &units[i]))
            return wrong_kind(row, key);
        SWG_TRY(check_range(row, key, (double)units[i]));
        item = is_list ? swg_json_next(item) : item;
    }
    return SWG_OK;
}

static swg_status read_row(const swg_json *root, const swg_hparam_row *row, swg_hparams *out)
{
    char key[KEY_BYTES];
    const swg_json *value = look_up(root, row->key, key);
    double number = row->fallback;
    if (swg_json_is_null(value)) {
        if (!row->has_default)
            return swg_error(SWG_CORRUPT, "config.json: \"%s\" is missing", key);
        if (row->kind == SWG_HPARAM_LAYERS)
            return SWG_OK;
        if (row->kind == SWG_HPARAM_INT_OR_NONE && value)
            number = 0;
        store(row, number, out);
        return SWG_OK;
    }
    if (row->kind == SWG_HPARAM_LAYERS)
        return read_layers(row, key, value, (void *)((char *)out + row->offset));
    if (row->kind == SWG_HPARAM_UNITS)
        return read_units(row, key, value, (void *)((char *)out + row->offset), out->n_layers);
    SWG_TRY(read_number(row, key, value, &number));
    SWG_TRY(check_range(row, key, number));
    store(row, number, out);
    return SWG_OK;
}

/* --- Required values -------------------------------------------------------------------------- */

static swg_status check_required(const swg_json *root, const swg_required_row *row)
{
    const swg_json *value = follow(root, row->key);
    if (swg_json_is_null(value))
        return SWG_OK;
    char text[KEY_BYTES];
    const char *string;
    double number;
    bool flag;
    if (swg_json_as_string(value, &string))
        snprintf(text, sizeof text, "%s", string);
    else if (swg_json_as_bool(value, &flag))
        snprintf(text, sizeof text, "%s", flag ? "true" : "false");
    else if (swg_json_as_double(value, &number))
        snprintf(text, sizeof text, "%.17g", number);
    else
        snprintf(text, sizeof text, "%s", swg_json_kind_name(swg_json_kind_of(value)));
    if (strcmp(text, row->value) == 0)
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED, "config.json: \"%s\" is %s; only %s is supported", row->key,
                     text, row->value);
}

/* A reader that knows why says so in the configuration that it writes. */
static swg_status refuse_arch(const swg_json *root, const char *model_type)
{
    const char *reason = "";
    if (!swg_json_as_string(swg_json_get(root, "unsupported_reason"), &reason))
        return swg_error(SWG_UNSUPPORTED, "config.json: architecture \"%s\" is not supported",
                         model_type);
    return swg_error(SWG_UNSUPPORTED, "this model of type \"%.60s\" is not supported: %.400s",
                     model_type, reason);
}

static swg_status read_fields(const swg_arch *const *archs, const swg_json *root,
                              const swg_arch **arch, swg_hparams *out)
{
    const char *model_type;
    if (swg_json_count(root) == 0)
        return swg_error(SWG_CORRUPT,
                         "there is no config.json, which says what model the tensors make");
    if (!swg_json_as_string(swg_json_get(root, "model_type"), &model_type))
        return swg_error(SWG_CORRUPT, "config.json: \"model_type\" is missing or not a string");
    *arch = find_arch(archs, model_type);
    if (!*arch)
        return refuse_arch(root, model_type);
    for (size_t i = 0; i < (*arch)->n_hparams; i++)
        SWG_TRY(read_row(root, &(*arch)->hparams[i], out));
    for (const swg_required_row *row = (*arch)->required; row->key; row++)
        SWG_TRY(check_required(root, row));
    SWG_TRY((*arch)->check(out));
    out->n_outputs = out->task == SWG_OUTPUT_HIDDEN_STATE ? out->d_model
                     : out->n_labels                      ? out->n_labels
                                                          : out->vocab;
    return SWG_OK;
}

const char *swg_arch_name(const swg_arch *arch)
{
    return arch->name;
}

const char *swg_hparams_key(const swg_arch *arch, size_t field)
{
    for (size_t i = 0; i < arch->n_hparams; i++)
        if (arch->hparams[i].offset == field)
            return strchr(arch->hparams[i].key, '|') ? NULL : arch->hparams[i].key;
    return NULL;
}

swg_status swg_hparams_leave_out_head(const swg_arch *arch, swg_hparams *h)
{
    if (!h->is_encoder || h->recurrent.units[0] > 0)
        return swg_error(SWG_UNSUPPORTED,
                         "architecture %s is not an encoder: it has no vectors of texts",
                         arch->name);
    h->task = SWG_OUTPUT_HIDDEN_STATE;
    h->one_output = h->tied_head = false;
    h->n_labels = 0;
    h->n_outputs = h->d_model;
    return SWG_OK;
}

swg_status swg_hparams_read_among(const swg_arch *const *archs, const char *config, size_t length,
                                  const swg_arch **arch, swg_hparams *out)
{
    swg_json_doc *doc = NULL;
    SWG_TRY(swg_json_parse(config, length, "config.json", &doc));
    const swg_arch *found = NULL;
    swg_hparams hparams = {0};
    const swg_status status = read_fields(archs, swg_json_root(doc), &found, &hparams);
    swg_json_free(&doc);
    if (status != SWG_OK)
        return status;
    *arch = found;
    *out = hparams;
    return SWG_OK;
}

swg_status swg_hparams_read(const char *config, size_t length, const swg_arch **arch,
                            swg_hparams *out)
{
    return swg_hparams_read_among(swg_archs, config, length, arch, out);
}

size_t swg_hparams_window(const swg_hparams *h, size_t layer)
{
    const bool has_window =
        h->window.is_used && h->window.layers.bits[layer / 64] >> layer % 64 & 1;
    return has_window ? (size_t)h->window.size : 0;
}
