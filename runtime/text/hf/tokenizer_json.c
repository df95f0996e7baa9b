/* tokenizer.json: the order in which its parts are read, its vocabulary and its added tokens; and
 * the older pair vocab.json + merges.txt, which means the same with GPT-2's byte-level parts. */
#include <string.h>

#include "runtime/text/tokenizer_parts.h"

static const char file_name[] = "tokenizer.json";

/* Ids may have gaps, but a small file must not ask for a huge table. */
enum { ID_GAPS = 1 << 16 };

/* --- Components ------------------------------------------------------------------------------- */

swg_status swg_component_read(const char *family, const swg_component *table, size_t n_rows,
                              swg_tokenizer *tokenizer, const swg_json *json)
{
    if (!json || swg_json_kind_of(json) == SWG_JSON_NULL)
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

static swg_status wrong_kind(const char *key, const swg_json *value, const char *wanted)
{
    return swg_error(SWG_CORRUPT, "%s: \"%s\" is of kind %s, not %s", file_name, key,
                     swg_json_kind_name(swg_json_kind_of(value)), wanted);
}

swg_status swg_component_bool(const swg_json *json, const char *key, bool fallback, bool *out)
{
    const swg_json *value = swg_json_get(json, key);
    *out = fallback;
    if (!value || swg_json_kind_of(value) == SWG_JSON_NULL || swg_json_as_bool(value, out))
        return SWG_OK;
    return wrong_kind(key, value, "boolean");
}

swg_status swg_component_string(const swg_json *json, const char *key, const char *fallback,
                                const char **out)
{
    const swg_json *value = swg_json_get(json, key);
    *out = fallback;
    if (!value || swg_json_kind_of(value) == SWG_JSON_NULL || swg_json_as_string(value, out))
        return SWG_OK;
    return wrong_kind(key, value, "string");
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

static swg_status read_bpe_or_guess(swg_tokenizer *tokenizer, const swg_json *json)
{
    /* Files written before the type was recorded are BPE when they have merges. */
    if (swg_json_get(json, "type") || !swg_json_get(json, "merges"))
        return swg_error(SWG_CORRUPT, "%s: the model has no \"type\"", file_name);
    return swg_bpe_read(tokenizer, json);
}

swg_status swg_model_read(swg_tokenizer *tokenizer, const swg_json *json)
{
    static const swg_component table[] = {
        {"BPE", swg_bpe_read},
        {"Unigram", swg_unigram_read},
        {"WordLevel", swg_wordlevel_read},
        {"WordPiece", swg_wordpiece_read},
    };
    const char *type;
    if (!swg_json_as_string(swg_json_get(json, "type"), &type))
        return read_bpe_or_guess(tokenizer, json);
    return swg_component_read("model", table, sizeof table / sizeof *table, tokenizer, json);
}

/* --- Vocabulary ------------------------------------------------------------------------------- */

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
    if (!added || swg_json_kind_of(added) == SWG_JSON_NULL)
        return SWG_OK;
    if (swg_json_kind_of(added) != SWG_JSON_ARRAY)
        return wrong_kind("added_tokens", added, "array");
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

static swg_status read_vocab(swg_tokenizer *tokenizer, const swg_json *vocab, const swg_json *added)
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

/* --- Added tokens ----------------------------------------------------------------------------- */

/* What a normalized token looks like in normalized text. */
static swg_status normalize_token(swg_tokenizer *tokenizer, swg_added_token *token)
{
    swg_strbuf buffers[2] = {{0}};
    swg_status status = SWG_OK;
    for (size_t i = 0; i < tokenizer->n_normalizers; i++) {
        const swg_normalize_step *step = &tokenizer->normalizers[i];
        swg_strbuf *out = &buffers[i % 2];
        out->length = 0;
        SWG_GO(step->run(step->data, token->text, token->length, out));
        SWG_GO(swg_strbuf_status(out));
        token->text = swg_strbuf_text(out);
        token->length = out->length;
    }
    token->text = swg_arena_strndup(&tokenizer->arena, token->text, token->length);
    status = token->text ? SWG_OK : SWG_NO_MEMORY;
done:
    swg_strbuf_deinit(&buffers[0]);
    swg_strbuf_deinit(&buffers[1]);
    return status;
}

static swg_status read_added_token(swg_tokenizer *tokenizer, const swg_json *json)
{
    int64_t id = -1;
    bool normalized;
    swg_added_token token = {0};
    swg_json_as_int(swg_json_get(json, "id"), &id);
    token.id = (int32_t)id;
    SWG_TRY(swg_component_bool(json, "special", false, &token.is_special));
    SWG_TRY(swg_component_bool(json, "single_word", false, &token.single_word));
    SWG_TRY(swg_component_bool(json, "lstrip", false, &token.lstrip));
    SWG_TRY(swg_component_bool(json, "rstrip", false, &token.rstrip));
    SWG_TRY(swg_component_bool(json, "normalized", !token.is_special, &normalized));
    token.text = swg_vocab_text(&tokenizer->vocab, id, &token.length);
    tokenizer->is_special[id] = token.is_special;
    if (normalized)
        SWG_TRY(normalize_token(tokenizer, &token));
    if (token.length == 0)
        return SWG_OK;
    swg_added_set *set = normalized ? &tokenizer->normalized_tokens : &tokenizer->raw_tokens;
    set->tokens[set->count++] = token;
    return SWG_OK;
}

static swg_status read_added(swg_tokenizer *tokenizer, const swg_json *added)
{
    if (!added || swg_json_kind_of(added) == SWG_JSON_NULL)
        return SWG_OK;
    const size_t n = swg_json_count(added);
    swg_added_set *sets[] = {&tokenizer->raw_tokens, &tokenizer->normalized_tokens};
    for (size_t i = 0; i < 2; i++) {
        sets[i]->tokens = swg_arena_calloc(&tokenizer->arena, n, sizeof *sets[i]->tokens);
        if (!sets[i]->tokens)
            return SWG_NO_MEMORY;
    }
    for (const swg_json *item = swg_json_first(added); item; item = swg_json_next(item))
        SWG_TRY(read_added_token(tokenizer, item));
    swg_added_finish(&tokenizer->raw_tokens);
    swg_added_finish(&tokenizer->normalized_tokens);
    return SWG_OK;
}

/* --- Whole files ------------------------------------------------------------------------------ */

static swg_status read_parts(swg_tokenizer *tokenizer, const swg_json *root)
{
    const swg_json *added = swg_json_get(root, "added_tokens");
    const swg_json *model = swg_json_get(root, "model");
    if (!model || swg_json_kind_of(model) != SWG_JSON_OBJECT)
        return swg_error(SWG_CORRUPT, "%s: has no object \"model\"", file_name);
    SWG_TRY(read_vocab(tokenizer, swg_json_get(model, "vocab"), added));
    SWG_TRY(swg_normalizer_read(tokenizer, swg_json_get(root, "normalizer")));
    SWG_TRY(swg_split_read(tokenizer, swg_json_get(root, "pre_tokenizer")));
    SWG_TRY(swg_model_read(tokenizer, model));
    SWG_TRY(read_added(tokenizer, added));
    SWG_TRY(swg_post_read(tokenizer, swg_json_get(root, "post_processor")));
    return swg_decoder_read(tokenizer, swg_json_get(root, "decoder"));
}

swg_status swg_tokenizer_read_json(swg_tokenizer *tokenizer, const swg_text_files *files)
{
    const swg_file_view *file = swg_text_file(files, file_name);
    swg_json_doc *doc = NULL;
    SWG_TRY(swg_json_parse(file->data, file->length, file_name, &doc));
    const swg_status status = read_parts(tokenizer, swg_json_root(doc));
    swg_json_free(&doc);
    return status;
}

/* GPT-2's one added token, where the vocabulary has it. */
static swg_status add_end_of_text(swg_tokenizer *tokenizer)
{
    static const char text[] = "<|endoftext|>";
    const size_t length = sizeof text - 1;
    const int32_t id = swg_tokenizer_find(tokenizer, text, length);
    if (id < 0)
        return SWG_OK;
    swg_added_set *set = &tokenizer->raw_tokens;
    set->tokens = swg_arena_calloc(&tokenizer->arena, 1, sizeof *set->tokens);
    if (!set->tokens)
        return SWG_NO_MEMORY;
    set->tokens[set->count++] =
        (swg_added_token){.text = text, .length = length, .id = id, .is_special = true};
    swg_added_finish(set);
    tokenizer->is_special[id] = true;
    tokenizer->bos = tokenizer->eos = id;
    return SWG_OK;
}

swg_status swg_tokenizer_read_vocab_merges(swg_tokenizer *tokenizer, const swg_text_files *files)
{
    const swg_file_view *file = swg_text_file(files, "vocab.json");
    const swg_file_view *merges = swg_text_file(files, "merges.txt");
    swg_json_doc *doc = NULL;
    swg_status status;
    SWG_GO(swg_json_parse(file->data, file->length, "vocab.json", &doc));
    SWG_GO(read_vocab(tokenizer, swg_json_root(doc), NULL));
    SWG_GO(swg_bytelevel_add(tokenizer, false, true));
    SWG_GO(swg_bpe_read_text(tokenizer, swg_json_root(doc), merges->data, merges->length));
    SWG_GO(add_end_of_text(tokenizer));
    SWG_GO(swg_bytelevel_read_decoder(tokenizer, NULL));
done:
    swg_json_free(&doc);
    return status;
}
