/* Records of windows: see window_records.h. */
#include "eval/window_records.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/hash.h"
#include "runtime/base/mem.h"

struct swg_window_records {
    const swg_records *file;
    const swg_windows *windows;
    bool compares;
    swg_window_record *read; /* [n_windows], of which the first n_read are there */
    size_t n_read;
    swg_arena arena;
};

enum { HASH_TEXT = 17 };

static void hash_text(const int32_t *ids, size_t n, char out[HASH_TEXT])
{
    snprintf(out, HASH_TEXT, "%016" PRIx64, swg_hash64(ids, n * sizeof *ids));
}

static void window_hash(const swg_windows *windows, size_t index, char out[HASH_TEXT])
{
    hash_text(windows->ids + windows->windows[index].begin, windows->windows[index].count, out);
}

void swg_windows_write(const swg_windows *windows, swg_json_writer *head)
{
    char hash[HASH_TEXT];
    hash_text(windows->ids, windows->n_ids, hash);
    swg_json_uint(head, "windows", windows->n_windows);
    swg_json_string(head, "ids_hash", hash);
}

/* --- Members ---------------------------------------------------------------------------------- */

static const struct {
    const char *key;
    size_t offset;
    bool is_count; /* of tokens, else a sum */
    bool compares; /* only with a reference */
} members[] = {
    {"nll_sum", offsetof(swg_window_record, nll), false, false},
    {"nll_ref_sum", offsetof(swg_window_record, nll_ref), false, true},
    {"nll_difference_sum", offsetof(swg_window_record, nll_difference), false, true},
    {"kld_sum", offsetof(swg_window_record, kld), false, true},
    {"same_top", offsetof(swg_window_record, same_top), true, true},
    {"top_in_five", offsetof(swg_window_record, top_in_five), true, true},
    {"hits_gained", offsetof(swg_window_record, hits_gained), true, true},
    {"hits_lost", offsetof(swg_window_record, hits_lost), true, true},
};
enum { N_MEMBERS = sizeof members / sizeof members[0] };

static double *sum_at(swg_window_record *record, size_t member)
{
    return (double *)((char *)record + members[member].offset);
}

