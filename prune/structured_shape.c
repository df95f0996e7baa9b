/* Sizes before and after: see structured_shape.h. Which key of a configuration says a size is read
 * from the architecture's own table. */
#include "prune/structured_shape.h"

#include <stdlib.h>
#include <string.h>

#include "formats/json/json_copy.h"
#include "runtime/base/words.h"

static const char *const words[] = {
#define SWG_STRUCTURE(name, word, meaning) word,
#include "prune/structures.def"
#undef SWG_STRUCTURE
};

const char *swg_structure_word(swg_structure structure)
{
    return words[structure];
}

swg_status swg_structured_request_add(swg_structured_request *request, const char *text)
{
    const char *const equals = strchr(text, '=');
    char *end = NULL;
    char name[32] = "";
    size_t found = SWG_STRUCTURE_COUNT;
    if (!equals || equals == text || (size_t)(equals - text) >= sizeof name)
        return swg_error(SWG_USAGE, "--structured takes WHAT=RATIO, not \"%.60s\"", text);
    memcpy(name, text, (size_t)(equals - text));
    for (size_t i = 0; i < SWG_STRUCTURE_COUNT; i++)
        if (strcmp(words[i], name) == 0)
            found = i;
    if (found == SWG_STRUCTURE_COUNT) {
        const char *const near = swg_nearest_word(name, words, SWG_STRUCTURE_COUNT);
        return swg_error(SWG_USAGE,
                         "--structured: \"%s\" is not one of layers, hidden, kv-groups, "
                         "heads, ffn%s%s%s",
                         name, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    }
    const double ratio = strtod(equals + 1, &end);
    if (end == equals + 1 || *end || !(ratio > 0 && ratio < 1))
        return swg_error(
            SWG_USAGE, "--structured %s: the ratio is a number above 0 and below 1, not \"%.40s\"",
            name, equals + 1);
    if (request->ratio[found] > 0)
        return swg_error(SWG_USAGE, "--structured %s is given twice: %g and %g", name,
                         request->ratio[found], ratio);
    request->ratio[found] = ratio;
    return SWG_OK;
}

/* --- Sizes ------------------------------------------------------------------------------------ */

/* Ratios such as 0.1 are a little less than they look. */
static int64_t part_of(int64_t count, double ratio)
{
    const double slack = 1e-9;
    return (int64_t)((double)count * ratio + slack);
}

static swg_status must_remove(swg_structure structure, int64_t count, double ratio)
{
    if (ratio == 0 || part_of(count, ratio) > 0)
        return SWG_OK;
    return swg_error(SWG_USAGE, "--structured %s=%g removes none of %lld", words[structure], ratio,
                     (long long)count);
}

static swg_status cut_heads(double ratio, swg_structured_shape *after)
{
    const int64_t heads = after->count[SWG_STRUCTURE_HEADS];
    const int64_t groups = after->count[SWG_STRUCTURE_KV_GROUPS];
    const int64_t left = heads - part_of(heads, ratio);
    SWG_TRY(must_remove(SWG_STRUCTURE_HEADS, heads, ratio));
    if (ratio > 0 && heads == groups) { /* every head is a kv group */
        after->count[SWG_STRUCTURE_HEADS] = after->count[SWG_STRUCTURE_KV_GROUPS] = left;
        return SWG_OK;
    }
    if (left % groups != 0 || left == 0)
        return swg_error(SWG_USAGE,
                         "--structured heads=%g leaves %lld of %lld heads, which are not divisible "
                         "by %lld kv groups; each of them must keep as many",
                         ratio, (long long)left, (long long)heads, (long long)groups);
    after->count[SWG_STRUCTURE_HEADS] = left;
    return SWG_OK;
}

static swg_status check_support(const swg_arch *arch, const swg_hparams *h,
                                const swg_structured_request *request)
{
    const bool cuts_width = request->ratio[SWG_STRUCTURE_HIDDEN] > 0;
    const bool cuts_heads =
        request->ratio[SWG_STRUCTURE_HEADS] > 0 || request->ratio[SWG_STRUCTURE_KV_GROUPS] > 0;
    const char *const name = swg_arch_name(arch);
    if (h->is_encoder || h->n_heads == 0)
        return swg_error(SWG_UNSUPPORTED,
                         "structured pruning runs the model on a text, and %s is not a transformer "
                         "that continues texts",
                         name);
    if (h->experts.count > 0)
        return swg_error(SWG_UNSUPPORTED, "structured pruning of experts (%s) is not supported",
                         name);
    if ((cuts_width || cuts_heads) && !swg_hparams_key(arch, offsetof(swg_hparams, head_dim)))
        return swg_error(SWG_UNSUPPORTED,
                         "--structured %s: the width of a head of %s is its hidden size divided by "
                         "its heads, so neither can change alone; ffn and layers can",
                         cuts_width ? "hidden" : "heads and kv-groups", name);
    return SWG_OK;
}

swg_status swg_structured_shape_make(const swg_arch *arch, const swg_hparams *h,
                                     const swg_structured_request *request,
                                     swg_structured_shape *before, swg_structured_shape *after)
{
    static const swg_structure plain[] = {SWG_STRUCTURE_LAYERS, SWG_STRUCTURE_HIDDEN,
                                          SWG_STRUCTURE_KV_GROUPS, SWG_STRUCTURE_FFN};
    SWG_TRY(check_support(arch, h, request));
    before->count[SWG_STRUCTURE_LAYERS] = h->n_layers;
    before->count[SWG_STRUCTURE_HIDDEN] = h->d_model;
    before->count[SWG_STRUCTURE_KV_GROUPS] = h->n_kv_heads;
    before->count[SWG_STRUCTURE_HEADS] = h->n_heads;
    before->count[SWG_STRUCTURE_FFN] = h->d_ff;
    *after = *before;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        int64_t *const count = &after->count[plain[i]];
        SWG_TRY(must_remove(plain[i], *count, request->ratio[plain[i]]));
        *count -= part_of(*count, request->ratio[plain[i]]);
    }
    after->count[SWG_STRUCTURE_HEADS] =
        after->count[SWG_STRUCTURE_KV_GROUPS] * (h->n_heads / h->n_kv_heads);
    return cut_heads(request->ratio[SWG_STRUCTURE_HEADS], after);
}

