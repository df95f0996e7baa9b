/* Reading records: see results.h. A line is parsed strictly, its keys are looked up in the tables,
 * and what the record keeps is copied into the arena of the results. */
#include "eval/results.h"

#include <stdlib.h>
#include <string.h>

#include "eval/results_keys.h"
#include "formats/json/json.h"
#include "formats/json/json_scan.h"
#include "runtime/base/file.h"
#include "runtime/base/words.h"

/* Where a value stands; all messages of this file begin with it. */
typedef struct reader {
    const char *name; /* of the file */
    size_t line;      /* from 1 on */
    const char *text; /* of that line */
    size_t length;
    swg_results *out;
    size_t capacity;
} reader;

#define REFUSE(r, format, ...)                                                                     \
    swg_error(SWG_CORRUPT, "%s, line %zu: " format, (r)->name, (r)->line, __VA_ARGS__)

static swg_status no_such_key(const reader *r, const swg_result_key *keys, size_t count,
                              const char *what, const char *name)
{
    enum { MOST = 256 };
    const char *names[MOST];
    size_t n = 0;
    for (; n < count && n < MOST; n++)
        names[n] = keys[n].name;
    const char *nearest = swg_nearest_word(name, names, n);
    if (nearest)
        return REFUSE(r, "%s does not have a key \"%s\"; did you mean \"%s\"?", what, name,
                      nearest);
    return REFUSE(r, "%s does not have a key \"%s\"", what, name);
}

static swg_status keep_text(reader *r, const char *text, size_t length, const char **out)
{
    *out = swg_arena_strndup(&r->out->arena, text, length);
    return *out ? SWG_OK : SWG_NO_MEMORY;
}

/* The text of a member of the line's object, as it stands there. */
static swg_status keep_json(reader *r, const swg_result_key *key, const swg_json *value,
                            const char **out)
{
    if (swg_json_kind_of(value) != SWG_JSON_OBJECT)
        return REFUSE(r, "\"%s\" must be an object, not %s", key->name,
                      swg_json_kind_name(swg_json_kind_of(value)));
    swg_json_scan scan = swg_json_scan_begin(r->text, r->length);
    swg_json_scan_enter(&scan);
    while (swg_json_scan_more(&scan)) {
        const swg_json_text name = swg_json_scan_key(&scan);
        const swg_json_text raw = swg_json_scan_skip(&scan);
        if (swg_json_text_is(&name, key->name))
            return keep_text(r, raw.at, raw.length, out);
    }
    return REFUSE(r, "\"%s\" must not be written with escapes", key->name);
}

/* Read one value into the field of `record`; null means "not measured". */
static swg_status read_value(reader *r, const swg_result_key *key, const swg_json *value,
                             void *record)
{
    void *field = (char *)record + key->offset;
    const char *kind = swg_json_kind_name(swg_json_kind_of(value)), *text;
    int64_t count;
    double number;
    if (swg_json_is_null(value))
        return SWG_OK;
    switch (key->kind) {
    case SWG_RESULT_IS_TEXT:
        if (!swg_json_as_string(value, &text))
            return REFUSE(r, "\"%s\" must be a string, not %s", key->name, kind);
        return keep_text(r, text, strlen(text), field);
    case SWG_RESULT_IS_JSON:
        return keep_json(r, key, value, field);
    case SWG_RESULT_IS_COUNT:
        if (!swg_json_as_int(value, &count) || count < 0)
            return REFUSE(r, "\"%s\" must be a whole number from 0 on", key->name);
        *(int64_t *)field = count;
        return SWG_OK;
    case SWG_RESULT_IS_NUMBER:
        if (!swg_json_as_double(value, &number))
            return REFUSE(r, "\"%s\" must be a number, not %s", key->name, kind);
        if (number < key->least || number > key->most)
            return REFUSE(r, "\"%s\" is %g, but must be within %g and %g", key->name, number,
                          key->least, key->most);
        *(double *)field = number;
        return SWG_OK;
    }
    return SWG_OK;
}

/* An array of objects whose elements are `size` bytes; *elements stays NULL for none. */
static swg_status begin_array(reader *r, const swg_json *value, const char *what, size_t most,
                              size_t size, void **elements, size_t *count)
{
    if (swg_json_kind_of(value) != SWG_JSON_ARRAY)
        return REFUSE(r, "\"%s\" must be an array", what);
    *count = swg_json_count(value);
    if (*count > most)
        return swg_error(SWG_LIMIT, "%s, line %zu: %zu %s; at most %zu are read", r->name, r->line,
                         *count, what, most);
    for (const swg_json *item = swg_json_first(value); item; item = swg_json_next(item))
        if (swg_json_kind_of(item) != SWG_JSON_OBJECT)
            return REFUSE(r, "\"%s\" must hold objects only", what);
    *elements = *count ? swg_arena_calloc(&r->out->arena, *count, size) : NULL;
    return *count && !*elements ? SWG_NO_MEMORY : SWG_OK;
}

