/* The vocabulary of a GGUF being put together out of any tokenizer's files: tokens with their types
 * and scores, the tokens that other files add, and the ids of special tokens. */
#include "formats/gguf/gguf_write_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- The vocabulary --------------------------------------------------------------------------- */

swg_status swg_gguf_words_room(swg_gguf_words *v, uint64_t vocab_size)
{
    v->n = (size_t)vocab_size;
    v->tokens = swg_arena_calloc(&v->arena, v->n, sizeof *v->tokens);
    v->types = swg_arena_calloc(&v->arena, v->n, sizeof *v->types);
    v->scores = swg_arena_calloc(&v->arena, v->n, sizeof *v->scores);
    return v->tokens && v->types && v->scores ? SWG_OK : SWG_NO_MEMORY;
}

swg_status swg_gguf_words_set(swg_gguf_words *v, int64_t id, const char *text, int type)
{
    if (id < 0 || (uint64_t)id >= v->n)
        return swg_error(SWG_UNSUPPORTED,
                         "%s: token \"%.60s\" has the id %lld, the embedding has %zu rows",
                         v->sink->path, text, (long long)id, v->n);
    if (!v->tokens[id])
        v->tokens[id] = text;
    v->types[id] = (uint8_t)type;
    return SWG_OK;
}

swg_status swg_gguf_words_read(swg_gguf_words *v, const swg_json *vocab, int64_t unk)
{
    if (!vocab || swg_json_kind_of(vocab) != SWG_JSON_OBJECT)
        return swg_error(SWG_CORRUPT, "%s: the tokenizer has no object \"vocab\"", v->sink->path);
    for (const swg_json *item = swg_json_first(vocab); item; item = swg_json_next(item)) {
        int64_t id = -1;
        unsigned byte;
        char rest;
        const char *text = swg_json_key(item);
        swg_json_as_int(item, &id);
        const bool is_byte = strlen(text) == 6 && sscanf(text, "<0x%2X%c", &byte, &rest) == 2;
        SWG_TRY(swg_gguf_words_set(v, id, text,
                                   id == unk ? SWG_TOKEN_UNKNOWN
                                   : is_byte ? SWG_TOKEN_BYTE
                                             : SWG_TOKEN_NORMAL));
    }
    return SWG_OK;
}

swg_status swg_gguf_words_added(swg_gguf_words *v, const swg_json *root, int64_t unk)
{
    const swg_json *added = swg_json_get(root, "added_tokens");
    for (const swg_json *item = swg_json_first(added); item; item = swg_json_next(item)) {
        int64_t id = -1;
        bool is_special = false;
        const char *text;
        if (!swg_json_as_int(swg_json_get(item, "id"), &id) ||
            !swg_json_as_string(swg_json_get(item, "content"), &text))
            return swg_error(SWG_CORRUPT, "%s: an added token has no \"id\" or \"content\"",
                             v->sink->path);
        swg_json_as_bool(swg_json_get(item, "special"), &is_special);
        SWG_TRY(swg_gguf_words_set(v, id, text,
                                   id == unk    ? SWG_TOKEN_UNKNOWN
                                   : is_special ? SWG_TOKEN_CONTROL
                                                : SWG_TOKEN_USER_DEFINED));
    }
    return SWG_OK;
}

static bool is_known(const swg_gguf_words *v, int64_t id, const char *text)
{
    return id >= 0 && (uint64_t)id < v->n && v->tokens[id] &&
           (strcmp(v->tokens[id], text) != 0 || v->types[id] != SWG_TOKEN_NORMAL);
}

