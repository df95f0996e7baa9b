/* Values as text: Python's str() and repr(), and its json.dumps. Nested values are walked, so their
 * depth is bounded where they are built. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/mem.h"
#include "runtime/base/utf8.h"
#include "runtime/text/jinja/value.h"

/* --- Numbers ---------------------------------------------------------------------------------- */

/* The fewest digits that read back equal, as Python writes them: 1.0, 1e-05, 1e+16. */
static void print_float(double value, swg_strbuf *out)
{
    char digits[40];
    if (isnan(value) || isinf(value)) {
        swg_strbuf_puts(out, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
        return;
    }
    int precision = 1;
    do
        snprintf(digits, sizeof digits, "%.*e", precision - 1, value);
    while (precision++ < 17 && strtod(digits, NULL) != value);
    const int exponent = atoi(strchr(digits, 'e') + 1);
    if (exponent < -4 || exponent >= 16) {
        swg_strbuf_puts(out, digits);
        return;
    }
    const int decimals = precision - 2 - exponent;
    snprintf(digits, sizeof digits, "%.*f", decimals > 1 ? decimals : 1, value);
    swg_strbuf_puts(out, digits);
}

/* --- repr ------------------------------------------------------------------------------------- */

static void repr_text(const swg_jvalue *value, swg_strbuf *out)
{
    const bool has_single = memchr(value->text, '\'', value->length) != NULL;
    const bool has_double = memchr(value->text, '"', value->length) != NULL;
    const char quote = has_single && !has_double ? '"' : '\'';
    swg_strbuf_append(out, &quote, 1);
    for (size_t i = 0; i < value->length; i++) {
        const char c = value->text[i];
        const char *const named = strchr("\nn\rr\tt", c);
        if (c && named && (named - "\nn\rr\tt") % 2 == 0)
            swg_strbuf_printf(out, "\\%c", named[1]);
        else if (c == '\\' || c == quote)
            swg_strbuf_printf(out, "\\%c", c);
        else if ((unsigned char)c < 0x20 || c == 0x7f)
            swg_strbuf_printf(out, "\\x%02x", (unsigned)(unsigned char)c);
        else
            swg_strbuf_append(out, &c, 1);
    }
    swg_strbuf_append(out, &quote, 1);
}

static bool repr_items(const swg_jvalue *value, swg_strbuf *out)
{
    const bool is_list = value->kind == SWG_J_LIST;
    const swg_jlist *list = value->list;
    swg_strbuf_puts(out, is_list ? "[" : "(");
    for (size_t i = 0; i < list->count && !out->failed; i++) {
        swg_strbuf_puts(out, i ? ", " : "");
        if (!swg_jrepr(&list->items[i], out))
            return false;
    }
    swg_strbuf_puts(out, is_list ? "]" : list->count == 1 ? ",)" : ")");
    return true;
}

static bool repr_dict(const swg_jdict *dict, swg_strbuf *out)
{
    swg_strbuf_puts(out, "{");
    for (size_t i = 0; i < dict->count && !out->failed; i++) {
        swg_strbuf_puts(out, i ? ", " : "");
        if (!swg_jrepr(&dict->entries[i].key, out))
            return false;
        swg_strbuf_puts(out, ": ");
        if (!swg_jrepr(&dict->entries[i].value, out))
            return false;
    }
    swg_strbuf_puts(out, "}");
    return true;
}

bool swg_jrepr(const swg_jvalue *value, swg_strbuf *out)
{
    switch (value->kind) {
    case SWG_J_STRING:
        repr_text(value, out);
        return true;
    case SWG_J_UNDEFINED:
        swg_strbuf_puts(out, "Undefined");
        return true;
    case SWG_J_LIST:
    case SWG_J_TUPLE:
        return repr_items(value, out);
    case SWG_J_DICT:
        return repr_dict(value->dict, out);
    case SWG_J_NONE:
        swg_strbuf_puts(out, "None");
        return true;
    case SWG_J_BOOL:
        swg_strbuf_puts(out, value->boolean ? "True" : "False");
        return true;
    case SWG_J_INT:
        swg_strbuf_printf(out, "%" PRId64, value->integer);
        return true;
    case SWG_J_FLOAT:
        print_float(value->real, out);
        return true;
    default:
        return false;
    }
}

bool swg_jprint(const swg_jvalue *value, swg_strbuf *out)
{
    if (value->kind == SWG_J_STRING)
        swg_strbuf_append(out, value->text, value->length);
    else if (value->kind != SWG_J_UNDEFINED)
        return swg_jrepr(value, out);
    return true;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void json_text(const swg_jvalue *value, bool ascii, swg_strbuf *out)
{
    static const char plain[] = "\"\\\n\r\t\b\f", letters[] = "\"\\nrtbf";
    swg_strbuf_puts(out, "\"");
    for (size_t at = 0; at < value->length && !out->failed;) {
        const char *c = value->text + at;
        const char *const named = *c ? strchr(plain, *c) : NULL;
        uint32_t code = (unsigned char)*c;
        size_t step = swg_utf8_decode(c, value->length - at, &code);
        step += step == 0;
        at += step;
        if (named)
            swg_strbuf_printf(out, "\\%c", letters[named - plain]);
        else if (ascii && code >= 0x10000)
            swg_strbuf_printf(out, "\\u%04x\\u%04x", (unsigned)(0xd800 + ((code - 0x10000) >> 10)),
                              (unsigned)(0xdc00 + ((code - 0x10000) & 0x3ff)));
        else if (code < 0x20 || (ascii && code >= 0x7f && step > 1))
            swg_strbuf_printf(out, "\\u%04x", (unsigned)code);
        else
            swg_strbuf_append(out, c, step);
    }
    swg_strbuf_puts(out, "\"");
}

static void json_break(const swg_jjson *how, size_t depth, swg_strbuf *out)
{
    if (how->indent < 0)
        return;
    swg_strbuf_puts(out, "\n");
    for (uint64_t i = 0; i < depth * (uint64_t)how->indent && !out->failed; i++)
        swg_strbuf_puts(out, " ");
}

static void json_comma(const swg_jjson *how, size_t index, size_t depth, swg_strbuf *out)
{
    if (index > 0)
        swg_strbuf_puts(out, how->between ? how->between : how->indent < 0 ? ", " : ",");
    json_break(how, depth, out);
}

static bool json_value(const swg_jvalue *value, const swg_jjson *how, size_t depth,
                       swg_strbuf *out);

static bool json_list(const swg_jlist *list, const swg_jjson *how, size_t depth, swg_strbuf *out)
{
    swg_strbuf_puts(out, "[");
    for (size_t i = 0; i < list->count && !out->failed; i++) {
        json_comma(how, i, depth + 1, out);
        if (!json_value(&list->items[i], how, depth + 1, out))
            return false;
    }
    if (list->count > 0)
        json_break(how, depth, out);
    swg_strbuf_puts(out, "]");
    return true;
}

/* Keys of other kinds become texts. */
static bool json_key(const swg_jvalue *key, const swg_jjson *how, swg_strbuf *out)
{
    const bool is_text = key->kind == SWG_J_STRING;
    if (!is_text)
        swg_strbuf_puts(out, "\"");
    if (key->kind < SWG_J_NONE || key->kind > SWG_J_STRING || !json_value(key, how, 0, out))
        return false;
    swg_strbuf_puts(out, is_text ? "" : "\"");
    swg_strbuf_puts(out, how->after_key ? how->after_key : ": ");
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t steps = 0;
    return swg_jcompare(&(*(const swg_jentry *const *)a)->key,
                        &(*(const swg_jentry *const *)b)->key, &steps);
}

/* Entries in the order in which they are written; the caller frees. */
static const swg_jentry **order_entries(const swg_jdict *dict, bool sort)
{
    const swg_jentry **entries = swg_calloc(dict->count, sizeof(const swg_jentry *));
    for (size_t i = 0; entries && i < dict->count; i++)
        entries[i] = &dict->entries[i];
    if (entries && sort)
        qsort(entries, dict->count, sizeof(const swg_jentry *), compare_keys);
    return entries;
}

static bool json_dict(const swg_jdict *dict, const swg_jjson *how, size_t depth, swg_strbuf *out)
{
    const swg_jentry **entries = order_entries(dict, how->sort);
    bool ok = true;
    if (!entries)
        out->failed = true;
    swg_strbuf_puts(out, "{");
    for (size_t i = 0; ok && i < dict->count && !out->failed; i++) {
        json_comma(how, i, depth + 1, out);
        ok = json_key(&entries[i]->key, how, out) &&
             json_value(&entries[i]->value, how, depth + 1, out);
    }
    if (dict->count > 0)
        json_break(how, depth, out);
    swg_strbuf_puts(out, "}");
    swg_free(entries);
    return ok;
}

static bool json_value(const swg_jvalue *value, const swg_jjson *how, size_t depth, swg_strbuf *out)
{
    switch (value->kind) {
    case SWG_J_STRING:
        json_text(value, how->ascii, out);
        return true;
    case SWG_J_NONE:
        swg_strbuf_puts(out, "null");
        return true;
    case SWG_J_BOOL:
        swg_strbuf_puts(out, value->boolean ? "true" : "false");
        return true;
    case SWG_J_FLOAT:
        if (isnan(value->real) || isinf(value->real))
            swg_strbuf_puts(out, isnan(value->real) ? "NaN"
                                 : value->real > 0  ? "Infinity"
                                                    : "-Infinity");
        else
            print_float(value->real, out);
        return true;
    case SWG_J_LIST:
    case SWG_J_TUPLE:
        return json_list(value->list, how, depth, out);
    case SWG_J_DICT:
        return json_dict(value->dict, how, depth, out);
    case SWG_J_INT:
        return swg_jrepr(value, out);
    default:
        return false;
    }
}

bool swg_jtojson(const swg_jvalue *value, const swg_jjson *how, swg_strbuf *out)
{
    return json_value(value, how, 0, out);
}
