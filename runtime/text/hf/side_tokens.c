/* Added tokens that stand outside of the vocabulary's own file: a fine-tune saved without
 * tokenizer.json has its chat tokens only in tokenizer_config.json ("added_tokens_decoder": id ->
 * token with its flags) or in the older added_tokens.json (token -> id). Tokens that have a role
 * (bos_token, additional_special_tokens ...) are looked for in a text too. All of these are found
 * in the text as it is, as in every tokenizer that is not made from tokenizer.json; there,
 * `normalized` counts. */
#include <string.h>

#include "runtime/text/hf/component.h"

/* Ids may leave gaps after the vocabulary, but a small file must not ask for a huge table. */
enum { ID_GAPS = 1 << 16 };

static const char *const roles[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                    "pad_token", "cls_token", "mask_token"};
static const char *const role_lists[] = {"additional_special_tokens", "extra_special_tokens"};
enum {
    N_ROLES = sizeof roles / sizeof *roles,
    N_ROLE_LISTS = sizeof role_lists / sizeof *role_lists
};

/* A token as its file gives it. */
typedef struct side_token {
    const char *file, *text;
    size_t length;
    int64_t id;
    bool is_special, single_word, lstrip, rstrip, normalized;
    bool special_by_role; /* its file has no flags: special when it has a role, else normalized */
} side_token;

typedef struct side_list {
    side_token *tokens;
    size_t count;
} side_list;

/* --- Reading ---------------------------------------------------------------------------------- */

static const char *text_of(const swg_json *value)
{
    const char *text;
    if (value && swg_json_kind_of(value) == SWG_JSON_OBJECT)
        value = swg_json_get(value, "content");
    return swg_json_as_string(value, &text) ? text : NULL;
}

const char *swg_named_token(const swg_text_files *files, const char *key, const char **file)
{
    static const char *const names[] = {"tokenizer_config.json", "special_tokens_map.json"};
    const swg_json *const roots[] = {files->settings, files->special};
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
        const char *text = text_of(swg_json_get(roots[i], key));
        if (!text)
            continue;
        *file = names[i];
        return text;
    }
    return NULL;
}

/* "added_tokens_decoder": {"32000": {"content": "<|im_end|>", "special": true, ...}}. */
static swg_status read_decoder(const swg_json *decoder, side_list *list)
{
    static const char file[] = "tokenizer_config.json";
    for (const swg_json *item = swg_json_first(decoder); item; item = swg_json_next(item)) {
        const char *key = swg_json_key(item), *text = text_of(item);
        const size_t n_digits = key ? strspn(key, "0123456789") : 0;
        if (n_digits == 0 || n_digits > 9 || key[n_digits] || !text)
            return swg_error(SWG_CORRUPT,
                             "%s: added_tokens_decoder has \"%.100s\", which is not an id with "
                             "the \"content\" of a token",
                             file, key ? key : "");
        side_token token = {.file = file, .text = text, .length = strlen(text)};
        for (size_t i = 0; i < n_digits; i++)
            token.id = token.id * 10 + (key[i] - '0');
        SWG_TRY(swg_component_bool(item, "special", false, &token.is_special));
        SWG_TRY(swg_component_bool(item, "single_word", false, &token.single_word));
        SWG_TRY(swg_component_bool(item, "lstrip", false, &token.lstrip));
        SWG_TRY(swg_component_bool(item, "rstrip", false, &token.rstrip));
        SWG_TRY(swg_component_bool(item, "normalized", !token.is_special, &token.normalized));
        list->tokens[list->count++] = token;
    }
    return SWG_OK;
}

