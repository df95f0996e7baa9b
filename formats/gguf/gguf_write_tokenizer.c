/* A GGUF's tokenizer keys out of the files that a checkpoint carries: tokenizer.json (byte-level
 * BPE, SentencePiece BPE, WordPiece), vocab.json + merges.txt, or llama2.c's tokenizer.bin. The
 * pre-tokenizer has to be one that engines know by name. tokenizer.json itself goes along under
 * tokenizer.huggingface.json, so that nothing of it is lost. */
#include <stdio.h>
#include <string.h>

#include "formats/bytes/bytes.h"
#include "formats/gguf/gguf_pretokenizers.h"
#include "formats/gguf/gguf_write.h"
#include "formats/gguf/gguf_vocab.h"

static const char word_start[] = "\xe2\x96\x81"; /* U+2581 */

/* A vocabulary being put together; texts are views of JSON or of the arena. */
typedef struct vocabulary {
    const swg_sink *sink;
    swg_arena arena;
    const char **tokens; /* [n]; NULL = no such id */
    uint8_t *types;
    float *scores;
    size_t n;
    const swg_json *settings; /* tokenizer_config.json; may be NULL */
    const swg_json *config;
    swg_gguf_values *values;
} vocabulary;

static const swg_file_view *find_file(const swg_sink *sink, const char *name)
{
    for (size_t i = 0; i < sink->meta.n_files; i++)
        if (strcmp(sink->meta.files[i].name, name) == 0)
            return &sink->meta.files[i];
    return NULL;
}

/* --- The vocabulary --------------------------------------------------------------------------- */

static swg_status make_room(vocabulary *v, uint64_t vocab_size)
{
    v->n = (size_t)vocab_size;
    v->tokens = swg_arena_calloc(&v->arena, v->n, sizeof *v->tokens);
    v->types = swg_arena_calloc(&v->arena, v->n, sizeof *v->types);
    v->scores = swg_arena_calloc(&v->arena, v->n, sizeof *v->scores);
    return v->tokens && v->types && v->scores ? SWG_OK : SWG_NO_MEMORY;
}

static swg_status set_token(vocabulary *v, int64_t id, const char *text, int type)
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

static swg_status read_vocab(vocabulary *v, const swg_json *vocab, int64_t unk)
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
        SWG_TRY(set_token(v, id, text,
                          id == unk ? SWG_TOKEN_UNKNOWN
                          : is_byte ? SWG_TOKEN_BYTE
                                    : SWG_TOKEN_NORMAL));
    }
    return SWG_OK;
}

static swg_status read_added(vocabulary *v, const swg_json *root, int64_t unk)
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
        SWG_TRY(set_token(v, id, text,
                          id == unk    ? SWG_TOKEN_UNKNOWN
                          : is_special ? SWG_TOKEN_CONTROL
                                       : SWG_TOKEN_USER_DEFINED));
    }
    return SWG_OK;
}

/* Rows of the embedding without a token get a name that no text has. */
static swg_status fill_gaps(vocabulary *v)
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
static int64_t find_token(const vocabulary *v, const char *text)
{
    for (size_t id = 0; id < v->n; id++)
        if (v->tokens[id] && strcmp(v->tokens[id], text) == 0)
            return (int64_t)id;
    return -1;
}

static void put_vocabulary(vocabulary *v, const char *model, const char *pre, bool has_scores)
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
static const char *setting(const vocabulary *v, const char *key)
{
    const swg_json *value = swg_json_get(v->settings, key);
    const char *text = NULL;
    if (!swg_json_as_string(value, &text))
        swg_json_as_string(swg_json_get(value, "content"), &text);
    return text;
}

/* The id that tokenizer_config.json, config.json or a usual spelling gives; -1 = none. */
static int64_t special_id(const vocabulary *v, const char *name, const char *spelling)
{
    char key[32];
    int64_t id = -1;
    snprintf(key, sizeof key, "%s_token", name);
    const char *text = setting(v, key);
    if (text)
        id = find_token(v, text);
    snprintf(key, sizeof key, "%s_token_id", name);
    const swg_json *value = swg_json_get(v->config, key);
    if (id < 0 && !swg_json_as_int(value, &id))
        swg_json_as_int(swg_json_first(value), &id);
    if (id < 0 && spelling)
        id = find_token(v, spelling);
    return id >= 0 && (uint64_t)id < v->n ? id : -1;
}

