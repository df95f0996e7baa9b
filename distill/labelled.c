/* Labelled texts. See labelled.h. A file is read twice: for its labels, which decide the model, and
 * for its texts, which the model's tokenizer cuts. */
#include "distill/labelled.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/json/json_lines.h"
#include "runtime/base/file.h"
#include "runtime/base/mem.h"
#include "runtime/encoder_input.h"

enum { LABEL_BYTES = 256 };

/* The name of a line's label. */
static swg_status read_label(const swg_json *root, const char *where, char out[LABEL_BYTES])
{
    const swg_json *value = swg_json_get(root, "label");
    const char *name;
    int64_t number;
    if (swg_json_as_int(value, &number) && number >= 0) {
        snprintf(out, LABEL_BYTES, "%lld", (long long)number);
        return SWG_OK;
    }
    if (!swg_json_as_string(value, &name))
        return swg_error(SWG_CORRUPT,
                         "%s: \"label\" is missing, or neither a name nor a whole number", where);
    if (!*name)
        return swg_error(SWG_CORRUPT, "%s: \"label\" is empty", where);
    if (strlen(name) >= LABEL_BYTES)
        return swg_error(SWG_LIMIT, "%s: a label of %zu bytes, more than %d", where, strlen(name),
                         LABEL_BYTES - 1);
    snprintf(out, LABEL_BYTES, "%s", name);
    return SWG_OK;
}

static swg_status each_line(const char *path, const char *doing, const swg_progress *progress,
                            swg_json_line *line, void *context, char *sha256)
{
    swg_map file = {0};
    SWG_TRY(swg_map_open(path, &file));
    if (sha256)
        swg_sha256_text(file.data, file.size, sha256);
    const swg_status status = swg_json_lines_each(path, (const char *)file.data, file.size, doing,
                                                  progress, line, context);
    swg_map_close(&file);
    return status;
}

/* --- Labels ----------------------------------------------------------------------------------- */

typedef struct collection {
    char **names;
    size_t n, capacity;
} collection;

static swg_status collect(void *context, const swg_json *root, const char *where)
{
    collection *c = context;
    char name[LABEL_BYTES];
    SWG_TRY(read_label(root, where, name));
    const swg_label_names so_far = {(const char *const *)c->names, c->n};
    if (swg_label_find(&so_far, name) != SIZE_MAX)
        return SWG_OK;
    if (c->n == SWG_MOST_LABELS)
        return swg_error(SWG_LIMIT, "%s: more than %d different labels", where, SWG_MOST_LABELS);
    SWG_TRY(swg_reserve((void **)&c->names, &c->capacity, c->n + 1, sizeof *c->names));
    c->names[c->n] = swg_strdup(name);
    return c->names[c->n++] ? SWG_OK : SWG_NO_MEMORY;
}

static bool is_number(const char *name)
{
    return strspn(name, "0123456789") == strlen(name);
}

static int compare(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    if (is_number(x) != is_number(y))
        return is_number(x) ? -1 : 1;
    if (is_number(x) && strlen(x) != strlen(y))
        return strlen(x) < strlen(y) ? -1 : 1;
    return strcmp(x, y);
}

swg_status swg_labels_read(const char *path, const swg_progress *progress, swg_label_names *out)
{
    collection c = {0};
    const swg_status status = each_line(path, "reading labels", progress, collect, &c, NULL);
    *out = (swg_label_names){(const char *const *)c.names, c.n};
    SWG_TRY(status);
    if (c.n < 2)
        return swg_error(SWG_FAILED,
                         "%s: all texts have the label \"%s\"; a classifier needs two at least",
                         path, c.names[0]);
    qsort(c.names, c.n, sizeof *c.names, compare);
    return SWG_OK;
}

void swg_labels_deinit(swg_label_names *labels)
{
    char **names = (char **)labels->names;
    for (size_t i = 0; i < labels->n; i++)
        swg_free(names[i]);
    swg_free(names);
    *labels = (swg_label_names){0};
}

/* --- Texts ------------------------------------------------------------------------------------ */

typedef struct reading {
    const swg_labelled_request *request;
    const swg_label_names *labels;
    swg_labelled *out;
    swg_encoder_input input;
    size_t n_ids, id_room, type_room, begin_room, label_room;
} reading;

static swg_status add_text(reading *r, size_t label)
{
    swg_labelled *o = r->out;
    const size_t n = r->input.ids.count;
    SWG_TRY(swg_reserve((void **)&o->ids, &r->id_room, r->n_ids + n, sizeof *o->ids));
    SWG_TRY(swg_reserve((void **)&o->types, &r->type_room, r->n_ids + n, sizeof *o->types));
    SWG_TRY(swg_reserve((void **)&o->begins, &r->begin_room, o->n + 2, sizeof *o->begins));
    SWG_TRY(swg_reserve((void **)&o->labels, &r->label_room, o->n + 1, sizeof *o->labels));
    memcpy(o->ids + r->n_ids, r->input.ids.data, n * sizeof *o->ids);
    memcpy(o->types + r->n_ids, r->input.types.data, n * sizeof *o->types);
    o->labels[o->n] = label;
    o->begins[o->n] = r->n_ids;
    r->n_ids += n;
    o->begins[++o->n] = r->n_ids;
    o->longest = n > o->longest ? n : o->longest;
    return SWG_OK;
}

static swg_status read_line(void *context, const swg_json *root, const char *where)
{
    reading *r = context;
    const swg_labelled_request *request = r->request;
    const swg_json *second = swg_json_get(root, "text_pair");
    const char *text, *pair = NULL;
    char name[LABEL_BYTES];
    SWG_TRY(swg_json_line_string(root, "text", where, &text));
    if (second && !swg_json_as_string(second, &pair))
        return swg_error(SWG_CORRUPT, "%s: \"text_pair\" is not a string", where);
    SWG_TRY(read_label(root, where, name));
    const size_t label = swg_label_find(r->labels, name);
    if (label == SIZE_MAX)
        return swg_error(SWG_CORRUPT, "%s: the label \"%s\" is not among the model's %zu", where,
                         name, r->labels->n);
    if (!*text)
        return swg_error(SWG_CORRUPT, "%s: \"text\" is empty", where);
    const swg_status status =
        swg_encoder_input_make(request->tokenizer, request->hparams, text, pair, &r->input);
    if (status != SWG_OK)
        return swg_error_context(status, "%s", where);
    if (r->input.ids.count == 0)
        return swg_error(SWG_CORRUPT, "%s: the text has no tokens", where);
    if (r->input.ids.count > request->longest)
        return swg_error(SWG_LIMIT, "%s: the text has %zu tokens; the model reads %zu at most",
                         where, r->input.ids.count, request->longest);
    return add_text(r, label);
}

swg_status swg_labelled_read(const swg_labelled_request *request, const swg_label_names *labels,
                             swg_labelled *out)
{
    reading r = {.request = request, .labels = labels, .out = out};
    *out = (swg_labelled){0};
    const swg_status status =
        each_line(request->path, "reading texts", request->progress, read_line, &r, out->sha256);
    swg_encoder_input_deinit(&r.input);
    return status;
}

void swg_labelled_deinit(swg_labelled *labelled)
{
    swg_free(labelled->ids);
    swg_free(labelled->types);
    swg_free(labelled->begins);
    swg_free(labelled->labels);
    *labelled = (swg_labelled){0};
}