/* {"<|im_end|>": 32000}. */
static swg_status read_added_file(const swg_text_files *files, side_list *list)
{
    static const char file[] = "added_tokens.json";
    for (const swg_json *item = swg_json_first(files->added); item; item = swg_json_next(item)) {
        side_token token = {.file = file, .text = swg_json_key(item)};
        if (!token.text || !swg_json_as_int(item, &token.id) || token.id < 0 ||
            token.id >= INT32_MAX)
            return swg_error(SWG_CORRUPT, "%s: the id of token \"%.100s\" is not an integer", file,
                             token.text ? token.text : "");
        token.length = strlen(token.text);
        token.special_by_role = true;
        list->tokens[list->count++] = token;
    }
    return SWG_OK;
}

static swg_status read_list(const swg_text_files *files, side_list *list)
{
    const swg_json *decoder = swg_json_get(files->settings, "added_tokens_decoder");
    const bool has_decoder = !swg_json_is_null(decoder);
    SWG_TRY(SWG_NEW(list->tokens, swg_json_count(has_decoder ? decoder : files->added)));
    return has_decoder ? read_decoder(decoder, list) : read_added_file(files, list);
}

/* --- Adding ----------------------------------------------------------------------------------- */

/* Room for the ids beyond the vocabulary, and their tokens. */
static swg_status extend_vocab(swg_tokenizer *tokenizer, const side_list *list)
{
    if (list->count == 0)
        return SWG_OK;
    swg_vocab *vocab = &tokenizer->vocab;
    size_t n_ids = vocab->n_ids, n_bytes = list->count;
    const size_t most = n_ids + list->count + ID_GAPS;
    for (size_t i = 0; i < list->count; i++) {
        const side_token *token = &list->tokens[i];
        if ((uint64_t)token->id >= most)
            return swg_error(SWG_CORRUPT,
                             "%s: token \"%.100s\" has the id %lld, but the vocabulary has %zu",
                             token->file, token->text, (long long)token->id, vocab->n_ids);
        n_ids = (size_t)token->id >= n_ids ? (size_t)token->id + 1 : n_ids;
        n_bytes += token->length;
    }
    bool *is_special = swg_arena_calloc(&tokenizer->arena, n_ids, sizeof *is_special);
    if (!is_special)
        return SWG_NO_MEMORY;
    memcpy(is_special, tokenizer->is_special, vocab->n_ids * sizeof *is_special);
    tokenizer->is_special = is_special;
    SWG_TRY(swg_vocab_grow(vocab, &tokenizer->arena, n_ids, n_bytes));
    for (size_t i = 0; i < list->count; i++) {
        const side_token *token = &list->tokens[i];
        size_t length;
        const char *known = swg_vocab_text(vocab, token->id, &length);
        if (known && (length != token->length || memcmp(known, token->text, length) != 0))
            return swg_error(SWG_CORRUPT,
                             "%s: token %lld is \"%.100s\", but the vocabulary has \"%.100s\"",
                             token->file, (long long)token->id, token->text, known);
        if (!known)
            SWG_TRY(swg_vocab_set(vocab, (size_t)token->id, token->text, token->length));
    }
    return swg_vocab_index(vocab, &tokenizer->arena);
}

/* What is known of an id while tokens are added. */
enum { HAS_ROLE = 1, IS_ADDED = 2 };

static void mark(const swg_tokenizer *tokenizer, const char *text, uint8_t *marks)
{
    const size_t length = text ? strlen(text) : 0;
    const int32_t id = length ? swg_vocab_find(&tokenizer->vocab, text, length) : -1;
    if (id >= 0)
        marks[id] |= HAS_ROLE;
}

static void mark_ids(const swg_tokenizer *tokenizer, const swg_text_files *files, uint8_t *marks)
{
    const swg_json *const roots[] = {files->settings, files->special};
    const swg_added_set *const sets[] = {&tokenizer->raw_tokens, &tokenizer->normalized_tokens};
    for (size_t i = 0; i < N_ROLES; i++) {
        const char *file;
        mark(tokenizer, swg_named_token(files, roles[i], &file), marks);
    }
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
        for (size_t k = 0; k < N_ROLE_LISTS; k++) {
            const swg_json *tokens = swg_json_get(roots[i], role_lists[k]);
            for (const swg_json *item = swg_json_first(tokens); item; item = swg_json_next(item))
                mark(tokenizer, text_of(item), marks);
        }
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        for (size_t k = 0; k < sets[i]->count; k++)
            marks[sets[i]->tokens[k].id] |= IS_ADDED;
}