static uint64_t *count_at(swg_window_record *record, size_t member)
{
    return (uint64_t *)((char *)record + members[member].offset);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static swg_status bad_member(const char *where, const char *key, const char *wanted)
{
    return swg_error(SWG_CORRUPT, "%s: \"%s\" is missing or not %s", where, key, wanted);
}

static swg_status read_members(const swg_window_records *r, const swg_json *root, size_t n_scored,
                               const char *where, swg_window_record *out)
{
    for (size_t i = 0; i < N_MEMBERS; i++) {
        const swg_json *value = swg_json_get(root, members[i].key);
        int64_t count;
        if (members[i].compares && !r->compares)
            continue;
        if (!members[i].is_count) {
            if (!swg_json_as_double(value, sum_at(out, i)))
                return bad_member(where, members[i].key, "a number");
            continue;
        }
        if (!swg_json_as_int(value, &count) || count < 0 || (uint64_t)count > n_scored)
            return bad_member(where, members[i].key, "a count of the window's tokens");
        *count_at(out, i) = (uint64_t)count;
    }
    return SWG_OK;
}

static swg_status read_klds(swg_window_records *r, const swg_json *root, size_t n_scored,
                            const char *where, swg_window_record *out)
{
    const swg_json *list = swg_json_get(root, "klds");
    size_t n = 0;
    if (!list || swg_json_kind_of(list) != SWG_JSON_ARRAY || swg_json_count(list) != n_scored)
        return swg_error(SWG_CORRUPT,
                         "%s: \"klds\" is not a list of the window's %zu scored tokens", where,
                         n_scored);
    out->klds = swg_arena_calloc(&r->arena, n_scored, sizeof *out->klds);
    if (!out->klds)
        return SWG_NO_MEMORY;
    for (const swg_json *v = swg_json_first(list); v; v = swg_json_next(v), n++) {
        double kld;
        if (!swg_json_as_double(v, &kld) || fabs(kld) > 1e30)
            return swg_error(SWG_CORRUPT, "%s: element %zu of \"klds\" is not a divergence", where,
                             n);
        out->klds[n] = (float)kld;
    }
    return SWG_OK;
}

static swg_status read_record(void *context, const swg_json *root, const char *where)
{
    swg_window_records *r = context;
    const size_t i = r->n_read;
    const char *hash;
    char wanted[HASH_TEXT];
    int64_t index, tokens;
    if (i == r->windows->n_windows)
        return swg_error(SWG_CORRUPT, "%s: a record beyond the %zu windows of the text", where, i);
    if (!swg_json_as_int(swg_json_get(root, "index"), &index) || index != (int64_t)i)
        return swg_error(SWG_CORRUPT, "%s: \"index\" is missing or not %zu, the next window", where,
                         i);
    const size_t n_scored = r->windows->windows[i].n_scored;
    window_hash(r->windows, i, wanted);
    if (!swg_json_as_int(swg_json_get(root, "tokens"), &tokens) || tokens != (int64_t)n_scored)
        return swg_error(SWG_CORRUPT, "%s: \"tokens\" is missing or not the window's %zu", where,
                         n_scored);
    if (!swg_json_as_string(swg_json_get(root, "ids_hash"), &hash) || strcmp(hash, wanted) != 0)
        return swg_error(SWG_CORRUPT, "%s: \"ids_hash\" is missing or not %s, that of window %zu",
                         where, wanted, i);
    SWG_TRY(read_members(r, root, n_scored, where, &r->read[i]));
    if (r->compares)
        SWG_TRY(read_klds(r, root, n_scored, where, &r->read[i]));
    r->n_read++;
    return SWG_OK;
}

/* --- Life ------------------------------------------------------------------------------------- */

swg_status swg_window_records_open(swg_records *records, const swg_windows *windows, bool compares,
                                   swg_window_records **out)
{
    swg_status status = SWG_OK;
    swg_window_records *r = NULL;
    SWG_GO(SWG_NEW(r, 1));
    *r = (swg_window_records){.file = records, .windows = windows, .compares = compares};
    SWG_GO(SWG_NEW(r->read, windows->n_windows));
    SWG_GO(swg_records_open(records, read_record, r));
    *out = r;
    r = NULL;
done:
    swg_window_records_free(&r);
    return status;
}

void swg_window_records_free(swg_window_records **records)
{
    swg_window_records *r = *records;
    if (!r)
        return;
    swg_free(r->read);
    swg_arena_deinit(&r->arena);
    swg_free(r);
    *records = NULL;
}

size_t swg_window_records_count(const swg_window_records *records)
{
    return records->n_read;
}

const swg_window_record *swg_window_records_at(const swg_window_records *records, size_t window)
{
    return &records->read[window];
}

swg_status swg_window_records_add(swg_window_records *r, size_t window,
                                  const swg_window_record *record)
{
    swg_window_record copy = *record;
    swg_json_writer json = {.compact = true};
    const size_t n_scored = r->windows->windows[window].n_scored;
    char hash[HASH_TEXT];
    window_hash(r->windows, window, hash);
    swg_json_begin_object(&json, NULL);
    swg_json_uint(&json, "index", window);
    swg_json_uint(&json, "tokens", n_scored);
    swg_json_string(&json, "ids_hash", hash);
    for (size_t i = 0; i < N_MEMBERS; i++) {
        if (members[i].compares && !r->compares)
            continue;
        if (members[i].is_count)
            swg_json_uint(&json, members[i].key, *count_at(&copy, i));
        else
            swg_json_double(&json, members[i].key, *sum_at(&copy, i));
    }
    if (r->compares) {
        swg_json_double(&json, "kld_mean", record->kld / (double)n_scored);
        swg_json_begin_array(&json, "klds");
        for (size_t i = 0; i < n_scored; i++)
            swg_json_double(&json, NULL, (double)record->klds[i]);
        swg_json_end_array(&json);
    }
    swg_json_end_object(&json);
    return swg_records_append(r->file, &json);
}
