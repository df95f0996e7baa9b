/* Vocabularies in JSON, in two passes: how much they take, then the tokens. */
#include "runtime/text/hf/json_vocab.h"

#include <string.h>

#include "runtime/text/hf/component.h"

static const char file_name[] = "tokenizer.json";

/* Ids may have gaps, but a small file must not ask for a huge table. */
enum { ID_GAPS = 1 << 16 };

/* Called for each token of a model's vocabulary: an object of ids, or an array of [token, score]
 * whose places are the ids. */
typedef swg_status token_visit(void *context, int64_t id, const char *text, size_t length);

static swg_status visit_vocab(const swg_json *vocab, token_visit *visit, void *context)
{
    const swg_json_kind kind = vocab ? swg_json_kind_of(vocab) : SWG_JSON_NULL;
    if (kind != SWG_JSON_OBJECT && kind != SWG_JSON_ARRAY)
        return swg_error(SWG_CORRUPT, "%s: the model has no \"vocab\"", file_name);
    int64_t place = 0;
    for (const swg_json *item = swg_json_first(vocab); item; item = swg_json_next(item), place++) {
        const char *text = swg_json_key(item);
        int64_t id = place;
        if (kind == SWG_JSON_ARRAY && !swg_json_as_string(swg_json_at(item, 0), &text))
            return swg_error(SWG_CORRUPT, "%s: vocabulary entry %lld is not [token, score]",
                             file_name, (long long)place);
        if (kind == SWG_JSON_OBJECT && !swg_json_as_int(item, &id))
            return swg_error(SWG_CORRUPT, "%s: the id of token \"%.100s\" is not an integer",
                             file_name, text);
        SWG_TRY(visit(context, id, text, strlen(text)));
    }
    return SWG_OK;
}

static swg_status visit_added(const swg_json *added, token_visit *visit, void *context)
{
    if (swg_json_is_null(added))
        return SWG_OK;
    if (swg_json_kind_of(added) != SWG_JSON_ARRAY)
        return swg_component_wrong_kind("added_tokens", added, "array");
    for (const swg_json *item = swg_json_first(added); item; item = swg_json_next(item)) {
        int64_t id;
        const char *text;
        if (!swg_json_as_int(swg_json_get(item, "id"), &id) ||
            !swg_json_as_string(swg_json_get(item, "content"), &text))
            return swg_error(SWG_CORRUPT, "%s: an added token lacks \"id\" or \"content\"",
                             file_name);
        SWG_TRY(visit(context, id, text, strlen(text)));
    }
    return SWG_OK;
}

typedef struct vocab_size {
    int64_t highest;
    size_t n_tokens, n_bytes;
} vocab_size;

static swg_status measure(void *context, int64_t id, const char *text, size_t length)
{
    vocab_size *size = context;
    if (id < 0 || id >= INT32_MAX)
        return swg_error(SWG_CORRUPT, "%s: token \"%.100s\" has the impossible id %lld", file_name,
                         text, (long long)id);
    if (id > size->highest)
        size->highest = id;
    size->n_tokens++;
    size->n_bytes += length;
    return SWG_OK;
}

static swg_status check_size(const vocab_size *size)
{
    if (size->highest >= 0 && (uint64_t)size->highest > 2 * (uint64_t)size->n_tokens + ID_GAPS)
        return swg_error(SWG_CORRUPT,
                         "%s: the highest token id is %lld, but there are only %zu "
                         "tokens",
                         file_name, (long long)size->highest, size->n_tokens);
    return SWG_OK;
}

static swg_status set_token(void *context, int64_t id, const char *text, size_t length)
{
    return swg_vocab_set(context, (size_t)id, text, length);
}

/* An added token is often one of the model's; then both must agree. */
static swg_status set_added(void *context, int64_t id, const char *text, size_t length)
{
    swg_vocab *vocab = context;
    size_t known_length;
    const char *known = swg_vocab_text(vocab, id, &known_length);
    if (known && known_length == length && memcmp(known, text, length) == 0)
        return SWG_OK;
    return swg_vocab_set(vocab, (size_t)id, text, length);
}

swg_status swg_json_vocab_read(swg_tokenizer *tokenizer, const swg_json *vocab,
                               const swg_json *added)
{
    vocab_size size = {.highest = -1};
    SWG_TRY(visit_vocab(vocab, measure, &size));
    SWG_TRY(visit_added(added, measure, &size));
    SWG_TRY(check_size(&size));
    const size_t n_ids = (size_t)(size.highest + 1);
    swg_arena *arena = &tokenizer->arena;
    SWG_TRY(swg_vocab_init(&tokenizer->vocab, arena, n_ids, size.n_bytes + size.n_tokens));
    tokenizer->is_special = swg_arena_calloc(arena, n_ids, sizeof *tokenizer->is_special);
    if (!tokenizer->is_special)
        return SWG_NO_MEMORY;
    SWG_TRY(visit_vocab(vocab, set_token, &tokenizer->vocab));
    SWG_TRY(visit_added(added, set_added, &tokenizer->vocab));
    return swg_vocab_index(&tokenizer->vocab, arena);
}

static swg_status set_bytes(void *context, int64_t id, const char *text, size_t length)
{
    swg_vocab *vocab = context;
    size_t n_bytes;
    char *bytes = swg_malloc(length, 1);
    if (!bytes)
        return SWG_NO_MEMORY;
    swg_status status = SWG_OK;
    if (swg_bytelevel_bytes(text, length, bytes, &n_bytes))
        status = swg_vocab_set(vocab, (size_t)id, bytes, n_bytes);
    swg_free(bytes);
    return status;
}

swg_status swg_model_vocab(swg_tokenizer *tokenizer, const swg_json *json, bool is_byte_level,
                           swg_vocab *out)
{
    vocab_size size = {.highest = -1};
    SWG_TRY(visit_vocab(json, measure, &size));
    SWG_TRY(swg_vocab_init(out, &tokenizer->arena, (size_t)(size.highest + 1),
                           size.n_bytes + size.n_tokens));
    SWG_TRY(visit_vocab(json, is_byte_level ? set_bytes : set_token, out));
    return swg_vocab_index(out, &tokenizer->arena);
}