swg_status swg_gguf_words_side_tokens(swg_gguf_words *v)
{
    const swg_json *decoder = swg_json_get(v->settings, "added_tokens_decoder");
    for (const swg_json *item = swg_json_first(decoder); item; item = swg_json_next(item)) {
        const char *text;
        bool is_special = false;
        const int64_t id = strtoll(swg_json_key(item), NULL, 10);
        swg_json_as_bool(swg_json_get(item, "special"), &is_special);
        if (swg_json_as_string(swg_json_get(item, "content"), &text) && !is_known(v, id, text))
            SWG_TRY(swg_gguf_words_set(v, id, text,
                                       is_special ? SWG_TOKEN_CONTROL : SWG_TOKEN_USER_DEFINED));
    }
    for (const swg_json *item = swg_json_first(v->added); item && !decoder;
         item = swg_json_next(item)) {
        int64_t id;
        if (swg_json_as_int(item, &id) && !is_known(v, id, swg_json_key(item)))
            SWG_TRY(swg_gguf_words_set(v, id, swg_json_key(item), SWG_TOKEN_USER_DEFINED));
    }
    return SWG_OK;
}

/* Rows of the embedding without a token get a name that no text has. */
swg_status swg_gguf_words_fill(swg_gguf_words *v)
{
    for (size_t id = 0; id < v->n; id++) {
        char name[32];
        if (v->tokens[id])
            continue;
        const int length = snprintf(name, sizeof name, "[PAD%zu]", id);
        v->tokens[id] = swg_arena_strndup(&v->arena, name, (size_t)length);
        if (!v->tokens[id])
            return SWG_NO_MEMORY;
        v->types[id] = SWG_TOKEN_UNUSED;
    }
    return SWG_OK;
}

/* Linear: asked for a handful of special tokens. */
int64_t swg_gguf_words_find(const swg_gguf_words *v, const char *text)
{
    for (size_t id = 0; id < v->n; id++)
        if (v->tokens[id] && strcmp(v->tokens[id], text) == 0)
            return (int64_t)id;
    return -1;
}

void swg_gguf_words_put(swg_gguf_words *v, const char *model, const char *pre, bool has_scores)
{
    swg_gguf_values *values = v->values;
    swg_gguf_put_text(values, "tokenizer.ggml.model", model, strlen(model));
    swg_gguf_put_text(values, "tokenizer.ggml.pre", pre, strlen(pre));
    swg_gguf_put_array(values, "tokenizer.ggml.tokens", SWG_GGUF_STRING, v->n);
    for (size_t id = 0; id < v->n; id++)
        swg_gguf_append_text(&values->out, v->tokens[id], strlen(v->tokens[id]));
    if (has_scores) {
        swg_gguf_put_array(values, "tokenizer.ggml.scores", SWG_GGUF_FLOAT32, v->n);
        swg_strbuf_append(&values->out, v->scores, v->n * sizeof *v->scores);
    }
    swg_gguf_put_array(values, "tokenizer.ggml.token_type", SWG_GGUF_I32, v->n);
    for (size_t id = 0; id < v->n; id++)
        swg_gguf_append_number(&values->out, 4, v->types[id]);
}

/* --- Special tokens --------------------------------------------------------------------------- */

/* "x" or {"content": "x"} of tokenizer_config.json. */
const char *swg_gguf_words_setting(const swg_gguf_words *v, const char *key)
{
    const swg_json *value = swg_json_get(v->settings, key);
    const char *text = NULL;
    if (!swg_json_as_string(value, &text))
        swg_json_as_string(swg_json_get(value, "content"), &text);
    return text;
}

/* The id that tokenizer_config.json, config.json or a usual spelling gives; -1 = none. */
int64_t swg_gguf_words_special(const swg_gguf_words *v, const char *name, const char *spelling)
{
    char key[32];
    int64_t id = -1;
    snprintf(key, sizeof key, "%s_token", name);
    const char *text = swg_gguf_words_setting(v, key);
    if (text)
        id = swg_gguf_words_find(v, text);
    snprintf(key, sizeof key, "%s_token_id", name);
    const swg_json *value = swg_json_get(v->config, key);
    if (id < 0 && !swg_json_as_int(value, &id))
        swg_json_as_int(swg_json_first(value), &id);
    if (id < 0 && spelling)
        id = swg_gguf_words_find(v, spelling);
    return id >= 0 && (uint64_t)id < v->n ? id : -1;
}

void swg_gguf_words_put_id(const swg_gguf_words *v, const char *gguf_name, int64_t id)
{
    char key[64];
    snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", gguf_name);
    if (id >= 0)
        swg_gguf_put_u32(v->values, key, (uint64_t)id);
}