static swg_status read_tensors(reader *r, const swg_json *value, swg_result *result)
{
    void *elements = NULL;
    SWG_TRY(begin_array(r, value, "tensors", SWG_RESULTS_MAX_TENSORS, sizeof(swg_result_tensor),
                        &elements, &result->n_tensors));
    swg_result_tensor *tensor = elements;
    result->tensors = tensor;
    for (const swg_json *item = swg_json_first(value); item; item = swg_json_next(item), tensor++) {
        *tensor = swg_result_tensor_default();
        for (const swg_json *v = swg_json_first(item); v; v = swg_json_next(v)) {
            const swg_result_key *key = swg_result_key_find(
                swg_result_tensor_keys, swg_n_result_tensor_keys, swg_json_key(v));
            if (!key)
                return no_such_key(r, swg_result_tensor_keys, swg_n_result_tensor_keys, "a tensor",
                                   swg_json_key(v));
            SWG_TRY(read_value(r, key, v, tensor));
        }
        if (!tensor->name)
            return REFUSE(r, "a tensor must have a \"%s\"", "name");
    }
    return SWG_OK;
}

static swg_status read_bins(reader *r, const swg_json *edges, const swg_json *counts,
                            swg_result_histogram *out)
{
    const size_t n = counts ? swg_json_count(counts) : 0;
    if (!edges || n == 0 || swg_json_kind_of(edges) != SWG_JSON_ARRAY ||
        swg_json_kind_of(counts) != SWG_JSON_ARRAY || swg_json_count(edges) != n + 1)
        return REFUSE(r, "a histogram must have %s", "n \"counts\" and n + 1 \"edges\"");
    double *edge = swg_arena_calloc(&r->out->arena, n + 1, sizeof *edge);
    int64_t *count = swg_arena_calloc(&r->out->arena, n, sizeof *count);
    if (!edge || !count)
        return SWG_NO_MEMORY;
    size_t i = 0;
    for (const swg_json *v = swg_json_first(edges); v; v = swg_json_next(v), i++)
        if (!swg_json_as_double(v, &edge[i]) || (i > 0 && edge[i] <= edge[i - 1]))
            return REFUSE(r, "edge %zu of a histogram is not a number above the one before", i);
    i = 0;
    for (const swg_json *v = swg_json_first(counts); v; v = swg_json_next(v), i++)
        if (!swg_json_as_int(v, &count[i]) || count[i] < 0)
            return REFUSE(r, "count %zu of a histogram is not a whole number from 0 on", i);
    out->edges = edge;
    out->counts = count;
    out->n_bins = n;
    return SWG_OK;
}

static swg_status read_histograms(reader *r, const swg_json *value, swg_result *result)
{
    enum { MOST = 64 };
    void *elements = NULL;
    SWG_TRY(begin_array(r, value, "histograms", MOST, sizeof(swg_result_histogram), &elements,
                        &result->n_histograms));
    swg_result_histogram *histogram = elements;
    result->histograms = histogram;
    for (const swg_json *item = swg_json_first(value); item;
         item = swg_json_next(item), histogram++) {
        const char *name;
        if (!swg_json_as_string(swg_json_get(item, "name"), &name) || swg_json_count(item) != 3)
            return REFUSE(r, "a histogram must have %s", "a \"name\", \"edges\" and \"counts\"");
        SWG_TRY(keep_text(r, name, strlen(name), &histogram->name));
        SWG_TRY(read_bins(r, swg_json_get(item, "edges"), swg_json_get(item, "counts"), histogram));
    }
    return SWG_OK;
}

static swg_status check_version(const reader *r, const swg_json *root)
{
    int64_t version;
    const swg_json *value = swg_json_get(root, "results_version");
    if (swg_json_kind_of(root) != SWG_JSON_OBJECT || !swg_json_as_int(value, &version))
        return REFUSE(r, "a record is an object with a \"%s\"", "results_version");
    if (version == SWG_RESULTS_VERSION)
        return SWG_OK;
    return swg_error(SWG_UNSUPPORTED,
                     "%s, line %zu: results of version %lld; this program reads version %d",
                     r->name, r->line, (long long)version, SWG_RESULTS_VERSION);
}