static swg_status room_for(swg_arena *arena, swg_added_set *set, size_t n_more)
{
    swg_added_token *tokens = swg_arena_calloc(arena, set->count + n_more, sizeof *tokens);
    if (!tokens)
        return SWG_NO_MEMORY;
    if (set->count > 0)
        memcpy(tokens, set->tokens, set->count * sizeof *tokens);
    set->tokens = tokens;
    return SWG_OK;
}

static swg_status add_token(swg_tokenizer *tokenizer, const side_token *side, bool is_fast,
                            uint8_t *marks)
{
    swg_added_token token = {.id = (int32_t)side->id,
                             .is_special = side->is_special,
                             .single_word = side->single_word,
                             .lstrip = side->lstrip,
                             .rstrip = side->rstrip};
    if (side->length == 0 || marks[side->id] & IS_ADDED)
        return SWG_OK;
    marks[side->id] |= IS_ADDED;
    if (side->special_by_role)
        token.is_special = marks[side->id] & HAS_ROLE;
    const bool normalized =
        is_fast && (side->special_by_role ? !token.is_special : side->normalized);
    swg_added_set *set = normalized ? &tokenizer->normalized_tokens : &tokenizer->raw_tokens;
    token.text = swg_vocab_text(&tokenizer->vocab, side->id, &token.length);
    tokenizer->is_special[side->id] = token.is_special;
    if (normalized)
        SWG_TRY(swg_added_normalize(tokenizer, &token));
    if (token.length > 0)
        set->tokens[set->count++] = token;
    return SWG_OK;
}

/* Tokens of the vocabulary that have a role and that no file lists as added. */
static swg_status add_roles(swg_tokenizer *tokenizer, uint8_t *marks)
{
    for (size_t id = 0; id < tokenizer->vocab.n_ids; id++) {
        side_token token = {.id = (int64_t)id, .is_special = true};
        if (marks[id] != HAS_ROLE)
            continue;
        token.text = swg_vocab_text(&tokenizer->vocab, token.id, &token.length);
        SWG_TRY(add_token(tokenizer, &token, false, marks));
    }
    return SWG_OK;
}

swg_status swg_tokenizer_add_side_tokens(swg_tokenizer *tokenizer, const swg_text_files *files)
{
    const bool is_fast = swg_text_file(files, "tokenizer.json") != NULL;
    side_list list = {0};
    uint8_t *marks = NULL;
    swg_status status;
    SWG_GO(read_list(files, &list));
    SWG_GO(extend_vocab(tokenizer, &list));
    const size_t n_ids = tokenizer->vocab.n_ids;
    SWG_GO(SWG_NEW(marks, n_ids));
    mark_ids(tokenizer, files, marks);
    size_t n_roles = 0;
    for (size_t id = 0; id < n_ids; id++)
        n_roles += marks[id] == HAS_ROLE;
    SWG_GO(room_for(&tokenizer->arena, &tokenizer->raw_tokens, list.count + n_roles));
    SWG_GO(room_for(&tokenizer->arena, &tokenizer->normalized_tokens, list.count));
    for (size_t i = 0; i < list.count; i++)
        SWG_GO(add_token(tokenizer, &list.tokens[i], is_fast, marks));
    SWG_GO(add_roles(tokenizer, marks));
    swg_added_finish(&tokenizer->raw_tokens);
    swg_added_finish(&tokenizer->normalized_tokens);
done:
    swg_free(list.tokens);
    swg_free(marks);
    return status;
}