/* The end of text, and the further tokens that end a text by config.json's list: engines have two
 * more keys for such tokens, and the rest are for the way back. */
void swg_gguf_words_put_end_ids(const swg_gguf_words *v, int64_t eos)
{
    static const char *const more[] = {"eot", "eom"};
    const swg_json *list = swg_json_get(v->config, "eos_token_id");
    const size_t n_more = sizeof more / sizeof *more;
    swg_gguf_words_put_id(v, "eos", eos);
    size_t n = 0;
    for (int pass = 0; pass < 2; pass++) {
        if (pass && n <= n_more)
            break;
        if (pass)
            swg_gguf_put_array(v->values, SWG_GGUF_ENDS_NOTE, SWG_GGUF_I32, n);
        for (const swg_json *item = swg_json_first(list); item; item = swg_json_next(item)) {
            int64_t id;
            if (!swg_json_as_int(item, &id) || id < 0 || (uint64_t)id >= v->n || id == eos)
                continue;
            if (pass)
                swg_gguf_append_number(&v->values->out, 4, (uint64_t)id);
            else if (n < n_more)
                swg_gguf_words_put_id(v, more[n], id);
            n += !pass;
        }
    }
}

int64_t swg_gguf_words_put_special(const swg_gguf_words *v, const char *name, const char *gguf_name,
                                   const char *spelling)
{
    const int64_t id = swg_gguf_words_special(v, name, spelling);
    swg_gguf_words_put_id(v, gguf_name, id);
    return id;
}

/* The token that the post-processor puts first (or last); -1 = none. */
int64_t swg_gguf_words_template(const swg_gguf_words *v, const swg_json *post, bool is_last)
{
    const swg_json *items = swg_json_get(post, "single");
    const swg_json *processors = swg_json_get(post, "processors");
    int64_t id = -1;
    for (const swg_json *p = swg_json_first(processors); p && id < 0; p = swg_json_next(p))
        id = swg_gguf_words_template(v, p, is_last);
    const size_t n = swg_json_count(items);
    const char *name;
    if (n == 0 ||
        !swg_json_as_string(
            swg_json_get(swg_json_get(swg_json_at(items, is_last ? n - 1 : 0), "SpecialToken"),
                         "id"),
            &name))
        return id;
    const swg_json *special = swg_json_get(swg_json_get(post, "special_tokens"), name);
    swg_json_as_int(swg_json_first(swg_json_get(special, "ids")), &id);
    return id >= 0 && (uint64_t)id < v->n ? id : -1;
}

void swg_gguf_words_put_ends(const swg_gguf_words *v, const swg_json *post, bool adds_bos)
{
    const int64_t first = swg_gguf_words_template(v, post, false),
                  last = swg_gguf_words_template(v, post, true);
    int64_t bos = swg_gguf_words_special(v, "bos", v->bos),
            eos = swg_gguf_words_special(v, "eos", v->eos);
    bos = bos < 0 ? first : bos;
    eos = eos < 0 ? last : eos;
    swg_gguf_words_put_id(v, "bos", bos);
    swg_gguf_words_put_end_ids(v, eos);
    swg_gguf_words_put_special(v, "unk", "unknown", v->unk);
    swg_gguf_words_put_special(v, "pad", "padding", NULL);
    adds_bos = adds_bos || bos == first;
    bool adds_eos = eos == last;
    swg_json_as_bool(swg_json_get(v->settings, "add_bos_token"), &adds_bos);
    swg_json_as_bool(swg_json_get(v->settings, "add_eos_token"), &adds_eos);
    /* Written also where there is no such token: engines put a fixed id in its place, and some
     * pre-tokenizers (llama-bpe) add it unless told not to. */
    swg_gguf_put_bool(v->values, "tokenizer.ggml.add_bos_token", bos >= 0 && adds_bos);
    swg_gguf_put_bool(v->values, "tokenizer.ggml.add_eos_token", eos >= 0 && adds_eos);
}
