/* Writing records: lines of JSON appended to a file, and comma-separated values: see results.h. */
#include "eval/results.h"

#include <string.h>

#include "eval/results_keys.h"
#include "formats/json/json.h"
#include "runtime/base/json_writer.h"
#include "runtime/base/line_log.h"

/* --- Lines of JSON ---------------------------------------------------------------------------- */

static swg_status check_value(const swg_result_key *key, const void *record)
{
    if (key->kind == SWG_RESULT_IS_JSON) {
        const char *text = swg_result_text_at(key, record);
        return swg_json_require(text, strlen(text), key->name, SWG_JSON_OBJECT);
    }
    if (key->kind != SWG_RESULT_IS_NUMBER)
        return SWG_OK;
    const double value = swg_result_number_at(key, record);
    if (isinf(value) || value < key->least || value > key->most)
        return swg_error(SWG_USAGE, "\"%s\" is %g, but must be within %g and %g and finite",
                         key->name, value, key->least, key->most);
    return SWG_OK;
}

static swg_status write_values(const swg_result_key *keys, size_t count, const void *record,
                               swg_json_writer *json)
{
    for (size_t i = 0; i < count; i++) {
        const swg_result_key *key = &keys[i];
        if (!swg_result_has(key, record))
            continue;
        SWG_TRY(check_value(key, record));
        const char *text;
        switch (key->kind) {
        case SWG_RESULT_IS_COUNT:
            swg_json_int(json, key->name, swg_result_count_at(key, record));
            break;
        case SWG_RESULT_IS_NUMBER:
            swg_json_double(json, key->name, swg_result_number_at(key, record));
            break;
        case SWG_RESULT_IS_JSON:
            text = swg_result_text_at(key, record);
            swg_json_raw(json, key->name, text, strlen(text));
            break;
        case SWG_RESULT_IS_TEXT:
            swg_json_string(json, key->name, swg_result_text_at(key, record));
            break;
        }
    }
    return SWG_OK;
}

static void write_histogram(const swg_result_histogram *histogram, swg_json_writer *json)
{
    swg_json_begin_object(json, NULL);
    swg_json_string(json, "name", histogram->name);
    swg_json_begin_array(json, "edges");
    for (size_t i = 0; i <= histogram->n_bins; i++)
        swg_json_double(json, NULL, histogram->edges[i]);
    swg_json_end_array(json);
    swg_json_begin_array(json, "counts");
    for (size_t i = 0; i < histogram->n_bins; i++)
        swg_json_int(json, NULL, histogram->counts[i]);
    swg_json_end_array(json);
    swg_json_end_object(json);
}

static swg_status write_record(const swg_result *result, swg_json_writer *json)
{
    swg_json_begin_object(json, NULL);
    swg_json_int(json, "results_version", SWG_RESULTS_VERSION);
    SWG_TRY(write_values(swg_result_keys, swg_n_result_keys, result, json));
    if (result->n_tensors > 0) {
        swg_json_begin_array(json, "tensors");
        for (size_t i = 0; i < result->n_tensors; i++) {
            swg_json_begin_object(json, NULL);
            SWG_TRY(write_values(swg_result_tensor_keys, swg_n_result_tensor_keys,
                                 &result->tensors[i], json));
            swg_json_end_object(json);
        }
        swg_json_end_array(json);
    }
    if (result->n_histograms > 0) {
        swg_json_begin_array(json, "histograms");
        for (size_t i = 0; i < result->n_histograms; i++)
            write_histogram(&result->histograms[i], json);
        swg_json_end_array(json);
    }
    swg_json_end_object(json);
    return swg_strbuf_status(&json->out);
}

/* Recipes may have been laid out over several lines; between JSON's tokens a line break is a
 * blank. */
static void join_lines(swg_strbuf *text, size_t start)
{
    for (size_t i = start; i < text->length; i++)
        if (text->text[i] == '\n' || text->text[i] == '\r')
            text->text[i] = ' ';
}

swg_status swg_result_write(const swg_result *result, swg_strbuf *out)
{
    swg_status status = SWG_OK;
    swg_json_writer json = {.compact = true};
    swg_results checked = {0};
    SWG_GO(write_record(result, &json));
    join_lines(&json.out, 0);
    swg_strbuf_puts(&json.out, "\n");
    SWG_GO(swg_strbuf_status(&json.out));
    /* What the writer lets through, the reader must take. */
    SWG_GO(swg_results_parse(json.out.text, json.out.length, "the record", &checked));
    swg_strbuf_append(out, json.out.text, json.out.length);
    status = swg_strbuf_status(out);
done:
    swg_results_deinit(&checked);
    swg_json_deinit(&json);
    return status == SWG_CORRUPT ? SWG_USAGE : status;
}

swg_status swg_result_append(const char *path, const swg_result *result)
{
    swg_strbuf line = {0};
    swg_status status = swg_result_write(result, &line);
    if (status == SWG_OK)
        status = swg_line_log_append(path, line.text, line.length);
    swg_strbuf_deinit(&line);
    return status;
}

/* --- Comma-separated values ------------------------------------------------------------------- */

static void csv_text(const char *text, swg_strbuf *out)
{
    const bool is_formula = *text != '\0' && strchr("=+-@\t\r\n", *text);
    if (!is_formula && !strpbrk(text, ",\"\r\n")) {
        swg_strbuf_puts(out, text);
        return;
    }
    swg_strbuf_puts(out, is_formula ? "\"'" : "\"");
    for (const char *at = text; *at; at++)
        swg_strbuf_puts(out, *at == '"' ? "\"\"" : (const char[]){*at, '\0'});
    swg_strbuf_puts(out, "\"");
}

static void csv_names(const swg_result_key *keys, size_t count, const char *first, swg_strbuf *out)
{
    swg_strbuf_puts(out, first);
    for (size_t i = 0; i < count; i++)
        swg_strbuf_printf(out, "%s%s", i || *first ? "," : "", keys[i].name);
    swg_strbuf_puts(out, "\r\n");
}

static void csv_values(const swg_result_key *keys, size_t count, const void *record,
                       swg_strbuf *out)
{
    for (size_t i = 0; i < count; i++) {
        swg_strbuf_puts(out, i ? "," : "");
        if (!swg_result_has(&keys[i], record))
            continue;
        if (keys[i].kind == SWG_RESULT_IS_COUNT)
            swg_strbuf_printf(out, "%lld", (long long)swg_result_count_at(&keys[i], record));
        else if (keys[i].kind == SWG_RESULT_IS_NUMBER)
            swg_strbuf_printf(out, "%.9g", swg_result_number_at(&keys[i], record));
        else
            csv_text(swg_result_text_at(&keys[i], record), out);
    }
    swg_strbuf_puts(out, "\r\n");
}

void swg_results_write_csv(const swg_results *results, swg_strbuf *out)
{
    csv_names(swg_result_keys, swg_n_result_keys, "", out);
    for (size_t i = 0; i < results->count; i++)
        csv_values(swg_result_keys, swg_n_result_keys, &results->items[i], out);
}

void swg_results_write_tensors_csv(const swg_results *results, swg_strbuf *out)
{
    csv_names(swg_result_tensor_keys, swg_n_result_tensor_keys, "id", out);
    for (size_t i = 0; i < results->count; i++)
        for (size_t t = 0; t < results->items[i].n_tensors; t++) {
            csv_text(results->items[i].id, out);
            swg_strbuf_puts(out, ",");
            csv_values(swg_result_tensor_keys, swg_n_result_tensor_keys,
                       &results->items[i].tensors[t], out);
        }
}