/* --- Configuration ---------------------------------------------------------------------------- */

/* A size's key and its new value. */
typedef struct change {
    const char *key;
    int64_t value;
    bool is_written;
} change;

enum { MOST_CHANGES = 8 };

static size_t list_changes(const swg_arch *arch, const swg_hparams *h,
                           const swg_structured_shape *after, change out[MOST_CHANGES])
{
    const struct {
        size_t field;
        int64_t old, new;
    } fields[] = {
        {offsetof(swg_hparams, n_layers), h->n_layers, after->count[SWG_STRUCTURE_LAYERS]},
        {offsetof(swg_hparams, d_model), h->d_model, after->count[SWG_STRUCTURE_HIDDEN]},
        {offsetof(swg_hparams, d_ff), h->d_ff, after->count[SWG_STRUCTURE_FFN]},
        {offsetof(swg_hparams, n_heads), h->n_heads, after->count[SWG_STRUCTURE_HEADS]},
        {offsetof(swg_hparams, n_kv_heads), h->n_kv_heads, after->count[SWG_STRUCTURE_KV_GROUPS]},
    };
    size_t n = 0;
    bool is_narrower = false;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const char *const key = swg_hparams_key(arch, fields[i].field);
        if (!key || fields[i].old == fields[i].new)
            continue;
        is_narrower |= fields[i].field == offsetof(swg_hparams, d_model) ||
                       fields[i].field == offsetof(swg_hparams, n_heads);
        out[n++] = (change){.key = key, .value = fields[i].new};
    }
    if (is_narrower) /* it does not follow from the others any more */
        out[n++] = (change){.key = swg_hparams_key(arch, offsetof(swg_hparams, head_dim)),
                            .value = h->head_dim};
    return n;
}

/* Lists with one element per layer lose those of the layers that go. */
static swg_status copy_kept(const swg_json *list, const bool *is_kept, swg_json_writer *json)
{
    size_t layer = 0;
    swg_json_begin_array(json, swg_json_key(list));
    for (const swg_json *v = swg_json_first(list); v; v = swg_json_next(v))
        if (is_kept[layer++])
            SWG_TRY(swg_json_copy(v, json, NULL));
    swg_json_end_array(json);
    return SWG_OK;
}

static swg_status write_member(const swg_json *member, const swg_hparams *h, const bool *is_kept,
                               change *changes, size_t n, swg_json_writer *json)
{
    const char *const key = swg_json_key(member);
    int64_t first;
    for (size_t i = 0; i < n; i++)
        if (strcmp(changes[i].key, key) == 0) {
            changes[i].is_written = true;
            swg_json_int(json, key, changes[i].value);
            return SWG_OK;
        }
    if (strcmp(key, "layer_types") == 0 && swg_json_count(member) == (size_t)h->n_layers)
        return copy_kept(member, is_kept, json);
    if (strcmp(key, "max_window_layers") == 0 && swg_json_as_int(member, &first)) {
        int64_t left = 0; /* layers below the first with a window */
        for (int64_t layer = 0; layer < h->n_layers && layer < first; layer++)
            left += is_kept[layer];
        swg_json_int(json, key, first < h->n_layers ? left : first);
        return SWG_OK;
    }
    return swg_json_copy(member, json, key);
}

swg_status swg_structured_config(const char *config, size_t length, const swg_arch *arch,
                                 const swg_hparams *h, const swg_structured_shape *after,
                                 const bool *is_kept, swg_json_writer *json)
{
    change changes[MOST_CHANGES];
    const size_t n = list_changes(arch, h, after, changes);
    swg_json_doc *document = NULL;
    swg_status status = SWG_OK;
    SWG_GO(swg_json_parse(config, length, "config.json", &document));
    swg_json_begin_object(json, NULL);
    for (const swg_json *v = swg_json_first(swg_json_root(document)); v; v = swg_json_next(v))
        SWG_GO(write_member(v, h, is_kept, changes, n, json));
    for (size_t i = 0; i < n; i++)
        if (!changes[i].is_written)
            swg_json_int(json, changes[i].key, changes[i].value);
    swg_json_end_object(json);
    status = swg_strbuf_status(&json->out);
done:
    swg_json_free(&document);
    return status;
}