static void put_id(const vocabulary *v, const char *gguf_name, int64_t id)
{
    char key[64];
    snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", gguf_name);
    if (id >= 0)
        swg_gguf_put_u32(v->values, key, (uint64_t)id);
}

/* The end of text, and the further tokens that end a text by config.json's list: engines have two
 * more keys for such tokens, and the rest are for the way back. */
static void put_end_ids(const vocabulary *v, int64_t eos)
{
    static const char *const more[] = {"eot", "eom"};
    const swg_json *list = swg_json_get(v->config, "eos_token_id");
    const size_t n_more = sizeof more / sizeof *more;
    put_id(v, "eos", eos);
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
                put_id(v, more[n], id);
            n += !pass;
        }
    }
}

static int64_t put_special(const vocabulary *v, const char *name, const char *gguf_name,
                           const char *spelling)
{
    const int64_t id = special_id(v, name, spelling);
    put_id(v, gguf_name, id);
    return id;
}

/* The token that the post-processor puts first (or last); -1 = none. */
static int64_t template_id(const vocabulary *v, const swg_json *post, bool is_last)
{
    const swg_json *items = swg_json_get(post, "single");
    const swg_json *processors = swg_json_get(post, "processors");
    int64_t id = -1;
    for (const swg_json *p = swg_json_first(processors); p && id < 0; p = swg_json_next(p))
        id = template_id(v, p, is_last);
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

static void put_ends(const vocabulary *v, const swg_json *post, bool adds_bos)
{
    const int64_t first = template_id(v, post, false), last = template_id(v, post, true);
    int64_t bos = special_id(v, "bos", NULL), eos = special_id(v, "eos", NULL);
    bos = bos < 0 ? first : bos;
    eos = eos < 0 ? last : eos;
    put_id(v, "bos", bos);
    put_end_ids(v, eos);
    put_special(v, "unk", "unknown", NULL);
    put_special(v, "pad", "padding", NULL);
    adds_bos = adds_bos || bos == first;
    bool adds_eos = eos == last;
    swg_json_as_bool(swg_json_get(v->settings, "add_bos_token"), &adds_bos);
    swg_json_as_bool(swg_json_get(v->settings, "add_eos_token"), &adds_eos);
    /* Written also where there is no such token: engines put a fixed id in its place, and some
     * pre-tokenizers (llama-bpe) add it unless told not to. */
    swg_gguf_put_bool(v->values, "tokenizer.ggml.add_bos_token", bos >= 0 && adds_bos);
    swg_gguf_put_bool(v->values, "tokenizer.ggml.add_eos_token", eos >= 0 && adds_eos);
}

static void put_chat_template(const vocabulary *v)
{
    const swg_file_view *file = find_file(v->sink, "chat_template.jinja");
    const char *text = setting(v, "chat_template");
    if (file)
        swg_gguf_put_text(v->values, "tokenizer.chat_template", file->data, file->length);
    else if (text)
        swg_gguf_put_text(v->values, "tokenizer.chat_template", text, strlen(text));
}

/* --- Byte-level BPE --------------------------------------------------------------------------- */

enum { MAX_PATTERNS = 16 };

typedef struct pre_parts {
    const char *patterns[MAX_PATTERNS];
    size_t n;
    bool is_known, is_byte_level;
} pre_parts;

static void collect_patterns(const swg_json *pre, pre_parts *parts)
{
    const char *type = "", *pattern = NULL, *behavior = "Isolated";
    bool use_regex = true, prefix_space = false, individual = false, invert = false;
    swg_json_as_string(swg_json_get(pre, "type"), &type);
    if (strcmp(type, "Sequence") == 0) {
        const swg_json *all = swg_json_get(pre, "pretokenizers");
        for (const swg_json *p = swg_json_first(all); p; p = swg_json_next(p))
            collect_patterns(p, parts);
        return;
    }
    if (strcmp(type, "ByteLevel") == 0) {
        swg_json_as_bool(swg_json_get(pre, "use_regex"), &use_regex);
        swg_json_as_bool(swg_json_get(pre, "add_prefix_space"), &prefix_space);
        pattern = use_regex ? swg_gguf_pretokenizer_find("gpt-2", 5)->patterns[0] : NULL;
        parts->is_known = parts->is_known && !prefix_space;
        parts->is_byte_level = true;
    } else if (strcmp(type, "Digits") == 0) {
        swg_json_as_bool(swg_json_get(pre, "individual_digits"), &individual);
        pattern = individual ? "\\p{N}" : "\\p{N}+";
    } else {
        swg_json_as_string(swg_json_get(swg_json_get(pre, "pattern"), "Regex"), &pattern);
        swg_json_as_string(swg_json_get(pre, "behavior"), &behavior);
        swg_json_as_bool(swg_json_get(pre, "invert"), &invert);
        /* What a pattern that matches everything leaves out is nothing. */
        const bool keeps =
            invert ? strcmp(behavior, "Removed") == 0 : strcmp(behavior, "Isolated") == 0;
        parts->is_known = parts->is_known && strcmp(type, "Split") == 0 && pattern && keeps;
    }
    if (pattern && parts->n < MAX_PATTERNS)
        parts->patterns[parts->n++] = pattern;
}

static swg_status find_pre(const vocabulary *v, const swg_json *root, const char **out)
{
    const swg_json *normalizer = swg_json_get(root, "normalizer");
    pre_parts parts = {.is_known = true};
    const char *form = "";
    bool ignore_merges = false;
    collect_patterns(swg_json_get(root, "pre_tokenizer"), &parts);
    swg_json_as_string(swg_json_get(normalizer, "type"), &form);
    swg_json_as_bool(swg_json_get(swg_json_get(root, "model"), "ignore_merges"), &ignore_merges);
    *out = parts.is_known && parts.is_byte_level
               ? swg_gguf_pretokenizer_name(parts.patterns, parts.n, form, ignore_merges)
               : NULL;
    return *out ? SWG_OK
                : swg_error(SWG_UNSUPPORTED,
                            "%s: the tokenizer cuts texts (first pattern: %.60s) in a way that "
                            "engines do not know by name",
                            v->sink->path, parts.n ? parts.patterns[0] : "none");
}

/* "a b", from either spelling; `buffer` may hold it. */
static const char *merge_text(const swg_json *item, swg_strbuf *buffer)
{
    const char *left, *right;
    if (swg_json_as_string(item, &left))
        return left;
    const swg_json *first = swg_json_first(item);
    if (!first || !swg_json_as_string(first, &left) ||
        !swg_json_as_string(swg_json_next(first), &right))
        return NULL;
    buffer->length = 0;
    swg_strbuf_printf(buffer, "%s %s", left, right);
    return swg_strbuf_text(buffer);
}

static swg_status put_merges(const vocabulary *v, const swg_json *merges)
{
    swg_strbuf buffer = {0};
    swg_status status = SWG_OK;
    if (!merges || swg_json_kind_of(merges) != SWG_JSON_ARRAY)
        return swg_error(SWG_CORRUPT, "%s: the tokenizer has no array \"merges\"", v->sink->path);
    swg_gguf_put_array(v->values, "tokenizer.ggml.merges", SWG_GGUF_STRING, swg_json_count(merges));
    for (const swg_json *item = swg_json_first(merges); item; item = swg_json_next(item)) {
        const char *text = merge_text(item, &buffer);
        if (!text)
            SWG_GO(
                swg_error(SWG_CORRUPT, "%s: a merge of the tokenizer is no pair", v->sink->path));
        swg_gguf_append_text(&v->values->out, text, strlen(text));
    }
    status = swg_strbuf_status(&buffer);
done:
    swg_strbuf_deinit(&buffer);
    return status;
}

static swg_status put_byte_level(vocabulary *v, const swg_json *root)
{
    const swg_json *model = swg_json_get(root, "model");
    const char *pre;
    SWG_TRY(find_pre(v, root, &pre));
    SWG_TRY(read_vocab(v, swg_json_get(model, "vocab"), -1));
    SWG_TRY(read_added(v, root, -1));
    SWG_TRY(fill_gaps(v));
    put_vocabulary(v, "gpt2", pre, false);
    SWG_TRY(put_merges(v, swg_json_get(model, "merges")));
    put_ends(v, swg_json_get(root, "post_processor"), false);
    return SWG_OK;
}

/* --- SentencePiece BPE ------------------------------------------------------------------------ */

/* SentencePiece merges the pair whose token has the best score: the earlier a merge, the better. A
 * token that no merge makes is found in texts as it is, and its score does not matter. */
static swg_status score_merges(vocabulary *v, const swg_json *vocab, const swg_json *merges)
{
    swg_strbuf joined = {0};
    swg_status status = SWG_OK;
    const size_t n = swg_json_count(merges);
    for (size_t id = 0; id < v->n; id++)
        v->scores[id] = v->types[id] == SWG_TOKEN_NORMAL ? -(float)n - (float)id : 0.0f;
    size_t rank = 0;
    for (const swg_json *item = swg_json_first(merges); item; item = swg_json_next(item), rank++) {
        const char *text = merge_text(item, &joined);
        const char *space = text ? strchr(text, ' ') : NULL;
        int64_t id = -1;
        if (!space)
            SWG_GO(swg_error(SWG_CORRUPT, "%s: merge %zu of the tokenizer is no pair",
                             v->sink->path, rank));
        if (text != swg_strbuf_text(&joined)) {
            joined.length = 0;
            swg_strbuf_puts(&joined, text);
        }
        SWG_GO(swg_strbuf_status(&joined));
        const size_t cut = (size_t)(space - text);
        memmove(joined.text + cut, joined.text + cut + 1, joined.length - cut);
        if (swg_json_as_int(swg_json_get(vocab, joined.text), &id) && id >= 0 &&
            (uint64_t)id < v->n && v->types[id] == SWG_TOKEN_NORMAL && v->scores[id] <= -(float)n)
            v->scores[id] = -(float)rank;
    }
done:
    swg_strbuf_deinit(&joined);
    return status;
}

static bool has_normalizer(const swg_json *normalizer, const char *type)
{
    const char *name = "";
    const swg_json *all = swg_json_get(normalizer, "normalizers");
    swg_json_as_string(swg_json_get(normalizer, "type"), &name);
    for (const swg_json *item = swg_json_first(all); item; item = swg_json_next(item))
        if (has_normalizer(item, type))
            return true;
    return strcmp(name, type) == 0;
}

static swg_status put_sentencepiece(vocabulary *v, const swg_json *root)
{
    const swg_json *model = swg_json_get(root, "model"), *vocab = swg_json_get(model, "vocab");
    const char *unk_text = NULL;
    int64_t unk = -1;
    bool prepends = has_normalizer(swg_json_get(root, "normalizer"), "Prepend");
    const char *scheme = "";
    if (swg_json_as_string(swg_json_get(swg_json_get(root, "pre_tokenizer"), "prepend_scheme"),
                           &scheme))
        prepends = strcmp(scheme, "never") != 0;
    if (swg_json_as_string(swg_json_get(model, "unk_token"), &unk_text))
        swg_json_as_int(swg_json_get(vocab, unk_text), &unk);
    SWG_TRY(read_vocab(v, vocab, unk));
    SWG_TRY(read_added(v, root, unk));
    SWG_TRY(fill_gaps(v));
    SWG_TRY(score_merges(v, vocab, swg_json_get(model, "merges")));
    put_vocabulary(v, "llama", "default", true);
    swg_gguf_put_bool(v->values, "tokenizer.ggml.add_space_prefix", prepends);
    put_ends(v, swg_json_get(root, "post_processor"), false);
    return SWG_OK;
}

/* llama2.c: int32 longest | for each id: float score, int32 length, text with spaces as they are.
 */
static swg_status read_llama2c(vocabulary *v, const swg_file_view *file)
{
    enum { N_SPECIAL = 3, N_BYTES = 256 };
    swg_cursor cursor = {.at = (const uint8_t *)file->data, .left = file->length};
    swg_cursor_number(&cursor, 4);
    for (size_t id = 0; id < v->n; id++) {
        const uint32_t bits = (uint32_t)swg_cursor_number(&cursor, 4);
        const uint64_t length = swg_cursor_number(&cursor, 4);
        const char *text = (const char *)swg_cursor_take(&cursor, length);
        if (!text)
            return swg_error(SWG_CORRUPT, "%s: tokenizer.bin ends inside token %zu of %zu",
                             v->sink->path, id, v->n);
        memcpy(&v->scores[id], &bits, sizeof bits);
        swg_strbuf spelled = {0};
        for (uint64_t i = 0; i < length; i++)
            swg_strbuf_append(&spelled, text[i] == ' ' ? word_start : &text[i],
                              text[i] == ' ' ? sizeof word_start - 1 : 1);
        static const char *const special[N_SPECIAL] = {"<unk>", "<s>", "</s>"};
        const char *name = id < N_SPECIAL ? special[id] : swg_strbuf_text(&spelled);
        char *copy = swg_arena_strndup(&v->arena, name, strlen(name));
        const bool failed = spelled.failed || !copy;
        swg_strbuf_deinit(&spelled);
        if (failed)
            return SWG_NO_MEMORY;
        SWG_TRY(set_token(v, (int64_t)id, copy,
                          id == 0                    ? SWG_TOKEN_UNKNOWN
                          : id < N_SPECIAL           ? SWG_TOKEN_CONTROL
                          : id < N_SPECIAL + N_BYTES ? SWG_TOKEN_BYTE
                                                     : SWG_TOKEN_NORMAL));
    }
    return cursor.left == 0 ? SWG_OK
                            : swg_error(SWG_CORRUPT, "%s: tokenizer.bin has more than %zu tokens",
                                        v->sink->path, v->n);
}

static swg_status put_llama2c(vocabulary *v, const swg_file_view *file)
{
    SWG_TRY(read_llama2c(v, file));
    put_vocabulary(v, "llama", "default", true);
    swg_gguf_put_bool(v->values, "tokenizer.ggml.add_space_prefix", true);
    put_ends(v, NULL, true);
    return SWG_OK;
}

/* --- WordPiece -------------------------------------------------------------------------------- */

/* WordPiece marks pieces inside a word, GGUF those that start one. */
static swg_status respell_pieces(vocabulary *v)
{
    for (size_t id = 0; id < v->n; id++) {
        const char *text = v->tokens[id];
        const size_t length = strlen(text);
        if (length > 2 && text[0] == '[' && text[length - 1] == ']')
            continue;
        if (strncmp(text, "##", 2) == 0) {
            v->tokens[id] = text + 2;
            continue;
        }
        char *spelled = swg_arena_calloc(&v->arena, length + sizeof word_start, 1);
        if (!spelled)
            return SWG_NO_MEMORY;
        memcpy(spelled, word_start, sizeof word_start - 1);
        memcpy(spelled + sizeof word_start - 1, text, length);
        v->tokens[id] = spelled;
    }
    return SWG_OK;
}

/* Engines put the token that they call bos in front, whatever its name, and a separator behind. */
static void put_wordpiece_ends(const vocabulary *v, const swg_json *post, int64_t cls, int64_t sep)
{
    const char *type = "";
    swg_json_as_string(swg_json_get(post, "type"), &type);
    const bool is_bert = strcmp(type, "BertProcessing") == 0;
    put_id(v, "bos", cls);
    swg_gguf_put_bool(v->values, "tokenizer.ggml.add_bos_token",
                      cls >= 0 && (is_bert || template_id(v, post, false) == cls));
    swg_gguf_put_bool(v->values, "tokenizer.ggml.add_sep_token",
                      sep >= 0 && (is_bert || template_id(v, post, true) == sep));
}

/* llama.cpp strips accents where it lowers case, unless told, as Hugging Face does. */
static void put_wordpiece_normalizer(const vocabulary *v, const swg_json *normalizer)
{
    bool lowercase = true, strip;
    swg_json_as_bool(swg_json_get(normalizer, "lowercase"), &lowercase);
    if (has_normalizer(normalizer, "BertNormalizer"))
        swg_gguf_put_bool(v->values, "tokenizer.ggml.normalizer.lowercase", lowercase);
    if (swg_json_as_bool(swg_json_get(normalizer, "strip_accents"), &strip))
        swg_gguf_put_bool(v->values, "tokenizer.ggml.normalizer.strip_accents", strip);
}

static swg_status put_wordpiece(vocabulary *v, const swg_json *root)
{
    static const char *const special[][3] = {{"unk", "unknown", "[UNK]"},
                                             {"sep", "seperator", "[SEP]"},
                                             {"pad", "padding", "[PAD]"},
                                             {"cls", "cls", "[CLS]"},
                                             {"mask", "mask", "[MASK]"}};
    SWG_TRY(read_vocab(v, swg_json_get(swg_json_get(root, "model"), "vocab"), -1));
    SWG_TRY(read_added(v, root, -1));
    SWG_TRY(fill_gaps(v));
    int64_t ids[sizeof special / sizeof *special];
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        ids[i] = put_special(v, special[i][0], special[i][1], special[i][2]);
    put_wordpiece_ends(v, swg_json_get(root, "post_processor"), ids[3], ids[1]);
    put_wordpiece_normalizer(v, swg_json_get(root, "normalizer"));
    SWG_TRY(respell_pieces(v));
    put_vocabulary(v, "bert", "default", false);
    return SWG_OK;
}

/* --- Choosing --------------------------------------------------------------------------------- */

static swg_status put_json(vocabulary *v, const swg_file_view *file)
{
    swg_json_doc *doc = NULL;
    swg_status status = SWG_OK;
    const char *type = "BPE";
    bool byte_fallback = false;
    SWG_GO(swg_json_parse(file->data, file->length, "tokenizer.json", &doc));
    const swg_json *root = swg_json_root(doc), *model = swg_json_get(root, "model");
    swg_json_as_string(swg_json_get(model, "type"), &type);
    swg_json_as_bool(swg_json_get(model, "byte_fallback"), &byte_fallback);
    if (strcmp(type, "WordPiece") == 0)
        SWG_GO(put_wordpiece(v, root));
    else if (strcmp(type, "BPE") == 0)
        SWG_GO(byte_fallback ? put_sentencepiece(v, root) : put_byte_level(v, root));
    else
        SWG_GO(swg_error(SWG_UNSUPPORTED, "%s: a tokenizer of type %.40s is not written to a GGUF",
                         v->sink->path, type));
    swg_gguf_put_text(v->values, "tokenizer.huggingface.json", file->data, file->length);
done:
    swg_json_free(&doc);
    return status;
}

/* Lines of merges.txt after its version. */
static swg_status put_vocab_merges(vocabulary *v, const swg_file_view *vocab,
                                   const swg_file_view *merges)
{
    swg_json_doc *doc = NULL;
    swg_status status = SWG_OK;
    uint64_t n = 0;
    SWG_GO(swg_json_parse(vocab->data, vocab->length, "vocab.json", &doc));
    SWG_GO(read_vocab(v, swg_json_root(doc), -1));
    SWG_GO(fill_gaps(v));
    const int64_t end = find_token(v, "<|endoftext|>");
    if (end >= 0)
        v->types[end] = SWG_TOKEN_CONTROL;
    put_vocabulary(v, "gpt2", "gpt-2", false);
    for (int pass = 0; pass < 2; pass++) {
        if (pass)
            swg_gguf_put_array(v->values, "tokenizer.ggml.merges", SWG_GGUF_STRING, n);
        for (const char *line = merges->data; *line;) {
            const size_t length = strcspn(line, "\r\n");
            const bool counts = length > 0 && strncmp(line, "#version", 8) != 0;
            if (counts && pass)
                swg_gguf_append_text(&v->values->out, line, length);
            n += counts && !pass;
            line += length + strspn(line + length, "\r\n");
        }
    }
    put_ends(v, NULL, false);
done:
    swg_json_free(&doc);
    return status;
}

/* How engines spell a model without tokenizer. */
static void put_nothing(vocabulary *v)
{
    swg_gguf_put_text(v->values, "tokenizer.ggml.model", "none", 4);
    put_special(v, "bos", "bos", NULL);
    put_end_ids(v, special_id(v, "eos", NULL));
}

swg_status swg_gguf_put_tokenizer(const swg_sink *sink, const swg_json *config, uint64_t vocab_size,
                                  swg_gguf_values *values)
{
    vocabulary v = {.sink = sink, .config = config, .values = values};
    swg_json_doc *settings = NULL;
    swg_status status = SWG_OK;
    const swg_file_view *json = find_file(sink, "tokenizer.json");
    const swg_file_view *vocab = find_file(sink, "vocab.json");
    const swg_file_view *merges = find_file(sink, "merges.txt");
    const swg_file_view *llama2c = find_file(sink, "tokenizer.bin");
    const swg_file_view *file = find_file(sink, "tokenizer_config.json");
    SWG_GO(make_room(&v, vocab_size));
    if (file)
        SWG_GO(swg_json_parse(file->data, file->length, file->name, &settings));
    v.settings = settings ? swg_json_root(settings) : NULL;
    if (json)
        SWG_GO(put_json(&v, json));
    else if (vocab && merges)
        SWG_GO(put_vocab_merges(&v, vocab, merges));
    else if (llama2c)
        SWG_GO(put_llama2c(&v, llama2c));
    else
        put_nothing(&v);
    put_chat_template(&v);
done:
    swg_json_free(&settings);
    swg_arena_deinit(&v.arena);
    return status;
}