static swg_status read_members(reader *r, const swg_json *root, swg_result *result)
{
    result->status = NULL;
    for (const swg_json *v = swg_json_first(root); v; v = swg_json_next(v)) {
        const char *name = swg_json_key(v);
        const swg_result_key *key = swg_result_key_find(swg_result_keys, swg_n_result_keys, name);
        if (key)
            SWG_TRY(read_value(r, key, v, result));
        else if (strcmp(name, "tensors") == 0)
            SWG_TRY(read_tensors(r, v, result));
        else if (strcmp(name, "histograms") == 0)
            SWG_TRY(read_histograms(r, v, result));
        else if (strcmp(name, "results_version") != 0)
            return no_such_key(r, swg_result_keys, swg_n_result_keys, "a record", name);
    }
    if (!result->id || !*result->id)
        return REFUSE(r, "a record must have an \"%s\"", "id");
    if (!result->status ||
        (strcmp(result->status, "ok") != 0 && strcmp(result->status, "failed") != 0))
        return REFUSE(r, "the \"%s\" of a record must be \"ok\" or \"failed\"", "status");
    return SWG_OK;
}

static swg_status read_line(reader *r)
{
    swg_status status = SWG_OK;
    swg_results *out = r->out;
    swg_json_doc *doc = NULL;
    swg_result result = swg_result_default();
    status = swg_json_parse(r->text, r->length, "record", &doc);
    if (status != SWG_OK) {
        status = swg_error_context(status, "%s, line %zu", r->name, r->line);
        goto done;
    }
    SWG_GO(check_version(r, swg_json_root(doc)));
    SWG_GO(read_members(r, swg_json_root(doc), &result));
    if (out->count == SWG_RESULTS_MAX_RECORDS)
        SWG_GO(
            swg_error(SWG_LIMIT, "%s has more than %d records", r->name, SWG_RESULTS_MAX_RECORDS));
    SWG_GO(swg_reserve((void **)&out->items, &r->capacity, out->count + 1, sizeof *out->items));
    out->items[out->count++] = result;
done:
    swg_json_free(&doc);
    return status;
}

/* --- Each id once ----------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
    const swg_result *const *x = a, *const *y = b;
    const int order = strcmp((*x)->id, (*y)->id);
    return order ? order : (*x < *y ? -1 : *x > *y); /* then in file order */
}

/* Move the last record of every id to the place of its first, and drop the others. */
static swg_status keep_last_of_each(swg_results *results)
{
    const size_t n = results->count;
    swg_result **sorted;
    SWG_TRY(SWG_NEW(sorted, n));
    for (size_t i = 0; i < n; i++)
        sorted[i] = &results->items[i];
    qsort(sorted, n, sizeof *sorted, compare_ids);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && strcmp(sorted[end]->id, sorted[i]->id) == 0;)
            end++;
        *sorted[i] = *sorted[end - 1];
        for (size_t k = i + 1; k < end; k++)
            sorted[k]->id = NULL;
    }
    swg_free(sorted);
    results->count = 0;
    for (size_t i = 0; i < n; i++)
        if (results->items[i].id)
            results->items[results->count++] = results->items[i];
    results->n_replaced = n - results->count;
    return SWG_OK;
}

/* --- Files ------------------------------------------------------------------------------------ */

static bool is_blank(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!strchr(" \t\r", text[i]) || text[i] == '\0')
            return false;
    return true;
}

swg_status swg_results_parse(const char *text, size_t length, const char *name, swg_results *out)
{
    swg_status status = SWG_OK;
    swg_results made = {0};
    reader r = {.name = name, .out = &made};
    for (size_t at = 0; at < length;) {
        const char *newline = memchr(text + at, '\n', length - at);
        r.text = text + at;
        r.length = newline ? (size_t)(newline - r.text) : length - at;
        r.line++;
        if (newline && !is_blank(r.text, r.length))
            SWG_GO(read_line(&r));
        else if (!newline)
            made.cut_line = r.line;
        at += r.length + 1;
    }
    SWG_GO(keep_last_of_each(&made));
    *out = made;
    made = (swg_results){0};
done:
    swg_results_deinit(&made);
    return status;
}

swg_status swg_results_read(const char *path, swg_results *out)
{
    swg_status status = SWG_OK;
    char *joined = NULL, *text = NULL;
    size_t length;
    if (swg_path_is_directory(path)) {
        joined = swg_path_join(path, "results.jsonl");
        SWG_GO(joined ? SWG_OK : SWG_NO_MEMORY);
        path = joined;
    }
    SWG_GO(swg_file_read(path, SWG_RESULTS_MAX_BYTES, &text, &length));
    SWG_GO(swg_results_parse(text, length, path, out));
done:
    swg_free(text);
    swg_free(joined);
    return status;
}

void swg_results_deinit(swg_results *results)
{
    swg_free(results->items);
    swg_arena_deinit(&results->arena);
    *results = (swg_results){0};
}

const swg_result *swg_results_find(const swg_results *results, const char *id)
{
    for (size_t i = 0; i < results->count; i++)
        if (strcmp(results->items[i].id, id) == 0)
            return &results->items[i];
    return NULL;
}
